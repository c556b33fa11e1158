"""The URL of a hub, as a setting gives it."""

from __future__ import annotations

import pytest

from flask_mercure_sse.protocol.hub_url import EXAMPLE, checked_hub_url
from flask_mercure_sse.protocol.version import HUB_PATH

URL = f"https://hub.example.com{HUB_PATH}"


@pytest.mark.parametrize("fixed_path", [True, False])
@pytest.mark.parametrize("given", [URL, f"{URL}/", "https://hub.example.com", "https://hub.example.com/"])
def test_usual_path_may_be_left_out(given: str, fixed_path: bool) -> None:
    """Mercure 1.0, Hub Discovery; Mercure 0.x, Discovery."""
    assert checked_hub_url(given, fixed_path=fixed_path) == URL


@pytest.mark.parametrize("given", ["https://example.com/push", "https://example.com/push/"])
def test_other_path_is_one_before_the_usual_or_the_hubs_own(given: str) -> None:
    """Mercure 0.x, Discovery: the path always ends so; Mercure 1.0, Hub Discovery: any path is legal."""
    assert checked_hub_url(given) == f"https://example.com/push{HUB_PATH}"
    assert checked_hub_url(given, fixed_path=False) == "https://example.com/push"


@pytest.mark.parametrize("fixed_path", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        EXAMPLE,
        f"http://hub:3000{HUB_PATH}",
        f"https://[::1]:8443{HUB_PATH}",
        f"https://example.com/prefix{HUB_PATH}",
        f"https://hub.example.com:443{HUB_PATH}",
    ],
)
def test_whole_url_is_taken_as_it_is(url: str, fixed_path: bool) -> None:
    """Mercure 1.0, Hub Discovery."""
    assert checked_hub_url(url, fixed_path=fixed_path) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "is not a valid hub URL"),
        ("hub.example.com", "is not a valid hub URL"),
        ("/relative", "is not a valid hub URL"),
        ("//hub.example.com", "is not a valid hub URL"),
        ("ftp://hub.example.com", "is not a valid hub URL"),
        ("https://", "is not a valid hub URL"),
        ("https://:8000", "is not a valid hub URL"),
        ("https://hub.example.com:0", "is not a valid hub URL"),
        ("https://hub.example.com:port", "is not a valid URL"),
        ("https://hub.example.com:99999", "is not a valid URL"),
        ("https://[::1", "is not a valid URL"),
        ("https://hub exa.mple", "has a space or control character"),
        ("https://hub.example.com/\x7f", "has a space or control character"),
        (f"{URL}\n", "has a space or control character"),
        (f"{URL}\u200b", "has a space or control character"),
        (f"{URL}?topic=a", "has a query or fragment"),
        (f"{URL}#a", "has a query or fragment"),
        ("https://ada@hub.example.com", "has a user name or password"),
        ("https://ada:secret@hub.example.com", "has a user name or password"),
    ],
)
def test_problem_is_the_end_of_a_sentence(url: str, problem: str) -> None:
    for fixed_path in (True, False):
        with pytest.raises(ValueError) as refused:
            checked_hub_url(url, fixed_path=fixed_path)
        assert str(refused.value).startswith(problem)


@pytest.mark.parametrize("url", ["nonsense", "https://hub.example.com:port", f"{URL}?a", f"{URL} "])
def test_fix_shows_a_url(url: str) -> None:
    with pytest.raises(ValueError, match=EXAMPLE):
        checked_hub_url(url)


def test_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ValueError) as refused:
        checked_hub_url("https://ada:s3cret@hub.example.com")
    assert "s3cret" not in str(refused.value)

"""Which pages may use the hub from elsewhere, and which publish with a cookie."""

from __future__ import annotations

from typing import Any

import pytest

from flask_mercure_sse.server.cors import Cors, checked_origins, comes_from, origin_of

ORIGIN = "https://app.example"


def answered(origins: tuple[str, ...], origin: str | None) -> dict[str, str]:
    """Return the headers that an answer gets."""
    headers = Cors(origins).headers_for(origin)
    assert len(dict(headers)) == len(headers)
    return dict(headers)


ALLOWED = {
    "Vary": "Origin",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, QUERY",
    "Access-Control-Allow-Headers": "Authorization, Cache-Control, Content-Type, Last-Event-ID",
    "Access-Control-Expose-Headers": "Link, Last-Event-ID, Mercure-Last-Event-ID, WWW-Authenticate",
}


# Answers


def test_listed_origin_is_echoed_with_credentials() -> None:
    """Mercure 1.0, Subscription; Fetch, CORS protocol and credentials."""
    assert answered((ORIGIN, "https://other.example"), ORIGIN) == {
        **ALLOWED,
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Credentials": "true",
    }


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "HTTPS://APP.EXAMPLE",
        "https://app.example/",
        "null",
        "",
        "*",
    ],
)
def test_other_origin_is_told_nothing_but_that_it_matters(origin: str) -> None:
    """Mercure 1.0, Subscription: no origin is reflected."""
    assert answered((ORIGIN,), origin) == {"Vary": "Origin"}


def test_request_without_an_origin_is_told_that_it_matters() -> None:
    """Fetch, CORS protocol and HTTP caches."""
    assert answered((ORIGIN,), None) == {"Vary": "Origin"}


def test_any_origin_may_read_without_credentials_where_all_are_let_in() -> None:
    """Mercure 1.0, Subscription."""
    assert answered(("*",), "https://any.example") == {**ALLOWED, "Access-Control-Allow-Origin": "*"}


def test_origin_that_is_listed_next_to_all_gets_credentials() -> None:
    """Mercure 1.0, Subscription."""
    assert answered(("*", ORIGIN), ORIGIN)["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Allow-Credentials" not in answered(("*", ORIGIN), "https://any.example")


@pytest.mark.parametrize("origin", ["*", "null"])
def test_star_as_an_origin_never_gets_credentials(origin: str) -> None:
    """Mercure 1.0, Subscription."""
    assert "Access-Control-Allow-Credentials" not in answered(("*",), origin)


@pytest.mark.parametrize("origin", [None, ORIGIN, "null"])
def test_without_origins_there_are_no_headers(origin: str | None) -> None:
    """Fetch, CORS protocol."""
    assert answered((), origin) == {}


# Settings


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", ()),
        (ORIGIN, (ORIGIN,)),
        (f"{ORIGIN}, http://localhost:5000", (ORIGIN, "http://localhost:5000")),
        (f" {ORIGIN}  http://localhost:5000,", (ORIGIN, "http://localhost:5000")),
        ([ORIGIN, "http://[::1]:5000"], (ORIGIN, "http://[::1]:5000")),
        ((), ()),
        ("*", ("*",)),
        (["*", ORIGIN], ("*", ORIGIN)),
    ],
)
def test_origins_are_a_list_or_a_text(given: Any, origins: tuple[str, ...]) -> None:
    """RFC 6454, The Web Origin Concept."""
    assert checked_origins(given) == origins


NO_ORIGINS: list[Any] = [
    "app.example",
    "//app.example",
    "https://app.example/",
    "https://app.example/page",
    "https://app.example?",
    "https://APP.example",
    "HTTPS://app.example",
    "https://app.example:443",
    "http://app.example:80",
    "https://app.example:08443",
    "https://app.example:port",
    "https://ada@app.example",
    "https://",
    "ftp://app.example",
    "null",
    "https://[::1",
    "",
    None,
    7,
    ["https://app.example"],
]


@pytest.mark.parametrize("bad", NO_ORIGINS, ids=repr)
def test_what_browsers_would_not_send_is_refused(bad: Any) -> None:
    """RFC 6454, Serializing Origins."""
    with pytest.raises(
        ValueError, match="is no origin; give scheme, host and port as browsers do"
    ) as refused:
        checked_origins([ORIGIN, bad])
    assert str(refused.value).startswith(f"has {bad!r}")


@pytest.mark.parametrize("bad", ["https://*.app.example", "https://app example", "https://é.example"])
def test_host_that_browsers_would_not_send_is_refused(bad: str) -> None:
    """RFC 6454, Serializing Origins: it would never match, in silence."""
    with pytest.raises(ValueError, match="is no origin"):
        checked_origins([bad])


def test_star_may_be_no_origin() -> None:
    """Mercure 1.0, Security Considerations: not every page may publish."""
    with pytest.raises(ValueError, match=r"has '\*', which is no origin"):
        checked_origins("*", allow_any=False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example/page?a#b", ORIGIN),
        ("HTTPS://APP.EXAMPLE/", ORIGIN),
        ("https://app.example:443/", ORIGIN),
        ("http://app.example:80/", "http://app.example"),
        ("http://app.example:443/", "http://app.example:443"),
        ("https://ada:secret@app.example/", ORIGIN),
        ("http://[::1]:5000/", "http://[::1]:5000"),
        ("/page", None),
        ("", None),
        ("about:blank", None),
        ("data:text/html,x", None),
        ("https://app.example:port/", None),
        ("https://app.example:99999/", None),
        ("https://[/", None),
        ("https:///page", None),
    ],
)
def test_origin_of_a_url_is_written_as_browsers_do(url: str, origin: str | None) -> None:
    """RFC 6454, Serializing Origins."""
    assert origin_of(url) == origin


# Publishing with a cookie


@pytest.mark.parametrize(
    ("origin", "referer", "comes"),
    [
        (ORIGIN, None, True),
        (ORIGIN, "https://evil.example/", True),
        (None, f"{ORIGIN}/page?a=b", True),
        (None, ORIGIN, True),
        ("https://evil.example", f"{ORIGIN}/page", False),
        ("null", f"{ORIGIN}/page", False),
        ("", f"{ORIGIN}/page", False),
        (None, "https://evil.example/", False),
        (None, f"https://evil.example/{ORIGIN}", False),
        (None, f"{ORIGIN}.evil.example/", False),
        (None, f"{ORIGIN}@evil.example/", False),
        (None, "garbage", False),
        (None, "", False),
        (None, None, False),
    ],
)
def test_page_is_known_by_its_origin_or_else_by_its_referer(
    origin: str | None, referer: str | None, comes: bool
) -> None:
    """Mercure 1.0, Security Considerations: where neither is given, no page is known."""
    assert comes_from(frozenset({ORIGIN}), origin, referer) is comes


def test_no_page_is_known_where_none_is_listed() -> None:
    """Mercure 1.0, Security Considerations."""
    for origin, referer in ((ORIGIN, None), (None, ORIGIN), (None, None), ("null", None)):
        assert not comes_from(frozenset(), origin, referer)

"""Reading HTTP requests: parameters, forms, headers and the parts of a path."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from flask_mercure_sse.protocol.errors import ContentTooLarge, InvalidRequest, UnsupportedMediaType
from flask_mercure_sse.protocol.forms import MAX_FIELDS, Fields
from flask_mercure_sse.server.exchange import Request, header_text, text_header
from flask_mercure_sse.server.requests import FORM, path_parts, read_parameters, read_publication
from flask_mercure_sse.server.wsgi import request_of

HUB = "/.well-known/mercure"
API = f"{HUB}/subscriptions"


def request(
    url: str = HUB,
    method: str = "GET",
    body: bytes = b"",
    type: str | None = None,
    max_body: int = 1024 * 1024,
    **environ: Any,
) -> Request:
    built = EnvironBuilder(url, method=method, input_stream=BytesIO(body), content_type=type).get_environ()
    if body:
        built["CONTENT_LENGTH"] = str(len(body))
    return request_of({**built, **environ}, max_body)


# Parameters


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_parameters_are_those_of_the_query(method: str) -> None:
    """Mercure 1.0, Subscription: a body counts with QUERY alone."""
    asked = request(f"{HUB}?match=/a&match=b%20c+d&x", method, b"match=/body", FORM)
    assert read_parameters(asked) == [("match", "/a"), ("match", "b c d"), ("x", "")]


@pytest.mark.parametrize("type", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
def test_parameters_of_a_body_come_after_those_of_the_query(type: str) -> None:
    """Mercure 1.0, Subscription."""
    asked = request(f"{HUB}?match=/a", "QUERY", b"match_exact=/b&match=%C3%A9", type)
    assert read_parameters(asked) == [("match", "/a"), ("match_exact", "/b"), ("match", "é")]


@pytest.mark.parametrize("type", [None, FORM, "application/json"])
def test_query_without_a_body_needs_no_type(type: str | None) -> None:
    """Mercure 1.0, Subscription."""
    assert read_parameters(request(f"{HUB}?match=/a", "QUERY", type=type)) == [("match", "/a")]


@pytest.mark.parametrize(
    "type", [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x"]
)
def test_body_of_another_type_is_refused(type: str | None) -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(UnsupportedMediaType, match=FORM):
        read_parameters(request(HUB, "QUERY", b"match=/a", type))


def test_parameters_may_be_read_twice() -> None:
    asked = request(HUB, "QUERY", b"match=/a", FORM)
    assert read_parameters(asked) == read_parameters(asked) == [("match", "/a")]


@pytest.mark.parametrize(
    ("url", "body"), [(f"{HUB}?match=%FF", b""), (HUB, b"match=%FF"), (HUB, b"match=\xff"), (HUB, b"%C3=x")]
)
def test_parameters_that_are_not_utf_8_are_refused(url: str, body: bytes) -> None:
    """Mercure 1.0, Subscription: before anything is lost."""
    with pytest.raises(InvalidRequest, match="UTF-8"):
        read_parameters(request(url, "QUERY", body, FORM))


def test_parameters_have_a_largest_number() -> None:
    """Mercure 1.0, Subscription."""
    with pytest.raises(InvalidRequest, match=str(MAX_FIELDS)):
        read_parameters(request(HUB, "QUERY", b"&".join([b"x=y"] * (MAX_FIELDS + 1)), FORM))


def test_body_of_a_query_has_a_greatest_size() -> None:
    """Mercure 1.0, Subscription."""
    asked = request(HUB, "QUERY", b"match=/abc", FORM, max_body=9)
    with pytest.raises(ContentTooLarge, match="9 bytes"):
        read_parameters(asked)


# Publications


def test_publication_is_the_form_of_the_body_alone() -> None:
    """Mercure 1.0, Publication."""
    posted = request(f"{HUB}?topic=/query", "POST", b"topic=/a&data=x%0Ay&private", FORM)
    assert read_publication(posted) == [("topic", "/a"), ("data", "x\ny"), ("private", "")]


@pytest.mark.parametrize(
    "type", [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x"]
)
def test_publication_of_another_type_is_a_bad_request(type: str | None) -> None:
    """Mercure 1.0, Publication."""
    with pytest.raises(InvalidRequest, match=FORM):
        read_publication(request(HUB, "POST", b"topic=/a", type))


def test_publication_has_a_greatest_size_and_a_largest_number_of_fields() -> None:
    """Mercure 1.0, Publication."""
    large = request(HUB, "POST", b"topic=/abc", FORM, max_body=9)
    with pytest.raises(ContentTooLarge, match="9 bytes"):
        read_publication(large)
    with pytest.raises(ContentTooLarge, match=str(MAX_FIELDS)):
        read_publication(request(HUB, "POST", b"&".join([b"x=y"] * (MAX_FIELDS + 1)), FORM))


class Broken(BytesIO):
    """A connection that ends in the middle."""

    def read(self, *_arguments: object) -> bytes:
        raise OSError("the connection is gone")

    readinto = readline = read  # type: ignore[assignment]


@pytest.mark.parametrize(
    "environ",
    [
        {"wsgi.input": Broken(), "CONTENT_LENGTH": "8"},
        {"wsgi.input": BytesIO(b"topic"), "CONTENT_LENGTH": "8"},
    ],
    ids=["broken off", "too short"],
)
@pytest.mark.parametrize("method", ["POST", "QUERY"])
def test_body_that_ends_early_is_a_bad_request(environ: dict[str, Any], method: str) -> None:
    """RFC 9112, Incomplete Messages."""
    read = read_publication if method == "POST" else read_parameters
    with pytest.raises(InvalidRequest, match="ended early"):
        read(request(HUB, method, b"topic=/a", FORM, **environ))


# Parts of a path


def parts(raw: str | None, decoded: str = API, *, leading: int, name: str = "REQUEST_URI") -> list[str]:
    environ: dict[str, Any] = {"RAW_URI": "", "REQUEST_URI": "", "PATH_INFO": decoded}
    if raw is not None:
        environ[name] = raw
    return path_parts(request(**environ), API, leading=leading)


@pytest.mark.parametrize("name", ["REQUEST_URI", "RAW_URI"])
@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (API, []),
        (f"{API}/", []),
        (f"{API}?x=/y", []),
        (f"{API}/exact/%2Fa%2Fb", ["exact", "%2Fa%2Fb"]),
        (f"{API}/exact/%2Fa/", ["exact", "%2Fa"]),
        (f"{API}/exact/%2Fa/urn%3Auuid%3A1?x", ["exact", "%2Fa", "urn%3Auuid%3A1"]),
        (f"{API}/exact//s", ["exact", "", "s"]),
        (f"/prefix{API}/a", ["a"]),
        (f"http://hub.example.com{API}/a", ["a"]),
        (f"{API}/a/b/c/d", ["a", "b", "c", "d"]),
    ],
)
def test_parts_are_those_of_the_raw_target(name: str, raw: str, found: list[str]) -> None:
    """Mercure 1.0 and 0.x, Subscription API: an encoded slash is part of a topic."""
    for leading in (0, 1):
        assert parts(raw, leading=leading, name=name) == found


@pytest.mark.parametrize(
    ("path", "leading", "found"),
    [
        ("", 0, []),
        ("/", 1, []),
        ("//a/b", 0, ["%2Fa%2Fb"]),
        ("/exact//a/b", 1, ["exact", "%2Fa%2Fb"]),
        ("/https://example.com/a b", 0, ["https%3A%2F%2Fexample.com%2Fa%20b"]),
        ("//a/urn:uuid:1", 0, ["%2Fa", "urn%3Auuid%3A1"]),
        ("/urlpattern//:id/urn:uuid:1", 1, ["urlpattern", "%2F%3Aid", "urn%3Auuid%3A1"]),
        ("/exact/urn:uuid:1", 1, ["exact", "urn%3Auuid%3A1"]),
        ("/urn:uuid:1", 0, ["urn%3Auuid%3A1"]),
        ("/exact", 1, ["exact"]),
        ("/a%2Fb", 0, ["a%252Fb"]),
    ],
)
def test_parts_are_found_where_the_server_tells_the_decoded_path_alone(
    path: str, leading: int, found: list[str]
) -> None:
    """Mercure 1.0 and 0.x, Subscription API: a subscriber is known by its form."""
    assert parts(None, API + path, leading=leading) == found


def test_target_that_is_written_in_another_way_is_read_decoded() -> None:
    """RFC 3986, Percent-Encoding Normalization."""
    raw = "/.well-known/%6Dercure/subscriptions/exact/%2Fa"
    assert parts(raw, f"{API}/exact//a", leading=1) == ["exact", "%2Fa"]


# Headers


@pytest.mark.parametrize("text", ["", "7", "urn:uuid:7", "é🎈", "a b"])
def test_text_goes_through_a_header_and_back(text: str) -> None:
    """WHATWG HTML, Server-sent events: browsers write an id in UTF-8."""
    assert header_text(text_header(text)) == text
    assert text_header(text).encode("latin-1") == text.encode()


def test_header_that_is_not_there_or_not_utf_8_is_no_error() -> None:
    """WHATWG HTML, Server-sent events."""
    assert request().header_text("last-event-id") is None
    assert header_text("\xff7") == "\ufffd7"


def test_fields_are_pairs() -> None:
    fields: Fields = read_parameters(request(f"{HUB}?a=1&a=2"))
    assert fields == [("a", "1"), ("a", "2")]

"""``Link`` headers."""

from __future__ import annotations

import pytest
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Response

from flask_mercure_sse.server.links import link

HUB = "/.well-known/mercure"


def test_link_is_a_url_and_its_attributes_in_their_order() -> None:
    """RFC 8288, The Link Header Field."""
    attributes = {"rel": "mercure", "last-event-id": "urn:uuid:7", "content-type": "application/json"}
    assert link(f"https://hub.example.com{HUB}", attributes) == (
        '<https://hub.example.com/.well-known/mercure>; rel="mercure"; last-event-id="urn:uuid:7"; '
        'content-type="application/json"'
    )


def test_link_may_be_relative_and_have_no_attribute() -> None:
    """RFC 8288, The Link Header Field."""
    assert link(HUB, {}) == "</.well-known/mercure>"


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("https://e.com/a?b=c&d=%20#e", "https://e.com/a?b=c&d=%20#e"),
        ("http://[::1]:8000/~a;b=c,d(e)*'!$@", "http://[::1]:8000/~a;b=c,d(e)*'!$@"),
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ("/books/{id}", "/books/%7Bid%7D"),
        ('/a>; rel="evil', "/a%3E;%20rel=%22evil"),
        ("/a\r\nSet-Cookie: x=y", "/a%0D%0ASet-Cookie:%20x=y"),
        ("<", "%3C"),
        ("\\", "%5C"),
    ],
)
def test_target_is_encoded_where_it_would_end_the_link(target: str, written: str) -> None:
    """RFC 8288, The Link Header Field; RFC 3986, Percent-Encoding: what is encoded already stays."""
    assert link(target, {"rel": "self"}) == f'<{written}>; rel="self"'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b;c=d, e", "a b;c=d, e"),
        ('say "hi"', 'say \\"hi\\"'),
        ("back\\slash", "back\\\\slash"),
        ('\\"', '\\\\\\"'),
        ("", ""),
    ],
)
def test_value_is_escaped_in_its_quotes(value: str, written: str) -> None:
    """RFC 9110, Quoted Strings."""
    assert link(HUB, {"last-event-id": value}) == f'<{HUB}>; last-event-id="{written}"'


@pytest.mark.parametrize("value", ['a"; rel="evil', "\\", 'x\\"y', "a;b=c"])
def test_escaped_value_is_read_back(value: str) -> None:
    """RFC 9110, Quoted Strings."""
    _url, _semicolon, attributes = link(HUB, {"last-event-id": value, "rel": "mercure"}).partition("; ")
    assert parse_options_header(f"x; {attributes}")[1] == {"last-event-id": value, "rel": "mercure"}


def test_value_beyond_ascii_goes_out_in_utf_8() -> None:
    """WHATWG HTML, Server-sent events: as browsers write such an id in a header."""
    written = link(HUB, {"last-event-id": "é🎈"})
    assert written.encode("latin-1").decode() == f'<{HUB}>; last-event-id="é🎈"'
    assert Response(headers={"Link": written}).headers["Link"] == written

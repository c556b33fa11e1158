"""Whatever is sent to whichever door: an answer that is no server error, and no exception."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.test import run_wsgi_app

from tests.conformance import tokens
from tests.conformance.versions import AUTHORIZATION_DETAIL

from .target import API, FORM, HUB, ISSUER, METADATA, PAGE, SECRETS, SPOKEN, URL, Target

latin = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=30)
"""What a WSGI server may hand over as a header or a path."""

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)

PIECES = [
    *(
        "{",
        "}",
        "{x}",
        "{+x*}",
        "{?a,b}",
        ":id",
        "*",
        "(",
        ")",
        "[",
        "]",
        "?",
        "+",
        "\\",
        "/",
        "..",
        "%",
        "%2",
        "%zz",
    ),
    *(
        "//",
        "http://",
        "https://example.com",
        "urn:",
        "@",
        "#",
        "é",
        "\u2028",
        "\0",
        "\n",
        "\r",
        "🎈",
        "a",
        "1",
        "-",
    ),
    *("^", "$", "|", "earliest", HUB, API, "%00", "%FF", "%ED%A0%80", "\ufeff", "\u202e", "=", "&", ";"),
]
pieces = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)

NAMES = [
    *(
        "topic",
        "data",
        "private",
        "id",
        "type",
        "retry",
        "match",
        "match_exact",
        "match_urlpattern",
        "Match",
        "match_",
    ),
    *("last_event_id", "lastEventID", "Last-Event-ID", "authorization", "access_token", ""),
]
values = pieces | texts.map(quote) | st.binary(max_size=20).map(quote)
pairs = st.tuples(st.sampled_from(NAMES) | texts.map(quote), values).map("=".join)
forms = st.lists(pairs, max_size=5).map("&".join) | latin

paths = (
    st.sampled_from([HUB, HUB, API, METADATA, f"/{HUB}", f"{HUB}/", f"{HUB}X", "", "/", "*"])
    | pieces.map(f"{API}/".__add__)
    | st.binary(max_size=20).map(lambda raw: f"{API}/{raw.decode('latin-1')}")
    | latin
)
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "QUERY",
    "OPTIONS",
    "PUT",
    "DELETE",
    "TRACE",
    "CONNECT",
    "get",
    "",
    "P\xd6ST",
    "X" * 99,
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["*", "exact", "urlpattern", URL]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
details = st.fixed_dictionaries(
    {"type": st.just(AUTHORIZATION_DETAIL)},
    optional={
        "actions": json_values | st.lists(st.sampled_from(["publish", "subscribe", "x"]), max_size=3),
        "topics": json_values
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "match": pieces | json_values,
                    "match_type": st.sampled_from(["exact", "urlpattern", "x"]),
                },
            ),
            max_size=3,
        ),
        "payload": json_values,
    },
)
claims = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.just(ISSUER) | json_values,
        "aud": st.just(URL) | json_values,
        "exp": st.just(int(time.time()) + 9999) | json_values,
        "nbf": st.just(0) | json_values,
        "mercure": json_values
        | st.dictionaries(st.sampled_from(["publish", "subscribe", "payload"]), json_values),
        "https://mercure.rocks/": json_values,
        "authorization_details": json_values | st.lists(details, max_size=3),
    },
)
headers_of_tokens = st.fixed_dictionaries(
    {"alg": st.just("HS256")},
    optional={
        "typ": st.sampled_from(["JWT", "at+jwt"]) | json_values,
        "kid": json_values,
        "cty": json_values,
    },
) | st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]), json_values)


def signed(header: dict[str, Any], content: object) -> str:
    secret = SECRETS[ISSUER, "subscriber"].encode()
    return tokens.signed_by_hand(content, secret, **header)  # pyright: ignore[reportArgumentType]


made_tokens = st.builds(signed, headers_of_tokens, claims | json_values)
authorizations = latin | pieces | made_tokens.map("Bearer {}".format) | latin.map("Bearer {}".format)
HEADERS = [
    *("HTTP_LAST_EVENT_ID", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_IF_NONE_MATCH", "HTTP_HOST", "HTTP_ACCEPT"),
    *(
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_RANGE",
        "HTTP_EXPECT",
    ),
    *("SCRIPT_NAME", "RAW_URI", "REQUEST_URI", "HTTP_COOKIE", "HTTP_CONTENT_ENCODING", "SERVER_PORT"),
]
cookies = st.tuples(
    st.sampled_from(["mercureAuthorization", "__Secure-mercure_access_token", "mercure_access_token"]),
    made_tokens | latin | pieces,
).map("=".join)
environs = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_AUTHORIZATION": authorizations.filter(lambda one: "\n" not in one),
        "HTTP_COOKIE": cookies,
        "HTTP_ORIGIN": st.sampled_from([PAGE, "null"]),
        "CONTENT_TYPE": st.sampled_from(
            [FORM, f"{FORM}; charset=x", "multipart/form-data; boundary=x", "text/plain"]
        ),
    },
)
others = st.dictionaries(st.sampled_from(HEADERS[:-1]), latin, max_size=3)

TARGETS = {
    spoken: Target(*spoken, cors=(PAGE,)) for spoken in SPOKEN if spoken[1] == "1.0" or spoken[0] == "0.x"
}


def encodable(text: str) -> str:
    """Return a text as WSGI has it: bytes as Latin-1."""
    return text.encode().decode("latin-1")


def answer(target: Target, environ: dict[str, Any], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the answer as a WSGI server gets it; of a stream the beginning."""
    import io

    full = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "hub.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **environ,
    }
    chunks, status, headers = run_wsgi_app(target.front, full)
    content = b"".join(chunk for chunk, _ in zip(chunks, range(2), strict=False))
    close: Callable[[], None] | None = getattr(chunks, "close", None)
    if close:
        close()
    return int(status.split()[0]), list(headers), content


def is_sound(status: int, headers: list[tuple[str, str]]) -> bool:
    """Tell whether an answer is no server error, and one that a WSGI server can send (PEP 3333)."""
    names_and_values = all(
        re.fullmatch("[A-Za-z-]+", name) and re.fullmatch(r"[\x20-\x7e\x80-\xff]*", value)
        for name, value in headers
    )
    return 200 <= status < 500 and names_and_values


@pytest.mark.parametrize("spoken", TARGETS, ids="-".join)
@settings(max_examples=120, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=forms,
    environ=environs,
    more=others,
    body=forms.map(str.encode) | st.binary(max_size=40),
)
@example(method="QUERY", path=HUB, query="", environ={"CONTENT_TYPE": FORM}, more={}, body=b"\xff")
@example(method="POST", path=HUB, query="%ff", environ={}, more={}, body=b"")
@example(method="GET", path=API, query="", environ={}, more={"RAW_URI": "\xff%ff/%"}, body=b"")
def test_no_request_is_an_error_of_the_hub_s_own(
    spoken: tuple[str, str],
    method: str,
    path: str,
    query: str,
    environ: dict[str, str],
    more: dict[str, str],
    body: bytes,
) -> None:
    """Mercure 1.0, Security Considerations."""
    fields = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **more, **environ}
    status, headers, _content = answer(
        TARGETS[spoken], {name: encodable(value) for name, value in fields.items()}, body
    )
    assert is_sound(status, headers)


@pytest.mark.parametrize("spoken", TARGETS, ids="-".join)
@settings(max_examples=80, deadline=None)
@given(form=forms, content_type=st.sampled_from([FORM, FORM.upper(), f"{FORM}; charset=latin-1"]))
def test_no_form_of_a_publisher_is_an_error_of_the_hub_s_own(
    spoken: tuple[str, str], form: str, content_type: str
) -> None:
    """Mercure 1.0, Publication."""
    target = TARGETS[spoken]
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": HUB,
        "CONTENT_TYPE": content_type,
        "HTTP_AUTHORIZATION": f"Bearer {target.publisher_token()}",
    }
    status, headers, content = answer(target, environ, f"topic=/a&{form}".encode())
    assert is_sound(status, headers)
    assert status in (200, 400, 403, 413)
    if status == 200:
        content.decode()


@pytest.mark.parametrize("spoken", TARGETS, ids="-".join)
@settings(max_examples=80, deadline=None)
@given(path=pieces | latin, raw=st.none() | pieces | latin, tag=st.none() | latin)
def test_no_path_of_a_reader_of_the_api_is_an_error_of_the_hub_s_own(
    spoken: tuple[str, str], path: str, raw: str | None, tag: str | None
) -> None:
    """Mercure 1.0, Subscription API."""
    target = TARGETS[spoken]
    environ = {"PATH_INFO": f"{API}/{path}", "HTTP_AUTHORIZATION": f"Bearer {target.subscriber_token('*')}"}
    environ |= {} if raw is None else {"RAW_URI": f"{API}/{raw}"}
    environ |= {} if tag is None else {"HTTP_IF_NONE_MATCH": tag}
    status, headers, _content = answer(
        target, {name: encodable(value) for name, value in environ.items()}, b""
    )
    assert is_sound(status, headers)
    assert status in (200, 304, 400, 404)


@pytest.mark.parametrize("spoken", TARGETS, ids="-".join)
@settings(max_examples=100, deadline=None)
@given(token=made_tokens)
def test_no_signed_token_is_an_error_of_the_hub_s_own(spoken: tuple[str, str], token: str) -> None:
    """Mercure 1.0, Token Validation: an issuer may be wrong about what it signs."""
    environ = {"PATH_INFO": API, "HTTP_AUTHORIZATION": f"Bearer {token}"}
    status, headers, _content = answer(TARGETS[spoken], environ, b"")
    assert is_sound(status, headers)
    assert status in (200, 400, 401, 403)

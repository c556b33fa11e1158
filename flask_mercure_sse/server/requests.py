"""Reading HTTP requests: forms, headers and the parts of a path."""

from __future__ import annotations

from urllib.parse import quote

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request

from ..protocol.errors import ContentTooLarge, InvalidRequest, UnsupportedMediaType
from ..protocol.forms import Fields, TooManyFields, parse_form

FORM = "application/x-www-form-urlencoded"


def read_parameters(request: Request) -> Fields:
    """Return the parameters of a request: those of its query, then those of the body of a ``QUERY``.

    :raises Refusal: they cannot be read.
    """
    parameters = parse_form(request.query_string)
    if request.method != "QUERY":
        return parameters
    body = _read_body(request)
    if body and request.mimetype != FORM:
        raise UnsupportedMediaType(f"the Content-Type must be {FORM}")
    return parameters + parse_form(body)


def read_publication(request: Request) -> Fields:
    """Return the fields of a publish request.

    :raises Refusal: they cannot be read.
    """
    if request.mimetype != FORM:
        raise InvalidRequest(f"the Content-Type must be {FORM}")
    try:
        return parse_form(_read_body(request))
    except TooManyFields as error:
        raise ContentTooLarge(str(error)) from error


def _read_body(request: Request) -> bytes:
    try:
        return request.get_data()
    except RequestEntityTooLarge as error:
        raise ContentTooLarge(f"the body is larger than {request.max_content_length} bytes") from error
    except (HTTPException, OSError, ValueError) as error:
        raise InvalidRequest("the body ended early or is badly framed") from error


def path_parts(request: Request, prefix: str, *, leading: int) -> list[str]:
    """Return the encoded parts of a request's path after `prefix`.

    A topic may hold an encoded slash, so the raw target is read where the server tells it. Elsewhere the
    path is decoded already; the last part, a subscriber, is known by its form, made by the hub.

    :param leading: how many parts without slashes stand before the topic.
    """
    raw = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or "")
    _before, found, rest = raw.partition("?")[0].partition(prefix)
    if found:
        return rest.removesuffix("/").split("/")[1:]
    decoded = request.path[len(prefix) :].removesuffix("/").split("/")[1:]
    first, topic = decoded[:leading], decoded[leading:]
    last = [topic.pop()] if len(topic) > 1 and topic[-1].startswith("urn:uuid:") else []
    middle = ["/".join(topic)] if topic else []
    return [quote(part, safe="") for part in (*first, *middle, *last)]


def header_text(value: str | None) -> str | None:
    """Return the text of a header that browsers write in UTF-8 and WSGI hands over as Latin-1."""
    return value and value.encode("latin-1").decode("utf-8", "replace")


def text_header(text: str) -> str:
    """Return a text as the header from which :func:`header_text` reads it."""
    return text.encode().decode("latin-1")

"""Reading HTTP requests: forms, headers and the parts of a path."""

from __future__ import annotations

from urllib.parse import quote

from ..protocol.errors import ContentTooLarge, InvalidRequest, UnsupportedMediaType
from ..protocol.forms import Fields, TooManyFields, parse_form
from .exchange import Request

FORM = "application/x-www-form-urlencoded"


def read_parameters(request: Request) -> Fields:
    """Return the parameters of a request: those of its query, then those of the body of a ``QUERY``.

    :raises Refusal: they cannot be read.
    """
    parameters = parse_form(request.query)
    if request.method != "QUERY":
        return parameters
    body = request.read_body()
    if body and not _is_form(request):
        raise UnsupportedMediaType(f"the Content-Type must be {FORM}")
    return parameters + parse_form(body)


def read_publication(request: Request) -> Fields:
    """Return the fields of a publish request.

    :raises Refusal: they cannot be read.
    """
    if not _is_form(request):
        raise InvalidRequest(f"the Content-Type must be {FORM}")
    try:
        return parse_form(request.read_body())
    except TooManyFields as error:
        raise ContentTooLarge(str(error)) from error


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def path_parts(request: Request, prefix: str, *, leading: int) -> list[str]:
    """Return the encoded parts of a request's path after `prefix`.

    A topic may hold an encoded slash, so the raw target is read where the server tells it. Elsewhere the
    path is decoded already; the last part, a subscriber, is known by its form, made by the hub.

    :param leading: how many parts without slashes stand before the topic.
    """
    _before, found, rest = (request.raw_path or "").partition(prefix)
    if found:
        return rest.removesuffix("/").split("/")[1:]
    decoded = request.path[len(prefix) :].removesuffix("/").split("/")[1:]
    first, topic = decoded[:leading], decoded[leading:]
    last = [topic.pop()] if len(topic) > 1 and topic[-1].startswith("urn:uuid:") else []
    middle = ["/".join(topic)] if topic else []
    return [quote(part, safe="") for part in (*first, *middle, *last)]

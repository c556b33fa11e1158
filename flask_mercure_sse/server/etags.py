"""Entity tags of the subscription API (`RFC 9110, ETag`)."""

from __future__ import annotations

from werkzeug.http import parse_etags


def etag_of(event_id: str) -> str:
    """Return an event id as an entity tag, without the quotes."""
    return "".join(
        f"%{byte:02X}" if byte < 0x21 or byte > 0x7E or byte in b'"%' else chr(byte)
        for byte in event_id.encode()
    )


def is_current(if_none_match: str | None, tag: str) -> bool:
    """Tell whether a client knows the document already; some leave the quotes out."""
    return if_none_match is not None and (
        if_none_match == tag or parse_etags(if_none_match).contains_weak(tag)
    )

"""``Link`` headers (`RFC 8288`)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from .exchange import text_header

_ALLOWED = "!#$%&'()*+,/:;=?@[]~"
"""What a URL may hold beyond letters, digits and ``-._``."""


def link(target: str, attributes: Mapping[str, str]) -> str:
    """Return the value of a ``Link`` header.

    :param target: an absolute or relative URL.
    :param attributes: by their names, such as ``rel``.
    """
    parts = [f"<{quote(target, safe=_ALLOWED)}>"]
    for name, value in attributes.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'{name}="{text_header(escaped)}"')
    return "; ".join(parts)

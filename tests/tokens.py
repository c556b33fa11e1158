"""Tokens as publishers and subscribers bring them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_mercure_sse.protocol.keys import read_key, sign


def encode_token(claims: Mapping[str, Any], secret: str | bytes) -> str:
    """Return a token of Mercure 0.x that a shared secret signs."""
    return sign(claims, read_key(secret))

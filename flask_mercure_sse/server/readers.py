"""Values of settings: each reader takes what a file, the environment or code gave.

It returns the value, or raises ValueError with the end of a sentence that begins with the setting's name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import ip_network
from typing import cast

from ..protocol.keys import ALGORITHMS, MAKE_A_KEY_ANYWHERE
from ..protocol.text import shown, words
from ..protocol.versions import PROTOCOLS
from .admission import Network
from .cors import checked_origins


def flag(value: object) -> bool:
    """Return whether something is on."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise ValueError("is neither true nor false; use True or False")


_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text; give a text that is not empty")
    return value


def secret(value: object) -> str | bytes:
    """Return a key as it was given."""
    if not isinstance(value, (str, bytes)) or not value:
        raise ValueError(f"is not a text or bytes; make a key with: {MAKE_A_KEY_ANYWHERE}")
    return value


def protocol(value: object) -> str:
    """Return the name of a version of the protocol."""
    if value == 1.0 and isinstance(value, float):
        value = "1.0"  # as JSON reads the environment's text
    if value not in PROTOCOLS:
        raise ValueError(f"is no version of the protocol; use one of {', '.join(map(repr, PROTOCOLS))}")
    return str(value)


def names(value: object) -> tuple[str, ...]:
    """Return a list of texts, which may be one text with commas or spaces between them."""
    entries = words(value) if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple)) or not all(isinstance(one, str) for one in entries):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("is not a list of texts; give a list, or one text with commas")
    return tuple(cast("list[str]", entries))


def algorithms(value: object) -> tuple[str, ...]:
    """Return names of algorithms of tokens."""
    given = names(value)
    if not given:
        raise ValueError("has no entry; leave it out, or name the algorithms that tokens may have")
    if unknown := [name for name in given if name not in ALGORITHMS]:
        raise ValueError(f"has {shown(unknown[0])}, which is no algorithm; known are {', '.join(ALGORITHMS)}")
    return given


def origins(value: object) -> tuple[str, ...]:
    """Return origins of pages, or ``*``."""
    return checked_origins(names(value))


def publish_origins(value: object) -> tuple[str, ...]:
    """Return origins of pages, each by its name."""
    return checked_origins(names(value), allow_any=False)


def cookie_name(value: object) -> str:
    """Return the name of a cookie."""
    name = text(value)
    if not name.isascii() or not all(one.isalnum() or one in "!#$%&'*+-.^_`|~" for one in name):
        raise ValueError("is not a cookie name; use letters, digits, '-' and '_'")
    return name


def number(value: object) -> float:
    """Return a number of seconds, zero or more."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        seconds = float(value)
    except ValueError:
        raise ValueError("is not a number; give a number of seconds") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError("is out of range; give a number of seconds, zero or more")
    return seconds


def timeout(value: object) -> float:
    """Return a number of seconds above zero."""
    seconds = number(value)
    if seconds == 0:
        raise ValueError("leaves no time; give a number of seconds above zero")
    return seconds


def count(value: object) -> int:
    """Return a whole number, zero or more."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError
        number = int(value)
    except ValueError:
        raise ValueError("is not a whole number; give how many") from None
    if number < 0:
        raise ValueError("is negative; give how many, 0 for none")
    if number > sys.maxsize:
        raise ValueError("is more than any machine has room for; give a smaller number")
    return number


def limit(value: object) -> int:
    """Return a whole number above zero."""
    number = count(value)
    if number == 0:
        raise ValueError("leaves nothing to take; give a number above zero")
    return number


def port(value: object) -> int:
    """Return the number of a port, 0 for any free one."""
    try:
        number = count(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise ValueError("is no port; give a number from 1 to 65535, or 0 for any free one")
    return number


def networks(value: object) -> tuple[Network, ...]:
    """Return networks of IP addresses."""
    return tuple(_network(name) for name in names(value))


def _network(name: str) -> Network:
    try:
        return ip_network(name)
    except ValueError as error:
        raise ValueError(
            f"has {name!r}, which is no network ({error}); give an address, or one such as 10.0.0.0/8"
        ) from error


def one_of(*allowed: str) -> Callable[[object], str]:
    """Return a reader that takes these words alone."""

    def read(value: object) -> str:
        if value not in allowed:
            *others, last = allowed
            raise ValueError(f"is not known; use {', '.join(others)} or {last}")
        return str(value)

    return read

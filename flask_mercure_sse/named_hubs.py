"""Further hubs that an app publishes on, as a setting names them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from .protocol.hub_url import checked_hub_url

SHAPE = 'give {"name": "https://hub.example/.well-known/mercure"}, or a dictionary with "url" for the URL'


@dataclass(frozen=True, slots=True)
class NamedHub:
    """A further hub.

    :param url: its URL, as this app reaches it.
    :param public_url: its URL for browsers, where it is another.
    :param publisher_jwt: token for publishing on it; None: made from the key.
    :param publisher_secret_key: key of publishers' tokens; None: the app's own.
    :param subscriber_secret_key: key of subscribers' tokens; None: the app's own.
    :param authz_cookie_name: cookie in which browsers present it their token; None: the app's.
    """

    url: str
    public_url: str | None = None
    publisher_jwt: str | None = field(default=None, repr=False)
    publisher_secret_key: str | bytes | None = field(default=None, repr=False)
    subscriber_secret_key: str | bytes | None = field(default=None, repr=False)
    authz_cookie_name: str | None = None

    def with_paths(self, *, fixed_path: bool) -> NamedHub:
        """Return the hub with the paths of its URLs; see :func:`checked_hub_url`."""
        public_url = self.public_url and checked_hub_url(self.public_url, fixed_path=fixed_path)
        return replace(self, url=checked_hub_url(self.url, fixed_path=fixed_path), public_url=public_url)


def read_hubs(value: object, readers: Mapping[str, Callable[[object], Any]]) -> dict[str, NamedHub]:
    """Return hubs by name, or raise ValueError with what is wrong: the end of a sentence.

    :param value: a dictionary of URLs or of dictionaries by name, or JSON of it.
    :param readers: how the tokens and keys of a hub are read.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"is not JSON; {SHAPE}") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"is not a dictionary; {SHAPE}")
    return {
        _name(name): _hub(cast("str", name), given, {"url": _url, "public_url": _url, **readers})
        for name, given in cast("Mapping[object, object]", value).items()
    }


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"has the name {name!r}; use letters, digits and '_'")
    return name


def _hub(name: str, given: object, readers: Mapping[str, Callable[[object], Any]]) -> NamedHub:
    fields = {"url": given} if isinstance(given, str) else given
    if not isinstance(fields, Mapping) or "url" not in fields:
        raise ValueError(f"has no url for {name!r}; {SHAPE}")
    values: dict[str, Any] = {}
    for key, item in cast("Mapping[object, object]", fields).items():
        if key not in readers:  # it may be a key that got into its place
            raise ValueError(f"has another key for {name!r} than {', '.join(readers)}; take it out")
        try:
            values[cast("str", key)] = readers[cast("str", key)](item)
        except ValueError as error:
            raise ValueError(f"has a {key} for {name!r} that {error}") from None
    return NamedHub(**values)


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a text; give a URL")
    checked_hub_url(value)
    return value

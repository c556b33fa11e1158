"""The configuration: read once, checked as a whole, then passed on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, cast

from .protocol.errors import ConfigurationError
from .protocol.hub_url import EXAMPLE, checked_hub_url
from .protocol.keys import ALGORITHMS, MAKE_A_KEY_ANYWHERE
from .protocol.limits import Limits
from .protocol.text import words
from .protocol.versions import PROTOCOLS, has_fixed_path
from .server.cors import checked_origins
from .server.issuers import Issuers, read_issuers

DEFAULT_HUB_URL = EXAMPLE
"""The standalone hub's URL on this machine, used where MERCURE_HUB is False and no hub url is given."""

MAKE_A_KEY = "flask mercure gen-secret-key"

_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class MercureConfig:
    """Every setting of one app, checked.

    Each field is the config key ``MERCURE_`` and its name in capitals.
    """

    hub_url: str | Literal[True] | None = None
    """URL of an external hub, as this app reaches it; True for the host of the request; None to embed one."""

    public_hub_url: str | Literal[True] | None = None
    """URL of the hub as browsers reach it, where it is another."""

    hub: bool | None = None
    """Whether to embed the hub in the app; None: only where there is no hub url."""

    publisher_jwt: str | None = field(default=None, repr=False)
    """Token with which the app publishes on an external hub; None: made from the publisher secret."""

    protocol: str = "0.x"
    """Version of the protocol: ``0.x``, ``1.0``, or ``both`` while an app moves from one to the other."""

    publisher_secret_key: str | bytes | None = field(default=None, repr=False)
    """Key of publishers' tokens: a secret, a PEM, or the URL of a JWK Set; None: the app's SECRET_KEY."""

    subscriber_secret_key: str | bytes | None = field(default=None, repr=False)
    """Key of subscribers' tokens: a secret, a PEM, or the URL of a JWK Set; None: the app's SECRET_KEY."""

    algorithms: tuple[str, ...] | None = None
    """Algorithms that tokens may have; None: the usual ones of each kind of key, HS256 for secrets."""

    issuer: str | None = None
    """Who signs the app's tokens, in Mercure 1.0; None: the hub's URL."""

    issuers: Issuers | None = field(default=None, repr=False)
    """Others whose tokens the embedded hub takes, in Mercure 1.0, and their keys."""

    token_lifetime: float | None = None
    """Seconds for which the app's tokens are good; None: in Mercure 1.0 a day, else no end."""

    authz_cookie_name: str | None = None
    """Cookie in which browsers present their token; None: the one of the protocol's version."""

    cors_origins: tuple[str, ...] = ()
    """Other origins whose pages may use the embedded hub, with cookies; ``*``: all, without cookies."""

    publish_origins: tuple[str, ...] = ()
    """Origins whose pages may publish on the embedded hub with the cookie."""

    type_is_topic: bool = False
    """Whether an update without a type gets its topic as type, so that one EventSource can follow many."""

    hub_allow_publish: bool = False
    """Whether the embedded hub takes updates over HTTP, too."""

    hub_allow_anonymous: bool = True
    """Whether the embedded hub lets subscribers without a token read public updates."""

    hub_subscriptions: bool = True
    """Whether the embedded hub tells who follows what (subscription events and API)."""

    hub_keepalive_interval: float = 15
    """Seconds between comments on an idle stream, 0 for none."""

    hub_reconciliation_length: int = 500
    """Number of updates that the embedded hub keeps for subscribers that come back, 0 for none."""

    max_body_size: int = _LIMITS.body_size
    """Bytes of a request's body that the embedded hub takes."""

    max_topics: int = _LIMITS.topics
    """Topics of one update that the embedded hub takes over HTTP."""

    max_selectors: int | None = None
    """Selectors of one subscriber that the embedded hub takes; None: 1000, in Mercure 1.0 100."""

    connect_timeout: float = 2
    """Seconds until a connection to an external hub must stand."""

    read_timeout: float = 5
    """Seconds that an external hub may take to answer."""

    @property
    def embedded(self) -> bool:
        """Whether the hub lives in the app."""
        return self.hub if self.hub is not None else self.hub_url is None

    @property
    def limits(self) -> Limits:
        """How much one request may ask of the embedded hub."""
        return Limits(self.max_body_size, self.max_topics, self.max_selectors)

    @property
    def external_hub_url(self) -> str | Literal[True]:
        """URL of the external hub, as this app reaches it."""
        return self.hub_url or DEFAULT_HUB_URL

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> MercureConfig:
        """Read and check all settings.

        :param mapping: the app's config. Keys without the prefix ``MERCURE_`` are other extensions'.
        :param defaults: values by field name, for keys that `mapping` does not set.
        :param environment: where the reference hub's variables for keys are looked up; the process's own
            by default.
        :raises ConfigurationError: one line for each key that is unknown or has a wrong value.
        """
        known = {*KEYS, *VARIABLES.values()}
        problems = [_unknown(key) for key in mapping if key.startswith("MERCURE_") and key not in known]
        values: dict[str, Any] = {}
        variables = os.environ if environment is None else environment
        for key, (name, read) in KEYS.items():
            variable = VARIABLES.get(key, "")
            sources = (
                mapping.get(key),
                (defaults or {}).get(name),
                mapping.get(variable),
                variables.get(variable) or None,
            )
            given = next((value for value in sources if value is not None), None)
            if given is None:
                continue
            try:
                values[name] = read(given)
            except ValueError as error:
                problems.append(f"{key}: {_shown(name, given)} {error}")
        if problems:
            raise ConfigurationError("; ".join(problems))
        fixed_path = has_fixed_path(values.get("protocol", cls.protocol))
        for name in ("hub_url", "public_hub_url"):
            if isinstance(values.get(name), str):
                values[name] = checked_hub_url(values[name], fixed_path=fixed_path)
        return cls(**values)


def _unknown(key: str) -> str:
    close = get_close_matches(key, KEYS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(KEYS)}"
    return f"{key}: is not a key of this extension; {hint}"


def _shown(name: str, value: object) -> str:
    secret = name.endswith(("_secret_key", "_jwt", "issuers"))
    return "the value" if secret else repr(value)


# Readers: each takes what a config file, the environment or code gave, and returns the value or raises
# ValueError with the end of a sentence that begins with the value.


def _flag(value: object) -> bool:
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


def _url(value: object) -> str | Literal[True] | None:
    if value is True or (isinstance(value, str) and value.strip().lower() == "true"):
        return True
    if value is False or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("is not a URL; give one such as " + DEFAULT_HUB_URL)
    checked_hub_url(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text; give a text that is not empty")
    return value


def checked_token(value: object) -> str:
    """Return a token without the white space around it, or raise ValueError with what is wrong."""
    value = value.strip() if isinstance(value, str) else value
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or not value.isascii()
        or " " in value
        or not value
    ):
        raise ValueError("is not a JSON Web Token; make one with: flask mercure publisher-jwt")
    return value


def _secret(value: object) -> str | bytes:
    if not isinstance(value, (str, bytes)) or not value:
        raise ValueError(f"is not a text or bytes; make a key with: {MAKE_A_KEY_ANYWHERE}")
    return value


def _protocol(value: object) -> str:
    if value == 1.0 and isinstance(value, float):
        value = "1.0"  # as JSON reads the environment's text
    if value not in PROTOCOLS:
        raise ValueError(f"is no version of the protocol; use one of {', '.join(map(repr, PROTOCOLS))}")
    return str(value)


def _names(value: object) -> tuple[str, ...]:
    names = words(value) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("is not a list of texts; give a list, or one text with commas")
    return tuple(cast("list[str]", names))


def _algorithms(value: object) -> tuple[str, ...]:
    algorithms = _names(value)
    if not algorithms:
        raise ValueError("has no entry; leave it out, or name the algorithms that tokens may have")
    if unknown := [name for name in algorithms if name not in ALGORITHMS]:
        raise ValueError(f"has {unknown[0]!r}, which is no algorithm; known are {', '.join(ALGORITHMS)}")
    return algorithms


def _origins(value: object) -> tuple[str, ...]:
    return checked_origins(_names(value))


def _publish_origins(value: object) -> tuple[str, ...]:
    return checked_origins(_names(value), allow_any=False)


def _cookie_name(value: object) -> str:
    name = _text(value)
    if not name.isascii() or not all(one.isalnum() or one in "!#$%&'*+-.^_`|~" for one in name):
        raise ValueError("is not a cookie name; use letters, digits, '-' and '_'")
    return name


def _number(value: object) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
    except ValueError:
        raise ValueError("is not a number; give a number of seconds") from None
    if not 0 <= number < float("inf"):
        raise ValueError("is out of range; give a number of seconds, zero or more")
    return number


def _timeout(value: object) -> float:
    number = _number(value)
    if number == 0:
        raise ValueError("leaves no time; give a number of seconds above zero")
    return number


def _count(value: object) -> int:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError
        number = int(value)
    except ValueError:
        raise ValueError("is not a whole number; give how many") from None
    if number < 0:
        raise ValueError("is negative; give how many, 0 for none")
    return number


def _limit(value: object) -> int:
    number = _count(value)
    if number == 0:
        raise ValueError("leaves nothing to take; give a number above zero")
    return number


KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "MERCURE_HUB_URL": ("hub_url", _url),
    "MERCURE_PUBLIC_HUB_URL": ("public_hub_url", _url),
    "MERCURE_HUB": ("hub", _flag),
    "MERCURE_PUBLISHER_JWT": ("publisher_jwt", checked_token),
    "MERCURE_PROTOCOL": ("protocol", _protocol),
    "MERCURE_PUBLISHER_SECRET_KEY": ("publisher_secret_key", _secret),
    "MERCURE_SUBSCRIBER_SECRET_KEY": ("subscriber_secret_key", _secret),
    "MERCURE_ALGORITHMS": ("algorithms", _algorithms),
    "MERCURE_ISSUER": ("issuer", _text),
    "MERCURE_ISSUERS": ("issuers", read_issuers),
    "MERCURE_TOKEN_LIFETIME": ("token_lifetime", _timeout),
    "MERCURE_AUTHZ_COOKIE_NAME": ("authz_cookie_name", _cookie_name),
    "MERCURE_CORS_ORIGINS": ("cors_origins", _origins),
    "MERCURE_PUBLISH_ORIGINS": ("publish_origins", _publish_origins),
    "MERCURE_TYPE_IS_TOPIC": ("type_is_topic", _flag),
    "MERCURE_HUB_ALLOW_PUBLISH": ("hub_allow_publish", _flag),
    "MERCURE_HUB_ALLOW_ANONYMOUS": ("hub_allow_anonymous", _flag),
    "MERCURE_HUB_SUBSCRIPTIONS": ("hub_subscriptions", _flag),
    "MERCURE_HUB_KEEPALIVE_INTERVAL": ("hub_keepalive_interval", _number),
    "MERCURE_HUB_RECONCILIATION_LENGTH": ("hub_reconciliation_length", _count),
    "MERCURE_MAX_BODY_SIZE": ("max_body_size", _limit),
    "MERCURE_MAX_TOPICS": ("max_topics", _limit),
    "MERCURE_MAX_SELECTORS": ("max_selectors", _limit),
    "MERCURE_CONNECT_TIMEOUT": ("connect_timeout", _timeout),
    "MERCURE_READ_TIMEOUT": ("read_timeout", _timeout),
}
"""Each config key, the field that it sets and how its value is read."""

VARIABLES = {
    "MERCURE_PUBLISHER_SECRET_KEY": "MERCURE_PUBLISHER_JWT_KEY",
    "MERCURE_SUBSCRIBER_SECRET_KEY": "MERCURE_SUBSCRIBER_JWT_KEY",
}
"""The reference hub's environment variables, read where a key is not given otherwise."""

"""The configuration: read once, checked as a whole, then passed on."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, cast

from .integrations.settings import BULK_MAX
from .named_hubs import NamedHub, read_hubs
from .protocol.errors import ConfigurationError
from .protocol.hub_url import EXAMPLE, checked_hub_url, shown_url
from .protocol.limits import Limits
from .protocol.text import shown
from .protocol.versions import has_fixed_path
from .publishers.delivery import QueueSettings
from .server import readers
from .server.issuers import Issuers, read_issuers

DEFAULT_HUB_URL = EXAMPLE
"""The standalone hub's URL on this machine, used where MERCURE_HUB is False and no hub url is given."""

MAKE_A_KEY = "flask mercure gen-secret-key"

_LIMITS = Limits()
_QUEUE = QueueSettings()


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

    cookie_renew: bool = False
    """Whether responses of the app renew that cookie when half of its life is over."""

    cors_origins: tuple[str, ...] = ()
    """Other origins whose pages may use the embedded hub, with cookies; ``*``: all, without cookies."""

    publish_origins: tuple[str, ...] = ()
    """Origins whose pages may publish on the embedded hub with the cookie."""

    type_is_topic: bool = False
    """Whether an update without a type gets its topic as type, so that one EventSource can follow many."""

    model_private: bool = False
    """Whether models' updates are private where their binding does not say."""

    bulk_max: int = BULK_MAX
    """Rows of one bulk statement that are published one by one; above, one refresh tells of them."""

    outbox: bool = False
    """Whether updates that wait for a commit are written in its transaction, so that none is lost.

    ``publish="outbox"`` says the same.
    """

    outbox_relay: bool = False
    """Whether the app publishes what is left in the outbox, in a thread of its own."""

    hub_allow_publish: bool = False
    """Whether the embedded hub takes updates over HTTP, too."""

    hub_allow_anonymous: bool = True
    """Whether the embedded hub lets subscribers without a token read public updates."""

    hub_subscriptions: bool = True
    """Whether the embedded hub tells who follows what (subscription events and API)."""

    hub_keepalive_interval: float = 15
    """Seconds between comments on an idle stream, 0 for none."""

    hub_max_streams: int | None = None
    """Streams that the embedded hub keeps open at most; None: what the app's server is known to carry."""

    hub_reconciliation_length: int = 500
    """Number of updates that the embedded hub keeps for subscribers that come back, 0 for none."""

    max_body_size: int = _LIMITS.body_size
    """Bytes of a request's body that the embedded hub takes."""

    max_topics: int = _LIMITS.topics
    """Topics of one update that the embedded hub takes over HTTP."""

    max_selectors: int | None = None
    """Selectors of one subscriber that the embedded hub takes; None: 1000, in Mercure 1.0 100."""

    publish: Literal["sync", "background", "outbox"] = "background"
    """How updates go to external hubs: ``sync`` waits for the hub; the embedded hub is always direct.

    ``outbox`` is ``background`` with an outbox for what waits for a commit.
    """

    queue_size: int = _QUEUE.size
    """Bytes of memory that the updates that wait for one external hub may take."""

    queue_full: Literal["error", "drop-oldest"] = "error"
    """What becomes of an update for which the queue has no room."""

    retry_for: float = _QUEUE.retry_for
    """Seconds for which an update is tried again while its hub fails."""

    flush_timeout: float = _QUEUE.flush_timeout
    """Seconds that the end of the process waits for updates that are not sent yet, 0 for none."""

    hubs: Mapping[str, NamedHub] = field(default_factory=dict[str, NamedHub], repr=False)
    """Further external hubs, by name."""

    subscriptions_cache: float = 0
    """Seconds for which an external hub's answer about who follows what is kept, 0 for not at all."""

    ca_file: str | None = None
    """PEM file with the authorities of external hubs' certificates; None: the usual ones."""

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
    def queue(self) -> QueueSettings:
        """How updates wait for an external hub."""
        return QueueSettings(
            self.queue_size, self.queue_full == "drop-oldest", self.retry_for, self.flush_timeout
        )

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
            source, given = _given(key, mapping, (defaults or {}).get(name), variables)
            if given is None:
                continue
            try:
                values[name] = read(given)
            except ValueError as error:
                problems.append(f"{source}: {_shown(name, given)} {error}")
        problems += _settle_outbox(values)
        if problems:
            raise ConfigurationError("; ".join(problems))
        fixed_path = has_fixed_path(values.get("protocol", cls.protocol))
        for name in ("hub_url", "public_hub_url"):
            if isinstance(values.get(name), str):
                values[name] = checked_hub_url(values[name], fixed_path=fixed_path)
        hubs: dict[str, NamedHub] = values.get("hubs", {})
        values["hubs"] = {name: hub.with_paths(fixed_path=fixed_path) for name, hub in hubs.items()}
        return cls(**values)


def _given(
    key: str, mapping: Mapping[str, Any], default: object, variables: Mapping[str, str]
) -> tuple[str, object]:
    """Return the value for a key, None where there is none, and the name under which it was given."""
    variable = VARIABLES.get(key, "")
    sources: tuple[tuple[str, object], ...] = (
        (key, mapping.get(key)),
        (key, default),
        (variable, mapping.get(variable)),
        (variable, variables.get(variable) or None),
    )
    return next((found for found in sources if found[1] is not None), (key, None))


def _settle_outbox(values: dict[str, Any]) -> list[str]:
    """Let the two keys for the outbox say the same, and return what is wrong with that."""
    if values.get("publish") != "outbox":
        return []
    if not values.setdefault("outbox", True):
        return [
            "MERCURE_PUBLISH: 'outbox' contradicts MERCURE_OUTBOX: False; leave MERCURE_OUTBOX out, or set "
            "MERCURE_PUBLISH to background or sync"
        ]
    return []


def _unknown(key: str) -> str:
    prefix = "MERCURE_"  # which makes all of them alike
    close = get_close_matches(key.removeprefix(prefix), [known.removeprefix(prefix) for known in KEYS], n=1)
    hint = f"did you mean {prefix}{close[0]}?" if close else f"known keys are {', '.join(KEYS)}"
    return f"{key}: is not a key of this extension; {hint}"


def _shown(name: str, value: object) -> str:
    """Return a value as an error tells it: in one line, and without secrets."""
    if name.endswith(("_secret_key", "_jwt", "issuers", "hubs")):
        return "the value"
    if name.endswith("_url") and isinstance(value, str):
        return shown_url(value)
    return shown(value)


def _url(value: object) -> str | Literal[True] | None:
    word = value.strip().lower() if isinstance(value, str) else value
    if word is True or word == "true":
        return True
    if word is False or word in ("false", ""):
        return None
    if not isinstance(value, str):
        raise ValueError("is not a URL; give one such as " + DEFAULT_HUB_URL)
    checked_hub_url(value)
    return value


def checked_token(value: object) -> str:
    """Return a token without the white space around it, or raise ValueError with what is wrong."""
    value = value.strip() if isinstance(value, str) else value
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or not value.isascii()
        or " " in value
        or value.count(".") not in (2, 4)  # signed, encrypted
    ):
        raise ValueError("is not a JSON Web Token; make one with: flask mercure publisher-jwt")
    return value


def _ca_file(value: object) -> str:
    fix = "give the path of a PEM file with certificates of authorities"
    if not isinstance(value, (str, os.PathLike)) or not value:
        raise ValueError(f"is not a path; {fix}")
    path = os.fspath(cast("str | os.PathLike[str]", value))
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # a path with a NUL or what no file system can name
        raise ValueError(f"cannot be used ({getattr(error, 'strerror', None) or error}); {fix}") from None
    return path


_OF_HUBS: dict[str, Callable[[object], Any]] = {
    "publisher_jwt": checked_token,
    "publisher_secret_key": readers.secret,
    "subscriber_secret_key": readers.secret,
    "authz_cookie_name": readers.cookie_name,
}


def _hubs(value: object) -> dict[str, NamedHub]:
    return read_hubs(value, _OF_HUBS)


KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "MERCURE_HUB_URL": ("hub_url", _url),
    "MERCURE_PUBLIC_HUB_URL": ("public_hub_url", _url),
    "MERCURE_HUB": ("hub", readers.flag),
    "MERCURE_PUBLISHER_JWT": ("publisher_jwt", checked_token),
    "MERCURE_PROTOCOL": ("protocol", readers.protocol),
    "MERCURE_PUBLISHER_SECRET_KEY": ("publisher_secret_key", readers.secret),
    "MERCURE_SUBSCRIBER_SECRET_KEY": ("subscriber_secret_key", readers.secret),
    "MERCURE_ALGORITHMS": ("algorithms", readers.algorithms),
    "MERCURE_ISSUER": ("issuer", readers.text),
    "MERCURE_ISSUERS": ("issuers", read_issuers),
    "MERCURE_TOKEN_LIFETIME": ("token_lifetime", readers.timeout),
    "MERCURE_AUTHZ_COOKIE_NAME": ("authz_cookie_name", readers.cookie_name),
    "MERCURE_COOKIE_RENEW": ("cookie_renew", readers.flag),
    "MERCURE_CORS_ORIGINS": ("cors_origins", readers.origins),
    "MERCURE_PUBLISH_ORIGINS": ("publish_origins", readers.publish_origins),
    "MERCURE_TYPE_IS_TOPIC": ("type_is_topic", readers.flag),
    "MERCURE_MODEL_PRIVATE": ("model_private", readers.flag),
    "MERCURE_BULK_MAX": ("bulk_max", readers.count),
    "MERCURE_OUTBOX": ("outbox", readers.flag),
    "MERCURE_OUTBOX_RELAY": ("outbox_relay", readers.flag),
    "MERCURE_HUB_ALLOW_PUBLISH": ("hub_allow_publish", readers.flag),
    "MERCURE_HUB_ALLOW_ANONYMOUS": ("hub_allow_anonymous", readers.flag),
    "MERCURE_HUB_SUBSCRIPTIONS": ("hub_subscriptions", readers.flag),
    "MERCURE_HUB_KEEPALIVE_INTERVAL": ("hub_keepalive_interval", readers.number),
    "MERCURE_HUB_MAX_STREAMS": ("hub_max_streams", readers.limit),
    "MERCURE_HUB_RECONCILIATION_LENGTH": ("hub_reconciliation_length", readers.count),
    "MERCURE_MAX_BODY_SIZE": ("max_body_size", readers.limit),
    "MERCURE_MAX_TOPICS": ("max_topics", readers.limit),
    "MERCURE_MAX_SELECTORS": ("max_selectors", readers.limit),
    "MERCURE_PUBLISH": ("publish", readers.one_of("sync", "background", "outbox")),
    "MERCURE_QUEUE_SIZE": ("queue_size", readers.limit),
    "MERCURE_QUEUE_FULL": ("queue_full", readers.one_of("error", "drop-oldest")),
    "MERCURE_RETRY_FOR": ("retry_for", readers.number),
    "MERCURE_FLUSH_TIMEOUT": ("flush_timeout", readers.number),
    "MERCURE_HUBS": ("hubs", _hubs),
    "MERCURE_SUBSCRIPTIONS_CACHE": ("subscriptions_cache", readers.number),
    "MERCURE_CA_FILE": ("ca_file", _ca_file),
    "MERCURE_CONNECT_TIMEOUT": ("connect_timeout", readers.timeout),
    "MERCURE_READ_TIMEOUT": ("read_timeout", readers.timeout),
}
"""Each config key, the field that it sets and how its value is read."""

VARIABLES = {
    "MERCURE_PUBLISHER_SECRET_KEY": "MERCURE_PUBLISHER_JWT_KEY",
    "MERCURE_SUBSCRIBER_SECRET_KEY": "MERCURE_SUBSCRIBER_JWT_KEY",
}
"""The reference hub's environment variables, read where a key is not given otherwise."""

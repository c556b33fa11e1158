"""What the standalone hub can be told: each option once, with its kind, its default and its help.

The command line, the environment and the configuration file all follow from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from ..protocol.limits import Limits
from . import readers
from .admission import Network
from .http_limits import HttpLimits
from .issuers import Issuers, read_issuers
from .middleware import Middleware, read_middleware
from .stream import MAX_BACKLOG


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of value an option has.

    :param read: returns the value, or raises ValueError with the end of a sentence.
    :param types: those of a value in a configuration file.
    :param name: what an error calls it.
    :param metavar: stands for it in the help.
    :param is_secret: whether no message may show it.
    """

    read: Callable[[object], Any]
    types: tuple[type, ...]
    name: str
    metavar: str
    is_secret: bool = False


TEXT = Kind(readers.text, (str,), "a text in quotes", "TEXT")
SECRET = Kind(readers.secret, (str,), "a text in quotes", "KEY", is_secret=True)
FLAG = Kind(readers.flag, (bool,), "true or false", "")
PORT = Kind(readers.port, (int,), "a whole number", "PORT")
COUNT = Kind(readers.count, (int,), "a whole number", "N")
LIMIT = Kind(readers.limit, (int,), "a whole number", "N")
SECONDS = Kind(readers.number, (int, float), "a number of seconds", "SECONDS")
TIMEOUT = Kind(readers.timeout, (int, float), "a number of seconds", "SECONDS")
PROTOCOL = Kind(readers.protocol, (str,), "a text in quotes", "VERSION")
ALGORITHMS = Kind(readers.algorithms, (list, str), "a list of texts", "NAMES")
ORIGINS = Kind(readers.origins, (list, str), "a list of texts", "ORIGINS")
EXACT_ORIGINS = Kind(readers.publish_origins, (list, str), "a list of texts", "ORIGINS")
NETWORKS = Kind(readers.networks, (list, str), "a list of texts", "NETWORKS")
COOKIE_NAME = Kind(readers.cookie_name, (str,), "a text in quotes", "NAME")
ISSUERS = Kind(read_issuers, (dict,), "a table", "JSON", is_secret=True)
MIDDLEWARE = Kind(read_middleware, (list, str), "a list of texts", "MODULE:NAME")
LOG_FORMAT = Kind(readers.one_of("text", "json"), (str,), "a text in quotes", "FORMAT")
LOG_LEVEL = Kind(readers.one_of("debug", "info", "warning", "error"), (str,), "a text in quotes", "LEVEL")


@dataclass(frozen=True, slots=True)
class Option:
    """One of the options.

    :param name: the field of :class:`Options` that it sets.
    :param aliases: environment variables that set it, too, where its own does not.
    :param shown_default: what its help says where the default does not say it.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    aliases: tuple[str, ...]
    shown_default: str | None

    @property
    def key(self) -> str:
        """Its name in a configuration file."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.key}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it; the first that is not empty counts."""
        return (f"MERCURE_{self.name.upper()}", *self.aliases)


def _option(default: Any, kind: Kind, help: str, *aliases: str, shown_default: str | None = None) -> Any:
    details = {"kind": kind, "help": help, "aliases": aliases, "shown_default": shown_default}
    return field(default=default, metadata=details, repr=not kind.is_secret)


_LIMITS = Limits()
_HTTP = HttpLimits()


@dataclass(frozen=True, slots=True)
class Options:
    """What the standalone hub is told; see each option's help. None: nothing was said."""

    host: str = _option("127.0.0.1", TEXT, "Address to listen on.")
    port: int = _option(5500, PORT, "Port; 0 for any free one.")
    public_url: str | None = _option(
        None, TEXT, "URL by which clients reach the hub.", "MERCURE_PUBLIC_HUB_URL"
    )
    protocol: str = _option("0.x", PROTOCOL, "Version of the protocol: 0.x, 1.0 or both.")

    publisher_secret: str | None = _option(
        *(None, SECRET, "Key of publishers' tokens."),
        *("MERCURE_PUBLISHER_SECRET_KEY", "MERCURE_PUBLISHER_JWT_KEY"),
    )
    subscriber_secret: str | None = _option(
        *(None, SECRET, "Key of subscribers' tokens."),
        *("MERCURE_SUBSCRIBER_SECRET_KEY", "MERCURE_SUBSCRIBER_JWT_KEY"),
    )
    algorithms: tuple[str, ...] | None = _option(None, ALGORITHMS, "Algorithms that tokens may have.")
    issuer: str | None = _option(
        None, TEXT, "Who signs with the two keys (1.0); the hub's URL where it is left out."
    )
    issuers: Issuers | None = _option(  # noqa: RUF009 - it makes a field
        None, ISSUERS, "Others and their keys (1.0), as JSON."
    )
    print_token: bool | None = _option(
        None,
        FLAG,
        "Print a publisher's token at the start.",
        shown_default="unless systemd or a container keeps it",
    )

    allow_anonymous: bool = _option(True, FLAG, "Show public updates to all.")
    subscriptions: bool = _option(True, FLAG, "Tell who follows what.")
    cors_origins: tuple[str, ...] = _option(("*",), ORIGINS, "Origins of pages that may use the hub.")
    publish_origins: tuple[str, ...] = _option((), EXACT_ORIGINS, "Origins whose pages publish.")
    cookie_name: str | None = _option(
        None, COOKIE_NAME, "Cookie with a browser's token.", "MERCURE_AUTHZ_COOKIE_NAME"
    )
    history_length: int = _option(500, COUNT, "Updates kept for those who come back.")

    middleware: tuple[Middleware, ...] = _option(
        (), MIDDLEWARE, "WSGI middleware in front of the hub, which makes it slower."
    )

    keepalive_interval: float = _option(15.0, SECONDS, "Seconds between comments on an idle stream; 0: none.")
    max_lifetime: float = _option(0.0, SECONDS, "Seconds after which a stream ends; 0: never.")
    max_backlog: int = _option(MAX_BACKLOG, LIMIT, "Bytes that may wait for a slow subscriber.")
    max_body_size: int = _option(_LIMITS.body_size, LIMIT, "Bytes of a request's body.")
    max_head_size: int = _option(_HTTP.head_size, LIMIT, "Bytes of a request's head.")
    max_topics: int = _option(_LIMITS.topics, LIMIT, "Topics of one update.")
    max_selectors: int | None = _option(
        None, LIMIT, "Selectors of one subscriber.", shown_default="1000; 1.0: 100"
    )
    head_timeout: float = _option(_HTTP.head_time, TIMEOUT, "Seconds for a request's head.")
    body_timeout: float = _option(_HTTP.body_time, TIMEOUT, "Seconds for a request's body.")
    idle_timeout: float = _option(_HTTP.idle_time, TIMEOUT, "Seconds between two requests of a connection.")
    max_connections: int = _option(0, COUNT, "Connections; 0: what the open files allow.")
    max_connections_per_address: int = _option(0, COUNT, "Connections of one address; 0: any number.")
    max_connections_per_token: int = _option(0, COUNT, "Streams with one token; 0: any number.")
    trusted_proxies: tuple[Network, ...] = _option(
        (), NETWORKS, "Networks whose X-Forwarded-For is believed."
    )
    drain_time: float = _option(10.0, SECONDS, "Seconds that open streams get when the hub is stopped.")

    admin_host: str = _option("127.0.0.1", TEXT, "Address of the port for metrics and health.")
    admin_port: int | None = _option(None, PORT, "Port for metrics and health.", shown_default="off")
    log_format: str = _option("text", LOG_FORMAT, "Lines of the log: text or json.")
    log_level: str = _option("info", LOG_LEVEL, "What is logged: debug, info, warning or error.")
    debug: bool = _option(False, FLAG, "The same as the log level debug.")


def _read_table() -> dict[str, Option]:
    options: dict[str, Option] = {}
    for one in fields(Options):
        assert one.default is not MISSING
        options[one.name] = Option(one.name, default=one.default, **one.metadata)
    return options


OPTIONS: dict[str, Option] = _read_table()
"""All options by the names of their fields."""

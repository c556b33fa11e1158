"""What belongs to one app: its settings, its hub or the way to one, and its keys."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from json import JSONEncoder
from typing import TYPE_CHECKING, Any, Literal, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider

from .config import MAKE_A_KEY, MercureConfig, checked_token, checked_url
from .hub.authority import Authority
from .hub.hub import Hub
from .integrations.binding import Outlet
from .protocol.errors import ConfigurationError, MissingKeyError
from .protocol.tokens import KEY_LENGTH, encode_token
from .protocol.update import Update
from .protocol.v0 import MERCURE_0
from .protocol.version import ProtocolVersion
from .publishers.embedded import EmbeddedPublisher
from .publishers.http import Connections, HttpPublisher, Timeouts
from .publishers.publisher import Publisher
from .server.wsgi import HubFront
from .urls import internal_hub_url, public_hub_url

if TYPE_CHECKING:
    from .extension import MercureSSE

Role = Literal["publisher_secret_key", "subscriber_secret_key"]
ROLES: tuple[Role, ...] = ("publisher_secret_key", "subscriber_secret_key")


def encoder_of(provider: JSONProvider) -> Callable[[object], str]:
    """Return how a JSON provider encodes.

    Flask's own provider makes an encoder for each text, which takes longer than the text itself; its
    encoder is made once for the same settings.
    """
    if type(provider) is not DefaultJSONProvider:
        return provider.dumps
    return _default_encoder(provider.default, provider.ensure_ascii, provider.sort_keys)


@lru_cache(maxsize=16)
def _default_encoder(
    default: Callable[[Any], Any] | None, ensure_ascii: bool, sort_keys: bool
) -> Callable[[object], str]:
    # NaN is no JSON: browsers could not read it.
    encoder = JSONEncoder(default=default, ensure_ascii=ensure_ascii, sort_keys=sort_keys, allow_nan=False)
    return encoder.encode


class Keys:
    """The secrets of an app's tokens; what is not set for a role is the app's own SECRET_KEY.

    That one is read when it is needed, as Flask does: it may be set after the extension is.
    """

    def __init__(self, app_config: Mapping[str, Any], config: MercureConfig) -> None:
        self._app_config = app_config
        self._own: dict[Role, str | bytes | None] = {
            "publisher_secret_key": config.publisher_secret_key,
            "subscriber_secret_key": config.subscriber_secret_key,
        }

    def find(self, role: Role) -> str | bytes | None:
        """Return the secret of a role, None where there is none."""
        return self._own[role] or self._app_config.get("SECRET_KEY")

    def get(self, role: Role) -> str | bytes:
        """Return the secret of a role.

        :raises MissingKeyError: there is none.
        """
        key = self.find(role)
        if not key:
            raise MissingKeyError(
                f"MERCURE_{role.upper()} is not set and neither is SECRET_KEY, so tokens can be neither made "
                f"nor checked: set one of them to a key made by: {MAKE_A_KEY}"
            )
        return key

    def short(self) -> list[str]:
        """Return the names of the settings whose secrets are shorter than HS256 asks for."""
        lengths = {role: len(_bytes(self.find(role) or b"\0" * KEY_LENGTH)) for role in ROLES}
        names = {role: f"MERCURE_{role.upper()}" if self._own[role] else "SECRET_KEY" for role in ROLES}
        return list(dict.fromkeys(names[role] for role in ROLES if lengths[role] < KEY_LENGTH))


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


@dataclass(frozen=True, slots=True, eq=False)
class AppState:
    """The objects that belong to one app; also what the event layer publishes through.

    :param instance: the extension that the app was registered with.
    :param hub: the embedded hub, None where the hub is another program.
    """

    instance: MercureSSE
    config: MercureConfig
    version: ProtocolVersion
    keys: Keys = field(repr=False)
    hub: Hub | None
    embedded: EmbeddedPublisher | None
    connections: Connections
    timeouts: Timeouts
    app_config: Mapping[str, Any] = field(repr=False)
    app: weakref.ref[Flask]

    @property
    def type_is_topic(self) -> bool:
        """Whether an update without a type is named after its topic."""
        return self.config.type_is_topic

    def encode(self, data: object) -> str:
        """Return data as JSON, by the app's JSON provider."""
        app = self.app()
        assert app is not None
        return encoder_of(app.json)(data)

    def publish(self, update: Update) -> str:
        """Publish an update on the app's hub."""
        return self.publisher.publish(update)

    @property
    def publisher(self) -> Publisher:
        """The way to the app's hub."""
        return self.embedded or self.http_publisher(self.hub_url(public=False))

    def hub_url(self, *, public: bool) -> str:
        """Return the hub's URL, as browsers or as the app reach it."""
        find = public_hub_url if public else internal_hub_url
        return find(self.config, self.app_config)

    def publisher_token(self) -> str:
        """Return the token with which the app publishes on an external hub."""
        claims = self.version.claims(publish=["*"])
        return self.config.publisher_jwt or encode_token(claims, self.keys.get("publisher_secret_key"))

    def http_publisher(self, hub_url: str, token: str | None = None) -> HttpPublisher:
        """Return a publisher for any hub, with the app's connections and time limits.

        :param token: another token than the app's own.
        """
        return HttpPublisher(
            hub_url,
            (lambda: token) if token else self.publisher_token,
            version=self.version,
            connections=self.connections,
            timeouts=self.timeouts,
        )

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        """Return what publishes on another hub or with another token; with neither, the state itself.

        An embedded hub needs no token.

        :param hub_url: the hub's URL; its path may be left out.
        :raises ConfigurationError: one of the two is not valid.
        """
        if hub_url is None and (jwt is None or self.hub is not None):
            return self
        return _Elsewhere(
            self,
            None if hub_url is None else _checked("hub_url", hub_url, checked_url),
            None if jwt is None else _checked("jwt", jwt, checked_token),
        )

    def hub_front(self) -> HubFront:
        """Return the HTTP front of the embedded hub."""
        assert self.hub is not None
        allow_publish = self.config.hub_allow_publish
        return HubFront(
            self.hub,
            publishers=Authority(self.version, self._key("publisher_secret_key")) if allow_publish else None,
            subscribers=Authority(self.version, self._key("subscriber_secret_key")),
            cookie_name=self.config.authz_cookie_name,
            keepalive_interval=self.config.hub_keepalive_interval,
        )

    def _key(self, role: Role) -> Callable[[], str | bytes]:
        keys = self.keys
        return lambda: keys.get(role)


class _Elsewhere:
    """The outlet of an app for another hub than its own, or with another token."""

    def __init__(self, state: AppState, hub_url: str | None, jwt: str | None) -> None:
        self._state = state
        self._hub_url = hub_url
        self._jwt = jwt
        self._publisher = state.http_publisher(hub_url or state.hub_url(public=False), jwt)
        self.encode = state.encode
        self.type_is_topic: bool = state.type_is_topic

    def publish(self, update: Update, /) -> str:
        return self._publisher.publish(update)

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        return self._state.elsewhere(hub_url or self._hub_url, jwt or self._jwt)


def _checked(argument: str, value: str, check: Callable[[str], str]) -> str:
    try:
        return check(value)
    except ValueError as error:
        shown = "the value" if argument == "jwt" else repr(value)
        raise ConfigurationError(f"{argument}: {shown} {error}") from error


def build_state(app: Flask, instance: MercureSSE, config: MercureConfig) -> AppState:
    """Build the objects of an app from its settings; nothing is opened or started.

    :raises ConfigurationError: settings do not fit together.
    """
    app_config = cast("dict[str, Any]", app.config)
    keys = Keys(app_config, config)
    hub = None
    if config.embedded:
        hub = Hub(
            MERCURE_0,
            history_length=config.hub_reconciliation_length,
            allow_anonymous=config.hub_allow_anonymous,
            subscriptions=config.hub_subscriptions,
        )
    elif not config.publisher_jwt and not keys.find("publisher_secret_key"):
        raise ConfigurationError(
            "MERCURE_PUBLISHER_JWT is required with an external hub: set it to a token made with that hub's "
            "publisher key, or set MERCURE_PUBLISHER_SECRET_KEY to that key"
        )
    return AppState(
        instance=instance,
        config=config,
        version=MERCURE_0,
        keys=keys,
        hub=hub,
        embedded=EmbeddedPublisher(hub) if hub else None,
        connections=Connections(),
        timeouts=Timeouts(config.connect_timeout, config.read_timeout),
        app_config=app_config,
        app=weakref.ref(app),
    )

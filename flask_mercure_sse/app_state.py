"""What belongs to one app: its settings, its hub or the way to one, and its keys."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from json import JSONEncoder
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider

from .app_keys import Keys, Role
from .app_outbox import build_outbox
from .config import MercureConfig, checked_token
from .hub.authority import Authority
from .hub.hub import Hub
from .integrations.incoming import Incoming, Surroundings
from .integrations.outlets import Outlet
from .integrations.settings import EventSettings
from .protocol.errors import ConfigurationError, MissingKeyError
from .protocol.hub_url import checked_hub_url
from .protocol.keys import sign
from .protocol.update import Update
from .protocol.version import ProtocolVersion
from .protocol.versions import Versions, has_fixed_path, speak
from .publishers.embedded import EmbeddedPublisher
from .publishers.embedded_source import EmbeddedSource
from .publishers.http import Connections, HttpPublisher, Timeouts
from .publishers.http_source import HttpSource
from .publishers.publisher import Publisher
from .publishers.source import Source
from .server.cors import Cors
from .server.front import Front
from .server.issuers import authority, authorization_servers
from .server.wsgi import HubFront
from .urls import hub_identity, internal_hub_url, public_hub_url

if TYPE_CHECKING:
    from .extension import MercureSSE
    from .integrations.outbox import Outbox


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


@dataclass(frozen=True, slots=True, eq=False)
class AppState:
    """The objects that belong to one app; also what the event layer publishes through.

    :param instance: the extension that the app was registered with.
    :param hub: the embedded hub, None where the hub is another program.
    :param incoming: what the app hears of its hub.
    """

    instance: MercureSSE
    config: MercureConfig
    versions: Versions
    keys: Keys = field(repr=False)
    hub: Hub | None
    embedded: EmbeddedPublisher | None
    connections: Connections
    timeouts: Timeouts
    app_config: Mapping[str, Any] = field(repr=False)
    app: weakref.ref[Flask]
    outbox: Outbox | None
    incoming: Incoming = field(default_factory=Incoming)

    @property
    def version(self) -> ProtocolVersion:
        """The version of the protocol that the app speaks to the hub."""
        return self.versions.newest

    @property
    def token_lifetime(self) -> float | None:
        """Seconds for which the app's tokens are good, None for ever."""
        return self.version.lifetime(self.config.token_lifetime)

    @property
    def cookie_names(self) -> list[str]:
        """The names of all cookies that may hold a browser's token for the hub."""
        return list(dict.fromkeys(name for version in self.versions for name in version.cookie_names))

    @property
    def settings(self) -> EventSettings:
        """What the app's bindings have in common."""
        app = self.app()
        return EventSettings(
            type_is_topic=self.config.type_is_topic,
            model_private=self.config.model_private,
            bulk_max=self.config.bulk_max,
            strict=app is not None and (app.debug or app.testing),
            outbox=self.outbox,
        )

    @property
    def address(self) -> str | None:
        """The hub's URL where only the request knows it, None where it is always the same."""
        return self.hub_url(public=False) if self.hub is None and self.config.hub_url is True else None

    @property
    def encode(self) -> Callable[[object], str]:
        """What returns data as JSON, by the app's JSON provider."""
        app = self.app()
        assert app is not None
        return encoder_of(app.json)

    def check(self, update: Update) -> None:
        """Find out whether the version of the protocol refuses an update.

        :raises InvalidUpdate: it does.
        """
        self.version.check(update)

    def publish(self, update: Update) -> str:
        """Publish an update that has been checked on the app's hub."""
        return self.publish_through(self.publisher, update)

    def publish_through(self, publisher: Publisher, update: Update) -> str:
        """Publish an update, and remember that it is the app's own."""
        self.incoming.note_published(update.id)
        event_id = publisher.publish(update)
        if event_id != update.id:  # some hubs make their own
            self.incoming.note_published(event_id)
        return event_id

    @property
    def publisher(self) -> Publisher:
        """The way to the app's hub."""
        return self.embedded or self.http_publisher(self.hub_url(public=False))

    def hub_url(self, *, public: bool) -> str:
        """Return the hub's URL, as browsers or as the app reach it."""
        find = public_hub_url if public else internal_hub_url
        return find(self.config, self.app_config)

    def token(self, role: Role, claims: Mapping[str, Any]) -> str:
        """Return a token of the app's own.

        :raises MissingKeyError: the app has no key to sign it with.
        """
        return sign(claims, self.keys.signing_key(role), type=self.version.token_type)

    def claims(self, **grants: Any) -> dict[str, Any]:
        """Return the claims of a token that is good from now on; see :meth:`ProtocolVersion.claims`."""
        return self.version.claims(now=time.time(), lifetime=self.config.token_lifetime, **grants)

    def publisher_token(self) -> str:
        """Return the token with which the app publishes on an external hub."""
        return self.config.publisher_jwt or self.token("publisher_secret_key", self.claims(publish=["*"]))

    def subscriber_token(self, topics: Sequence[str]) -> str | None:
        """Return a subscriber's token for topics, None where the app has no key to make one."""
        try:
            return self.token("subscriber_secret_key", self.claims(subscribe=topics))
        except MissingKeyError:
            return None

    @property
    def source(self) -> Source:
        """The way from the app's hub."""
        if self.hub is not None:
            return EmbeddedSource(self.hub, self.version)
        return HttpSource(
            self.hub_url(public=False),
            self.version,
            self.subscriber_token,
            self.token_lifetime,
            connections=self.connections,
            timeouts=self.timeouts,
        )

    def surroundings(self) -> Surroundings:
        """Return what hearing needs of the app."""
        app = self.app()
        assert app is not None
        return Surroundings(self.source, self.version, app, app.app_context)

    def http_publisher(self, hub_url: str, token: str | None = None) -> HttpPublisher:
        """Return a publisher for any hub, with the app's connections and time limits.

        :param token: another token than the app's own.
        """
        return HttpPublisher(
            hub_url,
            (lambda: token) if token else self.publisher_token,
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
            None if hub_url is None else _checked("hub_url", hub_url, self._checked_hub_url),
            None if jwt is None else _checked("jwt", jwt, checked_token),
        )

    def _checked_hub_url(self, hub_url: str) -> str:
        return checked_hub_url(hub_url, fixed_path=has_fixed_path(self.config.protocol))

    def hub_front(self) -> HubFront:
        """Return the HTTP front of the embedded hub."""
        assert self.hub is not None
        config = self.config
        front = Front(
            self.hub,
            publishers=self._authority("publisher_secret_key") if config.hub_allow_publish else None,
            subscribers=self._authority("subscriber_secret_key"),
            publish_origins=config.publish_origins,
            cors=Cors(config.cors_origins),
        )
        return HubFront(front, keepalive_interval=config.hub_keepalive_interval, limits=config.limits)

    def _authority(self, role: Role) -> Authority:
        return authority(
            "publisher" if role == "publisher_secret_key" else "subscriber",
            self.keys.source(role),
            own_names=[self.config.issuer or hub_identity(self.config, self.app_config)[0] or ""],
            issuers=self.config.issuers,
            algorithms=self.config.algorithms,
        )


class _Elsewhere:
    """The outlet of an app for another hub than its own, or with another token."""

    def __init__(self, state: AppState, hub_url: str | None, jwt: str | None) -> None:
        self._state = state
        self._hub_url = hub_url
        self._jwt = jwt
        self.address: str | None = hub_url or state.address
        self._publisher = state.http_publisher(hub_url or state.hub_url(public=False), jwt)
        self.encode = state.encode

    @property
    def settings(self) -> EventSettings:
        settings = self._state.settings
        # The outbox keeps no tokens.
        return settings if self._jwt is None else replace(settings, outbox=None)

    def check(self, update: Update, /) -> None:
        """What the other hub refuses is for it to say."""

    def publish(self, update: Update, /) -> str:
        return self._state.publish_through(self._publisher, update)

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
    versions = _versions(config, app_config)
    hub = None
    if config.embedded:
        hub = Hub(
            versions,
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
        versions=versions,
        keys=keys,
        hub=hub,
        embedded=EmbeddedPublisher(hub) if hub else None,
        connections=Connections(),
        timeouts=Timeouts(config.connect_timeout, config.read_timeout),
        app_config=app_config,
        app=weakref.ref(app),
        outbox=build_outbox(app, instance.outbox_places, config),
    )


def _versions(config: MercureConfig, app_config: Mapping[str, Any]) -> Versions:
    url, is_known = hub_identity(config, app_config)
    return speak(
        config.protocol,
        url,
        issuer=config.issuer,
        authorization_servers=authorization_servers(config.issuers),
        is_known=is_known,
        limits=config.limits,
        cookie_name=config.authz_cookie_name,
    )

"""What belongs to one app: its settings, its hub or the way to one, and its keys."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from json import JSONEncoder
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider, JSONProvider

from .app_keys import Keys, Role
from .app_outbox import build_outbox
from .config import MercureConfig, checked_token
from .external_hubs import ExternalHub, external_hubs
from .hub.authority import Authority
from .hub.hub import Hub
from .hub_tokens import HubTokens
from .integrations.incoming import Incoming, Surroundings
from .integrations.outlets import Outlet
from .integrations.settings import EventSettings
from .protocol.errors import ConfigurationError, PublishError
from .protocol.hub_url import checked_hub_url, shown_url
from .protocol.subscriptions import SubscriptionFilter
from .protocol.update import Update
from .protocol.version import ProtocolVersion
from .protocol.versions import Versions, has_fixed_path, speak
from .publishers.connections import Connections, Timeouts
from .publishers.counters import PublishCounters
from .publishers.direct import DirectPublisher
from .publishers.embedded import EmbeddedPublisher
from .publishers.embedded_source import EmbeddedSource
from .publishers.http_source import HttpSource
from .publishers.outcomes import Outcomes, Tell
from .publishers.recording import RecordingPublisher, recordings_of
from .publishers.renewal import RenewedToken
from .publishers.signals import tell_failed, tell_published
from .publishers.source import Source
from .publishers.subscriptions import SubscriptionsReader
from .publishers.ways import Way, Ways
from .server.cors import Cors
from .server.front import Front
from .server.issuers import authority, authorization_servers
from .server.open_streams import OpenStreams
from .server.wsgi import HubFront
from .urls import hub_identity, internal_hub_url, public_hub_url

if TYPE_CHECKING:
    from .extension import MercureSSE
    from .integrations.outbox import Outbox


EMBEDDED = "embedded"
DEFAULT = "default"
"""How figures call the app's own hub, in the app and elsewhere."""


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
    :param names: how figures call the external hubs that settings name, by URL.
    :param tell: gets updates when they are settled.
    """

    instance: MercureSSE
    config: MercureConfig
    versions: Versions
    keys: Keys = field(repr=False)
    hub: Hub | None
    embedded: EmbeddedPublisher | None
    connections: Connections
    timeouts: Timeouts
    ways: Ways
    subscriptions: SubscriptionsReader
    streams: OpenStreams
    hubs: Mapping[str, ExternalHub]
    names: Mapping[str, str]
    tell: Tell
    tokens: HubTokens
    made_token: RenewedToken
    app_config: Mapping[str, Any] = field(repr=False)
    app: weakref.ref[Flask]
    outbox: Outbox | None
    incoming: Incoming

    @property
    def version(self) -> ProtocolVersion:
        """The version of the protocol that the app speaks to the hub."""
        return self.versions.newest

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

    @property
    def never_fails(self) -> bool:
        """Whether the app's hub takes each update: the embedded one does."""
        return self.embedded is not None

    def publish(self, update: Update) -> str:
        """Publish an update that has been checked on the app's hub."""
        return self.publisher.publish(update)

    def publish_many(self, updates: Sequence[Update]) -> list[str]:
        """Publish updates that have been checked on the app's hub, in their order."""
        return self.publisher.publish_many(updates)

    @property
    def publisher(self) -> Way:
        """The way to the app's hub."""
        if recorder := self._recorder(EMBEDDED if self.embedded else DEFAULT):
            return recorder
        return self.embedded or self.ways.to(self.hub_url(public=False), self.publisher_token)

    def _recorder(self, hub: str) -> DirectPublisher | None:
        """Return what keeps the app's updates in the place of a hub, None when nothing does."""
        recordings = recordings_of(self.instance)
        return (
            DirectPublisher(RecordingPublisher(recordings, hub), Outcomes(hub, self.tell))
            if recordings
            else None
        )

    def figures(self) -> Iterator[tuple[str, PublishCounters, int, int]]:
        """Give for each hub its name, what was counted, and how many updates and bytes wait."""
        if self.embedded is not None:
            yield EMBEDDED, self.embedded.counters, 0, 0
        yield from self.ways.figures()

    def flush(self, timeout: float) -> bool:
        """Wait until no update waits for an external hub; False when some still do after so many seconds."""
        until = time.monotonic() + timeout
        is_empty = self.outbox is None or self.outbox.flush(timeout)
        return self.ways.flush(max(0.0, until - time.monotonic())) and is_empty

    def hub_url(self, *, public: bool) -> str:
        """Return the hub's URL, as browsers or as the app reach it."""
        find = public_hub_url if public else internal_hub_url
        return find(self.config, self.app_config)

    def publisher_token(self) -> str:
        """Return the token with which the app publishes on its external hub."""
        return self.config.publisher_jwt or self.made_token()

    def place(self, hub: str | None) -> AppState | ExternalHub:
        """Return where a hub is and which tokens it takes.

        :param hub: its name in ``MERCURE_HUBS``, None for the app's own.
        :raises ConfigurationError: there is none of this name.
        """
        return self if hub is None else self.named(hub)

    def source(self, hub: str | None = None) -> Source:
        """Return the way from a hub; argument and error as of :meth:`place`."""
        if hub is None and self.hub is not None:
            return EmbeddedSource(self.hub, self.version)
        place = self.place(hub)
        return self.http_source(
            place.hub_url(public=False), place.tokens, place.tokens.for_subscriber, place.tokens.lifetime
        )

    def http_source(
        self,
        url: str,
        tokens: HubTokens,
        token: Callable[[Sequence[str]], str | None],
        lifetime: float | None,
    ) -> HttpSource:
        """Return the way from a hub over HTTP.

        :param tokens: those of the hub.
        :param token: returns the one for topics.
        :param lifetime: seconds for which it is good, None for ever.
        """
        return HttpSource(
            url, tokens.version, token, lifetime, connections=self.connections, timeouts=self.timeouts
        )

    def read_subscriptions(self, url: str, tokens: HubTokens, wanted: SubscriptionFilter) -> dict[str, Any]:
        """Return a document of the subscription API of a hub over HTTP.

        :param url: the hub's URL, as the app reaches it.
        :raises SubscriptionsError: the hub does not tell.
        """
        path = tokens.version.subscriptions_url(wanted)
        return self.subscriptions.read(
            url + path.removeprefix(tokens.version.hub_path),
            lambda: tokens.make("subscriber_secret_key", subscribe=[path]),
        )

    def surroundings(self, hub: str | None) -> Surroundings:
        """Return what hearing a hub needs of the app; argument and error as of :meth:`place`."""
        app = self.app()
        assert app is not None
        return Surroundings(self.source(hub), self.place(hub).tokens.version, app, app.app_context)

    def elsewhere(
        self, hub_url: str | None, jwt: str | None, /, *, wait: bool = False, repeats: bool = False
    ) -> AppState | Elsewhere:
        """Return what publishes on another hub or with another token; with neither, the state itself.

        An embedded hub needs no token, and nobody waits for it.

        :param hub_url: the hub's URL, whose path may be left out, or its name in ``MERCURE_HUBS``.
        :param wait: whether to wait for the hub, whatever the settings say.
        :param repeats: whether the caller waits and tries again by itself; a failure is not told then.
        :raises ConfigurationError: one of the two is not valid.
        """
        if hub_url is None and (self.hub is not None or (jwt is None and not wait and not repeats)):
            return self
        for argument, value in (("hub_url", hub_url), ("jwt", jwt)):
            if value is not None and not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigurationError(f"{argument}: is a {type(value).__name__}; give a text")
        token = None if jwt is None else _checked("jwt", jwt, checked_token)
        if hub := self.hubs.get(hub_url or ""):
            url, own_token = hub.url, hub.publisher_token
        else:
            if hub_url and self.hubs and hub_url.isidentifier():
                self.named(hub_url)
            url = None if hub_url is None else _checked("hub_url", hub_url, self._checked_hub_url)
            url, own_token = url or self.hub_url(public=False), self.publisher_token
        publisher = self._recorder(self.names.get(url, url)) or self.ways.to(
            url, (lambda: token) if token else own_token, wait=wait, repeats=repeats
        )
        return Elsewhere(self, publisher, hub_url, jwt, wait=wait)

    def outlet(
        self, hub: str | None, hub_url: str | None, jwt: str | None, *, wait: bool = False
    ) -> AppState | Elsewhere:
        """Return what publishes on a hub by its name, or by its URL; other arguments as of :meth:`elsewhere`.

        :raises ConfigurationError: there is none of this name, or both are given.
        """
        if hub is not None:
            self.named(hub)
            if hub_url is not None:
                raise ConfigurationError("hub, hub_url: both name a hub; give one of them")
        return self.elsewhere(hub if hub_url is None else hub_url, jwt, wait=wait)

    def named(self, hub: str) -> ExternalHub:
        """Return a hub of ``MERCURE_HUBS``.

        :raises ConfigurationError: there is none of this name.
        """
        if hub not in self.hubs:
            known = ", ".join(map(repr, self.hubs)) or "none"
            raise ConfigurationError(f"hub: {hub!r} is not a name in MERCURE_HUBS; it has {known}")
        return self.hubs[hub]

    def _checked_hub_url(self, hub_url: str) -> str:
        return checked_hub_url(hub_url, fixed_path=has_fixed_path(self.config.protocol))

    def hub_front(self) -> HubFront:
        """Return the HTTP front of the embedded hub."""
        assert self.hub is not None
        config = self.config
        front = Front(
            self.hub,
            publishers=self.authority("publisher_secret_key") if config.hub_allow_publish else None,
            subscribers=self.authority("subscriber_secret_key"),
            publish_origins=config.publish_origins,
            cors=Cors(config.cors_origins),
        )
        return HubFront(
            front,
            keepalive_interval=config.hub_keepalive_interval,
            limits=config.limits,
            streams=self.streams,
        )

    def authority(self, role: Role) -> Authority:
        """Return what judges tokens of a role, as the embedded hub does."""
        return authority(
            "publisher" if role == "publisher_secret_key" else "subscriber",
            self.keys.source(role),
            own_names=[self.config.issuer or hub_identity(self.config, self.app_config)[0] or ""],
            issuers=self.config.issuers,
            algorithms=self.config.algorithms,
        )


class Elsewhere:
    """The outlet of an app for another hub than its own, or with another token.

    :param hub_url: the hub's URL or name, None for the app's own.
    :param jwt: the token, None for the app's own.
    """

    def __init__(
        self, state: AppState, publisher: Way, hub_url: str | None, jwt: str | None, *, wait: bool
    ) -> None:
        self._state = state
        self._hub_url = hub_url
        self._jwt = jwt
        self.address: str | None = hub_url or state.address
        self.publish: Callable[[Update], str] = publisher.publish
        self.publish_many: Callable[[Sequence[Update]], list[str]] = publisher.publish_many
        self.never_fails: bool = False
        self.encode: Callable[[object], str] = state.encode
        self.way: tuple[int, str | None, str | None, bool] = (id(state), hub_url, jwt, wait)
        """Equal for outlets that lead to the same place in the same way."""

    @property
    def settings(self) -> EventSettings:
        settings = self._state.settings
        # The outbox keeps no tokens.
        return settings if self._jwt is None else replace(settings, outbox=None)

    def check(self, update: Update, /) -> None:
        """What the other hub refuses is for it to say."""

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        return self._state.elsewhere(hub_url or self._hub_url, jwt or self._jwt)


def _checked(argument: str, value: str, check: Callable[[str], str]) -> str:
    try:
        return check(value)
    except ValueError as error:
        shown = "the value" if argument == "jwt" else shown_url(value)
        raise ConfigurationError(f"{argument}: {shown} {error}") from error


def build_state(app: Flask, instance: MercureSSE, config: MercureConfig) -> AppState:
    """Build the objects of an app from its settings; nothing is opened or started.

    :raises ConfigurationError: settings do not fit together.
    """
    app_config = cast("dict[str, Any]", app.config)
    keys = Keys(app_config, config)
    versions = _versions(config, app_config)
    if not config.embedded and not config.publisher_jwt and not keys.find("publisher_secret_key"):
        raise ConfigurationError(
            "MERCURE_PUBLISHER_JWT is required with an external hub: set it to a token made with that hub's "
            "publisher key, or set MERCURE_PUBLISHER_SECRET_KEY to that key"
        )
    hub = _embedded_hub(config, versions) if config.embedded else None
    hubs = external_hubs(config, keys)
    tokens = HubTokens(versions, config.token_lifetime, keys.signing_key)
    names = _names(config, hubs)
    connections, timeouts = Connections(config.ca_file), Timeouts(config.connect_timeout, config.read_timeout)
    tell, incoming = _teller(app), Incoming()
    return AppState(
        instance=instance,
        config=config,
        versions=versions,
        keys=keys,
        hub=hub,
        embedded=_embedded_publisher(hub, incoming, tell) if hub else None,
        connections=connections,
        timeouts=timeouts,
        streams=OpenStreams(),
        subscriptions=SubscriptionsReader(connections, timeouts, config.subscriptions_cache),
        ways=Ways(
            connections,
            timeouts,
            background=config.publish != "sync",
            settings=config.queue,
            tell=tell,
            note=incoming.note_published,
            names=names,
        ),
        hubs=hubs,
        names=names,
        tell=tell,
        tokens=tokens,
        made_token=tokens.for_publishing(),
        app_config=app_config,
        app=weakref.ref(app),
        outbox=build_outbox(app, instance.outbox_places, config),
        incoming=incoming,
    )


def _embedded_hub(config: MercureConfig, versions: Versions) -> Hub:
    return Hub(
        versions,
        history_length=config.hub_reconciliation_length,
        allow_anonymous=config.hub_allow_anonymous,
        subscriptions=config.hub_subscriptions,
    )


def _embedded_publisher(hub: Hub, incoming: Incoming, tell: Tell) -> EmbeddedPublisher:
    return EmbeddedPublisher(hub, Outcomes(EMBEDDED, tell), incoming.note_published)


def _teller(app: Flask) -> Tell:
    """Return what sends the signals about the updates of an app, which it does not keep alive."""
    reference = weakref.ref(app)

    def tell(updates: Sequence[Update], error: PublishError | None) -> None:
        if error is None:
            tell_published(reference(), updates)
        else:
            tell_failed(reference(), updates, error)

    return tell


def _names(config: MercureConfig, hubs: Mapping[str, ExternalHub]) -> dict[str, str]:
    """Return how figures call the hubs of an app, by URL."""
    named = {hub.url: name for name, hub in hubs.items()}
    own = config.external_hub_url
    return {**named, own: DEFAULT} if isinstance(own, str) and not config.embedded else named


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

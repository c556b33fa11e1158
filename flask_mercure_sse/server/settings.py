"""The standalone hub's objects, as its options ask for them."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

from ..hub.authority import Authority
from ..hub.hub import Hub
from ..protocol.errors import ConfigurationError
from ..protocol.limits import Limits
from ..protocol.versions import Versions, speak
from .admission import Admission, ConnectionLimits
from .cors import Cors
from .counters import Counters
from .descriptors import connections_for
from .front import Front
from .http_limits import HttpLimits
from .identity import Identity
from .issuers import Role, authority, authorization_servers
from .listeners import Listener
from .own_keys import OwnKey, Strictness
from .portable import PortableServer
from .sources import Told

if TYPE_CHECKING:
    from .standalone import Standalone
    from .watched_server import WatchedServer

HAS_EPOLL = hasattr(select, "EPOLLIN")


class Settings:
    """What serves a hub, by what was told.

    :param told: the options.
    :param listener: the socket that the hub listens on.
    :param files: open files that this process may have, None for any number.
    :raises ConfigurationError: options cannot be used, alone or together.
    """

    def __init__(self, told: Told, listener: Listener, files: int | None) -> None:
        self._options = told.options
        self._has_own_server = HAS_EPOLL and not told.options.middleware
        self._listener = listener
        self._limits = Limits(told.options.max_body_size, told.options.max_topics, told.options.max_selectors)
        self.identity: Identity = Identity(told, listener)
        strictness = Strictness(
            listener.host, is_loopback=listener.is_loopback, algorithms=told.options.algorithms
        )
        self.publisher_key: OwnKey = strictness.own_key(
            told.label("publisher_secret"), told.options.publisher_secret
        )
        self.subscriber_key: OwnKey = strictness.own_key(
            told.label("subscriber_secret"), told.options.subscriber_secret
        )
        strictness.check_issuers(told.label("issuers"), told.options.issuers)
        self.versions: Versions = self._speak()
        self.admission: Admission = Admission(self._connection_limits(files))

    def _front(self, counters: Counters) -> Front:
        options = self._options
        hub = Hub(
            self.versions,
            history_length=options.history_length,
            allow_anonymous=options.allow_anonymous,
            subscriptions=options.subscriptions,
        )
        return Front(
            hub,
            publishers=self._authority("publisher", self.publisher_key),
            subscribers=self._authority("subscriber", self.subscriber_key),
            publish_origins=options.publish_origins,
            cors=Cors(options.cors_origins),
            admission=self.admission if self._has_own_server else None,  # the other counts in its own way
            counters=counters,
        )

    def server(self, admin: socket.socket | None = None) -> Standalone | WatchedServer | PortableServer:
        """Return what serves the hub.

        :param admin: the socket of the admin port, None for no such port.
        :raises ConfigurationError: there can be none.
        """
        options = self._options
        counters = Counters()
        front = self._front(counters)
        if not self._has_own_server:
            if admin is not None:
                raise ConfigurationError(
                    "--admin-port: it needs epoll, and no --middleware in front of the hub; leave it out"
                )
            return PortableServer(
                self._listener.socket,
                front,
                body_size=options.max_body_size,
                connections=self.admission.limits.total,
                keepalive_interval=options.keepalive_interval,
                middleware=options.middleware,
            )
        from .standalone import Standalone
        from .watched_server import WatchedServer

        server = Standalone(
            self._listener.socket,
            front,
            limits=self.http_limits,
            admission=self.admission,
            keepalive_interval=options.keepalive_interval,
            max_backlog=options.max_backlog,
            max_lifetime=options.max_lifetime,
            counters=counters,
        )
        return server if admin is None else WatchedServer(server, front, admin, counters)

    def _connection_limits(self, files: int | None) -> ConnectionLimits:
        options = self._options
        return ConnectionLimits(
            total=connections_for(files, options.max_connections),
            per_address=options.max_connections_per_address,
            per_token=options.max_connections_per_token,
            trusted_proxies=options.trusted_proxies,
        )

    @property
    def http_limits(self) -> HttpLimits:
        """How much and how long a request may take."""
        options = self._options
        return HttpLimits(
            head_size=options.max_head_size,
            body_size=options.max_body_size,
            head_time=options.head_timeout,
            body_time=options.body_timeout,
            idle_time=options.idle_timeout,
        )

    def _authority(self, role: Role, own: OwnKey) -> Authority:
        return authority(
            role,
            own.source,
            own_names=self.identity.issuers,
            issuers=self._options.issuers,
            algorithms=self._options.algorithms,
        )

    def _speak(self) -> Versions:
        return speak(
            self._options.protocol,
            self.identity.name,
            issuer=self.identity.issuers[0],
            aliases=self.identity.aliases,
            authorization_servers=authorization_servers(self._options.issuers),
            limits=self._limits,
            cookie_name=self._options.cookie_name,
        )

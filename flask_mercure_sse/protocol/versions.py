"""The versions of the protocol that a hub speaks, and which of them a request is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import url_pattern
from .errors import ConfigurationError, InvalidRequest, Refusal
from .forms import Fields
from .keys import declared_type
from .limits import Limits
from .update import Update
from .v0 import Mercure0
from .v1 import Mercure1
from .version import ProtocolVersion

PROTOCOLS = ("0.x", "1.0", "both")
"""What a hub may be set to speak."""


class Versions:
    """One version of the protocol, or several for the time of a move from one to the next.

    A request is read by one version alone: the one that its parameters belong to, else the one that its
    token belongs to. So a token never gives rights in the other version's way. A subscribe request that tells
    neither is the oldest's, any other the newest's.

    :param versions: the oldest first.
    """

    def __init__(self, *versions: ProtocolVersion) -> None:
        self._versions = versions

    def __iter__(self) -> Iterator[ProtocolVersion]:
        return iter(self._versions)

    def __len__(self) -> int:
        return len(self._versions)

    @property
    def oldest(self) -> ProtocolVersion:
        """The version of subscribe requests that do not tell theirs."""
        return self._versions[0]

    @property
    def newest(self) -> ProtocolVersion:
        """The version that an app speaks to the hub."""
        return self._versions[-1]

    def check_for_others(self, update: Update, publisher: ProtocolVersion) -> None:
        """Check an update by the rules of the other versions: it goes to the subscribers of all of them.

        :param publisher: the version that has read the update, and by that checked it.
        :raises InvalidUpdate: one of them refuses it.
        """
        for version in self._versions:
            if version is not publisher:
                version.check(update)

    def of_parameters(self, parameters: Fields) -> ProtocolVersion:
        """Return the version that a subscribe request's parameters belong to.

        :raises InvalidRequest: they belong to two.
        """
        if len(self._versions) == 1:
            return self.oldest
        named = [version for version in self._versions if version.is_spoken_in(parameters)]
        if len(named) > 1:
            raise InvalidRequest("the parameters belong to two versions of the protocol; use those of one")
        return named[0] if named else self.oldest

    def of_token(
        self, authorization: str | None, query: Fields, cookies: Mapping[str, str]
    ) -> ProtocolVersion:
        """Return the version that a request's token belongs to; arguments as for ``credentials``.

        A browser may have a cookie of each: then the newest counts, since apps do not go back.
        """
        if len(self._versions) == 1:
            return self.oldest
        named = [version for version in self._versions if version.is_spoken_in(query)]
        if len(named) == 1 and authorization is None:
            return named[0]
        for version in reversed(self._versions):
            try:
                credentials = version.credentials(authorization, query, cookies)
                if credentials and version.is_own(declared_type(credentials.token)):
                    return version
            except Refusal:
                continue
        return self.newest


def speak(
    protocol: str,
    url: str | None,
    *,
    issuer: str | None = None,
    aliases: Iterable[str] = (),
    authorization_servers: Sequence[str] = (),
    is_known: bool = True,
    limits: Limits | None = None,
    cookie_name: str | None = None,
) -> Versions:
    """Return the versions that a hub speaks.

    :param protocol: one of `PROTOCOLS`.
    :param url: the hub's URL, None where no setting tells it.
    :param cookie_name: the cookie with a browser's token, where it is not the usual one. Of two versions the
        oldest has it, and the newest its usual one: neither may overwrite the other's.
    :raises ConfigurationError: a version needs what is missing.

    Other arguments as for :class:`~flask_mercure_sse.protocol.v1.Mercure1`.
    """
    old = Mercure0(limits, cookie_name)
    if protocol == old.name:
        return Versions(old)
    if url is None:
        raise ConfigurationError(
            "MERCURE_PUBLIC_HUB_URL is missing: tokens of Mercure 1.0 name the hub by it; set it to the "
            "hub's URL for browsers"
        )
    if not url_pattern.is_available():
        raise ConfigurationError(
            f"MERCURE_PROTOCOL: {protocol!r} needs the package urlpattern, which has no wheel for every "
            "platform; pip install urlpattern, or use '0.x'"
        )
    new = Mercure1(
        url,
        issuer=issuer,
        aliases=aliases,
        authorization_servers=authorization_servers,
        is_known=is_known,
        limits=limits,
        cookie_name=cookie_name if protocol == Mercure1.name else None,
    )
    return Versions(new) if protocol == new.name else Versions(old, new)


def has_fixed_path(protocol: str) -> bool:
    """Tell whether the hubs that speak a protocol all have the same path."""
    return protocol != Mercure1.name

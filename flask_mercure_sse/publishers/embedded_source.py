"""Following a hub in this process."""

from __future__ import annotations

from collections.abc import Sequence

from ..hub.hub import Hub
from ..protocol.rights import Rights
from ..protocol.version import ProtocolVersion
from ..server.stream import Stream


class EmbeddedSource:
    """Follows a hub in this process, with the right to read what it selects; see :class:`~.source.Source`.

    :param version: the version of the protocol in which selectors are read.
    """

    def __init__(self, hub: Hub, version: ProtocolVersion) -> None:
        self._hub = hub
        self._version = version

    def open(self, selectors: Sequence[str], last_event_id: str | None) -> EmbeddedStream:
        wanted = self._version.subscribe_request(self._version.url_query(selectors), last_event_id)
        stream = Stream(keepalive_interval=0)
        joined = self._hub.subscribe(wanted, Rights(subscribe=wanted.selectors), stream.deliver)
        stream.open(joined.replay, lambda: self._hub.unsubscribe(joined.subscriber))
        return EmbeddedStream(stream, joined.last_event_id)

    def cursor(self) -> str | None:
        return self._hub.last_event_id


class EmbeddedStream:
    """A stream of a hub in this process; see :class:`~.source.ByteStream`."""

    is_renewed: bool = False

    def __init__(self, stream: Stream, resumed_after: str | None) -> None:
        self._stream = stream
        self.resumed_after: str | None = resumed_after

    def read(self) -> bytes:
        return next(self._stream, b"")

    def interrupt(self) -> None:
        self._stream.close()

    def close(self) -> None:
        self._stream.close()

    def renew_after_fork(self) -> None:
        """There is nothing to do: the hub forgets its subscribers in a forked process."""

"""One connection to a hub that is kept open, whatever happens to it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

from flask_mercure_sse.protocol.sse import Decoder, Event
from flask_mercure_sse.protocol.update import EARLIEST
from flask_mercure_sse.publishers.source import ByteStream, Source

from .backoff import Backoff
from .failures import describe
from .recent_ids import RecentIds

logger: logging.Logger = logging.getLogger(__name__)

HEARD = 1000
"""Event ids that are remembered, so that what a hub or a publisher repeats is taken once."""

STEADY = 10.0
"""Seconds after which a connection counts as one that works, also without an update."""

BRIEF = 1.0
"""Seconds that a connection with a fresh token must last to be renewed without a wait."""

QUIET = 60.0
"""Seconds between two lines in the log about a hub that cannot be followed."""

PATIENCE = 5.0
"""Seconds that :meth:`Follower.stop` waits for what is being taken."""


class Follower:
    """Follows a hub in a thread of its own, which is a greenlet where gevent has patched threads.

    It reconnects with the last event id, so nothing is missed that the hub still has. The next update is
    read when the one before was taken: one that takes long holds up the hub's stream and no memory here.

    :param source: the hub.
    :param selectors: what is followed.
    :param take: gets each update, in order and once; it must not raise.
    """

    def __init__(
        self,
        source: Source,
        selectors: tuple[str, ...],
        take: Callable[[Event], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.connected: threading.Event = threading.Event()
        """Set while a stream of the current selectors is open."""
        self._source = source
        self._selectors = selectors
        self._take = take
        self._backoff = backoff or Backoff()
        self._heard = RecentIds(HEARD)
        self._last_event_id: str | None = None
        self._retry = 0.0
        self._lock = threading.Lock()
        self._stream: ByteStream | None = None
        self._ended = False
        self._is_parents = False
        self._hurry = threading.Event()
        self._opened_at: float | None = None
        self._problem: object = None
        self._complained_at = 0.0
        self._thread = threading.Thread(target=self._run, name="mercure-follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def change(self, selectors: tuple[str, ...]) -> None:
        """Follow other selectors from now on, by a new connection that goes on after the last update."""
        with self._lock:
            if selectors == self._selectors:
                return
            self._selectors = selectors
            self._interrupt()

    def stop(self, patience: float = PATIENCE) -> None:
        """Take nothing more, and wait a while for what is being taken.

        :param patience: seconds to wait.
        """
        self.end()
        if self._thread is not threading.current_thread():
            self._thread.join(patience)

    def end(self) -> None:
        """Take nothing more, without waiting."""
        with self._lock:
            self._ended = True
            self._interrupt()

    def renew_after_fork(self) -> None:
        """End in a forked process, without a word to the hub: the connection is the parent's."""
        self._ended = self._is_parents = True
        if self._stream is not None:
            self._stream.renew_after_fork()

    def _interrupt(self) -> None:
        self.connected.clear()
        self._hurry.set()
        if self._stream is not None:
            self._stream.interrupt()

    def _run(self) -> None:
        while not self._ended:
            self._hurry.clear()
            self._hurry.wait(self._follow())
        if self._is_parents:
            # A greenlet goes on in a forked process, where the threading module has forgotten it.
            threading.Event().wait()

    def _follow(self) -> float:
        """Follow the hub until the connection ends; return the seconds to wait before the next."""
        self._opened_at = None
        renewed = False
        failed: Exception | None = None
        try:
            with closing(self._opened()) as stream:
                self._read(stream)
                renewed = stream.is_renewed
        except Exception as error:  # whatever it is, it must not end here
            failed = error
        lasted = 0.0 if self._opened_at is None else time.monotonic() - self._opened_at
        with self._lock:
            self._stream = None
            if self._ended or self._hurry.is_set() or (renewed and lasted >= BRIEF):
                return 0.0
            self.connected.clear()
        if lasted >= STEADY:
            self._backoff.succeeded()
        if failed is not None:
            self._complain(failed)
        return self._backoff.next_wait(self._retry)

    def _opened(self) -> ByteStream:
        with self._lock:
            selectors = self._selectors
        if self._last_event_id is None:
            # From now on a broken connection misses nothing, even if no update has come by it.
            self._last_event_id = self._source.cursor()
        stream = self._source.open(selectors, self._last_event_id)
        with self._lock:
            self._stream = stream
            if self._ended or selectors != self._selectors:
                stream.interrupt()
            else:
                self.connected.set()
        self._note_opened(stream)
        return stream

    def _note_opened(self, stream: ByteStream) -> None:
        self._opened_at = time.monotonic()
        was_away, self._problem = self._problem is not None, None
        if was_away:
            logger.info("The hub is followed again")
        if self._last_event_id is not None and stream.resumed_after not in (None, self._last_event_id):
            # A busy hub soon forgets an id that is old because nothing has come since: no reason to worry
            # unless there was a time without a connection.
            logger.log(
                logging.WARNING if was_away else logging.INFO,
                "The hub does not know the update %r any more, after which it should go on: updates may have "
                "been missed",
                self._last_event_id,
            )
            if stream.resumed_after != EARLIEST:  # from there the same updates would come again and again
                self._last_event_id = stream.resumed_after

    def _read(self, stream: ByteStream) -> None:
        decoder = Decoder()
        while received := stream.read():
            for event in decoder.feed(received):
                if self._ended:
                    return
                self._backoff.succeeded()
                self._last_event_id = event.id or self._last_event_id
                if event.id not in self._heard:
                    if event.id:
                        self._heard.add(event.id)
                    self._take(event)
            if decoder.retry is not None:
                self._retry = decoder.retry / 1000

    def _complain(self, error: Exception) -> None:
        """Log an error when it is a new one, and then now and again."""
        problem = (type(error), getattr(error, "status", None))
        now = time.monotonic()
        if problem != self._problem or now - self._complained_at >= QUIET:
            self._problem, self._complained_at = problem, now
            logger.error("Updates are not followed, trying again: %s", describe(error))

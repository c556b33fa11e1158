"""What any binding is: a signal, and what each of its sends becomes.

Rules of this room:

1. Nothing is kept from one send to the next: a send builds its own options.
2. Nothing reaches the sender: whatever goes wrong in here ends in the log.
3. When in doubt an update is private: an error while that is decided counts as private.
4. Inside :func:`holding` updates are built and not published; a transaction publishes them when it commits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from blinker import ANY, Signal

from flask_mercure_sse.protocol.errors import BindingError, InvalidUpdate
from flask_mercure_sse.protocol.update import Update

from .content import compose, plain_json, sender_options, text_of, topics_of
from .options import Arguments, Constant, Option, adapt, call_or_value, data_option, option, topic_option

logger: logging.Logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


class Outlet(Protocol):
    """What a binding needs of its surroundings."""

    @property
    def type_is_topic(self) -> bool:
        """Whether an update without a type is named after its topic."""
        ...

    def encode(self, data: object, /) -> str:
        """Return data as JSON."""
        ...

    def publish(self, update: Update, /) -> Any:
        """Publish an update."""
        ...

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        """Return the outlet for another hub or with another token, as a sender's options may ask."""
        ...


class PlainOutlet:
    """An outlet around a callable that publishes, for workers and scripts.

    :param publish: takes an update.
    :param encode: returns data as JSON.
    :param type_is_topic: whether an update without a type is named after its topic.
    """

    def __init__(
        self,
        publish: Callable[[Update], object],
        *,
        encode: Callable[[object], str] = plain_json,
        type_is_topic: bool = False,
    ) -> None:
        self.publish = publish
        self.encode = encode
        self.type_is_topic = type_is_topic

    def elsewhere(self, hub_url: str | None, jwt: str | None, /) -> Outlet:
        if hub_url is not None or jwt is not None:
            raise BindingError("hub_url, jwt: there is one way to publish here; leave them out")
        return self


Held = tuple[Outlet, Update]
"""An update that waits for its transaction, and what it will be published through."""


_held: ContextVar[list[Held] | None] = ContextVar("held", default=None)


@contextmanager
def holding(updates: list[Held]) -> Generator[None, None, None]:
    """Collect the updates of bindings in `updates` instead of publishing them, in this context."""
    token = _held.set(updates)
    try:
        yield
    finally:
        _held.reset(token)


class Binding:
    """A signal bound to topics; made by ``publish_signal``.

    Used as a decorator it takes its data from the decorated function.

    :param signal: the signal.
    :param outlet: returns, at each send, what to publish through.
    :param sender: the sender to listen to; any by default.
    :raises BindingError: an option cannot work. All are described at ``MercureSSE.publish_signal``.
    """

    def __init__(
        self,
        signal: Signal,
        outlet: Callable[[], Outlet],
        *,
        topic: object = None,
        data: object = None,
        private: object = False,
        type: object = None,
        id: object = None,
        retry: object = None,
        when: object = None,
        sender: object = ANY,
        marshaler: Callable[[Any], Any] | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        _check_choice("private", private, bool)
        _check_choice("when", when, bool)
        self.signal = signal
        self.sender = sender
        self._outlet = outlet
        self._topic = self._default_topic() if topic is None else topic_option(topic)
        self._data = data_option(data)
        self._when = None if when is None else call_or_value(when)
        others = {
            "private": self._cautious(call_or_value(private or False)),
            "id": option("id", id),
            "type": option("type", type),
            "retry": call_or_value(retry),
        }
        # What is the same for every send is not asked for at each: commits of many rows are felt.
        self._constants = {name: made.value for name, made in others.items() if isinstance(made, Constant)}
        self._computed = {name: made for name, made in others.items() if name not in self._constants}
        _check_constants(self._constants)
        self._marshaler = marshaler
        self._callback = callback
        self.connected: bool = False

    def __repr__(self) -> str:
        state = "" if self.connected else " (disconnected)"
        return f"<{self.__class__.__name__} of {signal_name(self.signal)}{state}>"

    def __call__(self, data: F) -> F:
        """Take the data from a function: the binding as its decorator."""
        self._data = adapt(data)
        return data

    def connect(self, sender: object = None) -> None:
        """Listen to the binding's sender, or to one more."""
        self.signal.connect(self.receive, sender=self.sender if sender is None else sender, weak=False)
        self.connected = True

    def disconnect(self) -> None:
        """Listen no longer; a second time does nothing."""
        self.signal.disconnect(self.receive)
        self.connected = False

    def receive(self, sender: Any, /, **arguments: Any) -> None:
        """Take one send of the signal."""
        try:
            built = self.build(self._outlet(), sender, arguments)
            if built is None:
                return
            held = _held.get()
            if held is None:
                outlet, update = built
                outlet.publish(update)
            else:
                held.append(built)
        except Exception:
            logger.exception("%r could not publish; the sender goes on", self)

    def build(self, outlet: Outlet, sender: Any, arguments: Arguments) -> Held | None:
        """Return the update of one send and what it goes through, None when it is none."""
        subject = self._subject(sender, arguments)
        if self._when and not self._when(subject, arguments):
            return None
        topic = self._topic(subject, arguments)
        if not topic:
            return None
        options: dict[str, Any] = {
            "topic": topic,
            "data": self._body(outlet, subject, arguments),
            **self._constants,
        }
        for name, computed in self._computed.items():
            options[name] = computed(subject, arguments)
        own = sender_options(sender)
        if own or self._callback:
            options.update(own)
            if self._callback and self._callback(options) is False:
                return None
            outlet = outlet.elsewhere(options.get("hub_url"), options.get("jwt"))
        return outlet, self._compose(outlet, options)

    def _compose(self, outlet: Outlet, options: dict[str, Any]) -> Update:
        topics = topics_of(options["topic"])
        data = topics[0] if options.get("data") is None else options["data"]
        if self._marshaler:
            data = self._marshaler(data)
        type, private = options.get("type"), options.get("private")
        return compose(
            topics,
            text_of(data, outlet.encode),
            private=private is None or private,
            id=options.get("id"),
            type=self._implied_type(topics) if type is None and outlet.type_is_topic else type,
            retry=options.get("retry"),
        )

    def _implied_type(self, topics: tuple[str, ...]) -> str:
        """Return the type of an update that has none, where types are topics."""
        return topics[0]

    def _default_topic(self) -> Option:
        name = signal_name(self.signal)
        if name is None:
            raise BindingError("topic: the signal has no name to use instead; give a topic")
        return Constant(name)

    def _subject(self, sender: Any, arguments: Arguments) -> Any:
        """Return what the callables get first."""
        return sender

    def _body(self, outlet: Outlet, subject: Any, arguments: Arguments) -> Any:
        """Return the data of one send."""
        return self._data(subject, arguments)

    def _cautious(self, private: Option) -> Option:
        """Return the option that says private where it cannot be decided."""
        if isinstance(private, Constant):
            return private

        def decide(subject: object, arguments: Arguments) -> bool:
            try:
                decided = private(subject, arguments)
                return decided is None or bool(decided)
            except Exception:
                logger.exception("%r: whether an update is private could not be decided; it is", self)
                return True

        return decide


def signal_name(signal: Signal) -> str | None:
    """Return the name of a signal, None when it has none."""
    return getattr(signal, "name", None)


def _check_constants(constants: dict[str, Any]) -> None:
    """Find out now what would be wrong with each update."""
    try:
        compose(("topic",), "", **constants)
    except InvalidUpdate as error:
        raise BindingError(str(error)) from error


def _check_choice(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind) and not callable(value):
        raise BindingError(f"{name}: {value!r} is neither {kind.__name__} nor a callable")

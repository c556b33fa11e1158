"""What any binding is: a signal, and what each of its sends becomes.

Rules of this room:

1. Nothing is kept from one send to the next: a send builds its own options.
2. Nothing reaches the sender: whatever goes wrong in here ends in the log and in ``publish_failed``. Tests
   and debugging are told at once.
3. When in doubt an update is private: an error while that is decided counts as private.
4. Inside :func:`~.outlets.holding` updates are built and not published; a transaction publishes them when
   it commits.
5. An app that another extension serves is not this binding's business.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar, cast

from blinker import ANY, Signal

from flask_mercure_sse.protocol.errors import BindingError, InvalidUpdate, PublishError
from flask_mercure_sse.protocol.update import Update

from .async_signals import accept_async
from .changes import Key
from .content import compose, sender_options, text_of, topics_of
from .failures import report
from .muting import is_muted, muted_now
from .options import (
    Arguments,
    Constant,
    Option,
    adapt,
    call_or_value,
    copied,
    data_option,
    option,
    refuse_coroutines,
    topic_option,
)
from .outlets import Held, Outlet, ServedByAnother, collected
from .tracking import deferral

logger: logging.Logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
B = TypeVar("B", bound="Bound")


class Bound(ABC):
    """What ``publish_signal`` returns: a handle to one binding or several.

    Used as a decorator it takes the data from the decorated function, in a ``with`` statement it ends with
    the block.
    """

    connected: bool
    """Whether it listens."""

    @property
    @abstractmethod
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings, one for each signal."""

    @abstractmethod
    def disconnect(self) -> None:
        """Listen no longer; a second time does nothing."""

    @abstractmethod
    def __call__(self, data: F) -> F:
        """Take the data from a function: the binding as its decorator."""

    def __enter__(self: B) -> B:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()


@dataclass(slots=True)
class Options:
    """How each part of a binding's updates is found, from a subject and arguments.

    :param when: None where there is always an update.
    :param private: None where the binding does not say.
    :param constants: private, id, type and retry, as far as they are the same for every update.
    :param computed: the others of them.
    """

    topic: Option
    data: Option
    when: Option | None
    private: Option | None
    constants: dict[str, Any]
    computed: dict[str, Option]
    marshaler: Callable[[Any], Any] | None
    callback: Callable[[dict[str, Any]], Any] | None


class Binding(Bound):
    """A signal bound to topics; made by ``publish_signal``.

    :param signal: the signal.
    :param outlet: returns, at each send, what to publish through.
    :param sender: the sender to listen to, or a list of them; any by default.
    :raises BindingError: an option cannot work. All are described at ``MercureSSE.publish_signal``.
    """

    topic_is_optional: bool = False
    """Whether a topic with a field that is None is none; else it is an error."""

    def __init__(
        self,
        signal: Signal,
        outlet: Callable[[], Outlet],
        *,
        topic: object = None,
        data: object = None,
        private: object = None,
        type: object = None,
        id: object = None,
        retry: object = None,
        when: object = None,
        sender: object = ANY,
        on_commit: object = None,
        name: str | None = None,
        marshaler: Callable[[Any], Any] | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.connected: bool = False
        _check_choice("private", private, bool)
        _check_choice("when", when, bool)
        for function in (marshaler, callback):
            if function is not None:
                refuse_coroutines(function)
        self.signal = signal
        self.sender = sender
        self.name = name
        self._outlet = outlet
        self.shown: dict[str, object] = {"topic": topic, "data": data, "private": private}
        """The options that a list of bindings shows, as they were given."""
        decided = None if private is None else self._cautious(call_or_value(private))
        others = {
            "private": Constant(False) if decided is None else decided,
            "id": option("id", id),
            "type": option("type", type),
            "retry": call_or_value(retry),
        }
        # What is the same for every send is not asked for at each: commits of many rows are felt.
        constants = {name: made.value for name, made in others.items() if isinstance(made, Constant)}
        _check_constants(constants)
        self.options: Options = Options(
            topic=self._default_topic()
            if topic is None
            else topic_option(topic, optional=self.topic_is_optional),
            data=data_option(data),
            when=None if when in (None, True) else call_or_value(when),
            private=decided,
            constants=constants,
            computed={name: made for name, made in others.items() if name not in constants},
            marshaler=marshaler,
            callback=callback,
        )
        self._hold = None if on_commit is None else deferral(on_commit)

    def __repr__(self) -> str:
        state = "" if self.connected else " (disconnected)"
        return f"<{self.__class__.__name__} of {self.source}{state}>"

    @property
    def bindings(self) -> tuple[Binding, ...]:
        return (self,)

    @property
    def senders(self) -> tuple[Any, ...]:
        """The senders that it listens to."""
        sender: Any = self.sender
        if isinstance(sender, (list, tuple, set, frozenset)):
            return tuple(cast("Iterable[Any]", sender))
        return (sender,)

    @property
    def source(self) -> str:
        """The name of what it listens to."""
        return signal_name(self.signal) or "a signal without a name"

    def __call__(self, data: F) -> F:
        self.options.data = adapt(data)
        self.shown["data"] = data
        return data

    def connect(self, sender: object = None) -> None:
        """Listen to the binding's senders, or to one more."""
        accept_async(self.signal)
        for one in self.senders if sender is None else (sender,):
            self.signal.connect(self.receive, sender=one, weak=False)
        self.connected = True

    def disconnect(self) -> None:
        self.signal.disconnect(self.receive)
        self.connected = False

    def find_outlet(self) -> Outlet:
        """Return what to publish through now."""
        return self._outlet()

    def receive(self, sender: Any, /, **arguments: Any) -> None:
        """Take one send of the signal."""
        if (muted := muted_now()) and is_muted(muted, self, sender if isinstance(sender, type) else None):
            return
        outlet: Outlet | None = None
        update: Update | None = None
        try:
            outlet = self._outlet()
            for held in self.build(outlet, sender, arguments):
                update = held[3]
                self._send(held)
        except ServedByAnother:
            return
        except Exception as error:
            report(logger, f"{self!r} could not publish", error, sender=self, update=update)
            if outlet is not None and outlet.settings.strict and not isinstance(error, PublishError):
                raise

    def _send(self, held: Held) -> None:
        """Publish an update, or leave that to the transaction that it belongs to."""
        waiting = collected()
        if waiting is not None:
            waiting.append(held)
        elif not self.waits_for_commit(held):
            _key, _binding, outlet, update = held
            outlet.publish(update)

    def waits_for_commit(self, held: Held) -> bool:
        """Leave an update to the transaction of the binding's session; False where there is none."""
        return self._hold is not None and self._hold(held)

    def build(self, outlet: Outlet, sender: Any, arguments: Arguments) -> Iterable[Held]:
        """Return the updates of one send and what they go through, none where there are none."""
        options = self.options
        if options.when and not options.when(sender, arguments):
            return ()
        topic = options.topic(sender, arguments)
        if not topic:
            return ()
        parts = {"topic": topic, "data": options.data(sender, arguments), **options.constants}
        for name, computed in options.computed.items():
            parts[name] = computed(sender, arguments)
        return self.finish(outlet, parts, sender)

    def finish(
        self, outlet: Outlet, parts: dict[str, Any], sender: object, key: Key | None = None
    ) -> Iterable[Held]:
        """Let the sender and the callback change the parts of one update, and make it.

        :param key: the row that it is of.
        """
        own, callback = sender_options(sender), self.options.callback
        if own or callback:
            parts.update({name: copied(value) for name, value in own.items()})
            if callback and callback(parts) is False:
                return ()
            outlet = outlet.elsewhere(parts.get("hub_url"), parts.get("jwt"))
        return ((key, self, outlet, self._compose(outlet, parts)),)

    def _compose(self, outlet: Outlet, parts: dict[str, Any]) -> Update:
        topics = topics_of(parts["topic"])
        data = topics[0] if parts.get("data") is None else parts["data"]
        if self.options.marshaler:
            data = self.options.marshaler(data)
        type, private = parts.get("type"), parts.get("private")
        update = compose(
            topics,
            text_of(data, outlet.encode),
            private=private is None or private,
            id=parts.get("id"),
            type=self.implied_type(topics) if type is None and outlet.settings.type_is_topic else type,
            retry=parts.get("retry"),
        )
        outlet.check(update)
        return update

    def implied_type(self, topics: tuple[str, ...]) -> str:
        """Return the type of an update that has none, where types are topics."""
        return topics[0]

    def usual_topics(self) -> tuple[str, ...]:
        """Return where updates go when no topic was given, for people to read."""
        return (self.source,)

    def _default_topic(self) -> Option:
        name = signal_name(self.signal)
        if name is None:
            raise BindingError("topic: the signal has no name to use instead; give a topic")
        return Constant(name)

    def _cautious(self, private: Option) -> Option:
        """Return the option that says private where it cannot be decided."""
        if isinstance(private, Constant):
            return private

        def decide(subject: object, arguments: Arguments) -> bool:
            try:
                decided = private(subject, arguments)
                return decided is None or bool(decided)
            except Exception as error:
                what = f"{self!r}: whether an update is private could not be decided; it is"
                report(logger, what, error, sender=self)
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

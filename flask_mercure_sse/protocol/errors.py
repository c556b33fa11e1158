"""Everything this package raises on purpose, and whose fault it is.

A :class:`Refusal` is the hub's "no" to a request from outside. It is the only place, next to the HTTP
fronts, that knows status codes. What a stranger may read is ``answer``; the exact reason is the
exception's own text, which belongs in the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal


class MercureError(Exception):
    """Base of every error of this package."""


class ConfigurationError(MercureError, ValueError):
    """A setting is wrong; the text names the key, the problem and the fix."""


class MissingKeyError(ConfigurationError):
    """A token was to be made or checked and there is no secret key for it."""


class BindingError(MercureError, ValueError):
    """A binding was declared with an argument that cannot work."""


class InvalidUpdate(MercureError, ValueError):
    """An update breaks a rule of the protocol.

    :param field: the field at fault: ``topic``, ``data``, ``id``, ``type`` or ``retry``.
    :param problem: what is wrong with it and what would be right.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.problem)  # it crosses the pipes of process pools


_OF_THE_HUB = frozenset({401, 404, 405, 407, 408, 421, 425, 429, 502, 503, 504})


class PublishError(MercureError):
    """An external hub did not take an update.

    :param hub: the hub's URL.
    :param status: the HTTP status it answered, None when it gave no answer.
    :param answer: what it said, or why no answer came.
    :param retry_after: seconds for which it asked to be left alone, None where it did not ask.
    :param is_challenge: whether it asked for another token.
    """

    def __init__(
        self,
        hub: str,
        status: int | None,
        answer: str,
        retry_after: float | None = None,
        is_challenge: bool = False,
    ) -> None:
        super().__init__(f"the hub {hub} {self._said(status)}: {answer}")
        self.hub = hub
        self.status = status
        self.answer = answer
        self.retry_after = retry_after
        self.is_challenge = is_challenge
        self.is_told: bool = False
        """Whether the signal ``publish_failed`` has told it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.hub, self.status, self.answer, self.retry_after, self.is_challenge)

    @property
    def is_temporary(self) -> bool:
        """Whether the hub may take the same update later: it gave no answer, is busy, or is at fault."""
        return self.status is None or self.status in _LATER or 500 <= self.status != _NOT_IMPLEMENTED

    @property
    def fault(self) -> Literal["update", "hub", "unknown"]:
        """Where the fault is.

        ``update``: it will never be taken, others will. ``hub``: no update is taken now, because the hub is
        down or busy, or the URL or the token is wrong. ``unknown``: the hub failed on this one.
        """
        if self.status is None or self.status in _OF_THE_HUB or 300 <= self.status < 400:
            return "hub"
        if self.status == 400 and self.is_challenge:
            return "hub"  # in 1.0 so is a token refused that is none (`RFC 6750, Error Codes`)
        return "update" if 400 <= self.status < 500 else "unknown"

    def _said(self, status: int | None) -> str:
        return f"answered {status}" if status is not None else "could not be reached"


_LATER = {408, 425, 429}
_NOT_IMPLEMENTED = 501


class QueueFull(PublishError):
    """More updates wait for an external hub than may, so this one was not accepted."""

    def _said(self, status: int | None) -> str:
        return "has more updates waiting for it than may"


class SubscriptionsError(PublishError):
    """An external hub did not give the list of its subscriptions."""


class SubscribeError(PublishError):
    """A hub did not give a stream of updates, or the stream broke."""


class Refusal(MercureError):
    """The hub refuses a request.

    :param reason: the exact reason, for the log.
    """

    status: ClassVar[int] = 400
    answer: ClassVar[str | None] = None
    oauth_error: ClassVar[str | None] = None
    """The code of a bearer token's fault (`RFC 6750, Error Codes`)."""

    @property
    def public_answer(self) -> str:
        """The text that goes to the client: the reason, unless strangers must not read it."""
        return self.answer if self.answer is not None else str(self)


class InvalidRequest(Refusal):
    """The request breaks a rule of the protocol; its sender may read which."""


class TooManySelectors(InvalidRequest):
    """A subscriber asks for more than one may have."""


class InvalidCredentials(Refusal):
    """The token is presented in a way that no rule allows, whatever it says."""

    answer: ClassVar[str | None] = "Bad Request"
    oauth_error: ClassVar[str | None] = "invalid_request"


class Unauthorized(Refusal):
    """No token where one is needed."""

    status: ClassVar[int] = 401
    answer: ClassVar[str | None] = "Unauthorized"


class InvalidToken(Unauthorized):
    """A token that is not valid; strangers are not told why."""

    oauth_error: ClassVar[str | None] = "invalid_token"


class Forbidden(Refusal):
    """A valid token without the right that the request needs."""

    status: ClassVar[int] = 403
    answer: ClassVar[str | None] = "Forbidden"
    oauth_error: ClassVar[str | None] = "insufficient_scope"


class NotFound(Refusal):
    """Nothing is there, or the feature is off."""

    status: ClassVar[int] = 404
    answer: ClassVar[str | None] = "Not Found"


class MethodNotAllowed(Refusal):
    """The method is not for this URL, or is switched off.

    :param allowed: the methods that are.
    """

    status: ClassVar[int] = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed: str = ", ".join(allowed)
        super().__init__(f"{method} is not for this URL; use {self.allowed}")


class ContentTooLarge(Refusal):
    """The request holds more than the hub accepts."""

    status: ClassVar[int] = 413


class UnsupportedMediaType(Refusal):
    """The body is of a type that the hub does not read."""

    status: ClassVar[int] = 415


class TooManyConnections(Refusal):
    """There are enough of them (`Mercure 1.0, Subscription`).

    :param limit: a word for the limit that is reached.
    """

    status: ClassVar[int] = 429
    answer: ClassVar[str | None] = "Too Many Requests"

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(f"the limit of {limit.replace('_', ' ')} is reached")


class TooManyStreams(Refusal):
    """The server around the hub can carry no other stream now (`RFC 9110, 503 Service Unavailable`)."""

    status: ClassVar[int] = 503
    answer: ClassVar[str | None] = "Too many streams are open"


class Unavailable(Refusal):
    """The hub cannot serve this here; the text says what to run instead."""

    status: ClassVar[int] = 503

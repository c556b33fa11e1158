"""The door to the sessions of SQLAlchemy, which is not even imported before somebody needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask_mercure_sse.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from .outlets import Held


def start_tracking() -> None:
    """Follow all sessions of this process from now on.

    :raises ConfigurationError: SQLAlchemy is not installed.
    """
    try:
        from .session import track
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        raise ConfigurationError(
            "Following models needs SQLAlchemy 2: pip install flask-mercure-sse[sqlalchemy]"
        ) from error
    track()


def deferral(session: Any) -> Callable[[Held], bool]:
    """Return what holds an update back until a session's transaction commits.

    The function tells whether it has: it does not outside of transactions.

    :param session: a Session, a scoped_session, their asynchronous kin, or a callable that returns one.
    :raises BindingError: it is something else.
    :raises ConfigurationError: SQLAlchemy is not installed.
    """
    start_tracking()
    from .deferring import checked_session, defer

    checked_session(session)
    return lambda held: defer(session, held)

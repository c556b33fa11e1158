"""Updates that wait for the commit of a transaction that they are not a change of."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from flask_mercure_sse.protocol.errors import BindingError

from .outlets import Held
from .session import change_set_of, write_outbox

_FIX = "give a Session, a scoped_session or a callable that returns the current one"


def checked_session(session: Any) -> None:
    """Find out now what could never be a session.

    :raises BindingError: it cannot.
    """
    for maker in (sessionmaker, async_sessionmaker):
        if isinstance(session, maker):
            raise BindingError(f"on_commit: {maker.__name__} makes a new session each time; {_FIX}")
    if not callable(session) and not isinstance(session, (Session, AsyncSession)):
        raise BindingError(f"on_commit: {session!r} is no session; {_FIX}")


def defer(session: Any, held: Held) -> bool:
    """Hold an update back until the transaction of a session commits; False where there is none.

    :raises BindingError: a callable has not returned a session.
    """
    found = _session_of(session)
    if not found.in_transaction():
        return False
    change_set = change_set_of(found)
    change_set.deferred.append(held)
    if change_set.committing and not change_set.committed:
        write_outbox(found, change_set)
    return True


def _session_of(session: Any) -> Session:
    # A scoped_session is a callable that returns the current one, too.
    found: object = session if isinstance(session, (Session, AsyncSession)) else session()
    if isinstance(found, AsyncSession):
        return found.sync_session
    if isinstance(found, Session):
        return found
    if callable(found) and found is not session:
        return _session_of(found)
    raise BindingError(f"on_commit: the callable returned {type(found).__name__}, not a session; {_FIX}")

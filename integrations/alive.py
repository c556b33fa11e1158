"""Whether a transaction can go on after an error: on PostgreSQL no error of its own is survived."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session


def is_broken(session: Session, models: Iterable[type]) -> bool:
    """Tell whether the transaction of a session has not survived an error.

    :param models: those whose databases are asked.
    """
    transaction = session.get_transaction()
    if transaction is None or not transaction.is_active:
        return True
    try:
        for model in set(models):
            session.connection(bind_arguments={"mapper": inspect(model)}).execute(select(1))
    except SQLAlchemyError:
        return True
    return False

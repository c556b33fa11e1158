"""What a binding asks of a model's mapping; SQLAlchemy is imported when it is asked first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .body import key_data
from .changes import Change
from .content import own_data

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper


def is_attribute(change: Change, name: str) -> bool:
    """Tell whether a name is that of a column or of a relationship whose changes are noticed."""
    from .rows import reader_of

    reader = reader_of(change.model)
    return name in reader.columns or name in reader.many_to_one


def relations_of(model: type) -> frozenset[str]:
    """Return the names of a model's relationships."""
    from .rows import reader_of

    return reader_of(model).relations


def data_of(change: Change, data: dict[str, Any]) -> dict[str, Any]:
    """Return named attributes as data: related objects are their identities, unless they say their data."""
    from .rows import reader_of

    relations = reader_of(change.model).relations
    return {name: _identities(value) if name in relations else value for name, value in data.items()}


def _identities(value: Any) -> Any:
    if value is None or hasattr(value, "__mercure_sse_data__"):
        return own_data(value)
    if isinstance(value, dict):
        return {key: _identities(one) for key, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_identities(one) for one in cast("list[Any]", value)]
    from .rows import model_of, reader_of

    return key_data(reader_of(model_of(value)).identity_of(value))


def table_name(model: type, declared: type) -> str:
    """Return the table of the class that declares a binding; the model's own where that has none for it."""
    from sqlalchemy import inspect

    own = cast("Mapper[Any]", inspect(model))
    mapper = own
    while mapper.class_ is not declared and mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    found = mapper if mapper.class_ is declared else own
    return getattr(found.local_table, "name", model.__name__)

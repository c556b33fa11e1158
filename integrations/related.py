"""What a binding asks of a model's mapping; SQLAlchemy is imported when it is asked first."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from functools import cached_property
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


COMPUTED = "is computed, so its changes are not noticed; name the columns that it is computed of"


def is_computed(model: type, name: str) -> bool:
    """Tell whether an attribute is a property of some kind, also where the mapping is not complete yet."""
    from sqlalchemy.ext.hybrid import hybrid_property

    declared: object = inspect.getattr_static(model, name, None)
    return isinstance(declared, (property, cached_property, hybrid_property))


def noticed_with(model: type, names: Collection[str]) -> frozenset[str]:
    """Return the columns that change with the synonyms, composites and references among the names."""
    from .rows import reader_of

    reader, found = reader_of(model), set[str]()
    for name in names:
        if name in reader.mapper.synonyms:
            found.add(reader.mapper.synonyms[name].name)
        elif name in reader.mapper.composites:
            found.update(part.key for part in reader.mapper.composites[name].props)
        elif name in reader.many_to_one:
            found.update(reader.many_to_one[name][1])
    return frozenset(found)


def name_problem(model: type, option: str, name: str) -> str | None:
    """Return what is wrong with an attribute's name in an option, None where nothing is."""
    from .rows import reader_of

    reader = reader_of(model)
    if option == "touches":
        return None if name in reader.relations else "is no relationship; name one to the rows to be touched"
    if option == "data":
        return _HAS_NO_LIST if name in reader.relations and not has_list(reader.mapper, name) else None
    mapper = reader.mapper
    if any(name in known for known in (reader.columns, reader.relations, mapper.synonyms, mapper.composites)):
        return None
    return COMPUTED if hasattr(model, name) else "does not exist"


_HAS_NO_LIST = "has no list of its rows to publish, as it is only queried; give a callable"


def has_list(mapper: Mapper[Any], name: str) -> bool:
    """Tell whether a relationship loads what it leads to, as dynamic and write-only ones do not."""
    return mapper.relationships[name].lazy not in ("dynamic", "write_only")


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


def key_names(model: type) -> list[str]:
    """Return the attributes of a model's primary key, none where it is not mapped."""
    import sqlalchemy

    mapper = cast("Mapper[Any] | None", sqlalchemy.inspect(model, raiseerr=False))
    if mapper is None:
        return []
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def table_name(model: type, declared: type) -> str:
    """Return the table of the class that declares a binding; the model's own where that has none for it."""
    import sqlalchemy

    own = cast("Mapper[Any]", sqlalchemy.inspect(model))
    mapper = own
    while mapper.class_ is not declared and mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    found = mapper if mapper.class_ is declared else own
    return getattr(found.local_table, "name", model.__name__)

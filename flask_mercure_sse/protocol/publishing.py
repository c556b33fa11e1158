"""The form that publishes an update, the same in every version (`Mercure, Publication`)."""

from __future__ import annotations

from .errors import ContentTooLarge, InvalidUpdate
from .forms import Fields
from .ids import new_urn
from .limits import MAX_TOPIC_LENGTH, Limits
from .update import Update


def read_update(form: Fields, limits: Limits) -> Update:
    """Return the update that a form publishes.

    :raises InvalidUpdate: a field breaks a rule.
    :raises ContentTooLarge: there are more topics than the hub takes, or longer ones.
    """
    topics: list[str] = []
    fields: dict[str, str] = {}
    for name, value in form:
        if name == "topic":
            topics.append(value)
            if len(value) > MAX_TOPIC_LENGTH:
                raise ContentTooLarge(f"topic: is longer than {MAX_TOPIC_LENGTH} characters")
        elif name not in fields:
            fields[name] = value
    if len(topics) > limits.topics:
        raise ContentTooLarge(f"topic: is given {len(topics)} times, more than {limits.topics}")
    return Update(
        tuple(topics),
        data=fields.get("data", ""),
        private="private" in fields,
        id=fields.get("id") or new_urn(),
        type=fields.get("type") or None,
        retry=_retry(fields.get("retry")),
    )


def write_update(update: Update) -> Fields:
    """Return the form that publishes an update on any hub."""
    form = [("topic", topic) for topic in update.topics]
    form += [("data", update.data), ("id", update.id)]
    if update.private:
        form.append(("private", "on"))
    if update.type:
        form.append(("type", update.type))
    if update.retry is not None:
        form.append(("retry", str(update.retry)))
    return form


def _retry(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise InvalidUpdate("retry", f"{text[:40]!r} is not a number of milliseconds")
    return int(text)

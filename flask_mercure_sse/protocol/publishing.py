"""The form that publishes an update, the same in every version (`Mercure, Publication`)."""

from __future__ import annotations

from .errors import ContentTooLarge, InvalidUpdate
from .forms import Fields, first
from .ids import new_urn
from .limits import MAX_TOPIC_LENGTH, Limits
from .update import Update


def read_update(form: Fields, limits: Limits) -> Update:
    """Return the update that a form publishes.

    :raises InvalidUpdate: a field breaks a rule.
    :raises ContentTooLarge: there are more topics than the hub takes, or longer ones.
    """
    topics = tuple(value for name, value in form if name == "topic")
    if len(topics) > limits.topics:
        raise ContentTooLarge(f"topic: is given {len(topics)} times, more than {limits.topics}")
    if any(len(topic) > MAX_TOPIC_LENGTH for topic in topics):
        raise ContentTooLarge(f"topic: is longer than {MAX_TOPIC_LENGTH} characters")
    return Update(
        topics,
        data=first(form, "data") or "",
        private=first(form, "private") is not None,
        id=first(form, "id") or new_urn(),
        type=first(form, "type") or None,
        retry=_retry(first(form, "retry")),
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

"""What a new board shows."""

from __future__ import annotations

from models import Card, Note, TaskList, db

LISTS: dict[str, tuple[int | None, list[tuple[str, str]]]] = {
    "To do": (
        None,
        [
            ("Write the release notes", "Grace"),
            ("Translate the help pages", "Katherine"),
            ("Book a room for launch day", "Ada"),
        ],
    ),
    "Doing": (
        3,
        [
            ("Faster search in the archive", "Ada"),
            ("Welcome tour for new members", "Tim"),
        ],
    ),
    "Done": (
        None,
        [
            ("Dark colours for the reports", "Grace"),
            ("Move billing to the new service", "Katherine"),
        ],
    ),
}

NOTES = {
    "Ada": ["Ask Grace about the venue before Friday", "Demo: start with the search"],
    "Grace": ["Surprise cake for Tim on launch day"],
}


def add_sample() -> None:
    """Add a few lists, cards and notes."""
    for title, (card_limit, cards) in LISTS.items():
        task_list = TaskList(title=title, card_limit=card_limit)
        db.session.add(task_list)
        db.session.flush()  # gives the list its id
        for position, (card, user) in enumerate(cards):
            db.session.add(Card(list_id=task_list.id, title=card, position=position, touched_by=user))
    for owner, texts in NOTES.items():
        db.session.add_all(Note(owner=owner, text=text) for text in texts)
    db.session.commit()

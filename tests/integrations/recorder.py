"""An outlet that records, in the hub's place."""

from __future__ import annotations

import json
from typing import Any

from flask_mercure_sse.integrations.binding import PlainOutlet
from flask_mercure_sse.protocol.update import Update


class Recorder:
    """An outlet that keeps what is published through it."""

    def __init__(self, *, type_is_topic: bool = False) -> None:
        self.updates: list[Update] = []
        self.outlet = PlainOutlet(self.updates.append, type_is_topic=type_is_topic)

    def __call__(self) -> PlainOutlet:
        return self.outlet

    @property
    def topics(self) -> list[tuple[str, ...]]:
        return [update.topics for update in self.updates]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(update.data) for update in self.updates]

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        return [(body["event"], body["model"], body["id"]) for body in self.bodies]

    def clear(self) -> None:
        self.updates.clear()

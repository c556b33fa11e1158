"""An outlet that records, in the hub's place."""

from __future__ import annotations

import json
from typing import Any

from flask_mercure_sse.integrations.outlets import PlainOutlet
from flask_mercure_sse.integrations.settings import EventSettings
from flask_mercure_sse.protocol.update import Update


class Recorder:
    """An outlet that keeps what is published through it."""

    def __init__(self, **settings: Any) -> None:
        self.updates: list[Update] = []
        self.outlet = PlainOutlet(self.updates.append, settings=EventSettings(**settings))

    def __call__(self) -> PlainOutlet:
        return self.outlet

    @property
    def topics(self) -> list[tuple[str, ...]]:
        return [update.topics for update in self.updates]

    @property
    def bodies(self) -> list[Any]:
        """The bodies without the transaction's id, which is never the same."""
        bodies = [json.loads(update.data) for update in self.updates]
        return [
            {name: value for name, value in body.items() if name != "tx"} if isinstance(body, dict) else body
            for body in bodies
        ]

    @property
    def transactions(self) -> list[str]:
        return [json.loads(update.data)["tx"] for update in self.updates]

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        return [(body["event"], body["model"], body["id"]) for body in self.bodies]

    def clear(self) -> None:
        self.updates.clear()

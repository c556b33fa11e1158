"""A subscriber of a hub in this process that keeps what it gets."""

from __future__ import annotations

import json
from typing import Any

from flask_mercure_sse.hub.frame import Frame
from flask_mercure_sse.hub.hub import Hub
from flask_mercure_sse.protocol.rights import Rights
from flask_mercure_sse.protocol.update import Update
from flask_mercure_sse.protocol.version import SubscribeRequest


class Subscriber:
    """Joins at once and keeps every update in `updates`."""

    def __init__(self, hub: Hub, wanted: SubscribeRequest, rights: Rights | None = None) -> None:
        self.updates: list[Update] = []
        self._hub = hub
        self.joined = hub.subscribe(wanted, rights, self._deliver)
        self.updates.extend(frame.update for frame in self.joined.replay)

    def _deliver(self, frame: Frame) -> None:
        self.updates.append(frame.update)

    @property
    def data(self) -> list[str]:
        """The data of each update."""
        return [update.data for update in self.updates]

    @property
    def json(self) -> list[Any]:
        """The data of each update, read as JSON."""
        return [json.loads(data) for data in self.data]

    def close(self) -> None:
        self._hub.unsubscribe(self.joined.subscriber)

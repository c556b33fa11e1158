"""An app that publishes at each request, under a steady load, and what became of its updates."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask

from flask_mercure_sse import MercureSSE, PublishError, QueueFull, Update, publish_failed, update_published
from tests.conftest import SECRET

RATE = 200
"""Requests a second."""


class Loaded:
    """An app with an external hub, its latencies, and what was told of each update.

    :param config: further settings.
    """

    def __init__(self, hub_url: str, **config: Any) -> None:
        self.accepted: list[str] = []
        self.refused = 0
        self.published: list[str] = []
        self.failed: list[str] = []
        self.app = Flask("loaded")
        self.app.config.update(SECRET_KEY=SECRET, MERCURE_HUB_URL=hub_url, **config)
        self.mercure = MercureSSE(self.app, publisher_secret_key="p" * 32)
        self.app.add_url_rule("/save", view_func=self._save, methods=["POST"])
        self._client = self.app.test_client()
        update_published.connect(self._is_published, sender=self.app)
        publish_failed.connect(self._has_failed, sender=self.app)

    def _save(self) -> str:
        try:
            self.accepted.append(self.mercure.publish("/a", str(len(self.accepted))))
        except QueueFull:
            self.refused += 1
        return "saved"

    def _is_published(self, _sender: Flask, update: Update) -> None:
        self.published.append(update.id)

    def _has_failed(self, _sender: Flask, update: Update, error: PublishError) -> None:
        if not isinstance(error, QueueFull):
            self.failed.append(update.id)

    def run(self, seconds: float) -> float:
        """Send requests for some time and return their 99th percentile, in seconds."""
        latencies: list[float] = []
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            assert self._client.post("/save").status_code == 200
            latencies.append(time.perf_counter() - now)
            time.sleep(max(0.0, began + len(latencies) / RATE - time.perf_counter()))
        return sorted(latencies)[int(len(latencies) * 0.99)]

    @property
    def counts(self) -> dict[str, int]:
        [(_, counters, waiting, _)] = self.app.extensions["mercure_sse"].figures()
        events = ("accepted", "published", "failed", "dropped", "refused", "outages")
        return {**{event: counters[event] for event in events}, "waiting": waiting}

    def close(self) -> None:
        update_published.disconnect(self._is_published)
        publish_failed.disconnect(self._has_failed)

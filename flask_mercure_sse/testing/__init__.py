"""What tests of an app need: its updates, captured, the streams of its embedded hub, and contracts."""

from __future__ import annotations

from .captured import CapturedUpdate, CapturedUpdates, captured_updates
from .publisher_contract import PublisherContract, RemotePublisherContract
from .stream import HubStream, mercure_stream

__all__ = [
    "CapturedUpdate",
    "CapturedUpdates",
    "HubStream",
    "PublisherContract",
    "RemotePublisherContract",
    "captured_updates",
    "mercure_stream",
]

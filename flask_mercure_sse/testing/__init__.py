"""What tests of an app need: its updates, captured, and the streams of its embedded hub."""

from __future__ import annotations

from .captured import CapturedUpdate, CapturedUpdates, captured_updates
from .stream import HubStream, mercure_stream

__all__ = ["CapturedUpdate", "CapturedUpdates", "HubStream", "captured_updates", "mercure_stream"]

"""Server push for Flask over the Mercure protocol."""

from __future__ import annotations

from .config import MercureConfig
from .current import mercure_publish, publish_signal
from .encryption import Encryption
from .extension import MercureSSE
from .integrations.binding import Binding, Bound
from .integrations.changes import Change, model_changed
from .integrations.emitting import receive_failed
from .integrations.presence import subscriber_connected, subscriber_disconnected
from .protocol.errors import (
    BindingError,
    ConfigurationError,
    InvalidUpdate,
    MercureError,
    MissingKeyError,
    PublishError,
    QueueFull,
    SubscriptionsError,
)
from .protocol.selectors import match_exact, match_urlpattern
from .protocol.update import Update
from .publishers.signals import publish_failed, update_published

__all__ = [
    "Binding",
    "BindingError",
    "Bound",
    "Change",
    "ConfigurationError",
    "Encryption",
    "InvalidUpdate",
    "MercureConfig",
    "MercureError",
    "MercureSSE",
    "MissingKeyError",
    "PublishError",
    "QueueFull",
    "SubscriptionsError",
    "Update",
    "match_exact",
    "match_urlpattern",
    "mercure_publish",
    "model_changed",
    "publish_failed",
    "publish_signal",
    "receive_failed",
    "subscriber_connected",
    "subscriber_disconnected",
    "update_published",
]

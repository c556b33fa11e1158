"""The command group ``flask mercure``."""

from __future__ import annotations

from .checking import doctor
from .following import subscribe
from .group import mercure_commands
from .listing import bindings, subscriptions
from .outbox import outbox, relay
from .standalone import hub
from .tokens import decode_jwt, gen_secret_key, publisher_jwt, subscriber_jwt
from .updates import publish

__all__ = [
    "bindings",
    "decode_jwt",
    "doctor",
    "gen_secret_key",
    "hub",
    "mercure_commands",
    "outbox",
    "publish",
    "publisher_jwt",
    "relay",
    "subscribe",
    "subscriber_jwt",
    "subscriptions",
]

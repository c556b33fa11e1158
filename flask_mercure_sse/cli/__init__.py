"""The command group ``flask mercure``."""

from __future__ import annotations

from ..cli_outbox import outbox, relay
from .checking import doctor
from .following import subscribe
from .group import mercure_commands
from .listing import bindings, subscriptions
from .standalone import hub
from .tokens import decode_jwt, gen_secret_key, publisher_jwt, subscriber_jwt
from .updates import publish

mercure_commands.add_command(relay)
mercure_commands.add_command(outbox)

__all__ = [
    "bindings",
    "decode_jwt",
    "doctor",
    "gen_secret_key",
    "hub",
    "mercure_commands",
    "publish",
    "publisher_jwt",
    "subscribe",
    "subscriber_jwt",
    "subscriptions",
]

"""What a standalone hub takes over from an app, so that the app's tokens and pages are good there."""

from __future__ import annotations

from .app_keys import ROLES
from .app_state import AppState
from .config import KEYS, VARIABLES, MercureConfig
from .server.sources import Source, Value

_FIELDS = {
    "protocol": "protocol",
    "algorithms": "algorithms",
    "issuer": "issuer",
    "issuers": "issuers",
    "cookie_name": "authz_cookie_name",
    "cors_origins": "cors_origins",
    "publish_origins": "publish_origins",
    "allow_anonymous": "hub_allow_anonymous",
    "subscriptions": "hub_subscriptions",
    "keepalive_interval": "hub_keepalive_interval",
    "history_length": "hub_reconciliation_length",
    "max_body_size": "max_body_size",
    "max_topics": "max_topics",
    "max_selectors": "max_selectors",
}
"""The field of the app's configuration that says the same, by the hub's option."""

_KEYS = {field: key for key, (field, _read) in KEYS.items()}


def hub_defaults(state: AppState) -> Source:
    """Return what a standalone hub for an app is told where nothing else is said."""
    return {**_settings(state), **_public_url(state.config), **_keys(state)}


def hub_variables() -> dict[str, str]:
    """Return the environment variables that a hub for an app must not read: the app has weighed them."""
    return dict.fromkeys(VARIABLES.values(), "")


def _settings(state: AppState) -> Source:
    """Return what the app's settings say; where it left one as it is, the hub's own default counts."""
    usual = MercureConfig()
    found: dict[str, Value] = {}
    for option, field in _FIELDS.items():
        value, key = getattr(state.config, field), _KEYS[field]
        is_set = state.app_config.get(key) is not None or value != getattr(usual, field)
        if is_set and value is not None:
            found[option] = Value(value, f"the app's {key}")
    return found


def _public_url(config: MercureConfig) -> Source:
    for url, key in ((config.public_hub_url, "MERCURE_PUBLIC_HUB_URL"), (config.hub_url, "MERCURE_HUB_URL")):
        if isinstance(url, str):
            return {"public_url": Value(url, f"the app's {key}")}
    return {}


def _keys(state: AppState) -> Source:
    found: dict[str, Value] = {}
    for role in ROLES:
        key = state.keys.find(role)
        if key:
            # As environment variables have bytes that are no text, and as keys are read again.
            text = key if isinstance(key, str) else key.decode(errors="surrogateescape")
            found[role.removesuffix("_key")] = Value(text, f"the app's {state.keys.setting(role)}")
    return found

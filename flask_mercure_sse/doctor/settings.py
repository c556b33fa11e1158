"""What an app's settings say without a look at its hub."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..app_keys import ROLES, Role
from ..app_state import AppState
from ..config import MAKE_A_KEY
from ..protocol.errors import InvalidToken, MissingKeyError
from ..protocol.keys import read_token
from ..protocol.rights import expiry
from ..protocol.weak_secrets import weakness
from .finding import Finding


def check_settings(state: AppState) -> Iterator[Finding]:
    """Give what there is to say about the configuration, the keys and the given token."""
    where = "embedded in the app" if state.hub is not None else f"{state.config.external_hub_url}"
    yield Finding("configuration", "ok", f"the hub is {where}, the protocol {state.config.protocol}")
    for role in ROLES:
        yield _key(state, role)
    if state.hub is None and state.config.publisher_jwt is not None:
        yield _given_token(state.config.publisher_jwt)


def _key(state: AppState, role: Role) -> Finding:
    check = role.replace("_", " ").replace("secret key", "key")
    try:
        key = state.keys.signing_key(role)
    except MissingKeyError as error:
        if role == "publisher_secret_key" and state.hub is None and state.config.publisher_jwt is not None:
            return Finding(check, "ok", "it is not needed, as MERCURE_PUBLISHER_JWT is given")
        return Finding(check, "failed", str(error), f"set it to a key made by: {MAKE_A_KEY}")
    setting = state.keys.setting(role)
    if problem := weakness(key):
        return Finding(check, "failed", f"{setting} {problem}", f"make another with: {MAKE_A_KEY}")
    return Finding(check, "ok", f"{setting} has a key for {key.algorithms[0]}")


def _given_token(token: str) -> Finding:
    check, fix = "publisher token", "make another with the hub's publisher key"
    now = time.time()
    try:
        expires_at = expiry(read_token(token).claims, now)
    except InvalidToken as error:
        return Finding(check, "failed", f"MERCURE_PUBLISHER_JWT: {error}", fix)
    if expires_at is None:
        return Finding(check, "ok", "MERCURE_PUBLISHER_JWT has no end")
    return Finding(check, "ok", f"MERCURE_PUBLISHER_JWT is good for {(expires_at - now) / 3600:.1f} hours")

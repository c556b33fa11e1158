"""What an app's settings say without a look at its hubs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..app_keys import ROLES, Role
from ..app_state import AppState
from ..config import MAKE_A_KEY
from ..external_hubs import setting_of_hub
from ..protocol.errors import InvalidToken, MissingKeyError
from ..protocol.keys import Key, read_token
from ..protocol.rights import expiry
from ..protocol.weak_secrets import weakness
from .finding import Finding


def check_settings(state: AppState) -> Iterator[Finding]:
    """Give what there is to say about the configuration, the keys and the given token."""
    where = "embedded in the app" if state.hub is not None else f"{state.config.external_hub_url}"
    yield Finding("configuration", "ok", f"the hub is {where}, the protocol {state.config.protocol}")
    given = None if state.hub is not None else state.config.publisher_jwt
    for role in ROLES:
        token = "MERCURE_PUBLISHER_JWT" if given and role == "publisher_secret_key" else None
        yield _key(role, state.keys.signing_key, state.keys.setting(role), token)
    if given is not None:
        yield _given_token("MERCURE_PUBLISHER_JWT", given)


def check_named(state: AppState, name: str) -> Iterator[Finding]:
    """Give what there is to say about the settings of a hub in ``MERCURE_HUBS``."""
    hub = state.config.hubs[name]
    yield Finding("configuration", "ok", f"the hub is {hub.url}, the protocol {state.config.protocol}")
    for role in ROLES:
        setting = setting_of_hub(name, role) if getattr(hub, role) else state.keys.setting(role)
        token = "its publisher_jwt" if hub.publisher_jwt and role == "publisher_secret_key" else None
        yield _key(role, state.named(name).tokens.signing_key, setting, token)
    if hub.publisher_jwt is not None:
        yield _given_token(f"MERCURE_HUBS: {name}: publisher_jwt", hub.publisher_jwt)


def _key(role: Role, find: Callable[[Role], Key], setting: str, token: str | None) -> Finding:
    """Look at the key of a role.

    :param find: returns it.
    :param setting: the name of the setting that has it.
    :param token: the name of a token that is given, so that none must be made with the key.
    """
    check = role.replace("_", " ").replace("secret key", "key")
    try:
        key = find(role)
    except MissingKeyError as error:
        if token is not None:
            return Finding(check, "ok", f"it is not needed, as {token} is given")
        return Finding(check, "failed", str(error), f"set it to a key made by: {MAKE_A_KEY}")
    if problem := weakness(key):
        return Finding(check, "failed", f"{setting} {problem}", f"make another with: {MAKE_A_KEY}")
    return Finding(check, "ok", f"{setting} has a key for {key.algorithms[0]}")


def _given_token(setting: str, token: str) -> Finding:
    check, fix = "publisher token", "make another with the hub's publisher key"
    now = time.time()
    try:
        expires_at = expiry(read_token(token).claims, now)
    except InvalidToken as error:
        return Finding(check, "failed", f"{setting}: {error}", fix)
    if expires_at is None:
        return Finding(check, "ok", f"{setting} has no end")
    return Finding(check, "ok", f"{setting} is good for {(expires_at - now) / 3600:.1f} hours")

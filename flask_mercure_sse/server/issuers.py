"""Whose tokens a hub takes, and the keys that check them, as settings give them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from ..hub.authority import Authority
from ..protocol.errors import ConfigurationError
from ..protocol.keys import SECRET_ALGORITHMS, Key, KeySource, is_pem, read_key
from .key_sets import RemoteKeySet

Role = Literal["publisher", "subscriber"]
ROLES: tuple[Role, ...] = ("publisher", "subscriber")

Issuers = Mapping[str, Mapping[Role, str]]
"""The key of each role by issuer: a secret, a PEM, or the URL of a JWK Set."""


def read_issuers(value: object) -> Issuers:
    """Return issuers and their keys, or raise ValueError with what is wrong: the end of a sentence.

    :param value: ``{"https://issuer.example": {"publisher": key, "subscriber": key}}`` or JSON of it.
    """
    shape = 'give {"https://issuer.example": {"publisher": "a key", "subscriber": "a key"}}'
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"is not JSON; {shape}") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"is not a dictionary; {shape}")
    for issuer, keys in cast("Mapping[object, object]", value).items():
        if not isinstance(issuer, str) or not isinstance(keys, Mapping) or not keys:
            raise ValueError(f"has the entry {issuer!r} without a dictionary of keys; {shape}")
        for role, key in cast("Mapping[object, object]", keys).items():
            if role not in ROLES:  # it may be a key that got into its place
                raise ValueError(f"has another role than publisher and subscriber for {issuer!r}; {shape}")
            if not isinstance(key, str) or not key:
                raise ValueError(f"has no key for the {role} of {issuer!r}; {shape}")
    return cast("Issuers", value)


def is_key_set_url(key: str | bytes) -> bool:
    """Tell whether a key is the URL of a JWK Set."""
    return isinstance(key, str) and key.startswith(("https://", "http://"))


def key_source(setting: str, key: str | bytes, algorithms: Sequence[str] | None) -> KeySource:
    """Return what gives the keys that a setting names.

    :param setting: the setting's name, for the error.
    :param key: a secret, a PEM, or the URL of a JWK Set.
    :param algorithms: those that tokens may be signed with; None for the usual ones.
    :raises ConfigurationError: the key cannot be used.
    """
    try:
        fitting = None if algorithms is None else _fitting(key, algorithms)
        if isinstance(key, str) and is_key_set_url(key):
            return RemoteKeySet(key, algorithms=fitting)
        keys: tuple[Key, ...] = (read_key(key, fitting),)
    except ValueError as error:
        raise ConfigurationError(f"{setting}: the value {error}") from error
    return lambda: keys


def _fitting(key: str | bytes, algorithms: Sequence[str]) -> list[str]:
    """Return the algorithms of a list for all keys that are for this kind: a secret, or public keys."""
    is_public = is_key_set_url(key) or is_pem(key)
    fitting = [name for name in algorithms if (name in SECRET_ALGORITHMS) != is_public]
    if not fitting:
        kind = "holds public keys" if is_public else "is a secret"
        raise ValueError(f"{kind}, for which {', '.join(algorithms)} are not; add an algorithm that is")
    return fitting


def authority(
    role: Role,
    own: KeySource,
    *,
    own_names: Sequence[str],
    issuers: Issuers | None = None,
    algorithms: Sequence[str] | None = None,
) -> Authority:
    """Return what checks the tokens of a role.

    :param own: the hub's own keys of the role.
    :param own_names: who signs with them in versions that have issuers.
    :param issuers: others whose tokens the hub takes; one without a key for the role has none of its own.
    :raises ConfigurationError: a key cannot be used.
    """
    if twice := sorted(set(own_names) & set(issuers or {})):
        raise ConfigurationError(
            f"MERCURE_ISSUERS: {twice[0]!r} is the name under which the app itself signs; take it out, or "
            "give the app another name with MERCURE_ISSUER"
        )
    keys: dict[str | None, KeySource] = {
        name: key_source(f"MERCURE_ISSUERS: {name}: {role}", given[role], algorithms)
        for name, given in (issuers or {}).items()
        if role in given
    }
    return Authority({**keys, **dict.fromkeys(own_names, own), None: own})


def authorization_servers(issuers: Issuers | None) -> list[str]:
    """Return the issuers that make tokens for others (`RFC 9728, Protected Resource Metadata`)."""
    return [issuer for issuer in issuers or () if issuer.startswith("https://")]

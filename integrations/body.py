"""The body of a model's update: what happened to which row."""

from __future__ import annotations

import json

from .changes import Change
from .content import Encode
from .options import as_text, plain
from .scope import Scope

MAX_BYTES = 64 * 1024


class BodyWriter:
    """Writes the bodies of the updates of one transaction.

    What is the same for all rows is written once: commits of many rows are felt.

    :param encode: returns data as JSON.
    :param scope: what all updates carry.
    """

    def __init__(self, encode: Encode, scope: Scope) -> None:
        self._encode = encode
        shared = {"tx": scope.transaction} if scope.origin is None else _shared(scope)
        self.end: str = ", " + json.dumps(shared)[1:]
        self._starts: dict[tuple[str, type], str] = {}
        self._names: dict[frozenset[str], str] = {}

    def write(self, change: Change, event: str, reason: str | None = None, data: str = "") -> str:
        """Return the body of an update.

        :param event: what the update tells, which may be another event than the row's.
        :param data: the member ``data`` with a comma before it, or nothing.
        """
        body = self._start(change, event)
        if event == "update" and change.changed:
            names = self._names.get(change.changed)
            if names is None:
                names = self._names[change.changed] = json.dumps(sorted(change.changed))
            body += f', "changed": {names}'
        body += data
        if reason is not None:
            body += f', "reason": "{reason}"'
        return body + self.end

    def truncated(self, change: Change, event: str, reason: str | None = None) -> str:
        """Return the body of an update that would be too large: the identity, and that more was there."""
        body = f'{self._start(change, event)}, "truncated": true'
        if reason is not None:
            body += f', "reason": "{reason}"'
        return body + self.end

    def _start(self, change: Change, event: str) -> str:
        start = self._starts.get((event, change.model))
        if start is None:
            start = f'{{"event": "{event}", "model": "{change.model.__name__}"'
            self._starts[event, change.model] = start
        return f'{start}, "id": {self.key_of(change.identity)}' if change.identity else start

    def key_of(self, identity: tuple[object, ...]) -> str:
        """Return a primary key as JSON; of several columns it is a list."""
        key = key_data(identity)
        return str(key) if type(key) is int else self._encode(key)


def key_data(identity: tuple[object, ...]) -> object:
    """Return a primary key as data; of several columns it is a list.

    What JSON has no type for is the text that it is in the topic: an app's encoder may write dates without
    their microseconds, and two keys are never to look the same.
    """
    parts = [part if type(part) in _PLAIN else as_text(part) for part in map(plain, identity)]
    return parts[0] if len(parts) == 1 else parts


_PLAIN = frozenset({int, str, bool, float})


def _shared(scope: Scope) -> dict[str, str | None]:
    return {"tx": scope.transaction, "origin": scope.origin}

"""The body of a model's update: what happened to which row."""

from __future__ import annotations

import json
from typing import cast

from .changes import Change
from .content import Encode
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
        self._end = ", " + json.dumps(shared)[1:]
        self._starts: dict[tuple[str, type], str] = {}
        self._names: dict[frozenset[str], str] = {}

    def write(self, change: Change, event: str, reason: str | None = None, data: str | None = None) -> str:
        """Return the body of an update.

        :param event: what the update tells, which may be another event than the row's.
        :param data: what goes under ``data``, in JSON.
        """
        body = self._start(change, event)
        if event == "update" and change.changed:
            names = self._names.get(change.changed)
            if names is None:
                names = self._names[change.changed] = json.dumps(sorted(change.changed))
            body += f', "changed": {names}'
        if data is not None:
            body += f', "data": {data}'
        if reason is not None:
            body += f', "reason": "{reason}"'
        return body + self._end

    def truncated(self, change: Change, event: str, reason: str | None = None) -> str:
        """Return the body of an update that would be too large: the identity, and that more was there."""
        body = f'{self._start(change, event)}, "truncated": true'
        if reason is not None:
            body += f', "reason": "{reason}"'
        return body + self._end

    def _start(self, change: Change, event: str) -> str:
        start = self._starts.get((event, change.model))
        if start is None:
            start = f'{{"event": "{event}", "model": "{change.model.__name__}"'
            self._starts[event, change.model] = start
        identity = change.identity
        if len(identity) == 1:
            only = identity[0]
            return f'{start}, "id": {only if type(only) is int else self._key(only)}'
        return f'{start}, "id": {self._key(list(identity))}' if identity else start

    def _key(self, identity: object) -> str:
        try:
            return self._encode(identity)
        except (TypeError, ValueError):
            # A key that JSON does not know is the text that it is in the topic.
            if isinstance(identity, list):
                return self._encode(list(map(str, cast("list[object]", identity))))
            return self._encode(str(identity))


def _shared(scope: Scope) -> dict[str, str | None]:
    return {"tx": scope.transaction, "origin": scope.origin}

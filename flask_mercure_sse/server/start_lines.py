"""What the standalone hub prints once, when it starts: the only place where secrets are shown."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from ..protocol.keys import Key, sign
from ..protocol.version import ProtocolVersion
from .own_keys import OwnKey


def publisher_lines(
    key: OwnKey, version: ProtocolVersion, *, wanted: bool | None, is_terminal: bool
) -> Iterator[str]:
    """Yield a publisher's token that is ready for use.

    What is no terminal may be kept as a log, as systemd and containers do, and the token of a key that stays
    would be good for whoever reads it there. One that was made up ends with this process, and without its
    token the process would be of no use.

    :param wanted: whether to print it; None to decide by the key and the terminal.
    """
    signer = key.signer
    if signer is None or wanted is False:
        return
    if wanted or is_terminal or key.is_made_up:
        yield f"Publisher JWT: {_token(signer, version)}"
    else:
        yield "A publisher's token is printed on a terminal, or with --print-token"


def subscriber_lines(key: OwnKey) -> Iterator[str]:
    """Yield the subscribers' secret where it was made up."""
    if key.is_made_up:
        assert isinstance(key.given, str)
        yield f"Subscriber secret, made up for this run: {key.given}"


def admin_lines(listener: socket.socket | None) -> Iterator[str]:
    """Yield where the admin port is, nothing where there is none."""
    if listener:
        host, port = listener.getsockname()[:2]
        yield f"Admin: http://{f'[{host}]' if ':' in host else host}:{port}"


def connection_lines(total: int, files: int | None) -> Iterator[str]:
    """Yield how many connections there may be.

    :param total: 0 for any number.
    :param files: open files that this process may have, None for any number.
    """
    if total:
        of_files = f" (of {files} open files)" if files is not None else ""
        yield f"Connections: up to {total}{of_files}"


def _token(signer: Key, version: ProtocolVersion) -> str:
    claims = version.claims(now=time.time(), publish=["*"])
    return sign(claims, signer, type=version.token_type)

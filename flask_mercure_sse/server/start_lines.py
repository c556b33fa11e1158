"""What the standalone hub prints once, when it starts: the only place where secrets are shown."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..protocol.keys import Key, sign
from ..protocol.version import ProtocolVersion
from .listeners import Listener
from .own_keys import OwnKey


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is told.

    :param key: what it is called in JSON.
    :param label: what it is called in text, empty for what is said by itself.
    """

    key: str
    label: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}: {self.value}" if self.label else self.value


def start_text(lines: Iterable[Line], format: str) -> str:
    """Return what is printed.

    :param format: ``text``, a line for each; or ``json``, all in one line.
    """
    if format == "json":
        return json.dumps({line.key: line.value for line in lines})
    return "\n".join(map(str, lines))


def is_output_kept(environment: Mapping[str, str], process: int) -> bool:
    """Tell whether whoever started the hub keeps what it prints: systemd does, and what runs containers.

    :param process: the hub's own number; in a container of its own it is the first.
    """
    return bool(environment.get("JOURNAL_STREAM")) or process == 1


def publisher_lines(
    key: OwnKey, version: ProtocolVersion, *, wanted: bool | None, is_kept: bool
) -> Iterator[Line]:
    """Yield a publisher's token that is ready for use.

    The token of a key that stays would be good for whoever reads a log in which it is kept. One that was made
    up ends with this process, and without its token the process would be of no use.

    :param wanted: whether to print it; None to decide by the key and by what becomes of the output.
    :param is_kept: whether the output is kept as a log, see :func:`is_output_kept`.
    """
    signer = key.signer
    if signer is None or wanted is False:
        return
    if wanted or key.is_made_up or not is_kept:
        yield Line("publisher_jwt", "Publisher JWT", _token(signer, version))
    else:
        note = "A publisher's token is printed with --print-token; this output is kept as a log"
        yield Line("note", "", note)


def subscriber_lines(key: OwnKey) -> Iterator[Line]:
    """Yield the subscribers' secret where it was made up."""
    if key.is_made_up:
        assert isinstance(key.given, str)
        yield Line("subscriber_secret", "Subscriber secret, made up for this run", key.given)


def address_lines(listener: Listener, url: str) -> Iterator[Line]:
    """Yield the hub's URL and where the hub listens, unless the URL says so.

    :param url: the hub's URL.
    """
    yield Line("hub", "Hub", url)
    if urlsplit(url).netloc != listener.address:
        yield Line("listening_on", "Listening on", listener.address)


def admin_lines(listener: socket.socket | None) -> Iterator[Line]:
    """Yield where the admin port is, nothing where there is none."""
    if listener:
        host, port = listener.getsockname()[:2]
        yield Line("admin", "Admin", f"http://{f'[{host}]' if ':' in host else host}:{port}")


def connection_lines(total: int, files: int | None) -> Iterator[Line]:
    """Yield how many connections there may be.

    :param total: 0 for any number.
    :param files: open files that this process may have, None for any number.
    """
    if total:
        of_files = f" (of {files} open files)" if files is not None else ""
        yield Line("connections", "Connections", f"up to {total}{of_files}")


def _token(signer: Key, version: ProtocolVersion) -> str:
    claims = version.claims(now=time.time(), publish=["*"])
    return sign(claims, signer, type=version.token_type)

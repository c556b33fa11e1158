"""What a client may take of an HTTP server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much and how long a client may take.

    :param head_size: bytes of a request's head.
    :param body_size: bytes of a body.
    :param head_time: seconds for a request's head, from its first byte or from the connection's beginning.
    :param body_time: seconds for its body.
    :param idle_time: seconds between two requests.
    :param write_time: seconds that a client may take for a response.
    :param silent_time: seconds for which its system may leave what was sent unacknowledged, or take nothing:
        then it is gone, without a word. The system itself would wait for a quarter of an hour.
    """

    head_size: int = 64 * 1024
    body_size: int = 1024 * 1024
    head_time: float = 10.0
    body_time: float = 30.0
    idle_time: float = 75.0
    write_time: float = 30.0
    silent_time: float = 45.0

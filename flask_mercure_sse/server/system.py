"""The system's own calls, also where gevent has replaced them by others that know its loop.

For descriptors in an epoll of ours, of which the loop knows nothing. It would close them in a later turn,
which is too late where one is given up for another.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from gevent import monkey

Socket: type[socket.socket] = monkey.get_original("socket", "socket")
"""A socket whose calls never wait for the loop."""

new_epoll: Callable[[], Any] = monkey.get_original("select", "epoll")

new_poll: Callable[[], Any] = monkey.get_original("select", "poll")

close: Callable[[int], None] = monkey.get_original("os", "close")

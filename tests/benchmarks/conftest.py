"""The benchmark of hubs needs epoll and /proc, which only Linux has."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform.startswith("linux") else ["test_*.py"]

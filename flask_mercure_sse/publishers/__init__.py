"""Ways out of the app: each has ``publish(update) -> id`` and ``close()``."""

"""Ways between the app and a hub.

Publishers lead out: each has ``publish(update) -> id`` and ``close()``. Sources lead in: each has
``open(selectors, last_event_id)``, which gives the bytes of a stream.
"""

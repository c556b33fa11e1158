"""Faults of clients, networks and machines, and the standalone hub among them.

In each of them every update that was acknowledged reaches every live subscriber once and in order, or the
subscriber is disconnected and comes back with nothing missing.
"""

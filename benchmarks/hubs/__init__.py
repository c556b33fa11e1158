"""The parts of ``benchmarks/hub.py``."""

"""Calls back, lawfully and at once, the caller whom a fault cut off."""

__version__ = "0.1.0"

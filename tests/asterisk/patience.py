"""How long a test waits for what must come."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 60.0
"""Tells a slow machine from a hang, and measures nothing: what has come is not waited for. No test asserts a time."""

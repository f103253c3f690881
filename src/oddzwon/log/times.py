"""Instants as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

from oddzwon.domain.events import Instant


def iso(instant: Instant | None) -> str | None:
    """UTC, ISO 8601 with milliseconds and Z."""
    if instant is None:
        return None
    seconds, milliseconds = divmod(instant, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"

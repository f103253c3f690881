"""The only place that reads a clock: UTC for the log and for legal windows, monotonic for waiting."""

from __future__ import annotations

import time
from typing import Protocol

from oddzwon.domain.events import Instant


class Clock(Protocol):
    """What time it is; passed in, so that a test can say so."""

    def now(self) -> Instant:
        """UTC in milliseconds since the epoch (wall clock: it may step)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for waiting only."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Instant:
        """UTC in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

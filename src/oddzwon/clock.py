"""The only place that reads a clock: UTC for the log and for legal windows, monotonic for waiting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.events import Instant


def _boot_id() -> str:
    """The boot's own id (random(4)), the same in every container of the machine.

    Where the kernel does not tell, one for this process alone: then nothing is compared over a restart.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid4().hex


BOOT: Final = _boot_id()
"""Read once: a boot ends with the process."""


class Clock(Protocol):
    """What time it is; passed in, so that a test can say so."""

    def now(self) -> Instant:
        """UTC in milliseconds since the epoch (wall clock: it may step)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for waiting only."""
        ...

    def since_boot(self) -> BootInstant:
        """The time since the machine booted, which nobody can set: for windows that outlive this process."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Instant:
        """UTC in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def since_boot(self) -> BootInstant:
        """CLOCK_BOOTTIME with the boot's id."""
        return BootInstant(BOOT, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)

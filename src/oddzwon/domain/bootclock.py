"""How long ago a call was lost, by two clocks: the wall clock, which can be set, and the one since the machine booted.

A window of legal.md section A must be no longer for a wall clock that somebody sets back. CLOCK_BOOTTIME
(clock_gettime(2)) cannot be set and counts while the machine sleeps, but begins anew at every boot: what it said of the
loss is kept with the boot's own id, and is compared only within that boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oddzwon.domain.events import Instant

CLOCKS_AGREE_MS: Final = 2_000
"""Two clocks that differ by no more than this are not called different: one is slewed, and both are rounded."""


@dataclass(frozen=True, slots=True)
class BootInstant:
    """An instant by CLOCK_BOOTTIME: ``ms`` since the boot that the kernel calls ``boot`` (random(4), ``boot_id``)."""

    boot: str
    ms: int

    def before(self, ms: int) -> BootInstant:
        """The instant so many milliseconds earlier."""
        return BootInstant(self.boot, self.ms - ms)

    def since(self, earlier: BootInstant | None) -> int | None:
        """Milliseconds from ``earlier`` until now; None: it was not noted, or the machine has booted since.

        None as well where it lies ahead: then these are two clocks (a container with a time namespace of its own).
        """
        if earlier is None or earlier.boot != self.boot or earlier.ms > self.ms:
            return None
        return self.ms - earlier.ms


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was, in milliseconds: ``wall`` may be negative, ``steady`` None is not known."""

    wall: int
    steady: int | None = None

    @property
    def ms(self) -> int | None:
        """The age that counts; None: not known, since the wall clock stands before the loss and nothing else tells.

        The longer one of both counts: a clock set back must not lengthen a window, and a machine that was frozen with
        its clocks (a virtual one, paused) must not either. So a clock set forward ends it early: a doubt refuses.
        """
        if self.steady is not None:
            return max(self.wall, self.steady)
        return self.wall if self.wall >= 0 else None

    @property
    def set_back(self) -> bool:
        """Whether the wall clock was set back meanwhile."""
        return self.steady is not None and self.wall < self.steady - CLOCKS_AGREE_MS

    @property
    def ahead(self) -> bool:
        """Whether the wall clock was set forward meanwhile, or the machine stood still."""
        return self.steady is not None and self.wall > self.steady + CLOCKS_AGREE_MS


def noted(lost_at: Instant, wall_now: Instant, boot_now: BootInstant) -> BootInstant | None:
    """The instant of a loss that has just been seen, by the clock since boot; None where the wall clock contradicts."""
    ago = wall_now - lost_at
    return boot_now.before(ago) if ago >= 0 else None

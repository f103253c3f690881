"""The clock since boot: what it says of a loss, and when it says nothing."""

from __future__ import annotations

import time

import pytest

from oddzwon.clock import BOOT, SystemClock
from oddzwon.domain.bootclock import Age, BootInstant, noted

NOW = BootInstant("this-boot", 500_000)


@pytest.mark.parametrize(
    ("earlier", "ms"),
    [
        (BootInstant("this-boot", 380_000), 120_000),
        (BootInstant("this-boot", 500_000), 0),
        (BootInstant("another-boot", 380_000), None),
        (BootInstant("another-boot", 600_000), None),
        (BootInstant("this-boot", 500_001), None),
        (None, None),
    ],
)
def test_only_moments_of_one_boot_are_compared(earlier: BootInstant | None, ms: int | None) -> None:
    assert NOW.since(earlier) == ms


def test_a_loss_is_noted_as_long_ago_as_the_wall_clock_says() -> None:
    assert noted(1_000_000, 1_004_000, NOW) == BootInstant("this-boot", 496_000)
    assert noted(1_000_000, 1_000_000, NOW) == NOW


def test_a_loss_that_the_wall_clock_puts_ahead_is_not_noted() -> None:
    """It was set back since the loss was seen: how long that is ago nobody can tell."""
    assert noted(1_000_000, 999_999, NOW) is None


@pytest.mark.parametrize(
    ("wall", "steady", "ms", "set_back", "ahead"),
    [
        (3_000, None, 3_000, False, False),
        (-1, None, None, False, False),
        (3_000, 3_000, 3_000, False, False),
        (1_000, 3_000, 3_000, False, False),
        (999, 3_000, 3_000, True, False),
        (-3_600_000, 3_000, 3_000, True, False),
        (5_000, 3_000, 5_000, False, False),
        (5_001, 3_000, 5_001, False, True),
    ],
)
def test_the_longer_age_counts(wall: int, steady: int | None, ms: int | None, set_back: bool, ahead: bool) -> None:
    age = Age(wall, steady)
    assert (age.ms, age.set_back, age.ahead) == (ms, set_back, ahead)


def test_the_machines_clock_runs_in_one_boot() -> None:
    first, second = SystemClock().since_boot(), SystemClock().since_boot()
    assert first.boot == second.boot == BOOT
    assert 0 <= first.ms <= second.ms
    assert second.ms <= time.clock_gettime(time.CLOCK_BOOTTIME) * 1_000

"""Bounds against fraud on the operator's own trunk: dials to a number, to a prefix, in an hour and in a day.

None of them is law: they are the operator's parameters, and a dial that would pass one is not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SHARED_DIGITS: Final = 4
"""A prefix leaves at least so many digits of the number open: ten thousand numbers share it, it names nobody."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most dials: to one number in 24 hours, to one prefix of ``prefix_digits`` digits in an hour, and in all."""

    per_number_day: int = 6
    per_prefix_hour: int = 60
    prefix_digits: int = 6
    per_hour: int = 600
    per_day: int = 3_000


@dataclass(frozen=True, slots=True)
class DialCounts:
    """The dials so far that a new one is held against; those whose channel provably never existed are left out."""

    to_number_day: int
    to_prefix_hour: int
    in_hour: int
    in_day: int


def check(counts: DialCounts, caps: Caps) -> str | None:
    """The cap that one more dial would pass, in words for the log; None: it may be made.

    The words hold counts only, in groups of three digits: nothing in them looks like a part of a number.
    """
    bounds = (
        (counts.to_number_day, caps.per_number_day, "dials to the number in 24 h"),
        (counts.to_prefix_hour, caps.per_prefix_hour, "dials to numbers with the same beginning in an hour"),
        (counts.in_hour, caps.per_hour, "dials in an hour"),
        (counts.in_day, caps.per_day, "dials in 24 h"),
    )
    return next((f"{dials:,} of {most:,} {what}" for dials, most, what in bounds if dials >= most), None)


def prefix_of(e164: str, digits: int) -> str:
    """The first ``digits`` digits of a validated E.164 number, but never its last four."""
    return e164[1 : 1 + max(0, min(digits, len(e164) - 1 - SHARED_DIGITS))]

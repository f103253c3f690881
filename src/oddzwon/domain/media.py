"""Did inbound RTP stand still before a leg was hung up, and does that prove anything?

Asterisk reports by RTCP, every ``rtcpinterval``, the highest RTP sequence number that it has received on a leg
(RFC 3550 section 6.4.1). The same number twice means that nothing came in between. Only a leg that had sent without a
break until then proves anything by falling silent: one with comfort noise, silence suppression or gaps pauses by
itself, one on hold is expected to, and one that never sent RTP cannot stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from oddzwon.domain.events import CallEvent, Held, Instant, LegId, MediaReported, Unheld

ENOUGH_REPORTS: Final = 2
"""Reports without an advance that make a standstill sure: one may be a late packet's doing."""
STEADY: Final = 0.6
"""A leg is steady while no interval's packet rate is below this share of its usual rate, nor as far above it."""
SLOWEST: Final = 8 / 1000
"""Packets per millisecond of the slowest speech (120 ms each); what comes more rarely is comfort noise (RFC 3389)."""
ENOUGH_INTERVALS: Final = 2
"""Intervals that a leg must have been seen to send steadily before its silence means anything."""


class Stream(StrEnum):
    """How a leg had sent RTP before it fell silent."""

    STEADY = "steady"
    BROKEN = "broken"
    """With pauses: comfort noise, silence suppression, or gaps."""
    TOO_SHORT = "too short"
    """Not seen for long enough to tell."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Inbound RTP stood still until the end. ``since`` is when it was last seen to advance.

    ``reports`` counts the reports without an advance since then.
    """

    since: Instant
    reports: int
    stream: Stream


def standstill(leg: LegId, events: Sequence[CallEvent]) -> Standstill | None:
    """The standstill in which the leg's inbound RTP is at the end of ``events``.

    None: it advanced to the last report, too few reports came, or the leg was on hold, where silence is no fault.
    """
    reports = _since_last_hold(leg, events)
    if reports is None or len(reports) < 2:
        return None
    last = reports[-1].sequence
    unchanged = 0
    for report in reversed(reports[:-1]):
        if report.sequence != last:
            break
        unchanged += 1
    if not unchanged:
        return None
    moving = reports[: len(reports) - unchanged]
    return Standstill(moving[-1].at, unchanged, _stream(moving))


def _since_last_hold(leg: LegId, events: Sequence[CallEvent]) -> list[MediaReported] | None:
    """The leg's reports of its present stream since it was last taken off hold; None while it is on hold."""
    reports: list[MediaReported] = []
    held = False
    for event in events:
        match event:
            case Held(leg=who) if who == leg:
                held = True
            case Unheld(leg=who) if who == leg:
                held = False
                reports = []
            case MediaReported(leg=who) if who == leg:
                if reports and reports[-1].source != event.source:
                    reports = []
                reports.append(event)
    return None if held else reports


def _stream(moving: Sequence[MediaReported]) -> Stream:
    """How the leg sent, up to the report in which RTP last advanced: that interval was cut short, and is left out."""
    steps = [(a, b) for a, b in pairwise(moving[:-1]) if b.at > a.at]
    # runs that the journal has shortened lie further apart than one interval
    interval = min((b.at - a.at for a, b in steps), default=0)
    if not steps or moving[-2].at - moving[0].at < ENOUGH_INTERVALS * interval:
        return Stream.TOO_SHORT
    rates = [rate(a, b) for a, b in steps]
    return Stream.STEADY if alike(rates) and median(rates) >= SLOWEST else Stream.BROKEN


def rate(a: MediaReported, b: MediaReported) -> float:
    """Packets per millisecond between two reports of one stream."""
    return (b.sequence - a.sequence) / max(1, b.at - a.at)


def alike(rates: Sequence[float]) -> bool:
    """Whether the rates are those of one steady stream."""
    usual = median(rates)
    return all(STEADY * usual <= r <= usual / STEADY for r in rates)

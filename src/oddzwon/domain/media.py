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

from oddzwon.domain.events import CallEvent, HandedOver, Held, Instant, LegEnded, LegId, MediaReported, Unheld

ENOUGH_REPORTS: Final = 2
"""Reports without an advance that make a standstill sure: one may be a late packet's doing."""
ENOUGH_MS: Final = 1_500
"""The least that such reports span, whatever ``rtcpinterval`` is."""
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

    ``reports`` counts the reports without an advance since then, ``seen_ms`` is how long they span.
    """

    since: Instant
    reports: int
    seen_ms: int
    stream: Stream

    @property
    def sure(self) -> bool:
        """Whether it was seen for long enough to be no late packet's doing."""
        return self.reports >= ENOUGH_REPORTS and self.seen_ms >= ENOUGH_MS

    @property
    def proves(self) -> bool:
        """Whether a leg that had sent without a break was seen to be silent for long enough."""
        return self.sure and self.stream is Stream.STEADY


def standstill(leg: LegId, events: Sequence[CallEvent]) -> Standstill | None:
    """The standstill in which the leg's inbound RTP is at the end of ``events``.

    None: it advanced to the last report, too few reports came, or a side was holding, where silence is no fault.
    """
    *earlier, reports = _stretches(leg, events)
    last = reports[-1].sequence if reports else None
    moving = list(reports)
    while moving and moving[-1].sequence == last:
        moving.pop()
    unchanged = len(reports) - len(moving) - 1
    if unchanged < 1:
        return None
    moving.append(reports[len(moving)])
    return Standstill(moving[-1].at, unchanged, reports[-1].at - moving[-1].at, _stream(moving, earlier))


def _stretches(leg: LegId, events: Sequence[CallEvent]) -> list[list[MediaReported]]:
    """The leg's reports, those of each stream and of each time off hold for themselves; an empty last one on hold.

    A hold by the other side counts as well: Asterisk may pass it on (``moh_passthrough``) to a phone that then pauses.
    """
    stretches: list[list[MediaReported]] = [[]]
    holding: set[LegId] = set()
    for event in events:
        match event:
            case Held(leg=who):
                holding.add(who)
                stretches.append([])
            case Unheld(leg=who) | LegEnded(leg=who) | HandedOver(leg=who) if who in holding:
                holding.discard(who)
                stretches.append([])
            case MediaReported(leg=who) if who == leg and not holding:
                if stretches[-1] and stretches[-1][-1].source != event.source:
                    stretches.append([])
                stretches[-1].append(event)
    return stretches


def _stream(moving: Sequence[MediaReported], earlier: Sequence[Sequence[MediaReported]]) -> Stream:
    """How the leg sent, up to the report in which RTP last advanced, and in the stretches before.

    A stretch's last interval was cut short by what ended it, and is left out. Who paused once pauses by himself.
    """
    steps = _steps(moving)
    # runs that the journal has shortened lie further apart than one interval
    interval = min((b.at - a.at for a, b in steps), default=0)
    whole = [[rate(a, b) for a, b in _steps(stretch)] for stretch in (*earlier, moving)]
    if any(rates and not speech(rates) for rates in whole):
        return Stream.BROKEN
    if not steps or moving[-2].at - moving[0].at < ENOUGH_INTERVALS * interval:
        return Stream.TOO_SHORT
    return Stream.STEADY


def _steps(stretch: Sequence[MediaReported]) -> list[tuple[MediaReported, MediaReported]]:
    return [(a, b) for a, b in pairwise(stretch[:-1]) if b.at > a.at]


def speech(rates: Sequence[float]) -> bool:
    """Whether the rates are those of a leg that sends without a break."""
    return alike(rates) and median(rates) >= SLOWEST


def rate(a: MediaReported, b: MediaReported) -> float:
    """Packets per millisecond between two reports of one stream."""
    return (b.sequence - a.sequence) / max(1, b.at - a.at)


def alike(rates: Sequence[float]) -> bool:
    """Whether the rates are those of one steady stream."""
    usual = median(rates)
    return all(STEADY * usual <= r <= usual / STEADY for r in rates)

"""What Asterisk never says: a journal that holds it proves nothing, and its call is judged ``unknown``.

Bad input comes from a fault of ours, of Asterisk's, or from somebody who forges events; none of them may make a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oddzwon.domain.events import (
    BridgeEntered,
    HangupRequested,
    Instant,
    LegEnded,
    LegId,
    Oddity,
    QueueJoined,
)
from oddzwon.domain.journal import Journal
from oddzwon.domain.scene import Scene

TOO_FAR_MS: Final = 60_000
"""No word on a leg's hang-up comes so long before the call began, nor is so far from the leg's end."""


@dataclass(frozen=True, slots=True)
class Disorder:
    """One thing that cannot be, in words without personal data."""

    what: str
    at: Instant


def disorder(journal: Journal) -> tuple[Disorder, ...]:
    """Everything in the journal that Asterisk never says of one call, in order."""
    return tuple(_found(journal))


def _found(journal: Journal) -> Iterator[Disorder]:
    scene = Scene(journal.leg)
    ended: dict[LegId, LegEnded] = {}
    requested: dict[LegId, Instant] = {}
    for event in journal.events:
        scene.take(event)
        match event:
            case Oddity(leg=leg, what=what) if leg is None or scene.role(leg) is not None:
                yield Disorder(what, event.at)
            case LegEnded(leg=leg):
                yield from _end(event, ended.get(leg), requested.get(leg), journal)
                ended.setdefault(leg, event)
            case HangupRequested(leg=leg):
                requested.setdefault(leg, event.at)
                if event.at < journal.started_at - TOO_FAR_MS:
                    yield Disorder("a hang-up was asked for long before the call began", event.at)
                if leg in ended and scene.role(leg) is not None:
                    yield Disorder("a hang-up was asked for after the leg's end", event.at)
            case BridgeEntered(leg=leg) | QueueJoined(leg=leg) if leg == journal.leg and leg in ended:
                yield Disorder("the caller's leg lived on after its end", event.at)


def _end(event: LegEnded, before: LegEnded | None, asked: Instant | None, journal: Journal) -> Iterator[Disorder]:
    if event.leg == journal.leg and before is not None and event.cause is not None and before.cause is not None:
        yield Disorder("the caller's leg ended twice", event.at)
    if event.cause is None:
        return  # ours, for want of Asterisk's word: its time is when we looked
    if event.at < journal.started_at - TOO_FAR_MS:
        yield Disorder("a leg ended long before the call began", event.at)
    elif asked is not None and abs(event.at - asked) > TOO_FAR_MS and event.leg == journal.leg:
        yield Disorder("the caller's leg ended long after its hang-up was asked for", event.at)

"""Who comes first, and to whom a free agent falls: callbacks among each other, and against those who wait in a queue.

The rule: who had an agent already (he talked, or an agent's telephone rang for him) comes first. Who was cut off while
he waited keeps the time that he had waited: he goes on as if he had never left the queue, before those who came after
him and behind those who came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from oddzwon.domain.events import Instant, Stage

_RANK: Final = MappingProxyType({Stage.TALKING: 0, Stage.CONNECTING: 1, Stage.QUEUED: 2})
_BEFORE_QUEUE: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A callback's place in the line; the smaller place comes first.

    ``rank`` is how far the lost call had got, ``started_at`` when it began. Its id makes every place another one.
    """

    rank: int
    started_at: Instant
    call: str


def place_of(stage: Stage, started_at: Instant, call: str) -> Place:
    """The place of the call's callback: who talked, then whose agent rang, then who waited; among these by start."""
    return Place(_RANK.get(stage, _BEFORE_QUEUE), started_at, call)


def place_in_queue(started_at: Instant, leg: str, *, came_back: bool) -> Place:
    """The place of a caller who waits in a queue; ``came_back``: he was cut off before, and has come back himself."""
    return Place(0 if came_back else _RANK[Stage.QUEUED], started_at, leg)


@dataclass(frozen=True, slots=True)
class Claim:
    """A callback, or a caller in the queue, that wants an agent of ``queue``, ``preferred`` (an interface) if free."""

    place: Place
    queue: str
    preferred: str | None = None


def share_out(claims: Iterable[Claim], free: Mapping[str, Sequence[str]]) -> dict[Place, str]:
    """To whom each free agent falls: one agent each, in the claims' order, the preferred one first.

    ``free`` holds each queue's free members in the queue's own order; a claim for any other queue gets nobody. A later
    claim gets only what the earlier ones leave; one that nobody is free for takes nothing from those behind it.
    """
    shares: dict[Place, str] = {}
    for claim in sorted(claims, key=lambda claim: claim.place):
        given = set(shares.values())
        left = [agent for agent in free.get(claim.queue, ()) if agent not in given]
        if left:
            shares[claim.place] = claim.preferred if claim.preferred in left else left[0]
    return shares

"""A storm: a failure of the trunk or of the PBX drops many calls at once. One beginning, one end, and its numbers.

It is judged now and then rather than at each drop, so that its first word tells of the whole outage. It is over once
calls are no longer cut off at that rate and nobody of it waits for a callback any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from oddzwon.domain.callback import FINAL, CallbackState
from oddzwon.domain.events import Instant

REFUSED: Final = "refused"
"""The fate of a drop whose decision made no callback."""
ERASED: Final = "erased"
"""The fate of a drop whose call is not in the log any more."""
UNDECIDED: Final = "undecided"
"""The fate of a drop that got no decision in the time for a callback."""
CONNECTED: Final = CallbackState.CONNECTED.value
"""The fate of a drop whose two people talk again, or have talked."""


@dataclass(frozen=True, slots=True)
class Rule:
    """So many drops within so many milliseconds are a storm. After ``gives_up_ms`` no callback can be pending."""

    drops: int = 10
    within_ms: int = 60_000
    gives_up_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Storm:
    """What is known: the calm before a storm, or one that rages.

    ``recent`` are the calls lost within the rule's time before the latest, each with the moment. While it rages
    ``pending`` are its calls, lost at or after ``since``, whose fate is open; ``fates`` tells how the others came out.
    """

    rule: Rule
    recent: Mapping[str, Instant] = field(default_factory=dict)
    since: Instant | None = None
    pending: Mapping[str, Instant] = field(default_factory=dict)
    fates: Mapping[str, str] = field(default_factory=dict)

    @property
    def rages(self) -> bool:
        """Whether there is one."""
        return self.since is not None

    @property
    def drops(self) -> int:
        """How many calls the storm has cut off so far."""
        return len(self.pending) + len(self.fates)

    @property
    def asks(self) -> tuple[str, ...]:
        """The calls whose fate the next look must know; none in calm weather."""
        if self.rages:
            return tuple(self.pending)
        return tuple(self.recent) if len(self.recent) >= self.rule.drops else ()


@dataclass(frozen=True, slots=True)
class Begins:
    """A storm: so many drops, of which so many wait for their callback or for the decision on it."""

    drops: int
    pending: int


@dataclass(frozen=True, slots=True)
class Over:
    """The storm is over: so many drops, and how they came out, the commonest fate first."""

    drops: int
    fates: tuple[tuple[str, int], ...]


News: TypeAlias = Begins | Over | None


def dropped(storm: Storm, call: str, lost_at: Instant, now: Instant) -> Storm:
    """An inbound call was cut off by a fault. Told twice (it is judged anew), it is one drop.

    What is known as lost later than ``now`` was lost before the clock was set back: it is recent no more.
    """
    recent = {one: at for one, at in storm.recent.items() if at <= now} | {call: lost_at}
    latest = max(recent.values())
    recent = {one: at for one, at in recent.items() if at > latest - storm.rule.within_ms}
    of_it = storm.since is not None and lost_at >= storm.since and call not in storm.fates
    return replace(storm, recent=recent, pending={**storm.pending, call: lost_at} if of_it else storm.pending)


def looked_at(storm: Storm, now: Instant, fates: Mapping[str, str]) -> tuple[Storm, News]:
    """The weather at ``now``. ``fates``: by call, its callback's state, or one of this module's words.

    A call that it does not name has no decision yet.
    """
    begins = not storm.rages and len(storm.recent) >= storm.rule.drops
    if begins:
        storm = replace(storm, since=min(storm.recent.values()), pending=storm.recent, fates={})
    if not storm.rages:
        return storm, None
    storm = _known(storm, now, fates)
    if begins:
        return storm, Begins(storm.drops, len(storm.pending))
    lately = _lately(storm, now)
    if storm.pending or len(lately) >= storm.rule.drops:
        return storm, None
    counted = Counter(storm.fates.values())
    commonest = sorted(counted.items(), key=lambda fate: (-fate[1], fate[0]))
    return Storm(storm.rule, lately), Over(storm.drops, tuple(commonest))


def _known(storm: Storm, now: Instant, fates: Mapping[str, str]) -> Storm:
    pending, known = dict(storm.pending), dict(storm.fates)
    for call, lost_at in storm.pending.items():
        fate = _settled(fates.get(call))
        if fate is None and call not in fates and now > lost_at + storm.rule.gives_up_ms:
            fate = UNDECIDED
        if fate is not None:
            del pending[call]
            known[call] = fate
    return replace(storm, pending=pending, fates=known)


def _settled(fate: str | None) -> str | None:
    """What a drop is counted as; None: nobody can say yet."""
    if fate in (CallbackState.CONNECTED, CallbackState.COMPLETED):
        return CONNECTED
    return fate if fate in FINAL or fate in (REFUSED, ERASED) else None


def _lately(storm: Storm, now: Instant) -> dict[str, Instant]:
    """Drops within the rule's time before ``now``; what lies ahead of it was lost before the clock was set back."""
    return {call: at for call, at in storm.recent.items() if now - storm.rule.within_ms < at <= now}

"""A call's journal: the facts that bear on its ending, in the order in which they came, and how they are kept.

The verdict is a function of the journal and of the rules alone (:mod:`oddzwon.domain.ending`), so that an old call can
be judged anew by newer rules. :func:`encode` and :func:`decode` are each other's inverse; a field that is added to an
event later needs a default, so that what was written before can still be read.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from oddzwon.domain.events import (
    CALL_EVENTS,
    BridgeEntered,
    CallEvent,
    Instant,
    LegEnded,
    LegId,
    MediaReported,
    Oddity,
    QueueJoined,
    StageReached,
)
from oddzwon.domain.media import alike, rate

LIMIT: Final = 400
"""A journal longer than this loses its oldest media reports first: no peer can make one call eat the memory."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What is known of one call when it is judged. ``leg`` is the caller's; ``ended_at`` None where no end was seen."""

    leg: LegId
    started_at: Instant
    ended_at: Instant | None
    events: tuple[CallEvent, ...]


def remember(events: tuple[CallEvent, ...], event: CallEvent) -> tuple[CallEvent, ...]:
    """The events with one more. A repeated one says nothing new, except that Asterisk never repeats a leg's end.

    It does repeat the request: who hangs up while his channel runs an application inside the bridge, as a feature code
    makes it do, is heard once by the application and once by the bridge [M 22.10.1].

    A run of media reports that say the same, that RTP stands still or moves on as fast as before, keeps its ends and
    the report before its last: from these all that matters can still be told (:mod:`oddzwon.domain.media`).
    """
    if isinstance(event, MediaReported):
        events = _shortened(events, event)
    elif event in events:
        if not isinstance(event, LegEnded):
            return events
        event = Oddity(event.at, event.leg, f"{type(event).__name__} was said twice")
        if event in events:
            return events
    events = (*events, event)
    if len(events) <= LIMIT:
        return events
    expendable = _expendable(events)
    return events[:expendable] + events[expendable + 1 :]


def _expendable(events: tuple[CallEvent, ...]) -> int:
    """The place of the event that can best be spared.

    First what was said of legs that are gone and never talked: a queue may ring phones in vain for hours. Then the
    oldest report of the leg that has most of them: one with comfort noise reports for hours, and neither whom the
    caller was bridged with nor how the other leg sent must be forgotten for it.
    """
    theirs = {e.leg for e in events if isinstance(e, BridgeEntered | QueueJoined | StageReached | MediaReported)}
    gone = {e.leg for e in events if isinstance(e, LegEnded)} - theirs
    for i, event in enumerate(events):
        if getattr(event, "leg", None) in gone:
            return i
    media = [(i, e.leg) for i, e in enumerate(events) if isinstance(e, MediaReported)]
    most = Counter(leg for _, leg in media).most_common(1)
    return next((i for i, leg in media if leg == most[0][0]), 0)


def _shortened(events: tuple[CallEvent, ...], event: MediaReported) -> tuple[CallEvent, ...]:
    mine = [(i, e) for i, e in enumerate(events) if isinstance(e, MediaReported) and e.leg == event.leg][-4:]
    if len(mine) < 4:
        return events
    (_, first), (where, second), (_, third), (_, fourth) = mine
    rates = (rate(first, second), rate(second, third), rate(third, fourth), rate(fourth, event))
    # what came between may matter: a run is one only where nothing else happened, such as a hold
    quiet = all(isinstance(e, MediaReported) for e in events[mine[0][0] : mine[-1][0]])
    one_stream = len({e.source for _, e in mine} | {event.source}) == 1
    if quiet and one_stream and (not any(rates) or (all(rates) and alike(rates))):
        return events[:where] + events[where + 1 :]
    return events


class UnreadableFact(ValueError):
    """A line of a journal that this version cannot read; the message says which, and why."""


_KINDS: Final[Mapping[str, type]] = MappingProxyType({kind.__name__: kind for kind in CALL_EVENTS})


def encode(event: CallEvent) -> tuple[Instant, str, LegId | None, dict[str, Any]]:
    """The event as a line of the journal: its time, its kind, its leg (None: the whole call's), and the rest."""
    data = {k: v for k, v in dataclasses.asdict(event).items() if k not in ("at", "leg") and v is not None}
    return event.at, type(event).__name__, getattr(event, "leg", None), data


def decode(at: Instant, kind: str, leg: LegId | None, data: Mapping[str, Any]) -> CallEvent:
    """The event that the line was made of; raises UnreadableFact."""
    made = _KINDS.get(kind)
    if made is None:
        raise UnreadableFact(f"{kind}: no kind of event that this version knows")
    hints = get_type_hints(made)
    told = {**data, "at": at, "leg": leg}
    values = {
        field.name: _value(hints[field.name], told.get(field.name), f"{kind}.{field.name}")
        for field in dataclasses.fields(made)
        if field.name in told or field.default is dataclasses.MISSING
    }
    event: CallEvent = made(**values)
    return event


def _value(hint: Any, value: Any, name: str) -> Any:
    """The value as its field's type has it: an enumeration's member for its text. None is not written."""
    for kind in getattr(hint, "__args__", (hint,)):
        if issubclass(kind, StrEnum) and value in tuple(kind):
            return kind(value)
        if type(value) is kind:
            return value
    raise UnreadableFact(f"{name}: {value!r} is not what this version expects")

"""The calls under way: one record per call, shared by its flow (AGI) and the watch (AMI), whichever sees it first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.domain.call import Call, CallCommand, Phase, SettleDue, advance
from oddzwon.domain.events import CallEvent, Direction, Instant, LegId, WeHungUp
from oddzwon.domain.notice import NoticeReceipt
from oddzwon.domain.number import NotANumber, Number, Presentation
from oddzwon.log.records import Drop, Party

KEYS_KEPT = 20
"""Keys pressed ahead that are kept for a call; who hammers the keypad gets the newest."""


@dataclass(slots=True, eq=False)
class LiveRecording:
    """A recording that was armed in this call. ``path`` is where Asterisk writes."""

    id: str
    path: str
    paused: bool = False
    deleted: bool = False


@dataclass(slots=True, eq=False)
class LiveCall:
    """A call under way. ``call`` is the domain's state; the rest is what its flow has learnt.

    ``id`` is None until the call is in the log; a call that could not be logged is served, but neither recorded nor
    called back. ``keys`` holds what the caller pressed ahead, ``ahead_since`` since when such keys count: while a
    prompt plays that no key may stop. A key that ended a prompt is told twice, by AGI and by an event, and counts once.
    """

    linked: str
    call: Call
    id: str | None = None
    line: Line | None = None
    number: Number | NotANumber | None = None
    presentation: Presentation | None = None
    diverted: bool | None = None
    party: Party | None = None
    choice: Choice | None = None
    resumes: Drop | None = None
    receipts: list[NoticeReceipt] = field(default_factory=list)
    unlogged: list[NoticeReceipt] = field(default_factory=list)
    recordings: list[LiveRecording] = field(default_factory=list)
    objected: bool = False
    keys: deque[str] = field(default_factory=lambda: deque(maxlen=KEYS_KEPT))
    ahead_since: Instant | None = None
    gone_at: Instant | None = None
    missing: bool = False
    flow_started: bool = False
    flow_over: asyncio.Event = field(default_factory=asyncio.Event)
    judged: asyncio.Event = field(default_factory=asyncio.Event)

    def advance(self, event: CallEvent | SettleDue) -> tuple[CallCommand, ...]:
        """Take the event into the domain's state; returns what is to be done."""
        self.call, commands = advance(self.call, event)
        return commands

    def pressed(self, key: str, at: Instant) -> None:
        """A key was pressed: kept if it was pressed ahead."""
        if self.ahead_since is not None and at >= self.ahead_since:
            self.keys.append(key)


class Calls:
    """Every call under way, found by its Linkedid or by any of its legs."""

    def __init__(self) -> None:
        self._by_linked: dict[str, LiveCall] = {}
        self._by_leg: dict[LegId, LiveCall] = {}

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(tuple(self._by_linked.values()))

    def __len__(self) -> int:
        return len(self._by_linked)

    def receive(self, linked: str, leg: LegId, at: Instant, direction: Direction, did: str | None) -> LiveCall:
        """The call with this caller leg; made if neither flow nor watch has seen it yet."""
        live = self._by_leg.get(leg)
        if live is None:
            live = LiveCall(linked, Call(leg=leg, direction=direction, started_at=at, did=did))
            self._by_linked[linked] = live
            self._by_leg[leg] = live
        return live

    def adopt(self, live: LiveCall) -> None:
        """Follow a call that began under an earlier life of the service."""
        self._by_linked[live.linked] = live
        self._by_leg[live.call.leg] = live

    def find(self, linked: str, leg: LegId) -> LiveCall | None:
        """The call that a leg belongs to: by the leg itself where it is known, else by its Linkedid."""
        return self._by_leg.get(leg) or self._by_linked.get(linked)

    def of_leg(self, leg: LegId) -> LiveCall | None:
        """The call whose caller leg this is."""
        return self._by_leg.get(leg)

    def before(self, at: Instant) -> tuple[LiveCall, ...]:
        """The calls that began before ``at``."""
        return tuple(live for live in self._by_linked.values() if live.call.started_at < at)

    def ending_of(self, number_key: str) -> LiveCall | None:
        """A call of this number that has ended and is not judged yet."""
        for live in self._by_linked.values():
            if live.call.phase is not Phase.LIVE and live.party is not None and live.party.number_key == number_key:
                return None if live.judged.is_set() else live
        return None

    def forget(self, live: LiveCall) -> None:
        """The call is settled and written."""
        self._by_leg.pop(live.call.leg, None)
        if self._by_linked.get(live.linked) is live:
            del self._by_linked[live.linked]

    def hung_up_by_us(self, live: LiveCall, at: Instant, why: str) -> None:
        """Note that the service itself ends the call: Asterisk tells nobody who asked."""
        live.advance(WeHungUp(at, live.call.leg, why))

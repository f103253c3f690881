"""The calls under way: one record per call, shared by its flow (AGI) and the watch (AMI), whichever sees it first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from oddzwon.asterisk.lists import Waiting
from oddzwon.callflow.keypad import Keypad
from oddzwon.callflow.live_recordings import LiveRecordings
from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.call import Call, CallCommand, Phase, SettleDue, advance
from oddzwon.domain.events import (
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Direction,
    Instant,
    LegEnded,
    LegId,
    LegsJoined,
    Stage,
    WeHungUp,
)
from oddzwon.domain.notice import NoticeReceipt
from oddzwon.domain.number import NotANumber, Number, Presentation
from oddzwon.domain.precedence import Place, place_in_queue
from oddzwon.log.records import Drop, Party

ELSEWHERE_KEPT = 1_000
"""Legs in bridges of the PBX that are no call's of ours, so far; each may yet be joined by a caller."""


@dataclass(slots=True, eq=False)
class LiveCall:
    """A call under way. ``call`` is the domain's state; the rest is what its flow has learnt.

    ``id`` is None until the call is in the log; a call that could not be logged is served, but neither recorded nor
    called back. ``line`` holds the language that the call goes on in. ``lost_boot``: the loss by the clock since
    boot.
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
    recordings: LiveRecordings = field(default_factory=LiveRecordings)
    objected: bool = False
    keypad: Keypad = field(default_factory=Keypad)
    gone_at: Instant | None = None
    lost_boot: BootInstant | None = None
    missing: bool = False
    flow_started: bool = False
    flow_over: asyncio.Event = field(default_factory=asyncio.Event)
    judged: asyncio.Event = field(default_factory=asyncio.Event)

    def advance(self, event: CallEvent | SettleDue) -> tuple[CallCommand, ...]:
        """Take the event into the domain's state; returns what is to be done."""
        self.call, commands = advance(self.call, event)
        return commands


class Calls:
    """Every call under way, found by any of its legs, or by its Linkedid."""

    def __init__(self) -> None:
        self._by_caller: dict[LegId, LiveCall] = {}
        self._by_other: dict[LegId, LiveCall] = {}
        self._by_bridge: dict[str, LiveCall] = {}
        self._by_linked: dict[str, list[LiveCall]] = {}
        self._elsewhere: dict[LegId, BridgeEntered] = {}

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(tuple(self._by_caller.values()))

    def __len__(self) -> int:
        return len(self._by_caller)

    def receive(self, linked: str, leg: LegId, at: Instant, direction: Direction, did: str | None) -> LiveCall:
        """The call with this caller leg; made if neither flow nor watch has seen it yet."""
        live = self._by_caller.get(leg)
        if live is None:
            live = LiveCall(linked, Call(leg=leg, direction=direction, started_at=at, did=did))
            self.adopt(live)
        return live

    def adopt(self, live: LiveCall) -> None:
        """Follow a call, also one that began under an earlier life of the service."""
        self._by_caller[live.call.leg] = live
        self._by_linked.setdefault(live.linked, []).append(live)

    def find(self, linked: str, event: CallEvent) -> LiveCall | None:
        """The call that the event tells of: by its leg where that is known, else by its bridge, else by its Linkedid.

        A transfer may give a leg another call's Linkedid, or bring one into the caller's bridge that had its own.
        """
        leg: LegId = getattr(event, "leg", "") or ""
        live = self._known(leg)
        if live is None and isinstance(event, BridgeEntered):
            live = self._by_bridge.get(event.bridge)
        if live is None:
            live = self._alone_with(linked)
        if live is not None:
            self._note(live, leg, event)
        elif isinstance(event, BridgeEntered):
            self._elsewhere[leg] = event
            if len(self._elsewhere) > ELSEWHERE_KEPT:
                del self._elsewhere[next(iter(self._elsewhere))]
        elif isinstance(event, BridgeLeft | LegEnded):
            self._elsewhere.pop(leg, None)
        return live

    def waiting_for(self, live: LiveCall, bridge: str) -> tuple[BridgeEntered, ...]:
        """The legs that were in this bridge before the caller came: the one who fetches a parked call is first."""
        found = tuple(event for event in self._elsewhere.values() if event.bridge == bridge)
        for event in found:
            del self._elsewhere[event.leg]
            self._by_other[event.leg] = live
        return found

    def _note(self, live: LiveCall, leg: LegId, event: CallEvent) -> None:
        """Remember the leg, and the caller's bridge, as this call's."""
        if leg and leg != live.call.leg:
            self._by_other[leg] = live
        if isinstance(event, LegsJoined):
            self._by_other[event.other] = live
        if isinstance(event, BridgeEntered) and leg == live.call.leg:
            self._by_bridge[event.bridge] = live

    def joined(self, live: LiveCall, leg: LegId) -> None:
        """This leg, which was nobody's so far, is about to be joined to the call."""
        self._by_other[leg] = live

    def place_in_queue(self, caller: Waiting, now: Instant) -> Place | None:
        """The place of a caller in a queue among those who want an agent; None: one rings for him already."""
        live = self._by_caller.get(caller.leg)
        if live is None:
            return place_in_queue(now - caller.waited_s * 1000, caller.leg, came_back=caller.priority > 0)
        if live.call.stage is not Stage.QUEUED:
            return None
        return place_in_queue(live.call.started_at, caller.leg, came_back=live.resumes is not None)

    def entangled(self, linked: str, leg: LegId) -> tuple[LiveCall, ...]:
        """The calls that a Linkedid joins on this leg, though each has a caller of its own; empty: none, as usual."""
        sharing = self._by_linked.get(linked, [])
        own = self._by_caller.get(leg)
        if own is not None and own not in sharing:
            return (own, *sharing) if sharing else ()
        return tuple(sharing) if len(sharing) > 1 else ()

    def of_leg(self, leg: LegId) -> LiveCall | None:
        """The call whose caller leg this is."""
        return self._by_caller.get(leg)

    def with_leg(self, linked: str, leg: LegId) -> LiveCall | None:
        """The call that this leg, caller's or other, belongs to: by the leg where it is known, else by its Linkedid.

        A Linkedid that several calls share tells nothing.
        """
        return self._known(leg) or self._alone_with(linked)

    def _known(self, leg: LegId) -> LiveCall | None:
        return self._by_caller.get(leg) or self._by_other.get(leg)

    def _alone_with(self, linked: str) -> LiveCall | None:
        sharing = self._by_linked.get(linked, [])
        return sharing[0] if len(sharing) == 1 else None

    def before(self, at: Instant) -> tuple[LiveCall, ...]:
        """The calls that began before ``at``."""
        return tuple(live for live in self._by_caller.values() if live.call.started_at < at)

    def ending_of(self, number_key: str) -> LiveCall | None:
        """A call of this number that has ended and is not judged yet."""
        for live in self._by_caller.values():
            if live.call.phase is not Phase.LIVE and live.party is not None and live.party.number_key == number_key:
                return None if live.judged.is_set() else live
        return None

    def forget(self, live: LiveCall) -> None:
        """The call is settled and written."""
        self._by_caller.pop(live.call.leg, None)
        sharing = self._by_linked.get(live.linked, [])
        if live in sharing:
            sharing.remove(live)
        if not sharing:
            self._by_linked.pop(live.linked, None)
        for index in (self._by_other, self._by_bridge):
            for key in [key for key, other in index.items() if other is live]:
                del index[key]

    def hung_up_by_us(self, live: LiveCall, at: Instant, why: str) -> None:
        """Note that the service itself ends the call: Asterisk tells nobody who asked."""
        live.advance(WeHungUp(at, live.call.leg, why))

"""A call from its first ring until its ending has settled: ``(call, event) -> (call, commands)``.

Everything that changes a call's state lives in this file. The journal that is gathered here is all that
:mod:`oddzwon.domain.ending` judges from. A settled call absorbs whatever still arrives: a verdict is given once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Direction,
    HandedOver,
    HangupRequested,
    Instant,
    LegEnded,
    LegId,
    PbxRestarted,
    QueueJoined,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
    StageReached,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import SoftHangup
from oddzwon.domain.journal import Journal, remember

SETTLE_MS: Final = 1_000
"""Longest wait, after the caller's leg is gone, for what the other legs still have to say."""


class Phase(StrEnum):
    """Where a call stands in its own life."""

    LIVE = "live"
    SETTLING = "settling"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class AgentLeg:
    """A leg that was dialled to reach an agent."""

    agent: str
    ringing: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One caller's call with every leg that belongs to it.

    ``leg`` is the caller's own channel, ``agent`` the interface he talked with last. ``beside`` are the legs that were
    with him in a bridge, whoever brought them there: the call has not settled before they had their last word.
    """

    leg: LegId
    direction: Direction
    started_at: Instant
    did: str | None = None
    phase: Phase = Phase.LIVE
    stage: Stage = Stage.ARRIVING
    queue: str | None = None
    agent: str | None = None
    connected_at: Instant | None = None
    ended_at: Instant | None = None
    agents: Mapping[LegId, AgentLeg] = field(default_factory=lambda: MappingProxyType({}))
    bridges: Mapping[LegId, str] = field(default_factory=lambda: MappingProxyType({}))
    beside: frozenset[LegId] = frozenset()
    journal: tuple[CallEvent, ...] = ()

    def as_journal(self) -> Journal:
        """All that the verdict on the call's ending is made from."""
        return Journal(self.leg, self.started_at, self.ended_at, self.journal)


@dataclass(frozen=True, slots=True)
class WaitToSettle:
    """Command: deliver :class:`SettleDue` after ``wait_ms``."""

    wait_ms: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Command: the call has settled; give its verdict, once."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Command: the caller and ``agent`` can hear each other for the first time in this call."""

    agent: str | None
    at: Instant


@dataclass(frozen=True, slots=True)
class SettleDue:
    """The bounded wait for the other legs is over."""

    at: Instant


CallCommand: TypeAlias = WaitToSettle | Judge | Connected
Step: TypeAlias = tuple[Call, tuple[CallCommand, ...]]

_BEFORE_QUEUE: Final = (Stage.ARRIVING, Stage.NOTICE, Stage.MENU, Stage.ANNOUNCEMENT)


def advance(call: Call, event: CallEvent | SettleDue) -> Step:
    """The call after ``event``, and what is to be done about it. Never raises, whatever the order of events."""
    if call.phase is Phase.SETTLED:
        return call, ()
    if isinstance(event, SettleDue):
        return _settle(call) if call.phase is Phase.SETTLING else (call, ())
    before = call.journal
    call = replace(call, journal=remember(before, event))
    if call.journal is before:
        return call, ()  # a repeated event says nothing new
    step = _STEPS.get(type(event))
    call, commands = step(call, event) if step else (call, ())
    if call.phase is Phase.SETTLING and not call.agents and not call.beside:
        settled, more = _settle(call)
        return settled, commands + more
    return call, commands


def _settle(call: Call) -> Step:
    return replace(call, phase=Phase.SETTLED), (Judge(),)


def _stage_reached(call: Call, event: StageReached) -> Step:
    # the flow speaks until the queue takes over; what comes late must not turn the stage back
    if call.phase is Phase.LIVE and call.stage in _BEFORE_QUEUE:
        return replace(call, stage=event.stage), ()
    return call, ()


def _queue_joined(call: Call, event: QueueJoined) -> Step:
    if call.phase is not Phase.LIVE or event.leg != call.leg:
        return call, ()
    return replace(call, stage=Stage.QUEUED, queue=event.queue), ()


def _agent_ringing(call: Call, event: AgentRinging) -> Step:
    if event.leg == call.leg:
        return call, ()
    agents = {**call.agents, event.leg: AgentLeg(event.agent)}
    stage = call.stage if call.stage is Stage.TALKING or call.phase is not Phase.LIVE else Stage.CONNECTING
    return replace(call, agents=MappingProxyType(agents), stage=stage), ()


def _agent_answered(call: Call, event: AgentAnswered) -> Step:
    if event.leg == call.leg:
        return call, ()
    agents = {**call.agents, event.leg: AgentLeg(event.agent, ringing=False)}
    return replace(call, agents=MappingProxyType(agents)), ()


def _agent_gave_up(call: Call, event: AgentGaveUp) -> Step:
    return _without_agent(call, event.leg), ()


def _without_agent(call: Call, leg: LegId) -> Call:
    """The call without that agent's leg; when nobody rings any more the caller is waiting again."""
    if leg not in call.agents:
        return call
    agents = {k: v for k, v in call.agents.items() if k != leg}
    bridges = {k: v for k, v in call.bridges.items() if k != leg}
    stage = call.stage
    if stage is Stage.CONNECTING and call.phase is Phase.LIVE and not agents and not _ending(call):
        stage = Stage.QUEUED
    return replace(call, agents=MappingProxyType(agents), bridges=MappingProxyType(bridges), stage=stage)


def _ending(call: Call) -> bool:
    """Whether the caller's leg is being ended already: Asterisk gives the ringing agents up before it says Hangup."""
    for event in call.journal:
        match event:
            case ShuttingDown():
                return True
            case SoftHangupRequested(leg=leg, flag=flag) if leg == call.leg and flag != SoftHangup.ASYNCGOTO:
                return True
            case HangupRequested(leg=leg) | WeHungUp(leg=leg) if leg == call.leg:
                return True
    return False


def _bridge_entered(call: Call, event: BridgeEntered) -> Step:
    bridges = {**call.bridges, event.leg: event.bridge}
    mine = bridges.get(call.leg)
    partners = [leg for leg, bridge in bridges.items() if bridge == mine and leg != call.leg]
    beside = call.beside if mine is None else call.beside | {*partners}
    call = replace(call, bridges=MappingProxyType(bridges), beside=beside)
    if mine is None or not partners or call.phase is not Phase.LIVE:
        return call, ()
    known = call.agents.get(partners[-1])
    agent = known.agent if known else call.agent
    commands = (Connected(agent, event.at),) if call.connected_at is None else ()
    return replace(call, stage=Stage.TALKING, agent=agent, connected_at=call.connected_at or event.at), commands


def _bridge_left(call: Call, event: BridgeLeft) -> Step:
    bridges = {k: v for k, v in call.bridges.items() if k != event.leg}
    call = replace(call, bridges=MappingProxyType(bridges))
    talks_on = event.leg != call.leg and any(
        where == event.bridge for leg, where in bridges.items() if leg != call.leg and call.leg in bridges
    )
    return (replace(call, beside=call.beside - {event.leg}) if talks_on else call), ()


def _handed_over(call: Call, event: HandedOver) -> Step:
    return replace(call, beside=call.beside - {event.leg}), ()


def _leg_ended(call: Call, event: LegEnded) -> Step:
    if event.leg != call.leg:
        return _without_agent(replace(call, beside=call.beside - {event.leg}), event.leg), ()
    if call.phase is Phase.SETTLING:
        return call, ()
    return replace(call, phase=Phase.SETTLING, ended_at=event.at), (WaitToSettle(SETTLE_MS),)


def _pbx_restarted(call: Call, event: PbxRestarted) -> Step:
    # nothing of this call lives on, and nobody is left to report more; it ended when we lost sight of it
    ended_at = call.ended_at or max(call.started_at, event.at - event.gap_ms)
    gone = replace(call, agents=MappingProxyType({}), beside=frozenset())
    return replace(gone, phase=Phase.SETTLING, ended_at=ended_at), ()


_STEPS: Final[Mapping[type, Callable[[Call, Any], Step]]] = MappingProxyType(
    {
        StageReached: _stage_reached,
        QueueJoined: _queue_joined,
        AgentRinging: _agent_ringing,
        AgentAnswered: _agent_answered,
        AgentGaveUp: _agent_gave_up,
        BridgeEntered: _bridge_entered,
        BridgeLeft: _bridge_left,
        HandedOver: _handed_over,
        LegEnded: _leg_ended,
        PbxRestarted: _pbx_restarted,
    }
)
"""What each event changes; an event that is not here is evidence only."""

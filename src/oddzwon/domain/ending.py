"""Who ended the call, was it a fault, and how sure are we: a pure function of the call's journal.

The rules are the rows of the table in the design's *What Asterisk really says*, section 1: the first evidence on the
caller's leg, or on the leg of the agent he was talking with, tells who began; what comes later is its echo (a bridge
copies the cause to the other leg, queue events look alike whoever ended the call). An ending that no row covers is
``unknown``, and unknown is never a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oddzwon.domain.call import Call
from oddzwon.domain.events import (
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandlerRan,
    HangupRequested,
    Held,
    Instant,
    LegEnded,
    LegId,
    MediaReported,
    OutOfSight,
    PbxRestarted,
    QueueJoined,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    Unheld,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import (
    Q850,
    Confidence,
    SoftHangup,
    fault_confidence,
    is_plain,
)

RULES: Final = "2026-11-1"
"""Version of the rule table: written beside every verdict, changed with every rule."""


class Party(StrEnum):
    """Who ended the call."""

    CALLER = "caller"
    AGENT = "agent"
    CARRIER = "carrier"
    NETWORK = "network"
    SYSTEM = "system"
    PBX = "pbx"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that bears on the ending, in words without personal data."""

    fact: str
    leg: Role | None
    at: Instant


@dataclass(frozen=True, slots=True)
class Ending:
    """The verdict on an ended call. ``technical`` None: not known. ``lost_at``: last inbound media of the caller's
    leg where it stood still before the end, else the hang-up; legal windows count from it."""

    party: Party
    technical: bool | None
    confidence: Confidence | None
    evidence: tuple[Evidence, ...]
    lost_at: Instant
    rules: str = RULES


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one row of the table says, before time and media are added."""

    party: Party
    technical: bool | None
    confidence: Confidence | None
    fact: str


def judge(call: Call) -> Ending:
    """The ending of a call that has settled; raises nothing, whatever the journal holds."""
    ended_at = call.ended_at if call.ended_at is not None else call.started_at
    evidence: list[Evidence] = []
    verdict: _Verdict | None = None
    partner: LegId | None = None
    bridges: dict[LegId, str] = {}
    blind: OutOfSight | None = None
    for index, event in enumerate(call.journal):
        partner = _partner(call.leg, partner, bridges, event)
        if isinstance(event, OutOfSight):
            blind = event
        role = _role(call.leg, partner, event)
        found = _rule(event, role, call.journal[index:])
        if found is None or (verdict is not None and _is_echo(event)):
            continue
        if verdict is None and blind is not None and isinstance(event, LegEnded):
            # whoever began it did so while we could not see
            evidence.append(Evidence(f"out of sight for {blind.gap_ms} ms", None, blind.at))
            found = _Verdict(Party.UNKNOWN, None, None, "the leg was gone when we could see again")
        evidence.append(Evidence(found.fact, role, event.at))
        verdict = verdict or found
    if verdict is None:
        verdict = _Verdict(Party.UNKNOWN, None, None, "nothing told who ended it")
        evidence.append(Evidence(verdict.fact, Role.CALLER, ended_at))
    stood_still = media_stopped_at(call.leg, call.journal)
    lost_at = ended_at
    if stood_still is not None and verdict.party in (Party.NETWORK, Party.CARRIER, Party.PBX):
        lost_at = min(ended_at, max(call.started_at, stood_still))
        evidence.append(Evidence("inbound RTP stood still from then", Role.CALLER, lost_at))
    return Ending(verdict.party, verdict.technical, verdict.confidence, tuple(evidence), lost_at)


def _is_echo(event: CallEvent) -> bool:
    """Whether the event follows every ending, so that after the first evidence it adds nothing."""
    match event:
        case LegEnded():
            return True
        case SoftHangupRequested(flag=flag):
            return not SoftHangup(flag) & (SoftHangup.DEV | SoftHangup.EXPLICIT | SoftHangup.SHUTDOWN)
    return False


def media_stopped_at(leg: LegId, journal: Sequence[CallEvent]) -> Instant | None:
    """When the leg's inbound RTP was last seen to advance, if a later report shows that it stood still.

    None: it went on to the end, there were too few reports, or the leg was on hold, where silence is no fault.
    """
    last: MediaReported | None = None
    advanced_at: Instant | None = None
    still = held = False
    for event in journal:
        match event:
            case Held(leg=who) if who == leg:
                held = True
            case Unheld(leg=who) if who == leg:
                held = False
                last, still = None, False
            case MediaReported(leg=who) if who == leg:
                still = last is not None and event.sequence == last.sequence and not held
                if last is None or event.sequence != last.sequence:
                    advanced_at = event.at
                last = event
    return advanced_at if still else None


def _partner(caller: LegId, partner: LegId | None, bridges: dict[LegId, str], event: CallEvent) -> LegId | None:
    """The leg the caller talked with last, until he is queued anew. ``bridges`` is kept up to date in place."""
    match event:
        case BridgeEntered(leg=leg, bridge=bridge):
            bridges[leg] = bridge
            mine = bridges.get(caller)
            others = [who for who, where in bridges.items() if where == mine and who != caller]
            return others[-1] if mine is not None and others else partner
        case BridgeLeft(leg=leg):
            bridges.pop(leg, None)
        case QueueJoined(leg=leg) if leg == caller:
            return None
    return partner


def _role(caller: LegId, partner: LegId | None, event: CallEvent) -> Role | None:
    leg = getattr(event, "leg", None)
    if leg == caller:
        return Role.CALLER
    return Role.AGENT if leg is not None and leg == partner else None


def _rule(event: CallEvent, role: Role | None, rest: Sequence[CallEvent]) -> _Verdict | None:
    """The row of the table that this event matches; None: it says nothing about who ended the call."""
    match event:
        case PbxRestarted():
            return _Verdict(Party.PBX, True, Confidence.HIGH, "asterisk restarted")
        case ShuttingDown():
            return _Verdict(Party.PBX, True, Confidence.HIGH, "asterisk is shutting down")
        case HangupRequested() if role is not None:
            return _requested(event, role)
        case SoftHangupRequested() if role is not None:
            return _soft(event, role, rest)
        case WeHungUp(why=why) if role is not None:
            return _Verdict(Party.SYSTEM, False, Confidence.HIGH, f"we hung up: {why}")
        case LegEnded() if role is Role.AGENT:
            return _Verdict(Party.SYSTEM, False, Confidence.MEDIUM, "agent's leg ended without a request")
        case LegEnded() if role is Role.CALLER:
            return _Verdict(Party.SYSTEM, False, Confidence.MEDIUM, "caller's leg ended without a request")
    return None


_LEFT_OVER: Final = (
    58,
    488,
)  # of a re-INVITE the peer had refused; it colours a later, plain BYE (measured, 22.10.1)


def _requested(event: HangupRequested, role: Role) -> _Verdict:
    """A hang-up that came from the leg's peer, or that its SIP dialog declared."""
    cause, tech = event.cause, event.tech_cause
    silent = Party.NETWORK if role is Role.CALLER else Party.AGENT
    said = Party.CARRIER if role is Role.CALLER else Party.AGENT
    person = Party.CALLER if role is Role.CALLER else Party.AGENT
    words = "bye" + (f" cause={cause}" if cause else "") + (f" tech={tech}" if tech else "")
    if (cause, tech) == _LEFT_OVER or (is_plain(cause) and tech is None):
        return _Verdict(person, False, Confidence.HIGH, words)
    if cause == Q850.NO_USER_RESPONSE and tech == 408:
        return _Verdict(silent, True, Confidence.HIGH, "session refresh not answered cause=18 tech=408")
    if cause == Q850.INTERWORKING and tech == 481:
        return _Verdict(silent, True, Confidence.MEDIUM, "dialog lost cause=127 tech=481")
    if cause == Q850.INTERWORKING and tech == 487:
        return _Verdict(person, False, Confidence.HIGH, "cancelled before the answer cause=127 tech=487")
    sure = fault_confidence(cause)
    if sure is not None:
        return _Verdict(said, True, sure, words)
    return _Verdict(Party.UNKNOWN, None, None, words)


def _soft(event: SoftHangupRequested, role: Role, rest: Sequence[CallEvent]) -> _Verdict | None:
    """A hang-up that Asterisk asked for itself; the number is a flag, not a Q.850 cause."""
    flag = SoftHangup(event.flag)
    leg_name = "caller's" if role is Role.CALLER else "agent's"
    if SoftHangup.SHUTDOWN in flag:
        return _Verdict(Party.PBX, True, Confidence.HIGH, "asterisk is shutting down")
    if SoftHangup.DEV in flag:
        if _rtp_timeout(event.leg, rest):
            party = Party.NETWORK if role is Role.CALLER else Party.AGENT
            return _Verdict(party, True, Confidence.HIGH, f"rtp_timeout on the {leg_name} leg")
        return _Verdict(Party.UNKNOWN, None, None, f"device hang-up of the {leg_name} leg, not an rtp_timeout")
    if SoftHangup.EXPLICIT in flag:
        return _Verdict(Party.SYSTEM, False, Confidence.HIGH, f"the {leg_name} leg was hung up on purpose")
    if SoftHangup.TIMEOUT in flag:
        return _Verdict(Party.SYSTEM, False, Confidence.MEDIUM, f"absolute time-out of the {leg_name} leg")
    if SoftHangup.APPUNLOAD in flag and role is Role.CALLER:
        return _Verdict(Party.SYSTEM, False, Confidence.MEDIUM, "the dialplan ended the call")
    return None  # an ASYNCGOTO moves a channel, and every agent's leg shows a 16 at its end


def _rtp_timeout(leg: LegId, rest: Sequence[CallEvent]) -> bool:
    """Whether the leg then ended with cause 44 and no hang-up source, as only an rtp_timeout does."""
    ends = [e for e in rest if isinstance(e, LegEnded) and e.leg == leg]
    sources = [e.source for e in rest if isinstance(e, HandlerRan) and e.leg == leg]
    return bool(ends) and ends[0].cause == Q850.REQUESTED_CHANNEL_UNAVAILABLE and not any(sources)

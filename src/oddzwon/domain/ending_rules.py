"""The rule table: what each piece of evidence says of an ending. One function for each kind, one branch for each row.

The rows are those of the design's *What Asterisk really says*, section 1, corrected by what was measured since
(``endings.md`` beside this file is made from those measurements). A change of any row changes :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oddzwon.domain.events import (
    CallEvent,
    HandlerRan,
    HangupRecorded,
    HangupRequested,
    HungUpBy,
    LegEnded,
    LegId,
    PbxRestarted,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import Q850, Confidence, SoftHangup, fault_confidence, is_plain

RULES: Final = "2026-11-2"
"""Version of the rule table: written beside every verdict. A test holds it together with the table's own text."""


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
class Verdict:
    """What one row of the table says. ``goodbye``: a person hung up in the ordinary way, unless media tell otherwise.

    ``weak``: it only says that a leg is gone; anything else that is known explains the end better.
    """

    party: Party
    technical: bool | None
    confidence: Confidence | None
    fact: str
    goodbye: bool = False
    weak: bool = False


def rule(event: CallEvent, role: Role | None, rest: Sequence[CallEvent]) -> Verdict | None:
    """The row that the event matches; None: it says nothing about who ended the call.

    ``role`` is whose leg it tells of; ``rest`` what came after it, itself included.
    """
    match event:
        case PbxRestarted():
            return Verdict(Party.PBX, True, Confidence.HIGH, "asterisk restarted")
        case ShuttingDown():
            return Verdict(Party.PBX, True, Confidence.HIGH, "asterisk is shutting down")
        case HangupRequested() if role is not None:
            return requested(event, role, rest)
        case SoftHangupRequested() if role is not None:
            return soft(event, role, rest)
        case HangupRecorded() if role is not None:
            return recorded(event, role)
        case WeHungUp(why=why) if role is not None:
            return Verdict(Party.SYSTEM, False, Confidence.HIGH, f"we hung up: {why}")
        case LegEnded() if role is not None:
            return Verdict(
                Party.SYSTEM, False, Confidence.MEDIUM, f"{_OWNER[role]} leg ended without a request", weak=True
            )
    return None


_OWNER: Final = {Role.CALLER: "caller's", Role.AGENT: "agent's"}
_PERSON: Final = {Role.CALLER: Party.CALLER, Role.AGENT: Party.AGENT}
_SILENT: Final = {Role.CALLER: Party.NETWORK, Role.AGENT: Party.AGENT}
"""Who is named when a side fell silent: the caller's network; what befalls the agent's leg is his side's."""
_SAID: Final = {Role.CALLER: Party.CARRIER, Role.AGENT: Party.AGENT}
"""Who is named when the leg's peer itself said that it was a fault."""
_REFUSED: Final = 300
"""SIP answers from here on are refusals (RFC 3261 section 7.2; 1xx and 2xx are none)."""


def requested(event: HangupRequested, role: Role, rest: Sequence[CallEvent]) -> Verdict:
    """A hang-up that came from the leg's peer, or that its SIP dialog declared."""
    cause, tech = event.cause, event.tech_cause
    words = "bye" + (f" cause={cause}" if cause else "") + (f" tech={tech}" if tech else "")
    if is_plain(cause) and tech is None:
        return Verdict(_PERSON[role], False, Confidence.HIGH, words, goodbye=True)
    if cause == Q850.NO_USER_RESPONSE and tech in (408, None):
        # before 20.17 and 22.7 no status stands beside it
        sure = Confidence.HIGH if tech else Confidence.MEDIUM
        return Verdict(_SILENT[role], True, sure, f"its side did not respond: {words}")
    if cause == Q850.INTERWORKING and tech == 481:
        return Verdict(_SILENT[role], True, Confidence.MEDIUM, "dialog lost cause=127 tech=481")
    if cause == Q850.INTERWORKING and tech == 487:
        return Verdict(_PERSON[role], False, Confidence.HIGH, "cancelled before the answer cause=127 tech=487")
    return _with_a_cause(event, role, _handlers(event.leg, rest), words)


def _handlers(leg: LegId, rest: Sequence[CallEvent]) -> tuple[HandlerRan, ...]:
    return tuple(e for e in rest if isinstance(e, HandlerRan) and e.leg == leg)


def _with_a_cause(event: HangupRequested, role: Role, handlers: Sequence[HandlerRan], words: str) -> Verdict:
    """A cause that the BYE's Reason named, unless it is left over from a re-INVITE which the peer had refused.

    Such a refusal colours the BYE, plain or not, and hides its own Reason (measured, 22.10.1: 500 gives 38/500, 503
    gives 34/503 …): then nothing is known. The caller's leg always has our handler; where an agent's has none (a parked
    call was fetched, or transferred by another dialplan) nobody tells, and nothing is sure.
    """
    left_over = any((handler.status or 0) >= _REFUSED for handler in handlers)
    if (event.cause, event.tech_cause) == (58, 488) and (left_over or not handlers):
        return Verdict(_PERSON[role], False, Confidence.HIGH, words, goodbye=True)  # no fault has this pair
    if left_over:
        return Verdict(Party.UNKNOWN, None, None, f"{words}, left over from a refused re-INVITE", goodbye=True)
    if event.cause == Q850.NO_ANSWER and event.tech_cause == 480:
        # of an answered call the peer says "temporarily unavailable": lost, or declined in a strange way
        return Verdict(_SAID[role], True, Confidence.LOW, words)
    named = fault_confidence(event.cause)
    if named is None:
        return Verdict(Party.UNKNOWN, None, None, words)
    untold = role is Role.AGENT and not handlers
    return Verdict(_SAID[role], True, Confidence.LOW if untold else named, words)


def _at_most_medium(confidence: Confidence) -> Confidence:
    return confidence if Confidence.MEDIUM.reaches(confidence) else Confidence.MEDIUM


def soft(event: SoftHangupRequested, role: Role, rest: Sequence[CallEvent]) -> Verdict | None:
    """A hang-up that Asterisk asked for itself; the number is a flag, not a Q.850 cause."""
    flag, owner = SoftHangup(event.flag), _OWNER[role]
    if SoftHangup.SHUTDOWN in flag:
        return Verdict(Party.PBX, True, Confidence.HIGH, "asterisk is shutting down")
    if SoftHangup.DEV in flag:
        if _rtp_timeout(event.leg, rest):
            return Verdict(_SILENT[role], True, Confidence.HIGH, f"rtp_timeout on the {owner} leg")
        return Verdict(Party.UNKNOWN, None, None, f"device hang-up of the {owner} leg, not an rtp_timeout")
    if SoftHangup.EXPLICIT in flag:
        return Verdict(Party.SYSTEM, False, Confidence.HIGH, f"the {owner} leg was hung up on purpose")
    if SoftHangup.TIMEOUT in flag:
        return Verdict(Party.SYSTEM, False, Confidence.MEDIUM, f"absolute time-out of the {owner} leg")
    if SoftHangup.APPUNLOAD in flag and role is Role.CALLER:
        return Verdict(Party.SYSTEM, False, Confidence.MEDIUM, "the dialplan or the manager interface ended the call")
    return None  # an ASYNCGOTO moves a channel, and every agent's leg shows a 16 at its end


def _rtp_timeout(leg: LegId, rest: Sequence[CallEvent]) -> bool:
    """Whether the leg then ended with cause 44 and no hang-up source, as only an rtp_timeout does."""
    ends = [e for e in rest if isinstance(e, LegEnded) and e.leg == leg]
    sources = [e.source for e in rest if isinstance(e, HandlerRan) and e.leg == leg]
    return bool(ends) and ends[0].cause == Q850.REQUESTED_CHANNEL_UNAVAILABLE and not any(sources)


def recorded(event: HangupRecorded, role: Role) -> Verdict | None:
    """A hang-up that was not seen but read afterwards: neither its SIP status nor the media before it are known."""
    words = f"{event.record}: the {_OWNER[role]} leg ended" + (f" cause={event.cause}" if event.cause else "")
    sure = fault_confidence(event.cause)
    match event.by:
        case HungUpBy.ITSELF if is_plain(event.cause):
            return Verdict(_PERSON[role], False, Confidence.MEDIUM, f"{words}, hung up by itself", goodbye=True)
        case HungUpBy.ITSELF if sure is not None:
            # a cause that is left over from a refused re-INVITE looks the same here
            return Verdict(_SAID[role], True, _at_most_medium(sure), f"{words}, hung up by itself")
        case HungUpBy.ITSELF if event.cause == Q850.NO_USER_RESPONSE:
            return Verdict(_SILENT[role], True, Confidence.MEDIUM, f"{words}, its side did not respond")
        case HungUpBy.NOBODY if event.cause == Q850.REQUESTED_CHANNEL_UNAVAILABLE:
            return Verdict(_SILENT[role], True, Confidence.MEDIUM, f"{words}, by nobody: rtp_timeout")
        case HungUpBy.NOBODY | HungUpBy.DIALPLAN if is_plain(event.cause):
            return Verdict(Party.SYSTEM, False, Confidence.MEDIUM, f"{words}, by {event.by.value}")
        case HungUpBy.ANOTHER:
            return None  # the echo of the other leg's
    return Verdict(Party.UNKNOWN, None, None, f"{words}, by {event.by.value}")


def is_echo(event: CallEvent) -> bool:
    """Whether the event follows every ending, so that after the first evidence it adds nothing."""
    match event:
        case LegEnded():
            return True
        case SoftHangupRequested(flag=flag):
            return not SoftHangup(flag) & (SoftHangup.DEV | SoftHangup.EXPLICIT | SoftHangup.SHUTDOWN)
    return False

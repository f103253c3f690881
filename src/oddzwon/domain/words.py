"""A call's journal and its verdict in plain English: what happened, one sentence for each event.

For people. Programs read the journal itself (:mod:`oddzwon.domain.journal`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, assert_never

from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    Attested,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    HandlerRan,
    HangupRecorded,
    HangupRequested,
    Held,
    HungUpBy,
    LegEnded,
    LegId,
    LegsJoined,
    MediaReported,
    Oddity,
    OutOfSight,
    Parked,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
    StageReached,
    Unheld,
    Unparked,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import SoftHangup

_STAGES: Final[Mapping[Stage, str]] = MappingProxyType(
    {
        Stage.ARRIVING: "its arrival",
        Stage.NOTICE: "the notice",
        Stage.MENU: "the menu",
        Stage.ANNOUNCEMENT: "the recording announcement",
        Stage.QUEUED: "the queue",
        Stage.CONNECTING: "the ringing of an agent",
        Stage.TALKING: "the talk",
    }
)
_SOURCES: Final[Mapping[HungUpBy, str]] = MappingProxyType(
    {
        HungUpBy.ITSELF: "by its own peer",
        HungUpBy.ANOTHER: "because another leg had ended",
        HungUpBy.DIALPLAN: "by the dialplan",
        HungUpBy.NOBODY: "with no source named, as by an rtp_timeout",
    }
)
_DOORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "code": "by the feature code, in the call",
        "phone": "by the code dialled afterwards",
        "console": "on the command line",
    }
)
_PARTIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "caller": "the caller",
        "agent": "the agent's side",
        "carrier": "the carrier's word",
        "network": "the caller's network",
        "system": "the dialplan or the service",
        "pbx": "Asterisk's own end",
    }
)


def party_in_words(party: str) -> str:
    """Who ended a call."""
    return _PARTIES.get(party, "nobody knows who")


def verdict(party: str, technical: bool | None, confidence: str | None, rules: str) -> str:
    """The verdict in one sentence, with the version of the rules that it was given by."""
    who = f"Ended by {_PARTIES[party]}" if party in _PARTIES else "It is not known who ended it"
    what = {True: "a fault", False: "no fault", None: "whether by a fault is not known"}[technical]
    sure = f", {confidence} confidence" if confidence else ""
    return f"{who}: {what}{sure} (rules {rules})"


def names_of_legs(caller: LegId, events: Sequence[CallEvent]) -> Mapping[LegId, str]:
    """What each leg of the journal is called: the caller's, an agent's by his interface, else by its id."""
    names = {caller: "the caller's leg"}
    for event in events:
        if isinstance(event, AgentRinging | AgentAnswered) and event.leg != caller:
            names[event.leg] = f"{event.agent}'s leg"
    return names


def sentence(event: CallEvent, names: Mapping[LegId, str]) -> str:
    """The event in one sentence; ``names`` as :func:`names_of_legs` gives them."""
    if isinstance(event, ShuttingDown | PbxRestarted | OutOfSight | Attested | Oddity | LegsJoined):
        return _of_the_call(event, names)
    leg = _name(event.leg, names)
    if isinstance(event, HangupRequested | SoftHangupRequested | HandlerRan | LegEnded | WeHungUp | HangupRecorded):
        return _of_an_end(event, leg)
    return _of_a_leg(event, leg)


def _name(leg: LegId, names: Mapping[LegId, str]) -> str:
    return names.get(leg, f"leg {leg}")


def _of_the_call(
    event: ShuttingDown | PbxRestarted | OutOfSight | Attested | Oddity | LegsJoined, names: Mapping[LegId, str]
) -> str:
    match event:
        case ShuttingDown():
            return "Asterisk is being stopped in good order."
        case PbxRestarted(gap_ms=gap):
            return f"Asterisk had restarted within {_seconds(gap)} that it was away: the call was lost with it."
        case OutOfSight(gap_ms=gap):
            return f"Asterisk could not be seen for {_seconds(gap)}."
        case Attested(fault=fault, door=door):
            named = f", the fault being {fault.value}" if fault else ""
            return f"It was attested that the call was cut off{named} ({_DOORS.get(door, door)})."
        case Oddity(leg=leg, what=what):
            where = f" on {_name(leg, names)}" if leg else ""
            return f"Something cannot be right{where}: {what}."
        case LegsJoined(leg=leg, other=other):
            return f"{_first_up(_name(leg, names))} and {_name(other, names)} are two halves of one Local channel."
        case _:
            assert_never(event)


def _of_an_end(
    event: HangupRequested | SoftHangupRequested | HandlerRan | LegEnded | WeHungUp | HangupRecorded, leg: str
) -> str:
    match event:
        case HangupRequested(cause=cause, tech_cause=tech):
            return f"The peer of {leg} asked to end it{_causes(cause, tech)}."
        case SoftHangupRequested(flag=flag):
            return f"Asterisk itself asked to end {leg} ({_flag(flag)})."
        case HandlerRan(cause=cause, source=source, received=received):
            heard = "" if received is None else f", {received} RTP packets received"
            return f"Last words of {leg}: hung up by {source or 'nobody named'}{_causes(cause, None)}{heard}."
        case LegEnded(cause=cause):
            return f"{_first_up(leg)} was gone{_causes(cause, None)}."
        case WeHungUp(why=why):
            return f"The service hung up {leg}: {why}."
        case HangupRecorded(cause=cause, by=by, record=record):
            return f"By the {record} record, {leg} was hung up {_SOURCES[by]}{_causes(cause, None)}."
        case _:
            assert_never(event)


def _of_a_leg(
    event: StageReached
    | QueueJoined
    | QueueLeft
    | AgentRinging
    | AgentAnswered
    | AgentGaveUp
    | BridgeEntered
    | BridgeLeft
    | Held
    | Unheld
    | MediaReported
    | HandedOver
    | Parked
    | Unparked,
    leg: str,
) -> str:
    upper = _first_up(leg)
    match event:
        case StageReached(stage=stage):
            return f"The call came to {_STAGES[stage]}."
        case QueueJoined(queue=queue):
            return f"{upper} joined the queue {queue}."
        case QueueLeft(queue=queue):
            return f"{upper} left the queue {queue}."
        case AgentRinging(agent=agent):
            return f"{agent} is being dialled."
        case AgentAnswered(agent=agent):
            return f"{agent} answered."
        case AgentGaveUp():
            return f"{upper} stopped ringing without an answer."
        case BridgeEntered():
            return f"{upper} entered the bridge."
        case BridgeLeft():
            return f"{upper} left the bridge."
        case Held():
            return f"The side of {leg} put the call on hold."
        case Unheld():
            return f"The side of {leg} took the call off hold."
        case MediaReported(sequence=sequence):
            return f"RTP from {leg} had come up to packet {sequence}."
        case HandedOver():
            return f"{upper} transferred the call and leaves it."
        case Parked():
            return f"{upper} was parked."
        case Unparked():
            return f"{upper} left the parking lot."
        case _:
            assert_never(event)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"


def _causes(cause: int | None, tech: int | None) -> str:
    said = ([f"Q.850 cause {cause}"] if cause is not None else []) + ([f"SIP {tech}"] if tech is not None else [])
    return f", {', '.join(said)}" if said else ""


def _flag(flag: int) -> str:
    """The names of the AST_SOFTHANGUP flags that are set (channel.h)."""
    known = [member.name.lower() for member in SoftHangup if member in SoftHangup(flag) and member.name]
    return "flag " + (", ".join(known) if known else str(flag))

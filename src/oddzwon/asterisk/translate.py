"""Asterisk's events in the domain's words. The only place that reads an event's fields.

A translation never raises: an event whose needed fields are missing or absurd says nothing (None).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from oddzwon.asterisk import names, variables
from oddzwon.asterisk.ami_wire import AmiEvent
from oddzwon.asterisk.facts import (
    Arrival,
    DialOutcome,
    DialStarted,
    EveryCall,
    FeatureUsed,
    KeyHeard,
    LegState,
    MemberChanged,
    MemberGone,
    OfCall,
    OriginateAnswer,
    StoodIn,
    Translated,
    Unreadable,
)
from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    HandlerRan,
    HangupRequested,
    Held,
    Instant,
    LegEnded,
    LegsJoined,
    MediaReported,
    Parked,
    QueueJoined,
    QueueLeft,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    Unheld,
    Unparked,
)


def translate(event: AmiEvent) -> Translated | None:
    """What the event means to us; None: nothing."""
    handler = _HANDLERS.get(event.name)
    if handler is None or not _genuine(event):
        return None
    try:
        return handler(event.fields, _instant(event.at))
    except (KeyError, ValueError, OverflowError):
        known = {"Linkedid", "Uniqueid"} <= event.fields.keys() and event.name in _OF_THE_END
        return Unreadable(event.fields["Linkedid"], event.fields["Uniqueid"], event.name) if known else None


_OF_THE_END: Final = frozenset({"HangupRequest", "SoftHangupRequest", "Hangup"})
"""Events without which the verdict would rest on what is left."""
_MAY_REPEAT: Final = frozenset({"ChanVariable", "DestChanVariable", "Variable"})


def _genuine(event: AmiEvent) -> bool:
    """Whether Asterisk itself said all of it, and no caller's name or number with line ends in it.

    Asterisk gives the event's class right after its name (main/manager.c), says nothing twice in one event, and names a
    channel only within its snapshot (main/manager_channels.c): more than the 79 characters that a caller's own fit in.
    """
    fields = event.fields
    return (
        list(fields)[1:2] == ["Privilege"]
        and fields["Privilege"].endswith(",all")
        and event.repeated.keys() <= _MAY_REPEAT
        and all(_in_a_snapshot(name.removesuffix("Linkedid"), fields) for name in fields if name.endswith("Linkedid"))
    )


def _in_a_snapshot(prefix: str, fields: Mapping[str, str]) -> bool:
    return {f"{prefix}ChannelState", f"{prefix}Context", f"{prefix}Priority"} <= fields.keys()


def _instant(at: float) -> Instant:
    """Milliseconds; a time outside this century is none (ValueError)."""
    if not 946_684_800 <= at < 4_102_444_800:
        raise ValueError(at)
    return int(at * 1000)


def _number(value: str | None) -> int | None:
    """A non-negative number of the field, None where it is absent or empty."""
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise ValueError(value)
    return int(value)


def _sip_status(words: str) -> int | None:
    """The status of "SIP 486 Busy Here"; the words are the peer's own, and go no further."""
    kind, _, rest = words.partition(" ")
    status = rest[:3]
    return int(status) if kind == "SIP" and len(status) == 3 and status.isascii() and status.isdigit() else None


def _needed(value: str | None) -> int:
    number = _number(value)
    if number is None:
        msg = "missing"
        raise ValueError(msg)
    return number


def _cause(value: str | None) -> int | None:
    """A Q.850 cause (7 bits: ITU-T Q.850, section 2.2.5)."""
    cause = _number(value)
    if cause is not None and cause > 127:
        raise ValueError(value)
    return cause


_F: TypeAlias = Mapping[str, str]


def _of(f: _F, event: CallEvent) -> OfCall:
    return OfCall(f["Linkedid"], event)


def _hangup_request(f: _F, at: Instant) -> OfCall:
    return _of(f, HangupRequested(at, f["Uniqueid"], _cause(f.get("Cause")), _number(f.get("TechCause"))))


def _soft_hangup(f: _F, at: Instant) -> OfCall:
    return _of(f, SoftHangupRequested(at, f["Uniqueid"], _needed(f.get("Cause"))))


def _hangup(f: _F, at: Instant) -> OfCall:
    return _of(f, LegEnded(at, f["Uniqueid"], _cause(str(_needed(f.get("Cause"))))))


def _queue_join(f: _F, at: Instant) -> OfCall:
    return _of(f, QueueJoined(at, f["Uniqueid"], f["Queue"]))


def _queue_leave(f: _F, at: Instant) -> OfCall:
    return _of(f, QueueLeft(at, f["Uniqueid"], f["Queue"]))


def _agent_called(f: _F, at: Instant) -> OfCall:
    return _of(f, AgentRinging(at, f["DestUniqueid"], names.interface(f["Interface"])))


def _agent_connect(f: _F, at: Instant) -> OfCall:
    return _of(f, AgentAnswered(at, f["DestUniqueid"], names.interface(f["Interface"])))


def _dial_begin(f: _F, at: Instant) -> OfCall | DialStarted:
    if "Uniqueid" not in f:
        return DialStarted(f["DestUniqueid"], f.get("DialString", ""))  # an Originate dials for nobody
    return OfCall(f["Linkedid"], AgentRinging(at, f["DestUniqueid"], names.device(f["DestChannel"])))


def _dial_end(f: _F, at: Instant) -> OfCall | DialOutcome | None:
    leg, status = f["DestUniqueid"], f["DialStatus"]
    if "Uniqueid" not in f:
        return DialOutcome(leg, status, at, f.get("Forward", ""))
    if status == "ANSWER":
        return OfCall(f["Linkedid"], AgentAnswered(at, leg, names.device(f["DestChannel"])))
    return OfCall(f["Linkedid"], AgentGaveUp(at, leg))


def _bridge_enter(f: _F, at: Instant) -> OfCall | None:
    if f.get("BridgeTechnology") == "holding_bridge":
        return None  # a parking lot: everybody who waits in it is in one bridge, and nobody hears anybody
    return _of(f, BridgeEntered(at, f["Uniqueid"], f["BridgeUniqueid"]))


def _bridge_leave(f: _F, at: Instant) -> OfCall:
    return _of(f, BridgeLeft(at, f["Uniqueid"], f["BridgeUniqueid"]))


def _hold(f: _F, at: Instant) -> OfCall:
    return _of(f, Held(at, f["Uniqueid"]))


def _unhold(f: _F, at: Instant) -> OfCall:
    return _of(f, Unheld(at, f["Uniqueid"]))


def _rtcp_sent(f: _F, at: Instant) -> OfCall:
    cycles = _number(f.get("Report0SequenceNumberCycles")) or 0
    sequence = (cycles << 16) + _needed(f.get("Report0HighestSequence"))
    return _of(f, MediaReported(at, f["Uniqueid"], sequence, f.get("Report0SourceSSRC", "")[:10]))


def _local_bridge(f: _F, at: Instant) -> OfCall:
    return OfCall(f["LocalOneLinkedid"], LegsJoined(at, f["LocalOneUniqueid"], f["LocalTwoUniqueid"]))


def _blind_transfer(f: _F, at: Instant) -> OfCall | None:
    if f["Result"] != "Success":
        return None
    return OfCall(f["TransfererLinkedid"], HandedOver(at, f["TransfererUniqueid"]))


def _attended_transfer(f: _F, at: Instant) -> OfCall | None:
    if f["Result"] != "Success":
        return None
    # the transferer's other leg talks with whom the call goes to: it is not in the caller's call
    return OfCall(f["OrigTransfererLinkedid"], HandedOver(at, f["OrigTransfererUniqueid"]))


def _parked(f: _F, at: Instant) -> OfCall:
    return OfCall(f["ParkeeLinkedid"], Parked(at, f["ParkeeUniqueid"]))


def _unparked(f: _F, at: Instant) -> OfCall:
    return OfCall(f["ParkeeLinkedid"], Unparked(at, f["ParkeeUniqueid"]))


def _new_state(f: _F, at: Instant) -> LegState:
    return LegState(f["Uniqueid"], _needed(f.get("ChannelState")), at)


def _originate_response(f: _F, at: Instant) -> OriginateAnswer:
    return OriginateAnswer(f["ActionID"], f.get("Uniqueid", ""), f.get("Response") == "Success", at)


def _member(f: _F, _at: Instant) -> MemberChanged:
    return MemberChanged(f["Queue"], f["Interface"])


def _member_gone(f: _F, at: Instant) -> MemberGone:
    return MemberGone(f["Queue"], f["Interface"], at)


def _dtmf_end(f: _F, at: Instant) -> KeyHeard | None:
    key = f["Digit"]
    if f.get("Direction") != "Received" or len(key) != 1 or key not in "0123456789*#":
        return None
    # 0: a channel driver that does not measure it (main/channel.c says it as it comes)
    return KeyHeard(f["Uniqueid"], key, at, _number(f.get("DurationMs")) or None)


def _shutdown(f: _F, at: Instant) -> EveryCall | None:
    if f["Shutdown"] not in ("Cleanly", "Uncleanly") or f["Restart"] not in ("True", "False"):
        return None
    return EveryCall(ShuttingDown(at))


def _user_event(f: _F, at: Instant) -> Translated | None:
    name = f["UserEvent"]
    if name == variables.EVENT_ARRIVED:
        return Arrival(f["Linkedid"], f["Uniqueid"], f.get("Did", ""), at)
    if name == variables.EVENT_LEG:
        role = Role(f["Role"])
        received, status = _number(f.get("RxCount")), _sip_status(f.get("TechCause", ""))
        source = names.channel(f.get("Source", ""))
        told = HandlerRan(at, f["Uniqueid"], role, _number(f.get("Cause")), source, received, status)
        return _of(f, told)
    if name == variables.EVENT_FEATURE:
        return FeatureUsed(f["Linkedid"], f["Uniqueid"], f["Feature"], at)
    if name == variables.EVENT_STAND_IN:
        return StoodIn(f["Linkedid"], f["Uniqueid"], f.get("Played") == "SUCCESS", at)
    return None


_HANDLERS: Final[Mapping[str, Callable[[Mapping[str, str], Instant], Translated | None]]] = MappingProxyType(
    {
        "HangupRequest": _hangup_request,
        "SoftHangupRequest": _soft_hangup,
        "Hangup": _hangup,
        "QueueCallerJoin": _queue_join,
        "QueueCallerLeave": _queue_leave,
        "AgentCalled": _agent_called,
        "AgentConnect": _agent_connect,
        "DialBegin": _dial_begin,
        "DialEnd": _dial_end,
        "BridgeEnter": _bridge_enter,
        "BridgeLeave": _bridge_leave,
        "Hold": _hold,
        "Unhold": _unhold,
        "LocalBridge": _local_bridge,
        "BlindTransfer": _blind_transfer,
        "AttendedTransfer": _attended_transfer,
        "ParkedCall": _parked,
        "UnParkedCall": _unparked,
        "ParkedCallTimeOut": _unparked,
        "ParkedCallGiveUp": _unparked,
        "RTCPSent": _rtcp_sent,
        "Newstate": _new_state,
        "OriginateResponse": _originate_response,
        "QueueMemberStatus": _member,
        "QueueMemberRemoved": _member_gone,
        "DTMFEnd": _dtmf_end,
        "Shutdown": _shutdown,
        "UserEvent": _user_event,
    }
)

WANTED: Final = frozenset(_HANDLERS)
"""The events that the service asks the adapter for; all others are dropped unread."""

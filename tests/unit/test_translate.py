"""Asterisk's events in our words: every handler, and nothing that an event may hold can raise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.recorded.capture import ENDINGS, NAMES, events, facts, messages

from oddzwon.asterisk.ami_wire import AmiEvent, AmiSplitter, event_name, parse_event
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
from oddzwon.asterisk.translate import WANTED, translate
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

ROOT = Path(__file__).parents[2]
STAMP, AT = "1795290164.268012", 1_795_290_164_268
C, A = "pbx-1.1", "pbx-1.2"
SNAPSHOT = {"ChannelState": "6", "Context": "oddzwon-arrived", "Exten": "s", "Priority": "3"}
DESTINATION = {f"Dest{name}": value for name, value in SNAPSHOT.items()}
CALLER = {**SNAPSHOT, "Uniqueid": C, "Linkedid": C}
CALLERS_AGENT = {
    **CALLER,
    **DESTINATION,
    "DestUniqueid": A,
    "DestChannel": "PJSIP/agent1-00000007",
    "Interface": "PJSIP/agent1",
}
OUTSIDE = {
    **CALLERS_AGENT,
    "DestChannel": "Local/48600100200@from-internal-00000007;1",
    "Interface": "Local/48600100200@from-internal/n",
}
ONE, TWO, B = "pbx-1.8", "pbx-1.9", "pbx-1.3"


def as_(prefix: str, leg: str) -> dict[str, str]:
    """A channel's snapshot under a prefix, in the caller's call."""
    return {**{f"{prefix}{k}": v for k, v in SNAPSHOT.items()}, f"{prefix}Uniqueid": leg, f"{prefix}Linkedid": C}


HALVES = {**as_("LocalOne", ONE), **as_("LocalTwo", TWO), "LocalOptimization": "Yes"}
TRANSFER = {**as_("Transferer", A), **as_("Transferee", C)}
ATTENDED = {**as_("OrigTransferer", A), **as_("SecondTransferer", B), **as_("Transferee", C)}
PARKEE = {**as_("Parkee", C), **as_("Parker", A), "Parkinglot": "default"}
ATTEMPT = {**DESTINATION, **SNAPSHOT, "DestUniqueid": A, "DestChannel": "PJSIP/carrier-00000001", "Linkedid": A}


def said(name: str, fields: Mapping[str, str]) -> AmiEvent:
    """An event as the wire delivers it."""
    lines = [f"Event: {name}", "Privilege: call,all", f"Timestamp: {STAMP}", "SystemName: pbx"]
    lines += [f"{key}: {value}" for key, value in fields.items()]
    return parse_event("\r\n".join(lines).encode(), arrived=AT / 1000)


def of(event: CallEvent) -> OfCall:
    return OfCall(C, event)


ROWS: list[tuple[str, dict[str, str], Translated | None]] = [
    ("HangupRequest", CALLER, of(HangupRequested(AT, C, None, None))),
    ("HangupRequest", {**CALLER, "Cause": "38", "TechCause": "500"}, of(HangupRequested(AT, C, 38, 500))),
    ("HangupRequest", {**CALLER, "Cause": "", "TechCause": ""}, of(HangupRequested(AT, C, None, None))),
    ("HangupRequest", {**CALLER, "Cause": "-1"}, Unreadable(C, C, "HangupRequest")),
    ("HangupRequest", {**CALLER, "Cause": "٣"}, Unreadable(C, C, "HangupRequest")),
    ("HangupRequest", {**CALLER, "Cause": "9" * 19}, Unreadable(C, C, "HangupRequest")),
    ("HangupRequest", {**CALLER, "Cause": "128"}, Unreadable(C, C, "HangupRequest")),
    ("HangupRequest", {**CALLER, "Cause": "16", "TechCause": "x"}, Unreadable(C, C, "HangupRequest")),
    ("HangupRequest", {"Uniqueid": C, "Cause": "-1"}, None),  # of no call
    ("SoftHangupRequest", {**CALLER, "Cause": "1"}, of(SoftHangupRequested(AT, C, 1))),
    ("SoftHangupRequest", CALLER, Unreadable(C, C, "SoftHangupRequest")),
    ("Hangup", {**CALLER, "Cause": "0"}, of(LegEnded(AT, C, 0))),
    ("Hangup", CALLER, Unreadable(C, C, "Hangup")),
    ("Hangup", {**CALLER, "Cause": "200"}, Unreadable(C, C, "Hangup")),
    ("Hangup", {"Uniqueid": C}, None),
    ("QueueCallerJoin", {**CALLER, "Queue": "support"}, of(QueueJoined(AT, C, "support"))),
    ("QueueCallerLeave", {**CALLER, "Queue": "support"}, of(QueueLeft(AT, C, "support"))),
    ("AgentCalled", CALLERS_AGENT, of(AgentRinging(AT, A, "PJSIP/agent1"))),
    ("AgentConnect", CALLERS_AGENT, of(AgentAnswered(AT, A, "PJSIP/agent1"))),
    ("DialBegin", CALLERS_AGENT, of(AgentRinging(AT, A, "PJSIP/agent1"))),
    ("DialBegin", ATTEMPT, DialStarted(A)),
    ("DialBegin", {**ATTEMPT, "DialString": "+48600100200@carrier"}, DialStarted(A, "+48600100200@carrier")),
    ("DialEnd", {**CALLERS_AGENT, "DialStatus": "ANSWER"}, of(AgentAnswered(AT, A, "PJSIP/agent1"))),
    ("DialEnd", {**CALLERS_AGENT, "DialStatus": "NOANSWER"}, of(AgentGaveUp(AT, A))),
    ("DialEnd", {**ATTEMPT, "DialStatus": "BUSY"}, DialOutcome(A, "BUSY", AT)),
    ("DialEnd", {**ATTEMPT, "DialStatus": "CANCEL", "Forward": "200"}, DialOutcome(A, "CANCEL", AT, "200")),
    # an outside agent's number stays outside
    ("AgentCalled", OUTSIDE, of(AgentRinging(AT, A, "Local/…@from-internal/n"))),
    ("AgentConnect", OUTSIDE, of(AgentAnswered(AT, A, "Local/…@from-internal/n"))),
    ("DialBegin", OUTSIDE, of(AgentRinging(AT, A, "Local/…@from-internal"))),
    ("DialEnd", {**OUTSIDE, "DialStatus": "ANSWER"}, of(AgentAnswered(AT, A, "Local/…@from-internal"))),
    (
        "UserEvent",
        {**CALLER, "UserEvent": "OddzwonLeg", "Role": "agent", "Source": "Local/48600100200@from-internal-00000007;1"},
        of(HandlerRan(AT, C, Role.AGENT, None, "Local/…@from-internal-00000007;1")),
    ),
    ("BridgeEnter", {**CALLER, "BridgeUniqueid": "b"}, of(BridgeEntered(AT, C, "b"))),
    ("BridgeEnter", {**CALLER, "BridgeUniqueid": "lot", "BridgeTechnology": "holding_bridge"}, None),
    ("BridgeLeave", {**CALLER, "BridgeUniqueid": "b"}, of(BridgeLeft(AT, C, "b"))),
    ("Hold", CALLER, of(Held(AT, C))),
    ("Unhold", CALLER, of(Unheld(AT, C))),
    ("LocalBridge", HALVES, of(LegsJoined(AT, ONE, TWO))),
    ("BlindTransfer", {**TRANSFER, "Result": "Success"}, of(HandedOver(AT, A))),
    ("BlindTransfer", {**TRANSFER, "Result": "Not Permitted"}, None),
    ("BlindTransfer", TRANSFER, None),
    ("AttendedTransfer", {**ATTENDED, "Result": "Success"}, of(HandedOver(AT, A))),
    ("AttendedTransfer", {**ATTENDED, "Result": "Fail"}, None),
    ("ParkedCall", PARKEE, of(Parked(AT, C))),
    ("UnParkedCall", PARKEE, of(Unparked(AT, C))),
    ("ParkedCallTimeOut", PARKEE, of(Unparked(AT, C))),
    ("ParkedCallGiveUp", PARKEE, of(Unparked(AT, C))),
    ("ParkedCall", {"ParkeeLinkedid": C}, None),
    ("RTCPSent", {**CALLER, "Report0HighestSequence": "250"}, of(MediaReported(AT, C, 250))),
    (
        "RTCPSent",
        {
            **CALLER,
            "Report0HighestSequence": "5",
            "Report0SequenceNumberCycles": "2",
            "Report0SourceSSRC": "0x1b2c3d4e",
        },
        of(MediaReported(AT, C, (2 << 16) + 5, "0x1b2c3d4e")),
    ),
    ("RTCPSent", {**CALLER, "Report0HighestSequence": "x"}, None),
    ("RTCPSent", CALLER, None),  # a report about nothing received
    ("Newstate", {**CALLER, "ChannelState": "5"}, LegState(C, 5, AT)),
    ("Newstate", {**CALLER, "ChannelState": ""}, None),
    (
        "OriginateResponse",
        {"ActionID": "att-1", "Uniqueid": A, "Response": "Success"},
        OriginateAnswer("att-1", A, True, AT),
    ),
    ("OriginateResponse", {"ActionID": "att-1", "Response": "Failure"}, OriginateAnswer("att-1", "", False, AT)),
    ("OriginateResponse", {"Response": "Success"}, None),
    (
        "QueueMemberStatus",
        {"Queue": "support", "Interface": "PJSIP/agent1"},
        MemberChanged("support", "PJSIP/agent1"),
    ),
    (
        "QueueMemberRemoved",
        {"Queue": "support", "Interface": "PJSIP/agent1"},
        MemberGone("support", "PJSIP/agent1", AT),
    ),
    ("DTMFEnd", {**CALLER, "Digit": "#", "Direction": "Received"}, KeyHeard(C, "#", AT)),
    ("DTMFEnd", {**CALLER, "Digit": "1", "Direction": "Received", "DurationMs": "140"}, KeyHeard(C, "1", AT, 140)),
    ("DTMFEnd", {**CALLER, "Digit": "1", "Direction": "Received", "DurationMs": "0"}, KeyHeard(C, "1", AT)),
    ("DTMFEnd", {**CALLER, "Digit": "1", "Direction": "Received", "DurationMs": "-5"}, None),
    ("DTMFEnd", {**CALLER, "Digit": "1", "Direction": "Sent"}, None),
    ("DTMFEnd", {**CALLER, "Digit": "A", "Direction": "Received"}, None),
    ("DTMFEnd", {**CALLER, "Digit": "", "Direction": "Received"}, None),
    ("Shutdown", {"Shutdown": "Cleanly", "Restart": "False"}, EveryCall(ShuttingDown(AT))),
    ("Shutdown", {"Shutdown": "Cleanly"}, None),
    ("Shutdown", {}, None),
    ("UserEvent", {**CALLER, "UserEvent": "OddzwonArrived", "Did": "+48221234567"}, Arrival(C, C, "+48221234567", AT)),
    ("UserEvent", {**CALLER, "UserEvent": "OddzwonArrived"}, Arrival(C, C, "", AT)),
    (
        "UserEvent",
        {**CALLER, "UserEvent": "OddzwonLeg", "Role": "agent", "Cause": "44", "Source": "PJSIP/x"},
        of(HandlerRan(AT, C, Role.AGENT, 44, "PJSIP/x")),
    ),
    *(
        (
            "UserEvent",
            {**CALLER, "UserEvent": "OddzwonLeg", "Role": "caller", "Cause": "38", "RxCount": "90", "TechCause": said},
            of(HandlerRan(AT, C, Role.CALLER, 38, "", 90, status)),
        )
        for said, status in {
            "SIP 500": 500,
            "SIP 200 OK": 200,
            "SIP 486 Busy Here, Role: agent": 486,
            "": None,
            "SIP": None,
            "SIP ": None,
            "SIP 50": None,
            "SIP five": None,
            "SIP ٥٠٠": None,
            "SIP -50": None,
            "IAX2 500": None,
            "500": None,
        }.items()
    ),
    ("UserEvent", {**CALLER, "UserEvent": "OddzwonLeg", "Role": "boss"}, None),
    (
        "UserEvent",
        {**CALLER, "UserEvent": "OddzwonFeature", "Feature": "objection"},
        FeatureUsed(C, C, "objection", AT),
    ),
    ("UserEvent", {**CALLER, "UserEvent": "OddzwonStandIn", "Played": "SUCCESS"}, StoodIn(C, C, True, AT)),
    ("UserEvent", {**CALLER, "UserEvent": "OddzwonStandIn", "Played": "FAILED"}, StoodIn(C, C, False, AT)),
    ("UserEvent", {**CALLER, "UserEvent": "SomebodyElses"}, None),
    ("UserEvent", CALLER, None),
    ("Newexten", CALLER, None),
    ("", {}, None),
]


@pytest.mark.parametrize(("name", "fields", "expected"), ROWS)
def test_said_in_our_words(name: str, fields: dict[str, str], expected: Translated | None) -> None:
    assert expected == translate(said(name, fields))


def test_every_wanted_event_is_understood_above_and_nothing_else_is() -> None:
    assert {
        name for name, _, expected in ROWS if expected is not None and not isinstance(expected, Unreadable)
    } == WANTED


def test_the_pbx_side_filter_lets_exactly_these_through() -> None:
    """manager_oddzwon.conf: an event missing there is never heard; FullyBooted is the connection's own."""
    text = (ROOT / "asterisk-config/include/manager_oddzwon.conf").read_text(encoding="utf-8")
    names = re.findall(r"^eventfilter\(action\(include\),name\((\w+)\)\)", text, re.MULTILINE)
    assert sorted({*WANTED, "FullyBooted"}) == names


@pytest.mark.parametrize("name", sorted({name for name, _, expected in ROWS if expected is not None}))
def test_any_missing_field_says_nothing_or_less_but_never_raises(name: str) -> None:
    for row, fields, _ in ROWS:
        for missing in fields if row == name else ():
            translate(said(name, {k: v for k, v in fields.items() if k != missing}))
    assert isinstance(translate(said(name, {})), EveryCall | None)


@pytest.mark.parametrize("name", ["Hangup", "HangupRequest", "SoftHangupRequest"])
@pytest.mark.parametrize("stamp", ["1", "-1", "1e300", "nan", "inf", "4102444800"])
def test_a_hang_up_at_no_time_is_unreadable(name: str, stamp: str) -> None:
    """The call that it ends must not be judged from what is left."""
    event = said(name, {**CALLER, "Cause": "16"})
    fields = {**event.fields, "Timestamp": stamp}
    assert translate(AmiEvent(name, fields, float(stamp))) == Unreadable(C, C, name)


FIELDS = sorted({key for _, fields, _ in ROWS for key in fields})
VALUES = [*sorted({value for _, fields, _ in ROWS for value in fields.values()}), "", "\x00", "1e9", "-1", "9" * 400]
texts = st.sampled_from(VALUES) | st.text(max_size=20)
TIMES = [0.0, -1.0, 1e12, 1e300, float("nan"), float("inf"), float("-inf")]
times = st.just(AT / 1000) | st.sampled_from(TIMES)


@given(st.sampled_from(sorted(WANTED)), st.dictionaries(st.sampled_from(FIELDS), texts), times)
def test_no_event_raises(name: str, fields: dict[str, str], at: float) -> None:
    translate(AmiEvent(name, {"Event": name, "Privilege": "call,all", **fields}, at))


@pytest.mark.parametrize("stamp", ["1", "-1", "1e300", "nan", "inf", "4102444800"])
def test_a_time_of_another_century_is_none(stamp: str) -> None:
    event = f"Event: Hangup\r\nPrivilege: call,all\r\nTimestamp: {stamp}\r\nUniqueid: {C}\r\nLinkedid: {C}"
    assert translate(parse_event(event.encode(), arrived=AT / 1000)) is None


# --- forged ------------------------------------------------------------------------------------------------------


def test_an_event_that_a_caller_forged_in_what_he_dialled_says_nothing() -> None:
    """forged-event: %0d%0a in the dialled user part; Asterisk repeats it raw, so a "Hangup" of any channel appears."""
    forged = [e for e in events("forged-event") if "forged" in e.fields.values()]
    assert len(forged) >= 4
    assert {None} == {translate(e) for e in forged}
    assert not [f for f in facts("forged-event") if "forged" in repr(f)]


def test_nor_does_one_that_he_ended_properly() -> None:
    """79 characters of an extension hold a whole event, its empty line included; Asterisk's own begin otherwise."""
    whole = b"Event: Hangup\r\nUniqueid: pbx-1795290709.55\r\nLinkedid: 1"
    assert translate(parse_event(whole, arrived=AT / 1000)) is None
    with_class = b"Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: pbx-1795290709.55\r\nLinkedid: 1"
    assert translate(parse_event(with_class, arrived=AT / 1000)) is None
    snapshot = b"ChannelState: 6\r\nContext: oddzwon-arrived\r\nPriority: 1\r\n"
    genuine = b"Event: Hangup\r\nPrivilege: call,all\r\n" + snapshot + b"Uniqueid: pbx-1795290709.55\r\nLinkedid: 1"
    ended = OfCall("1", LegEnded(AT, "pbx-1795290709.55", 16))
    assert ended == translate(parse_event(genuine + b"\r\nCause: 16", arrived=AT / 1000))


def test_a_header_twice_says_nothing() -> None:
    twice = b"Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: a\r\nUniqueid: b\r\nLinkedid: a"
    assert translate(parse_event(twice, arrived=AT / 1000)) is None


# --- recorded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES + ENDINGS)
def test_recorded_events_are_understood(name: str) -> None:
    """What the real Asterisk says is never passed over by mistake; what is passed over is named here."""
    silent = {
        "DTMFEnd",  # sent, not received
        "UserEvent",  # OddzwonQueueEnd, OddzwonCallbackAnswered
        "RTCPSent",  # before anything was received
    }
    for event in events(name):
        in_the_lot = event.fields.get("BridgeTechnology") == "holding_bridge"
        if name != "forged-event" and not in_the_lot:
            assert translate(event) is not None or event.name in silent, event.fields


def test_an_empty_line_too_many_swallows_no_event() -> None:
    """TestEvent of an Asterisk built with its test framework (Debian's) ends so: the next event must still be heard."""
    loose = [m for name in NAMES for m in messages(name) if m.startswith(b"\r\n")]
    splitter = AmiSplitter(max_message_bytes=1_000)
    stream = b"Asterisk Call Manager/11.0.0\r\nEvent: TestEvent\r\nRate: 8000\r\n\r\n\r\nEvent: Hangup\r\nX: 1\r\n\r\n"
    assert [event_name(m) for m in splitter.feed(stream)] == [b"TestEvent", b"Hangup"]
    assert loose == []

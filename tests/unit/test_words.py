"""The journal and the verdict in words: every kind of event has its sentence, and no two words read alike."""

from __future__ import annotations

import re
from itertools import product
from typing import get_args

import pytest

from oddzwon.domain import events as e
from oddzwon.domain.ending import Party
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.words import names_of_legs, sentence, verdict

C, A, X = "1.1", "1.2", "1.9"
NAMES = names_of_legs(C, [e.AgentRinging(0, A, "PJSIP/agent1"), e.AgentRinging(1, C, "PJSIP/nonsense")])

SENTENCES: list[tuple[e.CallEvent, str]] = [
    (e.StageReached(0, C, e.Stage.MENU), "The call came to the menu."),
    (e.QueueJoined(0, C, "support"), "The caller's leg joined the queue support."),
    (e.QueueLeft(0, C, "support"), "The caller's leg left the queue support."),
    (e.AgentRinging(0, A, "PJSIP/agent1"), "PJSIP/agent1 is being dialled."),
    (e.AgentAnswered(0, A, "PJSIP/agent1"), "PJSIP/agent1 answered."),
    (e.AgentGaveUp(0, A), "PJSIP/agent1's leg stopped ringing without an answer."),
    (e.BridgeEntered(0, C, "b"), "The caller's leg entered the bridge."),
    (e.BridgeLeft(0, X, "b"), "Leg 1.9 left the bridge."),
    (e.Held(0, A), "The side of PJSIP/agent1's leg put the call on hold."),
    (e.Unheld(0, C), "The side of the caller's leg took the call off hold."),
    (e.MediaReported(0, C, 4711), "RTP from the caller's leg had come up to packet 4711."),
    (e.HangupRequested(0, C, None, None), "The peer of the caller's leg asked to end it."),
    (e.HangupRequested(0, C, 38, 500), "The peer of the caller's leg asked to end it, Q.850 cause 38, SIP 500."),
    (e.SoftHangupRequested(0, C, 1), "Asterisk itself asked to end the caller's leg (flag dev)."),
    (e.SoftHangupRequested(0, C, 36), "Asterisk itself asked to end the caller's leg (flag shutdown, explicit)."),
    (e.SoftHangupRequested(0, C, 0), "Asterisk itself asked to end the caller's leg (flag 0)."),
    (
        e.HandlerRan(0, C, e.Role.CALLER, 44, ""),
        "Last words of the caller's leg: hung up by nobody named, Q.850 cause 44.",
    ),
    (
        e.HandlerRan(0, A, e.Role.AGENT, 16, "dialplan/h", 250),
        "Last words of PJSIP/agent1's leg: hung up by dialplan/h, Q.850 cause 16, 250 RTP packets received.",
    ),
    (e.LegEnded(0, X, None), "Leg 1.9 was gone."),
    (e.LegEnded(0, C, 0), "The caller's leg was gone, Q.850 cause 0."),
    (e.ShuttingDown(0), "Asterisk is being stopped in good order."),
    (e.WeHungUp(0, C, "no key"), "The service hung up the caller's leg: no key."),
    (e.PbxRestarted(0, 5_000), "Asterisk had restarted within 5.0 s that it was away: the call was lost with it."),
    (e.OutOfSight(0, 1_250), "Asterisk could not be seen for 1.2 s."),
    (e.LegsJoined(0, X, "1.8"), "Leg 1.9 and leg 1.8 are two halves of one Local channel."),
    (e.HandedOver(0, A), "PJSIP/agent1's leg transferred the call and leaves it."),
    (e.Parked(0, C), "The caller's leg was parked."),
    (e.Unparked(0, C), "The caller's leg left the parking lot."),
    (
        e.HangupRecorded(0, C, 44, e.HungUpBy.NOBODY, "cel"),
        "By the cel record, the caller's leg was hung up with no source named, as by an rtp_timeout, Q.850 cause 44.",
    ),
    (
        e.Attested(0, e.Fault.CALLER_LINE, "console"),
        "It was attested that the call was cut off, the fault being caller-line (on the command line).",
    ),
    (e.Attested(0, None, "code"), "It was attested that the call was cut off (by the feature code, in the call)."),
    (e.Oddity(0, None, "its Linkedid joins two calls"), "Something cannot be right: its Linkedid joins two calls."),
    (e.Oddity(0, C, "it ended twice"), "Something cannot be right on the caller's leg: it ended twice."),
]


@pytest.mark.parametrize(("event", "words"), SENTENCES, ids=lambda value: type(value).__name__)
def test_the_sentence(event: e.CallEvent, words: str) -> None:
    assert sentence(event, NAMES) == words


def test_every_kind_of_event_has_one() -> None:
    assert {type(event) for event, _ in SENTENCES} == set(e.CALL_EVENTS) == set(get_args(e.CallEvent))


def test_every_word_of_an_event_reads_differently() -> None:
    stages = {sentence(e.StageReached(0, C, stage), NAMES) for stage in e.Stage}
    sources = {sentence(e.HangupRecorded(0, C, None, by, "cel"), NAMES) for by in e.HungUpBy}
    faults = {sentence(e.Attested(0, fault, door), NAMES) for fault in (None, *e.Fault) for door in ("code", "phone")}
    assert (len(stages), len(sources), len(faults)) == (len(e.Stage), len(e.HungUpBy), 8)


def test_no_leg_is_called_the_agents_for_being_the_callers() -> None:
    assert NAMES == {C: "the caller's leg", A: "PJSIP/agent1's leg"}


def test_verdicts_in_words() -> None:
    assert verdict("network", True, "high", "7") == "Ended by the caller's network: a fault, high confidence (rules 7)"
    assert verdict("caller", False, None, "7") == "Ended by the caller: no fault (rules 7)"
    assert (
        verdict("unknown", None, None, "7") == "It is not known who ended it: whether by a fault is not known (rules 7)"
    )
    told = [verdict(*case, "7") for case in product(Party, (True, False, None), (None, *Confidence))]
    assert len(set(told)) == len(told)
    assert all(re.fullmatch(r"[A-Z][^{}]+ \(rules 7\)", words) for words in told)

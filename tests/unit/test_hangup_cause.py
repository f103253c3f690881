"""The tables of causes: what a BYE's Reason proves, and how an attempt came out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddzwon.domain.hangup_cause import (
    Q850,
    AttemptOutcome,
    Confidence,
    SoftHangup,
    attempt_outcome,
    fault_confidence,
    is_plain,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed


@pytest.mark.parametrize(
    ("cause", "confidence"),
    [
        *((cause, Confidence.HIGH) for cause in (27, 38, 41)),
        *((cause, Confidence.MEDIUM) for cause in (31, 34, 42, 102)),
        *((cause, None) for cause in (None, -1, 0, 1, 16, 17, 19, 21, 44, 58, 127, 9999)),
    ],
)
def test_causes_that_name_a_fault(cause: int | None, confidence: Confidence | None) -> None:
    assert fault_confidence(cause) is confidence


def test_nothing_else_names_a_fault_and_a_fault_is_no_plain_bye() -> None:
    assert {c for c in range(256) if fault_confidence(c)} == {27, 31, 34, 38, 41, 42, 102}
    assert {c for c in range(256) if is_plain(c)} == {0, 16}
    assert is_plain(None)


def test_confidence_is_ordered_by_meaning_not_by_alphabet() -> None:
    reached = {(a.value, b.value) for a in Confidence for b in Confidence if a.reaches(b)}
    assert reached == {
        ("low", "low"),
        *(("medium", minimum) for minimum in ("low", "medium")),
        *(("high", minimum) for minimum in ("low", "medium", "high")),
    }


def test_soft_hangup_flags_are_asterisks() -> None:
    assert {f.name: f.value for f in SoftHangup} == {
        "DEV": 1,
        "ASYNCGOTO": 2,
        "SHUTDOWN": 4,
        "TIMEOUT": 8,
        "APPUNLOAD": 16,
        "EXPLICIT": 32,
    }
    assert SoftHangup.SHUTDOWN in SoftHangup(4 | 1)
    assert SoftHangup(16) is not SoftHangup.EXPLICIT


@pytest.mark.parametrize(
    ("cause", "tech", "status", "outcome"),
    [
        # measured: asterisk.md section 3
        (17, 486, "BUSY", AttemptOutcome.BUSY),
        (21, 603, "CONGESTION", AttemptOutcome.REJECTED),
        (1, 404, "CONGESTION", AttemptOutcome.WRONG_NUMBER),
        (19, 480, "NOANSWER", AttemptOutcome.NO_ANSWER),
        (34, 503, "CONGESTION", AttemptOutcome.CONGESTION),
        (21, 403, "CONGESTION", AttemptOutcome.TRUNK_REFUSED),
        (19, None, "NOANSWER", AttemptOutcome.NO_ANSWER),
        # before 20.17/22.7 there is no SIP status
        (17, None, None, AttemptOutcome.BUSY),
        (21, None, "CONGESTION", AttemptOutcome.REJECTED),
        (1, None, "CONGESTION", AttemptOutcome.WRONG_NUMBER),
        (34, None, "CONGESTION", AttemptOutcome.CONGESTION),
        # only the dial status is known
        (None, None, "BUSY", AttemptOutcome.BUSY),
        (None, None, " noanswer ", AttemptOutcome.NO_ANSWER),
        (None, None, "CHANUNAVAIL", AttemptOutcome.CONGESTION),
        # an answer stays an answer, whatever ends the call later
        (16, None, "ANSWER", AttemptOutcome.ANSWERED),
        (38, 503, "ANSWER", AttemptOutcome.ANSWERED),
        # we took it back: at the ring limit nobody had answered, else we cancelled
        (127, 487, "CANCEL", AttemptOutcome.CANCELLED),
        (19, 487, None, AttemptOutcome.NO_ANSWER),
        (127, 487, "NOANSWER", AttemptOutcome.NO_ANSWER),
        # a 302 (measured): Asterisk ends the leg that was sent on as it would a call taken back
        (23, None, "CANCEL", AttemptOutcome.MOVED),
        # an unknown SIP status leaves the word to the cause
        (19, 483, None, AttemptOutcome.NO_ANSWER),
        (None, None, None, AttemptOutcome.FAILED),
        (0, 0, "", AttemptOutcome.FAILED),
        (127, 491, "SURPRISE", AttemptOutcome.FAILED),
    ],
)
def test_how_an_attempt_came_out(
    cause: int | None, tech: int | None, status: str | None, outcome: AttemptOutcome
) -> None:
    assert attempt_outcome(cause, tech, status) is outcome


def test_who_is_dialled_again_and_what_the_operator_hears_of() -> None:
    assert {o.value for o in AttemptOutcome if o.retry} == {"busy", "no_answer", "unreachable", "congestion"}
    assert {o.value for o in AttemptOutcome if o.trunk_fault} == {"congestion", "trunk_refused"}


@UNHURRIED
@given(
    cause=st.none() | st.integers() | st.sampled_from(Q850),
    tech=st.none() | st.integers(-1, 700),
    status=st.none() | st.text(max_size=20),
)
def test_any_report_has_an_outcome_and_none_invents_an_answer(
    cause: int | None, tech: int | None, status: str | None
) -> None:
    outcome = attempt_outcome(cause, tech, status)
    answered = (status or "").strip().upper() == "ANSWER"
    assert (outcome is AttemptOutcome.ANSWERED) is answered


@UNHURRIED
@given(cause=st.sampled_from(sorted(Q850)), status=st.sampled_from(["", "CONGESTION", "BUSY", "CANCEL"]))
def test_a_person_who_declines_is_not_dialled_again(cause: int, status: str) -> None:
    assert not attempt_outcome(cause, 603, status).retry

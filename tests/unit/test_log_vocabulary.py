"""The words in the schema's CHECKs are the domain's own words: both lists are held together here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddzwon.domain.callback import FINAL, CallbackState
from oddzwon.domain.callback_events import AttemptState
from oddzwon.domain.ending import Party
from oddzwon.domain.events import Direction, Fault, Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.lawfulness import Code, DialFacts, dial_gate
from oddzwon.domain.notice import PromptKind
from oddzwon.domain.policy import Policy
from oddzwon.domain.recording import HEARD_MS, RECORDING_RULES, Mode, Regime, announcement_for, mode_for
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log import recording_writing, third_schema, writing
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_writing
from oddzwon.log.recording_records import NewRecording
from oddzwon.log.records import NewCall, Receipt
from oddzwon.recordings.sealing import Side


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (Direction, v.DIRECTIONS),
        (Stage, v.STAGES),
        (Party, v.ENDING_PARTIES),
        (Confidence, v.CONFIDENCES),
        (CallbackState, v.CALLBACK_OPEN + v.CALLBACK_FINAL),
        (FINAL, v.CALLBACK_FINAL),
        (AttemptState, v.ATTEMPT_OPEN + v.ATTEMPT_FINAL),
        (Code, v.DECISION_CODES),
        (ObjectionScope, v.OBJECTION_SCOPES),
        (Fault, v.FAULTS),
        (set(Regime) - {Regime.HOLD, Regime.NONE}, v.REGIMES),
        ({PromptKind.LAYER1, PromptKind.SHORT}, (v.LAYER1, v.SHORT_NOTICE)),
        (Side, v.SIDES),
    ],
)
def test_the_same_words(words: type[object], ours: tuple[str, ...]) -> None:
    assert {str(word) for word in words} == set(ours)  # type: ignore[attr-defined]  # an enum or a set of its members
    assert len(ours) == len(set(ours))


def test_the_dial_gates_conditions() -> None:
    assert {condition.code for condition in dial_gate(DialFacts(), Policy(), 0).conditions} == set(v.DIAL_CODES)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = open_for_writing(tmp_path / "log.db", 1_000)
    writing.arrive(db, "c", NewCall("lab", "inbound", "l", "m", 0), None)
    yield db
    db.close()


def test_what_the_domain_announces_the_schema_accepts(db: sqlite3.Connection) -> None:
    """Each regime's own announcement, in each mode, heard to its end and answered as it asks."""
    # legal.md section C has no keypress for the legal regime: there is no opt-out to ask about
    pairs = [(regime, mode) for regime in v.REGIMES for mode in Mode if (regime, mode) != (Regime.LEGAL, Mode.KEYPRESS)]
    kinds = {announcement_for(Regime(regime), mode) for regime, mode in pairs}
    assert {str(kind) for kind in kinds if kind is not None} == set(v.ANNOUNCEMENTS)
    for regime, mode in pairs:
        kind = announcement_for(Regime(regime), mode)
        if kind is None:
            continue
        key = "1" if kind is PromptKind.REC_CONSENT else None
        heard = writing.receipt(db, "c", Receipt(kind, "v", "0" * 64, "pl", 9, 9, key, True, 10))
        name = f"{regime}-{mode}"
        recording_writing.arm_recording(db, name, "c", NewRecording(regime, heard, 20, 30, name, "LAB"))
        assert db.execute("SELECT state FROM recording WHERE id = ?", (name,)).fetchone() == ("armed",)


@pytest.mark.parametrize("regime", v.REGIMES)
def test_what_the_domain_announces_in_germany_the_schema_accepts(db: sqlite3.Connection, regime: str) -> None:
    """Always the question, whatever the regime, and an agent's consent."""
    writing.arrive(db, "g", NewCall("lab", "inbound", "g", "g", 0, preset="de"), None)
    mode = mode_for(RECORDING_RULES["de"], Regime(regime), balancing_test="LIA", chosen=Mode.ANNOUNCE, language="de")
    kind = announcement_for(Regime(regime), mode)
    assert kind is PromptKind.REC_CONSENT
    heard = writing.receipt(db, "g", Receipt(kind, "v", "0" * 64, "de", 9, 9, "1", True, 10))
    consent = recording_writing.consent_on_file(db, "HR-7", 0)
    new = NewRecording(regime, heard, 20, 30, "g.raw", "LAB", side=Side.AGENT, agent_consent=consent)
    recording_writing.arm_recording(db, "g", "g", new)


def test_a_question_is_heard_after_the_same_time() -> None:
    assert third_schema._HEARD_MS == HEARD_MS

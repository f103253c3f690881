"""The schema refuses what the law refuses: each rule is attacked with plain SQL on a plain SQLite connection.

The rows that the attacks start from are written by the log's own functions; the attacks never use them.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddzwon.log import recording_writing, writing
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_writing
from oddzwon.log.recording_records import NewRecording
from oddzwon.log.records import (
    Attestation,
    Condition,
    Decision,
    Ending,
    Evidence,
    Fact,
    NewCall,
    Party,
    Receipt,
)

T0 = 1_760_000_000_000
PARTY = Party("+48600100200", "a" * 64)
OTHER = Party("+48600100201", "b" * 64)


def passed(codes: tuple[str, ...] = v.DECISION_CODES) -> tuple[Condition, ...]:
    return tuple(Condition(code, True, "seen") for code in codes)


def receipt(prompt: str = "L1", key: str | None = None, complete: bool = True, at: int = T0 + 10) -> Receipt:
    return Receipt(prompt, "v1", "0" * 64, "pl", 9_000 if complete else 100, 9_000, key, complete, at)


def dropped(db: sqlite3.Connection, call: str, party: Party | None = PARTY, *, direction: str = "inbound") -> None:
    """A call with a complete notice that ended by a fault."""
    writing.arrive(db, call, NewCall("lab", direction, f"l-{call}", f"leg-{call}", T0, party), None)
    writing.receipt(db, call, receipt())
    writing.end_call(db, call, T0 + 1_000, T0 + 900, {})
    ending = Ending("network", True, "high", "talking", "rtp_timeout", T0 + 1_100, (Evidence("x", None, T0),))
    writing.settle(db, call, ending, made=f"end-{call}", facts=[Fact(T0, "Arrived")], drop=f"drop-{call}")


def called_back(db: sqlite3.Connection, call: str) -> None:
    writing.decide(db, call, f"dec-{call}", Decision(True, "p", T0 + 2_000, passed()), f"cb-{call}")


def attempted(db: sqlite3.Connection, call: str, n: int = 1) -> None:
    writing.commit_attempt(
        db,
        f"cb-{call}",
        n,
        made=f"att-{call}-{n}",
        at=T0 + 3_000,
        conditions=passed(v.DIAL_CODES),
        state="dialling",
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls a, b (same number) and c (another one), all dropped; a is being called back, its attempt committed."""
    path = tmp_path_factory.mktemp("log") / "log.db"
    own = open_for_writing(path, 1_000)
    own.execute("BEGIN")
    dropped(own, "a")
    dropped(own, "b")
    dropped(own, "c", OTHER)
    called_back(own, "a")
    attempted(own, "a")
    own.execute("COMMIT")
    own.close()
    return path


@pytest.fixture
def db(template: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection to a copy of the template."""
    path = shutil.copy(template, tmp_path / "log.db")
    plain = sqlite3.connect(path, isolation_level=None)
    plain.execute("PRAGMA foreign_keys = ON")  # the one thing that SQLite leaves to each connection
    plain.execute("PRAGMA synchronous = OFF")  # nothing here is about durability
    yield plain
    plain.close()


def refuse(db: sqlite3.Connection, rule: str, sql: str, *values: object) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=rule):
        db.execute(sql, values)


def decide_positively(db: sqlite3.Connection, decision: str, call: str) -> None:
    db.execute("BEGIN")
    for seq, code in enumerate(v.DECISION_CODES, start=1):
        db.execute("INSERT INTO decision_condition VALUES (?, ?, ?, 1, '')", (decision, seq, code))
    db.execute("INSERT INTO decision VALUES (?, ?, 1, 'p', ?, 1)", (decision, call, T0 + 2_000))
    db.execute("COMMIT")


CALLBACK = "INTO callback (id, call_drop, decision, call, allowed, party, state, created_at) VALUES"
LATER = T0 + 2_500


def test_second_callback_for_a_drop(db: sqlite3.Connection) -> None:
    for verb in ("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"):
        refuse(
            db, "one-callback-per-drop", f"{verb} {CALLBACK} ('x', 'drop-a', 'dec-a', 'a', 1, 1, 'waiting', ?)", LATER
        )
    assert db.execute("SELECT id FROM callback").fetchall() == [("cb-a",)]


def test_second_drop_for_a_call(db: sqlite3.Connection) -> None:
    refuse(db, "call_drop", "INSERT OR REPLACE INTO call_drop VALUES ('x', 'a', 'end-a', 1)")


def test_drop_needs_a_technical_ending(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO call (id, pbx, direction, linked, leg, started_at, stage)"
        " VALUES ('d', 'lab', 'inbound', 'l', 'm', ?, 'menu')",
        (T0,),
    )
    db.execute("INSERT INTO ending VALUES ('end-d', 'd', 'caller', 0, 'high', 'menu', 'plain BYE', ?, 1)", (T0,))
    refuse(db, "FOREIGN KEY", "INSERT INTO call_drop VALUES ('x', 'd', 'end-d', 1)")
    refuse(db, "drop-is-technical", "INSERT INTO call_drop VALUES ('x', 'd', 'end-d', 0)")
    refuse(db, "FOREIGN KEY", "INSERT INTO call_drop VALUES ('x', 'd', 'end-c', 1)")


def test_callback_without_any_decision(db: sqlite3.Connection) -> None:
    refuse(db, "FOREIGN KEY", f"INSERT {CALLBACK} ('x', 'drop-c', 'none', 'c', 1, 2, 'waiting', ?)", LATER)
    refuse(db, "NOT NULL", f"INSERT {CALLBACK} ('x', 'drop-c', NULL, 'c', 1, 2, 'waiting', ?)", LATER)


def test_callback_without_a_positive_decision(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO decision_condition VALUES ('dec-c', 1, 'CLIR', NULL, 'unknown')")
    db.execute("INSERT INTO decision VALUES ('dec-c', 'c', 0, 'p', ?, 1)", (T0 + 2_000,))
    db.execute("COMMIT")
    refuse(db, "FOREIGN KEY", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", LATER)
    refuse(db, "positive-decision", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 0, 2, 'waiting', ?)", LATER)


def test_callback_on_another_calls_decision_or_drop(db: sqlite3.Connection) -> None:
    decide_positively(db, "dec-c", "c")
    writing.callback_state(db, "cb-a", "cancelled", LATER, "redial")
    refuse(db, "FOREIGN KEY", f"INSERT {CALLBACK} ('x', 'drop-b', 'dec-c', 'b', 1, 1, 'waiting', ?)", LATER)
    refuse(db, "FOREIGN KEY", f"INSERT {CALLBACK} ('x', 'drop-b', 'dec-c', 'c', 1, 2, 'waiting', ?)", LATER)


@pytest.mark.parametrize("code", v.DECISION_CODES)
@pytest.mark.parametrize("result", ["0", "NULL", None])
def test_positive_decision_needs_every_condition(db: sqlite3.Connection, code: str, result: str | None) -> None:
    """Failed, unknown and missing alike."""
    db.execute("BEGIN")
    for seq, one in enumerate(v.DECISION_CODES, start=1):
        if one != code:
            db.execute("INSERT INTO decision_condition VALUES ('dec-c', ?, ?, 1, '')", (seq, one))
        elif result is not None:
            db.execute(f"INSERT INTO decision_condition VALUES ('dec-c', ?, ?, {result}, '')", (seq, one))
    refuse(db, "decision-conditions", "INSERT INTO decision VALUES ('dec-c', 'c', 1, 'p', ?, 1)", T0)


def test_positive_decision_with_an_extra_failed_condition(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    for seq, code in enumerate((*v.DECISION_CODES, "ONE_MORE"), start=1):
        db.execute("INSERT INTO decision_condition VALUES ('dec-c', ?, ?, ?, '')", (seq, code, code != "ONE_MORE"))
    refuse(db, "decision-conditions", "INSERT INTO decision VALUES ('dec-c', 'c', 1, 'p', ?, 1)", T0)


def test_refusal_names_its_reason(db: sqlite3.Connection) -> None:
    refuse(db, "decision-refusal-needs-reason", "INSERT INTO decision VALUES ('dec-c', 'c', 0, 'p', ?, 1)", T0)


def test_conditions_without_a_decision(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO decision_condition VALUES ('nowhere', 1, 'CLIR', 1, '')")
    refuse(db, "FOREIGN KEY", "COMMIT")


def test_condition_after_the_decision(db: sqlite3.Connection) -> None:
    refuse(db, "decision-immutable", "INSERT INTO decision_condition VALUES ('dec-a', 99, 'NEW', 1, '')")


def test_condition_rewritten_before_the_decision(db: sqlite3.Connection) -> None:
    for table in ("decision_condition", "attempt_condition"):
        db.execute("BEGIN")
        db.execute(f"INSERT INTO {table} VALUES ('new', 1, 'CLIR', 0, 'withheld')")
        for seq in (1, 2):
            refuse(db, f"{table}-append-only", f"REPLACE INTO {table} VALUES ('new', ?, 'CLIR', 1, '')", seq)
        db.execute("ROLLBACK")


def test_callback_for_a_callback(db: sqlite3.Connection) -> None:
    """A callback that itself drops is not an inbound call: no second callback."""
    dropped(db, "own", OTHER, direction="callback")
    decide_positively(db, "dec-own", "own")
    refuse(
        db,
        "callback-only-for-inbound",
        f"INSERT {CALLBACK} ('x', 'drop-own', 'dec-own', 'own', 1, 2, 'waiting', ?)",
        LATER,
    )


def test_callback_to_another_number(db: sqlite3.Connection) -> None:
    decide_positively(db, "dec-c", "c")
    writing.callback_state(db, "cb-a", "cancelled", LATER, "redial")
    for party in ("1", "NULL"):
        refuse(
            db,
            "callback-to-the-caller",
            f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, {party}, 'waiting', ?)",
            LATER,
        )
    refuse(db, "callback-party-stays", "UPDATE callback SET party = 2 WHERE id = 'cb-a'")


def test_callback_times(db: sqlite3.Connection) -> None:
    decide_positively(db, "dec-c", "c")
    refuse(db, "callback-before-loss", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", T0 + 899)
    db.execute(f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", (T0 + 900,))


def test_callback_to_a_number_with_an_open_one(db: sqlite3.Connection) -> None:
    decide_positively(db, "dec-b", "b")
    for verb in ("INSERT", "INSERT OR REPLACE"):
        refuse(
            db,
            "one-open-callback-per-number",
            f"{verb} {CALLBACK} ('x', 'drop-b', 'dec-b', 'b', 1, 1, 'waiting', ?)",
            LATER,
        )
    writing.callback_state(db, "cb-a", "cancelled", LATER, "redial")
    db.execute(f"INSERT {CALLBACK} ('x', 'drop-b', 'dec-b', 'b', 1, 1, 'waiting', ?)", (LATER,))


@pytest.mark.parametrize(("prompt", "complete"), [("L1", False), ("SHORT", False), ("L2", True), ("REC_OBJECT", True)])
def test_callback_without_notice(db: sqlite3.Connection, prompt: str, complete: bool) -> None:
    writing.arrive(db, "d", NewCall("lab", "inbound", "l", "d", T0, OTHER), None)
    writing.receipt(db, "d", receipt(prompt, complete=complete))
    writing.end_call(db, "d", T0 + 1_000, T0 + 900, {})
    ending = Ending("network", True, "high", "talking", "rtp_timeout", T0 + 1_100)
    writing.settle(db, "d", ending, made="end-d", facts=[], drop="drop-d")
    decide_positively(db, "dec-d", "d")
    attack = f"INSERT {CALLBACK} ('x', 'drop-d', 'dec-d', 'd', 1, 2, 'waiting', ?)"
    refuse(db, "callback-without-notice", attack, LATER)
    writing.receipt(db, "d", receipt("SHORT"))
    db.execute(attack, (LATER,))


@pytest.mark.parametrize("mark", ["number", "call"])
def test_callback_and_attempt_against_an_objection(db: sqlite3.Connection, mark: str) -> None:
    for party, call in ((OTHER, "c"), (PARTY, "a")):
        key, where = (party.number_key, None) if mark == "number" else (None, call)
        db.execute(
            "INSERT INTO objection (number_key, scope, at, channel, call) VALUES (?, 'callback', ?, 'key 8', ?)",
            (key, T0, where),
        )
    decide_positively(db, "dec-c", "c")
    refuse(db, "callback-objected", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", LATER)
    writing.attempt_state(
        db, "att-a-1", "unanswered", at=LATER, cause=19, never_existed=False, callback_to=None, why=""
    )
    refuse_attempt(db, "attempt-objected")
    db.execute("UPDATE objection SET withdrawn_at = ?", (T0 + 1,))
    db.execute(f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", (LATER,))


def test_callback_and_attempt_against_a_restriction(db: sqlite3.Connection) -> None:
    for party in (OTHER, PARTY):
        db.execute("INSERT INTO restriction (number_key, at) VALUES (?, ?)", (party.number_key, T0))
    decide_positively(db, "dec-c", "c")
    refuse(db, "callback-restricted", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, 'waiting', ?)", LATER)
    writing.attempt_state(
        db, "att-a-1", "unanswered", at=LATER, cause=19, never_existed=False, callback_to=None, why=""
    )
    refuse_attempt(db, "attempt-restricted")


@pytest.mark.parametrize("state", [*v.CALLBACK_OPEN[1:], *v.CALLBACK_FINAL])
def test_callback_starts_waiting(db: sqlite3.Connection, state: str) -> None:
    decide_positively(db, "dec-c", "c")
    refuse(db, "callback-starts", f"INSERT {CALLBACK} ('x', 'drop-c', 'dec-c', 'c', 1, 2, '{state}', ?)", LATER)


@pytest.mark.parametrize("state", v.CALLBACK_FINAL)
def test_final_callback_stays(db: sqlite3.Connection, state: str) -> None:
    db.execute("UPDATE callback SET state = ? WHERE id = 'cb-a'", (state,))
    for other in {*v.CALLBACK_OPEN, *v.CALLBACK_FINAL} - {state}:
        refuse(db, "callback-final", "UPDATE callback SET state = ? WHERE id = 'cb-a'", other)
    refuse(db, "callback-kept", "DELETE FROM callback")


def test_unknown_words(db: sqlite3.Connection) -> None:
    refuse(db, "callback-state", "UPDATE callback SET state = 'perhaps'")
    refuse(db, "attempt-state", "UPDATE attempt SET state = 'perhaps'")
    refuse(db, "call-stage", "UPDATE call SET stage = 'perhaps'")
    refuse(db, "call-menu-key", "UPDATE call SET menu_key = '12'")
    refuse(db, "attempt-cause-is-q850", "UPDATE attempt SET cause = 486")


@pytest.mark.parametrize("column", ["id", "call_drop", "decision", "call", "created_at"])
def test_callback_keeps_what_it_is(db: sqlite3.Connection, column: str) -> None:
    refuse(db, "callback-identity", f"UPDATE callback SET {column} = 7")


# --- attempts ---------------------------------------------------------------------------------------------------------


def insert_attempt(db: sqlite3.Connection, n: int, *, gate: bool = True, channel: str = "ch", at: int = LATER) -> None:
    made = f"att-x-{n}"
    if gate:
        for seq, code in enumerate(v.DIAL_CODES, start=1):
            db.execute("INSERT INTO attempt_condition VALUES (?, ?, ?, 1, '')", (made, seq, code))
    db.execute(
        "INSERT INTO attempt (id, callback, n, channel_id, state, at) VALUES (?, 'cb-a', ?, ?, 'committed', ?)",
        (made, n, channel, at),
    )


def refuse_attempt(db: sqlite3.Connection, rule: str, n: int = 2, *, gate: bool = True, at: int = LATER) -> None:
    db.execute("BEGIN")
    with pytest.raises(sqlite3.IntegrityError, match=rule):
        insert_attempt(db, n, gate=gate, at=at)
    db.execute("ROLLBACK")


def finish(db: sqlite3.Connection, state: str = "unanswered") -> None:
    db.execute("UPDATE attempt SET state = ? WHERE id = 'att-a-1'", (state,))


def test_second_attempt_with_the_same_number(db: sqlite3.Connection) -> None:
    finish(db)
    refuse_attempt(db, "attempt-number-once", 1)


def test_attempt_while_another_is_open(db: sqlite3.Connection) -> None:
    refuse_attempt(db, "one-open-attempt-per-callback")
    for state in v.ATTEMPT_OPEN:
        finish(db, state)
        refuse_attempt(db, "one-open-attempt-per-callback")


def test_attempt_without_the_gate(db: sqlite3.Connection) -> None:
    finish(db)
    refuse_attempt(db, "attempt-gate", gate=False)


@pytest.mark.parametrize("code", v.DIAL_CODES)
@pytest.mark.parametrize("result", ["0", "NULL", None])
def test_attempt_needs_every_condition_of_the_gate(db: sqlite3.Connection, code: str, result: str | None) -> None:
    finish(db)
    db.execute("BEGIN")
    for seq, one in enumerate(v.DIAL_CODES, start=1):
        if one != code:
            db.execute("INSERT INTO attempt_condition VALUES ('att-x-2', ?, ?, 1, '')", (seq, one))
        elif result is not None:
            db.execute(f"INSERT INTO attempt_condition VALUES ('att-x-2', ?, ?, {result}, '')", (seq, one))
    with pytest.raises(sqlite3.IntegrityError, match="attempt-gate"):
        insert_attempt(db, 2, gate=False)


@pytest.mark.parametrize("state", v.CALLBACK_FINAL)
def test_attempt_for_a_final_callback(db: sqlite3.Connection, state: str) -> None:
    finish(db)
    db.execute("UPDATE callback SET state = ?", (state,))
    refuse_attempt(db, "attempt-callback-final")


def test_attempt_after_a_lost_one(db: sqlite3.Connection) -> None:
    """Only if it is proven that its channel never existed (design, section 7)."""
    finish(db, "lost")
    refuse_attempt(db, "attempt-after-lost")
    db.execute("UPDATE attempt SET never_existed = 1")
    db.execute("BEGIN")
    insert_attempt(db, 2)
    db.execute("COMMIT")


def test_attempt_never_existed_only_when_lost(db: sqlite3.Connection) -> None:
    refuse(db, "attempt-never-existed-is-lost", "UPDATE attempt SET never_existed = 1")


def test_condition_after_the_commit(db: sqlite3.Connection) -> None:
    refuse(db, "attempt-gate-immutable", "INSERT INTO attempt_condition VALUES ('att-a-1', 99, 'NEW', 1, '')")


def test_attempt_starts_committed_and_without_a_call(db: sqlite3.Connection) -> None:
    finish(db)
    writing.arrive(db, "own", NewCall("lab", "callback", "l", "own", T0, PARTY, resumes="a"), None)
    insert = "INSERT INTO attempt (id, callback, n, channel_id, call, state, at) VALUES ('x', 'cb-a', 2, 'ch', ?, ?, ?)"
    db.execute("BEGIN")
    for seq, code in enumerate(v.DIAL_CODES, start=1):
        db.execute("INSERT INTO attempt_condition VALUES ('x', ?, ?, 1, '')", (seq, code))
    for state in (*v.ATTEMPT_OPEN[1:], *v.ATTEMPT_FINAL):
        refuse(db, "attempt-starts-committed", insert, None, state, LATER)
    refuse(db, "attempt-starts-committed", insert, "own", "committed", LATER)
    db.execute(insert, (None, "committed", LATER))


def test_attempt_numbers_and_times(db: sqlite3.Connection) -> None:
    finish(db)
    refuse_attempt(db, "attempt-number", 0)
    refuse_attempt(db, "attempt-number", 11)
    refuse_attempt(db, "attempt-before-callback", at=T0 + 1_999)


def test_attempt_to_an_erased_number(db: sqlite3.Connection) -> None:
    finish(db)
    db.execute("UPDATE callback SET party = NULL")
    refuse_attempt(db, "attempt-without-number")


@pytest.mark.parametrize("state", v.ATTEMPT_FINAL)
def test_final_attempt_stays(db: sqlite3.Connection, state: str) -> None:
    finish(db, state)
    for other in {*v.ATTEMPT_OPEN, *v.ATTEMPT_FINAL} - {state}:
        refuse(db, "attempt-final", "UPDATE attempt SET state = ? WHERE id = 'att-a-1'", other)
    refuse(db, "attempt-kept", "DELETE FROM attempt")


@pytest.mark.parametrize("column", ["id", "callback", "n", "channel_id", "at"])
def test_attempt_keeps_what_it_is(db: sqlite3.Connection, column: str) -> None:
    refuse(db, "attempt-identity", f"UPDATE attempt SET {column} = 7")


def test_attempt_leads_to_its_own_call(db: sqlite3.Connection) -> None:
    refuse(db, "attempt-call-is-its-own", "UPDATE attempt SET call = 'c'")
    writing.arrive(db, "other", NewCall("lab", "callback", "l", "other", T0, PARTY, resumes="b"), None)
    refuse(db, "attempt-call-is-its-own", "UPDATE attempt SET call = 'other'")
    writing.arrive(db, "own", NewCall("lab", "callback", "l", "own", T0, PARTY, resumes="a"), "att-a-1")
    assert db.execute("SELECT call FROM attempt").fetchone() == ("own",)
    refuse(db, "attempt-call-is-its-own", "UPDATE attempt SET call = NULL")


# --- recordings -------------------------------------------------------------------------------------------------------

RECORDING = (
    "INSERT INTO recording (id, call, regime, state, started_at, announcement, delete_after, file, reference)"
    " VALUES ('r', 'c', ?, 'armed', ?, ?, ?, 'r.wav', 'LAB')"
)


def announce(db: sqlite3.Connection, made: Receipt, call: str = "c") -> int:
    return writing.receipt(db, call, made)


@pytest.mark.parametrize(
    ("rule", "regime", "made", "call"),
    [
        ("unannounced", "quality", receipt("REC_OBJECT", complete=False), "c"),
        ("unannounced", "quality", receipt("REC_OBJECT"), "a"),
        ("unannounced", "quality", receipt("L1"), "c"),
        ("unannounced", "quality", receipt("REC_CONSENT_AGENT", "1"), "c"),
        ("before-announcement", "quality", receipt("REC_OBJECT", at=T0 + 501), "c"),
        ("without-consent", "quality", receipt("REC_CONSENT"), "c"),
        ("without-consent", "quality", receipt("REC_CONSENT", "2"), "c"),
        ("without-consent", "contract", receipt("REC_CONSENT", "7"), "c"),
        ("objected", "quality", receipt("REC_OBJECT", "7"), "c"),
        ("announced-as-another", "quality", receipt("REC_ANNOUNCE"), "c"),
        ("announced-as-another", "legal", receipt("REC_OBJECT"), "c"),
        ("announced-as-another", "legal", receipt("REC_CONSENT", "1"), "c"),
        ("announced-as-another", "contract", receipt("REC_OBJECT"), "c"),
        ("regime", "none", receipt("REC_ANNOUNCE"), "c"),
    ],
)
def test_recording_unlawful(db: sqlite3.Connection, rule: str, regime: str, made: Receipt, call: str) -> None:
    announcement = announce(db, made, call)
    refuse(db, f"recording-{rule}", RECORDING, regime, T0 + 500, announcement, T0 + 9_000)


@pytest.mark.parametrize(
    ("regime", "made"),
    [
        ("quality", receipt("REC_OBJECT")),
        ("quality", receipt("REC_CONSENT", "1")),
        ("contract", receipt("REC_ANNOUNCE")),
        ("contract", receipt("REC_CONSENT", "1")),
        ("legal", receipt("REC_ANNOUNCE")),
    ],
)
def test_recording_lawful(db: sqlite3.Connection, regime: str, made: Receipt) -> None:
    db.execute(RECORDING, (regime, T0 + 500, announce(db, made), T0 + 9_000))
    assert db.execute("SELECT regime, state FROM recording").fetchall() == [(regime, "armed")]


def test_recording_without_announcement(db: sqlite3.Connection) -> None:
    refuse(db, "recording-unannounced", RECORDING, "quality", T0 + 500, None, T0 + 9_000)
    refuse(db, "recording-unannounced", RECORDING, "quality", T0 + 500, 4_711, T0 + 9_000)


def test_recording_against_an_objection(db: sqlite3.Connection) -> None:
    announcement = announce(db, receipt("REC_OBJECT"))
    db.execute(
        "INSERT INTO objection (number_key, scope, at, channel) VALUES (?, 'recording', ?, 'letter')",
        (OTHER.number_key, T0),
    )
    refuse(db, "recording-objected", RECORDING, "quality", T0 + 500, announcement, T0 + 9_000)


def test_recording_needs_retention_and_reference(db: sqlite3.Connection) -> None:
    announcement = announce(db, receipt("REC_ANNOUNCE"))
    refuse(db, "recording-retention", RECORDING, "legal", T0 + 500, announcement, T0 + 500)
    for reference in ("NULL", "''"):
        sql = RECORDING.replace("'LAB'", reference)
        refuse(db, "recording-contract-needs-reference", sql, "contract", T0 + 500, announcement, T0 + 9_000)


def test_recording_is_not_relabelled(db: sqlite3.Connection) -> None:
    new = NewRecording("quality", announce(db, receipt("REC_OBJECT")), T0 + 500, T0 + 9_000, "r.wav")
    recording_writing.arm_recording(db, "r", "c", new)
    refuse(db, "recording-identity", "UPDATE recording SET regime = 'contract', reference = 'x'")
    db.execute("UPDATE recording SET state = 'deleted'")
    refuse(db, "recording-final", "UPDATE recording SET state = 'finished'")
    columns = "started_at, announcement, delete_after, file, reference, leg, side, mix, agent_consent, sealed"
    again = f"REPLACE INTO recording SELECT 's', call, regime, 'armed', {columns} FROM recording"
    refuse(db, "recording-file-once", again)


def test_receipts_prove_something(db: sqlite3.Connection) -> None:
    insert = "INSERT INTO notice_receipt VALUES (NULL, 'c', 'L1', 'v', ?, 'pl', ?, ?, ?, 1, 0)"
    refuse(db, "receipt-complete-needs-sound", insert, "0" * 64, 0, 0, None)
    refuse(db, "receipt-complete-needs-end-or-key", insert, "0" * 64, 99, 100, None)
    refuse(db, "receipt-hash", insert, "ZZ", 100, 100, None)
    refuse(db, "receipt-key", insert, "0" * 64, 100, 100, "11")


# --- rows that never change -------------------------------------------------------------------------------------------

APPEND_ONLY = [
    "notice_receipt",
    "journal",
    "ending",
    "ending_evidence",
    "call_drop",
    "decision",
    "decision_condition",
    "callback_event",
    "attempt_condition",
    "required_condition",
    "access",
    "attestation",
]


def test_access_needs_a_reason(db: sqlite3.Connection) -> None:
    refuse(db, "access-needs-a-reason", "INSERT INTO access (at, by, what, reason) VALUES (1, 'root', 'calls', ' ')")


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_append_only(db: sqlite3.Connection, table: str, recursive: str) -> None:
    db.execute("INSERT INTO access (at, by, what, reason) VALUES (1, 'root', 'calls show', 'complaint 7')")
    writing.attest(db, "a", Attestation(T0 + 5_000, "phone", "PJSIP/agent1"), None)
    db.execute(f"PRAGMA recursive_triggers = {recursive}")
    rows = db.execute(f"SELECT * FROM {table}").fetchall()
    assert rows
    column = db.execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
    refuse(db, f"{table}-append-only", f"UPDATE {table} SET {column} = {column}")
    refuse(db, f"{table}-append-only", f"DELETE FROM {table}")
    places = ", ".join("?" for _ in rows[0])
    refuse(db, f"{table}-append-only|immutable", f"REPLACE INTO {table} VALUES ({places})", *rows[0])
    assert db.execute(f"SELECT * FROM {table}").fetchall() == rows


def test_call_keeps_what_it_is(db: sqlite3.Connection) -> None:
    for column in ("id", "pbx", "linked", "leg"):
        refuse(db, "call-identity", f"UPDATE call SET {column} = 'x' WHERE id = 'a'")
    refuse(db, "call-identity", "UPDATE call SET direction = 'callback' WHERE id = 'a'")
    refuse(db, "call-identity", "UPDATE call SET started_at = started_at - 1 WHERE id = 'a'")
    refuse(db, "cannot store TEXT", "UPDATE call SET queue = NULL, started_at = 'noon' WHERE id = 'a'")
    refuse(db, "call-ends-once", "UPDATE call SET ended_at = ended_at + 1")
    refuse(db, "call-ends-once", "UPDATE call SET lost_at = NULL")
    refuse(db, "call-party-stays", "UPDATE call SET party = 2 WHERE id = 'a'")
    refuse(db, "leg-logged-once", "REPLACE INTO call SELECT * FROM call WHERE id = 'a'")


def test_numbers(db: sqlite3.Connection) -> None:
    for number in (
        "600100200",
        "+0600100200",
        "+4860010020x",
        "+48600\r\n100",
        "+123456",
        "+" + "1" * 40,
        "",
        "+٤٨٦٠٠١٠٠",
    ):
        refuse(db, "party-number-is-e164", "INSERT INTO party (number, number_key) VALUES (?, ?)", number, "c" * 64)
    refuse(db, "party-key-is-hex", "INSERT INTO party (number, number_key) VALUES ('+48600100209', '+48600100209')")


def test_a_number_never_becomes_another(db: sqlite3.Connection) -> None:
    refuse(db, "party-identity", "UPDATE party SET number = '+48600100299' WHERE id = 1")


def test_erasing_a_number_leaves_the_calls(db: sqlite3.Connection) -> None:
    refuse(db, "party-has-open-callback", "DELETE FROM party WHERE id = 1")
    writing.callback_state(db, "cb-a", "cancelled", LATER, "erasure")
    db.execute("DELETE FROM party WHERE id = 1")
    assert db.execute("SELECT id, party FROM call ORDER BY id").fetchall() == [("a", None), ("b", None), ("c", 2)]
    assert db.execute("SELECT id, party FROM callback").fetchall() == [("cb-a", None)]


def test_registers_only_end(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO objection VALUES (1, 'k', 'callback', 1, 'key 8', NULL, NULL)")
    db.execute("INSERT INTO restriction VALUES (1, 'k', 1, NULL)")
    for table, end in (("objection", "withdrawn_at"), ("restriction", "lifted_at")):
        refuse(db, f"{table}-kept", f"UPDATE {table} SET number_key = 'other'")
        refuse(db, f"{table}-kept", f"DELETE FROM {table}")
        refuse(db, f"{table}-kept", f"REPLACE INTO {table} SELECT * FROM {table}")
        db.execute(f"UPDATE {table} SET {end} = 5")
        refuse(db, f"{table}-kept", f"UPDATE {table} SET {end} = NULL")
    refuse(db, "objection-needs", "INSERT INTO objection VALUES (2, NULL, 'callback', 1, 'key 8', NULL, NULL)")


def test_only_party_holds_a_number(db: sqlite3.Connection) -> None:
    """Design, rule 2.5: whatever was written about the call, the number stands in one table."""
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    holding = {
        table for table in tables if any(PARTY.number[1:] in str(row) for row in db.execute(f"SELECT * FROM {table}"))
    }
    assert holding == {"party"}

"""Recordings in the log: what the schema refuses, what the history tells, and that a destroyed key is gone."""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_log_rules import OTHER, T0, dropped, receipt, refuse

from oddzwon.log import (
    AgentConsent,
    CallLog,
    ConsentRow,
    Hold,
    LogRefused,
    NewCall,
    NewRecording,
    Party,
    Seal,
    Wrapped,
    recording_writing,
    writing,
)
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_writing
from oddzwon.log.queries import Queries
from oddzwon.log.recording_files import RecordingFiles
from oddzwon.log.recording_queries import JsonObject

ASKED = AgentConsent(
    agent="PJSIP/agent1",
    prompt="REC_CONSENT_AGENT",
    version="v1",
    sha256="1" * 64,
    language="de",
    played_ms=2_000,
    full_ms=4_000,
    key="1",
    agreed=True,
    at=T0 + 100,
    until=T0 + 50_000,
)
QUESTION = (ASKED.version, ASKED.sha256)
SEAL = Seal("ab.sealed", "2" * 64, "3" * 64, 48_044, 1_500)
HOLD = Hold("anna", "C 12/26", "Dr. Nowak", "2027-05-31")


def wrapped(key_id: str = "k1") -> Wrapped:
    return Wrapped(key_id, secrets.token_bytes(72))


def german(db: sqlite3.Connection) -> None:
    writing.arrive(db, "g", NewCall("lab", "inbound", "l-g", "leg-g", T0, preset="de"), None)


def armed(db: sqlite3.Connection, name: str = "r", *, state: str = "armed", call: str = "c") -> str:
    announced = writing.receipt(db, call, receipt("REC_OBJECT"))
    new = NewRecording("quality", announced, T0 + 500, T0 + 9_000_000, f"{name}.raw", leg="leg-c", mix="0x1")
    recording_writing.arm_recording(db, name, call, new)
    if state != "armed":
        recording_writing.recording_state(db, name, state, T0 + 900, "the call is over")
    return name


def seal(db: sqlite3.Connection, name: str = "r", key: Wrapped | None = None) -> None:
    made = replace(SEAL, file=f"{name}.sealed")
    recording_writing.seal_recording(db, name, made, key or wrapped(), T0 + 2_000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    own = open_for_writing(tmp_path / "log.db", 1_000)
    dropped(own, "c", OTHER)
    german(own)
    yield own
    own.close()


# --- the agent's consent --------------------------------------------------------------------------------------------

CONSENT = (
    "INSERT INTO agent_consent (agent, source, prompt, version, sha256, language, played_ms, full_ms, key, agreed,"
    " reference, at, until) VALUES (?, ?, ?, 'v', ?, 'de', ?, ?, ?, ?, ?, 5, ?)"
)
YES = ("PJSIP/a", "asked", "REC_CONSENT_AGENT", "0" * 64, 4_000, 4_000, "1", 1, None, 9)


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("consent-is-key-1", (*YES[:6], "2", *YES[7:])),
        ("consent-is-key-1", (*YES[:6], None, *YES[7:])),
        ("consent-is-key-1", (*YES[:4], 499, *YES[5:])),
        ("consent-is-key-1", (*YES[:4], 0, 0, *YES[6:])),
        ("consent-asked-has-its-receipt", (*YES[:2], "REC_CONSENT", *YES[3:])),
        ("consent-asked-has-its-receipt", (*YES[:4], None, *YES[5:])),
        ("consent-asked-has-its-receipt", (*YES[:9], None)),
        ("consent-asked-has-its-receipt", (None, *YES[1:])),
        ("consent-hash", (*YES[:3], "zz", *YES[4:])),
        ("consent-agent", (" ", *YES[1:])),
        ("consent-until", (*YES[:9], 4)),
        ("consent-key", (*YES[:6], "12", 0, *YES[8:])),
        ("consent-source", (YES[0], "guessed", *YES[2:])),
        ("consent-on-file-has-its-reference", (None, "on_file", None, None, None, None, None, 1, " ", None)),
        ("consent-on-file-has-its-reference", (None, "on_file", None, None, None, None, None, 0, "HR-7", None)),
        ("consent-on-file-has-its-reference", ("PJSIP/a", "on_file", None, None, None, None, None, 1, "HR-7", None)),
        ("consent-ended-is-none", ("PJSIP/a", "ended", None, None, None, None, None, 1, None, None)),
    ],
)
def test_what_is_no_agents_consent(db: sqlite3.Connection, rule: str, values: tuple[object, ...]) -> None:
    db.execute(CONSENT, YES)
    refuse(db, rule, CONSENT, *values)


def german_recording(
    db: sqlite3.Connection, consent: int | None, at: int = T0 + 500, prompt: str = "REC_CONSENT"
) -> None:
    key = "1" if prompt == "REC_CONSENT" else None
    announced = writing.receipt(db, "g", receipt(prompt, key))
    file = secrets.token_hex(4)
    new = NewRecording("contract", announced, at, at + 9_000, file, "LAB", side="agent", agent_consent=consent)
    recording_writing.arm_recording(db, file, "g", new)


def refuse_german(db: sqlite3.Connection, rule: str, consent: int | None, **more: object) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=rule):
        german_recording(db, consent, **more)  # type: ignore[arg-type]  # the keywords of the tests below


def test_in_germany_both_consent(db: sqlite3.Connection) -> None:
    """Section 201 StGB: the caller by key whatever the regime, and the agent whose latest word is a yes that counts."""
    refuse_german(db, "recording-without-agents-consent", None)
    refuse_german(db, "recording-without-agents-consent", 4_711)
    yes = recording_writing.agent_consent(db, ASKED)
    refuse_german(db, "recording-unasked", yes, prompt="REC_ANNOUNCE")
    refuse_german(db, "recording-without-agents-consent", yes, at=ASKED.at - 1)
    refuse_german(db, "recording-without-agents-consent", yes, at=ASKED.until + 1)
    german_recording(db, yes)
    german_recording(db, yes, at=ASKED.until)
    no = recording_writing.agent_consent(db, replace(ASKED, key=None, played_ms=4_000, agreed=False, at=T0 + 200))
    for consent in (yes, no):
        refuse_german(db, "recording-without-agents-consent", consent)
    again = recording_writing.agent_consent(db, replace(ASKED, at=T0 + 300))
    german_recording(db, again)
    assert recording_writing.end_agent_consent(db, ASKED.agent, T0 + 400) == 1
    assert recording_writing.end_agent_consent(db, ASKED.agent, T0 + 400) == 0
    refuse_german(db, "recording-without-agents-consent", again)


def test_in_germany_with_all_consents_on_file(db: sqlite3.Connection) -> None:
    on_file = recording_writing.consent_on_file(db, "HR-7", T0)
    german_recording(db, on_file)
    assert recording_writing.consent_on_file(db, "HR-7", T0 + 9) == on_file
    assert recording_writing.consent_on_file(db, "HR-8", T0 + 9) != on_file
    assert recording_writing.end_agent_consent(db, "PJSIP/agent1", T0 + 9) == 0


def test_a_consent_that_is_named_must_stand_elsewhere_too(db: sqlite3.Connection) -> None:
    no = recording_writing.agent_consent(db, replace(ASKED, key="7", agreed=False))
    announced = writing.receipt(db, "c", receipt("REC_OBJECT"))
    new = NewRecording("quality", announced, T0 + 500, T0 + 9_000, "x.raw", agent_consent=no)
    with pytest.raises(sqlite3.IntegrityError, match="recording-without-agents-consent"):
        recording_writing.arm_recording(db, "x", "c", new)


# --- sealing, keys, holds ---------------------------------------------------------------------------------------------

KEY = "INSERT INTO recording_key VALUES ('r', 'k', zeroblob(72))"
SEALED = f"INSERT INTO recording_seal VALUES ('r', 'r.sealed', '{'2' * 64}', '{'3' * 64}', 1, 1, 1)"


@pytest.mark.parametrize("state", [*v.RECORDING_OPEN, "failed", "deleted"])
def test_only_what_is_finished_is_sealed(db: sqlite3.Connection, state: str) -> None:
    armed(db, state=state)
    refuse(db, "recording-key-once", KEY)
    refuse(db, "seal-needs", SEALED)
    if state != "deleted":
        db.execute("UPDATE recording SET state = 'finished'")
        db.execute(KEY)
        db.execute("UPDATE recording SET state = ?", (state,))
        refuse(db, "seal-needs-a-finished-recording", SEALED)


def test_a_seal_needs_its_key(db: sqlite3.Connection) -> None:
    armed(db, state="finished")
    refuse(db, "seal-needs-its-key", SEALED)
    refuse(db, "recording-key-is-wrapped", KEY.replace("72", "32"))
    refuse(db, "recording-sealed-by-its-seal", "UPDATE recording SET sealed = 1")
    db.execute(KEY)
    db.execute(SEALED)
    assert db.execute("SELECT sealed FROM recording").fetchall() == [(1,)]
    refuse(db, "recording-sealed-by-its-seal", "UPDATE recording SET sealed = 0")
    for state in (*v.RECORDING_OPEN, "failed"):
        refuse(db, "recording-sealed-is-over", "UPDATE recording SET state = ?", state)


def test_a_key_comes_once_and_a_destroyed_one_never_again(db: sqlite3.Connection) -> None:
    armed(db, state="finished")
    seal(db)
    for verb in ("INSERT", "INSERT OR REPLACE"):
        refuse(db, "recording-key-once", KEY.replace("INSERT", verb))
    refuse(db, "recording_key-identity", "UPDATE recording_key SET recording = 'x'")
    refuse(db, "recording-deleted-with-its-key", "UPDATE recording SET state = 'deleted'")
    db.execute("DELETE FROM recording_key")
    refuse(db, "recording-key-once", KEY)


def test_a_hold_stands_above_every_deletion(db: sqlite3.Connection) -> None:
    armed(db, state="finished")
    seal(db)
    recording_writing.hold(db, "r", HOLD, T0 + 3_000)
    refuse(db, "recording-key-held", "DELETE FROM recording_key")
    refuse(db, "recording-held|recording-deleted-with", "UPDATE recording SET state = 'deleted'")
    db.execute("UPDATE recording_key SET wrapped = zeroblob(72)")  # renewing the operator's key is no erasure
    assert recording_writing.release(db, "r", None, by="anna", why="settled", at=T0 + 4_000) == 1
    assert recording_writing.destroy_recording(db, "r", T0 + 5_000, "retention") == ("r.raw", "r.sealed")
    assert db.execute("SELECT state FROM recording").fetchall() == [("deleted",)]


def test_a_hold_on_what_is_not_sealed_yet(db: sqlite3.Connection) -> None:
    armed(db)
    recording_writing.hold(db, "r", HOLD, T0 + 600)
    refuse(db, "recording-held", "UPDATE recording SET state = 'deleted'")
    recording_writing.recording_state(db, "r", "finished", T0 + 700, "")
    seal(db)


def test_holds_only_end(db: sqlite3.Connection) -> None:
    insert = (
        "INSERT INTO recording_hold (recording, at, by, reference, approver, review_on) VALUES ('r', 1, ?, ?, ?, ?)"
    )
    armed(db)
    for rule, values in (
        ("hold-needs-a-person", (" ", "C", "x", "2027-01-01")),
        ("hold-needs-a-reference", ("a", "", "x", "2027-01-01")),
        ("hold-needs-an-approver", ("a", "C", "", "2027-01-01")),
        ("hold-needs-a-review-date", ("a", "C", "x", "soon")),
    ):
        refuse(db, rule, insert, *values)
    db.execute(insert, ("a", "C", "x", "2027-01-01"))
    for verb in ("INSERT", "INSERT OR REPLACE"):
        refuse(db, "hold-stands-already", insert.replace("INSERT", verb), "a", "C", "x", "2027-01-01")
    db.execute(insert, ("a", "D", "x", "2027-01-01"))
    refuse(db, "recording_hold-kept", "DELETE FROM recording_hold")
    refuse(db, "recording_hold-kept", "UPDATE recording_hold SET review_on = '2030-01-01'")
    refuse(db, "release-is-whole", "UPDATE recording_hold SET released_at = 9")
    refuse(db, "release-needs", "UPDATE recording_hold SET released_at = 9, released_by = ' ', released_why = ''")
    assert recording_writing.release(db, "r", "C", by="anna", why="settled", at=9) == 1
    assert recording_writing.release(db, "r", "C", by="anna", why="settled", at=9) == 0
    refuse(db, "recording_hold-kept", "UPDATE recording_hold SET released_at = NULL WHERE reference = 'C'")
    assert recording_writing.release(db, "r", None, by="anna", why="settled", at=9) == 1
    recording_writing.recording_state(db, "r", "deleted", 10, "retention")
    refuse(db, "hold-on-what-is-gone", insert, "a", "E", "x", "2027-01-01")


def test_whose_channel_is_recorded_never_changes(db: sqlite3.Connection) -> None:
    armed(db)
    refuse(db, "recording-armed-as", "UPDATE recording SET side = 'agent'")
    refuse(db, "recording-armed-as", "UPDATE recording SET leg = 'another'")
    refuse(
        db,
        "recording-armed-as",
        f"UPDATE recording SET agent_consent = {recording_writing.consent_on_file(db, 'x', 1)}",
    )
    recording_writing.recording_mix(db, "r", "0x2")


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("table", ["agent_consent", "recording_event", "recording_seal"])
def test_what_is_never_changed(db: sqlite3.Connection, table: str, recursive: str) -> None:
    armed(db, state="finished")
    seal(db)
    recording_writing.agent_consent(db, ASKED)
    db.execute(f"PRAGMA recursive_triggers = {recursive}")
    rows = db.execute(f"SELECT * FROM {table}").fetchall()
    assert rows
    column = db.execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
    refuse(db, f"{table}-append-only", f"UPDATE {table} SET {column} = {column}")
    refuse(db, f"{table}-append-only", f"DELETE FROM {table}")
    places = ", ".join("?" for _ in rows[0])
    refuse(db, f"{table}-append-only|seal-needs", f"REPLACE INTO {table} VALUES ({places})", *rows[0])
    assert db.execute(f"SELECT * FROM {table}").fetchall() == rows


# --- the interface ------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(path) as log:
        yield log


async def recorded(log: CallLog, name: str = "ab", leg: str = "1.1", party: Party | None = None) -> tuple[str, str]:
    """A call with a recording, armed: both ids."""
    call = await log.arrive(NewCall("lab", "inbound", leg, leg, T0, party, preset="pl"))
    announced = await log.receipt(call, receipt("REC_OBJECT"))
    new = NewRecording("quality", announced, T0 + 500, T0 + 9_000_000, f"{name}.raw", leg=leg, mix="0x1")
    return call, await log.arm_recording(call, new)


async def finished_and_sealed(log: CallLog, name: str = "ab", leg: str = "1.1") -> tuple[str, Wrapped]:
    _, recording = await recorded(log, name, leg)
    await log.recording_state(recording, "finished", at=T0 + 1_000, why="the call is over")
    key = wrapped()
    await log.seal_recording(recording, replace(SEAL, file=f"{name}.sealed"), key, T0 + 2_000)
    return recording, key


def shown(path: Path, recording: str) -> JsonObject:
    with Queries(path, str) as queries:
        found = queries.recording_object(recording)
    assert found is not None
    return found


async def test_the_life_of_a_recording(log: CallLog, path: Path) -> None:
    call, recording = await recorded(log)
    await log.recording_mix(recording, "0x7f")
    await log.recording_state(recording, "recording", at=T0 + 600, why="bridged")
    await log.recording_state(recording, "paused", at=T0 + 700, why="*#0")
    (row,) = await log.unsealed_recordings("lab")
    assert (row.id, row.call, row.call_leg, row.leg, row.side, row.mix) == (
        recording,
        call,
        "1.1",
        "1.1",
        "caller",
        "0x7f",
    )
    assert (row.state, row.ended_at, row.judged, row.sealed_file, row.held) == ("paused", None, False, None, False)
    assert await log.unsealed_recordings("another") == ()
    await log.recording_state(recording, "finished", at=T0 + 1_000, why="the call is over")
    key = wrapped()
    await log.seal_recording(recording, SEAL, key, T0 + 2_000)
    assert await log.unsealed_recordings("lab") == ()
    found = await log.sealed(recording)
    assert found is not None
    assert (found.seal, found.wrapped) == (SEAL, key)
    await log.hold(recording, HOLD, T0 + 3_000)
    assert await log.holds(recording) == (HOLD.reference,)
    assert [one.held for one in await log.recordings(call)] == [True]
    with pytest.raises(LogRefused, match="recording-key-held"):
        await log.destroy_recording(recording, T0 + 3_500, "retention")
    assert shown(path, recording)["state"] == "sealed"
    await log.release(recording, reference=None, by="anna", why="settled", at=T0 + 4_000)
    assert set(await log.destroy_recording(recording, T0 + 5_000, "retention")) == {"ab.raw", "ab.sealed"}
    assert await log.destroy_recording(recording, T0 + 6_000, "again") == ("ab.raw", "ab.sealed")
    after = await log.sealed(recording)
    assert after is not None
    assert after.wrapped is None
    told = shown(path, recording)
    assert [(one["state"], one["why"]) for one in told["events"]] == [
        ("armed", "announced"),
        ("recording", "bridged"),
        ("paused", "*#0"),
        ("finished", "the call is over"),
        ("sealed", ""),
        ("held", HOLD.reference),
        ("released", "settled"),
        ("key destroyed", "retention"),
        ("deleted", "retention"),
    ]
    assert told == {
        "id": recording,
        "regime": "quality",
        "state": "deleted",
        "started_at": "2025-10-09T08:53:20.500Z",
        "delete_after": "2025-10-09T11:23:20.000Z",
        "file": "ab.sealed",
        "sealed_at": "2025-10-09T08:53:22.000Z",
        "sha256": "2" * 64,
        "seconds": 1.5,
        "held": False,
        "reference": None,
        "side": "caller",
        "key": None,
        "agent_consent": None,
        "holds": [
            {
                "at": "2025-10-09T08:53:23.000Z",
                "by": "anna",
                "reference": "C 12/26",
                "approver": "Dr. Nowak",
                "review_on": "2027-05-31",
                "released_at": "2025-10-09T08:53:24.000Z",
                "released_by": "anna",
                "released_why": "settled",
            }
        ],
        "events": told["events"],
        "call": call,
    }


async def test_lists(log: CallLog, path: Path) -> None:
    call, one = await recorded(log, "one")
    _, two = await recorded(log, "two", "2.1")
    with Queries(path, str) as queries:
        assert [r["id"] for r in queries.recording_list()] == sorted((one, two), reverse=True)
        assert [r["id"] for r in queries.recording_list(limit=1)] == [max(one, two)]
        assert [r["id"] for r in queries.recording_list(call=call)] == [one]
        assert queries.recording_list(since=T0 + 501) == []
        assert len(queries.recording_list(since=T0 + 500)) == 2
        assert queries.recording_object("rec_none") is None
        (in_call,) = (queries.call_object(call) or {})["recordings"]
        assert {**in_call, "call": call} == queries.recording_object(one)


async def test_the_agents_latest_word(log: CallLog) -> None:
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, T0) is None
    yes = await log.record_agent_consent(ASKED)
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, T0 + 100) == ConsentRow(
        yes, "PJSIP/agent1", "asked", True, ASKED.at, ASKED.until
    )
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, ASKED.at - 1) is None
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, ASKED.until + 1) is None
    assert await log.agent_consent("PJSIP/agent2", *QUESTION, T0 + 100) is None
    await log.record_agent_consent(replace(ASKED, key="7", agreed=False, at=T0 + 200))
    found = await log.agent_consent("PJSIP/agent1", *QUESTION, T0 + 300)
    assert found is not None
    assert not found.agreed
    await log.record_agent_consent(replace(ASKED, at=T0 + 300))
    assert await log.end_agent_consent("PJSIP/agent1", T0 + 400) == 1
    assert await log.end_agent_consent("PJSIP/agent1", T0 + 400) == 0
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, T0 + 500) is None
    assert await log.consent_on_file("HR-7", T0) == await log.consent_on_file("HR-7", T0 + 1)


async def test_a_consent_is_to_its_own_question(log: CallLog) -> None:
    """Another purpose is another text: neither a yes nor a no to it counts here; a logout ends them all."""
    yes = await log.record_agent_consent(ASKED)
    assert await log.agent_consent(ASKED.agent, "v2", ASKED.sha256, T0 + 300) is None
    assert await log.agent_consent(ASKED.agent, ASKED.version, "9" * 64, T0 + 300) is None
    await log.record_agent_consent(replace(ASKED, version="v2", key=None, played_ms=4_000, agreed=False, at=T0 + 200))
    found = await log.agent_consent(ASKED.agent, *QUESTION, T0 + 300)
    assert found is not None
    assert found.id == yes
    other = await log.record_agent_consent(replace(ASKED, agent="PJSIP/agent2"))
    assert await log.end_agent_consent(ASKED.agent, T0 + 400) == 1
    for version in ("v1", "v2"):
        assert await log.agent_consent(ASKED.agent, version, ASKED.sha256, T0 + 500) is None
    still = await log.agent_consent("PJSIP/agent2", *QUESTION, T0 + 500)
    assert still is not None
    assert still.id == other


async def test_after_a_time_out_of_sight_no_answer_counts(log: CallLog) -> None:
    for agent in ("PJSIP/agent1", "PJSIP/agent2"):
        await log.record_agent_consent(replace(ASKED, agent=agent))
    await log.record_agent_consent(replace(ASKED, agent="PJSIP/agent3", until=T0 + 350))
    await log.end_agent_consent("PJSIP/agent2", T0 + 300)
    await log.consent_on_file("HR-7", T0)
    assert await log.end_agent_consents(T0 + 400) == 1  # what was over already is not ended once more
    assert await log.agent_consent("PJSIP/agent1", *QUESTION, T0 + 500) is None
    assert await log.end_agent_consents(T0 + 400) == 0


async def test_holds_to_be_reviewed(log: CallLog, path: Path) -> None:
    recordings = [(await recorded(log, f"r{n}", f"{n}.1"))[1] for n in range(1, 4)]
    for recording, day in zip(recordings, ("2027-05-30", "2027-05-31", "2027-06-01"), strict=True):
        await log.hold(recording, replace(HOLD, review_on=day), T0)
    await log.release(recordings[0], reference=None, by="anna", why="over", at=T0 + 1)
    with RecordingFiles(path, str) as files:
        assert files.holds_due("2027-05-31") == (recordings[1],)
        assert files.holds_due("2027-05-01") == ()


async def test_refused_by_name(log: CallLog) -> None:
    recording, key = await finished_and_sealed(log)
    refusals: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
        ("recording-key-once", lambda: log.seal_recording(recording, SEAL, key, T0)),
        ("no-such-row", lambda: log.destroy_recording("rec_none", T0, "x")),
        ("no-such-row", lambda: log.recording_mix("rec_none", "0x1")),
        ("foreign-key", lambda: log.hold("rec_none", HOLD, T0)),
        ("hold-needs-a-reference", lambda: log.hold(recording, replace(HOLD, reference=" "), T0)),
        ("consent-is-key-1", lambda: log.record_agent_consent(replace(ASKED, key="2"))),
    )
    for rule, attempt in refusals:
        with pytest.raises(LogRefused) as refused:
            await attempt()
        assert refused.value.rule == rule


async def test_a_seal_that_is_refused_leaves_no_key(log: CallLog) -> None:
    _, recording = await recorded(log)
    await log.recording_state(recording, "finished", at=T0 + 1_000)
    with pytest.raises(LogRefused, match="seal-plain-hash"):
        await log.seal_recording(recording, replace(SEAL, plain_sha256="?"), wrapped(), T0)
    assert await log.wrapping_keys() == frozenset()
    assert len(await log.unsealed_recordings("lab")) == 1


async def test_the_files_that_should_be_and_should_not(log: CallLog, path: Path) -> None:
    sealed_one, _ = await finished_and_sealed(log, "sealed")
    gone, _ = await finished_and_sealed(log, "gone", "2.1")
    await log.destroy_recording(gone, T0 + 9_000, "retention")
    _, live = await recorded(log, "live", "3.1")
    _, cut = await recorded(log, "cut", "4.1")  # sealed and killed before the log knew of it; then objected to
    await log.destroy_recording(cut, T0 + 9_000, "objection")
    _, failed = await recorded(log, "failed", "5.1")
    await log.recording_state(failed, "failed", at=T0 + 9_000, why="its file was away")
    stems = ("sealed", "gone", "live", "cut", "failed", "stranger")
    names = [f"{name}{suffix}" for name in stems for suffix in (".raw", ".sealed")]
    nobodys = {f"{name}{suffix}" for name in ("failed", "stranger") for suffix in (".raw", ".sealed")}
    known = frozenset(names) - nobodys - {"live.sealed", "cut.sealed"}
    to_remove = {"sealed.raw", "gone.raw", "gone.sealed", "cut.raw", "cut.sealed"}
    assert await log.files_to_remove(names) == to_remove
    with RecordingFiles(path, str) as files:
        assert files.files_of(names) == known
        assert files.files_to_remove(names) == to_remove
        assert [row.id for row in files.finished("", 10)] == [sealed_one]
        assert files.finished(sealed_one, 10) == ()
        row = files.recording(live)
        assert row is not None
        assert row.state == "armed"
        assert files.wrapping_keys() == {"k1"}


async def test_a_restriction_reaches_the_recording(log: CallLog) -> None:
    _, recording = await recorded(log, party=OTHER)
    assert not await log.recording_restricted(recording)
    await log.restrict(number_key=OTHER.number_key, at=T0)
    assert await log.recording_restricted(recording)
    await log.lift_restriction(number_key=OTHER.number_key, at=T0 + 1)
    assert not await log.recording_restricted(recording)


async def test_keys_wrapped_otherwise(log: CallLog) -> None:
    made = [await finished_and_sealed(log, f"r{n}", f"{n}.1") for n in range(5)]
    assert await log.wrapped_otherwise("k1", 10) == ()
    assert len(await log.wrapped_otherwise("k2", 3)) == 3
    await log.rewrap([(made[1][0], made[1][1], made[1][1])])
    assert await log.wrapping_keys() == {"k1"}
    old = await log.wrapped_otherwise("k0", 10)
    assert dict(old) == dict(made)
    first = await log.wrapped_otherwise("k0", 2)
    assert first + await log.wrapped_otherwise("k0", 10, ("k1", first[-1][0])) == old
    await log.destroy_recording(made[0][0], T0, "erased meanwhile")
    assert await log.rewrap([(name, key, wrapped("k2")) for name, key in old]) == 4
    assert await log.wrapping_keys() == {"k2"}
    assert [await log.count_wrapped_otherwise(one) for one in ("k1", "k2")] == [4, 0]
    assert await log.rewrap([(name, key, wrapped("k3")) for name, key in old]) == 0


# --- gone from the bytes ------------------------------------------------------------------------------------------


def on_disk(path: Path) -> bytes:
    """Database and journal, as they lie there."""
    return b"".join(one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*")))


async def test_a_destroyed_key_is_gone_from_the_disk(log: CallLog, path: Path) -> None:
    kept, other = await finished_and_sealed(log, "kept")
    recording, key = await finished_and_sealed(log, "gone", "2.1")
    assert key.blob in on_disk(path)
    await log.destroy_recording(recording, T0 + 9_000, "erasure")
    assert key.blob not in on_disk(path)
    assert other.blob in on_disk(path)
    renewed = wrapped("k2")
    await log.rewrap([(kept, other, renewed)])
    assert other.blob not in on_disk(path)
    assert renewed.blob in on_disk(path)


async def test_somebody_reads_an_old_state_meanwhile(log: CallLog, path: Path) -> None:
    recording, key = await finished_and_sealed(log)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recording").fetchone()
        await log.destroy_recording(recording, T0 + 9_000, "erasure")  # it does not wait for him
        assert key.blob in on_disk(path)
        await log.record_access(by="a", what="calls", reason="b", at=T0)
        reader.execute("ROLLBACK")
    await log.record_access(by="a", what="calls", reason="b", at=T0)  # acknowledged after the journal was tried again
    assert key.blob not in on_disk(path)


async def test_it_is_tried_again_though_nobody_writes(
    log: CallLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddzwon.log.writer.ERASE_AGAIN_S", 0.01)
    recording, key = await finished_and_sealed(log)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recording").fetchone()
        await log.destroy_recording(recording, T0 + 9_000, "erasure")
    async with asyncio.timeout(10):
        while key.blob in on_disk(path):
            await log.recording(recording)  # questions do not hold it up


async def test_a_crash_before_the_journal_was_emptied(log: CallLog, path: Path, tmp_path: Path) -> None:
    recording, key = await finished_and_sealed(log)
    left = tmp_path / "left" / "log.db"
    left.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recording").fetchone()
        await log.destroy_recording(recording, T0 + 9_000, "erasure")
        for suffix in ("", "-wal"):
            left.with_name(f"log.db{suffix}").write_bytes(path.with_name(f"log.db{suffix}").read_bytes())
    assert key.blob in on_disk(left)
    async with await CallLog.open(left) as again:
        await again.record_access(by="a", what="calls", reason="b", at=T0)
        assert key.blob not in on_disk(left)
        row = await again.recording(recording)
        assert row is not None
        assert row.state == "deleted"


async def test_many_keys_in_a_tree_that_is_rebuilt_all_the_time(log: CallLog, path: Path) -> None:
    """Pages of keys are split, merged and freed: none of them keeps a copy of what was destroyed."""
    chance = random.Random(7)
    call, _ = await recorded(log)
    announced = await log.receipt(call, receipt("REC_OBJECT"))

    def fill(db: sqlite3.Connection) -> dict[str, Wrapped]:
        keys = {}
        for n in range(1_500):
            name = f"rec_{chance.randbytes(8).hex()}"
            new = NewRecording("quality", announced, T0 + 500, T0 + 9_000_000, f"{name}.raw")
            recording_writing.arm_recording(db, name, call, new)
            recording_writing.recording_state(db, name, "finished", T0 + n, "")
            keys[name] = wrapped(f"k{n % 3}")
            seal(db, name, keys[name])
        return keys

    keys = await log._write(fill)
    names = list(keys)
    chance.shuffle(names)
    destroyed: list[Wrapped] = []
    going, staying = names[:1_300], names[1_300:]

    def destroy(db: sqlite3.Connection) -> None:
        for _ in range(min(chance.randint(1, 40), len(going))):
            name = going.pop()
            recording_writing.destroy_recording(db, name, T0, "erasure")
            destroyed.append(keys[name])
        other = chance.choice(staying)
        old, keys[other] = keys[other], wrapped("k9")
        recording_writing.rewrap(db, [(other, old, keys[other])])
        destroyed.append(old)

    while going:
        await log._write(destroy, erases=True)
    lie_there = on_disk(path)
    assert [one for one in destroyed if one.blob in lie_there] == []
    assert all(keys[name].blob in lie_there for name in staying)

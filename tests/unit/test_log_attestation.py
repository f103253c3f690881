"""The agent's word in the log: what it lets in, what it never does, and a log of the first release brought up to it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from tests.unit.test_log_call_log import FIELDS, PARTY, T0, decided, inbound, mask, receipt, verdict
from tests.unit.test_log_rules import LATER, called_back, dropped, passed, refuse

from oddzwon.log import (
    CallLog,
    Condition,
    Decision,
    Evidence,
    Fact,
    LogCorrupt,
    LogRefused,
    LogTooOld,
    NewCall,
    writing,
)
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_reading, open_for_writing
from oddzwon.log.queries import Queries
from oddzwon.log.recording_queries import JsonObject
from oddzwon.log.records import Attestation, Ending
from oddzwon.log.schema import _first, known_versions, migrate

REFUSED = Decision(False, "p", T0 + 1_200, (Condition("NO_TECH_EVIDENCE", False, "ended, not interrupted"),))
WORD = Attestation(T0 + 5_000, "phone", "PJSIP/agent1")
AGAIN = Ending(
    "network", True, "high", "talking", "row", T0 + 5_100, (Evidence("the agent says so", "agent", T0),), n=2
)


# --- plain SQL against the schema --------------------------------------------------------------------------------


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Calls a (dropped at T0 + 1,000; its verdict is of T0 + 1,100), b (called back), and own (a callback's own)."""
    with closing(open_for_writing(tmp_path / "log.db", 1_000)) as db:
        db.execute("BEGIN")
        dropped(db, "a")
        dropped(db, "b")
        called_back(db, "b")
        dropped(db, "own", direction="callback")
        db.execute("COMMIT")
        yield db


ATTEST = "INSERT INTO attestation (call, at, door, by, fault, reason) VALUES (?, ?, ?, ?, ?, ?)"
ENDING = "INSERT INTO ending VALUES (?, ?, 'network', 1, 'high', 'talking', 'row', ?, ?)"


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("attestation-only-for-inbound", ("own", LATER, "phone", "x", None, "")),
        ("attestation-only-for-inbound", ("nowhere", LATER, "phone", "x", None, "")),
        ("attestation-door", ("a", LATER, "letter", "x", None, "")),
        ("attestation-needs-a-person", ("a", LATER, "phone", " ", None, "")),
        ("attestation-fault", ("a", LATER, "phone", "x", "weather", "")),
        ("attestation-needs-a-reason", ("a", LATER, "console", "x", None, " ")),
    ],
)
def test_what_is_no_attestation(db: sqlite3.Connection, rule: str, values: tuple[object, ...]) -> None:
    refuse(db, rule, ATTEST, *values)


def test_a_second_verdict_needs_a_word_that_the_first_could_not_know(db: sqlite3.Connection) -> None:
    again = "ending-again-needs-attestation"
    refuse(db, again, ENDING, "e2", "a", T0 + 9_000, 2)
    db.execute(ATTEST, ("a", T0 + 1_099, "code", "x", None, ""))  # the first verdict had it
    db.execute(ATTEST, ("b", T0 + 2_000, "code", "x", None, ""))  # another call's
    refuse(db, again, ENDING, "e2", "a", T0 + 9_000, 2)
    db.execute(ATTEST, ("a", T0 + 5_000, "code", "x", None, ""))
    refuse(db, again, ENDING, "e2", "a", T0 + 4_999, 2)  # a verdict from before the word
    refuse(db, again, ENDING, "e3", "a", T0 + 9_000, 3)
    refuse(db, "append-only", ENDING, "e2", "a", T0 + 9_000, 1)
    refuse(db, "ending-number", ENDING, "e2", "a", T0 + 9_000, 0)
    db.execute(ENDING, ("e2", "a", T0 + 9_000, 2))
    refuse(db, again, ENDING, "e3", "a", T0 + 9_500, 3)  # one word, one verdict
    refuse(db, "append-only", f"REPLACE {ENDING.removeprefix('INSERT ')}", "e2", "a", T0 + 9_000, 2)
    db.execute(ATTEST, ("a", T0 + 9_100, "console", "x", "pbx", "heard it"))
    db.execute(ENDING, ("e3", "a", T0 + 9_500, 3))


def test_a_second_drop_is_none(db: sqlite3.Connection) -> None:
    db.execute(ATTEST, ("a", T0 + 5_000, "code", "x", None, ""))
    writing.settle(db, "a", AGAIN, made="e2", facts=[], drop="d2")
    assert db.execute("SELECT id, ending FROM call_drop WHERE call = 'a'").fetchall() == [("drop-a", "end-a")]
    refuse(db, "call_drop-append-only", "INSERT INTO call_drop VALUES ('d2', 'a', 'e2', 1)")


def decide(db: sqlite3.Connection, decision: str, call: str, n: int) -> None:
    for seq, code in enumerate(v.DECISION_CODES, start=1):
        db.execute("INSERT INTO decision_condition VALUES (?, ?, ?, 1, '')", (decision, seq, code))
    db.execute("INSERT INTO decision VALUES (?, ?, 1, 'p', ?, ?)", (decision, call, T0 + 9_900, n))


def test_a_second_decision_needs_a_second_verdict_and_no_callback(db: sqlite3.Connection) -> None:
    def refused(rule: str, call: str, n: int) -> None:
        db.execute("BEGIN")
        with pytest.raises(sqlite3.IntegrityError, match=rule):
            decide(db, "again", call, n)
        db.execute("ROLLBACK")

    def judged() -> dict[str, int]:
        return dict(db.execute("SELECT id, judged FROM call WHERE id IN ('a', 'b')").fetchall())

    db.execute("BEGIN")
    writing.decide(db, "a", "dec-a", REFUSED, None)
    db.execute("COMMIT")
    assert judged() == {"a": 1, "b": 1}
    refused("decision-again-needs-ending", "a", 2)
    for call in ("a", "b"):
        db.execute(ATTEST, (call, T0 + 5_000, "code", "x", None, ""))
        db.execute(ENDING, (f"e2-{call}", call, T0 + 9_000, 2))
    assert judged() == {"a": 0, "b": 1}  # a is to be decided again, b has its callback
    refused("decision-again-after-callback", "b", 2)
    refused("append-only", "a", 1)
    refused("decision-number", "a", 0)
    db.execute("BEGIN")
    decide(db, "again", "a", 2)
    db.execute("COMMIT")
    assert judged() == {"a": 1, "b": 1}


# --- the log's own interface -------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(path) as log:
        yield log


async def refused_call(log: CallLog, leg: str = "1.1") -> str:
    """A call that the caller ended: judged, decided, not called back."""
    call = await inbound(log, leg)
    await log.receipt(call, receipt("L1"))
    await log.conclude(
        call, verdict(False), [Fact(T0, "LegEnded", leg)], ended_at=T0 + 1_000, lost_at=T0 + 900, agent="PJSIP/agent1"
    )
    assert await log.decide(call, REFUSED) is None
    return call


async def test_from_the_word_to_the_callback(log: CallLog, path: Path) -> None:
    call = await refused_call(log)
    await log.attest(call, WORD, Fact(WORD.at, "Attested", None, {"door": "phone"}))
    assert [one.fact for one in await log.facts(call)] == ["LegEnded", "Attested"]
    assert await log.attestations(call) == (WORD,)
    assert shown(path, call)["ending"]["against"][-1] == {
        "fact": "the agent says that it was cut off (phone)",
        "leg": "agent",
        "at": "2025-10-09T08:53:25.000Z",
    }
    assert await log.decided(call)
    assert await log.settle(call, AGAIN) is not None
    assert not await log.decided(call)
    # what a crash leaves here is found, with the verdict that is to be decided on
    assert [(one.call.id, one.ending) for one in await log.unjudged_calls()] == [(call, AGAIN)]
    assert await log.ending(call) == AGAIN
    callback = await log.decide(call, Decision(True, "p" * 64, T0 + 6_000, passed()))
    assert await log.decided(call)
    found = shown(path, call)
    assert list(found) == FIELDS
    assert found["callback"]["id"] == callback
    assert (found["ending"]["party"], found["ending"]["against"], found["decision"]["allowed"]) == ("network", [], True)
    assert [one["fact"] for one in found["ending"]["evidence"]] == ["the agent says so"]
    (earlier,) = found["earlier"]
    assert earlier["at"] == "2025-10-09T08:53:21.100Z"
    assert (earlier["ending"]["party"], earlier["decision"]["refusals"]) == ("caller", ["NO_TECH_EVIDENCE"])
    assert found["attestations"] == [
        {"at": "2025-10-09T08:53:25.000Z", "door": "phone", "by": "PJSIP/agent1", "fault": None, "reason": ""}
    ]


def shown(path: Path, call: str) -> JsonObject:
    with Queries(path, mask) as queries:
        found = queries.call_object(call)
    assert found is not None
    return found


async def test_a_call_with_its_callback_gets_no_other(log: CallLog) -> None:
    call = await inbound(log, "1.1")
    await log.receipt(call, receipt("L1"))
    await log.conclude(call, verdict(), ended_at=T0 + 1_000, lost_at=T0 + 900)
    callback = await decided(log, call)
    await log.attest(call, WORD)
    await log.settle(call, AGAIN)
    assert await log.decided(call)
    with pytest.raises(LogRefused) as caught:
        await decided(log, call)
    assert caught.value.rule == "decision-again-after-callback"
    await log.callback_state(callback, "cancelled", at=T0 + 9_000, why="by the operator")
    with pytest.raises(LogRefused):
        await decided(log, call)


async def test_judged_twice_by_two_lives_of_the_service(log: CallLog) -> None:
    call = await refused_call(log)
    await log.attest(call, WORD)
    await log.settle(call, AGAIN)
    with pytest.raises(LogRefused, match="append-only"):
        await log.settle(call, AGAIN)
    with pytest.raises(LogRefused, match="ending-again-needs-attestation"):
        await log.settle(call, replace(AGAIN, n=3))


async def test_the_agents_last_call(log: CallLog) -> None:
    first = await refused_call(log, "1.1")
    own = await log.arrive(NewCall("lab", "callback", "x", "x", T0, PARTY))
    await log.conclude(own, verdict(False), ended_at=T0 + 2_000, lost_at=T0 + 2_000, agent="PJSIP/agent1")
    elsewhere = await log.arrive(NewCall("other", "inbound", "y", "y", T0, PARTY))
    await log.end_call(elsewhere, ended_at=T0 + 3_000, lost_at=T0 + 3_000, agent="PJSIP/agent1")

    async def last(agent: str, since: int, pbx: str = "lab") -> str | None:
        found = await log.latest_of_agent(pbx, agent, since)
        return None if found is None else found.id

    assert await last("PJSIP/agent1", T0) == own
    assert await last("PJSIP/agent1", T0, "other") == elsewhere
    assert await last("PJSIP/agent1", T0 + 2_001) is None
    assert await last("PJSIP/agent", T0) is None
    assert first


async def test_words_that_nothing_has_followed(log: CallLog) -> None:
    first, second = await refused_call(log, "1.1"), await refused_call(log, "2.1")
    standing = await inbound(log, "3.1")
    for call in (second, standing):
        await log.attest(call, WORD)

    async def left(since: int = T0) -> set[str]:
        return {row.id for row in await log.attested_since("lab", since)}

    assert await left() == {second}
    assert await left(WORD.at + 1) == set()
    await log.attest(first, WORD)
    assert await left() == {first, second}
    await log.settle(second, AGAIN)
    assert await left() == {first}
    assert await log.attested_since("elsewhere", T0) == ()


async def test_judged_calls_in_parts(log: CallLog, path: Path) -> None:
    calls = sorted([await refused_call(log, str(n)) for n in range(5)])
    await log.attest(calls[2], WORD)
    await log.settle(calls[2], AGAIN)
    await inbound(log, "9.9")  # still up
    with Queries(path, mask) as queries:
        parts = [queries.judged(limit=3), queries.judged(limit=3, after=calls[2]), queries.judged(after=calls[4])]
        assert [[one.call for one in part] for part in parts] == [calls[:3], calls[3:], []]
        (third,) = queries.judged(calls=[calls[2], "call_none"])
        assert (third.party, third.technical, third.confidence) == ("network", True, "high")
        assert [one.call for one in queries.judged(since=T0)] == calls
        assert queries.judged(since=T0 + 1) == []
        assert [one.journal for one in queries.judged()] == [
            (Fact(T0, "LegEnded", one.leg),) for one in queries.judged()
        ]
        found = queries.journal_of(calls[0])
        assert found is not None
        assert (found[1], [fact.fact for fact in found[2]]) == (T0 + 1_000, ["LegEnded"])
        assert queries.journal_of("call_none") is None


# --- a log of the first release ----------------------------------------------------------------------------------

FIRST = Migrations("oddzwon.log")
FIRST(name="0001_first")(_first)
"""The schema as it was released first."""

OLD_DATA = f"""
INSERT INTO party VALUES (1, '+48600100200', '{"a" * 64}');
INSERT INTO call (id, pbx, direction, linked, leg, party, started_at, ended_at, lost_at, stage, agent)
  VALUES ('call_1', 'lab', 'inbound', 'l1', '1.1', 1, {T0}, {T0 + 1_000}, {T0 + 900}, 'talking', 'PJSIP/agent1'),
         ('call_2', 'lab', 'inbound', 'l2', '2.1', NULL, {T0}, {T0 + 1_000}, {T0 + 1_000}, 'menu', NULL),
         ('call_3', 'lab', 'callback', 'l3', '3.1', 1, {T0}, {T0 + 1_000}, {T0 + 1_000}, 'talking', NULL);
INSERT INTO notice_receipt VALUES (1, 'call_1', 'L1', 'v', '{"0" * 64}', 'pl', 9, 9, NULL, 1, {T0});
INSERT INTO notice_receipt VALUES (2, 'call_1', 'REC_OBJECT', 'v', '{"0" * 64}', 'pl', 9, 9, NULL, 1, {T0});
INSERT INTO recording VALUES ('rec_1', 'call_1', 'quality', 'finished', {T0 + 10}, 2, {T0 + 99_000}, 'a.wav', NULL);
INSERT INTO journal VALUES ('call_1', 1, {T0}, 'LegEnded', '1.1', '{{"cause": 44}}');
INSERT INTO ending VALUES ('end_1', 'call_1', 'network', 1, 'high', 'talking', '2026-11-1', {T0 + 1_100}),
                          ('end_2', 'call_2', 'caller', 0, 'high', 'menu', '2026-11-1', {T0 + 1_100}),
                          ('end_3', 'call_3', 'caller', 0, 'high', 'talking', '2026-11-1', {T0 + 1_100});
INSERT INTO ending_evidence VALUES ('end_1', 1, 'rtp_timeout', 'caller', {T0}), ('end_2', 1, 'bye', 'caller', {T0});
INSERT INTO call_drop VALUES ('drop_1', 'call_1', 'end_1', 1);
INSERT INTO decision_condition VALUES ('dec_2', 1, 'NO_TECH_EVIDENCE', 0, 'ended, not interrupted');
INSERT INTO decision VALUES ('dec_2', 'call_2', 0, 'p', {T0 + 1_200});
"""


def old_log(path: Path) -> None:
    """A log as the first release wrote it: a call called back, a refused one, and a callback's own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, FIRST)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("BEGIN")
        for statement in OLD_DATA.strip().split(";\n"):
            db.execute(statement)
        for seq, code in enumerate(v.DECISION_CODES, start=1):
            db.execute("INSERT INTO decision_condition VALUES ('dec_1', ?, ?, 1, '')", (seq, code))
        db.execute("INSERT INTO decision VALUES ('dec_1', 'call_1', 1, 'p', ?)", (T0 + 1_200,))
        db.execute(
            "INSERT INTO callback VALUES ('cb_1', 'drop_1', 'dec_1', 'call_1', 1, 1, 'waiting', ?)", (T0 + 1_200,)
        )
        db.execute("COMMIT")


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}


def test_a_log_of_the_first_release_is_brought_up_to_date(path: Path) -> None:
    old_log(path)
    before = everything(path)
    with pytest.raises(LogTooOld, match="0002_attestation"):
        open_for_reading(path, 50)
    with closing(open_for_writing(path, 1_000)) as db:
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    after = everything(path)
    added = {
        "ending": (1,),
        "decision": (1,),
        "ending_evidence": (0,),
        "recording": (None, "caller", None, None, 0),
        "call": (None, None),
        "attempt": (None,),
    }
    expected = {name: [(*row, *added.get(name, ())) for row in rows] for name, rows in before.items()}
    new = (
        "attestation",
        "agent_consent",
        "callback_switch",
        "policy",
        *(f"recording_{one}" for one in ("event", "seal", "key", "hold")),
    )
    expected |= {name: [] for name in new}
    assert expected == after | {"_sqlite_migrations": before["_sqlite_migrations"]}
    assert len(after["_sqlite_migrations"]) == len(known_versions())


def test_what_a_new_log_refuses_an_old_one_refuses_too(path: Path, tmp_path: Path) -> None:
    def schema(of: Path) -> dict[str, str]:
        with closing(open_for_writing(of, 1_000)) as db:
            return dict(db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())

    old_log(path)
    assert schema(path) == schema(tmp_path / "new.db")


async def test_an_old_refused_call_can_be_attested(path: Path) -> None:
    old_log(path)
    async with await CallLog.open(path) as log:
        await log.attest("call_2", WORD)
        await log.settle("call_2", replace(AGAIN, stage="menu"))
        assert await log.decide("call_2", replace(REFUSED, at=T0 + 6_000)) is None
        with pytest.raises(LogRefused, match="attestation-only-for-inbound"):
            await log.attest("call_3", WORD)
        (callback,) = await log.open_callbacks()
        assert callback.id == "cb_1"
    assert [one["decision"]["refusals"] for one in shown(path, "call_2")["earlier"]] == [["NO_TECH_EVIDENCE"]]
    assert shown(path, "call_1")["ending"]["rules"] == "2026-11-1"


def test_an_old_log_whose_references_are_broken_is_left_as_it_is(path: Path) -> None:
    old_log(path)
    with closing(sqlite3.connect(path)) as db, db:  # no foreign keys: as a careless tool would
        db.execute("INSERT INTO journal VALUES ('call_nowhere', 1, 1, 'x', NULL, '{}')")
    before = everything(path)
    with pytest.raises(LogCorrupt, match="a row of journal refers to nothing"):
        open_for_writing(path, 1_000)
    assert everything(path) == before

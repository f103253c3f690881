"""The call log's questions, as the service asks them while calls go on: each meets an index, none walks a table."""

# ruff: noqa: S608 -- the SQL is put together from constants of this file; values are bound
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import Any

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.caps import DAY_MS, HOUR_MS, DialCounts
from oddzwon.domain.events import Instant
from oddzwon.log import vocabulary as v
from oddzwon.log.records import (
    AttemptRow,
    Attestation,
    CallRow,
    Counts,
    Drop,
    Ending,
    Evidence,
    Fact,
    OpenCallback,
    Receipt,
    Standing,
    Switched,
    Unjudged,
)
from oddzwon.log.tables import one_of

_CALL = (
    "c.id, c.pbx, c.direction, c.linked, c.leg, p.number, p.number_key, c.did, c.language, c.preset, c.presentation,"
    " c.diverted, c.started_at, c.ended_at, c.lost_at, c.stage, c.menu_key, c.queue, c.agent, c.resumes,"
    " c.lost_boot, c.lost_boot_ms"
)
_CALL_WIDTH = 22
_FROM_CALL = "FROM call AS c LEFT JOIN party AS p ON p.id = c.party"
_ATTEMPT = "a.id, a.n, a.channel_id, a.call, a.state, a.at, a.cause, a.answered_at, a.never_existed"
_LAPSED_FOR_SURE_MS = 2 * HOUR_MS
"""No callback is dialled so long after it was made: the right to call back lapses within an hour, if not sooner."""
# this very text is the partial indices' condition: SQLite uses them only if it finds it again
_OPEN = f"b.state IN {one_of(v.CALLBACK_OPEN)}"


def _row(row: Sequence[Any]) -> CallRow:
    found, (boot, ms) = CallRow(*row[:-2]), row[-2:]
    return replace(
        found,
        diverted=None if found.diverted is None else bool(found.diverted),
        lost_boot=None if boot is None else BootInstant(boot, ms),
    )


def _calls(db: Connection, where: str, *values: object) -> tuple[CallRow, ...]:
    rows = db.execute(f"SELECT {_CALL} {_FROM_CALL} WHERE {where}", values)
    return tuple(_row(row) for row in rows)


def call(db: Connection, call: str) -> CallRow | None:
    """See CallLog.call; so with all that follow."""
    return next(iter(_calls(db, "c.id = ?", call)), None)


def call_of_leg(db: Connection, pbx: str, leg: str) -> CallRow | None:
    found = _calls(db, "c.pbx = ? AND c.leg = ? ORDER BY c.started_at DESC LIMIT 1", pbx, leg)
    return next(iter(found), None)


def open_calls(db: Connection, pbx: str | None) -> tuple[CallRow, ...]:
    return _calls(db, "c.ended_at IS NULL AND (?1 IS NULL OR c.pbx = ?1) ORDER BY c.started_at", pbx)


def unjudged_calls(db: Connection) -> tuple[Unjudged, ...]:
    found = _calls(db, "c.judged = 0 ORDER BY c.started_at")
    return tuple(Unjudged(call=one, ending=ending(db, one.id)) for one in found)


def receipts(db: Connection, call: str) -> tuple[Receipt, ...]:
    rows = db.execute(
        "SELECT prompt, version, sha256, language, played_ms, full_ms, key, complete, at"
        " FROM notice_receipt WHERE call = ? ORDER BY id",
        (call,),
    )
    return tuple(replace(Receipt(*row), complete=bool(row[7])) for row in rows)


def complete_notice(db: Connection, call: str, prompt: str) -> bool:
    return _exists(db, "SELECT 1 FROM notice_receipt WHERE call = ? AND prompt = ? AND complete = 1", call, prompt)


def facts(db: Connection, call: str) -> tuple[Fact, ...]:
    rows = db.execute("SELECT at, fact, leg, data FROM journal WHERE call = ? ORDER BY seq", (call,))
    return tuple(Fact(at, fact, leg, json.loads(data)) for at, fact, leg, data in rows)


def ending(db: Connection, call: str) -> Ending | None:
    row = db.execute(
        "SELECT id, party, technical, confidence, stage, rule, at, n FROM ending WHERE call = ?"
        " ORDER BY n DESC LIMIT 1",
        (call,),
    ).fetchone()
    if row is None:
        return None
    evidence = db.execute(
        "SELECT fact, leg, at, against FROM ending_evidence WHERE ending = ? ORDER BY seq", (row[0],)
    ).fetchall()
    return Ending(
        party=row[1],
        technical=None if row[2] is None else bool(row[2]),
        confidence=row[3],
        stage=row[4],
        rule=row[5],
        at=row[6],
        evidence=tuple(Evidence(*one[:3]) for one in evidence if not one[3]),
        against=tuple(Evidence(*one[:3]) for one in evidence if one[3]),
        n=row[7],
    )


def decided(db: Connection, call: str) -> bool:
    # a positive decision stays the last one: its callback is all that may follow
    return _exists(db, "SELECT 1 FROM call WHERE id = ? AND judged = 1", call)


def attestations(db: Connection, call: str) -> tuple[Attestation, ...]:
    rows = db.execute("SELECT at, door, by, fault, reason FROM attestation WHERE call = ? ORDER BY id", (call,))
    return tuple(Attestation(*row) for row in rows)


def attested_since(db: Connection, pbx: str, since: Instant) -> tuple[CallRow, ...]:
    # +: not by the index of the PBX's calls, which are all of them
    return _calls(
        db,
        "c.id IN (SELECT a.call FROM attestation AS a WHERE a.at >= ?"
        " AND EXISTS (SELECT 1 FROM ending AS e WHERE e.call = a.call)"
        " AND NOT EXISTS (SELECT 1 FROM ending AS e WHERE e.call = a.call AND e.at > a.at))"
        " AND +c.pbx = ? ORDER BY c.started_at",
        since,
        pbx,
    )


def latest_of_agent(db: Connection, pbx: str, agent: str, since: Instant) -> CallRow | None:
    found = _calls(
        db, "c.agent = ? AND c.ended_at >= ? AND c.pbx = ? ORDER BY c.ended_at DESC LIMIT 1", agent, since, pbx
    )
    return next(iter(found), None)


def open_callbacks(db: Connection) -> tuple[OpenCallback, ...]:
    return _callbacks(db, f"{_OPEN} ORDER BY b.created_at")


def open_callback_for(db: Connection, number_key: str) -> OpenCallback | None:
    found = _callbacks(db, f"b.party = (SELECT id FROM party WHERE number_key = ?) AND {_OPEN}", number_key)
    return next(iter(found), None)


def _callbacks(db: Connection, where: str, *values: object) -> tuple[OpenCallback, ...]:
    rows = db.execute(
        f"SELECT b.id, b.state, b.created_at, {_CALL} FROM callback AS b JOIN call AS c ON c.id = b.call"
        f" LEFT JOIN party AS p ON p.id = c.party WHERE {where}",
        values,
    ).fetchall()
    return tuple(
        OpenCallback(
            id=row[0],
            state=row[1],
            created_at=row[2],
            call=_row(row[3 : 3 + _CALL_WIDTH]),
            attempts=attempts(db, row[0]),
        )
        for row in rows
    )


def _attempt(row: Sequence[Any]) -> AttemptRow:
    return replace(AttemptRow(*row), never_existed=bool(row[8]))


def attempts(db: Connection, callback: str) -> tuple[AttemptRow, ...]:
    rows = db.execute(f"SELECT {_ATTEMPT} FROM attempt AS a WHERE a.callback = ? ORDER BY a.n", (callback,))
    return tuple(_attempt(row) for row in rows)


def counts(db: Connection, callback: str) -> Counts:
    row = db.execute("SELECT count(*), count(answered_at) FROM attempt WHERE callback = ?", (callback,)).fetchone()
    return Counts(*row)


def counts_for(db: Connection, number_key: str, since: Instant) -> Counts:
    row = db.execute(
        "SELECT count(*), count(a.answered_at) FROM callback AS b JOIN attempt AS a ON a.callback = b.id"
        " WHERE b.party = (SELECT id FROM party WHERE number_key = ?) AND b.created_at >= ?",
        (number_key, since),
    ).fetchone()
    return Counts(*row)


def earlier_counts(db: Connection, call: str) -> Counts:
    # UNION, not UNION ALL: should two calls ever resume each other, the walk still ends
    row = db.execute(
        "WITH RECURSIVE earlier (id) AS (SELECT resumes FROM call WHERE id = ? AND resumes IS NOT NULL"
        " UNION SELECT c.resumes FROM earlier AS e JOIN call AS c ON c.id = e.id WHERE c.resumes IS NOT NULL)"
        " SELECT count(*), count(a.answered_at) FROM earlier AS e JOIN callback AS b ON b.call = e.id"
        " JOIN attempt AS a ON a.callback = b.id",
        (call,),
    ).fetchone()
    return Counts(*row)


def dial_counts(db: Connection, number: str, prefix: str, now: Instant) -> DialCounts:
    # no upper bound: what lies before us because the clock was set back was dialled a moment ago, for all we know
    to_number = db.execute(
        "SELECT count(*) FROM callback AS b JOIN attempt AS a ON a.callback = b.id"
        " WHERE b.party = (SELECT id FROM party WHERE number = ?) AND b.created_at > ?"
        " AND a.at > ? AND a.never_existed = 0",
        (number, now - DAY_MS - _LAPSED_FOR_SURE_MS, now - DAY_MS),
    ).fetchone()
    in_hour = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE prefix = ?) FROM attempt WHERE at > ? AND never_existed = 0",
        (prefix, now - HOUR_MS),
    ).fetchone()
    in_day = db.execute("SELECT count(*) FROM attempt WHERE at > ? AND never_existed = 0", (now - DAY_MS,)).fetchone()
    return DialCounts(to_number[0], in_hour[1], in_hour[0], in_day[0])


def switched(db: Connection) -> Switched | None:
    row = db.execute("SELECT at, state, by, reason FROM callback_switch ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else Switched(row[0], row[1] == "off", row[2], row[3])


def callback_of(db: Connection, call: str) -> str | None:
    row = db.execute("SELECT id FROM callback WHERE call = ?", (call,)).fetchone()
    return None if row is None else str(row[0])


def objected(db: Connection, number_key: str, scope: str) -> bool:
    return _exists(
        db,
        "SELECT 1 FROM objection WHERE number_key = ? AND scope = ? AND withdrawn_at IS NULL",
        number_key,
        scope,
    )


def objected_in_call(db: Connection, call: str, scope: str) -> bool:
    return _exists(db, "SELECT 1 FROM objection WHERE call = ? AND scope = ? AND withdrawn_at IS NULL", call, scope)


def restricted(db: Connection, number_key: str) -> bool:
    return _exists(db, "SELECT 1 FROM restriction WHERE number_key = ? AND lifted_at IS NULL", number_key)


def inbound_after(db: Connection, number_key: str, instant: Instant, other_than: str | None) -> str | None:
    row = db.execute(
        "SELECT id FROM call WHERE party = (SELECT id FROM party WHERE number_key = ?) AND started_at > ?"
        " AND direction = 'inbound' AND id IS NOT ? ORDER BY started_at LIMIT 1",
        (number_key, instant, other_than),
    ).fetchone()
    return None if row is None else str(row[0])


def _resumed_by_caller(db: Connection, call: str) -> bool:
    return _exists(db, "SELECT 1 FROM call WHERE resumes = ? AND direction = 'inbound'", call)


def standing(db: Connection, number_key: str, call: str, lost_at: Instant) -> Standing:
    under_way = open_callback_for(db, number_key)
    return Standing(
        objected=objected(db, number_key, "callback"),
        objected_in_call=objected_in_call(db, call, "callback"),
        restricted=restricted(db, number_key),
        redialled=inbound_after(db, number_key, lost_at, call) is not None or _resumed_by_caller(db, call),
        callback_open=None if under_way is None else under_way.id,
    )


def recent_drop_for(db: Connection, number_key: str, since: Instant) -> Drop | None:
    row = db.execute(
        f"SELECT b.id, b.state, {_CALL} FROM call AS c JOIN party AS p ON p.id = c.party"
        " JOIN call_drop AS d ON d.call = c.id LEFT JOIN callback AS b ON b.call = c.id"
        " WHERE c.party = (SELECT id FROM party WHERE number_key = ?) AND c.lost_at >= ?"
        " AND c.direction = 'inbound' ORDER BY c.lost_at DESC LIMIT 1",
        (number_key, since),
    ).fetchone()
    if row is None:
        return None
    found = _row(row[2 : 2 + _CALL_WIDTH])
    resumed = db.execute("SELECT id FROM call WHERE resumes = ? ORDER BY started_at LIMIT 1", (found.id,)).fetchone()
    return Drop(
        call=found,
        layer1=complete_notice(db, found.id, v.LAYER1),
        callback=row[0],
        callback_state=row[1],
        resumed_by=None if resumed is None else resumed[0],
    )


def _exists(db: Connection, sql: str, *values: object) -> bool:
    return db.execute(f"{sql} LIMIT 1", values).fetchone() is not None

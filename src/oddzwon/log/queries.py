"""What the command line shows of the call log: the JSON objects of design section 7, field by field in its order.

Synchronous, and read-only also while the service writes. A list costs the same few queries however long it is, and
each meets an index. Numbers pass through the given mask unless they are to be revealed; logging that is the caller's.
"""

# ruff: noqa: S608 -- the SQL is put together from constants of ours; values are bound
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection, Error
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from sqlite_utils import Database

from oddzwon.domain.attestation import as_evidence
from oddzwon.domain.events import Instant, LegId
from oddzwon.log import reading
from oddzwon.log.callback_queries import attempts_of, callback_objects, which
from oddzwon.log.connection import open_for_reading
from oddzwon.log.errors import log_error
from oddzwon.log.ids import new_id
from oddzwon.log.recording_queries import JsonObject, recording_objects, recordings_of
from oddzwon.log.records import Fact, Judged, Switched
from oddzwon.log.times import iso

T = TypeVar("T")
Row: TypeAlias = dict[str, Any]
Children: TypeAlias = dict[str, list[JsonObject]]
Mask: TypeAlias = Callable[[str], str]
"""Hides most of an E.164 number, such as ``+48600•••200``."""

LIST_LIMIT = 100

_CALL = "SELECT c.*, p.number FROM call AS c LEFT JOIN party AS p ON p.id = c.party"
_OF_CALLS = "call IN (SELECT value FROM json_each(?))"
_SHOWN_OF_CALL = ("pbx", "direction", "started_at", "ended_at", "lost_at", "did", "language")


class Queries:
    """The call log of one file, opened for looking. A context manager.

    ``mask`` is applied to every number unless ``reveal``. Opening raises LogMissing, LogTooOld, LogTooNew, LogCorrupt
    or another LogError; so does every question.
    """

    def __init__(self, path: Path, mask: Mask, *, reveal: bool = False, busy_timeout_ms: int = 2_000) -> None:
        self._path = path
        self._mask = mask
        self._reveal = reveal
        self._db = Database(open_for_reading(path, busy_timeout_ms))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call_object(self, call: str) -> JsonObject | None:
        """The call with this id, or None."""
        return next(iter(self._snapshot(lambda: self._calls("c.id = ?", [call], 1))), None)

    def call_list(
        self, *, number_key: str | None = None, since: Instant | None = None, limit: int = LIST_LIMIT
    ) -> list[JsonObject]:
        """The newest calls first; of one number, begun at or after ``since``, at most ``limit``."""
        where: list[str] = []
        values: list[object] = []
        if number_key is not None:
            where.append("c.party = (SELECT id FROM party WHERE number_key = ?)")
            values.append(number_key)
        if since is not None:
            where.append("c.started_at >= ?")
            values.append(since)
        return self._snapshot(lambda: self._calls(" AND ".join(where) or "1", values, limit))

    def journal_of(self, call: str) -> tuple[LegId, Instant | None, list[Fact]] | None:
        """The caller's leg, the call's end, and its journal in order; None: there is no such call."""

        def read() -> list[JsonObject]:
            rows = self._rows("SELECT leg, ended_at FROM call WHERE id = ?", [call])
            facts = self._rows("SELECT * FROM journal WHERE call = ? ORDER BY seq", [call])
            return [{**row, "journal": facts} for row in rows]

        found = self._snapshot(read)
        return (found[0]["leg"], found[0]["ended_at"], [_fact(row) for row in found[0]["journal"]]) if found else None

    def judged(
        self, *, calls: Sequence[str] | None = None, since: Instant = 0, after: str = "", limit: int = LIST_LIMIT
    ) -> list[Judged]:
        """Calls with a verdict and their journals, by id (so in the order of their arrival), at most ``limit``.

        ``calls`` picks them by id; ``since`` leaves out those begun before; ``after``: from behind this id.
        """
        if since and not after:
            after = new_id("call", since, bytes)  # ids begin with the time: nothing older is walked through
        where, values = (
            ("1", []) if calls is None else ("c.id IN (SELECT value FROM json_each(?))", [json.dumps(calls)])
        )
        order = "ORDER BY c.id LIMIT ?"
        sql = (
            "SELECT c.id, c.leg, c.started_at, c.ended_at, e.party, e.technical, e.confidence, e.rule FROM call AS c"
            " JOIN ending AS e ON e.call = c.id AND e.n = (SELECT max(n) FROM ending WHERE call = c.id)"
            f" WHERE {where} AND c.id > ? AND c.started_at >= ? {order}"
        )

        def read() -> list[JsonObject]:
            rows = self._rows(sql, [*values, after, since, limit])
            facts = self._grouped(
                "call", f"SELECT * FROM journal WHERE {_OF_CALLS} ORDER BY call, seq", [row["id"] for row in rows], dict
            )
            return [{**row, "journal": facts.get(row["id"], [])} for row in rows]

        return [_judged(row) for row in self._snapshot(read)]

    def callback_object(self, callback: str) -> JsonObject | None:
        """The callback with this id, or None: the ``callback`` part of its call, what it belongs to, its history."""
        return next(iter(self._callbacks("b.id = ?", [callback], 1)), None)

    def callback_list(
        self,
        *,
        only_open: bool = False,
        state: str | None = None,
        since: Instant | None = None,
        limit: int = LIST_LIMIT,
    ) -> list[JsonObject]:
        """The newest callbacks first, at most ``limit``; not final, in this state, made at or after ``since``."""
        return self._callbacks(*which(only_open=only_open, state=state, since=since), limit)

    def _callbacks(self, where: str, values: Sequence[object], limit: int) -> list[JsonObject]:
        return self._snapshot(lambda: callback_objects(self._rows, self._number, where, values, limit))

    def recording_object(self, recording: str) -> JsonObject | None:
        """The recording with this id, or None: the part of its call, and ``call``."""
        found = self._snapshot(lambda: recording_objects(self._rows, "r.id = ?", [recording], 1))
        return next(iter(found), None)

    def recording_list(
        self, *, call: str | None = None, since: Instant | None = None, limit: int = LIST_LIMIT
    ) -> list[JsonObject]:
        """The newest recordings first; of one call, begun at or after ``since``, at most ``limit``."""
        wanted = {"r.call = ?": call, "r.started_at >= ?": since}
        where = " AND ".join(one for one, value in wanted.items() if value is not None) or "1"
        values = [value for value in wanted.values() if value is not None]
        return self._snapshot(lambda: recording_objects(self._rows, where, values, limit))

    def switched(self) -> Switched | None:
        """The latest turn of the kill switch; None: nobody ever turned it, callbacks are on."""
        return self.ask(reading.switched)

    def ask(self, question: Callable[[Connection], T]) -> T:
        """The answer to a question of :mod:`oddzwon.log.reading` or :mod:`oddzwon.log.recording_reading`."""
        try:
            return question(self._db.conn)
        except Error as error:
            raise log_error(error, self._path) from error

    # --- rows -----------------------------------------------------------------------------------------------------

    def _snapshot(self, read: Callable[[], list[JsonObject]]) -> list[JsonObject]:
        """All queries of one answer see the same moment, also while the service writes."""
        try:
            self._db.begin()
            try:
                return read()
            finally:
                self._db.rollback()
        except Error as error:
            raise log_error(error, self._path) from error

    def _rows(self, sql: str, values: Sequence[object]) -> list[Row]:
        return list(self._db.query(sql, list(values)))

    def _grouped(self, by: str, sql: str, ids: Sequence[str], shape: Callable[[Row], JsonObject]) -> Children:
        """The rows that belong to any of ``ids``, under the id in column ``by``: one query for a whole list."""
        found: Children = defaultdict(list)
        for row in self._rows(sql, [json.dumps(list(ids))]):
            found[row[by]].append(shape(row))
        return found

    def _number(self, number: str | None) -> str | None:
        return number if number is None or self._reveal else self._mask(number)

    # --- calls ----------------------------------------------------------------------------------------------------

    def _calls(self, where: str, values: Sequence[object], limit: int) -> list[JsonObject]:
        order = "ORDER BY c.started_at DESC, c.id DESC LIMIT ?"
        rows = self._rows(f"{_CALL} WHERE {where} {order}", [*values, limit])
        ids = [row["id"] for row in rows]
        notices = self._grouped(
            "call", f"SELECT * FROM notice_receipt WHERE {_OF_CALLS} ORDER BY call, id", ids, _notice
        )
        recordings = recordings_of(self._rows, ids)
        attested = self._attestations(ids)
        endings = self._endings(ids)
        decisions = self._decisions(ids)
        callbacks = self._grouped("call", f"SELECT * FROM callback WHERE {_OF_CALLS}", ids, dict)
        attempts = attempts_of(self._rows, [one["id"] for (one,) in callbacks.values()])
        return [
            {
                "id": row["id"],
                **{name: iso(row[name]) if name.endswith("_at") else row[name] for name in _SHOWN_OF_CALL},
                "number": self._number(row["number"]),
                "stage": endings[row["id"]][-1]["stage"] if row["id"] in endings else row["stage"],
                "menu_key": row["menu_key"],
                "queue": row["queue"],
                "agent": row["agent"],
                "notices": notices.get(row["id"], []),
                "recordings": recordings.get(row["id"], []),
                "ending": _ending(endings.get(row["id"], []), attested.get(row["id"], [])),
                "decision": next((one["decision"] for one in reversed(decisions.get(row["id"], []))), None),
                "callback": _callback(callbacks.get(row["id"]), attempts),
                "resumes": row["resumes"],
                "attestations": [_attestation(one) for one in attested.get(row["id"], [])],
                "earlier": _earlier(endings.get(row["id"], []), decisions.get(row["id"], [])),
            }
            for row in rows
        ]

    def _endings(self, calls: Sequence[str]) -> Children:
        """The verdicts of each call, the latest last, with their evidence."""
        rows = self._rows(f"SELECT * FROM ending WHERE {_OF_CALLS} ORDER BY call, n", [json.dumps(list(calls))])
        evidence = self._grouped(
            "ending",
            "SELECT * FROM ending_evidence WHERE ending IN (SELECT value FROM json_each(?)) ORDER BY ending, seq",
            [row["id"] for row in rows],
            lambda row: {**{name: row[name] for name in ("fact", "leg", "against")}, "at": iso(row["at"])},
        )
        found: Children = defaultdict(list)
        for row in rows:
            found[row["call"]].append({**row, "evidence": evidence.get(row["id"], [])})
        return found

    def _decisions(self, calls: Sequence[str]) -> Children:
        """The decisions of each call, the latest last, with the number of the verdict that each is on."""
        rows = self._rows(
            "SELECT d.*, p.json AS policy_values FROM decision AS d LEFT JOIN policy AS p ON p.hash = d.policy"
            f" WHERE d.{_OF_CALLS} ORDER BY d.call, d.n",
            [json.dumps(list(calls))],
        )
        conditions = self._grouped(
            "decision",
            "SELECT * FROM decision_condition WHERE decision IN (SELECT value FROM json_each(?))"
            " ORDER BY decision, seq",
            [row["id"] for row in rows],
            lambda row: {"code": row["code"], "passed": _truth(row["passed"]), "evidence": row["evidence"]},
        )
        found: Children = defaultdict(list)
        for row in rows:
            found[row["call"]].append({"n": row["n"], "decision": _decision(row, conditions.get(row["id"], []))})
        return found

    def _attestations(self, calls: Sequence[str]) -> Children:
        return self._grouped("call", f"SELECT * FROM attestation WHERE {_OF_CALLS} ORDER BY call, id", calls, dict)


def _judged(row: Row) -> Judged:
    return Judged(
        call=row["id"],
        leg=row["leg"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        party=row["party"],
        technical=_truth(row["technical"]),
        confidence=row["confidence"],
        rule=row["rule"],
        journal=tuple(_fact(one) for one in row["journal"]),
    )


def _fact(row: Row) -> Fact:
    return Fact(row["at"], row["fact"], row["leg"], json.loads(row["data"]))


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _notice(row: Row) -> JsonObject:
    shown = ("prompt", "version", "sha256", "language", "played_ms", "full_ms", "key")
    return {**{name: row[name] for name in shown}, "complete": bool(row["complete"])}


def _ending(rows: list[JsonObject], attested: list[JsonObject]) -> JsonObject | None:
    """The latest verdict. What was attested after it, and left it as it is, stands beside its evidence."""
    if not rows:
        return None
    row = rows[-1]
    shown = _verdict(row)
    later = [
        {"fact": as_evidence(one["fault"], one["door"]), "leg": "agent", "at": iso(one["at"])}
        for one in attested
        if one["at"] >= row["at"]
    ]
    shown["evidence" if row["technical"] else "against"] += later
    return shown


def _verdict(row: Row) -> JsonObject:
    def side(against: int) -> list[JsonObject]:
        shown = ("fact", "leg", "at")
        return [{name: one[name] for name in shown} for one in row["evidence"] if one["against"] == against]

    return {
        "party": row["party"],
        "technical": _truth(row["technical"]),
        "confidence": row["confidence"],
        "evidence": side(0),
        "against": side(1),
        "rules": row["rule"],
    }


def _earlier(endings: list[JsonObject], decisions: list[JsonObject]) -> list[JsonObject]:
    """The verdicts before the latest, oldest first, each with its decision (null: none was made on it)."""
    decided = {one["n"]: one["decision"] for one in decisions}
    return [{"at": iso(row["at"]), "ending": _verdict(row), "decision": decided.get(row["n"])} for row in endings[:-1]]


def _attestation(row: Row) -> JsonObject:
    return {"at": iso(row["at"]), **{name: row[name] for name in ("door", "by", "fault", "reason")}}


def _decision(row: Row, conditions: list[JsonObject]) -> JsonObject:
    return {
        "allowed": bool(row["allowed"]),
        "refusals": [condition["code"] for condition in conditions if condition["passed"] is not True],
        "conditions": conditions,
        "policy": row["policy"],
        "policy_values": None if row["policy_values"] is None else json.loads(row["policy_values"]),
    }


def _callback(rows: list[JsonObject] | None, attempts: Children) -> JsonObject | None:
    if not rows:
        return None
    (row,) = rows
    return {"id": row["id"], "state": row["state"], "attempts": attempts.get(row["id"], [])}

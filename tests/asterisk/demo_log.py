"""What the call log says, row by row as it is written: the other source of the timeline."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from oddzwon.domain.events import Instant
from oddzwon.domain.number import mask
from oddzwon.log.reader import Reader
from tests.asterisk.demo_ears import DemoEars
from tests.asterisk.demo_timeline import Line, Who
from tests.asterisk.heard import LEAST_MS

Row = dict[str, Any]
ON_THE_WAY_MS = 300
"""A prompt's last packets may come a moment after its receipt; well below the timeline's patience."""

_CALLS = """
SELECT c.id, c.started_at AS at, c.direction, c.resumes, p.number FROM call AS c
LEFT JOIN party AS p ON p.id = c.party WHERE c.started_at >= ?
"""
_RECEIPTS = "SELECT r.*, c.direction FROM notice_receipt AS r JOIN call AS c ON c.id = r.call WHERE r.at >= ?"
_RECORDINGS = """
SELECT r.id, r.started_at AS at, r.regime, n.prompt FROM recording AS r
JOIN notice_receipt AS n ON n.id = r.announcement WHERE r.started_at >= ?
"""
_STATES = {"recording": "begins"}
_DECISIONS = """
SELECT d.id, d.at, d.allowed, k.direction, count(*) AS conditions, sum(c.passed IS 1) AS passed,
       group_concat(CASE WHEN c.passed IS 1 THEN NULL ELSE c.code END, ', ') AS refusals
FROM decision AS d JOIN call AS k ON k.id = d.call JOIN decision_condition AS c ON c.decision = d.id
WHERE d.at >= ? GROUP BY d.id
"""
_ENDINGS = """
SELECT e.*, (SELECT group_concat(v.fact, '; ') FROM ending_evidence AS v WHERE v.ending = e.id) AS evidence
FROM ending AS e WHERE e.at >= ?
"""
_ATTEMPTS = """
SELECT a.*, p.number FROM attempt AS a JOIN callback AS b ON b.id = a.callback
LEFT JOIN party AS p ON p.id = b.party WHERE a.at >= ?
"""
_QUERIES: tuple[tuple[str, Callable[[Row], str]], ...] = (
    (
        _CALLS,
        lambda row: (
            f"{row['direction']} call {row['id']}"
            + (f" of {mask(row['number'])}" if row["number"] else " without a number")
            + (f", resumes {row['resumes']}" if row["resumes"] else "")
        ),
    ),
    (
        _RECEIPTS,
        lambda row: (
            f"receipt: {row['prompt']} {row['version']} played {row['played_ms'] / 1000:.1f}"
            f" of {row['full_ms'] / 1000:.1f} s" + (f", key {row['key']}" if row["key"] else "")
            + (", complete" if row["complete"] else ", not complete")
        ),
    ),
    (
        _RECORDINGS,
        lambda row: f"recording armed, regime {row['regime']}, announced by {row['prompt']}",
    ),
    (
        "SELECT e.* FROM recording_event AS e WHERE e.state <> 'armed' AND e.at >= ?",
        lambda row: f"recording {_STATES.get(row['state'], row['state'])}" + (f": {row['why']}" if row["why"] else ""),
    ),
    (
        _ENDINGS,
        lambda row: (
            f"verdict: ended by {row['party']}, {_fault(row['technical'])},"
            f" confidence {row['confidence'] or '–'}, while {row['stage']}: {row['evidence']}"
        ),
    ),
    (
        _DECISIONS,
        lambda row: (
            f"decision on the {row['direction']} call: {'call back' if row['allowed'] else 'do not call back'},"
            f" {row['passed']} of {row['conditions']} conditions passed"
            + (f", refused for {row['refusals']}" if row["refusals"] else "")
        ),
    ),
    (
        _ATTEMPTS,
        lambda row: f"attempt {row['n']} to {mask(row['number'] or '')} committed, before any INVITE leaves",
    ),
    (
        "SELECT e.* FROM callback_event AS e WHERE e.at >= ?",
        lambda row: f"callback {row['state']}" + (f": {row['why']}" if row["why"] else ""),
    ),
)  # fmt: skip


class LogWatch:
    """The rows that were written since ``since``, each told once; ``ears`` tell whether a receipt was heard."""

    def __init__(self, reader: Reader, since: Instant, ears: DemoEars) -> None:
        self._reader = reader
        self._since = since
        self._ears = ears
        self._told: set[tuple[object, ...]] = set()

    @classmethod
    async def open(cls, path: Path, since: Instant, ears: DemoEars) -> LogWatch:
        """Open the file read-only; raises LogError."""
        return cls(await Reader.open(path, busy_timeout_ms=2_000), since, ears)

    async def close(self) -> None:
        """Close the file."""
        await self._reader.close()

    async def lines(self) -> list[Line]:
        """What is new; raises LogError."""
        return await self._reader.run(lambda db: list(self._new(db)))

    def _new(self, db: sqlite3.Connection) -> Iterator[Line]:
        for n, (query, words) in enumerate(_QUERIES):
            cursor = db.execute(query, [self._since])
            names = [column[0] for column in cursor.description]
            for values in cursor:
                row = dict(zip(names, values, strict=True))
                key = (n, row.get("id") or (row.get("callback") or row["recording"], row["seq"]))
                if query is _RECEIPTS and time.time() * 1000 - row["at"] < ON_THE_WAY_MS:
                    continue  # until the next look
                if key not in self._told:
                    self._told.add(key)
                    heard = self._heard(row) if query is _RECEIPTS else ""
                    yield Line(row["at"] / 1000, Who.LOG, words(row) + heard)

    def _heard(self, receipt: Row) -> str:
        if receipt["played_ms"] < LEAST_MS:
            return ""
        return "; heard: yes" if self._ears.heard(receipt["direction"], receipt) else "; heard: NO"


def _fault(technical: int | None) -> str:
    return {None: "unknown whether a fault", 0: "no fault", 1: "a fault"}[technical]

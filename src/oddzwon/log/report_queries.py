"""What the log holds of a shift, counted: the inbound calls that began in it, and all that followed from them.

It walks the calls of the period by ``call_by_start`` and finds the rest by the calls' own keys, so that it costs what
the period holds, however long the log is. Everything is of one moment, also while the service writes.
"""

# ruff: noqa: S608 -- the SQL is put together from constants of this file; values are bound
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from sqlite3 import Connection, Row
from typing import Final, TypeAlias

from oddzwon.domain.events import Instant
from oddzwon.domain.report import Dialled, Step, Tally, Told, kind_of

Bucket: TypeAlias = int | str | None
"""A period's place in the list, else the name of a queue or a DID (None: the call had none)."""


class Apart(StrEnum):
    """By what the calls are counted apart."""

    PERIOD = "period"
    QUEUE = "queue"
    DID = "did"


_BUCKET: Final = {Apart.PERIOD: "p.key", Apart.QUEUE: "c.queue", Apart.DID: "c.did"}


@dataclass(frozen=True, slots=True)
class Shift:
    """Which inbound calls: begun in one of the periods (from, until; UTC ms), of this queue, of this DID."""

    periods: Sequence[tuple[Instant, Instant]]
    queue: str | None = None
    did: str | None = None
    apart: Apart = Apart.PERIOD


# CROSS JOIN keeps SQLite to this order: period, its calls, what hangs on each of them
_CALLS: Final = """
FROM json_each(:periods) AS p CROSS JOIN call AS c ON c.started_at >= p.value ->> 0 AND c.started_at < p.value ->> 1
"""
_THESE: Final = "c.direction = 'inbound' AND (:queue IS NULL OR c.queue = :queue) AND (:did IS NULL OR c.did = :did)"
_LATEST: Final = "{alias}.call = c.id AND {alias}.n = (SELECT max(n) FROM {table} WHERE call = c.id)"
_ENDING: Final = _LATEST.format(alias="e", table="ending")
_DECISION: Final = _LATEST.format(alias="d", table="decision")

ENDED: Final = f"""
SELECT {{bucket}} AS bucket, c.ended_at IS NOT NULL AS ended, e.party, e.technical, e.confidence,
  (SELECT fact FROM ending_evidence WHERE ending = e.id AND seq = 1 AND against = 0) AS fact,
  d.allowed,
  CASE WHEN e.technical THEN EXISTS
    (SELECT 1 FROM call AS r WHERE r.resumes = c.id AND r.direction = 'inbound') END AS redialled,
  count(*) AS calls
{_CALLS} LEFT JOIN ending AS e ON {_ENDING} LEFT JOIN decision AS d ON {_DECISION}
WHERE {_THESE} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""

REFUSED: Final = f"""
SELECT {{bucket}} AS bucket, k.code, count(*) AS calls, coalesce(sum(e.technical), 0) AS drops,
  sum(k.passed IS NULL) AS unknown,
  sum(CASE WHEN e.technical THEN NOT EXISTS (SELECT 1 FROM decision_condition AS o
    WHERE o.decision = d.id AND o.passed IS NOT 1 AND o.code <> k.code) ELSE 0 END) AS alone
{_CALLS} CROSS JOIN decision AS d ON {_DECISION} CROSS JOIN decision_condition AS k ON k.decision = d.id
  LEFT JOIN ending AS e ON {_ENDING}
WHERE {_THESE} AND d.allowed = 0 AND k.passed IS NOT 1 GROUP BY 1, 2
"""

_CALLBACKS: Final = f"{_CALLS} CROSS JOIN callback AS b ON b.call = c.id"
CALLBACKS: Final = f"SELECT {{bucket}} AS bucket, b.id, b.state, c.lost_at {_CALLBACKS} WHERE {_THESE}"
HISTORY: Final = f"""
SELECT h.callback, h.at, h.state, h.why {_CALLBACKS} CROSS JOIN callback_event AS h ON h.callback = b.id
WHERE {_THESE} ORDER BY h.callback, h.seq
"""
DIALS: Final = f"""
SELECT a.callback, a.n, a.at, a.state, a.cause, a.answered_at IS NOT NULL AS answered, a.never_existed,
  coalesce((SELECT technical FROM ending WHERE call = a.call ORDER BY n DESC LIMIT 1), 0) AS cut_off_again
{_CALLBACKS} CROSS JOIN attempt AS a ON a.callback = b.id WHERE {_THESE} ORDER BY a.callback, a.n
"""
QUESTIONS: Final = (ENDED, REFUSED, CALLBACKS, HISTORY, DIALS)


def tallies(db: Connection, shift: Shift) -> dict[Bucket, Tally]:
    """What was counted of the shift, apart; a period in which no call began has an empty tally."""
    found: dict[Bucket, Tally] = defaultdict(Tally)
    if shift.apart is Apart.PERIOD:
        found |= {place: Tally() for place in range(len(shift.periods))}
    with _one_moment(db):
        for row in _rows(db, ENDED, shift):
            _count_calls(found[row["bucket"]], row)
        for row in _rows(db, REFUSED, shift):
            refused = found[row["bucket"]].refused
            for of in ("calls", "drops", "alone", "unknown"):
                refused[row["code"], of] += row[of]
        for bucket, told in _callbacks(db, shift):
            found[bucket].callback(told)
    return found


def _count_calls(tally: Tally, row: Row) -> None:
    """The calls of one kind: alike in their verdict, its first evidence, and what was decided."""
    n, drop = row["calls"], bool(row["technical"])
    decided = {None: "not_yet", 0: "refused", 1: "allowed"}[row["allowed"]]
    tally.decided["calls", decided] += n
    if row["party"] is None:
        tally.calls["not_judged" if row["ended"] else "under_way"] += n
        return
    tally.calls["judged"] += n
    technical = None if row["technical"] is None else drop
    tally.endings[row["party"], technical, row["confidence"], kind_of(row["fact"] or "")] += n
    if drop:
        tally.calls["drops"] += n
        tally.calls["redials"] += n * row["redialled"]
        tally.decided["drops", decided] += n


def _callbacks(db: Connection, shift: Shift) -> Iterator[tuple[Bucket, Told]]:
    history: dict[str, list[Step]] = defaultdict(list)
    for row in _rows(db, HISTORY, shift):
        history[row["callback"]].append(Step(row["at"], row["state"], row["why"]))
    dials: dict[str, list[Dialled]] = defaultdict(list)
    for row in _rows(db, DIALS, shift):
        flags = (bool(row[name]) for name in ("answered", "never_existed", "cut_off_again"))
        dials[row["callback"]].append(Dialled(row["n"], row["at"], row["state"], row["cause"], *flags))
    for row in _rows(db, CALLBACKS, shift):
        callback = row["id"]
        yield row["bucket"], Told(row["state"], row["lost_at"], history[callback], dials[callback])


def _rows(db: Connection, question: str, shift: Shift) -> Iterator[Row]:
    cursor = db.cursor()
    cursor.row_factory = Row
    values = {"periods": json.dumps(list(shift.periods)), "queue": shift.queue, "did": shift.did}
    yield from cursor.execute(question.format(bucket=_BUCKET[shift.apart]), values)


@contextmanager
def _one_moment(db: Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:  # some errors end it by themselves
            db.execute("ROLLBACK")

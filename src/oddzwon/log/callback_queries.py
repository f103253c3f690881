"""What the command line shows of callbacks: the JSON objects of ``calls`` and ``callbacks``, field by field."""

# ruff: noqa: S608 -- the SQL is put together from constants of ours; values are bound
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence

from oddzwon.domain.events import Instant
from oddzwon.log.recording_queries import JsonObject, Rows
from oddzwon.log.tables import one_of
from oddzwon.log.times import iso
from oddzwon.log.vocabulary import CALLBACK_OPEN

_CALLBACK = (
    "SELECT b.*, c.did, c.queue, c.agent, c.lost_at, p.number FROM callback AS b JOIN call AS c ON c.id = b.call"
    " LEFT JOIN party AS p ON p.id = b.party"
)
_OF_CALLBACKS = "callback IN (SELECT value FROM json_each(?))"


def attempts_of(rows: Rows, callbacks: Sequence[str]) -> dict[str, list[JsonObject]]:
    """The dials of each callback, in their order: one query for a whole list."""
    found: dict[str, list[JsonObject]] = defaultdict(list)
    for row in rows(f"SELECT * FROM attempt WHERE {_OF_CALLBACKS} ORDER BY callback, n", [json.dumps(list(callbacks))]):
        shown = {name: row[name] for name in ("n", "channel_id", "call", "state")}
        found[row["callback"]].append({**shown, "at": iso(row["at"]), "cause": row["cause"]})
    return found


def _history_of(rows: Rows, callbacks: Sequence[str]) -> dict[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = defaultdict(list)
    asked = f"SELECT * FROM callback_event WHERE {_OF_CALLBACKS} ORDER BY callback, seq"
    for row in rows(asked, [json.dumps(list(callbacks))]):
        found[row["callback"]].append({"at": iso(row["at"]), "state": row["state"], "why": row["why"]})
    return found


def which(*, only_open: bool, state: str | None, since: Instant | None) -> tuple[str, list[object]]:
    """The condition of a list, and its values; each way meets an index that is in the list's order."""
    wanted: list[tuple[str, list[object]]] = []
    if only_open:
        wanted.append((f"b.state IN {one_of(CALLBACK_OPEN)}", []))
    if state is not None:
        wanted.append(("b.state = ?", [state]))
    if since is not None:
        wanted.append(("b.created_at >= ?", [since]))
    return " AND ".join(where for where, _ in wanted) or "1", [value for _, values in wanted for value in values]


def callback_objects(
    rows: Rows, shown_number: Callable[[str | None], str | None], where: str, values: Sequence[object], limit: int
) -> list[JsonObject]:
    """The newest callbacks first, each with the call that dropped, its dials and its history."""
    order = "ORDER BY b.created_at DESC, b.id DESC LIMIT ?"
    found = rows(f"{_CALLBACK} WHERE {where} {order}", [*values, limit])
    ids = [row["id"] for row in found]
    attempts, history = attempts_of(rows, ids), _history_of(rows, ids)
    return [
        {
            "id": row["id"],
            "state": row["state"],
            "attempts": attempts.get(row["id"], []),
            "call": row["call"],
            "number": shown_number(row["number"]),
            "did": row["did"],
            "queue": row["queue"],
            "agent": row["agent"],
            "lost_at": iso(row["lost_at"]),
            "created_at": iso(row["created_at"]),
            "history": history.get(row["id"], []),
        }
        for row in found
    ]

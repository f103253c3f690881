"""What the command line shows of recordings: the JSON objects of ``calls`` and ``recordings``, field by field."""

# ruff: noqa: S608 -- the SQL is put together from constants of ours; values are bound
from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from oddzwon.log.times import iso
from oddzwon.log.vocabulary import RECORDING_SEALED

JsonObject: TypeAlias = dict[str, Any]
Rows: TypeAlias = Callable[[str, Sequence[object]], list[JsonObject]]
"""Runs a query with its values, within the answer's snapshot."""

_RECORDING = (
    "SELECT r.*, s.file AS sealed_file, s.sealed_at, s.plain_sha256, s.duration_ms, k.key_id FROM recording AS r"
    " LEFT JOIN recording_seal AS s ON s.recording = r.id LEFT JOIN recording_key AS k ON k.recording = r.id"
)


def recordings_of(rows: Rows, calls: Sequence[str]) -> dict[str, list[JsonObject]]:
    """The recordings of each call, oldest first: four queries for a whole list."""
    found: dict[str, list[JsonObject]] = defaultdict(list)
    of_calls = "r.call IN (SELECT value FROM json_each(?)) ORDER BY r.started_at, r.id"
    for row, shown in _shown(rows, of_calls, [json.dumps(list(calls))]):
        found[row["call"]].append(shown)
    return found


def recording_objects(rows: Rows, where: str, values: Sequence[object], limit: int) -> list[JsonObject]:
    """The newest recordings first, each with its ``call``."""
    order = "ORDER BY r.started_at DESC, r.id DESC LIMIT ?"
    return [{**shown, "call": row["call"]} for row, shown in _shown(rows, f"{where} {order}", [*values, limit])]


def _shown(rows: Rows, where: str, values: Sequence[object]) -> list[tuple[JsonObject, JsonObject]]:
    found = rows(f"{_RECORDING} WHERE {where}", values)
    ids = [row["id"] for row in found]
    events = _grouped(rows, "recording_event", "seq", ids)
    holds = _grouped(rows, "recording_hold", "id", ids)
    consents = {
        row["id"]: row
        for row in rows(
            "SELECT * FROM agent_consent WHERE id IN (SELECT value FROM json_each(?))",
            [json.dumps([row["agent_consent"] for row in found])],
        )
    }
    return [
        (row, _recording(row, events[row["id"]], holds[row["id"]], consents.get(row["agent_consent"]))) for row in found
    ]


def _grouped(rows: Rows, table: str, order: str, ids: Sequence[str]) -> dict[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = defaultdict(list)
    sql = f"SELECT * FROM {table} WHERE recording IN (SELECT value FROM json_each(?)) ORDER BY recording, {order}"
    for row in rows(sql, [json.dumps(list(ids))]):
        found[row["recording"]].append(row)
    return found


def _recording(
    row: JsonObject, events: list[JsonObject], holds: list[JsonObject], consent: JsonObject | None
) -> JsonObject:
    sealed = row["sealed_file"] is not None
    return {
        **{name: row[name] for name in ("id", "regime")},
        "state": RECORDING_SEALED if sealed and row["state"] != "deleted" else row["state"],
        "started_at": iso(row["started_at"]),
        "delete_after": iso(row["delete_after"]),
        "file": row["sealed_file"] if sealed else row["file"],
        "sealed_at": iso(row["sealed_at"]),
        "sha256": row["plain_sha256"],
        "seconds": row["duration_ms"] / 1000 if sealed else None,
        "held": any(hold["released_at"] is None for hold in holds),
        "reference": row["reference"],
        "side": row["side"],
        "key": row["key_id"],
        "agent_consent": None if consent is None else _consent(consent),
        "holds": [_hold(hold) for hold in holds],
        "events": [{"at": iso(one["at"]), "state": one["state"], "why": one["why"]} for one in events],
    }


def _consent(row: JsonObject) -> JsonObject:
    shown = ("source", "agent", "prompt", "version", "sha256", "language", "played_ms", "full_ms", "key", "reference")
    return {**{name: row[name] for name in shown}, "at": iso(row["at"]), "until": iso(row["until"])}


def _hold(row: JsonObject) -> JsonObject:
    return {
        "at": iso(row["at"]),
        **{name: row[name] for name in ("by", "reference", "approver", "review_on")},
        "released_at": iso(row["released_at"]),
        **{name: row[name] for name in ("released_by", "released_why")},
    }

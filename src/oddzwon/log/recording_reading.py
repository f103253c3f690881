"""The log's questions about recordings, as the service asks them: each meets an index, none walks a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection

from oddzwon.domain.events import Instant
from oddzwon.log import vocabulary as v
from oddzwon.log.recording_records import ConsentRow, RecordingRow, Seal, Sealed, Wrapped
from oddzwon.log.tables import one_of

_ROW = (
    "SELECT r.id, r.state, r.file, r.call, c.pbx, c.leg, c.ended_at, c.judged, r.regime, r.started_at, r.delete_after,"
    " r.announcement, r.reference, r.leg, r.side, r.mix, r.agent_consent, s.file,"
    " EXISTS (SELECT 1 FROM recording_hold AS h WHERE h.recording = r.id AND h.released_at IS NULL),"
    " (SELECT n.prompt FROM notice_receipt AS n WHERE n.id = r.announcement),"
    " (SELECT e.why FROM recording_event AS e WHERE e.recording = r.id ORDER BY e.seq DESC LIMIT 1)"
    " FROM recording AS r JOIN call AS c ON c.id = r.call LEFT JOIN recording_seal AS s ON s.recording = r.id"
)
# this very text is the partial index's condition: SQLite uses it only if it finds it again
_UNSEALED = f"r.sealed = 0 AND r.state IN {one_of((*v.RECORDING_OPEN, 'finished'))}"
_SEALED = (
    "SELECT s.recording, s.file, s.plain_sha256, s.sealed_sha256, s.plain_bytes, s.duration_ms, k.key_id, k.wrapped"
    " FROM recording_seal AS s LEFT JOIN recording_key AS k ON k.recording = s.recording"
)


def _rows(db: Connection, where: str, *values: object) -> tuple[RecordingRow, ...]:
    rows = (RecordingRow(*row) for row in db.execute(f"{_ROW} WHERE {where}", values))
    return tuple(replace(row, judged=bool(row.judged), held=bool(row.held)) for row in rows)


def recordings(db: Connection, call: str) -> tuple[RecordingRow, ...]:
    """See CallLog.recordings; so with all that follow."""
    return _rows(db, "r.call = ? ORDER BY r.started_at, r.id", call)


def recording(db: Connection, recording: str) -> RecordingRow | None:
    return next(iter(_rows(db, "r.id = ?", recording)), None)


def unsealed_recordings(db: Connection, pbx: str) -> tuple[RecordingRow, ...]:
    return _rows(db, f"{_UNSEALED} AND +c.pbx = ? ORDER BY r.started_at", pbx)


def sealed(db: Connection, recording: str) -> Sealed | None:
    row = db.execute(f"{_SEALED} WHERE s.recording = ?", (recording,)).fetchone()
    if row is None:
        return None
    return Sealed(row[0], Seal(*row[1:6]), None if row[6] is None else Wrapped(row[6], row[7]))


def wrapped_otherwise(
    db: Connection, key_id: str, limit: int, after: tuple[str, str] = ("", "")
) -> tuple[tuple[str, Wrapped], ...]:
    # two ranges of the index; <> would walk all of it
    behind = "SELECT recording, key_id, wrapped FROM recording_key WHERE (key_id, recording) > (?3, ?4)"
    rows = db.execute(
        f"SELECT * FROM ({behind} AND key_id < ?1 ORDER BY key_id, recording LIMIT ?2)"  # noqa: S608 - ours
        f" UNION ALL SELECT * FROM ({behind} AND key_id > ?1 ORDER BY key_id, recording LIMIT ?2) LIMIT ?2",
        (key_id, limit, *after),
    )
    return tuple((row[0], Wrapped(row[1], row[2])) for row in rows)


def wrapping_keys(db: Connection) -> frozenset[str]:
    # from one id to the next by the index: DISTINCT would walk through every row
    rows = db.execute(
        "WITH RECURSIVE used (id) AS (SELECT min(key_id) FROM recording_key"
        " UNION ALL SELECT (SELECT min(key_id) FROM recording_key WHERE key_id > used.id) FROM used"
        " WHERE used.id IS NOT NULL) SELECT id FROM used WHERE id IS NOT NULL"
    )
    return frozenset(row[0] for row in rows)


def count_wrapped_otherwise(db: Connection, key_id: str) -> int:
    return int(db.execute("SELECT count(*) FROM recording_key WHERE key_id <> ?", (key_id,)).fetchone()[0])


def agent_consent(db: Connection, agent: str, version: str, sha256: str, at: Instant) -> ConsentRow | None:
    row = db.execute(
        "SELECT id, agent, source, agreed, at, until FROM agent_consent WHERE agent = ?1"
        " AND (source = 'ended' OR (version = ?2 AND sha256 = ?3)) ORDER BY id DESC LIMIT 1",
        (agent, version, sha256),
    ).fetchone()
    if row is None or row[2] == "ended":
        return None
    found = replace(ConsentRow(*row), agreed=bool(row[3]))
    return found if found.at <= at and (found.until is None or at <= found.until) else None


def holds_due(db: Connection, today: str) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT DISTINCT recording FROM recording_hold WHERE released_at IS NULL AND review_on <= ? ORDER BY recording",
        (today,),
    )
    return tuple(row[0] for row in rows)


def holds(db: Connection, recording: str) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT reference FROM recording_hold WHERE recording = ? AND released_at IS NULL ORDER BY id", (recording,)
    )
    return tuple(row[0] for row in rows)


def recording_restricted(db: Connection, recording: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM recording AS r JOIN call AS c ON c.id = r.call JOIN party AS p ON p.id = c.party"
        " JOIN restriction AS x ON x.number_key = p.number_key AND x.lifted_at IS NULL WHERE r.id = ? LIMIT 1",
        (recording,),
    ).fetchone()
    return row is not None


def finished_recordings(db: Connection, after: str, limit: int) -> tuple[RecordingRow, ...]:
    return _rows(db, "r.id > ? AND r.state = 'finished' ORDER BY r.id LIMIT ?", after, limit)


def files_of(db: Connection, names: Sequence[str]) -> frozenset[str]:
    found = db.execute(
        # what has failed is never looked at again: should a file of it lie there, somebody has to
        "SELECT file FROM recording WHERE file IN (SELECT value FROM json_each(?1)) AND state <> 'failed'"
        " UNION SELECT file FROM recording_seal WHERE file IN (SELECT value FROM json_each(?1))",
        (json.dumps(list(names)),),
    )
    return frozenset(row[0] for row in found)


def files_to_remove(db: Connection, names: Sequence[str]) -> frozenset[str]:
    found = db.execute(
        "SELECT r.file FROM recording AS r WHERE r.file IN (SELECT value FROM json_each(?1))"
        " AND (r.sealed = 1 OR r.state = 'deleted')"
        " UNION SELECT s.file FROM recording_seal AS s JOIN recording AS r ON r.id = s.recording"
        " WHERE s.file IN (SELECT value FROM json_each(?1)) AND r.state = 'deleted'"
        # a crash may have kept the seal of a file out of the log that was deleted then
        " UNION SELECT n.value FROM json_each(?1) AS n JOIN recording AS r ON r.state = 'deleted'"
        " AND r.file IN (replace(n.value, '.sealed', '.raw'), replace(n.value, '.sealed', '.wav'))",
        (json.dumps(list(names)),),
    )
    return frozenset(row[0] for row in found)

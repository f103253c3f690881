"""The writes of recordings, each a function that runs inside the writer's transaction; see :mod:`oddzwon.log.writing`.

Every change of a recording's state leaves a line in its history: when, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from oddzwon.domain.events import Instant
from oddzwon.log.errors import LogRefused
from oddzwon.log.recording_records import AgentConsent, Hold, NewRecording, Seal, Wrapped
from oddzwon.log.vocabulary import RECORDING_SEALED


def _history(db: Connection, recording: str, at: Instant, state: str, why: str) -> None:
    db.execute(
        "INSERT INTO recording_event (recording, seq, at, state, why)"
        " SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4 FROM recording_event WHERE recording = ?1",
        (recording, at, state, why),
    )


def _one(changed: int, recording: str) -> None:
    if changed != 1:
        raise LogRefused("no-such-row", f"the call log has no recording {recording} (no-such-row)")


def arm_recording(db: Connection, recording: str, call: str, new: NewRecording) -> None:
    """Insert the recording, armed."""
    db.execute(
        "INSERT INTO recording (id, call, regime, state, started_at, announcement, delete_after, file, reference,"
        " leg, side, mix, agent_consent) VALUES (?, ?, ?, 'armed', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            recording,
            call,
            new.regime,
            new.started_at,
            new.announcement,
            new.delete_after,
            new.file,
            new.reference,
            new.leg,
            new.side,
            new.mix,
            new.agent_consent,
        ),
    )
    _history(db, recording, new.started_at, "armed", "announced")


def recording_state(db: Connection, recording: str, state: str, at: Instant, why: str) -> None:
    """Move the recording on and log it."""
    done = db.execute("UPDATE recording SET state = ? WHERE id = ?", (state, recording))
    _one(done.rowcount, recording)
    _history(db, recording, at, state, why)


def recording_mix(db: Connection, recording: str, mix: str) -> None:
    """Set the MixMonitorID."""
    _one(db.execute("UPDATE recording SET mix = ? WHERE id = ?", (mix, recording)).rowcount, recording)


def seal_recording(db: Connection, recording: str, seal: Seal, wrapped: Wrapped, at: Instant) -> None:
    """Insert the wrapped key and the seal that needs it."""
    db.execute(
        "INSERT INTO recording_key (recording, key_id, wrapped) VALUES (?, ?, ?)",
        (recording, wrapped.key_id, wrapped.blob),
    )
    db.execute(
        "INSERT INTO recording_seal (recording, file, plain_sha256, sealed_sha256, plain_bytes, duration_ms, sealed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            recording,
            seal.file,
            seal.plain_sha256,
            seal.sealed_sha256,
            seal.plain_bytes,
            seal.duration_ms,
            at,
        ),
    )
    _history(db, recording, at, RECORDING_SEALED, "")


def destroy_recording(db: Connection, recording: str, at: Instant, why: str) -> tuple[str, ...]:
    """Delete its key and mark it deleted; returns the files that are to be removed."""
    row = db.execute(
        "SELECT r.file, s.file FROM recording AS r LEFT JOIN recording_seal AS s ON s.recording = r.id WHERE r.id = ?",
        (recording,),
    ).fetchone()
    if row is None:
        raise LogRefused("no-such-row", f"the call log has no recording {recording} (no-such-row)")
    if db.execute("DELETE FROM recording_key WHERE recording = ?", (recording,)).rowcount:
        _history(db, recording, at, "key destroyed", why)
    changed = db.execute("UPDATE recording SET state = 'deleted' WHERE id = ? AND state <> 'deleted'", (recording,))
    if changed.rowcount:
        _history(db, recording, at, "deleted", why)
    return tuple(file for file in row if file is not None)


def rewrap(db: Connection, recordings: Sequence[tuple[str, Wrapped, Wrapped]]) -> int:
    """Put the new wrapping in the old one's place; one that was destroyed meanwhile stays so."""
    return sum(
        db.execute(
            "UPDATE recording_key SET key_id = ?, wrapped = ? WHERE recording = ? AND wrapped = ?",
            (new.key_id, new.blob, recording, old.blob),
        ).rowcount
        for recording, old, new in recordings
    )


def agent_consent(db: Connection, made: AgentConsent) -> int:
    """Insert the agent's answer; returns its id."""
    row = db.execute(
        "INSERT INTO agent_consent (agent, source, prompt, version, sha256, language, played_ms, full_ms, key, agreed,"
        " at, until) VALUES (?, 'asked', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            made.agent,
            made.prompt,
            made.version,
            made.sha256,
            made.language,
            made.played_ms,
            made.full_ms,
            made.key,
            made.agreed,
            made.at,
            made.until,
        ),
    ).fetchone()
    return int(row[0])


def consent_on_file(db: Connection, reference: str, at: Instant) -> int:
    """The id of the operator's word that every agent's consent is on file; inserted when it is given first."""
    row = db.execute(
        "SELECT id FROM agent_consent WHERE agent IS NULL AND reference = ? AND at <= ? ORDER BY id DESC LIMIT 1",
        (reference, at),
    ).fetchone()
    row = (
        row
        or db.execute(
            "INSERT INTO agent_consent (source, agreed, reference, at) VALUES ('on_file', 1, ?, ?) RETURNING id",
            (reference, at),
        ).fetchone()
    )
    return int(row[0])


def end_agent_consent(db: Connection, agent: str, at: Instant) -> int:
    """Insert the end of his answers, if one counts, yes or no; returns 1 then."""
    return _end_consents(db, at, "SELECT ?2", agent)


def end_agent_consents(db: Connection, at: Instant) -> int:
    """Insert the end of every agent's answers that count; returns how many agents'."""
    return _end_consents(db, at, "SELECT DISTINCT agent FROM agent_consent WHERE agent IS NOT NULL")


def _end_consents(db: Connection, at: Instant, agents: str, *values: str) -> int:
    return db.execute(
        f"INSERT INTO agent_consent (agent, source, agreed, at) SELECT one.agent, 'ended', 0, ?1"  # noqa: S608 - ours
        f" FROM (SELECT NULL AS agent WHERE 0 UNION ALL {agents}) AS one WHERE EXISTS (SELECT 1 FROM agent_consent AS a"
        " WHERE a.agent = one.agent AND a.source = 'asked' AND a.until >= ?1 AND NOT EXISTS"
        " (SELECT 1 FROM agent_consent AS l WHERE l.agent = a.agent AND l.id > a.id AND l.source = 'ended'))",
        (at, *values),
    ).rowcount


def hold(db: Connection, recording: str, made: Hold, at: Instant) -> None:
    """Insert the hold."""
    db.execute(
        "INSERT INTO recording_hold (recording, at, by, reference, approver, review_on) VALUES (?, ?, ?, ?, ?, ?)",
        (recording, at, made.by, made.reference, made.approver, made.review_on),
    )
    _history(db, recording, at, "held", made.reference)


def release(db: Connection, recording: str, reference: str | None, *, by: str, why: str, at: Instant) -> int:
    """End the hold of this reference, or every one; returns how many stood."""
    done = db.execute(
        "UPDATE recording_hold SET released_at = ?1, released_by = ?2, released_why = ?3"
        " WHERE recording = ?4 AND released_at IS NULL AND (?5 IS NULL OR reference = ?5)",
        (at, by, why, recording, reference),
    ).rowcount
    if done:
        _history(db, recording, at, "released", why)
    return done

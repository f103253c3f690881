"""The call log's writes, each a function that runs inside the writer's transaction.

They may be run again after a rollback: ids and times come from outside. sqlite3's errors pass through; the writer
translates them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.caps import Caps, check, prefix_of
from oddzwon.domain.events import Instant
from oddzwon.log.errors import LogRefused
from oddzwon.log.ids import channel_id
from oddzwon.log.reading import dial_counts
from oddzwon.log.records import (
    AttemptRow,
    Attestation,
    Condition,
    Decision,
    Ending,
    Fact,
    NewCall,
    Party,
    Receipt,
    Switched,
)
from oddzwon.log.vocabulary import ATTEMPT_ANSWERED


def _one(changed: int, what: str, row: str) -> None:
    """An UPDATE that meets no row would be an acknowledged write of nothing."""
    if changed != 1:
        raise LogRefused("no-such-row", f"the call log has no {what} {row} (no-such-row)")


def _party(db: Connection, party: Party | None) -> int | None:
    if party is None:
        return None
    row = db.execute(
        "INSERT INTO party (number, number_key) VALUES (?, ?)"
        " ON CONFLICT (number) DO UPDATE SET number_key = excluded.number_key RETURNING id",
        (party.number, party.number_key),
    ).fetchone()
    return int(row[0])


def arrive(db: Connection, call: str, new: NewCall, attempt: str | None) -> None:
    """Insert the call; tie the attempt to it."""
    db.execute(
        "INSERT INTO call (id, pbx, direction, linked, leg, party, did, language, preset, presentation, diverted,"
        " started_at, stage, resumes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            call,
            new.pbx,
            new.direction,
            new.linked,
            new.leg,
            _party(db, new.party),
            new.did,
            new.language,
            new.preset,
            new.presentation,
            new.diverted,
            new.started_at,
            new.stage,
            new.resumes,
        ),
    )
    if attempt is not None:
        link_attempt_call(db, attempt, call)


def _set(db: Connection, call: str, columns: Mapping[str, str | int | None]) -> None:
    known = {name: value for name, value in columns.items() if value is not None}
    if not known:
        return
    assignments = ", ".join(f"{name} = ?" for name in known)
    done = db.execute(f"UPDATE call SET {assignments} WHERE id = ?", (*known.values(), call))  # noqa: S608 -- the names are keyword arguments of ours, never input
    _one(done.rowcount, "call", call)


def change_call(db: Connection, call: str, columns: Mapping[str, str | None], party: Party | None) -> None:
    """Set the columns that are not None, and the party."""
    _set(db, call, {**columns, "party": _party(db, party)})


def receipt(db: Connection, call: str, made: Receipt) -> int:
    """Insert the receipt; returns its id."""
    row = db.execute(
        "INSERT INTO notice_receipt (call, prompt, version, sha256, language, played_ms, full_ms, key, complete, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            call,
            made.prompt,
            made.version,
            made.sha256,
            made.language,
            made.played_ms,
            made.full_ms,
            made.key,
            made.complete,
            made.at,
        ),
    ).fetchone()
    return int(row[0])


def journal(db: Connection, call: str, facts: Sequence[Fact]) -> None:
    """Append the facts behind the last one."""
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal WHERE call = ?", (call,)).fetchone()
    db.executemany(
        "INSERT INTO journal (call, seq, at, fact, leg, data) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (call, seq, fact.at, fact.fact, fact.leg, json.dumps(dict(fact.data), sort_keys=True))
            for seq, fact in enumerate(facts, start=last + 1)
        ),
    )


def end_call(
    db: Connection,
    call: str,
    ended_at: Instant,
    lost_at: Instant,
    columns: Mapping[str, str | None],
    *,
    lost_boot: BootInstant | None = None,
) -> None:
    """Set the end."""
    boot: dict[str, str | int | None] = {}
    if lost_boot is not None:
        boot = {"lost_boot": lost_boot.boot, "lost_boot_ms": lost_boot.ms}
    _set(db, call, {**columns, **boot, "ended_at": ended_at, "lost_at": lost_at})


def keep_policy(db: Connection, digest: str, values: str, at: Instant) -> None:
    """Insert the policy, unless it is there."""
    db.execute(
        "INSERT INTO policy (hash, json, since) SELECT ?1, ?2, ?3"
        " WHERE NOT EXISTS (SELECT 1 FROM policy WHERE hash = ?1)",
        (digest, values, at),
    )


def record_access(db: Connection, by: str, what: str, reason: str, at: Instant) -> None:
    """Insert who looked at what, and why."""
    db.execute("INSERT INTO access (at, by, what, reason) VALUES (?, ?, ?, ?)", (at, by, what, reason))


def settle(db: Connection, call: str, ending: Ending, *, made: str, facts: Sequence[Fact], drop: str | None) -> None:
    """Insert the journal, the ending with its evidence and, if it was a fault, the drop."""
    journal(db, call, facts)
    db.execute(
        "INSERT INTO ending (id, call, party, technical, confidence, stage, rule, at, n)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (made, call, ending.party, ending.technical, ending.confidence, ending.stage, ending.rule, ending.at, ending.n),
    )
    sides = [(one, False) for one in ending.evidence] + [(one, True) for one in ending.against]
    db.executemany(
        "INSERT INTO ending_evidence (ending, seq, fact, leg, at, against) VALUES (?, ?, ?, ?, ?, ?)",
        ((made, seq, one.fact, one.leg, one.at, against) for seq, (one, against) in enumerate(sides, start=1)),
    )
    if drop is not None and (ending.n == 1 or not _dropped(db, call)):
        db.execute("INSERT INTO call_drop (id, call, ending, technical) VALUES (?, ?, ?, 1)", (drop, call, made))


def _dropped(db: Connection, call: str) -> bool:
    return db.execute("SELECT 1 FROM call_drop WHERE call = ?", (call,)).fetchone() is not None


def attest(db: Connection, call: str, word: Attestation, fact: Fact | None) -> None:
    """Insert the attestation and, for a call that has ended, its line of the journal."""
    db.execute(
        "INSERT INTO attestation (call, at, door, by, fault, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (call, word.at, word.door, word.by, word.fault, word.reason),
    )
    if fact is not None:
        journal(db, call, [fact])


def decide(db: Connection, call: str, made: str, decision: Decision, callback: str | None) -> None:
    """Insert the conditions, the decision that they make and, if it is positive, the callback."""
    db.executemany(
        "INSERT INTO decision_condition (decision, seq, code, passed, evidence) VALUES (?, ?, ?, ?, ?)",
        ((made, seq, c.code, c.passed, c.evidence) for seq, c in enumerate(decision.conditions, start=1)),
    )
    db.execute(
        "INSERT INTO decision (id, call, allowed, policy, at, n)"
        " VALUES (?1, ?2, ?3, ?4, ?5, coalesce((SELECT max(n) FROM ending WHERE call = ?2), 1))",
        (made, call, decision.allowed, decision.policy, decision.at),
    )
    if callback is None:
        return
    row = db.execute(
        "SELECT d.id, c.party FROM call AS c LEFT JOIN call_drop AS d ON d.call = c.id WHERE c.id = ?", (call,)
    ).fetchone()
    if row is None or row[0] is None:
        raise LogRefused("callback-without-drop", f"the call log has no drop of call {call}: nothing to call back")
    db.execute(
        "INSERT INTO callback (id, call_drop, decision, call, allowed, party, state, created_at)"
        " VALUES (?, ?, ?, ?, 1, ?, 'waiting', ?)",
        (callback, row[0], made, call, row[1], decision.at),
    )
    _history(db, callback, decision.at, "waiting", "decided")


def _history(db: Connection, callback: str, at: Instant, state: str, why: str) -> None:
    db.execute(
        "INSERT INTO callback_event (callback, seq, at, state, why)"
        " SELECT ?1, coalesce(max(seq), 0) + 1, ?2, ?3, ?4 FROM callback_event WHERE callback = ?1",
        (callback, at, state, why),
    )


def callback_state(db: Connection, callback: str, state: str, at: Instant, why: str) -> None:
    """Move the callback on and log it."""
    done = db.execute("UPDATE callback SET state = ? WHERE id = ?", (state, callback))
    _one(done.rowcount, "callback", callback)
    _history(db, callback, at, state, why)


def commit_attempt(
    db: Connection,
    callback: str,
    n: int,
    *,
    made: str,
    at: Instant,
    conditions: Sequence[Condition],
    state: str,
    caps: Caps | None = None,
) -> AttemptRow:
    """Insert the gate's results, the attempt that they let through, and move the callback on."""
    row = db.execute(
        "SELECT c.pbx, b.created_at, p.number FROM callback AS b JOIN call AS c ON c.id = b.call"
        " LEFT JOIN party AS p ON p.id = b.party WHERE b.id = ?",
        (callback,),
    ).fetchone()
    if row is None:
        raise LogRefused("no-such-row", f"the call log has no callback {callback} (no-such-row)")
    pbx, created_at, number = row
    channel = channel_id(pbx, made)
    at = max(at, created_at)  # the clock may have been set back since: that does not make the dial older
    prefix = None
    if caps is not None and number is not None:  # without a number the schema refuses the attempt
        prefix = prefix_of(number, caps.prefix_digits)
        # in this very transaction: between the question and the attempt no other one can come
        cap = check(dial_counts(db, number, prefix, at), caps)
        if cap is not None:
            raise LogRefused("attempt-cap", cap)
    db.executemany(
        "INSERT INTO attempt_condition (attempt, seq, code, passed, evidence) VALUES (?, ?, ?, ?, ?)",
        ((made, seq, c.code, c.passed, c.evidence) for seq, c in enumerate(conditions, start=1)),
    )
    db.execute(
        "INSERT INTO attempt (id, callback, n, channel_id, state, at, prefix) VALUES (?, ?, ?, ?, 'committed', ?, ?)",
        (made, callback, n, channel, at, prefix),
    )
    callback_state(db, callback, state, at, f"attempt {n}")
    return AttemptRow(
        id=made,
        n=n,
        channel_id=channel,
        call=None,
        state="committed",
        at=at,
        cause=None,
        answered_at=None,
        never_existed=False,
    )


def link_attempt_call(db: Connection, attempt: str, call: str) -> None:
    """Tie the attempt to its own call."""
    done = db.execute("UPDATE attempt SET call = ? WHERE id = ?", (call, attempt))
    _one(done.rowcount, "attempt", attempt)


def attempt_state(
    db: Connection,
    attempt: str,
    state: str,
    *,
    at: Instant,
    cause: int | None,
    never_existed: bool,
    callback_to: str | None,
    why: str,
) -> None:
    """Move the attempt on, stamp its answer, and move its callback on."""
    row = db.execute(
        "UPDATE attempt SET state = ?1, cause = coalesce(?2, cause), never_existed = max(never_existed, ?3),"
        " answered_at = CASE WHEN ?4 THEN coalesce(answered_at, ?5) ELSE answered_at END"
        " WHERE id = ?6 RETURNING callback",
        (state, cause, never_existed, state in ATTEMPT_ANSWERED, at, attempt),
    ).fetchone()
    if row is None:
        raise LogRefused("no-such-row", f"the call log has no attempt {attempt} (no-such-row)")
    if callback_to is not None:
        callback_state(db, row[0], callback_to, at, why)


def turn_switch(db: Connection, turned: Switched) -> None:
    """Insert the turn of the kill switch."""
    db.execute(
        "INSERT INTO callback_switch (at, state, by, reason) VALUES (?, ?, ?, ?)",
        (turned.at, "off" if turned.off else "on", turned.by, turned.reason),
    )


def record_objection(
    db: Connection, number_key: str | None, scope: str, *, at: Instant, channel: str, call: str | None
) -> None:
    """Insert the objection."""
    db.execute(
        "INSERT INTO objection (number_key, scope, at, channel, call) VALUES (?, ?, ?, ?, ?)",
        (number_key, scope, at, channel, call),
    )


def withdraw_objection(db: Connection, number_key: str | None, scope: str, at: Instant, call: str | None) -> int:
    """End what stands of this number, or of this call; returns how many."""
    return db.execute(
        "UPDATE objection SET withdrawn_at = ?1 WHERE withdrawn_at IS NULL AND scope = ?2"
        " AND (number_key = ?3 OR call = ?4)",
        (at, scope, number_key, call),
    ).rowcount


def restrict(db: Connection, number_key: str, at: Instant) -> None:
    """Insert the restriction."""
    db.execute("INSERT INTO restriction (number_key, at) VALUES (?, ?)", (number_key, at))


def lift_restriction(db: Connection, number_key: str, at: Instant) -> int:
    """End what stands of this number; returns how many."""
    return db.execute(
        "UPDATE restriction SET lifted_at = ? WHERE lifted_at IS NULL AND number_key = ?", (at, number_key)
    ).rowcount

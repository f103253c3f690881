"""The first schema's triggers: the database refuses what the law refuses (design, rule 2.3).

Here what guards calls, notices, recordings and registers; :mod:`oddzwon.log.callback_guards` has the callback's.

Each refusal reads ``rule-name: sentence``, which becomes :class:`~oddzwon.log.errors.LogRefused`. Insert guards
repeat what UNIQUE says where a row must never vanish: ``INSERT OR REPLACE`` deletes the old row without firing delete
triggers, unless the connection asked for recursive triggers.
"""

# ruff: noqa: S608 -- this file is SQL made from constants of ours; nothing here is input
from __future__ import annotations

from collections.abc import Sequence

from oddzwon.log import vocabulary as v
from oddzwon.log.tables import one_of


def guard(name: str, event: str, when: str, sentence: str) -> str:
    """A trigger ``name`` that refuses ``event`` (such as ``INSERT ON call``) when ``when`` holds."""
    return (
        f'CREATE TRIGGER "{name}" BEFORE {event}\nWHEN {when}\n'
        f"BEGIN SELECT RAISE(ABORT, '{name}: {sentence}'); END;\n"
    )


def append_only(table: str, *keys: Sequence[str]) -> str:
    """Refuse UPDATE, DELETE and the replacement of a row, by any of its unique keys."""
    same = " OR ".join("(" + " AND ".join(f"{c} = NEW.{c}" for c in key) + ")" for key in keys)
    return (
        guard(f"{table}-append-only-update", f"UPDATE ON {table}", "1", f"a row of {table} is never changed")
        + guard(f"{table}-append-only-delete", f"DELETE ON {table}", "1", f"a row of {table} is never deleted")
        + guard(
            f"{table}-append-only-replace",
            f"INSERT ON {table}",
            f"EXISTS (SELECT 1 FROM {table} WHERE {same})",
            f"a row of {table} is never replaced, and this one is there already",
        )
    )


def identity(table: str, *columns: str) -> str:
    """Refuse a change of the columns that make the row what it is."""
    changed = " OR ".join(f"NEW.{c} IS NOT OLD.{c}" for c in columns)
    return guard(f"{table}-identity", f"UPDATE ON {table}", changed, f"what makes a {table} itself never changes")


def final(table: str, states: tuple[str, ...]) -> str:
    """Refuse to leave a final state."""
    return guard(
        f"{table}-final",
        f"UPDATE OF state ON {table}",
        f"OLD.state IN {one_of(states)} AND NEW.state <> OLD.state",
        f"a {table} in a final state stays there",
    )


APPEND_ONLY = "".join(
    (
        append_only("notice_receipt", ["id"]),
        append_only("journal", ["call", "seq"]),
        append_only("ending", ["id"], ["call"]),
        append_only("ending_evidence", ["ending", "seq"]),
        append_only("call_drop", ["id"], ["call"]),
        append_only("decision", ["id"], ["call"]),
        append_only("decision_condition", ["decision", "seq"], ["decision", "code"]),
        append_only("callback_event", ["callback", "seq"]),
        append_only("attempt_condition", ["attempt", "seq"], ["attempt", "code"]),
        append_only("required_condition", ["gate", "code"]),
        append_only("access", ["id"]),
    )
)

CALL = (
    identity("call", "id", "pbx", "direction", "linked", "leg", "started_at")
    + guard(
        "call-ends-once",
        "UPDATE ON call",
        "(OLD.ended_at IS NOT NULL AND NEW.ended_at IS NOT OLD.ended_at) OR"
        " (OLD.lost_at IS NOT NULL AND NEW.lost_at IS NOT OLD.lost_at)",
        "the call has ended already, at another time",
    )
    + guard(
        "call-party-stays",
        "UPDATE OF party ON call",
        "OLD.party IS NOT NULL AND NEW.party IS NOT NULL AND NEW.party <> OLD.party",
        "a known caller cannot become another one",
    )
    + guard(
        "leg-logged-once",
        "INSERT ON call",
        "EXISTS (SELECT 1 FROM call WHERE id = NEW.id OR (pbx = NEW.pbx AND leg = NEW.leg AND linked = NEW.linked))",
        "this leg is in the log already",
    )
    + """
CREATE TRIGGER judged_by_decision AFTER INSERT ON decision
BEGIN UPDATE call SET judged = 1 WHERE id = NEW.call; END;
CREATE TRIGGER judged_by_ending AFTER INSERT ON ending
BEGIN UPDATE call SET judged = 1 WHERE id = NEW.call AND direction = 'callback'; END;
"""
)

PARTY = guard(
    "party-has-open-callback",
    "DELETE ON party",
    f"EXISTS (SELECT 1 FROM callback WHERE party = OLD.id AND state IN {one_of(v.CALLBACK_OPEN)})",
    "cancel the callback to this number first",
) + identity("party", "id", "number")

_ANNOUNCED = "SELECT 1 FROM notice_receipt AS r WHERE r.id = NEW.announcement"
RECORDING = (
    guard(
        "recording-unannounced",
        "INSERT ON recording",
        f"NOT EXISTS ({_ANNOUNCED} AND r.complete = 1 AND r.call = NEW.call AND r.prompt IN {one_of(v.ANNOUNCEMENTS)})",
        "no complete recording announcement stands in this call",
    )
    + guard(
        "recording-before-announcement",
        "INSERT ON recording",
        f"EXISTS ({_ANNOUNCED} AND r.at > NEW.started_at)",
        "the recording starts before its announcement had ended",
    )
    + guard(
        "recording-without-consent",
        "INSERT ON recording",
        f"EXISTS ({_ANNOUNCED} AND r.prompt = 'REC_CONSENT' AND r.key IS NOT '1')",
        "consent is key 1 pressed, and nothing else",
    )
    + guard(
        "recording-objected",
        "INSERT ON recording",
        f"EXISTS ({_ANNOUNCED} AND r.prompt = 'REC_OBJECT' AND r.key = '7')"
        " OR (NEW.regime = 'quality' AND EXISTS (SELECT 1 FROM objection AS o WHERE o.withdrawn_at IS NULL"
        " AND o.scope = 'recording' AND (o.call = NEW.call OR o.number_key ="
        " (SELECT p.number_key FROM call AS c JOIN party AS p ON p.id = c.party WHERE c.id = NEW.call))))",
        "the caller objected to this recording",
    )
    + guard(
        "recording-announced-as-another",
        "INSERT ON recording",
        f"EXISTS ({_ANNOUNCED} AND ((NEW.regime = 'quality' AND r.prompt = 'REC_ANNOUNCE')"
        " OR (NEW.regime = 'legal' AND r.prompt <> 'REC_ANNOUNCE')))",
        "this announcement belongs to another regime",
    )
    + guard(
        "recording-file-once",
        "INSERT ON recording",
        "EXISTS (SELECT 1 FROM recording WHERE id = NEW.id OR file = NEW.file)",
        "this recording or its file is in the log already",
    )
    + identity("recording", "id", "call", "regime", "started_at", "announcement", "file")
    + final("recording", v.RECORDING_FINAL)
)


def register(table: str, end: str, *columns: str) -> str:
    """An entry may be ended by its column ``end``, once, and never be changed, removed or replaced otherwise."""
    changed = " OR ".join(f"NEW.{c} IS NOT OLD.{c}" for c in columns)
    return (
        guard(
            f"{table}-kept",
            f"UPDATE ON {table}",
            f"OLD.{end} IS NOT NULL OR {changed}",
            "an entry of the register can only be ended, once",
        )
        + guard(f"{table}-kept-delete", f"DELETE ON {table}", "1", "an entry of the register is never deleted")
        + guard(
            f"{table}-kept-replace",
            f"INSERT ON {table}",
            f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)",
            "an entry of the register is never replaced",
        )
    )


REGISTERS = register("objection", "withdrawn_at", "id", "number_key", "scope", "at", "channel", "call") + register(
    "restriction", "lifted_at", "id", "number_key", "at"
)

GUARDS = "\n".join((APPEND_ONLY, CALL, PARTY, RECORDING, REGISTERS))

"""The first schema's triggers for decisions, callbacks and attempts: legal.md section A, and design, rules 2.2 and 2.3.

A positive decision carries every condition of the law, each passed; a callback belongs to one drop of an inbound call
and to that call's own positive decision; an attempt passed the dial gate, and never follows one that may still dial.
"""

# ruff: noqa: S608 -- this file is SQL made from constants of ours; nothing here is input
from __future__ import annotations

from oddzwon.log import vocabulary as v
from oddzwon.log.guards import final, guard, identity
from oddzwon.log.tables import one_of


def _gate(name: str, insert: str, table: str, gate: str) -> str:
    """What makes the row ``NEW`` inadmissible: a required condition that is missing, or any that is not passed."""
    return (
        f"(EXISTS (SELECT 1 FROM required_condition AS r WHERE r.gate = '{gate}' AND NOT EXISTS"
        f" (SELECT 1 FROM {table} AS c WHERE c.{insert} = NEW.{name} AND c.code = r.code))"
        f" OR EXISTS (SELECT 1 FROM {table} AS c WHERE c.{insert} = NEW.{name} AND c.passed IS NOT 1))"
    )


DECISION = (
    guard(
        "decision-conditions",
        "INSERT ON decision",
        f"NEW.allowed = 1 AND {_gate('id', 'decision', 'decision_condition', 'decision')}",
        "a positive decision needs every condition of the law, each passed",
    )
    + guard(
        "decision-refusal-needs-reason",
        "INSERT ON decision",
        "NEW.allowed = 0 AND NOT EXISTS"
        " (SELECT 1 FROM decision_condition AS c WHERE c.decision = NEW.id AND c.passed IS NOT 1)",
        "a refusal names the condition that did not pass",
    )
    + guard(
        "decision-immutable",
        "INSERT ON decision_condition",
        "EXISTS (SELECT 1 FROM decision WHERE id = NEW.decision)",
        "the decision has been made",
    )
)

_STANDING = "o.scope = 'callback' AND o.withdrawn_at IS NULL"
_CALLED = "SELECT 1 FROM call AS c WHERE c.id = NEW.call"
CALLBACK = (
    guard(
        "callback-only-for-inbound",
        "INSERT ON callback",
        f"NOT EXISTS ({_CALLED} AND c.direction = 'inbound')",
        "only a call that the customer started can be called back",
    )
    + guard(
        "callback-before-loss",
        "INSERT ON callback",
        f"NOT EXISTS ({_CALLED} AND c.ended_at IS NOT NULL AND c.started_at <= c.lost_at"
        " AND c.lost_at <= NEW.created_at)",
        "the call has not ended, or its times contradict the callback",
    )
    + guard(
        "callback-to-the-caller",
        "INSERT ON callback",
        f"NEW.party IS NULL OR NOT EXISTS ({_CALLED} AND c.party = NEW.party)",
        "a callback goes to the number that had called, and to no other",
    )
    + guard(
        "callback-without-notice",
        "INSERT ON callback",
        "NOT EXISTS (SELECT 1 FROM notice_receipt AS r WHERE r.call = NEW.call AND r.complete = 1"
        f" AND r.prompt IN {one_of((v.LAYER1, v.SHORT_NOTICE))})",
        "the caller was not told that we may call back",
    )
    + guard(
        "callback-objected",
        "INSERT ON callback",
        f"EXISTS (SELECT 1 FROM objection AS o WHERE o.call = NEW.call AND {_STANDING})"
        " OR EXISTS (SELECT 1 FROM party AS p JOIN objection AS o ON o.number_key = p.number_key"
        f" WHERE p.id = NEW.party AND {_STANDING})",
        "the person objected to callbacks",
    )
    + guard(
        "callback-restricted",
        "INSERT ON callback",
        "EXISTS (SELECT 1 FROM party AS p JOIN restriction AS x ON x.number_key = p.number_key"
        " WHERE p.id = NEW.party AND x.lifted_at IS NULL)",
        "use of the number is restricted",
    )
    + guard(
        "one-callback-per-drop",
        "INSERT ON callback",
        "EXISTS (SELECT 1 FROM callback WHERE id = NEW.id OR call_drop = NEW.call_drop"
        " OR decision = NEW.decision OR call = NEW.call)",
        "this drop has its callback already",
    )
    + guard(
        "one-open-callback-per-number",
        "INSERT ON callback",
        "EXISTS (SELECT 1 FROM callback WHERE party = NEW.party AND call_drop <> NEW.call_drop"
        f" AND state IN {one_of(v.CALLBACK_OPEN)})",
        "another callback to this number is not final",
    )
    + guard("callback-starts-waiting", "INSERT ON callback", "NEW.state <> 'waiting'", "a callback begins by waiting")
    + identity("callback", "id", "call_drop", "decision", "call", "allowed", "created_at")
    + guard(
        "callback-party-stays",
        "UPDATE OF party ON callback",
        "NEW.party IS NOT NULL AND NEW.party IS NOT OLD.party",
        "a callback goes to the number that had called, and to no other",
    )
    + final("callback", v.CALLBACK_FINAL)
    + guard("callback-kept", "DELETE ON callback", "1", "a callback is never deleted: there would be room for a second")
)

_OWN = "FROM callback AS b JOIN party AS p ON p.id = b.party"
ATTEMPT = (
    guard(
        "attempt-gate",
        "INSERT ON attempt",
        _gate("id", "attempt", "attempt_condition", "dial"),
        "the dial gate needs each of its conditions passed",
    )
    + guard(
        "attempt-gate-immutable",
        "INSERT ON attempt_condition",
        "EXISTS (SELECT 1 FROM attempt WHERE id = NEW.attempt)",
        "the attempt has been committed",
    )
    + guard(
        "attempt-callback-final",
        "INSERT ON attempt",
        f"EXISTS (SELECT 1 FROM callback WHERE id = NEW.callback AND state IN {one_of(v.CALLBACK_FINAL)})",
        "the callback is final",
    )
    + guard(
        "attempt-before-callback",
        "INSERT ON attempt",
        "EXISTS (SELECT 1 FROM callback WHERE id = NEW.callback AND created_at > NEW.at)",
        "the attempt is older than its callback",
    )
    + guard(
        "attempt-without-number",
        "INSERT ON attempt",
        "EXISTS (SELECT 1 FROM callback WHERE id = NEW.callback AND party IS NULL)",
        "the number was erased",
    )
    + guard(
        "attempt-objected",
        "INSERT ON attempt",
        f"EXISTS (SELECT 1 {_OWN} JOIN objection AS o ON o.number_key = p.number_key"
        f" WHERE b.id = NEW.callback AND {_STANDING})"
        " OR EXISTS (SELECT 1 FROM callback AS b JOIN objection AS o ON o.call = b.call"
        f" WHERE b.id = NEW.callback AND {_STANDING})",
        "the person objected to callbacks",
    )
    + guard(
        "attempt-restricted",
        "INSERT ON attempt",
        f"EXISTS (SELECT 1 {_OWN} JOIN restriction AS x ON x.number_key = p.number_key"
        " WHERE b.id = NEW.callback AND x.lifted_at IS NULL)",
        "use of the number is restricted",
    )
    + guard(
        "attempt-after-lost",
        "INSERT ON attempt",
        "EXISTS (SELECT 1 FROM attempt WHERE callback = NEW.callback AND state = 'lost' AND never_existed = 0)",
        "an earlier attempt is lost, and it is not proven that its channel never existed",
    )
    + guard(
        "attempt-number-once",
        "INSERT ON attempt",
        "EXISTS (SELECT 1 FROM attempt WHERE id = NEW.id OR channel_id = NEW.channel_id"
        " OR (callback = NEW.callback AND n = NEW.n) OR call = NEW.call)",
        "this attempt is in the log already",
    )
    + guard(
        "one-open-attempt-per-callback",
        "INSERT ON attempt",
        "EXISTS (SELECT 1 FROM attempt WHERE callback = NEW.callback AND n <> NEW.n"
        f" AND state IN {one_of(v.ATTEMPT_OPEN)})",
        "another attempt of this callback is not final",
    )
    + guard(
        "attempt-starts-committed",
        "INSERT ON attempt",
        "NEW.state <> 'committed' OR NEW.call IS NOT NULL",
        "an attempt begins committed, before there is a call",
    )
    + identity("attempt", "id", "callback", "n", "channel_id", "at")
    + final("attempt", v.ATTEMPT_FINAL)
    + guard(
        "attempt-call-is-its-own",
        "UPDATE OF call ON attempt",
        "(OLD.call IS NOT NULL AND NEW.call IS NOT OLD.call) OR NOT EXISTS"
        " (SELECT 1 FROM call AS c JOIN callback AS b ON b.id = NEW.callback"
        " WHERE c.id = NEW.call AND c.direction = 'callback' AND c.resumes = b.call)",
        "an attempt leads to one call, of direction callback, which resumes the one that dropped",
    )
    + guard("attempt-kept", "DELETE ON attempt", "1", "an attempt is never deleted: it may have dialled")
)

CALLBACK_GUARDS = "\n".join((DECISION, CALLBACK, ATTEMPT))

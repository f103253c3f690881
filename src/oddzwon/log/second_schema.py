"""The second schema: the agent's word, and room for the verdict and the decision that follow from it.

``ending`` and ``decision`` are numbered within their call. The first stands for ever, as before; a later one is let in
only if an attestation of that call came after the verdict before it. One drop and one callback per call stay the rule.
"""

# ruff: noqa: S608 -- this file is SQL made from constants of ours; nothing here is input
from __future__ import annotations

from oddzwon.log import vocabulary as v
from oddzwon.log.callback_guards import DECISION
from oddzwon.log.guards import append_only, guard
from oddzwon.log.tables import one_of

_ATTESTATION = f"""
CREATE TABLE attestation (
  id INTEGER PRIMARY KEY,
  call TEXT NOT NULL REFERENCES call (id),
  at INTEGER NOT NULL,
  door TEXT NOT NULL CONSTRAINT "attestation-door" CHECK (door IN {one_of(v.DOORS)}),
  by TEXT NOT NULL CONSTRAINT "attestation-needs-a-person" CHECK (trim(by) <> ''),
  fault TEXT CONSTRAINT "attestation-fault" CHECK (fault IN {one_of(v.FAULTS)}),
  reason TEXT NOT NULL,
  CONSTRAINT "attestation-needs-a-reason" CHECK (door <> 'console' OR trim(reason) <> '')
) STRICT;
CREATE INDEX attestation_by_call ON attestation (call, id);
CREATE INDEX attestation_by_time ON attestation (at);
CREATE INDEX call_by_agent ON call (agent, ended_at) WHERE agent IS NOT NULL AND ended_at IS NOT NULL;
ALTER TABLE ending_evidence ADD COLUMN against INTEGER NOT NULL DEFAULT 0 CHECK (against IN (0, 1));
"""

# SQLite cannot drop a UNIQUE from a table: each of the two is made anew, filled and renamed (its documentation's way,
# lang_altertable.html section 7). A trigger that names the table which is away meanwhile would stop the renaming.
_NUMBERED = f"""
DROP TRIGGER "decision-immutable";
CREATE TABLE numbered_ending (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL REFERENCES call (id),
  party TEXT NOT NULL CONSTRAINT "ending-party" CHECK (party IN {one_of(v.ENDING_PARTIES)}),
  technical INTEGER CHECK (technical IN (0, 1)),
  confidence TEXT CONSTRAINT "ending-confidence" CHECK (confidence IN {one_of(v.CONFIDENCES)}),
  stage TEXT NOT NULL CONSTRAINT "ending-stage" CHECK (stage IN {one_of(v.STAGES)}),
  rule TEXT NOT NULL,
  at INTEGER NOT NULL,
  n INTEGER NOT NULL DEFAULT 1 CONSTRAINT "ending-number" CHECK (n >= 1),
  UNIQUE (call, n),
  UNIQUE (id, call, technical)
) STRICT, WITHOUT ROWID;
INSERT INTO numbered_ending SELECT id, call, party, technical, confidence, stage, rule, at, 1 FROM ending;
DROP TABLE ending;
ALTER TABLE numbered_ending RENAME TO ending;
CREATE TABLE numbered_decision (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL REFERENCES call (id),
  allowed INTEGER NOT NULL CHECK (allowed IN (0, 1)),
  policy TEXT NOT NULL CHECK (policy <> ''),
  at INTEGER NOT NULL,
  n INTEGER NOT NULL DEFAULT 1 CONSTRAINT "decision-number" CHECK (n >= 1),
  UNIQUE (call, n),
  UNIQUE (id, allowed, call)
) STRICT, WITHOUT ROWID;
INSERT INTO numbered_decision SELECT id, call, allowed, policy, at, 1 FROM decision;
DROP TABLE decision;
ALTER TABLE numbered_decision RENAME TO decision;
"""

_JUDGED = """
CREATE TRIGGER judged_by_decision AFTER INSERT ON decision
BEGIN UPDATE call SET judged = 1 WHERE id = NEW.call; END;
CREATE TRIGGER judged_by_ending AFTER INSERT ON ending
BEGIN UPDATE call SET judged = 1 WHERE id = NEW.call AND direction = 'callback'; END;
CREATE TRIGGER judged_anew AFTER INSERT ON ending
WHEN NEW.n > 1 AND NOT EXISTS (SELECT 1 FROM callback WHERE call = NEW.call)
BEGIN UPDATE call SET judged = 0 WHERE id = NEW.call AND direction = 'inbound'; END;
"""

_GUARDS = "".join(
    (
        append_only("attestation", ["id"]),
        guard(
            "attestation-only-for-inbound",
            "INSERT ON attestation",
            "NOT EXISTS (SELECT 1 FROM call WHERE id = NEW.call AND direction = 'inbound')",
            "only a call that the customer started can be called back",
        ),
        append_only("ending", ["id"], ["call", "n"]),
        guard(
            "ending-again-needs-attestation",
            "INSERT ON ending",
            "NEW.n > 1 AND NOT EXISTS (SELECT 1 FROM ending AS e JOIN attestation AS a ON a.call = e.call"
            " WHERE e.call = NEW.call AND e.n = NEW.n - 1 AND e.at <= a.at AND a.at <= NEW.at)",
            "a call is judged again only after an attestation that the verdict before could not know",
        ),
        append_only("decision", ["id"], ["call", "n"]),
        guard(
            "decision-again-needs-ending",
            "INSERT ON decision",
            "NEW.n > 1 AND NOT EXISTS (SELECT 1 FROM ending WHERE call = NEW.call AND n = NEW.n)",
            "a call is decided again only on a new verdict",
        ),
        guard(
            "decision-again-after-callback",
            "INSERT ON decision",
            "NEW.n > 1 AND EXISTS (SELECT 1 FROM callback WHERE call = NEW.call)",
            "the call has its callback: nothing is left to decide",
        ),
    )
)

SECOND = _ATTESTATION + _NUMBERED + _JUDGED + _GUARDS + DECISION
"""Every statement of the migration, in order; the first schema's guards on decisions come back as they were."""

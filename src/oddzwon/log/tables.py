"""The first schema's tables and indices, as SQL. What the triggers add is in :mod:`oddzwon.log.guards`.

Times and clocks: a wall clock can be set back in mid-call. Where the order of two times carries a legal statement
(announced before recorded, lost before called back) the schema insists on it, and a stepped clock means no recording
and no callback (design, rule 2.4). Where it does not (a call's end against its start) the row is taken as it comes:
refusing it would leave a call open for ever and hide the step.

Only ``party`` holds a number. Removing a row there (erasure) leaves the calls without one.
"""

from __future__ import annotations

from oddzwon.log import vocabulary as v


def one_of(words: tuple[str, ...]) -> str:
    """``('a', 'b')`` for SQL's IN; the words are constants of ours, never input."""
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


TABLES = f"""
CREATE TABLE party (
  id INTEGER PRIMARY KEY,
  number TEXT NOT NULL UNIQUE
    CONSTRAINT "party-number-is-e164"
    CHECK (number GLOB '+[1-9]*' AND substr(number, 2) NOT GLOB '*[^0-9]*' AND length(number) BETWEEN 8 AND 16),
  number_key TEXT NOT NULL UNIQUE CONSTRAINT "party-key-is-hex"
    CHECK (length(number_key) >= 32 AND number_key NOT GLOB '*[^0-9a-f]*')
) STRICT;

CREATE TABLE call (
  id TEXT PRIMARY KEY NOT NULL,
  pbx TEXT NOT NULL CONSTRAINT "call-pbx-name"
    CHECK (length(pbx) BETWEEN 1 AND 100 AND pbx NOT GLOB '*[^A-Za-z0-9._-]*'),
  direction TEXT NOT NULL CONSTRAINT "call-direction" CHECK (direction IN {one_of(v.DIRECTIONS)}),
  linked TEXT NOT NULL,
  leg TEXT NOT NULL,
  party INTEGER REFERENCES party (id) ON DELETE SET NULL,
  did TEXT,
  language TEXT,
  preset TEXT,
  presentation TEXT CONSTRAINT "call-presentation" CHECK (presentation IN {one_of(v.PRESENTATIONS)}),
  diverted INTEGER CHECK (diverted IN (0, 1)),
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  lost_at INTEGER,
  stage TEXT NOT NULL CONSTRAINT "call-stage" CHECK (stage IN {one_of(v.STAGES)}),
  menu_key TEXT CONSTRAINT "call-menu-key" CHECK (menu_key GLOB '[0-9*#]'),
  queue TEXT,
  agent TEXT,
  resumes TEXT REFERENCES call (id) CONSTRAINT "call-resumes-another" CHECK (resumes <> id),
  judged INTEGER NOT NULL DEFAULT 0 CHECK (judged IN (0, 1)),
  UNIQUE (pbx, leg, linked)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_by_start ON call (started_at, id);
CREATE INDEX call_by_party ON call (party, started_at) WHERE party IS NOT NULL;
CREATE INDEX call_by_loss ON call (party, lost_at) WHERE party IS NOT NULL AND lost_at IS NOT NULL;
CREATE INDEX call_by_resumed ON call (resumes) WHERE resumes IS NOT NULL;
CREATE INDEX call_open ON call (started_at) WHERE ended_at IS NULL;
CREATE INDEX call_unjudged ON call (started_at) WHERE judged = 0;

CREATE TABLE notice_receipt (
  id INTEGER PRIMARY KEY,
  call TEXT NOT NULL REFERENCES call (id),
  prompt TEXT NOT NULL,
  version TEXT NOT NULL,
  sha256 TEXT NOT NULL CONSTRAINT "receipt-hash" CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
  language TEXT NOT NULL,
  played_ms INTEGER NOT NULL CHECK (played_ms >= 0),
  full_ms INTEGER NOT NULL CHECK (full_ms >= 0),
  key TEXT CONSTRAINT "receipt-key" CHECK (key GLOB '[0-9*#]'),
  complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
  at INTEGER NOT NULL,
  CONSTRAINT "receipt-complete-needs-sound" CHECK (complete = 0 OR full_ms > 0),
  CONSTRAINT "receipt-complete-needs-end-or-key"
    CHECK (complete = 0 OR played_ms >= full_ms OR key IS NOT NULL)
) STRICT;
CREATE INDEX notice_receipt_by_call ON notice_receipt (call, id);

CREATE TABLE recording (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL REFERENCES call (id),
  regime TEXT NOT NULL CONSTRAINT "recording-regime" CHECK (regime IN {one_of(v.REGIMES)}),
  state TEXT NOT NULL CONSTRAINT "recording-state"
    CHECK (state IN {one_of(v.RECORDING_OPEN + v.RECORDING_CLOSED + v.RECORDING_FINAL)}),
  started_at INTEGER NOT NULL,
  announcement INTEGER NOT NULL REFERENCES notice_receipt (id),
  delete_after INTEGER NOT NULL,
  file TEXT NOT NULL UNIQUE CHECK (file <> ''),
  reference TEXT,
  CONSTRAINT "recording-retention" CHECK (delete_after > started_at),
  CONSTRAINT "recording-contract-needs-reference" CHECK (regime <> 'contract' OR coalesce(reference, '') <> '')
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_by_call ON recording (call);
CREATE INDEX recording_by_deadline ON recording (delete_after) WHERE state <> 'deleted';

CREATE TABLE journal (
  call TEXT NOT NULL REFERENCES call (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  at INTEGER NOT NULL,
  fact TEXT NOT NULL,
  leg TEXT,
  data TEXT NOT NULL CONSTRAINT "journal-data-is-json" CHECK (json_valid(data)),
  PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE ending (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL UNIQUE REFERENCES call (id),
  party TEXT NOT NULL CONSTRAINT "ending-party" CHECK (party IN {one_of(v.ENDING_PARTIES)}),
  technical INTEGER CHECK (technical IN (0, 1)),
  confidence TEXT CONSTRAINT "ending-confidence" CHECK (confidence IN {one_of(v.CONFIDENCES)}),
  stage TEXT NOT NULL CONSTRAINT "ending-stage" CHECK (stage IN {one_of(v.STAGES)}),
  rule TEXT NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (id, call, technical)
) STRICT, WITHOUT ROWID;

CREATE TABLE ending_evidence (
  ending TEXT NOT NULL REFERENCES ending (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  fact TEXT NOT NULL,
  leg TEXT,
  at INTEGER,
  PRIMARY KEY (ending, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE call_drop (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL UNIQUE,
  ending TEXT NOT NULL,
  technical INTEGER NOT NULL CONSTRAINT "drop-is-technical" CHECK (technical = 1),
  UNIQUE (id, call),
  FOREIGN KEY (ending, call, technical) REFERENCES ending (id, call, technical)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_drop_by_ending ON call_drop (ending);

CREATE TABLE required_condition (
  gate TEXT NOT NULL CHECK (gate IN ('decision', 'dial')),
  code TEXT NOT NULL,
  PRIMARY KEY (gate, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
  id TEXT PRIMARY KEY NOT NULL,
  call TEXT NOT NULL UNIQUE REFERENCES call (id),
  allowed INTEGER NOT NULL CHECK (allowed IN (0, 1)),
  policy TEXT NOT NULL CHECK (policy <> ''),
  at INTEGER NOT NULL,
  UNIQUE (id, allowed, call)
) STRICT, WITHOUT ROWID;

-- Conditions are written before the decision that they make (the foreign key waits for the commit), so that the
-- decision's own trigger can weigh them all, and none can be added afterwards. Attempts do the same.
CREATE TABLE decision_condition (
  decision TEXT NOT NULL REFERENCES decision (id) DEFERRABLE INITIALLY DEFERRED,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  code TEXT NOT NULL CHECK (code <> ''),
  passed INTEGER CHECK (passed IN (0, 1)),
  evidence TEXT NOT NULL,
  PRIMARY KEY (decision, seq),
  UNIQUE (decision, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE callback (
  id TEXT PRIMARY KEY NOT NULL,
  call_drop TEXT NOT NULL UNIQUE,
  decision TEXT NOT NULL UNIQUE,
  call TEXT NOT NULL UNIQUE,
  allowed INTEGER NOT NULL CONSTRAINT "callback-needs-a-positive-decision" CHECK (allowed = 1),
  party INTEGER REFERENCES party (id) ON DELETE SET NULL,
  state TEXT NOT NULL CONSTRAINT "callback-state"
    CHECK (state IN {one_of(v.CALLBACK_OPEN + v.CALLBACK_FINAL)}),
  created_at INTEGER NOT NULL,
  FOREIGN KEY (call_drop, call) REFERENCES call_drop (id, call),
  FOREIGN KEY (decision, allowed, call) REFERENCES decision (id, allowed, call)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX callback_open_by_party ON callback (party) WHERE state IN {one_of(v.CALLBACK_OPEN)};
CREATE INDEX callback_open ON callback (created_at) WHERE state IN {one_of(v.CALLBACK_OPEN)};
CREATE INDEX callback_by_party ON callback (party, created_at);
CREATE INDEX callback_by_creation ON callback (created_at, id);

CREATE TABLE callback_event (
  callback TEXT NOT NULL REFERENCES callback (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (callback, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  id TEXT PRIMARY KEY NOT NULL,
  callback TEXT NOT NULL REFERENCES callback (id),
  n INTEGER NOT NULL CONSTRAINT "attempt-number" CHECK (n BETWEEN 1 AND 10),
  channel_id TEXT NOT NULL UNIQUE CHECK (channel_id <> ''),
  call TEXT UNIQUE REFERENCES call (id),
  state TEXT NOT NULL CONSTRAINT "attempt-state"
    CHECK (state IN {one_of(v.ATTEMPT_OPEN + v.ATTEMPT_FINAL)}),
  at INTEGER NOT NULL,
  cause INTEGER CONSTRAINT "attempt-cause-is-q850" CHECK (cause BETWEEN 0 AND 127),
  answered_at INTEGER,
  never_existed INTEGER NOT NULL DEFAULT 0 CHECK (never_existed IN (0, 1)),
  UNIQUE (callback, n),
  CONSTRAINT "attempt-never-existed-is-lost" CHECK (never_existed = 0 OR state = 'lost')
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempt_open ON attempt (callback) WHERE state IN {one_of(v.ATTEMPT_OPEN)};

CREATE TABLE attempt_condition (
  attempt TEXT NOT NULL REFERENCES attempt (id) DEFERRABLE INITIALLY DEFERRED,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  code TEXT NOT NULL CHECK (code <> ''),
  passed INTEGER CHECK (passed IN (0, 1)),
  evidence TEXT NOT NULL,
  PRIMARY KEY (attempt, seq),
  UNIQUE (attempt, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE objection (
  id INTEGER PRIMARY KEY,
  number_key TEXT,
  scope TEXT NOT NULL CONSTRAINT "objection-scope" CHECK (scope IN {one_of(v.OBJECTION_SCOPES)}),
  at INTEGER NOT NULL,
  channel TEXT NOT NULL,
  call TEXT REFERENCES call (id),
  withdrawn_at INTEGER,
  CONSTRAINT "objection-needs-number-or-call" CHECK (number_key IS NOT NULL OR call IS NOT NULL)
) STRICT;
CREATE INDEX objection_standing ON objection (number_key, scope) WHERE withdrawn_at IS NULL;
CREATE INDEX objection_by_call ON objection (call, scope) WHERE withdrawn_at IS NULL;

CREATE TABLE restriction (
  id INTEGER PRIMARY KEY,
  number_key TEXT NOT NULL,
  at INTEGER NOT NULL,
  lifted_at INTEGER
) STRICT;
CREATE INDEX restriction_standing ON restriction (number_key) WHERE lifted_at IS NULL;

CREATE TABLE access (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  by TEXT NOT NULL,
  what TEXT NOT NULL CHECK (what <> ''),
  reason TEXT NOT NULL CONSTRAINT "access-needs-a-reason" CHECK (trim(reason) <> '')
) STRICT;
"""

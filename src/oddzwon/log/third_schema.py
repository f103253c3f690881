"""The third schema: recordings at rest. Who consented on the agent's side, the sealed file, its wrapped key, holds.

A recording's history is append-only: what stopped it, sealed it, destroyed its key. The key alone may vanish, for that
is erasure; and it may not while a hold stands (Art. 17(3)(e) GDPR).
"""

# ruff: noqa: S608 -- this file is SQL made from constants of ours; nothing here is input
from __future__ import annotations

from oddzwon.log import vocabulary as v
from oddzwon.log.guards import append_only, guard, identity, register
from oddzwon.log.tables import one_of

_HASH = "length({0}) = 64 AND {0} NOT GLOB '*[^0-9a-f]*'"
_HEARD_MS = 500
"""domain/recording.py's HEARD_MS: sooner than this into the question nobody can have heard it."""

_TABLES = f"""
CREATE TABLE agent_consent (
  id INTEGER PRIMARY KEY,
  agent TEXT CONSTRAINT "consent-agent" CHECK (trim(agent) <> ''),
  source TEXT NOT NULL CONSTRAINT "consent-source" CHECK (source IN {one_of(v.CONSENT_SOURCES)}),
  prompt TEXT,
  version TEXT,
  sha256 TEXT CONSTRAINT "consent-hash" CHECK ({_HASH.format("sha256")}),
  language TEXT,
  played_ms INTEGER CHECK (played_ms >= 0),
  full_ms INTEGER CHECK (full_ms >= 0),
  key TEXT CONSTRAINT "consent-key" CHECK (key GLOB '[0-9*#]'),
  agreed INTEGER NOT NULL CHECK (agreed IN (0, 1)),
  reference TEXT,
  at INTEGER NOT NULL,
  until INTEGER CONSTRAINT "consent-until" CHECK (until >= at),
  CONSTRAINT "consent-asked-has-its-receipt" CHECK (source <> 'asked' OR (agent IS NOT NULL AND until IS NOT NULL
    AND prompt = 'REC_CONSENT_AGENT' AND version IS NOT NULL AND sha256 IS NOT NULL AND language IS NOT NULL
    AND played_ms IS NOT NULL AND full_ms IS NOT NULL)),
  CONSTRAINT "consent-is-key-1" CHECK (source <> 'asked' OR agreed = 0
    OR (key IS '1' AND full_ms > 0 AND played_ms >= min({_HEARD_MS}, full_ms))),
  CONSTRAINT "consent-on-file-has-its-reference" CHECK (source <> 'on_file'
    OR (agent IS NULL AND agreed = 1 AND prompt IS NULL AND key IS NULL AND trim(coalesce(reference, '')) <> '')),
  CONSTRAINT "consent-ended-is-none" CHECK (source <> 'ended' OR (agent IS NOT NULL AND agreed = 0 AND key IS NULL))
) STRICT;
CREATE INDEX agent_consent_by_agent ON agent_consent (agent, id);

ALTER TABLE recording ADD COLUMN leg TEXT;
ALTER TABLE recording ADD COLUMN side TEXT NOT NULL DEFAULT 'caller'
  CONSTRAINT "recording-side" CHECK (side IN {one_of(v.SIDES)});
ALTER TABLE recording ADD COLUMN mix TEXT;
ALTER TABLE recording ADD COLUMN agent_consent INTEGER REFERENCES agent_consent (id);
ALTER TABLE recording ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1));
CREATE INDEX recording_unsealed ON recording (started_at) WHERE sealed = 0
  AND state IN {one_of((*v.RECORDING_OPEN, "finished"))};
CREATE INDEX recording_by_start ON recording (started_at, id);

CREATE TABLE recording_event (
  recording TEXT NOT NULL REFERENCES recording (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  at INTEGER NOT NULL,
  state TEXT NOT NULL CONSTRAINT "recording-event-state" CHECK (state IN {one_of(v.RECORDING_EVENTS)}),
  why TEXT NOT NULL,
  PRIMARY KEY (recording, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE recording_seal (
  recording TEXT PRIMARY KEY NOT NULL REFERENCES recording (id),
  file TEXT NOT NULL UNIQUE CHECK (file <> ''),
  plain_sha256 TEXT NOT NULL CONSTRAINT "seal-plain-hash" CHECK ({_HASH.format("plain_sha256")}),
  sealed_sha256 TEXT NOT NULL CONSTRAINT "seal-sealed-hash" CHECK ({_HASH.format("sealed_sha256")}),
  plain_bytes INTEGER NOT NULL CHECK (plain_bytes >= 0),
  duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
  sealed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recording_key (
  recording TEXT PRIMARY KEY NOT NULL REFERENCES recording (id),
  key_id TEXT NOT NULL CONSTRAINT "recording-key-id" CHECK (key_id <> ''),
  wrapped BLOB NOT NULL CONSTRAINT "recording-key-is-wrapped" CHECK (length(wrapped) > 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_key_by_key ON recording_key (key_id, recording);

CREATE TABLE recording_hold (
  id INTEGER PRIMARY KEY,
  recording TEXT NOT NULL REFERENCES recording (id),
  at INTEGER NOT NULL,
  by TEXT NOT NULL CONSTRAINT "hold-needs-a-person" CHECK (trim(by) <> ''),
  reference TEXT NOT NULL CONSTRAINT "hold-needs-a-reference" CHECK (trim(reference) <> ''),
  approver TEXT NOT NULL CONSTRAINT "hold-needs-an-approver" CHECK (trim(approver) <> ''),
  review_on TEXT NOT NULL CONSTRAINT "hold-needs-a-review-date"
    CHECK (review_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  released_at INTEGER,
  released_by TEXT CONSTRAINT "release-needs-a-person" CHECK (trim(released_by) <> ''),
  released_why TEXT CONSTRAINT "release-needs-a-reason" CHECK (trim(released_why) <> ''),
  CONSTRAINT "release-is-whole"
    CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (released_why IS NULL))
) STRICT;
CREATE UNIQUE INDEX recording_hold_standing ON recording_hold (recording, reference) WHERE released_at IS NULL;
"""

_ANNOUNCED = "SELECT 1 FROM notice_receipt AS r WHERE r.id = NEW.announcement"
_GERMAN = "EXISTS (SELECT 1 FROM call AS c WHERE c.id = NEW.call AND c.preset = 'de')"
_HELD = "EXISTS (SELECT 1 FROM recording_hold AS h WHERE h.recording = OLD.{0} AND h.released_at IS NULL)"
_STATE = "EXISTS (SELECT 1 FROM recording AS r WHERE r.id = NEW.recording AND r.state = '{0}')"

_RECORDING = (
    # a contract segment has an announcement of its own: a quality recording is never re-labelled (legal.md section C)
    'DROP TRIGGER "recording-announced-as-another";\n'
    + guard(
        "recording-announced-as-another",
        "INSERT ON recording",
        f"EXISTS ({_ANNOUNCED} AND ((NEW.regime = 'quality' AND r.prompt = 'REC_ANNOUNCE')"
        " OR (NEW.regime <> 'quality' AND r.prompt = 'REC_OBJECT')"
        f" OR (NEW.regime = 'legal' AND r.prompt = 'REC_CONSENT' AND NOT {_GERMAN})))",
        "this announcement belongs to another regime",
    )
    + guard(
        "recording-unasked",
        "INSERT ON recording",
        f"{_GERMAN} AND NOT EXISTS ({_ANNOUNCED} AND r.prompt = 'REC_CONSENT')",
        "section 201 StGB: the caller consents by key, whatever the regime",
    )
    + guard(
        "recording-without-agents-consent",
        "INSERT ON recording",
        f"(NEW.agent_consent IS NOT NULL OR {_GERMAN}) AND NOT EXISTS (SELECT 1 FROM agent_consent AS a"
        " WHERE a.id = NEW.agent_consent AND a.agreed = 1 AND a.at <= NEW.started_at"
        " AND (a.until IS NULL OR NEW.started_at <= a.until)"
        " AND NOT EXISTS (SELECT 1 FROM agent_consent AS l WHERE l.agent = a.agent AND l.id > a.id"
        " AND (l.source = 'ended' OR (l.version IS a.version AND l.sha256 IS a.sha256))))",
        "section 201 StGB: the agent consents as well, and his latest word to this question counts",
    )
    + guard(
        "recording-armed-as",
        "UPDATE ON recording",
        "NEW.side IS NOT OLD.side OR NEW.agent_consent IS NOT OLD.agent_consent"
        " OR (OLD.leg IS NOT NULL AND NEW.leg IS NOT OLD.leg)",
        "whose channel is recorded, and by whose consent, never changes",
    )
    + guard(
        "recording-sealed-by-its-seal",
        "UPDATE OF sealed ON recording",
        "NEW.sealed <> EXISTS (SELECT 1 FROM recording_seal AS s WHERE s.recording = NEW.id)",
        "sealed is what has a seal",
    )
    + guard(
        "recording-sealed-is-over",
        "UPDATE OF state ON recording",
        "OLD.sealed = 1 AND NEW.state NOT IN ('finished', 'deleted')",
        "what is sealed is over",
    )
    + guard(
        "recording-held",
        "UPDATE OF state ON recording",
        f"NEW.state = 'deleted' AND OLD.state <> 'deleted' AND {_HELD.format('id')}",
        "a hold stands (Art. 17(3)(e)): release it first",
    )
    + guard(
        "recording-deleted-with-its-key",
        "UPDATE OF state ON recording",
        "NEW.state = 'deleted' AND EXISTS (SELECT 1 FROM recording_key AS k WHERE k.recording = OLD.id)",
        "destroy its key first: until then every copy of the file can be heard",
    )
)

_SEALED = """
CREATE TRIGGER recording_sealed AFTER INSERT ON recording_seal
BEGIN UPDATE recording SET sealed = 1 WHERE id = NEW.recording; END;
"""
_SEALING = _SEALED + "".join(
    (
        append_only("agent_consent", ["id"]),
        append_only("recording_event", ["recording", "seq"]),
        append_only("recording_seal", ["recording"], ["file"]),
        guard(
            "seal-needs-a-finished-recording",
            "INSERT ON recording_seal",
            f"NOT {_STATE.format('finished')}",
            "only what is over, and was not deleted, is sealed",
        ),
        guard(
            "seal-needs-its-key",
            "INSERT ON recording_seal",
            "NOT EXISTS (SELECT 1 FROM recording_key AS k WHERE k.recording = NEW.recording)",
            "sealed without a key it could never be heard again",
        ),
        guard(
            "recording-key-once",
            "INSERT ON recording_key",
            "EXISTS (SELECT 1 FROM recording_key AS k WHERE k.recording = NEW.recording)"
            " OR EXISTS (SELECT 1 FROM recording_seal AS s WHERE s.recording = NEW.recording)"
            f" OR NOT {_STATE.format('finished')}",
            "a recording gets its key when it is sealed, once; one that was destroyed does not come back",
        ),
        identity("recording_key", "recording"),
        guard(
            "recording-key-held",
            "DELETE ON recording_key",
            _HELD.format("recording"),
            "a hold stands (Art. 17(3)(e)): release it first",
        ),
        register("recording_hold", "released_at", "id", "recording", "at", "by", "reference", "approver", "review_on"),
        guard(
            "hold-stands-already",
            "INSERT ON recording_hold",
            "EXISTS (SELECT 1 FROM recording_hold AS h WHERE h.recording = NEW.recording"
            " AND h.reference = NEW.reference AND h.released_at IS NULL)",
            "it is held under this reference already",
        ),
        guard(
            "hold-on-what-is-gone",
            "INSERT ON recording_hold",
            _STATE.format("deleted"),
            "the recording is deleted: nothing is left to hold",
        ),
    )
)

THIRD = _TABLES + _RECORDING + _SEALING
"""Every statement of the migration, in order."""

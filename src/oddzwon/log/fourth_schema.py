"""The fourth schema: the kill switch, the caps on dials, the loss by a clock that nobody can set, a policy's values.

The prefix stands on the attempt itself, because the counts of an hour must not shrink when a number is erased. It is no
personal data: it leaves four digits of the number open at least, which the database makes sure of.
"""

# ruff: noqa: S608 -- this file is SQL made from constants of ours; nothing here is input
from __future__ import annotations

from oddzwon.domain.attestation import REASON_LONGEST
from oddzwon.domain.caps import SHARED_DIGITS
from oddzwon.log import vocabulary as v
from oddzwon.log.guards import append_only, guard
from oddzwon.log.tables import one_of

_SWITCH = f"""
CREATE TABLE callback_switch (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  state TEXT NOT NULL CONSTRAINT "switch-state" CHECK (state IN {one_of(v.SWITCH_STATES)}),
  by TEXT NOT NULL CONSTRAINT "switch-needs-a-person" CHECK (trim(by) <> ''),
  reason TEXT NOT NULL CONSTRAINT "switch-reason-is-short" CHECK (length(reason) <= {REASON_LONGEST})
) STRICT;
"""

_DIALS = """
ALTER TABLE attempt ADD COLUMN prefix TEXT CONSTRAINT "attempt-prefix-is-digits" CHECK (prefix NOT GLOB '*[^0-9]*');
CREATE INDEX attempt_by_time ON attempt (never_existed, at, prefix);
"""
"""One index for three of the counts: it is entered where the window begins, and the caps keep the window short."""

_LISTS = """
CREATE INDEX callback_by_state ON callback (state, created_at, id);
"""
"""For ``callbacks list --state``: the few that have lapsed are found among millions that have talked."""

_LOSS_AND_POLICY = """
ALTER TABLE call ADD COLUMN lost_boot TEXT CONSTRAINT "call-lost-boot" CHECK (lost_boot <> '');
ALTER TABLE call ADD COLUMN lost_boot_ms INTEGER;

CREATE TABLE policy (
  hash TEXT PRIMARY KEY NOT NULL CHECK (hash <> ''),
  json TEXT NOT NULL CONSTRAINT "policy-is-json" CHECK (json_valid(json)),
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_GUARDS = (
    append_only("callback_switch", ["id"])
    + append_only("policy", ["hash"])
    + guard(
        "call-lost-boot-whole",
        "UPDATE OF lost_boot, lost_boot_ms ON call",
        "(NEW.lost_boot IS NULL) <> (NEW.lost_boot_ms IS NULL) OR (OLD.lost_boot IS NOT NULL"
        " AND (NEW.lost_boot IS NOT OLD.lost_boot OR NEW.lost_boot_ms IS NOT OLD.lost_boot_ms))",
        "a moment of a boot is told whole, and once",
    )
    + guard(
        "attempt-prefix-is-no-number",
        "INSERT ON attempt",
        "NEW.prefix IS NOT NULL AND NOT EXISTS (SELECT 1 FROM callback AS b JOIN party AS p ON p.id = b.party"
        " WHERE b.id = NEW.callback AND substr(p.number, 2, length(NEW.prefix)) = NEW.prefix"
        f" AND length(p.number) > length(NEW.prefix) + {SHARED_DIGITS})",
        "a prefix is the beginning of the number that is dialled, and never so much of it that it names a person",
    )
    + guard(
        "attempt-prefix-stays",
        "UPDATE ON attempt",
        "NEW.prefix IS NOT OLD.prefix",
        "what was dialled never changes",
    )
)

FOURTH = _SWITCH + _DIALS + _LISTS + _LOSS_AND_POLICY + _GUARDS
"""Every statement of the migration, in order."""

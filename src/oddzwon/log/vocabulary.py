"""The words that the call log's columns may hold: the schema's CHECKs are made from these tuples.

They are the domain's words (design, section 7); the domain owns their meaning, a test holds both lists together.
"""

from __future__ import annotations

DIRECTIONS = ("inbound", "callback")

PRESENTATIONS = ("allowed", "withheld", "unknown")

STAGES = ("arriving", "notice", "menu", "announcement", "queued", "connecting", "talking")

ENDING_PARTIES = ("caller", "agent", "carrier", "network", "system", "pbx", "unknown")

CONFIDENCES = ("low", "medium", "high")

DOORS = ("code", "phone", "console")
"""How an attestation came: a feature code in the call, dialled after it, or the command line."""

FAULTS = ("caller-line", "agent-line", "pbx")
"""What an attestation may name as the fault."""

REGIMES = ("quality", "contract", "legal")
"""Regimes under which a recording can begin; a *hold* is put on a recording later, *none* records nothing."""

RECORDING_OPEN = ("armed", "recording", "paused")
RECORDING_CLOSED = ("finished", "failed")
RECORDING_FINAL = ("deleted",)
RECORDING_SEALED = "sealed"
"""What is shown of a finished recording once its sealed file and its wrapped key are in the log."""
RECORDING_EVENTS = (
    *RECORDING_OPEN,
    *RECORDING_CLOSED,
    RECORDING_SEALED,
    "key destroyed",
    *RECORDING_FINAL,
    "held",
    "released",
)
"""What a recording's history may tell."""

SIDES = ("caller", "agent")
"""Whose channel a MixMonitor hangs on."""

CONSENT_SOURCES = ("asked", "on_file", "ended")
"""How an agent's consent came about (asked by telephone; the operator has it on paper), or that it is over."""

CALLBACK_OPEN = ("waiting", "reserving", "dialling", "ringing", "answered", "connected")
CALLBACK_FINAL = (
    "completed",
    "unanswered",
    "lapsed",
    "cancelled",
    "objected",
    "wrong_person",
    "lost",
    "failed",
)

ATTEMPT_OPEN = ("committed", "dialling", "ringing", "answered", "connected")
"""``committed``: written, the Originate may or may not have left; never sent again blindly (design, rule 2.2)."""
ATTEMPT_FINAL = ("completed", "unanswered", "cancelled", "objected", "wrong_person", "lost", "failed")
ATTEMPT_ANSWERED = ("answered", "connected", "completed", "wrong_person")
"""States that can only be reached through an answer; entering one of them stamps ``answered_at``."""

SWITCH_STATES = ("on", "off")
"""The kill switch: whether callbacks are made at all."""

OBJECTION_SCOPES = ("callback", "recording")

LAYER1 = "L1"
SHORT_NOTICE = "SHORT"
ANNOUNCEMENTS = ("REC_CONSENT", "REC_OBJECT", "REC_ANNOUNCE")

DECISION_CODES = (
    "NOT_INBOUND",
    "NO_TECH_EVIDENCE",
    "STAGE",
    "CLIR",
    "CLI_NOT_ORIGINATOR",
    "INVALID",
    "PREMIUM",
    "UNKNOWN_RANGE",
    "COUNTRY",
    "TOO_LATE",
    "DUPLICATE",
    "ATTEMPTS",
    "PURPOSE",
    "OBJECTED",
    "RESTRICTED",
    "REDIALLED",
    "NO_NOTICE",
    "NO_AGENT",
    "NO_BALANCING_TEST",
)
"""The conditions of a callback (legal.md section A), each of which a positive decision must carry, passed."""

DIAL_CODES = ("TOO_LATE", "ATTEMPTS", "OBJECTED", "RESTRICTED", "REDIALLED", "NO_AGENT")
"""Those which are asked again before every INVITE (legal.md section A, marked D)."""

"""The call log: what happened in every call, and the proof of it, in one SQLite file with one writer.

The service uses :class:`CallLog`; the command line reads through :mod:`oddzwon.log.queries`. The schema itself
refuses what the law refuses: :mod:`oddzwon.log.tables`, :mod:`oddzwon.log.guards`. Errors: :mod:`oddzwon.log.errors`.
"""

from oddzwon.log.call_log import CallLog
from oddzwon.log.errors import (
    LogClosed,
    LogCorrupt,
    LogError,
    LogFull,
    LogLocked,
    LogMissing,
    LogOverloaded,
    LogReadOnly,
    LogRefused,
    LogTooNew,
    LogTooOld,
    LogUnavailable,
)
from oddzwon.log.ids import channel_id, new_id
from oddzwon.log.records import (
    AttemptRow,
    Attestation,
    CallRow,
    Condition,
    Counts,
    Decision,
    Drop,
    Ending,
    Evidence,
    Fact,
    NewCall,
    NewRecording,
    OpenCallback,
    Party,
    Receipt,
    Unjudged,
)

__all__ = [
    "AttemptRow",
    "Attestation",
    "CallLog",
    "CallRow",
    "Condition",
    "Counts",
    "Decision",
    "Drop",
    "Ending",
    "Evidence",
    "Fact",
    "LogClosed",
    "LogCorrupt",
    "LogError",
    "LogFull",
    "LogLocked",
    "LogMissing",
    "LogOverloaded",
    "LogReadOnly",
    "LogRefused",
    "LogTooNew",
    "LogTooOld",
    "LogUnavailable",
    "NewCall",
    "NewRecording",
    "OpenCallback",
    "Party",
    "Receipt",
    "Unjudged",
    "channel_id",
    "new_id",
]

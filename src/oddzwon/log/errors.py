"""Everything that can go wrong with the call log, in words for the person who has to act.

::

    LogError
     ├── LogUnavailable     cannot be used now; the next write tries again
     │    ├── LogLocked         another process held it longer than the busy time-out
     │    ├── LogReadOnly       file, folder or file system is read-only
     │    ├── LogFull           the disk (or the page limit) is full
     │    ├── LogOverloaded     more writes wait than the writer's bounded queue takes
     │    └── LogClosed         the log was closed, or is being closed
     ├── LogCorrupt         not a call log, or damaged
     ├── LogMissing         there is no such file
     ├── LogTooNew          written by a newer version of oddzwon
     ├── LogTooOld          of an older schema, and opened for reading only
     └── LogRefused         the schema refused the row: ``rule`` names which rule

What raises any of them was not written: by design rule 2.1 it must not be done either.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path


class LogError(Exception):
    """Base of every error of this package; see the tree in the module's docstring."""


class LogUnavailable(LogError):
    """The log cannot be used at the moment; nothing was written and the next write tries again."""


class LogLocked(LogUnavailable):
    """Another process held the database longer than the busy time-out."""


class LogReadOnly(LogUnavailable):
    """The file, its folder or its file system cannot be written."""


class LogFull(LogUnavailable):
    """No space is left for the database."""


class LogOverloaded(LogUnavailable):
    """The writer's bounded queue is full."""


class LogClosed(LogUnavailable):
    """The log was closed before this write was accepted."""


class LogCorrupt(LogError):
    """The file is damaged, or is no call log."""


class LogMissing(LogError):
    """The file does not exist."""


class LogTooNew(LogError):
    """The file's schema has migrations that this version does not know."""


class LogTooOld(LogError):
    """The file's schema lacks migrations, and it was opened for reading only."""


class LogRefused(LogError):
    """The schema refused the row. ``rule`` is the rule's name, such as ``one-callback-per-drop``."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


UNIQUE_RULES = {
    "callback.call_drop": "one-callback-per-drop",
    "callback.decision": "one-callback-per-decision",
    "callback.party": "one-open-callback-per-number",
    "attempt.callback, attempt.n": "attempt-number-once",
    "attempt.channel_id": "channel-id-once",
    "attempt.callback": "one-open-attempt-per-callback",
    "call.pbx, call.leg, call.linked": "leg-logged-once",
    "call_drop.call": "one-drop-per-call",
    "ending.call, ending.n": "one-ending-per-call",
    "decision.call, decision.n": "one-decision-per-call",
    "recording.file": "recording-file-once",
}
"""SQLite names the columns of a violated UNIQUE; people and programs get the rule's name instead."""


def log_error(error: sqlite3.Error, path: Path) -> LogError:
    """Translate SQLite's error into ours. ``path`` is named in what a person has to mend."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return _refused(str(error))
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogLocked(
            f"{path}: another process holds the call log. Close what has it open for writing "
            "(a second oddzwon serve, a database browser) and try again."
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return LogReadOnly(
            f"{path}: the call log cannot be written ({error}). Make the file and its folder writable "
            "for the service's user, and check that the file system is not mounted read-only."
        )
    if primary == sqlite3.SQLITE_FULL:
        return LogFull(f"{path}: no space left for the call log. Free space on that file system.")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogCorrupt(
            f"{path}: not a usable call log ({error}). Put the last backup in its place, or another path "
            "into the configuration."
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return LogUnavailable(
            f"{path}: the call log cannot be opened, read or written ({error}). Check that its folder exists, "
            "that the service's user may write there, and the disk's health."
        )
    return LogError(f"{path}: the database failed: {error}")


def _refused(message: str) -> LogRefused:
    """``rule-name: sentence`` from our triggers, a constraint's name from CHECKs, columns from UNIQUEs."""
    kind, _, detail = message.partition(" constraint failed: ")
    if detail:
        rule = UNIQUE_RULES.get(detail, detail)
        sentence = f"{kind} {detail}"
    elif message == "FOREIGN KEY constraint failed":
        rule, sentence = "foreign-key", "it refers to what is not there, or to what does not belong to it"
    else:
        rule, _, sentence = message.partition(": ")
        if not sentence:  # such as "cannot store TEXT value in INTEGER column call.started_at"
            rule, sentence = "column-type", message
    return LogRefused(rule, f"the call log's schema refused the row: {sentence} ({rule})")

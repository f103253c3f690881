"""The call log's schema as a list of migrations, kept by sqlite-utils; its tables and guards stand beside this file.

A migration that has been released is never edited: what follows is a new one, at the end.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

from oddzwon.log.callback_guards import CALLBACK_GUARDS
from oddzwon.log.errors import LogCorrupt, LogTooNew, LogTooOld
from oddzwon.log.fourth_schema import FOURTH
from oddzwon.log.guards import GUARDS
from oddzwon.log.second_schema import SECOND
from oddzwon.log.tables import TABLES
from oddzwon.log.third_schema import THIRD
from oddzwon.log.vocabulary import DECISION_CODES, DIAL_CODES

APPLICATION_ID = 0x6F647A77
"""``odzw``: marks the file as a call log of ours (PRAGMA application_id)."""

_SET = "oddzwon.log"
MIGRATIONS = Migrations(_SET)


@MIGRATIONS(name="0001_first")
def _first(db: Database) -> None:
    """Every table of the first release. Statement by statement: executescript would commit half-way."""
    for statement in statements(TABLES + GUARDS + CALLBACK_GUARDS):
        db.execute(statement)
    codes = [("decision", code) for code in DECISION_CODES] + [("dial", code) for code in DIAL_CODES]
    for row in codes:
        db.execute("INSERT INTO required_condition (gate, code) VALUES (?, ?)", list(row))


@MIGRATIONS(name="0002_attestation")
def _second(db: Database) -> None:
    """The agent's word, and the verdict and decision that may follow from it."""
    for statement in statements(SECOND):
        db.execute(statement)


@MIGRATIONS(name="0003_recordings_at_rest")
def _third(db: Database) -> None:
    """The agent's consent, recordings sealed and held, and their history."""
    for statement in statements(THIRD):
        db.execute(statement)


@MIGRATIONS(name="0004_switch_and_caps")
def _fourth(db: Database) -> None:
    """The kill switch, and what the caps on dials count."""
    for statement in statements(FOURTH):
        db.execute(statement)


def statements(script: str) -> list[str]:
    """The script's statements; a trigger's inner semicolons do not end it."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    if pending.strip():
        raise ValueError(f"the schema ends in the middle of a statement: {pending.strip()[:60]}")
    return found


def known_versions(migrations: Migrations = MIGRATIONS) -> list[str]:
    """The names of all migrations that this version has, in order."""
    return [pending.name for pending in migrations.pending(Database(memory=True))]


def migrate(connection: sqlite3.Connection, path: Path, migrations: Migrations = MIGRATIONS) -> None:
    """Bring the file's schema up to date, in one transaction: every migration and its record, or none.

    Raises LogTooNew or LogCorrupt (another application's database), and sqlite3.Error.
    """
    # a table that others refer to is made anew (second_schema): SQLite counts that as breaking them, whatever follows,
    # so they are looked at as a whole before the commit; the switch does nothing inside a transaction
    (enforced,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _migrate(connection, path, migrations)
    finally:
        connection.execute(f"PRAGMA foreign_keys = {enforced}")


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Migrations) -> None:
    # IMMEDIATE: of two services that start at once, the second one waits here and then finds nothing to do
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_empty(connection):
            _check_ours(connection, path)
        db = Database(connection)
        _check_known(db, path, migrations)
        if migrations.pending(db):
            migrations.apply(db)
            _check_references(connection, path)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        # a write at every opening: on a read-only file SQLite would begin this transaction without a word
        connection.execute(f"PRAGMA user_version = {len(migrations.applied(db))}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check(connection: sqlite3.Connection, path: Path, migrations: Migrations = MIGRATIONS) -> None:
    """Make sure, without writing, that the file is a call log of exactly this version's schema.

    Raises LogTooNew, LogTooOld or LogCorrupt, and sqlite3.Error.
    """
    _check_ours(connection, path)
    db = Database(connection)
    _check_known(db, path, migrations)
    missing = [migration.name for migration in migrations.pending(db)]
    if missing:
        raise LogTooOld(
            f"{path}: this call log lacks {', '.join(missing)}. Start `oddzwon serve` once: it brings it up to date."
        )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def _check_references(connection: sqlite3.Connection, path: Path) -> None:
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise LogCorrupt(f"{path}: a row of {broken[0]} refers to nothing. Put the last backup in its place.")


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found != APPLICATION_ID:
        raise LogCorrupt(
            f"{path}: an SQLite database, but not a call log of oddzwon. Name another path in the configuration."
        )


def _check_known(db: Database, path: Path, migrations: Migrations) -> None:
    known = known_versions(migrations)
    applied = [migration.name for migration in migrations.applied(db)]
    unknown = [name for name in applied if name not in known]
    if unknown:
        raise LogTooNew(
            f"{path}: its schema is at {applied[-1]}, this version of oddzwon knows it up to {known[-1]} "
            f"(unknown: {', '.join(unknown)}). Install the newer version again, or use a backup made before it."
        )

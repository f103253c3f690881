"""How the call log's file is opened: for writing by the one writer, for reading by anybody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oddzwon.log.errors import LogMissing, log_error
from oddzwon.log.schema import check, migrate


def open_for_writing(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open or create the file, WAL and fsync at every commit, with the schema brought up to date.

    Raises LogError.
    """
    try:
        connection = _connect(str(path), busy_timeout_ms)
    except sqlite3.Error as error:
        raise log_error(error, path) from error
    with _closed_on_error(connection, path):
        _keep_the_rules(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: in WAL only FULL makes each commit durable against power loss (rule 2.1)
        connection.execute("PRAGMA synchronous = FULL")
        # a destroyed key and an erased number are gone from the bytes on the disk, free pages included
        connection.execute("PRAGMA secure_delete = ON")
        migrate(connection, path)
    return connection


def open_for_reading(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open an existing call log read-only, also while the service writes.

    Raises LogMissing, LogTooOld, LogTooNew and the other LogErrors.
    """
    if not path.exists():
        raise LogMissing(
            f"{path}: there is no call log. Check the path in the configuration, or start `oddzwon serve` once: "
            "it creates the log."
        )
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = _connect(uri, busy_timeout_ms, uri=True)
    except sqlite3.Error as error:
        raise log_error(error, path) from error
    with _closed_on_error(connection, path):
        connection.execute("PRAGMA query_only = ON")
        check(connection, path)
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Close the connection if its opening fails; SQLite's errors become ours."""
    try:
        yield
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise log_error(error, path) from error
        raise


def _connect(name: str, busy_timeout_ms: int, *, uri: bool = False) -> sqlite3.Connection:
    """Autocommit, so that every BEGIN is our own; opened in one thread and then used only by another."""
    return sqlite3.connect(name, uri=uri, isolation_level=None, timeout=busy_timeout_ms / 1000, check_same_thread=False)


def _keep_the_rules(connection: sqlite3.Connection) -> None:
    """Foreign keys are off in SQLite unless asked for; recursive triggers make REPLACE fire delete triggers."""
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")

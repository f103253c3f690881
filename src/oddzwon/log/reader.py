"""Reading without holding up the event loop: a thread and a read-only connection of its own.

In WAL mode a reader sees every acknowledged write and waits for none.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from oddzwon.log.connection import open_for_reading
from oddzwon.log.errors import LogClosed, LogOverloaded, log_error

T = TypeVar("T")


class Reader:
    """The reading thread of one file; made by :meth:`open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, limit: int = 10_000) -> None:
        self.path = path
        self._connection = connection
        self._limit = limit
        self._waiting = 0
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="call-log-reader")

    @classmethod
    async def open(cls, path: Path, *, busy_timeout_ms: int) -> Reader:
        """Open the file read-only. Raises LogError."""
        return cls(path, await asyncio.to_thread(open_for_reading, path, busy_timeout_ms))

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The query's result, all of it read from one snapshot. Raises LogError."""
        if self._closed:
            raise LogClosed(f"{self.path}: the call log is closed")
        if self._waiting >= self._limit:
            raise LogOverloaded(f"{self.path}: {self._limit} reads wait already. The disk is too slow, or stuck.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._snapshot, query)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Let the reads that were asked for end, then close the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    def _snapshot(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN")
            try:
                return query(self._connection)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise log_error(error, self.path) from error

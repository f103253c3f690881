"""The one writer: a thread that takes all waiting writes, commits them together (one fsync), then acknowledges them.

Each write runs in a savepoint of its own, so that one that fails harms no other. What was handed over is carried out
even if nobody awaits it any more.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from oddzwon.log.connection import open_for_writing
from oddzwon.log.errors import LogClosed, LogOverloaded, LogRefused, LogUnavailable, log_error

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
"""A write. It may be run a second time after a rollback, so it has no effect but on the database."""

BATCH_MAX = 1_000
"""Writes in one commit at most: bounds how long the first of them waits."""
ERASE_AGAIN_S = 1.0
"""How often an erasure is tried again that a reader's old state held up."""


@dataclass(slots=True)
class _Job:
    operation: Operation[Any]  # each job has its own result type; run() gives it back to its caller
    future: asyncio.Future[Any]
    erases: bool = False
    result: Any = None
    error: Exception | None = None


class Writer:
    """The writer thread of one file; made by :meth:`open`, and used from the event loop it was opened in."""

    def __init__(self, path: Path, connection: sqlite3.Connection, queue_limit: int) -> None:
        self.path = path
        self.commits = 0
        """Commits so far: held against the number of writes, it shows how well they are grouped."""
        self._connection = connection
        self._file = _identity(path)
        self._limit = queue_limit
        # the limit is kept by run(): a bounded queue.Queue would lock, and its full put would block the event loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._traces = True  # what a crash has left in the journal is not known
        self._loop = asyncio.get_running_loop()
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="call-log-writer", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, *, busy_timeout_ms: int, queue_limit: int) -> Writer:
        """Open the file, migrate it and start the thread. Raises LogError."""
        connection = await asyncio.to_thread(open_for_writing, path, busy_timeout_ms)
        return cls(path, connection, queue_limit)

    async def run(self, operation: Operation[T], *, erases: bool = False) -> T:
        """Carry the write out; returns its result once it is on the disk. Raises LogError, or what it raised.

        ``erases``: what it deletes or overwrites is to vanish from the journal as well, as soon as nobody reads an
        older state.
        """
        if self._closed:
            raise LogClosed(f"{self.path}: the call log is closed; this was not written")
        if self._jobs.qsize() >= self._limit:
            raise LogOverloaded(
                f"{self.path}: {self._limit} writes wait already. The disk is too slow for these calls, or stuck."
            )
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(operation, future, erases))
        return await future

    async def close(self) -> None:
        """Carry out all that was handed over, then close the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(self._finished)

    # --- in the thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        going = True
        while going:
            jobs, going = self._take()
            if jobs:
                self._carry_out(jobs)
                self._traces |= any(job.erases for job in jobs)
            if self._traces:
                self._empty_journal()
            if jobs:
                self._tell(self._acknowledge, jobs)
        with suppress(sqlite3.Error):  # all is committed; a checkpoint that fails here is done at the next opening
            self._connection.close()
        self._tell(self._finish)

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job and take all that stand behind it; False once the end has been asked for."""
        jobs: list[_Job] = []
        try:
            job = self._jobs.get(timeout=ERASE_AGAIN_S if self._traces else None)
        except queue.Empty:
            return jobs, True
        while job is not None:
            jobs.append(job)
            if len(jobs) == BATCH_MAX:
                return jobs, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, True
        return jobs, False

    def _carry_out(self, jobs: Sequence[_Job]) -> None:
        """Run the jobs in one transaction; if it is lost as a whole, run each in one of its own."""
        try:
            self._check_file()
            self._connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run(job)
                if not self._connection.in_transaction:
                    # SQLite may give up the whole transaction for one statement's sake (full disk, no memory)
                    self._one_by_one(jobs)
                    return
            self._connection.execute("COMMIT")
            self.commits += 1
        except (sqlite3.Error, LogUnavailable) as error:
            self._roll_back()
            if _worth_retrying(error) and len(jobs) > 1:
                self._one_by_one(jobs)
                return
            mapped = log_error(error, self.path) if isinstance(error, sqlite3.Error) else error
            for job in jobs:
                job.error = job.error or mapped

    def _one_by_one(self, jobs: Sequence[_Job]) -> None:
        if len(jobs) == 1:  # it has its error already
            return
        for job in jobs:
            self._carry_out([job])

    def _run(self, job: _Job) -> None:
        job.error = None
        self._connection.execute("SAVEPOINT job")
        try:
            job.result = job.operation(self._connection)
        except Exception as error:  # whatever it is belongs to the one who asked, and to nobody else
            job.error = self._translated(error)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO job")
        if self._connection.in_transaction:
            self._connection.execute("RELEASE job")

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return log_error(error, self.path)
        if isinstance(error, (UnicodeEncodeError, OverflowError)):
            return LogRefused("value-not-storable", f"the call log cannot hold this value: {error}")
        return error

    def _empty_journal(self) -> None:
        """Move all that is committed from the journal into the file, where secure_delete has overwritten the rest."""
        with suppress(sqlite3.Error):
            (patience,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
            self._connection.execute("PRAGMA busy_timeout = 0")  # a reader may take long: calls do not wait for him
            try:
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._traces = bool(busy)
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {patience}")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _check_file(self) -> None:
        """Writes into a file that has lost its name would be acknowledged and never seen again."""
        if _identity(self.path) != self._file:
            raise LogUnavailable(
                f"{self.path}: the call log's file was removed or replaced while it was open. "
                "Put it back, then restart the service."
            )

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *arguments)

    # --- in the event loop ----------------------------------------------------------------------------------------

    def _acknowledge(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.future.done():  # whoever awaited it was cancelled
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _worth_retrying(error: Exception) -> bool:
    """Whether the jobs may fare better one by one: one alone was too large, or broke a rule checked at the commit."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT)

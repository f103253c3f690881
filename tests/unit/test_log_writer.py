"""The writer thread: commits in groups, keeps one write's failure from another, loses nothing it has acknowledged."""

# ruff: noqa: ASYNC240 -- small files, and the loop of a test has nothing else to do
from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database, Migrations

from oddzwon.log import (
    CallLog,
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
    NewCall,
)
from oddzwon.log.connection import open_for_reading, open_for_writing
from oddzwon.log.errors import log_error
from oddzwon.log.schema import MIGRATIONS, check, known_versions, migrate, statements
from oddzwon.log.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    writer = await Writer.open(path, busy_timeout_ms=50, queue_limit=1_000)
    yield writer
    await writer.close()


def party(n: int) -> str:
    """An insert of one row, which UNIQUE refuses the second time."""
    return f"INSERT INTO party (number, number_key) VALUES ('+48{600_000_000 + n}', '{n:064x}')"


def parties(path: Path) -> set[int]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return {int(number) - 48_600_000_000 for (number,) in db.execute("SELECT number FROM party")}


async def insert(writer: Writer, n: int) -> None:
    await writer.run(lambda db: db.execute(party(n)).rowcount)


@contextlib.asynccontextmanager
async def held(writer: Writer) -> AsyncIterator[None]:
    """The thread stands inside a write until the block ends, so that all handed over meanwhile wait together."""
    standing, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def stand(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(standing.set)
        go_on.wait(10)

    task = asyncio.create_task(writer.run(stand))
    await standing.wait()
    try:
        yield
    finally:
        go_on.set()
        await task


async def test_waiting_writes_share_one_commit(writer: Writer, path: Path) -> None:
    async with held(writer):
        tasks = [asyncio.create_task(insert(writer, n)) for n in range(300)]
        await asyncio.sleep(0)  # each task runs up to its hand-over
    await asyncio.gather(*tasks)
    assert writer.commits == 2  # the one that stood, and all the rest
    assert parties(path) == set(range(300))


async def test_a_failing_write_harms_no_other(writer: Writer, path: Path) -> None:
    async with held(writer):
        tasks = [asyncio.create_task(insert(writer, n // 2)) for n in range(10)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LogRefused] * 5
    assert writer.commits == 2
    assert parties(path) == set(range(5))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["good", "refused", "half", "bug", "dangling"]), max_size=8))
def test_any_mixture_of_writes(kinds: list[str]) -> None:
    """Whatever fails, and at whatever moment, exactly the good ones are there, whole."""

    def operation(kind: str, n: int) -> Callable[[sqlite3.Connection], int]:
        def run(db: sqlite3.Connection) -> int:
            db.execute(party(2 * n))
            if kind == "refused":
                db.execute(party(2 * n))
            if kind == "dangling":  # a foreign key that is looked at only at the commit
                db.execute("INSERT INTO decision_condition VALUES ('none', ?, 'CLIR', 1, '')", (n + 1,))
            if kind == "bug":
                raise ZeroDivisionError
            if kind == "half":
                db.execute("no such statement")
            db.execute(party(2 * n + 1))
            return n

        return run

    async def main(path: Path) -> list[object]:
        writer = await Writer.open(path, busy_timeout_ms=50, queue_limit=100)
        async with held(writer):
            operations = [operation(kind, n) for n, kind in enumerate(kinds)]
            tasks = [asyncio.create_task(writer.run(one)) for one in operations]
            await asyncio.sleep(0)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await writer.close()
        return list(results)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        results = asyncio.run(main(path))
        written = parties(path)
    good = [n for n, kind in enumerate(kinds) if kind == "good"]
    assert written == {row for n in good for row in (2 * n, 2 * n + 1)}
    expected = {"good": int, "refused": LogRefused, "half": LogError, "bug": ZeroDivisionError, "dangling": LogRefused}
    assert [expected[kind] for kind in kinds] == [type(result) for result in results]


async def test_locked_by_another_process(writer: Writer, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LogLocked, match=r"log\.db: another process holds"):
            await insert(writer, 1)
        other.execute("ROLLBACK")
    await insert(writer, 2)
    assert parties(path) == {2}


async def test_locked_at_the_opening(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LogLocked):
            await CallLog.open(path, busy_timeout_ms=50)


async def test_full_disk_and_room_again(writer: Writer, path: Path) -> None:
    """max_page_count gives the very SQLITE_FULL of a full disk."""

    def fill(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")

    def large(db: sqlite3.Connection) -> None:
        for n in range(100, 2_000):
            db.execute(party(n))

    await writer.run(fill)
    async with held(writer):
        first = asyncio.create_task(insert(writer, 1))
        second = asyncio.create_task(writer.run(large))
        third = asyncio.create_task(insert(writer, 2))
        await asyncio.sleep(0)
    await first
    with pytest.raises(LogFull, match=r"log\.db: no space left"):
        await second
    await third
    assert parties(path) == {1, 2}
    await writer.run(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    await writer.run(large)
    assert parties(path) == {1, 2, *range(100, 2_000)}


async def test_read_only_for_a_while(writer: Writer, path: Path) -> None:
    await writer.run(lambda db: db.execute("PRAGMA query_only = ON").fetchall())
    with pytest.raises(LogReadOnly, match=r"log\.db: the call log cannot be written"):
        await insert(writer, 1)
    writer._connection.execute("PRAGMA query_only = OFF")  # not by a write of ours: it is those that are refused
    await insert(writer, 2)
    assert parties(path) == {2}


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder that belongs to us as an ordinary user: file modes mean nothing to root."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="oddzwon-log-"))
    if root:
        os.chown(folder, 65_534, 65_534)
        os.seteuid(65_534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


async def test_read_only_file_and_folder() -> None:
    with unprivileged() as folder:
        path = folder / "log.db"
        await (await CallLog.open(path)).close()
        path.chmod(0o400)
        with pytest.raises(LogReadOnly, match=r"log\.db: the call log cannot be written"):
            await CallLog.open(path)
        folder.chmod(0o500)
        with pytest.raises(LogUnavailable, match=r"log\.db: the call log cannot be"):
            await CallLog.open(path)
        with pytest.raises(LogUnavailable, match=r"new\.db: the call log cannot be opened"):
            await CallLog.open(folder / "new.db")


async def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="folder exists"):
        await CallLog.open(tmp_path / "none" / "log.db")


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be looked at" * 40, b"SQLite format 3\0" * 99]
)
async def test_not_a_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LogCorrupt, match=r"log\.db: not a usable call log"):
        await CallLog.open(path)
    assert path.read_bytes() == content


async def test_a_database_of_another_application(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(LogCorrupt, match="not a call log of oddzwon"):
        await CallLog.open(path)
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


async def test_damaged_pages(path: Path) -> None:
    async with await CallLog.open(path) as log:
        for n in range(50):
            await log.arrive(NewCall("lab", "inbound", "l", str(n), n))
    content = bytearray(path.read_bytes())
    content[8_192:] = b"\xff" * (len(content) - 8_192)
    path.write_bytes(content)
    with pytest.raises(LogCorrupt):
        async with await CallLog.open(path) as log:
            await log.arrive(NewCall("lab", "inbound", "l", "51", 51))


async def test_a_newer_schema(path: Path) -> None:
    await (await CallLog.open(path)).close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('oddzwon.log', '9999_far', 'later')"
        )
    known = known_versions()[-1]
    for opening in (open_for_writing, open_for_reading):
        with pytest.raises(LogTooNew, match=rf"log\.db: its schema is at 9999_far.*up to {known}"):
            opening(path, 50)


def migrations(*, fails: bool = False) -> Migrations:
    """This version's migrations and one more."""
    more = Migrations(MIGRATIONS.name)
    for one in MIGRATIONS.pending(Database(memory=True)):
        more(name=one.name)(one.fn)

    @more(name="9000_more")
    def _more(db: Database) -> None:
        db.execute("CREATE TABLE more (x INTEGER) STRICT")
        if fails:
            db.execute("CREATE TABLE more (x INTEGER) STRICT")

    return more


def names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]


def test_an_older_schema_is_migrated_or_left_as_it_was(path: Path) -> None:
    open_for_writing(path, 50).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(LogTooOld, match="lacks 9000_more"):
            check(db, path, migrations())
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            migrate(db, path, migrations(fails=True))
        assert names(db) == known_versions()
        assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'more'").fetchall()
        migrate(db, path, migrations())
        assert names(db) == [*known_versions(), "9000_more"]
        check(db, path, migrations())


async def test_two_services_start_at_once(path: Path) -> None:
    both = await asyncio.gather(CallLog.open(path), CallLog.open(path))
    for n, log in enumerate(both):
        await log.arrive(NewCall("lab", "inbound", "l", str(n), n))
    assert [len(await log.open_calls()) for log in both] == [2, 2]
    for log in both:
        await log.close()


def test_reading_what_is_not_there(path: Path) -> None:
    with pytest.raises(LogMissing, match="there is no call log"):
        open_for_reading(path, 50)
    assert not path.exists()
    path.touch()
    with pytest.raises(LogCorrupt):
        open_for_reading(path, 50)


async def test_file_taken_away_under_the_service(writer: Writer, path: Path) -> None:
    await insert(writer, 1)
    moved = path.rename(path.with_suffix(".old"))
    with pytest.raises(LogUnavailable, match="removed or replaced"):
        await insert(writer, 2)
    moved.rename(path)
    await insert(writer, 3)
    assert parties(path) == {1, 3}


async def test_too_many_waiting_writes(path: Path) -> None:
    writer = await Writer.open(path, busy_timeout_ms=50, queue_limit=2)
    async with held(writer):
        tasks = [asyncio.create_task(insert(writer, n)) for n in range(4)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), LogOverloaded, LogOverloaded]
    await writer.close()
    assert parties(path) == {0, 1}


async def test_written_although_nobody_waits_any_more(writer: Writer, path: Path) -> None:
    async with held(writer):
        task = asyncio.create_task(insert(writer, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await insert(writer, 2)
    assert parties(path) == {1, 2}


async def test_closing_writes_what_was_handed_over(writer: Writer, path: Path) -> None:
    async with held(writer):
        tasks = [asyncio.create_task(insert(writer, n)) for n in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        with pytest.raises(LogClosed):
            await insert(writer, 99)
    await asyncio.gather(closing, *tasks)
    await writer.close()
    assert parties(path) == set(range(5))
    assert not path.with_name("log.db-wal").exists()


@pytest.mark.parametrize("value", ["\udcff", 2**64])
async def test_values_that_cannot_be_stored(writer: Writer, value: object) -> None:
    with pytest.raises(LogRefused, match="cannot hold this value") as caught:
        await writer.run(lambda db: db.execute("UPDATE call SET queue = ?", (value,)).rowcount)
    assert caught.value.rule == "value-not-storable"


def test_a_statement_cut_short() -> None:
    with pytest.raises(ValueError, match="in the middle"):
        statements("CREATE TABLE a (x);\nCREATE TABLE b (")


def test_errors_without_a_code() -> None:
    assert type(log_error(sqlite3.ProgrammingError("closed"), Path("x"))) is LogError


ACKNOWLEDGING = """
import asyncio, sys
from pathlib import Path
from oddzwon.log import CallLog, NewCall

async def one(log, n):
    call = await log.arrive(NewCall("lab", "inbound", "l", str(n), n))
    print(call, flush=True)

async def main():
    log = await CallLog.open(Path(sys.argv[1]))
    n = 0
    while True:
        await asyncio.gather(*(one(log, n + i) for i in range(7)))
        n += 7

asyncio.run(main())
"""


async def test_killed_service_loses_nothing_acknowledged(path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ACKNOWLEDGING, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).strip() for _ in range(60)]
    child.send_signal(signal.SIGKILL)
    rest = (await child.stdout.read()).split(b"\n")
    acknowledged += rest[:-1]  # the last one may be cut short
    assert await child.wait() == -signal.SIGKILL
    async with await CallLog.open(path) as log:
        there = {call.id.encode() for call in await log.open_calls()}
    assert len(acknowledged) >= 60
    assert set(acknowledged) <= there

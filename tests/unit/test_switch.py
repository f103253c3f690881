"""The kill switch on a real log: off at once whatever the disk does, and kept over a restart."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_control import opened_board, running_callback, write_settings

from oddzwon.callflow.switch import CallbackSwitch, NotSwitched
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load
from oddzwon.domain.callback import CallbackState

PATIENCE_S = 10.0
NOT_WRITTEN, UNREADABLE = "callback-switch-not-written", "callback-switch-unreadable"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        yield board
        for task in tuple(board.tasks):
            task.cancel()
        await asyncio.gather(*board.tasks, return_exceptions=True)


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(settings.log.path)) as db:
        return db.execute("SELECT state, by, reason FROM callback_switch ORDER BY id").fetchall()


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Another process holds the database: nothing can be written."""
    with closing(sqlite3.connect(settings.log.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def history(settings: Settings, callback: str) -> list[tuple[str, str]]:
    sql = "SELECT state, why FROM callback_event WHERE callback = ? ORDER BY seq"
    with closing(sqlite3.connect(settings.log.path)) as db:
        return db.execute(sql, (callback,)).fetchall()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - a row of another connection tells nobody that it is there
            await asyncio.sleep(0.02)


async def restarted(settings: Settings) -> CallbackSwitch:
    """The switch as the next life of the service finds it."""
    async with opened_board(settings) as board:
        await board.switch.load(board)
        return board.switch


async def test_off_stops_what_is_under_way_and_stays_until_on(board: Switchboard, settings: Settings) -> None:
    run = await running_callback(board)
    work = asyncio.create_task(run.run())
    await board.switch.turn(board, on=False, by="anna", reason="calls we did not make")
    await asyncio.wait_for(work, PATIENCE_S)
    assert history(settings, run.id)[-1] == ("cancelled", "callbacks are off")
    assert rows(settings) == [("off", "anna", "calls we did not make")]
    assert (await restarted(settings)).off

    await board.switch.turn(board, on=True, by="piotr")
    assert not board.switch.off
    assert rows(settings) == [("off", "anna", "calls we did not make"), ("on", "piotr", "")]
    assert not (await restarted(settings)).off


async def test_a_callback_that_begins_while_they_are_off_is_cancelled(board: Switchboard, settings: Settings) -> None:
    await board.switch.turn(board, on=False, by="anna")
    run = await running_callback(board)
    work = asyncio.create_task(run.run())
    await asyncio.wait_for(work, PATIENCE_S)
    assert history(settings, run.id) == [("waiting", "decided"), ("cancelled", "callbacks are off")]


async def test_two_who_talk_are_not_parted(board: Switchboard) -> None:
    run = await running_callback(board, CallbackState.CONNECTED)
    work = asyncio.create_task(run.run())
    await board.switch.turn(board, on=False, by="anna")
    assert not run.over
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert run.state.state is CallbackState.CONNECTED


async def test_of_two_who_turn_it_off_the_first_stays(board: Switchboard, settings: Settings) -> None:
    await asyncio.gather(*(board.switch.turn(board, on=False, by=by, reason="fraud") for by in ("anna", "piotr")))
    assert rows(settings) == [("off", "anna", "fraud")]
    assert board.switch.word is not None
    assert board.switch.word.by == "anna"


async def test_on_is_nothing_new_where_it_is_on(board: Switchboard, settings: Settings) -> None:
    await board.switch.turn(board, on=True, by="anna")
    assert (board.switch.off, board.switch.word, rows(settings)) == (False, None, [])


@pytest.mark.parametrize("reason", ["call +48 600 100 200", "two\nlines", "\x1b[2J", "x" * 501])
async def test_a_reason_that_does_not_belong_in_the_log_is_refused(
    board: Switchboard, settings: Settings, reason: str
) -> None:
    with pytest.raises(NotSwitched, match="--reason"):
        await board.switch.turn(board, on=False, by="anna", reason=reason)
    assert (board.switch.off, rows(settings)) == (False, [])


# --- trouble with the disk ----------------------------------------------------------------------------------------


async def test_off_though_the_log_cannot_be_written(board: Switchboard, settings: Settings) -> None:
    run = await running_callback(board)
    work = asyncio.create_task(run.run())
    with locked(settings):
        turning = asyncio.create_task(board.switch.turn(board, on=False, by="anna", reason="fraud"))
        await until(lambda: board.switch.off)
        with pytest.raises(NotSwitched, match=r"callbacks are off, but this is not written.*another process holds"):
            await turning
        assert board.switch.off
        assert NOT_WRITTEN in board.alarms.standing
        assert rows(settings) == []
    # it is written by itself as soon as that is possible
    await until(lambda: rows(settings) == [("off", "anna", "fraud")])
    await until(lambda: NOT_WRITTEN not in board.alarms.standing)
    assert (await restarted(settings)).off
    await asyncio.wait_for(work, PATIENCE_S)


async def test_who_loses_patience_has_turned_it_off_all_the_same(board: Switchboard, settings: Settings) -> None:
    await board.switch.turn(board, on=False, by="anna")
    with locked(settings):
        on = asyncio.create_task(board.switch.turn(board, on=True, by="piotr"))
        off = asyncio.create_task(board.switch.turn(board, on=False, by="maria"))
        await asyncio.sleep(0)
        off.cancel()
        await asyncio.gather(off, return_exceptions=True)
    await on
    await until(lambda: [row[1] for row in rows(settings)] == ["anna", "piotr", "maria"])
    assert board.switch.off


async def test_on_is_written_first(board: Switchboard, settings: Settings) -> None:
    await board.switch.turn(board, on=False, by="anna")
    with locked(settings), pytest.raises(NotSwitched, match=r"stay off.*another process holds"):
        await board.switch.turn(board, on=True, by="piotr")
    assert board.switch.off
    assert rows(settings) == [("off", "anna", "")]


async def test_an_off_that_was_not_written_does_not_come_after_an_on(board: Switchboard, settings: Settings) -> None:
    with locked(settings), pytest.raises(NotSwitched):
        await board.switch.turn(board, on=False, by="anna")
    await board.switch.turn(board, on=True, by="piotr")
    await until(lambda: not [t for t in board.tasks if t.get_name() == "callback-switch"])
    assert rows(settings)[-1][0] == "on"
    assert not board.switch.off
    assert not board.alarms.standing


async def test_off_that_is_asked_for_while_on_is_being_written_wins(board: Switchboard, settings: Settings) -> None:
    await board.switch.turn(board, on=False, by="anna")
    with locked(settings):
        on = asyncio.create_task(board.switch.turn(board, on=True, by="piotr"))
        off = asyncio.create_task(board.switch.turn(board, on=False, by="maria", reason="it goes on"))
        await asyncio.sleep(0)
    seen = [board.switch.off]
    while not off.done():
        await asyncio.sleep(0)
        seen.append(board.switch.off)
    await asyncio.gather(on, off)
    assert all(seen)
    assert rows(settings) == [("off", "anna", ""), ("on", "piotr", ""), ("off", "maria", "it goes on")]


async def without_its_table(board: Switchboard, settings: Settings) -> str:
    """The log that cannot tell how the switch was left; returns what would mend it."""
    with closing(sqlite3.connect(settings.log.path)) as db:
        (made,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'callback_switch'").fetchone()
        db.execute("DROP TABLE callback_switch")
        db.commit()
    await board.switch.load(board)
    return str(made)


def mend(settings: Settings, made: str) -> None:
    with closing(sqlite3.connect(settings.log.path)) as db:
        db.execute(made)
        db.commit()


async def test_what_the_log_does_not_tell_is_off(board: Switchboard, settings: Settings) -> None:
    made = await without_its_table(board, settings)
    assert board.switch.off
    assert {UNREADABLE} == board.alarms.standing
    with pytest.raises(NotSwitched, match="stay off"):
        await board.switch.turn(board, on=True, by="anna")
    assert board.switch.off
    mend(settings, made)
    await board.switch.turn(board, on=True, by="anna")
    assert not board.switch.off
    assert not board.alarms.standing
    assert rows(settings) == [("on", "anna", "")]


async def test_off_is_written_though_it_was_off_for_want_of_knowledge(board: Switchboard, settings: Settings) -> None:
    mend(settings, await without_its_table(board, settings))
    await board.switch.turn(board, on=False, by="anna", reason="fraud")
    assert rows(settings) == [("off", "anna", "fraud")]
    assert board.switch.off


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE callback_switch SET state = 'on'",
        "DELETE FROM callback_switch",
        "INSERT OR REPLACE INTO callback_switch VALUES (1, 1, 'on', 'x', '')",
        "INSERT INTO callback_switch (at, state, by, reason) VALUES (1, 'half', 'x', '')",
        "INSERT INTO callback_switch (at, state, by, reason) VALUES (1, 'on', '  ', '')",
        f"INSERT INTO callback_switch (at, state, by, reason) VALUES (1, 'on', 'x', '{'y' * 501}')",
    ],
)
async def test_the_schema_keeps_every_turn(board: Switchboard, settings: Settings, sql: str) -> None:
    await board.switch.turn(board, on=False, by="anna")
    with closing(sqlite3.connect(settings.log.path)) as db, pytest.raises(sqlite3.IntegrityError) as caught:
        db.execute(sql)
    assert "switch" in str(caught.value)
    kept: Any = rows(settings)
    assert kept == [("off", "anna", "")]

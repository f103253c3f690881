"""The alarm that a cap was reached: one, however many callbacks it stops, and one when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.test_control import opened_board, write_settings

from oddzwon.callflow import capped
from oddzwon.callflow.alarms import Alarm, Alarms
from oddzwon.callflow.capped import cap_reached
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load


@pytest.fixture
def told() -> asyncio.Queue[Alarm]:
    return asyncio.Queue()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings, told: asyncio.Queue[Alarm]) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        board.alarms = Alarms(told.put_nowait)
        yield board
        if board.cap_over is not None:
            board.cap_over.cancel()


async def test_one_alarm_for_all_and_none_is_over_at_once(board: Switchboard, told: asyncio.Queue[Alarm]) -> None:
    cap_reached(board, "6 of 6 dials to the number in 24 h")
    first = board.cap_over
    cap_reached(board, "600 of 600 dials in an hour")
    alarm = told.get_nowait()
    assert (alarm.condition, alarm.over) == ("callback-cap", False)
    assert "6 of 6 dials to the number in 24 h" in alarm.text
    assert told.empty()
    assert first is not None
    assert first.cancelled()  # the hour counts from the last one


async def test_it_is_over_when_none_was_reached_for_long(
    board: Switchboard, told: asyncio.Queue[Alarm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capped, "OVER_S", 0.0)
    cap_reached(board, "600 of 600 dials in an hour")
    alarms = [await told.get(), await told.get()]
    assert [(alarm.condition, alarm.over) for alarm in alarms] == [("callback-cap", False), ("callback-cap", True)]

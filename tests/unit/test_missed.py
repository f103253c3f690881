"""What durable records do to calls and to the log: a real log, real files, and no Asterisk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_cel import AGENTS_BYE, A, C
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_spool import AT, CALL, LEG

from oddzwon.asterisk.cel import CelTail
from oddzwon.callflow.missed import Missed, enter_spooled, look, read_spooled, tidy
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import load
from oddzwon.domain.events import BridgeEntered, Direction, HangupRecorded, HungUpBy, LegEnded

BEGIN = 1_795_300_133_000
BOOT = BEGIN + 60_000


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    settings = await asyncio.to_thread(load, await asyncio.to_thread(write_settings, tmp_path))
    spool, cel = tmp_path / "missed", tmp_path / "oddzwon.csv"
    await asyncio.to_thread(spool.mkdir)
    await asyncio.to_thread(cel.write_text, AGENTS_BYE)
    async with opened_board(settings) as board:
        board.choices = replace(board.choices, spool=spool, cel=cel)
        yield board


async def put(board: Switchboard, name: str, data: object) -> None:
    assert board.choices.spool is not None
    await asyncio.to_thread((board.choices.spool / name).write_text, json.dumps(data))


async def left_over(board: Switchboard) -> list[str]:
    assert board.choices.spool is not None
    return [path.name for path in await asyncio.to_thread(list, board.choices.spool.iterdir())]


async def test_a_spooled_call_enters_the_log_once(board: Switchboard) -> None:
    for _ in range(2):
        await put(board, "1.call.json", CALL)
        await enter_spooled(board, (await read_spooled(board)).calls)
    (row,) = await board.log.open_calls(board.choices.pbx)
    assert (row.leg, row.number, row.started_at) == ("lab-1.1", "+48600100200", AT)
    assert await left_over(board) == []


async def test_a_number_that_the_rules_forbid_is_not_taken_from_a_file(board: Switchboard) -> None:
    """Should a file hold one all the same."""
    await put(board, "1.call.json", CALL | {"privacy": "id"})
    await enter_spooled(board, (await read_spooled(board)).calls)
    (row,) = await board.log.open_calls(board.choices.pbx)
    assert (row.number, row.presentation) == (None, "withheld")


async def test_a_call_that_was_judged_is_not_opened_again(board: Switchboard) -> None:
    await put(board, "1.call.json", CALL)
    await enter_spooled(board, (await read_spooled(board)).calls)
    (row,) = await board.log.open_calls(board.choices.pbx)
    await board.log.end_call(row.id, ended_at=AT + 1, lost_at=AT + 1, stage="queued")
    await put(board, "1.call.json", CALL)
    await enter_spooled(board, (await read_spooled(board)).calls)
    assert await board.log.open_calls(board.choices.pbx) == ()
    assert await left_over(board) == []


async def test_a_legs_file_stays_until_its_call_has_ended(board: Switchboard) -> None:
    await put(board, "1.call.json", CALL)
    await put(board, "2.leg.json", LEG)
    await put(board, "3.leg.json", LEG | {"linkedid": "lab-9.9", "uniqueid": "lab-9.9"})
    spooled = await read_spooled(board)
    await enter_spooled(board, spooled.calls)
    await tidy(board, spooled)
    assert await left_over(board) == ["2.leg.json"], "the other one is no call of ours"
    (row,) = await board.log.open_calls(board.choices.pbx)
    await board.log.end_call(row.id, ended_at=AT + 1, lost_at=AT + 1, stage="queued")
    await tidy(board, spooled)
    assert await left_over(board) == []


async def test_the_records_tell_a_call_its_story(board: Switchboard) -> None:
    live = board.calls.receive(C, C, BEGIN, Direction.INBOUND, None)
    missed = await look(board, {C: BEGIN}, await read_spooled(board))
    end = missed.end(C)
    assert end is not None
    assert (end.by, end.record) == (HungUpBy.ANOTHER, "cel")
    kinds = [type(event).__name__ for event in missed.story(C)]
    assert kinds == ["AgentAnswered", *["BridgeEntered"] * 2, *["BridgeLeft", "HangupRecorded"] * 2]
    assert not missed.outlived(C, BOOT)
    live.advance(LegEnded(BEGIN + 5_000, A, 16))
    known = await look(board, {C: BEGIN + 4_400}, await read_spooled(board))
    assert [e.leg for e in known.story(C) if isinstance(e, HangupRecorded)] == [C], "the agent's end was seen"
    assert not any(isinstance(e, BridgeEntered) for e in known.story(C)), "that was before"


async def test_without_cel_the_spool_tells(board: Switchboard) -> None:
    board.choices = replace(board.choices, cel=None)
    board.calls.receive(C, C, BEGIN, Direction.INBOUND, None)
    await put(board, "1.leg.json", LEG | {"uniqueid": C, "linkedid": C, "role": "caller", "source": "PJSIP/agent1-2"})
    missed = await look(board, {C: BEGIN}, await read_spooled(board))
    assert missed.end(C) == HangupRecorded(AT, C, 38, HungUpBy.ITSELF, "spool")


async def test_what_cannot_be_read_is_an_alarm_and_no_fault(board: Switchboard, tmp_path: Path) -> None:
    board.choices = replace(board.choices, cel=tmp_path / "none.csv", spool=tmp_path / "none")
    board.calls.receive(C, C, BEGIN, Direction.INBOUND, None)
    missed = await look(board, {C: BEGIN}, await read_spooled(board))
    assert missed.story(C) == ()
    assert board.alarms.standing == {"cel-unreadable", "spool-unreadable"}


@pytest.mark.parametrize(
    ("by", "cause", "at", "outlived"),
    [
        (HungUpBy.ITSELF, 16, BEGIN, False),
        (HungUpBy.NOBODY, 16, BEGIN, True),
        (HungUpBy.NOBODY, 44, BEGIN, False),
        (HungUpBy.NOBODY, 16, BEGIN - 10_000, False),
    ],
)
def test_whether_a_call_died_with_asterisk(by: HungUpBy, cause: int, at: int, outlived: bool) -> None:
    """Asterisk, stopped in good order, ends its calls itself: nobody's hang-up, among its last words."""
    end = HangupRecorded(at, C, cause, by, "cel")
    missed = Missed(CelTail(moments=(at, BEGIN, BOOT + 5)), {C: [end]})
    assert missed.outlived(C, BOOT) is outlived
    assert Missed().outlived(C, BOOT)

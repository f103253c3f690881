"""Callbacks that went on while we could not see: each is followed by one of us, and none keeps the trunk for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.desk import Office, attempts, history, opened_office, until

from oddzwon.asterisk.ami import AmiConnected
from oddzwon.asterisk.lists import Channel, ChannelState
from oddzwon.callflow import callbacks, resumption
from oddzwon.callflow.aftermath import begin
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.takeover import reconcile
from oddzwon.callflow.watch import Watch
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.callback_events import Stop
from oddzwon.domain.events import LegId
from oddzwon.log.records import CallRow


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened_office(tmp_path) as office:
        yield office


@pytest.fixture
def board(office: Office) -> Switchboard:
    return office.board


async def reconnected(board: Switchboard) -> None:
    """The connection was cut, and is back; Asterisk has no channel any more."""
    assert await reconcile(board, Watch(board), AmiConnected(board.now() / 1000, 1000.0, 5.0))


# --- the trunk's channels -------------------------------------------------------------------------------------------


async def test_a_dial_whose_end_nobody_saw_gives_its_place_back(office: Office, board: Switchboard) -> None:
    """Ten of them, and nobody would ever be called back until the service is started anew."""
    run = await office.dialled()
    await reconnected(board)
    await until(run.finished.is_set)
    assert attempts(board, run.id) == [("lost", 0)]
    assert board.pace.in_use == 0


async def test_a_callback_that_was_cancelled_while_we_were_blind_gives_its_place_back(
    office: Office, board: Switchboard
) -> None:
    """It is over, and its Hangup's event never comes."""
    run = await office.dialled()
    office.desk.says["Hangup"] = None
    run.stop(Stop.CANCELLED)
    await until(run.finished.is_set)
    assert board.pace.in_use == 1, "it rings on as far as anybody knows"
    await reconnected(board)
    assert board.pace.in_use == 0


async def test_an_end_that_is_never_told_gives_the_place_back_in_the_end(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "CHANNEL_LASTS_S", 0.0)
    run = await office.dialled()
    run.stop(Stop.CANCELLED)
    await until(lambda: board.pace.in_use == 0)
    assert run.channel_id is not None
    assert board.callbacks.by_channel(run.channel_id) is None


async def test_a_dial_that_is_gone_at_our_own_start_gives_its_place_back(office: Office, board: Switchboard) -> None:
    run = await office.dialled()
    board.callbacks.forget(run)  # as another life of the service finds it
    board.pace.give_back(run.id)
    await resumption.go_on_with_callbacks(board, {})
    await until(lambda: history(board, run.id)[-1][0] == "lost")
    assert board.pace.in_use == 0


async def test_a_telephone_that_rings_on_keeps_its_place_and_the_next_dial_back(
    office: Office, board: Switchboard
) -> None:
    """Its dial was over in the log when we died: it is hung up, and no other leaves before that is done."""
    run = await office.dialled()
    assert run.held is not None
    assert run.channel_id is not None
    run.held.gone(board.now())
    await until(lambda: attempts(board, run.id) == [("cancelled", 0)])
    board.callbacks.forget(run)
    for task in [task for task in board.tasks if task.get_name().startswith("hangup-")]:
        task.cancel()
    office.desk.asked.clear()
    await resumption.go_on_with_callbacks(board, {run.channel_id: Channel(ChannelState.RINGING, "")})
    again = board.callbacks.by_id(run.id)
    assert again is not None
    await until(lambda: office.desk.hangs_up(again.channel_id))
    assert await again._held_up(holds=False) == "the last dial is not over yet"


# --- one callback, one run --------------------------------------------------------------------------------------------


async def open_in_the_log(office: Office) -> CallbackRun:
    """A callback that is decided, and that nobody has begun."""
    run = await office.begun()
    office.board.callbacks.forget(run)
    return run


async def test_a_callback_that_begins_during_the_takeover_is_not_begun_twice(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call was judged by that very takeover: a stop would reach only one of the two, and the other rings on."""
    first = await open_in_the_log(office)

    async def begun_meanwhile(board: Switchboard, row: CallRow) -> LiveCall:
        live = await known_call(board, row)
        board.callbacks.add(first)
        return live

    monkeypatch.setattr(resumption, "known_call", begun_meanwhile)
    nothing: dict[LegId, Channel] = {}
    await resumption.go_on_with_callbacks(board, nothing)
    assert board.callbacks.by_id(first.id) is first
    assert [task for task in board.tasks if task.get_name().startswith("callback-")] == []


async def test_a_callback_that_the_takeover_has_found_is_not_begun_again(office: Office, board: Switchboard) -> None:
    first = await open_in_the_log(office)
    live = await known_call(board, first.drop)
    board.callbacks.add(first)
    assert await begin(board, live, first.drop.id, first.id)
    assert board.callbacks.by_id(first.id) is first
    assert first.state.state is CallbackState.WAITING
    assert [task for task in board.tasks if task.get_name().startswith("callback-")] == []

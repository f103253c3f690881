"""The legs of a callback that Asterisk has handed to us: what is said to them, and when nobody may be connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.desk import Answer, Office, history, locked, opened_office, soon, until
from tests.unit.test_held_agent import AGENT, posted

from oddzwon.callflow import held_agent
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.held_agent import HeldAgent
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.callback_events import AgentGone, Ringing
from oddzwon.domain.events import Direction, Stage

KEY_1 = "200 result=49 endpos=8000"
CALLS_IN = "PJSIP/carrier"
"""The device of the legs that AGI_HEADER shows."""
DONE, CONNECTED_WITH = 'SET VARIABLE "ODDZWON_DONE"', 'SET VARIABLE "ODDZWON_HELD"'


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened_office(tmp_path) as office:
        office.board.choices = replace(office.board.choices, recordings=None)
        yield office


@pytest.fixture
def board(office: Office) -> Switchboard:
    return office.board


def saying(answer: str) -> Answer:
    async def say() -> str:
        return answer

    return say


async def rings(office: Office, board: Switchboard) -> tuple[CallbackRun, str]:
    """A callback whose customer's telephone rings, and that one's leg."""
    run = await office.dialled()
    run.post(Ringing(board.now()))
    await until(lambda: run.state.state is CallbackState.RINGING)
    assert run.channel_id is not None
    return run, run.channel_id


async def test_key_1_connects_him_with_the_agent_who_holds_the_line(office: Office, board: Switchboard) -> None:
    run, leg = await rings(office, board)
    held = run.held
    assert held is not None
    customer = await office.picks_up("callback", leg, STREAM_FILE=saying(KEY_1))
    await soon(customer.over.wait())
    assert customer.heard(CONNECTED_WITH)
    assert customer.heard(DONE)


async def test_key_1_of_a_callback_that_was_stopped_meanwhile_connects_nobody(
    office: Office, board: Switchboard
) -> None:
    """While Asterisk's manager cannot be reached no Hangup arrives there; his own session hangs up."""
    run, leg = await rings(office, board)
    office.desk.says["Hangup"] = None

    async def pressed_in_the_end() -> str:
        await board.switch.turn(board, on=False, by="anna")
        await run.finished.wait()
        return KEY_1

    customer = await office.picks_up("callback", leg, STREAM_FILE=pressed_in_the_end)
    await soon(customer.over.wait())
    assert customer.told[-1] == "HANGUP"
    assert not customer.heard(DONE)
    live = board.calls.of_leg(leg)
    assert live is not None
    assert live.call.stage is Stage.NOTICE
    assert history(board, run.id)[-1] == ("cancelled", "callbacks are off")


async def test_a_callback_that_is_stopped_while_the_agent_gets_ready_connects_nobody(
    office: Office, board: Switchboard
) -> None:
    run = await office.agent_rung()
    assert run.held is not None

    async def stopped() -> str:
        office.desk.says["Hangup"] = None
        await board.switch.turn(board, on=False, by="anna")
        await run.finished.wait()
        return "200 result=0"

    await office.picks_up("hold", run.held.leg, EXEC_StopPlaytones=stopped)
    await until(lambda: run.channel_id is not None and office.desk.count("Originate") > 1)
    run.post(Ringing(board.now()))
    await until(lambda: run.state.state is CallbackState.RINGING)
    customer = await office.picks_up("callback", run.channel_id or "", STREAM_FILE=saying(KEY_1))
    await soon(customer.over.wait())
    assert customer.told[-1] == "HANGUP"
    assert not customer.heard(DONE)


async def test_who_answers_a_dial_that_was_given_up_is_not_greeted(office: Office, board: Switchboard) -> None:
    """The agent left in this very moment: key 1 would connect him beside the next dial."""
    run, leg = await rings(office, board)
    assert run.held is not None
    run.held.gone(board.now())
    await until(lambda: run.state.state is CallbackState.WAITING)
    customer = await office.picks_up("callback", leg)
    await soon(customer.over.wait())
    assert customer.told == ["HANGUP"]


async def test_an_agent_whose_end_is_known_before_the_tones_answer_does_not_hold_the_line(
    office: Office, board: Switchboard
) -> None:
    """Asterisk's event of his end is read before its answer to us: the customer would be dialled with nobody there."""
    run = await office.begun()
    assert len(posted(run)) == 1  # its Due: nobody drives it
    held = run.held = HeldAgent(board, run, AGENT)
    await held.ring()

    async def gone() -> str:
        held.gone(board.now())
        return "200 result=0"

    agent = await office.picks_up("hold", held.leg, EXEC_Playtones=gone)
    await soon(agent.over.wait())
    assert [type(event) for event in posted(run)] == [AgentGone]


async def test_the_customer_does_not_wait_for_an_agent_whose_session_is_over(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager is cut, so no event tells of his end; the customer has pressed 1, and hears nothing meanwhile."""
    monkeypatch.setattr(held_agent, "READY_S", 600.0)
    run, _ = await rings(office, board)
    held = run.held
    assert held is not None
    telephone = next(t for t in office.telephones if t.leg == held.leg)
    await telephone.wire.close()
    customer = board.calls.receive("9.9", "9.9", board.now(), Direction.CALLBACK, None)
    asking = asyncio.create_task(held.ready_for(customer, ask=False))
    await soon(asking)
    assert asking.result() is None
    assert held.over


async def test_an_agent_hears_that_his_callback_is_cancelled_once_that_is_written(
    office: Office, board: Switchboard
) -> None:
    """He dials the feature code; the tone of confirmation is the dialplan's, once we say that it is done."""
    office.desk.free = (CALLS_IN,)
    run = await office.agent_rung()
    agent = await office.picks_up("cancel", "his-own")
    await soon(agent.over.wait())
    assert agent.heard(DONE)
    assert history(board, run.id)[-1] == ("cancelled", f"cancelled (phone) by {CALLS_IN}")


async def test_an_agent_does_not_hear_that_a_callback_is_cancelled_while_that_is_not_written(
    office: Office, board: Switchboard
) -> None:
    office.desk.free = (CALLS_IN,)
    run = await office.agent_rung()
    with locked(board):
        agent = await office.picks_up("cancel", "his-own")
        await soon(agent.over.wait())
    assert not agent.heard(DONE)
    await until(lambda: history(board, run.id)[-1][0] == "cancelled")

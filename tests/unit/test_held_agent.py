"""The agent's leg for a callback: what Asterisk is asked for, and what becomes of one who does not come, or leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_control import running_callback
from tests.unit.test_recorders import Manager, call_of, recording_board

from oddzwon.asterisk.ami_wire import AmiResponse
from oddzwon.callflow import held_agent
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.held_agent import HeldAgent
from oddzwon.callflow.spoken_ahead import local_time
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback_events import AgentGone, CallbackEvent, Stop, StopAsked

AGENT = "PJSIP/agent1"


class InOrder(Manager):
    """Keeps its last Originate as it was sent, for a name may come twice; ``hung_up``: a Hangup came."""

    order: Sequence[tuple[str, str]] = ()

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.hung_up = asyncio.Event()

    async def action(self, name: str, fields: Any = (), **how: Any) -> AmiResponse:
        """As any manager."""
        if name == "Originate":
            self.order = tuple(fields)
        elif name == "Hangup":
            self.hung_up.set()
        return await super().action(name, fields, **how)


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with recording_board(tmp_path, InOrder) as board:
        yield board


async def held_for(board: Switchboard, agent: str = AGENT) -> tuple[HeldAgent, CallbackRun]:
    """An agent of a callback that nobody drives: its events stay where they were posted."""
    run = await running_callback(board)
    run.held = HeldAgent(board, run, agent)
    return run.held, run


def posted(run: CallbackRun) -> list[CallbackEvent]:
    """What the callback was told, and has not taken yet."""
    return [run._events.get_nowait() for _ in range(run._events.qsize())]


def asterisk(board: Switchboard) -> InOrder:
    assert isinstance(board.ami, InOrder)
    return board.ami


async def test_his_telephone_shows_a_callback_and_whose(board: Switchboard) -> None:
    held, run = await held_for(board)
    await held.ring()
    order = asterisk(board).order
    fields = dict(order)
    assert (fields["Channel"], fields["ChannelId"], fields["Async"]) == (AGENT, held.leg, "true")
    shown = local_time(run.drop).strftime("%H:%M")
    assert fields["CallerID"] == f'"Callback {shown}" <{run.number.e164}>'
    variables = [value for name, value in order if name == "Variable"]
    # a 302 is followed to nobody: he himself takes it, or another agent is asked
    assert variables == ["FORWARD_CONTEXT=oddzwon-moved", f"PJSIP_HEADER(add,X-Oddzwon-Call)={run.drop.id}"]
    assert "OtherChannelId" not in fields


async def test_a_local_channel_has_two_halves_and_no_header(board: Switchboard) -> None:
    held, _ = await held_for(board, "Local/agent1@from-queue/n")
    await held.ring()
    order = asterisk(board).order
    assert dict(order)["OtherChannelId"] == f"{held.leg}-2"
    assert [value for name, value in order if name == "Variable"] == ["FORWARD_CONTEXT=oddzwon-moved"]


@pytest.mark.parametrize("interface", ["PJSIP/agent1&PJSIP/agent2", "Local/x@y\r\nVariable: a=b", "agent1", ""])
async def test_what_is_not_one_device_is_not_rung(board: Switchboard, interface: str) -> None:
    held, run = await held_for(board, interface)
    await held.ring()
    assert asterisk(board).asked == []
    assert [(type(event), getattr(event, "why", "")) for event in posted(run)] == [(AgentGone, "not rung")]
    assert board.callbacks.agents == ()


@pytest.mark.parametrize("says", ["Extension does not exist.", None])
async def test_an_originate_that_asterisk_refuses_or_never_saw(board: Switchboard, says: str | None) -> None:
    held, run = await held_for(board)
    asterisk(board).says["Originate"] = says
    await held.ring()
    (event,) = posted(run)
    assert isinstance(event, AgentGone)
    assert held.over


async def test_his_end_is_told_once(board: Switchboard) -> None:
    held, run = await held_for(board)
    await held.ring()
    held.refused(board.now())
    held.gone(board.now())
    (event,) = posted(run)
    assert isinstance(event, AgentGone)
    assert event.why == "did not answer"
    assert board.callbacks.held(held.leg) is None


async def test_who_was_let_go_leaves_without_a_word(board: Switchboard) -> None:
    """And his line is hung up until it is gone."""
    held, run = await held_for(board)
    await held.ring()
    held.release()
    held.release()
    hanging_up = asyncio.gather(*board.tasks)
    await asterisk(board).hung_up.wait()
    held.gone(board.now())
    await hanging_up
    assert posted(run) == []


async def test_only_the_whole_code_cancels_and_only_while_he_holds(board: Switchboard) -> None:
    held, run = await held_for(board)
    for key in "4*#0#4*4":
        held.heard(key)
    assert posted(run) == []
    for key in "**#4":
        held.heard(key)
    (event,) = posted(run)
    assert isinstance(event, StopAsked)
    assert (event.reason, event.why) == (Stop.CANCELLED, f"cancelled (code) by {AGENT}")
    held.bridged()
    for key in "*#4":
        held.heard(key)
    assert posted(run) == []


async def test_who_is_not_ready_in_time_is_let_go(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The customer goes on to another agent; this one does not stay on the line beside their talk."""
    held, _ = await held_for(board)
    await held.ring()
    monkeypatch.setattr(held_agent, "READY_S", 0.01)
    assert await held.ready_for(await call_of(board), ask=True) is None
    assert held.over
    held.gone(board.now())
    await asyncio.gather(*board.tasks)


async def test_who_has_left_is_not_ready(board: Switchboard) -> None:
    held, run = await held_for(board)
    await held.ring()
    held.channel = "PJSIP/agent1-00000001"
    held.gone(board.now())
    assert await held.ready_for(await call_of(board), ask=False) is None
    assert [getattr(event, "why", "") for event in posted(run)] == ["hung up"]

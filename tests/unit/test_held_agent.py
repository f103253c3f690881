"""The agent's leg for a callback: what Asterisk is asked for, and what becomes of one who does not come, or leaves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_control import running_callback
from tests.unit.test_recorders import Manager, call_of, recording_board

from oddzwon.asterisk.ami_wire import AmiResponse
from oddzwon.asterisk.dialstring import shown_to_agent
from oddzwon.callflow import held_agent
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.held_agent import HeldAgent
from oddzwon.callflow.spoken_ahead import local_time
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config.callbacks import Callbacks
from oddzwon.domain.callback_events import AgentGone, CallbackEvent, Stop, StopAsked

AGENT = "PJSIP/agent1"


class InOrder(Manager):
    """Keeps its last Originate as it was sent, for a name may come twice; ``hung_up``: a Hangup came.

    ``holds``: an action is answered once this is set; ``begun``: it was asked for.
    """

    order: Sequence[tuple[str, str]] = ()

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.hung_up = asyncio.Event()
        self.holds: dict[str, asyncio.Event] = {}
        self.begun: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def action(self, name: str, fields: Any = (), **how: Any) -> AmiResponse:
        """As any manager."""
        if name == "Originate":
            self.order = tuple(fields)
        elif name == "Hangup":
            self.hung_up.set()
        self.begun[name].set()
        if name in self.holds:
            await self.holds[name].wait()
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


async def test_who_was_let_go_before_his_turn_is_not_rung(board: Switchboard) -> None:
    """The stop was the next thing that the callback took."""
    held, _ = await held_for(board)
    held.release()
    await held.ring()
    await asyncio.gather(*board.tasks)
    assert asterisk(board).asked == []
    assert board.callbacks.agents == ()


async def test_who_is_let_go_while_asterisk_is_asked_is_hung_up_after_its_answer(board: Switchboard) -> None:
    """A Hangup that comes too soon is forgotten by Asterisk, and his telephone rings on."""
    held, _ = await held_for(board)
    answer = asterisk(board).holds["Originate"] = asyncio.Event()
    ringing = asyncio.create_task(held.ring())
    await asterisk(board).begun["Originate"].wait()
    held.release()
    for _ in range(20):  # whatever it would do at once
        await asyncio.sleep(0)
    assert not asterisk(board).hung_up.is_set()
    answer.set()
    await ringing
    await asterisk(board).hung_up.wait()
    held.gone(board.now())
    await asyncio.gather(*board.tasks)


async def test_a_device_that_cannot_be_rung_is_an_alarm_until_one_can(board: Switchboard) -> None:
    """Else every callback of his queue lapses, and nobody knows why."""
    nowhere, _ = await held_for(board, "Agent:1001")
    await nowhere.ring()
    assert "agent-not-dialable" in board.alarms.standing
    held = HeldAgent(board, nowhere._run, AGENT)
    await held.ring()
    assert "agent-not-dialable" not in board.alarms.standing


@pytest.mark.parametrize("display", ["Callback {time}", "({time})", "a/b_c-d.e: {time}{time}", "x" * 30])
def test_what_the_settings_take_can_be_shown_on_his_telephone(display: str) -> None:
    chosen = Callbacks(trunk="PJSIP/{number}@carrier", agent_display=display)
    assert shown_to_agent(chosen.agent_display, "14:05", "+48600100200").endswith(" <+48600100200>")


@pytest.mark.parametrize("display", ["Callback {Time}", "Callback {", "}{time}", " ", 'a"b', "x" * 31])
def test_what_could_not_be_shown_is_refused_by_the_settings(display: str) -> None:
    """Else no agent is ever rung, and every callback lapses."""
    with pytest.raises(ValueError, match="must be at most 30 letters"):
        Callbacks(trunk="PJSIP/{number}@carrier", agent_display=display)

"""Who is free and who is promised: asked of a manager on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from tests.protocol.conftest import HOST, AmiPeer, AmiWire, soon

from oddzwon.asterisk.ami import AmiClient, AmiSettings
from oddzwon.callflow.agents import Agents


@dataclass(frozen=True, slots=True)
class Member:
    location: str
    status: str = "1"
    paused: str = "0"
    in_call: str = "0"
    queue: str = "support"


@dataclass(slots=True)
class Queues:
    """Asterisk's queues as a manager tells of them, whenever it is asked."""

    members: Sequence[Member] = ()
    refuses: bool = False

    async def serve(self, wire: AmiWire) -> None:
        while True:
            action = await wire.action()
            if action["Action"] == ["Ping"]:
                await wire.respond(action, "Ping: Pong")
                continue
            assert action["Action"] == ["QueueStatus"]
            mine = f"ActionID: {action['ActionID'][0]}"
            if self.refuses:
                await wire.respond(action, "Message: Permission denied", response="Error")
                continue
            await wire.respond(action, "EventList: start")
            await wire.event("QueueParams", f"Queue: {action['Queue'][0]}", mine)
            for m in self.members:
                lines = (f"Queue: {m.queue}", f"Name: {m.location}", f"Location: {m.location}", f"Status: {m.status}")
                await wire.event("QueueMember", *lines, f"Paused: {m.paused}", f"InCall: {m.in_call}", mine)
            await wire.event("QueueStatusComplete", mine, "EventList: Complete")


@dataclass(slots=True)
class Floor:
    agents: Agents
    queues: Queues
    wire: AmiWire


@pytest.fixture
async def floor() -> AsyncIterator[Floor]:
    peer, queues = AmiPeer(), Queues()
    await peer.start()
    client = AmiClient(AmiSettings(host=HOST, port=peer.port, username="u", secret="s"), frozenset())
    running = asyncio.create_task(client.run())
    wire = await peer.accept()
    await wire.log_in()
    await soon(client.notices.get())
    serving = asyncio.create_task(queues.serve(wire))
    yield Floor(Agents(client), queues, wire)
    serving.cancel()
    await client.close()
    await asyncio.gather(running, serving, return_exceptions=True)
    await peer.close()


FREE = [Member("PJSIP/agent1"), Member("PJSIP/agent2"), Member("PJSIP/agent3")]


async def test_free_are_those_who_could_talk_now_in_the_queues_order(floor: Floor) -> None:
    floor.queues.members = [
        Member("PJSIP/agent4"),
        Member("PJSIP/busy", status="2"),
        Member("PJSIP/away", status="5"),
        Member("PJSIP/paused", paused="1"),
        Member("PJSIP/in-call", in_call="1"),
        Member("PJSIP/elsewhere", queue="sales"),
        Member("PJSIP/agent1"),
    ]
    assert await soon(floor.agents.free("support")) == ("PJSIP/agent4", "PJSIP/agent1")


async def test_nobody_free_is_not_nobody_asked(floor: Floor) -> None:
    assert await soon(floor.agents.free("support")) == ()
    floor.queues.refuses = True
    assert None is await soon(floor.agents.free("support"))
    await floor.wire.close()


async def test_without_a_connection_nobody_is_promised(floor: Floor) -> None:
    """Fail closed: who cannot be asked is not free."""
    unconnected = Agents(AmiClient(AmiSettings(host=HOST, port=1, username="u", secret="s"), frozenset()))
    assert None is await unconnected.free("support")
    assert None is await unconnected.reserve("cb-1", "support", "PJSIP/agent1")
    assert not await unconnected.is_free("support", "PJSIP/agent1")
    assert None is unconnected.promised_to("cb-1")


async def test_the_same_agent_first_else_the_queues_next(floor: Floor) -> None:
    floor.queues.members = FREE
    agents = floor.agents
    assert await soon(agents.reserve("cb-1", "support", "PJSIP/agent2")) == "PJSIP/agent2"
    assert await soon(agents.reserve("cb-2", "support", "PJSIP/agent2")) == "PJSIP/agent1"
    assert await soon(agents.reserve("cb-3", "support", None)) == "PJSIP/agent3"
    assert None is await soon(agents.reserve("cb-4", "support", "PJSIP/agent1"))
    assert agents.promised_to("cb-2") == "PJSIP/agent1"


async def test_asked_again_a_callback_may_keep_its_agent(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    assert await soon(floor.agents.reserve("cb-1", "support", None)) == "PJSIP/agent1"
    assert await soon(floor.agents.reserve("cb-1", "support", None)) == "PJSIP/agent1"


async def test_never_more_callbacks_than_free_agents_even_all_at_once(floor: Floor) -> None:
    floor.queues.members = FREE
    asking = [floor.agents.reserve(f"cb-{n}", "support", "PJSIP/agent1") for n in range(8)]
    got = await soon(asyncio.gather(*asking))
    assert sorted(m.location for m in FREE) == sorted(agent for agent in got if agent)


async def test_a_promised_agent_is_not_free_for_others_until_released(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    agents = floor.agents
    assert await soon(agents.is_free("support", "PJSIP/agent1"))
    assert not await soon(agents.is_free("support", "PJSIP/agent9"))
    assert not await soon(agents.is_free("support", None))
    await soon(agents.reserve("cb-1", "support", None))
    assert not await soon(agents.is_free("support", "PJSIP/agent1"))
    agents.release("cb-1")
    assert await soon(agents.is_free("support", "PJSIP/agent1"))


@pytest.mark.parametrize("what", ["member", "release"])
async def test_who_waits_for_an_agent_is_woken(floor: Floor, what: str) -> None:
    floor.queues.members = FREE
    agents = floor.agents
    await soon(agents.reserve("cb-1", "support", None))
    waiting = asyncio.create_task(agents.change("support", 600.0))
    await asyncio.sleep(0)  # let it begin to wait
    agents.member_changed("sales")
    await asyncio.sleep(0)
    assert not waiting.done()
    if what == "member":
        agents.member_changed("support")
    else:
        agents.release("cb-1")
    await soon(waiting)


async def test_who_waits_in_vain_goes_on_after_his_time(floor: Floor) -> None:
    await soon(floor.agents.change("support", 0.01))


async def test_two_who_wait_are_both_woken(floor: Floor) -> None:
    waiting = [asyncio.create_task(floor.agents.change("support", 600.0)) for _ in range(2)]
    await asyncio.sleep(0)
    floor.agents.member_changed("support")
    await soon(asyncio.gather(*waiting))

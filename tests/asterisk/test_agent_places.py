"""Who gets the agent: the same agent first, one callback for one agent, and who has waited longer before others.

The rule is :mod:`oddzwon.domain.precedence`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.conftest import AGENTS
from tests.asterisk.holding import FAULT, has_been, rung, talk_and_hang_up
from tests.asterisk.observer import named
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers

pytestmark = pytest.mark.asterisk

PATIENT = ("grace_s = 2.0", "grace_s = 2.0\nsame_agent_wait_s = 60")
HURRIED = ("grace_s = 2.0", "grace_s = 2.0\nsame_agent_wait_s = 1")
SECOND_CALLER, THIRD_CALLER = "+48600100197", "+48600100196"


@pytest.fixture
async def one_agent(bench: Bench) -> AsyncIterator[Bench]:
    """agent1 alone takes calls, the others are at lunch; and the queue looks for a free agent every 10 s only.

    So a callback could always be quicker than a caller in the queue: what keeps it from that is the rule.
    """
    for agent in AGENTS[1:]:
        await bench.lab.rasterisk(f"queue pause member {agent}")
    await looks_every(bench, 1, 10)
    yield bench
    await looks_every(bench, 10, 1)
    for agent in AGENTS[1:]:
        await bench.lab.rasterisk(f"queue unpause member {agent}")


async def looks_every(bench: Bench, before_s: int, after_s: int) -> None:
    """Change how often the queues look for a free agent, in seconds."""
    file = bench.lab.state / "asterisk/etc/queues.conf"
    text = await asyncio.to_thread(file.read_text)
    assert text.count(f"retry = {before_s}\n") == 1
    text = text.replace(f"retry = {before_s}\n", f"retry = {after_s}\n")
    await asyncio.to_thread(file.write_text, text)
    await bench.lab.rasterisk("queue reload parameters")


async def makes_a_call(bench: Bench) -> Leg:
    """agent1 is on the telephone, with nobody of ours."""
    leg = await bench.agents[0].invite(f"agent4@{bench.lab.asterisk}", from_number="agent1")
    await leg.answered()
    return leg


async def busy_when_it_is_due(bench: Bench, number: str) -> tuple[str, Leg]:
    """A drop of agent1's, who makes a call of his own before its callback is due; the dropped call's id and his leg."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await asyncio.gather(caller.bye(FAULT), agent.ended())
    own = await makes_a_call(bench)
    return await bench.logged(number), own


async def queued(bench: Bench, number: str) -> Leg:
    """A caller who waits in the queue, everybody being busy."""
    mark = bench.observer.mark()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.observer.wait_for(named("QueueCallerJoin"), since=mark)
    return caller


async def test_the_same_agent_is_waited_for(bench: Bench, number: str) -> None:
    """He is busy for a moment only: nobody else is rung."""
    async with bench.lab.settings(PATIENT):
        call, own = await busy_when_it_is_due(bench, number)
        await has_been(bench, call, "waiting", "no agent is free")
        await own.bye()
        agent = await rung(bench)
        customer = await bench.carrier.called(number)
        await talk_and_hang_up(bench, customer, agent)
        shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert all(leg.from_number != number for peer in bench.agents[1:] for leg in peer.invites)


async def test_the_same_agent_is_not_waited_for_too_long(bench: Bench, number: str) -> None:
    async with bench.lab.settings(HURRIED):
        call, own = await busy_when_it_is_due(bench, number)
        agent = await rung(bench, 1)
        customer = await bench.carrier.called(number)
        assert own.is_answered
        await talk_and_hang_up(bench, customer, agent)
        await own.bye()
        shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert (await bench.lab.call(shown["callback"]["attempts"][0]["call"]))["agent"] == "PJSIP/agent2"


async def test_two_drops_and_one_agent(bench: Bench, number: str) -> None:
    """One after the other: his telephone rings for the second when he has talked with the first."""
    first, agent1 = await bench.talks(number)
    second = await bench.in_menu(SECOND_CALLER)
    await second.press("1")
    agent2 = await bench.answered_by(second, agent=1)
    for one in (number, SECOND_CALLER):
        bench.carrier.scripts[one] = answers(0.2, keys="1")
    for agent in AGENTS[1:]:
        await bench.lab.rasterisk(f"queue pause member {agent}")
    try:
        await asyncio.gather(first.bye(FAULT), second.bye(FAULT))
        await asyncio.gather(agent1.ended(), agent2.ended())
        calls = [await bench.logged(one) for one in (number, SECOND_CALLER)]
        held = await rung(bench)
        one = held.from_number
        other = SECOND_CALLER if one == number else number
        customer = await bench.carrier.called(one)
        waiting = calls[0] if other == number else calls[1]
        await asyncio.gather(customer.hears(held), held.hears(customer))
        await has_been(bench, waiting, "waiting", "no agent is free")
        assert bench.carrier.invites_to(other) == []
        await customer.bye()
        await held.ended()
        again = await rung(bench)
        assert again.from_number == other
        await talk_and_hang_up(bench, await bench.carrier.called(other), again)
        for call in calls:
            assert (await bench.finished(call))["callback"]["state"] == "completed"
    finally:
        for agent in AGENTS[1:]:
            await bench.lab.rasterisk(f"queue unpause member {agent}")
    assert len(bench.carrier.invites_to(number)) == len(bench.carrier.invites_to(SECOND_CALLER)) == 1


async def test_who_waited_in_the_queue_keeps_his_place(one_agent: Bench, number: str) -> None:
    """He was cut off between two others who wait: the one before him is served before him, the one after him later."""
    bench = one_agent
    talking = await makes_a_call(bench)
    before = await queued(bench, SECOND_CALLER)
    cut_off = await queued(bench, number)
    after = await queued(bench, THIRD_CALLER)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await cut_off.bye(FAULT)
    call = await bench.logged(number)
    await has_been(bench, call, "waiting", "no agent is free")
    order: list[str] = []
    await talking.bye()
    for _ in range(3):
        leg = await rung(bench)
        order.append(leg.from_number)
        if leg.from_number == number:
            customer = await bench.carrier.called(number)
            await talk_and_hang_up(bench, customer, leg)
        else:
            caller = before if leg.from_number == SECOND_CALLER else after
            await talk_and_hang_up(bench, caller, leg)
    assert order == [SECOND_CALLER, number, THIRD_CALLER]
    assert (await bench.finished(call))["callback"]["state"] == "completed"


async def test_who_talked_comes_before_all_who_wait(one_agent: Bench, number: str) -> None:
    """Before he was cut off he had an agent: a caller who waits in the queue comes after him."""
    bench = one_agent
    bench.carrier.scripts[SECOND_CALLER] = answers(0.2, keys="1")
    talking, agent = await bench.talks(SECOND_CALLER)
    await talking.bye(FAULT)
    await agent.ended()
    own = await makes_a_call(bench)
    longest = await queued(bench, number)
    call = await bench.logged(SECOND_CALLER)
    await has_been(bench, call, "waiting", "no agent is free")
    await own.bye()
    held = await rung(bench)
    assert held.from_number == SECOND_CALLER
    await talk_and_hang_up(bench, await bench.carrier.called(SECOND_CALLER), held)
    last = await rung(bench)
    assert last.from_number == number
    await talk_and_hang_up(bench, longest, last)
    assert (await bench.finished(call))["callback"]["state"] == "completed"

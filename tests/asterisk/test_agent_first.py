"""Agent first: his telephone rings, he hears what it is about, he holds the line: then the customer is rung."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from tests.asterisk.bench import PL, TIE, Bench
from tests.asterisk.heard import built_prompts, heard_by
from tests.asterisk.holding import (
    FAULT,
    SECOND,
    besides_tone_of,
    dropped,
    has_been,
    hears_ringing,
    history,
    holds,
    is_ringing,
    outcomes,
    reaches,
    rung,
    talk_and_hang_up,
)
from tests.asterisk.observer import Seen, named, told
from tests.asterisk.sip_leg import EndedBy, Leg
from tests.asterisk.sip_messages import NoAnswer
from tests.asterisk.sip_scripts import answers, refuses, rings

pytestmark = pytest.mark.asterisk


async def connected(bench: Bench, number: str) -> tuple[str, Leg, Leg]:
    """A callback that got through: the dropped call's id, the customer's leg and agent1's; both hear each other."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number)
    agent = await rung(bench)
    customer = await bench.carrier.called(number)
    await customer.answered()
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    await reaches(bench, call, "connected")
    return call, customer, agent


async def own_call(bench: Bench, call: str) -> dict[str, Any]:
    """The callback's own call, as the command line shows it, once both it and the callback are over."""
    shown = await bench.finished(call)
    return await bench.judged(shown["callback"]["attempts"][0]["call"])


def whispered(seen: Seen) -> bool:
    """The agent has heard what it is about."""
    return seen.name == "AGIExecEnd" and "AGENT_WHISPER" in seen["Command"]


async def test_the_whole_way(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number)
    agent = await rung(bench)
    await agent.answered()
    await hears_ringing(agent)
    customer = await bench.carrier.called(number)
    await customer.answered()
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    bridged_from = agent.heard.packets, customer.heard.packets
    await asyncio.gather(customer.hears_audio(frames=5 * SECOND), agent.hears_audio(frames=5 * SECOND))
    after = agent.heard.since(bridged_from[0]), customer.heard.since(bridged_from[1])
    await customer.bye()
    await agent.ended()

    # what his telephone showed
    shown_as = agent.invite.need("From")
    lost_at = bench.lab.read(
        "SELECT strftime('%H:%M', lost_at / 1000, 'unixepoch', 'localtime') FROM call WHERE id = ?", call
    )
    assert shown_as.startswith(f'"Callback {lost_at[0][0]}"'), shown_as
    assert agent.from_number == number
    assert agent.invite.get("X-Oddzwon-Call") == call
    # the agent first, told what it is about to the end, and only then the customer
    (whisper,) = [p for p in await heard_by(agent, await built_prompts(bench.lab)) if "AGENT_WHISPER" in p.prompts]
    assert (whisper.from_ms, whisper.built.full_ms - whisper.to_ms <= 60) == (0, True)
    (tie,) = bench.lab.read(TIE, call)
    seen = bench.observer.seen
    told_at = seen.index(await bench.observer.wait_for(whispered, since=bench.since))
    dialled = named("Newchannel", Uniqueid=tie["channel_id"])
    assert told_at < seen.index(await bench.observer.wait_for(dialled, since=bench.since))
    assert agent.began < customer.began
    assert customer.from_number == PL
    # nothing but the other's voice: a ringing tone that goes on would show within five seconds
    for mine, other, packets in ((agent, customer, after[0]), (customer, agent, after[1])):
        assert not any(is_ringing(packet.payload) for packet in packets)
        assert len(besides_tone_of(other, packets)) <= 5, mine.peer.address

    shown, own = await bench.finished(call), await own_call(bench, call)
    assert shown["callback"]["state"] == "completed"
    assert (own["agent"], own["resumes"], own["stage"]) == ("PJSIP/agent1", call, "talking")
    (evidence,) = bench.lab.read(
        "SELECT c.evidence FROM attempt_condition AS c JOIN attempt AS a ON a.id = c.attempt"
        " WHERE a.callback = ? AND c.code = 'NO_AGENT' AND c.passed = 1",
        tie["callback"],
    )
    assert evidence["evidence"] == "an agent holds the line"
    assert [state for state, _ in history(bench, call)] == [
        "waiting", "reserving", "dialling", "ringing", "answered", "connected", "completed",
    ]  # fmt: skip
    assert len(bench.carrier.invites_to(number)) == 1
    assert len([leg for leg in bench.agents[0].invites if leg.invite.get("X-Oddzwon-Call")]) == 1
    assert all(not peer.invites for peer in bench.agents[1:])
    assert len(bench.observer.among(dialled, since=bench.since)) == 1
    assert len(bench.observer.among(named("DialBegin", DestUniqueid=tie["channel_id"]), since=bench.since)) == 1


@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_either_hangs_up(bench: Bench, number: str, who: str) -> None:
    call, customer, agent = await connected(bench, number)
    first, other = (customer, agent) if who == "customer" else (agent, customer)
    mark = bench.observer.mark()
    await first.bye()
    gone = await other.ended()

    own = await own_call(bench, call)
    assert gone.by is EndedBy.THEIR_BYE
    party = "caller" if who == "customer" else "agent"
    assert (own["ending"]["party"], own["ending"]["technical"]) == (party, False)
    assert bench.states(call)[-1] == "completed"
    # the last words of both legs, whoever was bridged to whom
    for role in ("caller", "agent"):
        await bench.observer.wait_for(told("OddzwonLeg", Role=role), since=mark)


@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_either_network_vanishes(bench: Bench, number: str, who: str) -> None:
    """A callback that drops is no inbound call: it is judged, and not called back."""
    call, customer, agent = await connected(bench, number)
    gone, other = (customer, agent) if who == "customer" else (agent, customer)
    gone.vanish()
    await other.ended()

    own = await own_call(bench, call)
    party = "network" if who == "customer" else "agent"
    assert (own["ending"]["party"], own["ending"]["technical"], own["ending"]["confidence"]) == (party, True, "high")
    assert own["decision"]["allowed"] is False
    assert "NOT_INBOUND" in own["decision"]["refusals"]
    assert bench.states(call)[-1] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1


@pytest.mark.parametrize("status", [486, 603])
async def test_an_agent_who_refuses_is_passed_over(bench: Bench, number: str, status: int) -> None:
    """Another member of the queue is rung; the customer is rung once, for the one who holds the line."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number, then=refuses(status, "No"))
    agent = await rung(bench, 1)
    customer = await bench.carrier.called(number)
    assert agent.is_answered
    assert agent.began < customer.began
    await talk_and_hang_up(bench, customer, agent)

    shown, own = await bench.finished(call), await own_call(bench, call)
    assert shown["callback"]["state"] == "completed"
    assert outcomes(shown) == ["completed"]
    assert own["agent"] == "PJSIP/agent2"
    assert ("waiting", "the agent: did not answer") in history(bench, call)


async def test_an_agent_who_does_not_answer(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number, then=rings())
    first = await rung(bench)
    gone = await first.ended()
    agent = await rung(bench, 1)
    customer = await bench.carrier.called(number)
    assert agent.began < customer.began
    assert gone.by is EndedBy.THEIR_CANCEL
    await talk_and_hang_up(bench, customer, agent)
    assert (await bench.finished(call))["callback"]["state"] == "completed"


async def test_an_agent_whose_telephone_vanished(bench: Bench, number: str) -> None:
    """Asterisk still takes it for free: its INVITE gets no answer, and another is rung when its time is over."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await caller.bye(FAULT)
    await agent.ended()
    bench.agents[0].off = True
    try:
        other = await rung(bench, 1)
        customer = await bench.carrier.called(number)
        await talk_and_hang_up(bench, customer, other)
    finally:
        bench.agents[0].off = False
    shown = await bench.finished(await bench.logged(number))
    assert shown["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_first_agent_to_be_free_gets_it(bench: Bench, number: str) -> None:
    """Nobody takes it: the customer's telephone is silent, until somebody does."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    for peer in bench.agents[1:]:
        peer.script = refuses(486, "Busy Here")
    call = await dropped(bench, number, then=refuses(486, "Busy Here"))
    await has_been(bench, call, "waiting", "no agent is free")
    assert bench.carrier.invites_to(number) == []
    bench.agents[2].script = answers(0.2)
    agent = await _answered(bench, 2)
    customer = await bench.carrier.called(number)
    await talk_and_hang_up(bench, customer, agent)
    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1


async def _answered(bench: Bench, agent: int) -> Leg:
    """The agent's leg that he answers, whatever he refused before."""
    while True:
        leg = await rung(bench, agent)
        with suppress(NoAnswer):
            await leg.answered()
            return leg


async def test_no_agent_within_the_window(bench: Bench, number: str) -> None:
    """No silent calls: the customer is never rung, and the log says for want of whom."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    async with bench.lab.settings(("grace_s = 2.0", "grace_s = 2.0\nfirst_dial_s = 10\nlapse_s = 20")):
        caller, agent = await bench.talks(number)
        for peer in bench.agents:
            peer.script = refuses(486, "Busy Here")
        await caller.bye(FAULT)
        await agent.ended()
        shown = await bench.finished(await bench.logged(number))
    assert shown["callback"]["state"] == "lapsed"
    assert shown["callback"]["attempts"] == []
    # what the last look at the gate said, or why it had been held up since
    why = history(bench, shown["id"])[-1][1]
    assert "NO_AGENT" in why or "no agent is free" in why, why
    assert bench.carrier.invites_to(number) == []
    assert shown["decision"]["allowed"] is True


async def test_the_agent_leaves_while_the_customer_hears_the_greeting(bench: Bench, number: str) -> None:
    """The customer is on the line: his key 1 leads to another agent, through the queue."""
    bench.carrier.scripts[number] = answers(0.2)
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await customer.answered()
    await bench.prompt("CALLBACK")
    bench.agents[0].script = rings()
    await agent.bye()
    await customer.hears_audio()
    await customer.press("1")
    other = await rung(bench, 0)
    other = await rung(bench, 1)
    await talk_and_hang_up(bench, customer, other)
    shown, own = await bench.finished(call), await own_call(bench, call)
    assert shown["callback"]["state"] == "completed"
    assert own["agent"] == "PJSIP/agent2"
    assert len(bench.carrier.invites_to(number)) == 1


@pytest.mark.parametrize("how", ["hangs up", "is busy", "presses 3", "says nothing"])
async def test_the_agent_is_let_go_when_the_customer_does_not_want(bench: Bench, number: str, how: str) -> None:
    scripts = {
        "hangs up": answers(0.2),
        "is busy": refuses(486, "Busy Here"),
        "presses 3": answers(0.2, keys="3"),
        "says nothing": answers(0.2),
    }
    bench.carrier.scripts[number] = scripts[how]
    call = await dropped(bench, number)
    agent = await rung(bench)
    customer = await bench.carrier.called(number)
    if how == "hangs up":
        await customer.answered()
        await customer.hears_audio()
        await customer.bye()
    gone = await agent.ended()
    assert gone.by is EndedBy.THEIR_BYE
    if how == "is busy":
        bench.carrier.scripts[number] = refuses(603, "Decline")  # no third time
    shown = await bench.finished(call)
    assert shown["callback"]["state"] == ("wrong_person" if how == "presses 3" else "unanswered")
    await bench.observer.until_free(["PJSIP/agent1"])


async def test_customer_first_is_still_there(bench: Bench, number: str) -> None:
    """The alternative: the customer is rung, and the agent once he has pressed 1."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    async with bench.lab.settings(("grace_s = 2.0", 'grace_s = 2.0\nmode = "customer_first"')):
        call = await dropped(bench, number)
        customer = await bench.carrier.called(number)
        await customer.answered()
        agent = await rung(bench)
        await agent.answered()
        assert customer.began < agent.began
        assert agent.invite.get("X-Oddzwon-Call") is None
        await talk_and_hang_up(bench, customer, agent)
        shown, own = await bench.finished(call), await own_call(bench, call)
    assert shown["callback"]["state"] == "completed"
    assert own["agent"] == "PJSIP/agent1"

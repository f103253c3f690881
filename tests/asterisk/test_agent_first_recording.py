"""The recording of a callback for which an agent held the line: of the talk alone, by the codes of any other."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.bench import DE, Bench
from tests.asterisk.holding import FAULT, SECOND, dropped, hears_ringing, rung
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers
from tests.asterisk.test_agent_consent import consents, logs_out
from tests.asterisk.test_contract import CONTRACT, SEGMENT, segment, signed
from tests.asterisk.test_features import OBJECT, PAUSE, silences, state
from tests.asterisk.test_recording import LISTENED, bridged_seconds
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

pytestmark = pytest.mark.asterisk


async def connected(bench: Bench, number: str) -> tuple[str, Leg, Leg]:
    """The two of a callback talk: the id of the callback's own call, the customer's leg and agent1's."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await dropped(bench, number)
    agent = await rung(bench)
    customer = await bench.carrier.called(number)
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    return await bench.logged(number, direction="callback"), customer, agent


async def over(bench: Bench, call: str, customer: Leg, agent: Leg) -> None:
    """The customer hangs up; returns once his call is judged."""
    await customer.bye()
    await agent.ended()
    await bench.judged(call)


async def test_the_talk_and_nothing_else(bench: Bench, number: str) -> None:
    """No word of whisper, greeting and announcement, no ringing tone; the customer left, the agent right."""
    call, customer, agent = await connected(bench, number)
    await customer.hears_audio(frames=2 * SECOND)
    await over(bench, call, customer, agent)

    (recording,) = (await bench.lab.call(call))["recordings"]
    assert (recording["regime"], recording["side"]) == ("quality", "caller")
    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    assert heard.seconds > 1.5
    assert abs(heard.seconds - bridged_seconds(bench, call)) < 0.3


async def test_the_agent_pauses_and_resumes(bench: Bench, number: str) -> None:
    call, customer, agent = await connected(bench, number)
    await state(bench, call, "recording")
    await customer.hears_audio(frames=SECOND)
    for wanted, frames in (("paused", 2 * SECOND), ("recording", SECOND)):
        mark = bench.observer.mark()
        await agent.press(PAUSE)
        await state(bench, call, wanted)
        await bench.observer.wait_for(signed("taken"), since=mark)
        await customer.hears_audio(frames=frames)
    await over(bench, call, customer, agent)

    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    assert [seconds >= 1.8 for seconds in silences(heard.caller) if seconds > 0.3] == [True]


@pytest.mark.parametrize("who", ["customer", "agent"])
async def test_an_objection_in_the_talk(bench: Bench, number: str, who: str) -> None:
    call, customer, agent = await connected(bench, number)
    await state(bench, call, "recording")
    await customer.hears_audio(frames=SECOND)
    await (customer if who == "customer" else agent).press(OBJECT)
    await state(bench, call, "deleted")
    # they go on talking, unrecorded
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    await over(bench, call, customer, agent)
    shown = await bench.lab.call(call)
    assert [recording["state"] for recording in shown["recordings"]] == ["deleted"]
    assert shown["ending"]["party"] == "caller"


async def test_the_contract_segment(bench: Bench, number: str) -> None:
    async with bench.lab.settings(("agents_consented = true\n", SEGMENT)):
        call, customer, agent = await connected(bench, number)
        await customer.hears_audio(frames=SECOND)
        mark = bench.observer.mark()
        await agent.press(CONTRACT)
        await bench.prompt("REC_ANNOUNCE", since=mark)
        await segment(bench, call, "recording")
        await asyncio.gather(agent.hears(customer), customer.hears(agent))
        await customer.hears_audio(frames=SECOND)
        await over(bench, call, customer, agent)
        shown = await bench.lab.call(call)
    assert sorted(recording["regime"] for recording in shown["recordings"]) == ["contract", "quality"]


async def german(bench: Bench, number: str, agent: int = 0) -> tuple[Leg, Leg]:
    """A German talk was cut off unrecorded; its callback's customer is being asked whether he may be recorded.

    Returns his leg, and that of the same agent, who holds the line.
    """
    caller = await bench.in_menu(number, DE)
    await caller.press("1")
    talking = await bench.answered_by(caller, agent)
    bench.carrier.scripts[number] = answers(0.2)
    mark = bench.observer.mark()
    await caller.bye(FAULT)
    await talking.ended()
    held = await rung(bench, agent)
    customer = await bench.carrier.called(number)
    await customer.answered()
    await bench.prompt("CALLBACK", since=mark)
    await customer.hears_audio(frames=LISTENED)
    await customer.press("1")
    await bench.prompt("REC_CONSENT", since=mark)
    await customer.hears_audio(frames=LISTENED)
    return customer, held


async def test_a_german_customer_is_asked_again(bench: Bench, number: str) -> None:
    customer, agent = await german(bench, number)
    await customer.press("1")
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    await customer.hears_audio(frames=SECOND)
    call = await bench.logged(number, direction="callback")
    await over(bench, call, customer, agent)
    shown = await bench.lab.call(call)
    (recording,) = shown["recordings"]
    assert recording["agent_consent"]["source"] == "on_file"
    assert next(n["key"] for n in shown["notices"] if n["prompt"] == "REC_CONSENT") == "1"
    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})


@pytest.mark.parametrize("answer", ["1", "2"])
async def test_the_agent_who_holds_the_line_is_asked(bench: Bench, number: str, answer: str) -> None:
    """§ 201 StGB: on his own leg, once the customer has agreed and before the two are bridged."""
    async with bench.lab.settings(("agents_consented = true", "agents_consented = false")):
        await logs_out(bench)
        before = len(consents(bench))
        customer, held = await german(bench, number)
        mark = bench.observer.mark()
        await customer.press("1")
        await bench.prompt("REC_CONSENT_AGENT", since=mark)
        await held.hears_audio(frames=LISTENED)
        await hears_ringing(customer)
        await held.press(answer)
        await asyncio.gather(customer.hears(held), held.hears(customer))
        await customer.hears_audio(frames=SECOND)
        call = await bench.logged(number, direction="callback")
        await over(bench, call, customer, held)

        agreed = answer == "1"
        assert consents(bench)[before:] == [("PJSIP/agent1", "asked", int(agreed), "1" if agreed else None)]
        kept = bench.lab.read("SELECT side FROM recording WHERE call = ?", call)
        assert [row["side"] for row in kept] == (["agent"] if agreed else [])
        if kept:
            heard = await unsealed(bench, call)
            assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
            assert heard.seconds > 0.9

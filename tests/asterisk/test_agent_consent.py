"""§ 201 StGB: on a German number the agent is asked too, once for each login; without him nothing is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.bench import DE, Bench
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers
from tests.asterisk.test_contract import CONTRACT, SEGMENT, segment
from tests.asterisk.test_recording import HELD, LISTENED
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

pytestmark = pytest.mark.asterisk

SECOND = 50
"""Frames of 20 ms."""
STANDS = """
    SELECT 1 FROM agent_consent AS yes WHERE yes.agent = 'PJSIP/agent1' AND yes.source = 'asked' AND yes.agreed = 1
    AND NOT EXISTS (SELECT 1 FROM agent_consent AS over
                    WHERE over.agent = yes.agent AND over.source = 'ended' AND over.id > yes.id)"""


@pytest.fixture
async def asked(bench: Bench) -> AsyncIterator[Bench]:
    """No consent is on file."""
    async with bench.lab.settings(("agents_consented = true", "agents_consented = false")):
        await logs_out(bench)
        yield bench


async def agrees(bench: Bench, number: str, choice: str = "1") -> tuple[Leg, Leg]:
    """A German caller who has agreed to be recorded, and the agent's leg that has answered."""
    mark = bench.observer.mark()
    caller = await bench.in_menu(number, DE)
    await caller.press(choice)
    await bench.prompt("REC_CONSENT", since=mark)
    await caller.hears_audio(frames=LISTENED)
    await caller.press("1")
    agent = await bench.agents[0].rung(besides=bench.met)
    bench.met.append(agent)
    await agent.answered()
    return caller, agent


async def bridged(caller: Leg, agent: Leg) -> None:
    await asyncio.gather(caller.hears(agent), agent.hears(caller))


async def talk(bench: Bench, number: str, nth: int, *, answer: str | None, choice: str = "1") -> str:
    """The number's nth talk, after the agent's ``answer`` to the question (None: he is not asked); the call's id."""
    mark = bench.observer.mark()
    caller, agent = await agrees(bench, number, choice)
    if answer is not None:
        await bench.prompt("REC_CONSENT_AGENT", since=mark)
        await agent.hears_audio(frames=LISTENED)
        await agent.press(answer)
    await bridged(caller, agent)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()
    call = await bench.logged(number, nth=nth)
    await bench.lab.until("SELECT 1 FROM ending WHERE call = ?", call)
    return call


async def logs_out(bench: Bench) -> None:
    """agent1 leaves a queue, and with it his answer; he stays in the lab's others."""
    await bench.lab.rasterisk("queue add member PJSIP/agent1 to nobody")
    await bench.lab.rasterisk("queue remove member PJSIP/agent1 from nobody")
    await bench.lab.until(f"SELECT 1 WHERE NOT EXISTS ({STANDS})")


def consents(bench: Bench) -> list[tuple[str, str, int, str | None]]:
    rows = bench.lab.read("SELECT agent, source, agreed, key FROM agent_consent WHERE source <> 'on_file' ORDER BY id")
    return [tuple(row) for row in rows]


async def test_asked_once_and_again_after_his_logout(asked: Bench, number: str) -> None:
    bench = asked
    before = len(consents(bench))  # this lab's tests before this one
    first = await talk(bench, number, 1, answer="1")
    assert consents(bench)[before:] == [("PJSIP/agent1", "asked", 1, "1")]
    heard = await unsealed(bench, first)
    # on his own channel, and still the caller left and he right
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    ((side, consent),) = bench.lab.read("SELECT side, agent_consent FROM recording WHERE call = ?", first)
    assert (side, consent is None) == ("agent", False)

    await talk(bench, number, 2, answer=None)
    assert len(consents(bench)) == before + 1

    await logs_out(bench)
    # he is asked anew, and says no: another key is none, and so is silence
    refused = await talk(bench, number, 3, answer="2")
    assert consents(bench)[before + 1 :] == [("PJSIP/agent1", "ended", 0, None), ("PJSIP/agent1", "asked", 0, None)]
    assert bench.lab.read("SELECT 1 FROM recording WHERE call = ?", refused) == []


async def test_a_key_that_the_agent_held_before_the_question_is_no_consent(asked: Bench, number: str) -> None:
    """It is asked again, and silence is no consent."""
    bench = asked
    before = len(consents(bench))
    mark = bench.observer.mark()
    caller, agent = await agrees(bench, number)
    await agent.press("1", HELD)
    await bench.prompt("REC_CONSENT_AGENT", since=mark)
    await bridged(caller, agent)
    await caller.bye()
    await agent.ended()
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM ending WHERE call = ?", call)
    assert consents(bench)[before:] == [("PJSIP/agent1", "asked", 0, None)]
    assert bench.lab.read("SELECT 1 FROM recording WHERE call = ?", call) == []


async def test_a_yes_is_to_one_purpose_and_to_what_is_seen(asked: Bench, number: str) -> None:
    """Another key of the menu names another purpose. And who logged out while we were away is not known."""
    bench = asked
    before = len(consents(bench))
    calls = [await talk(bench, number, 1, answer="1"), await talk(bench, number, 2, answer="1", choice="2")]
    calls.append(await talk(bench, number, 3, answer=None))
    rows = bench.lab.read("SELECT version FROM agent_consent WHERE source = 'asked' ORDER BY id DESC LIMIT 2")
    assert len({row[0] for row in rows}) == 2
    for call in calls:
        notices = [notice["prompt"] for notice in (await bench.judged(call))["notices"]]
        assert "REC_CONSENT" in notices
        assert "RECORDED" not in notices  # when the caller agrees, nobody knows what the agent will say
        assert bench.lab.read("SELECT state FROM recording WHERE call = ?", call) != []
    await bench.lab.restart_service()
    await talk(bench, number, 4, answer="1")
    found = [row[1] for row in consents(bench)[before:]]
    assert found == ["asked", "asked", "ended", "asked"]


async def test_the_contract_segment_has_its_own_question(bench: Bench, number: str) -> None:
    """Asked for with the other one, for the agent may dial its code in this very call."""
    async with bench.lab.settings(("agents_consented = true\n", SEGMENT.replace("true", "false"))):
        mark = bench.observer.mark()
        caller, agent = await agrees(bench, number)
        for _ in ("quality", "contract"):
            await bench.prompt("REC_CONSENT_AGENT", since=mark)
            await agent.hears_audio(frames=LISTENED)
            mark = bench.observer.mark()
            await agent.press("1")
        await bridged(caller, agent)
        call = await bench.logged(number)
        mark = bench.observer.mark()
        await agent.press(CONTRACT)
        await bench.prompt("REC_CONSENT", since=mark)
        await caller.hears_audio(frames=LISTENED)
        await caller.press("1")
        await segment(bench, call, "recording")
        await caller.hears_audio(frames=SECOND)
        await caller.bye()
        await agent.ended()
        await bench.judged(call)
        rows = bench.lab.read(
            "SELECT r.regime, a.version FROM recording AS r JOIN agent_consent AS a ON a.id = r.agent_consent"
            " WHERE r.call = ? ORDER BY r.started_at",
            call,
        )
        assert [row[0] for row in rows] == ["quality", "contract"]
        assert rows[0][1] != rows[1][1]


async def test_who_is_transferred_to_is_not_recorded(asked: Bench, number: str) -> None:
    """He was not asked: the recording stays behind with the one who was."""
    bench = asked
    bench.agents[1].script = answers(0.3)
    mark = bench.observer.mark()
    caller, agent = await agrees(bench, number)
    await bench.prompt("REC_CONSENT_AGENT", since=mark)
    await agent.hears_audio(frames=LISTENED)
    await agent.press("1")
    await bridged(caller, agent)
    await caller.hears_audio(frames=SECOND)
    await agent.refer("agent2")
    other = await bench.answered_by(caller, 1)
    await agent.transferred()
    await agent.bye()
    await caller.hears_audio(frames=2 * SECOND)
    await caller.bye()
    await other.ended()
    call = await bench.logged(number)
    heard = await unsealed(bench, call)
    assert 1.0 < heard.seconds < 2.2
    assert heard.tones("caller") == {CALLER}


async def test_the_caller_leaves_while_the_agent_is_asked(asked: Bench, number: str) -> None:
    bench = asked
    mark = bench.observer.mark()
    caller, agent = await agrees(bench, number)
    await bench.prompt("REC_CONSENT_AGENT", since=mark)
    await agent.hears_audio()
    await caller.bye()
    await agent.ended()
    shown = await bench.judged(await bench.logged(number))
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("caller", False)
    assert shown["recordings"] == []


async def test_in_a_callback_too(asked: Bench, number: str) -> None:
    """A new call, so the customer is asked again; the same agent, dialled first, has said it at his login."""
    bench = asked
    mark = bench.observer.mark()
    caller, agent = await agrees(bench, number)
    await bench.prompt("REC_CONSENT_AGENT", since=mark)
    await agent.hears_audio(frames=LISTENED)
    await agent.press("1")
    await bridged(caller, agent)
    bench.carrier.scripts[number] = answers(0.2)
    mark = bench.observer.mark()
    await caller.bye("Q.850;cause=38")
    await agent.ended()
    customer = await bench.carrier.called(number)
    await customer.answered()
    await bench.prompt("CALLBACK", since=mark)
    await customer.hears_audio(frames=LISTENED)
    await customer.press("1")
    await bench.prompt("REC_CONSENT", since=mark)
    await customer.hears_audio(frames=LISTENED)
    await customer.press("1")
    again = await bench.answered_by(customer)
    await customer.hears_audio(frames=SECOND)
    await customer.bye()
    await again.ended()
    shown = await bench.finished(await bench.logged(number))
    own = shown["callback"]["attempts"][0]["call"]
    heard = await unsealed(bench, own)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    assert heard.seconds > 0.9
    ((side,),) = bench.lab.read("SELECT side FROM recording WHERE call = ?", own)
    assert side == "agent"

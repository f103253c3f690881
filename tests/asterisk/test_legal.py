"""A recording that the law demands (MiFID II): announced, and neither the caller nor the agent can silence it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.test_contract import CONTRACT, OBJECT, PAUSE, SECOND, SEGMENT, of_regime, signed
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def orders(bench: Bench) -> AsyncIterator[Bench]:
    """Key 2 leads to where orders are taken; a contract segment is configured as well."""
    legal = ('regime = "contract"\nreference = "LAB"\nretention_days = 1095', 'regime = "legal"')
    async with bench.lab.settings(legal, ("agents_consented = true\n", SEGMENT)):
        yield bench


async def test_nobody_can_silence_it(orders: Bench, number: str) -> None:
    bench = orders
    caller = await bench.in_menu(number)
    mark = bench.observer.mark()
    await caller.press("2")
    await bench.prompt("REC_ANNOUNCE", since=mark)
    await caller.hears_audio(frames=SECOND // 2)
    await caller.press("7")  # the announcement names no such key
    agent = await bench.answered_by(caller)
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'recording'", call)
    for code in (CONTRACT, PAUSE):
        mark = bench.observer.mark()
        await agent.press(code)
        await bench.observer.wait_for(signed("refused"), since=mark)
        await caller.hears_audio(frames=SECOND)
    await caller.press(OBJECT)
    await bench.lab.until("SELECT 1 FROM objection WHERE call = ?", call)
    await asyncio.gather(caller.hears(agent), agent.hears(caller))
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    (legal,) = shown["recordings"]
    assert of_regime(shown, "legal") == [legal]
    (announced,) = [n for n in shown["notices"] if n["prompt"].startswith("REC_")]
    assert (announced["prompt"], announced["complete"], announced["key"]) == ("REC_ANNOUNCE", True, None)
    events = [(event["state"], event["why"]) for event in legal["events"]]
    assert ("recording", "an objection does not reach the regime legal") in events
    assert "paused" not in [state for state, _ in events]
    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    # no hole: every second of the talk is in it, and where the caller's telephone sent his code it sent no voice
    assert max((run.seconds for run in heard.caller if run.tone == 0), default=0.0) < 0.8
    assert heard.seconds > 3.0

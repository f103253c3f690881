"""Key 7 at an announced recording counts whenever it is pressed before the talk: ahead, during it, and in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import named, plays
from tests.asterisk.sip_scripts import answers, rings

pytestmark = pytest.mark.asterisk

AGENT_PERIOD = 16
FAULT = "Q.850;cause=38"
AHEAD, IN_ONE_GO, IN_THE_QUEUE = "during layer 1", "in one go with the menu's key", "while an agent's phone rings"


async def objects(bench: Bench, number: str, when: str) -> dict[str, Any]:
    """The call of one who wants to talk, and not to be recorded."""
    mine = {"CallerIDNum": number}
    caller = await bench.dial(number)
    await bench.observer.wait_for(
        lambda seen: plays("/L1" if when == AHEAD else "MENU_OPTION")(seen) and _of(seen, mine)
    )
    await caller.hears_audio()
    await caller.press("1" if when == IN_THE_QUEUE else "17")
    if when == IN_THE_QUEUE:
        await bench.observer.wait_for(lambda seen: named("QueueCallerJoin")(seen) and _of(seen, mine))
        await caller.press("7")
    await caller.heard.until_tone(AGENT_PERIOD, 5)
    await caller.hears_audio(frames=50)
    await caller.bye()
    return await bench.judged(await bench.logged(number))


def _of(seen: Any, fields: dict[str, str]) -> bool:
    return all(seen[name] == value for name, value in fields.items())


async def test_it_carries_over_to_his_own_redial(bench: Bench, number: str) -> None:
    """Who objected and was cut off is neither asked nor recorded when he is back, just as when we call him."""
    bench.carrier.scripts[number] = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.prompt("REC_OBJECT")
    await caller.hears_audio()
    await caller.press("7")
    agent = await bench.answered_by(caller)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.logged(number)
    again = await bench.dial(number)
    agent = await bench.answered_by(again)
    await again.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number, nth=2))
    assert [n["prompt"] for n in call["notices"]] == ["SHORT"]
    assert call["recordings"] == []


async def test_key_7_before_the_talk(bench: Bench, number_plan: Iterator[str]) -> None:
    before = {*bench.lab.recordings.iterdir()}
    for peer in bench.agents:
        peer.script = answers(2.5)
    cases = (AHEAD, IN_ONE_GO, IN_THE_QUEUE)
    calls = await asyncio.gather(*(objects(bench, next(number_plan), when) for when in cases))
    for when, call in zip(cases, calls, strict=True):
        assert call["stage"] == "talking", when
        assert {r["state"] for r in call["recordings"]} <= {"deleted"}, when
        rows = bench.lab.read("SELECT scope, number_key FROM objection WHERE call = ?", call["id"])
        own_key = any(n["prompt"] == "REC_OBJECT" and n["key"] == "7" for n in call["notices"])
        # to this recording; a key that ended the announcement stands on its receipt already
        assert own_key or [tuple(row) for row in rows] == [("recording", None)], when
        told = "NOT_RECORDED" in [n["prompt"] for n in call["notices"]]
        assert told is (when != IN_THE_QUEUE), when
    assert {*bench.lab.recordings.iterdir()} == before

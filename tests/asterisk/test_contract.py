"""The contract segment: announced for itself, recorded for itself, by the agent's code and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from tests.asterisk.bench import DE, Bench
from tests.asterisk.observer import Seen, Wanted
from tests.asterisk.rtp import QUIET, sounds_like
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

pytestmark = pytest.mark.asterisk

CONTRACT, PAUSE, OBJECT = "*#1", "*#0", "*#3"
SECOND = 50
"""Frames of 20 ms."""
SEGMENT = """agents_consented = true
contract = { reference = "ORDERS", retention_days = 30, purpose = "order", basis = "contract", other_channel = "post" }
"""
CODES = {"taken": "beep", "refused": "beeperr"}


@pytest.fixture
async def orders(bench: Bench) -> AsyncIterator[Bench]:
    """The operator has said what a contract segment is."""
    async with bench.lab.settings(("agents_consented = true\n", SEGMENT)):
        yield bench


def signed(sign: str) -> Wanted:
    """The agent is told: this sound is played to him."""

    def wanted(seen: Seen) -> bool:
        return seen.name == "Newexten" and seen["Application"] == "Playback" and seen["AppData"] == CODES[sign]

    return wanted


def others(leg: Leg) -> int:
    """How many of the last packets held neither a phone's tone nor silence."""
    kept = [packet.payload for packet in leg.heard.kept]
    return sum(not QUIET.issuperset(p) and not sounds_like(p, CALLER) and not sounds_like(p, AGENT) for p in kept)


async def segment(bench: Bench, call: str, state: str, nth: int = 0) -> None:
    """Until the call's nth contract recording is in this state."""
    sql = "SELECT state FROM recording WHERE call = ? AND regime = 'contract' ORDER BY started_at, id LIMIT 1 OFFSET ?"
    await bench.lab.until(f"SELECT 1 WHERE ({sql}) = ?", call, nth, state)


def of_regime(shown: dict[str, Any], regime: str) -> list[dict[str, Any]]:
    return [recording for recording in shown["recordings"] if recording["regime"] == regime]


async def test_a_segment_within_a_talk(orders: Bench, number: str) -> None:
    bench = orders
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await caller.hears_audio(frames=SECOND)
    mark = bench.observer.mark()
    await agent.press(CONTRACT)
    await bench.prompt("REC_ANNOUNCE", since=mark)
    await segment(bench, call, "recording")
    # the two hear each other again, and the agent a sound that the caller does not hear
    await bench.observer.wait_for(signed("taken"), since=mark)
    await asyncio.gather(agent.hears(caller), caller.hears(agent))
    heard_by_caller = others(caller)
    await caller.hears_audio(frames=SECOND)
    assert others(caller) == heard_by_caller
    # a card number: silence in the segment, which is what records
    await agent.press(PAUSE)
    await segment(bench, call, "paused")
    await caller.hears_audio(frames=SECOND)
    await agent.press(PAUSE)
    await segment(bench, call, "recording")
    await caller.hears_audio(frames=SECOND // 2)
    await agent.press(CONTRACT)
    await segment(bench, call, "finished")
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    (quality,), (contract,) = of_regime(shown, "quality"), of_regime(shown, "contract")
    assert contract["reference"] == "ORDERS"
    assert [n["prompt"] for n in shown["notices"] if n["complete"]][-2:] == ["REC_OBJECT", "REC_ANNOUNCE"]
    own = await unsealed(bench, call, 1)
    assert (own.tones("caller"), own.tones("agent")) == ({CALLER}, {AGENT})
    (pause,) = [run.seconds for run in own.caller if run.tone == 0 and run.seconds > 0.3]
    assert pause > 0.8
    at = {event["state"]: datetime.fromisoformat(event["at"]) for event in contract["events"]}
    assert abs(own.seconds - (at["finished"] - at["armed"]).total_seconds()) < 0.3
    # in the quality recording nothing of the segment, and nothing of its announcement
    whole = await unsealed(bench, call, 0)
    assert (whole.tones("caller"), whole.tones("agent")) == ({CALLER}, {AGENT})
    silence = max(run.seconds for run in whole.caller if run.tone == 0)
    assert silence > own.seconds + 1.0
    assert [e["why"] for e in quality["events"] if "contract" in e["why"]] == [
        "contract segment",
        "contract segment over",
    ]


async def test_hung_up_in_the_announcement(orders: Bench, number: str) -> None:
    """Incomplete, so nothing of it may be recorded."""
    bench = orders
    caller, agent = await bench.talks(number)
    mark = bench.observer.mark()
    await agent.press(CONTRACT)
    await bench.prompt("REC_ANNOUNCE", since=mark)
    await caller.hears_audio()
    await caller.bye()
    await agent.ended()
    shown = await bench.judged(await bench.logged(number))
    assert of_regime(shown, "contract") == []
    assert shown["notices"][-1]["prompt"] == "REC_ANNOUNCE"
    assert shown["notices"][-1]["complete"] is False
    assert shown["ending"]["party"] == "caller"


async def test_an_objection_reaches_the_quality_recording_only(orders: Bench, number: str) -> None:
    bench = orders
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await agent.press(CONTRACT)
    await segment(bench, call, "recording")
    await agent.hears(caller)
    await caller.press(OBJECT)
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND regime = 'quality' AND state = 'deleted'", call)
    await caller.hears_audio(frames=SECOND)
    # his word stands: the agent cannot begin another one
    await agent.press(CONTRACT)
    await segment(bench, call, "finished")
    mark = bench.observer.mark()
    await agent.press(CONTRACT)
    await bench.observer.wait_for(signed("refused"), since=mark)
    await caller.bye()
    await agent.ended()
    shown = await bench.judged(call)
    (contract,) = of_regime(shown, "contract")
    assert "an objection does not reach the regime contract" in [e["why"] for e in contract["events"]]
    assert (await unsealed(bench, call, 1)).seconds > 0.9


async def test_the_segment_ends_with_its_agent(orders: Bench, number: str) -> None:
    bench = orders
    bench.agents[1].script = answers(0.3)
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await agent.press(2 * CONTRACT)  # once more, during the announcement: it does not end what has not begun
    await segment(bench, call, "recording")
    await agent.hears(caller)
    await agent.refer("agent2")
    taken = await bench.answered_by(caller, 1)
    await agent.transferred()
    await agent.bye()
    await segment(bench, call, "finished")
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await taken.ended()
    shown = await bench.judged(call)
    (contract,) = of_regime(shown, "contract")
    assert "its agent has left" in [e["why"] for e in contract["events"]]
    (quality,) = of_regime(shown, "quality")
    assert quality["state"] == "sealed"


async def test_german_callers_are_asked(orders: Bench, number: str) -> None:
    """Key 1 of their own, or no segment; the talk goes on unrecorded, since they did not agree to that either."""
    bench = orders
    caller = await bench.in_menu(number, DE)
    await caller.press("1")
    agent = await bench.answered_by(caller)
    call = await bench.logged(number)
    mark = bench.observer.mark()
    await agent.press(CONTRACT)
    await bench.prompt("REC_CONSENT", since=mark)
    await bench.observer.wait_for(signed("refused"), since=mark)  # silence is no consent
    mark = bench.observer.mark()
    await agent.press(CONTRACT)
    await bench.prompt("REC_CONSENT", since=mark)
    await caller.hears_audio(frames=SECOND)
    await caller.press("1")
    await segment(bench, call, "recording")
    await agent.hears(caller)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()
    shown = await bench.judged(call)
    (contract,) = shown["recordings"]
    assert contract["regime"] == "contract"
    assert [n["key"] for n in shown["notices"] if n["prompt"] == "REC_CONSENT"] == [None, None, "1"]
    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})


async def test_not_configured(bench: Bench, number: str) -> None:
    """The agent hears that nothing came of it; the caller hears nothing, and his recording has no hole."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'recording'", call)
    await agent.hears_audio(frames=SECOND)
    mark, before = bench.observer.mark(), others(agent)
    await agent.press(CONTRACT)
    await bench.observer.wait_for(signed("refused"), since=mark)
    await agent.hears_audio(frames=SECOND)
    assert others(agent) > before + 10
    await caller.bye()
    await agent.ended()
    shown = await bench.judged(call)
    assert [r["regime"] for r in shown["recordings"]] == ["quality"]
    assert shown["notices"][-1]["prompt"] == "REC_OBJECT"

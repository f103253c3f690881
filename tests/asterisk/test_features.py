"""Feature codes in the talk: the agent pauses the recording, either of the two ends it and has it deleted."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import Seen, Wanted, named
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers
from tests.asterisk.test_contract import signed
from tests.asterisk.unsealed import AGENT, CALLER, Run, unsealed

pytestmark = pytest.mark.asterisk

PAUSE, OBJECT = "*#0", "*#3"
FAULT = "Q.850;cause=38"
SECOND = 50
"""Frames of 20 ms."""


async def state(bench: Bench, call: str, wanted: str) -> None:
    """Until the call's recording is in this state."""
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = ?", call, wanted)


def silences(runs: list[Run]) -> list[float]:
    """How long each silence lasted, in seconds."""
    return [run.seconds for run in runs if run.tone == 0]


def heard_from_the_caller(key: str) -> Wanted:
    """Asterisk has taken this key from the caller's leg."""

    def wanted(seen: Seen) -> bool:
        return seen.name == "DTMFEnd" and seen["Digit"] == key and seen["Channel"].startswith("PJSIP/carrier")

    return wanted


async def test_the_agent_pauses_and_resumes(bench: Bench, number: str) -> None:
    """The card number is silence in the file: the code's own keys, and the words before and after it, are not."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await state(bench, call, "recording")
    await caller.hears_audio(frames=SECOND)
    for wanted, frames in (("paused", 2 * SECOND), ("recording", SECOND)):
        mark = bench.observer.mark()
        await agent.press(PAUSE)
        await state(bench, call, wanted)
        # without a sound he could not tell it from a service that is away
        await bench.observer.wait_for(signed("taken"), since=mark)
        await caller.hears_audio(frames=frames)
    await caller.bye()
    await agent.ended()

    await bench.judged(call)
    heard = await unsealed(bench, call)
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    # no word of the two seconds slips through, and the caller's silence is the pause's alone
    (pause,) = [seconds for seconds in silences(heard.caller) if seconds > 0.3]
    assert pause >= 1.8, heard.caller
    assert max(silences(heard.agent)) >= pause - 0.1, heard.agent
    at = heard.caller.index(Run(0, pause))
    for runs in (heard.caller[:at], heard.caller[at + 1 :]):
        assert sum(run.seconds for run in runs if run.tone == CALLER) >= 0.8, heard.caller


async def test_paused_when_the_call_ends(bench: Bench, number: str) -> None:
    """What was said until the pause is kept, nothing of what came after."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await state(bench, call, "recording")
    await agent.press(PAUSE)
    await state(bench, call, "paused")
    await caller.hears_audio(frames=2 * SECOND)
    await caller.bye()
    await agent.ended()

    await bench.judged(call)
    heard = await unsealed(bench, call)
    for runs, tone in ((heard.caller, CALLER), (heard.agent, AGENT)):
        assert any(run.tone == tone for run in runs[:2]), runs
        assert runs[-1].tone == 0, runs
        assert runs[-1].seconds >= 1.5, runs


async def test_the_caller_cannot_resume_what_the_agent_paused(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await state(bench, call, "recording")
    await agent.press(PAUSE)
    await state(bench, call, "paused")
    mark = bench.observer.mark()
    await caller.press(PAUSE)
    await bench.observer.wait_for(heard_from_the_caller("0"), since=mark)
    await agent.hears_audio(frames=SECOND)
    assert [r["state"] for r in (await bench.lab.call(call))["recordings"]] == ["paused"]
    # the agent can, and his code is the next one that counts
    await agent.press(PAUSE)
    await state(bench, call, "recording")
    await caller.bye()
    await agent.ended()


async def objects(bench: Bench, number: str, leg: Leg) -> str:
    """The leg dials the objection's code; returns the call's id once the recording is gone."""
    call = await bench.logged(number)
    await state(bench, call, "recording")
    await leg.hears_audio(frames=SECOND)
    (recording,) = (await bench.lab.call(call))["recordings"]
    file = bench.lab.recordings / recording["file"]
    assert file.exists()
    await leg.press(OBJECT)
    await state(bench, call, "deleted")
    await bench.lab.until("SELECT 1 FROM objection WHERE call = ?", call)
    assert not file.exists()
    return call


@pytest.mark.parametrize("who", ["caller", "agent"])
async def test_an_objection_in_the_talk(bench: Bench, number: str, who: str) -> None:
    before = set(bench.lab.recordings.iterdir())
    caller, agent = await bench.talks(number)
    call = await objects(bench, number, caller if who == "caller" else agent)
    # they go on talking, unrecorded
    await caller.hears(agent)
    await agent.hears(caller)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    assert [r["state"] for r in shown["recordings"]] == ["deleted"]
    assert shown["ending"]["party"] == "caller"
    assert set(bench.lab.recordings.iterdir()) == before
    (objection,) = bench.lab.read("SELECT scope, number_key, withdrawn_at FROM objection WHERE call = ?", call)
    # to this recording; to be called back is another matter, and so is the next call
    assert tuple(objection) == ("recording", None, None)


async def test_the_objection_carries_over_to_the_callback(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    before = set(bench.lab.recordings.iterdir())
    caller, agent = await bench.talks(number)
    call = await objects(bench, number, caller)
    await caller.bye(FAULT)
    await agent.ended()
    leg = await bench.carrier.called(number)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.hears_audio(frames=SECOND)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(call)
    own = await bench.judged(shown["callback"]["attempts"][0]["call"])
    assert shown["callback"]["state"] == "completed"
    assert own["recordings"] == []
    assert [n["prompt"] for n in own["notices"]] == ["CALLBACK", "CONNECTING"]
    assert set(bench.lab.recordings.iterdir()) == before


async def test_nobody_is_recorded_in_the_parking_lot(bench: Bench, number: str) -> None:
    """Who waits there is not talking to anybody: silence, until he is fetched."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await state(bench, call, "recording")
    await caller.hears_audio(frames=SECOND)
    mark = bench.observer.mark()
    await agent.refer("700")
    parked = await bench.observer.wait_for(named("ParkedCall"), since=mark)
    await agent.bye()
    await state(bench, call, "paused")
    await caller.hears_audio(frames=2 * SECOND)  # music
    fetched = await bench.agents[1].invite(f"{parked['ParkingSpace']}@{bench.lab.asterisk}", from_number="+48600100199")
    await fetched.answered()
    await asyncio.gather(fetched.hears(caller), caller.hears(fetched))
    await state(bench, call, "recording")
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await fetched.ended()

    await bench.judged(call)
    heard = await unsealed(bench, call)
    (waiting,) = [run for run in heard.caller if run.tone == 0 and run.seconds > 1.0]
    at = heard.caller.index(waiting)
    for runs in (heard.caller[:at], heard.caller[at + 1 :]):
        assert sum(run.seconds for run in runs if run.tone == CALLER) >= 0.8, heard.caller
    # a moment of music at most, before we hear of the lot
    assert sum(run.seconds for run in heard.agent if run.tone is None) < 0.5, heard.agent

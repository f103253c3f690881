"""Feature codes in the talk: the agent pauses the recording, either of the two ends it and has it deleted."""

from __future__ import annotations

import wave
from pathlib import Path
from struct import unpack

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import Seen, Wanted
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers

pytestmark = pytest.mark.asterisk

PAUSE, OBJECT = "*#0", "*#3"
FAULT = "Q.850;cause=38"
SLICE_S = 0.02
SOUND = 500
"""Loudest sample of a slice that is no silence: the phones' tones reach 9000, and far more when mixed."""
SECOND = 50
"""Frames of 20 ms."""


async def state(bench: Bench, call: str, wanted: str) -> None:
    """Until the call's recording is in this state."""
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = ?", call, wanted)


def sounds(file: Path) -> list[tuple[bool, float]]:
    """The recording as runs of sound (True) and silence, each with its seconds."""
    runs: list[tuple[bool, float]] = []
    with wave.open(str(file)) as recording:
        step = int(recording.getframerate() * SLICE_S)
        while data := recording.readframes(step):
            sounding = max(map(abs, unpack(f"<{len(data) // 2}h", data))) > SOUND
            before = runs.pop()[1] if runs and runs[-1][0] is sounding else 0.0
            runs.append((sounding, before + SLICE_S))
    return runs


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
    await agent.press(PAUSE)
    await state(bench, call, "paused")
    await caller.hears_audio(frames=2 * SECOND)
    await agent.press(PAUSE)
    await state(bench, call, "recording")
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()

    (recording,) = (await bench.judged(call))["recordings"]
    assert recording["state"] == "finished"
    runs = sounds(bench.lab.recordings / recording["file"])
    pause = max((length, n) for n, (sounding, length) in enumerate(runs) if not sounding)[1]
    before, after = runs[:pause], runs[pause + 1 :]
    assert runs[pause][1] >= 1.8, runs
    assert sum(length for sounding, length in before if sounding) >= 0.8, runs
    assert sum(length for sounding, length in after if sounding) >= 0.8, runs
    # no word of the two seconds slips through, and the silence is the pause's alone
    assert max((length for sounding, length in before + after if not sounding), default=0.0) < 0.3, runs


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

    (recording,) = (await bench.judged(call))["recordings"]
    assert recording["state"] == "finished"
    runs = sounds(bench.lab.recordings / recording["file"])
    assert runs[0][0] is True, runs
    assert runs[-1][0] is False, runs
    assert runs[-1][1] >= 1.5, runs


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
    leg = await bench.carrier.called(number, within=30.0)
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

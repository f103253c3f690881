"""Recorded is only what was announced, and only while two people talk; in German only after the caller's own key."""

from __future__ import annotations

from pathlib import Path

import pytest

from oddzwon.domain.recording import HEARD_MS
from tests.asterisk.bench import DE, Bench
from tests.asterisk.sip_scripts import rings
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

pytestmark = pytest.mark.asterisk

LISTENED = 1 + 2 * HEARD_MS // 20
"""Frames of 20 ms: as long again as nobody's key counts as an answer to a question."""
HELD = 40
"""A key that is held for 0.8 s."""


def files(bench: Bench) -> set[Path]:
    return set(bench.lab.recordings.iterdir())


def bridged_seconds(bench: Bench, call: str) -> float:
    """How long the call's journal says that the caller was bridged."""
    rows = bench.lab.read(
        "SELECT j.fact, j.at FROM journal AS j JOIN call AS c ON c.id = j.call AND c.leg = j.leg"
        " WHERE j.call = ? AND j.fact IN ('BridgeEntered', 'BridgeLeft') ORDER BY j.seq",
        call,
    )
    assert [row["fact"] for row in rows] == ["BridgeEntered", "BridgeLeft"], [tuple(row) for row in rows]
    return float(rows[1]["at"] - rows[0]["at"]) / 1000


async def test_a_talk_is_recorded_after_its_announcement(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    await caller.hears_audio(frames=50)
    await caller.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number))

    (recording,) = call["recordings"]
    assert (recording["regime"], recording["side"]) == ("quality", "caller")
    announced = next(n for n in call["notices"] if n["prompt"] == "REC_OBJECT")
    assert announced["complete"] is True
    # the talk and nothing else: no word of notice, menu, queue; each side by itself
    heard = await unsealed(bench, call["id"])
    assert heard.tones("caller") == {CALLER}
    assert heard.tones("agent") == {AGENT}
    assert abs(heard.seconds - bridged_seconds(bench, call["id"])) < 0.2


async def test_key_7_at_the_announcement(bench: Bench, number: str) -> None:
    before = files(bench)
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.prompt("REC_OBJECT")
    await caller.hears_audio()
    await caller.press("7")
    await bench.prompt("NOT_RECORDED")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["recordings"] == []
    assert next(n["key"] for n in call["notices"] if n["prompt"] == "REC_OBJECT") == "7"
    assert files(bench) == before


async def test_hung_up_in_the_queue_leaves_no_file(bench: Bench, number: str) -> None:
    before = files(bench)
    for peer in bench.agents:
        peer.script = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.agents[0].rung()
    await caller.bye()

    call = await bench.judged(await bench.logged(number))
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'deleted'", call["id"])
    assert files(bench) == before


async def test_german_silence_is_no_consent(bench: Bench, number: str) -> None:
    before = files(bench)
    caller = await bench.in_menu(number, DE)
    await caller.press("1")
    await bench.prompt("REC_CONSENT")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["language"] == "de"
    assert next(n["key"] for n in call["notices"] if n["prompt"] == "REC_CONSENT") is None
    assert call["recordings"] == []
    assert files(bench) == before


async def test_german_key_1_consents(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number, DE)
    await caller.press("1")
    await bench.prompt("REC_CONSENT")
    await caller.hears_audio(frames=LISTENED)
    await caller.press("1")
    await bench.prompt("RECORDED")
    agent = await bench.answered_by(caller)
    await caller.hears_audio(frames=50)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    (recording,) = call["recordings"]
    assert next(n["key"] for n in call["notices"] if n["prompt"] == "REC_CONSENT") == "1"
    # the operator's word that the agents' consents are on file
    assert recording["agent_consent"]["source"] == "on_file"
    heard = await unsealed(bench, call["id"])
    assert heard.seconds > 1.0
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})


async def test_keys_pressed_before_the_question_are_no_consent(bench: Bench, number: str) -> None:
    """Two 1s during layer 1: the first is the choice in the menu, the second no answer to a question not asked yet."""
    caller = await bench.dial(number, DE)
    await bench.prompt("L1")
    await caller.hears_audio()
    await caller.press("11")
    await bench.prompt("REC_CONSENT")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["menu_key"] == "1"
    assert next(n["key"] for n in call["notices"] if n["prompt"] == "REC_CONSENT") is None
    assert call["recordings"] == []


async def test_a_key_that_went_down_before_the_question_is_no_consent(bench: Bench, number: str) -> None:
    """The second 1 is held from before the question far into it: it is asked again, and then a key of its own counts.

    § 201 StGB: he had not heard a word of it when he pressed.
    """
    caller = await bench.in_menu(number, DE)
    await caller.press("1")
    await caller.press("1", HELD)
    await bench.prompt("REC_CONSENT")
    mark = bench.observer.mark()
    await bench.prompt("REC_CONSENT", since=mark)
    await caller.hears_audio(frames=LISTENED)
    await caller.press("1", HELD)
    await bench.prompt("RECORDED")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    asked = [n for n in call["notices"] if n["prompt"] == "REC_CONSENT"]
    assert [n["key"] for n in asked] == [None, "1"]
    assert asked[0]["played_ms"] > HEARD_MS, "the key had ended when it could have been heard"
    (recording,) = call["recordings"]
    assert recording["regime"] == "quality"


async def test_a_hasty_double_press_is_no_consent(bench: Bench, number: str) -> None:
    """The second 1 falls into the first moments of the question: it is asked again, and silence is no consent."""
    caller = await bench.in_menu(number, DE)
    await caller.press("11")
    await bench.prompt("REC_CONSENT")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    asked = [n for n in call["notices"] if n["prompt"] == "REC_CONSENT"]
    assert [n["key"] for n in asked] == [None] * len(asked)
    assert asked[-1]["complete"] is True
    assert call["recordings"] == []

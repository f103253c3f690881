"""What the customer's side makes of a callback: no answer, busy, silence, a stranger, an objection."""

from __future__ import annotations

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, refuses, rings

pytestmark = pytest.mark.asterisk

GAP_S = 5.0
RING_LIMIT_S = 8.0
STAMPED_S = 2.0
"""How much later than it came a busy peer may note what comes in."""
CUSTOMER_FIRST = ("[callbacks]\n", '[callbacks]\nmode = "customer_first"\n')


async def dropped(bench: Bench, number: str) -> str:
    """A talk that the carrier's network cut off; returns the call's id."""
    caller, agent = await bench.talks(number)
    await caller.bye("Q.850;cause=38")
    await agent.ended()
    return await bench.logged(number)


async def test_nobody_answers_twice(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    first = await bench.carrier.called(number)
    gone = await first.ended()
    second = await bench.carrier.called(number, count=2)
    await second.ended()

    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert gone.at - first.began >= RING_LIMIT_S - STAMPED_S
    assert second.began - gone.at >= GAP_S - STAMPED_S
    assert shown["callback"]["state"] == "unanswered"
    attempts = shown["callback"]["attempts"]
    assert [(a["n"], a["state"], a["call"]) for a in attempts] == [(1, "unanswered", None), (2, "unanswered", None)]
    assert len({a["channel_id"] for a in attempts}) == 2
    assert len(bench.carrier.invites_to(number)) == 2


async def test_busy_once_then_reached(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    call = await dropped(bench, number)
    busy = await bench.carrier.called(number)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    leg = await bench.carrier.called(number, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(call)

    assert leg.began - busy.began >= GAP_S - STAMPED_S
    assert shown["callback"]["state"] == "completed"
    attempts = shown["callback"]["attempts"]
    first, second = attempts
    assert (first["n"], first["state"], first["cause"]) == (1, "unanswered", 17)
    assert (second["n"], second["state"]) == (2, "completed")


async def test_silence_is_no_answer(bench: Bench, number: str) -> None:
    """Voicemail presses no key: it is hung up on, and it used up the one answer."""
    bench.carrier.scripts[number] = answers(0.2)
    async with bench.lab.settings(CUSTOMER_FIRST):
        call = await dropped(bench, number)
        machine = await bench.carrier.called(number)
        await machine.answered()
        gone = await machine.ended()
        shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_BYE
    assert shown["callback"]["state"] == "unanswered"
    (attempt,) = shown["callback"]["attempts"]
    assert attempt["state"] == "unanswered"
    own = await bench.lab.call(attempt["call"])
    assert [notice["prompt"] for notice in own["notices"]] == ["CALLBACK"]
    assert own["recordings"] == []
    assert len(bench.agents[0].invites) == 1, "no agent is rung for a machine"


async def test_key_3_somebody_else_answered(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="3")
    call = await dropped(bench, number)
    stranger = await bench.carrier.called(number)
    await stranger.answered()
    await bench.prompt("WRONG_PERSON")
    gone = await stranger.ended()

    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_BYE
    assert shown["callback"]["state"] == "wrong_person"
    (attempt,) = shown["callback"]["attempts"]
    assert attempt["state"] == "wrong_person"
    own = await bench.judged(attempt["call"])
    assert [notice["prompt"] for notice in own["notices"]] == ["CALLBACK", "WRONG_PERSON"]
    assert not bench.lab.read("SELECT 1 FROM objection WHERE call IN (?, ?)", call, attempt["call"])
    assert len(bench.carrier.invites_to(number)) == 1


async def test_key_8_the_customer_objects(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="8")
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number)
    await leg.answered()
    await leg.ended()
    shown = await bench.finished(call)

    assert shown["callback"]["state"] == "objected"
    (attempt,) = shown["callback"]["attempts"]
    (objection,) = bench.lab.read("SELECT * FROM objection WHERE call = ?", attempt["call"])
    assert (objection["scope"], objection["withdrawn_at"]) == ("callback", None)
    assert objection["number_key"] is not None

    # the register blocks the next drop of the same number
    again = await bench.dial(number)
    agent = await bench.answered_by(again)
    await again.bye("Q.850;cause=38")
    await agent.ended()
    after = await bench.judged(await bench.logged(number, nth=2))
    assert after["ending"]["technical"] is True
    assert "OBJECTED" in after["decision"]["refusals"]
    assert len(bench.carrier.invites_to(number)) == 1


async def test_key_8_twice_the_customer_thinks_better_of_it(bench: Bench, number: str) -> None:
    """What the confirmation offers can be done: pressed again, the objection is withdrawn; this callback is over."""
    bench.carrier.scripts[number] = answers(0.2)
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number)
    for prompt in ("CALLBACK", "OBJECTED"):
        await bench.prompt(prompt)
        await leg.hears_audio(frames=30)
        await leg.press("8")
    await bench.prompt("OBJECTION_UNDONE")
    await leg.ended()
    shown = await bench.finished(call)

    assert shown["callback"]["state"] == "objected"
    (attempt,) = shown["callback"]["attempts"]
    own = await bench.judged(attempt["call"])
    assert [(n["prompt"], n["key"]) for n in own["notices"]] == [
        ("CALLBACK", "8"),
        ("OBJECTED", "8"),
        ("OBJECTION_UNDONE", None),
    ]
    (objection,) = bench.lab.read("SELECT withdrawn_at FROM objection WHERE call = ?", attempt["call"])
    assert objection["withdrawn_at"] is not None
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_callback_itself_drops(bench: Bench, number: str) -> None:
    """A callback that drops is no inbound call: it is not called back."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number)
    await leg.answered()
    agent = await bench.answered_by(leg)
    leg.vanish()
    await agent.ended()

    shown = await bench.finished(call)
    own = await bench.judged(shown["callback"]["attempts"][0]["call"])

    assert shown["callback"]["state"] == "completed"
    assert own["ending"]["technical"] is True
    assert {"NOT_INBOUND"} <= set(own["decision"]["refusals"])
    assert len(bench.carrier.invites_to(number)) == 1

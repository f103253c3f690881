"""A caller who was cut off and comes back by himself: served by the same agent, called back if cut off again."""

from __future__ import annotations

import pytest

from tests.asterisk.bench import TIE, Bench
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, rings

pytestmark = pytest.mark.asterisk


async def test_a_redial_stops_the_ringing_callback_and_is_called_back_when_it_drops(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    caller, agent = await bench.talks(number)
    await caller.bye("Q.850;cause=38")
    await agent.ended()
    ringing = await bench.carrier.called(number)
    await ringing.ringing()

    mark = bench.observer.mark()
    again = await bench.dial(number)
    gone = await ringing.ended()
    await bench.prompt("SHORT", since=mark)
    agent = await bench.answered_by(again)

    first, second = await bench.logged(number), await bench.logged(number, nth=2)
    stopped = await bench.finished(first)
    assert gone.by is EndedBy.THEIR_CANCEL
    assert stopped["callback"]["state"] == "cancelled"
    assert [a["state"] for a in stopped["callback"]["attempts"]] == ["cancelled"]

    bench.carrier.scripts[number] = answers(0.2, keys="1")
    again.vanish()
    await agent.ended()
    leg = await bench.carrier.called(number, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(second)
    assert shown["resumes"] == first
    assert shown["agent"] == stopped["agent"] == "PJSIP/agent1"
    assert shown["menu_key"] == "1"
    assert [n["prompt"] for n in shown["notices"]] == ["SHORT", "REC_OBJECT"]
    assert shown["callback"]["state"] == "completed"
    assert len(bench.lab.read(TIE, second)) == 1
    assert len(bench.carrier.invites_to(number)) == 2


async def cut_off(bench: Bench, number: str, *, agent: int = 0) -> str:
    """A talk with that agent which the carrier's network cut off; returns the call's id once its ending is written."""
    caller = await bench.in_menu(number)
    await caller.press("1")
    leg = await bench.answered_by(caller, agent=agent)
    await caller.bye("Q.850;cause=38")
    await leg.ended()
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM ending WHERE call = ?", call)
    return call


async def test_a_redial_within_the_grace_comes_before_the_callback(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    dropped = await cut_off(bench, number)
    again = await bench.dial(number)
    agent = await bench.answered_by(again)

    first = await bench.judged(dropped)
    assert first["decision"]["refusals"] == ["REDIALLED"]
    assert first["callback"] is None
    await again.bye()
    await agent.ended()
    second = await bench.judged(await bench.logged(number, nth=2))
    assert second["resumes"] == first["id"]
    assert second["notices"][0]["prompt"] == "SHORT"
    assert bench.carrier.invites_to(number) == []


async def test_a_redial_in_the_very_moment_of_the_drop(bench: Bench, number: str) -> None:
    """Not even the ending is written yet: whatever the redial is told, nobody calls him while he is calling."""
    bench.carrier.scripts[number] = rings()
    caller, agent = await bench.talks(number)
    await caller.bye("Q.850;cause=38")
    again = await bench.dial(number)
    await agent.ended()
    await again.hears_audio()

    first = await bench.judged(await bench.logged(number))
    assert first["decision"]["refusals"] == ["REDIALLED"]
    await again.bye()
    await bench.judged(await bench.logged(number, nth=2))
    assert bench.carrier.invites_to(number) == []


async def test_the_same_agent_is_asked_first(bench: Bench, number: str) -> None:
    """agent1 is busy with another caller, agent2 talks: the redial reaches agent2, though agent1 is free again."""
    other, first_agent = await bench.talks("+48600100198")
    await cut_off(bench, number, agent=1)
    await other.bye()
    await first_agent.ended()
    await bench.observer.until_free(["PJSIP/agent1", "PJSIP/agent2"])

    again = await bench.dial(number)
    third = await bench.answered_by(again, agent=1)
    await again.bye()
    await third.ended()

    shown = await bench.judged(await bench.logged(number, nth=2))
    assert shown["agent"] == "PJSIP/agent2"
    assert len(bench.agents[0].invites) == 1

"""Cut off while talking: by rtp_timeout of the caller, by the carrier's word, by rtp_timeout of the agent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asterisk.bench import PL, TIE, Bench
from tests.asterisk.observer import named
from tests.asterisk.sip_scripts import answers, rings

pytestmark = pytest.mark.asterisk


async def called_back(bench: Bench, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The customer answers, presses 1, talks with agent1 and hangs up; returns the dropped call and the callback."""
    bench.carrier.scripts[number] = answers(0.3, keys="1")
    leg = await bench.carrier.called(number)
    assert leg.from_number == PL
    await leg.answered()
    agent = await bench.answered_by(leg)
    dropped = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'connected'", dropped)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(dropped)
    return shown, await bench.judged(await bench.logged(number, direction="callback"))


def assert_tied_once(bench: Bench, number: str, dropped: dict[str, Any], resumed: dict[str, Any]) -> None:
    """Exactly one INVITE, one attempt, one callback, tied by foreign keys, and the observer saw the same channel."""
    (tie,) = bench.lab.read(TIE, dropped["id"])
    assert dropped["callback"]["id"] == tie["callback"]
    assert resumed["id"] == tie["resumed_by"]
    assert dropped["id"] == resumed["resumes"]
    (attempt,) = dropped["callback"]["attempts"]
    assert (1, tie["channel_id"], resumed["id"], "completed") == tuple(
        attempt[name] for name in ("n", "channel_id", "call", "state")
    )
    assert len(bench.carrier.invites_to(number)) == 1
    new = bench.observer.among(named("Newchannel", Uniqueid=tie["channel_id"]), since=bench.since)
    assert len(new) == 1
    assert bench.states(dropped["id"])[-2:] == ["connected", "completed"]
    assert resumed["decision"]["refusals"][:1] == ["NOT_INBOUND"]


async def test_the_callers_network_vanishes(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    caller.vanish()
    await agent.ended()

    dropped, resumed = await called_back(bench, number)

    assert dropped["ending"]["party"] == "network"
    assert dropped["ending"]["technical"] is True
    assert dropped["ending"]["confidence"] == "high"
    assert dropped["stage"] == "talking"
    assert dropped["callback"]["state"] == "completed"
    assert dropped["agent"] == resumed["agent"] == "PJSIP/agent1"
    assert dropped["number"] == f"{number[:6]}•••{number[-3:]}"
    assert_tied_once(bench, number, dropped, resumed)


async def test_the_carrier_says_that_the_network_failed(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    await caller.bye('Q.850;cause=38;text="Network out of order"')
    await agent.ended()

    dropped, resumed = await called_back(bench, number)

    assert dropped["ending"]["party"] == "carrier"
    assert dropped["ending"]["technical"] is True
    assert_tied_once(bench, number, dropped, resumed)


async def test_the_agents_network_vanishes(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    agent.vanish()
    await caller.ended()

    dropped, resumed = await called_back(bench, number)

    assert dropped["ending"]["party"] == "agent"
    assert dropped["ending"]["technical"] is True
    assert_tied_once(bench, number, dropped, resumed)


async def test_the_caller_is_cut_off_in_the_queue(bench: Bench, number: str) -> None:
    for agent in bench.agents:
        agent.script = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.agents[0].rung()
    caller.vanish()
    await bench.lab.until("SELECT 1 FROM ending AS e WHERE e.call = ?", await bench.logged(number))
    for agent in bench.agents:
        agent.script = answers(0.3)

    dropped, resumed = await called_back(bench, number)

    assert dropped["stage"] in ("queued", "connecting")
    assert dropped["ending"]["technical"] is True
    assert_tied_once(bench, number, dropped, resumed)

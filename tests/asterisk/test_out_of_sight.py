"""What the service did not see: its own restart, a lost manager connection, Asterisk's death.

What it knows from before is not forgotten, and what it did not see is neither invented nor thrown away.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.asterisk.bench import TIE, Bench
from tests.asterisk.conftest import AGENTS, KeepRow
from tests.asterisk.endings.said import of_call
from tests.asterisk.lab import AMI_ELSEWHERE
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers, rings
from tests.asterisk.unsealed import unsealed

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"
SECOND = 50
"""Frames of 20 ms."""


async def kept(bench: Bench, call: dict[str, Any]) -> float:
    """The seconds of the call's one recording, once it is sealed."""
    assert len(call["recordings"]) == 1
    return (await unsealed(bench, call["id"])).seconds


def now() -> str:
    """This moment as the command line writes times."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def goes_on(bench: Bench, number: str) -> tuple[Leg, Leg]:
    """The carrier is called, answers, presses 1 and is connected with agent1."""
    leg = await bench.carrier.called(number)
    await leg.answered()
    return leg, await bench.answered_by(leg)


# --- the service's own restart --------------------------------------------------------------------------------------


async def test_a_drop_after_the_service_was_killed(bench: Bench, number: str, table_row: KeepRow) -> None:
    """What he had heard is in the log: a new life of ours may rely on it."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await bench.lab.signal_service(signal.SIGKILL)
    await bench.lab.up()
    await caller.hears(agent)
    await caller.bye(FAULT)
    await agent.ended()
    leg, agent = await goes_on(bench, number)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(await bench.logged(number))
    assert (shown["stage"], shown["agent"]) == ("talking", "PJSIP/agent1")
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("carrier", True)
    assert shown["decision"]["allowed"] is True
    assert shown["callback"]["state"] == "completed"
    assert await kept(bench, shown) > 1.0
    assert len(bench.lab.read(TIE, shown["id"])) == 1
    assert len(bench.carrier.invites_to(number)) == 1
    table_row("the service killed and back, then BYE with Reason Q.850 38", of_call(bench, shown), shown)


async def test_the_agents_bye_after_a_restart(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up()
    await agent.hears(caller)
    await agent.bye()
    await caller.ended()

    shown = await bench.judged(await bench.logged(number))
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("agent", False)
    assert shown["decision"]["allowed"] is False
    assert shown["callback"] is None
    assert await kept(bench, shown) > 1.0


async def test_a_talk_that_the_dead_service_never_saw(bench: Bench, number: str) -> None:
    """Queued when the service died, answered and cut off before its next life: what was recorded meanwhile is kept."""
    back = asyncio.Event()

    async def answers_late(leg: Leg) -> None:
        leg.ring()
        await back.wait()
        leg.answer()

    bench.carrier.scripts[number] = answers(0.2, keys="1")
    bench.agents[0].script = answers_late
    caller = await bench.in_menu(number)
    await caller.press("1")
    ringing = await bench.agents[0].rung()
    await ringing.ringing()
    await bench.lab.signal_service(signal.SIGKILL)
    back.set()
    agent = await bench.answered_by(caller)
    await caller.hears_audio(frames=2 * SECOND)
    await caller.bye(FAULT)
    await agent.ended()
    bench.agents[0].script = answers(0.2)
    await bench.lab.up()

    leg, agent = await goes_on(bench, number)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(await bench.logged(number))
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("carrier", True)
    assert (shown["stage"], shown["agent"]) == ("talking", "PJSIP/agent1")
    assert await kept(bench, shown) > 1.0


# --- the manager connection is away ---------------------------------------------------------------------------------


@pytest.mark.complains("ami-lost")
async def test_calls_that_come_and_go_while_ami_is_away(
    bench: Bench, number: str, number_plan: Iterator[str], table_row: KeepRow
) -> None:
    """Who ended them, Asterisk has kept; a talk that was recorded is kept as well."""
    other = next(number_plan)
    await bench.lab.ami_goes()
    try:
        caller, agent = await bench.talks(number)
        await caller.hears_audio(frames=SECOND)
        await agent.bye()
        await caller.ended()
        hasty = await bench.in_menu(other)
        await hasty.bye()
        await bench.observer.until_quiet()
    finally:
        await bench.lab.ami_returns()

    talked = await bench.judged(await bench.logged(number))
    assert (talked["ending"]["party"], talked["ending"]["technical"]) == ("agent", False)
    assert talked["decision"]["allowed"] is False
    assert talked["callback"] is None
    assert await kept(bench, talked) > 1.0
    left = await bench.judged(await bench.logged(other))
    assert (left["ending"]["party"], left["ending"]["technical"]) == ("caller", False)
    assert left["callback"] is None
    # the end is his, not the connection's return
    lines = bench.lab.log_lines(bench.log_from).splitlines()
    assert left["ended_at"] < [json.loads(line)["timestamp"] for line in lines if '"ami_up"' in line][-1]
    assert bench.carrier.invites == []
    said = of_call(bench, talked, recorded=True)
    table_row("AMI cut, a call comes and the agent says BYE meanwhile", said, talked)


@pytest.mark.complains("ami-lost")
async def test_ami_comes_back_in_the_talk(bench: Bench, number: str, table_row: KeepRow) -> None:
    """Nobody saw the bridge, but the end is seen: he hung up, and the recording of a real talk is kept."""
    await bench.lab.ami_goes()
    try:
        caller, agent = await bench.talks(number)
    finally:
        await bench.lab.ami_returns()
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(await bench.logged(number))
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("caller", False)
    assert shown["callback"] is None
    assert await kept(bench, shown) > 1.0
    table_row("AMI cut and back, then BYE", of_call(bench, shown), shown)


@pytest.mark.complains("ami-lost")
async def test_a_drop_after_ami_came_back(bench: Bench, number: str, table_row: KeepRow) -> None:
    """The talk is the same as before, and its end is seen."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await bench.lab.ami_goes()
    await bench.lab.ami_returns()
    await caller.hears(agent)
    await caller.bye(FAULT)
    await agent.ended()
    leg, agent = await goes_on(bench, number)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(await bench.logged(number))
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("carrier", True)
    assert (shown["stage"], shown["agent"]) == ("talking", "PJSIP/agent1")
    assert shown["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1
    table_row("AMI cut and back, then BYE with Reason Q.850 38", of_call(bench, shown), shown)


@pytest.mark.complains("ami-lost")
async def test_ami_is_cut_while_the_callback_rings(bench: Bench, number: str) -> None:
    """The attempt is looked up, not sent again: the phone that rang through it all is the one that is answered."""
    back = asyncio.Event()

    async def answers_once_ami_is_back(leg: Leg) -> None:
        leg.ring()
        await back.wait()
        leg.answer()
        await leg.hears_audio()
        await leg.press("1")

    # a new service waits least before it connects again; after many losses the ring limit would come first
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up()
    bench.carrier.scripts[number] = answers_once_ami_is_back
    caller, agent = await bench.talks(number)
    await caller.bye(FAULT)
    await agent.ended()
    ringing = await bench.carrier.called(number)
    await ringing.ringing()
    await bench.lab.ami_goes()
    await bench.lab.ami_returns()
    assert not ringing.is_over
    back.set()
    leg, agent = await goes_on(bench, number)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(await bench.logged(number))
    assert shown["callback"]["state"] == "completed"
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "completed")]
    assert len(bench.lab.read(TIE, shown["id"])) == 1
    assert len(bench.carrier.invites_to(number)) == 1


# --- Asterisk dies --------------------------------------------------------------------------------------------------


@pytest.mark.complains("ami-lost")
async def test_asterisk_is_killed_in_the_talk(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    talked_from = now()
    await caller.hears_audio(frames=SECOND)
    await bench.lab.kill_asterisk()
    dead_by = now()
    caller.vanish()
    agent.vanish()
    await bench.lab.up()
    await bench.observer.watch_again()
    leg, agent = await goes_on(bench, number)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(await bench.logged(number))
    ending = shown["ending"]
    assert (ending["party"], ending["technical"], ending["confidence"]) == ("pbx", True, "high")
    assert talked_from <= shown["ended_at"] <= dead_by
    assert shown["stage"] == "talking"
    assert shown["callback"]["state"] == "completed"
    assert await kept(bench, shown) > 0
    assert len(bench.lab.read(TIE, shown["id"])) == 1
    assert len(bench.carrier.invites_to(number)) == 1


@pytest.mark.complains("ami-lost")
async def test_a_call_after_asterisks_restart_is_not_judged_by_it(bench: Bench, number: str) -> None:
    """Asterisk takes calls before the service has its manager connection back: they began after the restart."""
    bench.carrier.scripts[number] = rings()
    await bench.lab.kill_asterisk()
    try:
        await bench.lab.restart_asterisk(ami_port=AMI_ELSEWHERE)
        await bench.observer.watch_again(AMI_ELSEWHERE)
        await bench.observer.until_free(AGENTS)
        caller, agent = await bench.talks(number)
    finally:
        await bench.lab.ami_returns()
    await caller.hears_audio(frames=SECOND)
    call = await bench.logged(number)
    assert not bench.lab.read("SELECT 1 FROM ending WHERE call = ?", call)
    talked_until = now()
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("caller", False)
    assert shown["ended_at"] >= talked_until
    assert await kept(bench, shown) > 1.0
    assert bench.carrier.invites == []

"""The kill switch, and a supervisor who cancels one callback: nothing rings any more, and who did it is known."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.holding import dropped, history, holds, outcomes, reaches, rung, talk_and_hang_up
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, rings

pytestmark = pytest.mark.asterisk

WHY = "calls that we did not make"
OFF = ("cancelled", "callbacks are off")
PATIENT = (("ring_limit_s = 8.0", "ring_limit_s = 60.0"), ("agent_ring_s = 5", "agent_ring_s = 30"))
"""The command line may take its time to start on a busy machine: the telephones ring on meanwhile."""
CUSTOMER_FIRST = ("agent_ring_s = 30", 'agent_ring_s = 30\nmode = "customer_first"')


@asynccontextmanager
async def supervised(bench: Bench, *changes: tuple[str, str]) -> AsyncIterator[None]:
    """With these settings; callbacks are on again at the end, whatever became of the test."""
    async with bench.lab.settings(*PATIENT, *changes):
        try:
            yield
        finally:
            await bench.lab.up()
            assert (await bench.lab.oddzwon("callbacks", "on", "--json"))["state"] == "on"


@pytest.fixture
async def desk(bench: Bench) -> AsyncIterator[Bench]:
    """A bench with a supervisor beside it."""
    async with supervised(bench):
        yield bench


async def off(bench: Bench) -> dict[str, str]:
    """``oddzwon callbacks off``: how the switch stands then."""
    stands: dict[str, str] = await bench.lab.oddzwon("callbacks", "off", "--reason", WHY, "--json")
    assert (stands["state"], stands["reason"]) == ("off", WHY)
    return stands


async def test_off_while_it_rings(desk: Bench, number: str) -> None:
    desk.carrier.scripts[number] = rings()
    call = await dropped(desk, number)
    agent = await holds(desk)
    customer = await desk.carrier.called(number, within=30.0)
    await customer.ringing()
    await off(desk)
    gone, freed = await customer.ended(), await agent.ended()

    shown = await desk.finished(call)
    assert (gone.by, freed.by) == (EndedBy.THEIR_CANCEL, EndedBy.THEIR_BYE)
    assert history(desk, call)[-1] == OFF
    assert outcomes(shown) == ["cancelled"]
    assert shown["decision"]["allowed"] is True
    await desk.observer.until_free(["PJSIP/agent1"])


async def test_off_while_an_agent_is_rung(desk: Bench, number: str) -> None:
    desk.carrier.scripts[number] = rings()
    call = await dropped(desk, number, then=rings())
    agent = await rung(desk)
    await agent.ringing()
    await off(desk)
    freed = await agent.ended()

    shown = await desk.finished(call)
    assert freed.by is EndedBy.THEIR_CANCEL
    assert history(desk, call)[-1] == OFF
    assert outcomes(shown) == []
    assert desk.carrier.invites_to(number) == []


async def test_off_with_the_customer_first(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    async with supervised(bench, CUSTOMER_FIRST):
        call = await dropped(bench, number)
        customer = await bench.carrier.called(number, within=30.0)
        await customer.ringing()
        await off(bench)
        gone = await customer.ended()
        await bench.finished(call)
    assert gone.by is EndedBy.THEIR_CANCEL
    assert history(bench, call)[-1] == OFF
    assert len(bench.agents[0].invites) == 1


async def test_off_stays_over_a_restart_and_nothing_comes_back_to_life(
    desk: Bench, number_plan: Iterator[str], number: str
) -> None:
    """Drops are judged and decided as ever; their callbacks are cancelled, and stay so."""
    desk.carrier.script = answers(0.2, keys="1")
    stands = await off(desk)
    first = await dropped(desk, number)
    shown = await desk.finished(first)
    assert (shown["ending"]["technical"], shown["decision"]["allowed"]) == (True, True)
    assert history(desk, first)[-1] == OFF

    await desk.lab.signal_service(signal.SIGKILL)
    await desk.lab.up()
    assert await desk.lab.oddzwon("callbacks", "off", "--json") == stands
    await desk.observer.until_free(["PJSIP/agent1"])
    second = await dropped(desk, next(number_plan))
    await desk.finished(second)
    assert history(desk, second)[-1] == OFF

    assert (await desk.lab.oddzwon("callbacks", "on", "--json"))["by"] == stands["by"]
    await desk.observer.until_free(["PJSIP/agent1"])
    later = next(number_plan)
    third = await dropped(desk, later)
    agent = await rung(desk)
    customer = await desk.carrier.called(later, within=30.0)
    await talk_and_hang_up(desk, customer, agent)

    assert (await desk.finished(third))["callback"]["state"] == "completed"
    assert [leg.to_number for leg in desk.carrier.invites] == [later]
    rows = desk.lab.read("SELECT state, by, reason FROM callback_switch WHERE at >= ? ORDER BY id", since(desk, first))
    assert [row["state"] for row in rows] == ["on"]


def since(bench: Bench, call: str) -> int:
    (row,) = bench.lab.read("SELECT ended_at FROM call WHERE id = ?", call)
    return int(row["ended_at"])


async def test_a_supervisor_cancels_a_callback_that_rings(desk: Bench, number: str) -> None:
    desk.carrier.scripts[number] = rings()
    call = await dropped(desk, number)
    agent = await holds(desk)
    customer = await desk.carrier.called(number, within=30.0)
    await customer.ringing()
    callback = await reaches(desk, call, "ringing")
    await desk.lab.oddzwon("callbacks", "cancel", callback, "--reason", "solved by mail", "--json")
    gone, freed = await customer.ended(), await agent.ended()

    shown = await desk.finished(call)
    assert (gone.by, freed.by) == (EndedBy.THEIR_CANCEL, EndedBy.THEIR_BYE)
    assert outcomes(shown) == ["cancelled"]
    last = (await desk.lab.oddzwon("callbacks", "show", callback, "--json"))["history"][-1]
    me = pwd.getpwuid(os.getuid()).pw_name
    assert (last["state"], last["why"]) == ("cancelled", f"cancelled (console) by {me}: solved by mail")

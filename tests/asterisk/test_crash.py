"""The service killed by SIGKILL in the very instant around an Originate: never two INVITEs for one attempt.

Every step and every fault, told by the service and struck from outside: ``tests/asterisk/failpoints``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.bench import TIE, Bench
from tests.asterisk.observer import named
from tests.asterisk.sip_leg import EndedBy, Leg

pytestmark = pytest.mark.asterisk

RINGS_ON = ("ring_limit_s = 8.0", "ring_limit_s = 60.0")
"""However long the service takes to come back, a phone that rings has not stopped."""
CUSTOMER_FIRST = ("gap_s = 5.0", 'gap_s = 5.0\nmode = "customer_first"')
"""No agent whose line ends with the service: what rings may go on."""
QUIET_S = 8.0
"""Longer than the attempt gap: a second INVITE that would come would have come."""


@pytest.fixture
async def crashing(bench: Bench, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The service runs with the failpoint and settings that the test names; it is up again, without, at the end."""
    failpoint, *settings = request.param
    async with bench.lab.settings(RINGS_ON, *settings):
        await bench.lab.signal_service(signal.SIGTERM)
        await bench.lab.up(failpoint=failpoint)
        yield bench


async def crashes_at_the_callback(bench: Bench, number: str) -> str:
    """A drop whose callback kills the service; returns the dropped call's id once the process is gone."""
    caller, agent = await bench.talks(number)
    await caller.bye("Q.850;cause=38")
    await agent.ended()
    call = await bench.logged(number)
    await bench.lab.service_gone()
    return call


def attempts(bench: Bench, call: str) -> list[tuple[int, str, str]]:
    rows = bench.lab.read(
        "SELECT a.n, a.channel_id, a.state FROM attempt AS a JOIN callback AS b ON b.id = a.callback"
        " WHERE b.call = ? ORDER BY a.n",
        call,
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("crashing", [("attempt-committed",)], indirect=True)
async def test_killed_between_commit_and_originate(crashing: Bench, number: str) -> None:
    bench = crashing
    call = await crashes_at_the_callback(bench, number)
    ((n, channel, state),) = attempts(bench, call)
    assert (n, state) == (1, "committed")
    assert bench.carrier.invites == []

    await bench.lab.up()
    await bench.finished(call)
    assert await nobody_rings(bench, QUIET_S)

    after = attempts(bench, call)
    assert after[0] == (1, channel, "lost")
    assert not bench.observer.among(named("Newchannel", Uniqueid=channel), since=bench.since)
    assert len(after) == 1
    assert (await bench.lab.call(call))["callback"]["state"] == "lost"


@pytest.mark.parametrize("crashing", [("originate-sent", CUSTOMER_FIRST)], indirect=True)
async def test_killed_before_the_originates_answer_and_back_while_it_rings(crashing: Bench, number: str) -> None:
    """The attempt is looked up, not sent again: the very call that rang through the crash is the one that connects."""
    bench = crashing
    back = asyncio.Event()

    async def answers_once_the_service_is_back(leg: Leg) -> None:
        leg.ring()
        await back.wait()
        leg.answer()
        await leg.hears_audio()
        await leg.press("1")

    bench.carrier.scripts[number] = answers_once_the_service_is_back
    call = await crashes_at_the_callback(bench, number)
    leg = await bench.carrier.called(number)
    await bench.lab.up()
    assert not leg.is_over, "the phone must ring on while nobody watches"
    back.set()
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()

    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    ((n, channel, state),) = attempts(bench, call)
    assert (n, state) == (1, "completed")
    assert len(bench.lab.read(TIE, call)) == 1
    assert len(bench.carrier.invites_to(number)) == 1
    assert len(bench.observer.among(named("Newchannel", Uniqueid=channel), since=bench.since)) == 1


@pytest.mark.parametrize("crashing", [("originate-sent",)], indirect=True)
async def test_killed_before_the_originates_answer_and_picked_up_meanwhile(crashing: Bench, number: str) -> None:
    """Nobody is there to say who calls: the customer is hung up on without a word, and not rung again."""
    bench = crashing

    async def answers_at_once(leg: Leg) -> None:
        leg.ring()
        await bench.lab.service_gone()
        leg.answer()

    bench.carrier.scripts[number] = answers_at_once
    call = await crashes_at_the_callback(bench, number)
    leg = await bench.carrier.called(number)
    gone = await leg.ended()
    await bench.lab.up()

    shown = await bench.finished(call)
    assert gone.by is EndedBy.THEIR_BYE
    assert leg.heard.sounding == 0
    assert shown["callback"]["state"] == "lost"
    assert await nobody_rings(bench, QUIET_S, besides=leg)
    ((n, channel, state),) = attempts(bench, call)
    assert (n, state) == (1, "lost")
    assert len(bench.observer.among(named("Newchannel", Uniqueid=channel), since=bench.since)) == 1
    # the agent who held the line was let go at once, by Asterisk itself
    assert all(leg.is_over for leg in bench.agents[0].invites)


async def nobody_rings(bench: Bench, seconds: float, *, besides: Leg | None = None) -> bool:
    """Whether the carrier gets no further INVITE for so long."""
    known = [besides] if besides is not None else []
    try:
        await bench.carrier.rung(seconds, besides=known)
    except TimeoutError:
        return len(bench.carrier.invites) == len(known)
    return False

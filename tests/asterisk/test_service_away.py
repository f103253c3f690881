"""Open for service: whatever happens to the service, the caller reaches the queue and an agent."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import named, plays, told

pytestmark = pytest.mark.asterisk


@pytest.fixture
async def without_service(bench: Bench) -> AsyncIterator[Bench]:
    """The service is stopped as an administrator stops it; it is up again at the end."""
    await bench.lab.signal_service(signal.SIGTERM)
    yield bench
    await bench.lab.up()


async def test_a_call_while_the_service_is_down(without_service: Bench, number: str) -> None:
    bench = without_service
    caller = await bench.dial(number)
    stood_in = await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    assert (stood_in["Notice"], stood_in["Played"]) == ("STATIC", "SUCCESS")
    assert not bench.observer.among(named("Newexten", Application="MixMonitor"), since=bench.since)
    assert not bench.lab.read("SELECT 1 FROM party WHERE number = ?", number)


async def test_sigterm_while_a_caller_hears_the_notice(bench: Bench, number: str) -> None:
    caller = await bench.dial(number)
    await bench.prompt("L1")
    await caller.hears_audio()
    await bench.lab.signal_service(signal.SIGTERM)
    agent = await bench.answered_by(caller)

    await bench.lab.up()
    await caller.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number))

    assert call["ending"] is not None
    assert call["callback"] is None
    assert bench.carrier.invites == []


async def test_killed_while_a_caller_hears_the_notice(bench: Bench, number: str) -> None:
    """A service that dies in mid-flow is not taken for one that has finished: the dialplan looks at its last word."""
    caller = await bench.dial(number)
    await bench.prompt("L1")
    await caller.hears_audio()
    await bench.lab.signal_service(signal.SIGKILL)
    stood_in = await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
    agent = await bench.answered_by(caller)

    await bench.lab.up()
    await caller.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number))

    assert stood_in["Played"] == "SUCCESS"
    assert call["recordings"] == []
    assert call["callback"] is None


async def test_stopped_and_started_while_two_talk(bench: Bench, number: str) -> None:
    """The talk goes on through a restart of the service, and its end is in the log."""
    caller, agent = await bench.talks(number)
    mark = bench.observer.mark()
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up()
    await caller.hears(agent)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert not bench.observer.among(plays(""), since=mark)
    assert not bench.observer.among(named("MixMonitorStart"), since=mark)
    assert call["stage"] == "talking"
    assert call["agent"] == "PJSIP/agent1"
    assert call["callback"] is None

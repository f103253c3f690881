"""Whatever stops a callback stops it at once: a redial, the operator, the caller's objection, the service's own end."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest

from oddzwon.callflow import failpoints
from tests.asterisk.bench import SETTLED_S, Bench
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.lab import LabError
from tests.asterisk.observer import named
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, refuses, rings

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"
GAP_S = 5.0
RINGS_ON = ("ring_limit_s = 8.0", "ring_limit_s = 60.0")
WAITS_ON = ('[menu]\ndefault_key = "1"\n', '[menu]\ndefault_key = "1"\nwait_s = 30.0\n')
STOPPED_S = 40.0
"""A phone that rings on would ring for longer."""
STAMPED_S = 2.0
"""How much later than it came a busy peer may note what comes in."""


@pytest.fixture
async def patient(bench: Bench) -> AsyncIterator[Bench]:
    """What rings, rings until somebody stops it, and the menu waits for its key."""
    async with bench.lab.settings(RINGS_ON, WAITS_ON):
        yield bench


@pytest.fixture
async def gate(bench: Bench) -> AsyncIterator[Gate]:
    """Where the service can be held at a step of a callback."""
    path = bench.lab.state / "failpoints.sock"
    async with Gate(path) as gate:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("ODDZWON_FAILPOINT_SOCKET", str(path))
            await bench.lab.restart_service()
        yield gate
        gate.release()
        await bench.lab.restart_service()


async def dropped(bench: Bench, number: str) -> str:
    """A talk that the carrier's network cut off; returns the call's id."""
    caller, agent = await bench.talks(number)
    await caller.bye(FAULT)
    await agent.ended()
    return await bench.logged(number)


async def waits_for_its_second_dial(bench: Bench, call: str) -> None:
    """Until the log shows that the busy first attempt is over and the callback waits for the second."""
    await bench.lab.until(
        "SELECT 1 FROM callback AS b JOIN attempt AS a ON a.callback = b.id"
        " WHERE b.call = ? AND b.state = 'waiting' AND a.state = 'unanswered'",
        call,
        within=SETTLED_S,
    )


def outcomes(bench: Bench, call: str) -> list[tuple[int, str]]:
    """The attempts of the call's callback, each with its state."""
    rows = bench.lab.read(
        "SELECT a.n, a.state FROM attempt AS a JOIN callback AS b ON b.id = a.callback WHERE b.call = ? ORDER BY a.n",
        call,
    )
    return [(row["n"], row["state"]) for row in rows]


async def test_a_redial_when_the_attempt_is_about_to_be_sent(bench: Bench, gate: Gate, number: str) -> None:
    """The attempt is in the log, its Originate has not left, and he is on the line again: his phone must not ring."""
    bench.carrier.scripts[number] = answers()  # would meet nobody who knows of him
    gate.hold(failpoints.ATTEMPT_COMMITTED)
    call = await dropped(bench, number)
    await gate.reached(PATIENCE_S)
    held = await bench.agents[0].rung(besides=bench.met)
    bench.met.append(held)
    mark = bench.observer.mark()
    again = await bench.dial(number)
    await bench.prompt("SHORT", since=mark)  # the service knows who he is, and has stopped his callback
    gate.release()
    shown = await bench.finished(call)

    assert shown["callback"]["state"] == "cancelled"
    assert outcomes(bench, call) == [(1, "lost")]  # its Originate has provably never left
    agent = await bench.answered_by(again)
    assert held.is_over
    assert bench.carrier.invites_to(number) == []
    assert len(bench.observer.among(named("Newchannel", Exten=number), since=mark)) == 0
    await again.bye()
    await agent.ended()
    second = await bench.judged(await bench.logged(number, nth=2))
    assert second["resumes"] == call


async def test_the_operator_cancels_while_it_rings(patient: Bench, number: str) -> None:
    bench = patient
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number)
    await leg.ringing()
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'ringing'", call)
    callback = (await bench.lab.call(call))["callback"]["id"]
    await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")
    gone = await leg.ended(STOPPED_S)
    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert shown["callback"]["state"] == "cancelled"
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "cancelled")]
    with pytest.raises(LabError, match="ended with 1"):
        await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_caller_objects_on_another_line_while_it_rings(patient: Bench, number: str) -> None:
    """He has two calls with us; one is cut off, and in the other's menu he presses 8 as the callback rings."""
    bench = patient
    bench.carrier.scripts[number] = rings()
    caller, agent = await bench.talks(number)
    other = await bench.in_menu(number)
    await other.press("9")
    await bench.prompt("L2")
    await caller.bye(FAULT)
    await agent.ended()
    call = await bench.logged(number)
    leg = await bench.carrier.called(number)
    await leg.ringing()
    await other.press("8")
    gone = await leg.ended(STOPPED_S)
    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert shown["callback"]["state"] == "objected"
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "objected")]
    assert len(bench.carrier.invites_to(number)) == 1
    await other.bye()


async def test_sigterm_while_it_rings(patient: Bench, number: str) -> None:
    """Nobody would greet who answers: it stops ringing, and the next service goes on with what is left of it."""
    bench = patient
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    first = await bench.carrier.called(number)
    await first.ringing()
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'ringing'", call)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await bench.lab.signal_service(signal.SIGTERM)
    gone = await first.ended(STOPPED_S)
    assert len(bench.carrier.invites_to(number)) == 1
    await bench.lab.up()

    leg = await bench.carrier.called(number, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert shown["callback"]["state"] == "completed"
    assert [n for n, _ in outcomes(bench, call)] == [1, 2]
    assert outcomes(bench, call)[1] == (2, "completed")
    assert len(bench.carrier.invites_to(number)) == 2


async def test_sigterm_while_it_waits(bench: Bench, number: str) -> None:
    """A restart shortens no gap: who was busy a moment ago is not rung the sooner for it."""
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    call = await dropped(bench, number)
    busy = await bench.carrier.called(number)
    await waits_for_its_second_dial(bench, call)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up()

    leg = await bench.carrier.called(number, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(call)

    assert leg.began - busy.began >= GAP_S - STAMPED_S
    assert shown["callback"]["state"] == "completed"
    assert outcomes(bench, call) == [(1, "unanswered"), (2, "completed")]
    assert len(bench.carrier.invites_to(number)) == 2

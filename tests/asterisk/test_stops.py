"""Whatever stops a callback stops it at once: a redial, the operator, the caller's objection, the service's own end."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.asterisk.bench import SETTLED_S, Bench
from tests.asterisk.lab import LabError
from tests.asterisk.observer import named
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, refuses, rings

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"
GAP_S = 5.0
AT_ONCE_S = 2.0
"""A CANCEL that comes later has let the phone ring for nothing; the command line's own start is in it."""


@contextmanager
def locked(bench: Bench) -> Iterator[None]:
    """Another program holds the database's write lock, as a backup does."""
    with closing(sqlite3.connect(bench.lab.state / "oddzwon.db", isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        yield
        backup.execute("ROLLBACK")


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


async def test_a_redial_while_the_attempt_waits_for_its_commit(bench: Bench, number: str) -> None:
    """The gate is passed, the attempt is not in the log yet, and he is on the line again: his phone must not ring."""
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    call = await dropped(bench, number)
    await waits_for_its_second_dial(bench, call)
    bench.carrier.scripts[number] = answers()  # would meet nobody who knows of him
    size, mark = bench.lab.log_size(), bench.observer.mark()
    with locked(bench):
        await bench.lab.says('"state": "reserving"', since=size, within=GAP_S + 2.0)
        again = await bench.dial(number)
        # the service asks who he is last of all before it stops his callback
        await bench.observer.wait_for(
            lambda seen: seen.name == "AGIExecEnd" and "CALLERID(num)" in seen["Command"], 2.0, since=mark
        )
    shown = await bench.finished(call)

    assert shown["callback"]["state"] == "cancelled"
    assert outcomes(bench, call) in ([(1, "unanswered")], [(1, "unanswered"), (2, "cancelled")])
    agent = await bench.answered_by(again)
    assert len(bench.carrier.invites_to(number)) == 1
    assert len(bench.observer.among(named("Newchannel", Exten=number), since=mark)) == 0
    await again.bye()
    await agent.ended()
    second = await bench.judged(await bench.logged(number, nth=2))
    assert second["resumes"] == call


async def test_the_operator_cancels_while_it_rings(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number, within=SETTLED_S)
    await leg.ringing()
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'ringing'", call)
    callback = (await bench.lab.call(call))["callback"]["id"]
    await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")
    gone = await leg.ended(AT_ONCE_S)
    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert shown["callback"]["state"] == "cancelled"
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "cancelled")]
    with pytest.raises(LabError, match="ended with 1"):
        await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_caller_objects_on_another_line_while_it_rings(bench: Bench, number: str) -> None:
    """He has two calls with us; one is cut off, and in the other's menu he presses 8 as the callback rings."""
    bench.carrier.scripts[number] = rings()
    caller, agent = await bench.talks(number)
    other = await bench.in_menu(number)
    await other.press("9")
    await bench.prompt("L2")
    await caller.bye(FAULT)
    await agent.ended()
    call = await bench.logged(number)
    leg = await bench.carrier.called(number, within=SETTLED_S)
    await leg.ringing()
    await other.press("8")
    gone = await leg.ended(AT_ONCE_S)
    shown = await bench.finished(call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert shown["callback"]["state"] == "objected"
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "objected")]
    assert len(bench.carrier.invites_to(number)) == 1
    await other.bye()


async def test_sigterm_while_it_rings(bench: Bench, number: str) -> None:
    """Nobody would greet who answers: it stops ringing, and the next service goes on with what is left of it."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    first = await bench.carrier.called(number, within=SETTLED_S)
    await first.ringing()
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'ringing'", call)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await bench.lab.signal_service(signal.SIGTERM)
    gone = await first.ended(AT_ONCE_S)
    assert len(bench.carrier.invites_to(number)) == 1
    await bench.lab.up()

    leg = await bench.carrier.called(number, within=GAP_S + 5.0, count=2)
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
    busy = await bench.carrier.called(number, within=SETTLED_S)
    await waits_for_its_second_dial(bench, call)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up()

    leg = await bench.carrier.called(number, within=GAP_S + 5.0, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(call)

    assert leg.began - busy.began >= GAP_S - 0.1
    assert shown["callback"]["state"] == "completed"
    assert outcomes(bench, call) == [(1, "unanswered"), (2, "completed")]
    assert len(bench.carrier.invites_to(number)) == 2

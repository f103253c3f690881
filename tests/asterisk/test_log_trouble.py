"""A log that cannot be written: no recording and no callback, an alarm, and the caller still reaches an agent."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import named

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"


@contextmanager
def locked(bench: Bench) -> Iterator[None]:
    """Another program holds the database's write lock, as a careless database browser does."""
    with closing(sqlite3.connect(bench.lab.state / "oddzwon.db", isolation_level=None)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        yield
        browser.execute("ROLLBACK")


def alarms(bench: Bench) -> list[tuple[str, str]]:
    """What the service's log says of alarms since the test began."""
    lines = [json.loads(line) for line in bench.lab.log_lines(bench.log_from).splitlines() if line.startswith("{")]
    return [(line["event"], line["condition"]) for line in lines if line["event"] in ("alarm", "alarm over")]


@pytest.mark.complains("log-unwritable")
async def test_a_call_while_the_log_is_locked(bench: Bench, number: str, number_plan: Iterator[str]) -> None:
    with locked(bench):
        caller, agent = await bench.talks(number)
        await caller.bye()
        await agent.ended()
        await bench.observer.until_free(("PJSIP/agent1",))
    assert not bench.observer.among(named("Newexten", Application="MixMonitor"), since=bench.since)
    assert ("alarm", "log-unwritable") in alarms(bench)

    # the next call is an ordinary one, and the alarm is over
    another = next(number_plan)
    caller, agent = await bench.talks(another)
    await caller.bye()
    await agent.ended()
    assert (await bench.judged(await bench.logged(another)))["recordings"]
    assert ("alarm over", "log-unwritable") in alarms(bench)


@pytest.mark.complains("log-unwritable")
async def test_a_log_that_can_be_written_again_in_time(bench: Bench, number: str) -> None:
    """What he had heard is written before anything relies on it: then he may be called back."""
    with locked(bench):
        caller, agent = await bench.talks(number)
    await caller.bye(reason=FAULT)
    await agent.ended()
    call = await bench.judged(await bench.logged(number))
    assert call["recordings"] == []
    assert [n["prompt"] for n in call["notices"]][:2] == ["L1", "MENU_OPTION"]
    assert call["decision"]["allowed"] is True
    (await bench.carrier.called(number, 10.0)).refuse(603, "Decline")
    assert (await bench.finished(call["id"]))["callback"]["state"] == "unanswered"


async def test_a_call_in_progress_does_not_notice_a_locked_log(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    with locked(bench):
        await caller.hears_audio(frames=50)
        await agent.hears_audio(frames=50)
    await caller.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number))
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]


@pytest.mark.complains("prompt-unplayable-L1-pl")
async def test_a_prompt_that_is_missing(bench: Bench, number: str) -> None:
    """Who was not told that we may call back is not called back; he is served like anybody."""
    folder = bench.lab.state / "prompts" / "pl"
    notices = sorted(folder.glob("L1-*.wav*"))
    assert notices
    for file in notices:
        shutil.move(file, file.with_name(f"moved-{file.name}"))
    try:
        caller, agent = await bench.talks(number)
        await caller.bye(reason=FAULT)
        await agent.ended()
        call = await bench.judged(await bench.logged(number))
    finally:
        for file in notices:
            shutil.move(file.with_name(f"moved-{file.name}"), file)
    assert call["ending"]["technical"] is True
    assert call["decision"]["refusals"] == ["NO_NOTICE"]
    assert [n["complete"] for n in call["notices"] if n["prompt"] == "L1"] == [False]
    assert call["callback"] is None
    assert ("alarm", "prompt-unplayable-L1-pl") in alarms(bench)

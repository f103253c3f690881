"""The recordings' files: sealed when the call is over, whatever crashes in between; none without space for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oddzwon.callflow.freespace import LOOKED_AT_S
from tests.asterisk.bench import Bench
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.unsealed import AGENT, CALLER, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asterisk

SECOND = 50
"""Frames of 20 ms."""
NO_SPACE = "recording-no-space"
MB = 1_000_000
SPARE, TAKEN = 300 * MB, 900 * MB
"""How far the free space is above the limit, and how much is taken then: others write to the same disk meanwhile."""


async def talk(bench: Bench, number: str) -> str:
    """A talk of a second or so, and its end; returns the call's id."""
    caller, agent = await bench.talks(number)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()
    return await bench.logged(number)


async def sealed_alone(bench: Bench, call: str) -> None:
    """The call's recording is sealed, sounds as the talk did, and its plain file is gone."""
    heard = await unsealed(bench, call)
    assert heard.seconds > 1.0
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    ((plain, sealed),) = bench.lab.read(
        "SELECT r.file, s.file FROM recording AS r JOIN recording_seal AS s ON s.recording = r.id WHERE r.call = ?",
        call,
    )
    assert not (bench.lab.recordings / plain).exists()
    assert [file.name for file in bench.lab.recordings.glob(f"{Path(plain).stem}*")] == [sealed]


async def test_sealed_when_the_call_is_over(bench: Bench, number: str) -> None:
    assert bench.lab.recordings.stat().st_mode & 0o7777 == 0o2770
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    row = await bench.lab.until("SELECT file FROM recording WHERE call = ? AND state = 'recording'", call)
    plain = bench.lab.recordings / row["file"]
    assert plain.stat().st_mode & 0o007 == 0
    assert plain.stat().st_gid == bench.lab.recordings.stat().st_gid
    # neither number nor name, in the path or in the log
    assert number.lstrip("+") not in str(plain)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()
    await sealed_alone(bench, call)


@pytest.fixture
async def crashing(bench: Bench, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The service runs with the failpoint that the test names."""
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up(failpoint=request.param)
    crashing = bench.lab.service_pid
    yield bench
    if bench.lab.service_pid == crashing:
        await bench.lab.restart_service()


@pytest.mark.parametrize(
    "crashing", ["recording-finished", "recording-sealed", "seal-committed"], indirect=True, ids=lambda name: name
)
async def test_killed_while_it_seals(crashing: Bench, number: str) -> None:
    """Nothing half: the next start finishes it, whatever stood on the disk and in the log."""
    bench = crashing
    call = await talk(bench, number)
    await bench.lab.service_gone()
    ((file,),) = bench.lab.read("SELECT file FROM recording WHERE call = ?", call)
    assert (bench.lab.recordings / file).exists()

    await bench.lab.up()
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND sealed = 1", call)
    async with asyncio.timeout(PATIENCE_S):
        while (bench.lab.recordings / file).exists():  # noqa: ASYNC110 - a file tells nobody that it is gone
            await asyncio.sleep(0.05)
    await sealed_alone(bench, call)


async def test_killed_in_the_talk(bench: Bench, number: str) -> None:
    """Asterisk records on without the service; when it is back it pauses, goes on, and seals all of it."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'recording'", call)
    await bench.lab.signal_service(signal.SIGKILL)
    await caller.hears_audio(frames=SECOND)
    await bench.lab.up()
    await agent.press("*#0")
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'paused'", call)
    await caller.hears_audio(frames=SECOND)
    await caller.bye()
    await agent.ended()
    heard = await unsealed(bench, call)
    assert heard.caller[-1].tone == 0, heard.caller
    assert heard.caller[-1].seconds > 0.8, heard.caller
    assert sum(run.seconds for run in heard.caller if run.tone == CALLER) > 1.5, heard.caller


@contextmanager
def space_taken(folder: Path, size: int) -> Iterator[None]:
    """The disk has so many bytes less."""
    file = folder / "taken"
    try:
        with file.open("wb") as taken:
            os.posix_fallocate(taken.fileno(), 0, size)
        yield
    finally:
        file.unlink(missing_ok=True)


def free_mb(bench: Bench) -> int:
    return shutil.disk_usage(bench.lab.recordings).free // MB


@pytest.mark.complains(NO_SPACE)
async def test_no_space_no_recording(bench: Bench, number: str) -> None:
    """The call goes on, nothing is announced that will not happen; with space again there are recordings again."""
    before = set(bench.lab.recordings.iterdir())
    limit = free_mb(bench) - SPARE // MB
    async with bench.lab.settings(("agents_consented = true", f"agents_consented = true\nmin_free_mb = {limit}")):
        with space_taken(bench.lab.state, TAKEN):
            mark = bench.lab.log_size()
            call = await talk(bench, number)
            assert NO_SPACE in bench.lab.log_lines(mark)
        shown = await bench.judged(call)
        assert shown["recordings"] == []
        assert [n["prompt"] for n in shown["notices"]][-1] == "MENU_OPTION"
        assert set(bench.lab.recordings.iterdir()) == before
        mark = bench.lab.log_size()
        caller, agent = await bench.talks(number)
        again = await bench.logged(number, nth=2)
        await bench.lab.until("SELECT 1 FROM recording WHERE call = ?", again)
        assert "alarm over" in bench.lab.log_lines(mark)
        await caller.bye()
        await agent.ended()


@pytest.mark.complains(NO_SPACE)
async def test_a_disk_that_fills_up_ends_the_recording_not_the_call(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM recording WHERE call = ? AND state = 'recording'", call)
    limit = 2 * (free_mb(bench) - SPARE // MB)
    async with bench.lab.settings(("agents_consented = true", f"agents_consented = true\nmin_free_mb = {limit}")):
        assert (await bench.lab.call(call))["recordings"][0]["state"] == "recording"
        with space_taken(bench.lab.state, TAKEN):
            await bench.lab.until(
                "SELECT 1 FROM recording WHERE call = ? AND state = 'finished'", call, within=2 * LOOKED_AT_S
            )
            await asyncio.gather(caller.hears(agent), agent.hears(caller))
            await caller.hears_audio(frames=SECOND)
        await caller.bye()
        await agent.ended()
        heard = await unsealed(bench, call)
        shown = await bench.judged(call)
    assert [e["why"] for e in shown["recordings"][0]["events"]][-2:] == ["disk full", ""]
    assert (heard.tones("caller"), heard.tones("agent")) == ({CALLER}, {AGENT})
    assert shown["ending"]["party"] == "caller"

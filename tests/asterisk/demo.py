"""``make demo``: a call is cut off, and called back, on a real Asterisk; told as it happens, and proven.

SPEAK=pl|cs|de|en chooses the language; DEMO_NET (default 127.0.30) the loopback net of the demo's own lab, whose
state folder stays for a look. Exit status: 0 proven, 1 not, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import time
import warnings
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.text import Text

from oddzwon.log.errors import LogError
from oddzwon.prompts.library import PromptLibrary
from tests.asterisk.demo_events import Teller
from tests.asterisk.demo_log import LogWatch
from tests.asterisk.demo_phones import PhoneError
from tests.asterisk.demo_proof import SETTLED, Finding, by_ear, calls_of, findings, sealed, ties
from tests.asterisk.demo_report import proof, report
from tests.asterisk.demo_script import TONGUES, Cast, Play, Tongue
from tests.asterisk.demo_timeline import LEGEND, Timeline
from tests.asterisk.lab import ROOT, UP_S, Lab, LabError
from tests.asterisk.observer import Observer

_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2} ")
_NET = re.compile(r"127\.(?!0\.0$)[0-9]{1,3}\.[0-9]{1,3}")
LOOK_S = 0.1
"""How often the log and the observer's list are looked at for the timeline."""
UNFINISHED = """
SELECT b.id FROM callback AS b
WHERE b.state IN ('waiting', 'reserving', 'dialling', 'ringing', 'answered', 'connected')
UNION ALL
SELECT c.id FROM call AS c WHERE c.ended_at IS NULL
UNION ALL
SELECT c.id FROM call_drop AS d JOIN call AS c ON c.id = d.call
WHERE c.direction = 'inbound'
  AND NOT EXISTS (SELECT 1 FROM callback AS b WHERE b.call_drop = d.id AND b.state = 'completed')
"""
"""What a run that was cut short may leave: the service would go on with it, and the next caller would be a redial."""


class DemoLab(Lab):
    """The demo's own lab, with prompts of full length; what docker/lab says is seen as it says it."""

    async def shout(self, word: str) -> None:
        """``docker/lab WORD``; raises LabError."""
        process = await asyncio.create_subprocess_exec(
            str(ROOT / "docker/lab"),
            word,
            env=self._env(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C is ours alone, see below
        )
        working = asyncio.create_task(_progress(process))
        try:
            async with asyncio.timeout(UP_S):
                status, last = await asyncio.shield(working)
        except TimeoutError:
            process.terminate()
            raise
        except asyncio.CancelledError:
            # cut off half-way it could leave a service that has no pid file yet, and that nobody would find again
            sys.stderr.write(f"interrupted: docker/lab {word} may end first, so that all of it can be taken down\n")
            await working
            raise
        if status:
            words = "".join(last)
            raise LabError(f"docker/lab {word} ended with {status}:\n{words}")

    def alarms(self, offset: int) -> list[str]:
        """What the service logged as an error or worse since its log had ``offset`` bytes."""
        lines = self.log_lines(offset).splitlines()
        return [line for line in lines if '"level": "critical"' in line or '"level": "error"' in line]

    async def fresh(self) -> None:
        """Up, with nothing left to do from a run that was interrupted."""
        await self.shout("down")
        if (self.state / "oddzwon.db").exists() and self.read(UNFINISHED):
            await self.shout("clean")
        await self.shout("up")

    def _env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name != "LAB_PROMPTS"}
        return env | {"LAB_NET": self.net}


async def _progress(process: asyncio.subprocess.Process) -> tuple[int, deque[str]]:
    """Show docker/lab's own lines, which begin with the time of day; its exit status and the last of all its lines."""
    assert process.stdout is not None
    last: deque[str] = deque(maxlen=25)
    async for raw in process.stdout:
        line = raw.decode(errors="replace")
        last.append(line)
        if _CLOCK.match(line):
            sys.stderr.write(line)
    return await process.wait(), last


class Telling:
    """Fills the timeline from both sources: the observer's events and the log's rows."""

    def __init__(self, timeline: Timeline, teller: Teller, observer: Observer, log: LogWatch) -> None:
        self._timeline = timeline
        self._teller = teller
        self._observer = observer
        self._log = log
        self._read = observer.mark()

    async def look(self) -> None:
        """What is new in both; raises LogError."""
        for line in await self._log.lines():
            self._timeline.add(line)
        until = self._observer.mark()
        for seen in self._observer.seen[self._read : until]:
            for line in self._teller.lines(seen):
                self._timeline.add(line)
        self._read = until
        self._timeline.show()

    async def go_on(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)


async def perform(console: Console, lab: DemoLab, tongue: Tongue) -> list[Finding]:
    """One run on a lab that is up; returns what was found."""
    async with AsyncExitStack() as stack:
        observer = Observer(lab.asterisk)
        await asyncio.to_thread(observer.watch)
        stack.callback(observer.close)
        folder = lab.state / "demo"
        shutil.rmtree(folder, ignore_errors=True)
        cast = Cast(lab, tongue, folder)
        stack.push_async_callback(cast.close)
        ears = cast.ears()
        log = await LogWatch.open(lab.state / "oddzwon.db", time.time_ns() // 1_000_000, ears)
        stack.push_async_callback(log.close)
        timeline = Timeline(console)
        telling = Telling(timeline, Teller(await _texts(lab.state / "prompts")), observer, log)
        stack.callback(timeline.show, all_of_it=True)
        looking = asyncio.create_task(telling.go_on())
        playing = asyncio.create_task(Play(cast, observer, timeline.add).perform())
        try:
            await asyncio.wait({playing, looking}, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()
            told = await playing
            await lab.until(SETTLED, told.caller_leg)
        finally:
            for task in (playing, looking):
                task.cancel()
            await asyncio.gather(playing, looking, return_exceptions=True)
        await telling.look()
        timeline.show(all_of_it=True)
        rows = ties(lab, told)
        found = findings(rows, told, cast.customer.invites_received(), observer)
        if len(rows) == 1 and rows[0]["callback_call"]:
            calls = await calls_of(lab, rows[0], ears)
            found += [by_ear(calls), sealed(lab, calls)]
            report(console, lab, rows[0], calls, found)
        else:
            proof(console, found)
        return found


async def _texts(prompts: Path) -> dict[str, str]:
    library = await asyncio.to_thread(PromptLibrary.open, prompts)
    return {prompt.path.name: prompt.text for prompt in library.prompts}


async def run(console: Console, lab: DemoLab, tongue: Tongue) -> int:
    """Lab up, one run, lab down; returns the exit status."""
    me = asyncio.current_task()
    assert me is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    logged = lab.log_size()
    try:
        await lab.fresh()
        began = time.monotonic()
        console.print(Text(f"\n{LEGEND}\n", style="dim"))
        found = await perform(console, lab, tongue)
        took = time.monotonic() - began
    except (LabError, PhoneError, LogError, TimeoutError) as error:
        console.print(Text(f"\nthe demo failed: {error}", style="bold red"))
        for alarm in lab.alarms(logged):
            console.print(Text(f"the service said: {alarm}", style="red"))
        console.print(
            Text(
                f"to look at: {lab.state.name}/oddzwon.log, demo/ and asterisk/log/ beside it;"
                f" to begin afresh: LAB_NET={lab.net} make lab-clean"
            )
        )
        return 1
    finally:
        try:
            await lab.shout("down")
        except LabError as error:
            console.print(Text(f"the lab did not go down: {error}", style="bold red"))
    missing = [finding.what for finding in found if not finding.holds]
    if missing:
        console.print(Text(f"\nnot proven: {'; '.join(missing)}", style="bold red"))
        return 1
    console.print(Text(f"\nproven, in {took:.0f} s: the call that was cut off was called back, once.", "bold green"))
    return 0


def main() -> int:
    """The command; see the module's docstring."""
    # pyst2 0.5.1 calls setDaemon, isSet and currentThread, deprecated since Python 3.10
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="asterisk.manager")
    tongue = TONGUES.get(os.environ.get("SPEAK") or "pl")
    if tongue is None:
        sys.stderr.write(f"SPEAK={os.environ['SPEAK']}: the lab speaks {', '.join(TONGUES)}; e.g. make demo SPEAK=cs\n")
        return 2
    net = os.environ.get("DEMO_NET") or "127.0.30"
    if not _NET.fullmatch(net):
        sys.stderr.write(
            f"DEMO_NET={net}: needed is a loopback net of its own, such as 127.0.30 (127.0.0 is the lab's)\n"
        )
        return 2
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=140)
    try:
        return asyncio.run(run(console, DemoLab(net), tongue))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("interrupted; the demo's phones and its lab are down\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())

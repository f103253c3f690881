"""The operator's own command, told of every alarm: beside the calls, one at a time, and never for longer than allowed.

Its failure is a line in the log and no alarm: that would call it again.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import structlog

from oddzwon.callflow.alarms import Alarm
from oddzwon.log.times import iso

_log = structlog.get_logger(__name__)

WAITING = 100
"""Alarms that wait for the command; there is one of each condition, so more mean that it hangs again and again."""
TEXT_MAX = 1_000
"""Characters of the text: Linux takes 128 KiB for one variable, and a message should fit on a telephone."""


class AlarmCommand:
    """Runs ``argv``, without a shell, for each alarm in order; open it as an async context manager.

    The command gets the service's environment and ``ODDZWON_ALARM`` (the condition), ``ODDZWON_ALARM_STATE`` (raised,
    over), ``ODDZWON_ALARM_TEXT``, ``ODDZWON_PBX`` and ``ODDZWON_AT`` (UTC, ISO 8601 with milliseconds); nothing on its
    standard input, and its output goes nowhere. After ``timeout_s`` it is killed with its whole process group. What
    still waits at the end of the service gets as long once more, and is then given up.
    """

    def __init__(self, argv: Sequence[str], pbx: str, timeout_s: float) -> None:
        self._argv = tuple(argv)
        self._pbx = pbx
        self._timeout_s = timeout_s
        self._waiting: asyncio.Queue[Alarm] = asyncio.Queue(WAITING)
        self._running: asyncio.Task[None] | None = None

    def tell(self, alarm: Alarm) -> None:
        """Have the command told, after those before it. Returns at once."""
        try:
            self._waiting.put_nowait(alarm)
        except asyncio.QueueFull:
            _log.warning("alarm command not run: too many wait", condition=alarm.condition, over=alarm.over)

    async def __aenter__(self) -> AlarmCommand:
        self._running = asyncio.create_task(self._run(), name="alarm-command")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._waiting.join()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        while not self._waiting.empty():
            left = self._waiting.get_nowait()
            _log.warning("alarm command not run: the service ends", condition=left.condition, over=left.over)

    async def _run(self) -> None:
        while True:
            alarm = await self._waiting.get()
            try:
                await self._told(alarm)
            except (OSError, ValueError) as error:
                _log.warning("alarm command not run", condition=alarm.condition, error=str(error))
            finally:
                self._waiting.task_done()

    async def _told(self, alarm: Alarm) -> None:
        """Raises OSError or ValueError when there is nothing to run."""
        nowhere = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            env=self._environment(alarm),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await process.wait()
        except TimeoutError:
            _log.warning("alarm command killed: it took too long", condition=alarm.condition, over=alarm.over)
        except asyncio.CancelledError:
            _log.warning("alarm command killed: the service ends", condition=alarm.condition, over=alarm.over)
            raise
        else:
            if status:
                _log.warning("alarm command failed", condition=alarm.condition, over=alarm.over, status=status)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    def _environment(self, alarm: Alarm) -> Mapping[str, str]:
        text = " ".join(alarm.text.replace("\0", " ").split())
        return os.environ | {
            "ODDZWON_ALARM": alarm.condition,
            "ODDZWON_ALARM_STATE": "over" if alarm.over else "raised",
            "ODDZWON_ALARM_TEXT": text[:TEXT_MAX],
            "ODDZWON_PBX": self._pbx,
            "ODDZWON_AT": iso(alarm.at) or "",
        }

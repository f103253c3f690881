"""Many callers at once, each with a number of his own and audio: one sipp, whose death is the loss of all of them."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.asterisk.rtp import tone

SCENARIO = Path(__file__).parent / "sipp" / "crowd.xml"
SIP_PORT, RTP_PORT = 5070, 6000
"""Beside the carrier's own port, and below the ports that the kernel chooses."""
A_SECOND = 8
"""Callers who come in in a second."""


class Crowd:
    """Callers behind the carrier's address who call ``did`` and stay. ``folder`` is theirs: speech, numbers, words."""

    def __init__(self, net: str, did: str, numbers: Sequence[str], folder: Path) -> None:
        self._net = net
        self._did = did
        self._numbers = numbers
        self._folder = folder
        self._process: Process | None = None

    async def __aenter__(self) -> Crowd:
        (self._folder / "numbers.csv").write_text("\n".join(["SEQUENTIAL", *self._numbers, ""]))
        (self._folder / "speech.al").write_bytes(tone(20) * 50)
        self._process = await asyncio.create_subprocess_exec(
            "sipp", f"{self._net}.1:5060", "-sf", str(SCENARIO), "-inf", "numbers.csv", "-key", "did", self._did,
            "-i", f"{self._net}.2", "-p", str(SIP_PORT), "-mi", f"{self._net}.2", "-mp", str(RTP_PORT),
            "-r", str(A_SECOND), "-m", str(len(self._numbers)), "-l", str(len(self._numbers)),
            "-nostdin", "-trace_err", "-error_file", "errors.log",
            cwd=self._folder, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
        )  # fmt: skip
        return self

    async def vanish(self) -> None:
        """The network of all of them is gone: no BYE leaves, no RTP follows."""
        assert self._process is not None, "not started"
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.vanish()

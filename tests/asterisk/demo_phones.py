"""The demo's phones: sipp processes, told over sipp's third-party line (``-3pcc``, TCP) what to press and when.

So a key is pressed because something was heard, never because a time has passed. sipp hears nothing itself: Asterisk
sends the other side's audio to a port of ours beside it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.asterisk.rtp import Audio, Packet

SCENARIOS = Path(__file__).parent / "sipp"
END = b"\x1b"
"""What ends a message between twins (sipp's call.cpp)."""
PATIENCE_S = 15.0
_CALL_ID = re.compile(rb"Call-ID: *(\S+)", re.IGNORECASE)
_WORD = re.compile(rb"Did: *(\w+)")
_INVITE_IN = re.compile(r"\tR\t(?P<call>[^\t]*)\tCSeq: ?(?P<cseq>[0-9]+) INVITE\tINVITE ")


class PhoneError(Exception):
    """A phone did not start, or ended on its own; the message holds sipp's last words."""


class Word(StrEnum):
    """What a scenario says to its twin."""

    RINGS = "ring"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phone lives: its own address, SIP port and first RTP port, and whom it calls."""

    address: str
    port: int
    rtp: int
    asterisk: str


class Phone:
    """One sipp. ``folder`` is its own: its speech, its words, its log of messages."""

    def __init__(self, name: str, scenario: str, place: Place, folder: Path, keys: dict[str, str]) -> None:
        self.name = name
        self.folder = folder
        self._scenario = scenario
        self._place = place
        self._keys = keys
        self._process: Process | None = None
        self._twin: asyncio.StreamWriter | None = None
        self._line: asyncio.Server | None = None
        self._call: bytes | None = None
        self._ear: Audio | None = None
        self._said: set[str] = set()
        self._news = asyncio.Condition()

    @property
    def pid(self) -> int:
        """sipp's process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    def heard(self) -> list[Packet]:
        """What was sent to it so far, the last five minutes."""
        return list(self._ear.heard.kept) if self._ear is not None else []

    async def start(self, language: str, text: str) -> None:
        """Speak ``text`` without end, as soon as a call is up; raises PhoneError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        await _speech(language, text, self.folder / "speech.al")
        self._line = await asyncio.start_server(self._listen, self._place.address, 0)
        line = "{}:{}".format(*self._line.sockets[0].getsockname()[:2])
        keys = [part for key, value in self._keys.items() for part in ("-key", key, value)]
        steered: list[str] = []
        if self._scenario.startswith("demo_"):
            self._ear = await Audio.open(self._place.address, 20)
            steered = ["-3pcc", line, "-key", "ear", str(self._ear.port)]
        with (self.folder / "sipp.out").open("wb") as words:
            self._process = await asyncio.create_subprocess_exec(
                "sipp", f"{self._place.asterisk}:5060", "-sf", str(SCENARIOS / f"{self._scenario}.xml"),
                "-i", self._place.address, "-p", str(self._place.port), "-mp", str(self._place.rtp),
                *keys, *steered, *(("-m", "1") if self._scenario == "demo_caller" else ()),
                "-nostdin", "-trace_shortmsg", "-shortmessage_file", "messages.csv",
                "-trace_err", "-error_file", "errors.log",
                cwd=self.folder, stdin=DEVNULL, stdout=words, stderr=STDOUT, start_new_session=True,
            )  # fmt: skip

    async def until(self, word: Word, within: float = PATIENCE_S) -> None:
        """Until the scenario has said ``word``; raises PhoneError when sipp ends before, and TimeoutError."""
        assert self._process is not None, "not started"

        async def said() -> None:
            async with self._news:
                await self._news.wait_for(lambda: word in self._said)

        hearing, ending = asyncio.ensure_future(said()), asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait({hearing, ending}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return
            if ending.done():
                raise PhoneError(f"{self.name}: sipp ended with {ending.result()}:\n{self._last_words()}")
            raise TimeoutError(f"{self.name} has not said {word!r} within {within:.0f} s")
        finally:
            hearing.cancel()
            ending.cancel()

    async def press(self, key: str) -> None:
        """One key, by SIP INFO."""
        await self._order(b"Press: " + key.encode())

    async def hang_up(self) -> None:
        """BYE; returns when sipp was told."""
        await self._order(b"Hang-up: yes")

    async def vanish(self) -> int:
        """The network is gone: the process is killed, no BYE leaves, no RTP follows. Returns its wait status."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGKILL)
        return await self._process.wait()

    async def close(self) -> None:
        """End the process, if it still runs, and the line to it."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._twin is not None:
            self._twin.close()
        if self._line is not None:
            self._line.close()
        if self._ear is not None:
            await self._ear.close()

    def invites_received(self) -> list[tuple[str, int]]:
        """Every INVITE that sipp's own log of messages shows as received: Call-ID and CSeq, retransmissions too."""
        log = self.folder / "messages.csv"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        found = (_INVITE_IN.search(line) for line in lines)
        return [(one["call"], int(one["cseq"])) for one in found if one]

    async def _order(self, what: bytes) -> None:
        if self._twin is None or self._call is None:
            raise PhoneError(f"{self.name}: has no call to do that in")
        self._twin.write(b"Call-ID: " + self._call + b"\r\n" + what + b"\r\n\r\n" + END)
        await self._twin.drain()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._twin = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await reader.readuntil(END)
                call, word = _CALL_ID.search(message), _WORD.search(message)
                if call and word:
                    async with self._news:
                        self._call = call[1]
                        self._said.add(word[1].decode())
                        self._news.notify_all()

    def _last_words(self) -> str:
        names = ("errors.log", "sipp.out")
        logs = [(self.folder / name).read_text(errors="replace") for name in names if (self.folder / name).exists()]
        return "\n".join("\n".join(text.splitlines()[-15:]) for text in logs)


async def _speech(language: str, text: str, file: Path) -> None:
    """What this phone's owner says, by espeak-ng and sox: raw A-law at 8 kHz, as sipp streams it."""
    read, write = os.pipe()
    try:
        speaker = await asyncio.create_subprocess_exec(
            "espeak-ng", "-v", language, "--stdout", text, stdout=write, stderr=DEVNULL
        )
        sox = await asyncio.create_subprocess_exec(
            "sox", "-t", "wav", "--ignore-length", "-", "-t", "al", "-r", "8000", "-c", "1", str(file),
            stdin=read, stderr=PIPE,
        )  # fmt: skip
    finally:
        os.close(read)
        os.close(write)
    _, words = await asyncio.wait_for(sox.communicate(), PATIENCE_S)
    if await speaker.wait() or sox.returncode:
        raise PhoneError(f"espeak-ng and sox did not make {file.name} in {language}: {words.decode()[-300:]}")

"""A customer whose talk is cut off, what he does when he is called back, and what the log makes of it."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from oddzwon.domain.number import mask
from oddzwon.log.queries import Queries
from tests.asterisk.bench import FINAL, Bench
from tests.asterisk.heard import built_prompts, differences, heard_by
from tests.asterisk.hearing import Caller, during
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import FRAME_SAMPLES, alaw
from tests.asterisk.sip_leg import Leg

FAULT: Final = "Q.850;cause=38"


async def cut_off(bench: Bench, number: str, language: str = "pl") -> str:
    """The carrier's network cuts a talk off, with whichever agent; returns the call's id."""
    caller = await Caller.dials(bench, number, language)
    await caller.does(during("MENU_OPTION", "1"))
    agent = await caller.talks()
    await caller.leg.bye(FAULT)
    await agent.ended()
    return await bench.logged(number)


async def called_back(bench: Bench, number: str, language: str = "pl", *, count: int = 1) -> Caller:
    """The customer's telephone has been rung; his agent's shows the customer's number."""
    leg = await bench.carrier.called(number, count=count)
    return Caller(bench, number, language, leg, number)


@dataclass(frozen=True, slots=True)
class CallbackSeen:
    """What became of the callback of a call: as ``calls show`` tells it, its own call, and its history."""

    shown: dict[str, Any]
    own: dict[str, Any] | None
    history: tuple[tuple[str, str], ...]

    @property
    def state(self) -> str:
        """The callback's final state."""
        return str(self.shown["callback"]["state"])

    @property
    def attempts(self) -> list[str]:
        """The state of each attempt, in order."""
        return [attempt["state"] for attempt in self.shown["callback"]["attempts"]]

    @property
    def causes(self) -> list[int | None]:
        """The Q.850 cause of each attempt."""
        return [attempt["cause"] for attempt in self.shown["callback"]["attempts"]]

    @property
    def why(self) -> str:
        """Why it ended."""
        return self.history[-1][1]


async def seen(bench: Bench, call: str) -> CallbackSeen:
    """The call's callback once it is final, and its own call, if anybody answered, once that is judged."""
    await bench.lab.until(f"SELECT 1 FROM callback WHERE call = ? AND state IN {FINAL}", call, within=2 * PATIENCE_S)
    shown = await asyncio.to_thread(_shown, bench, call)
    answered = [attempt["call"] for attempt in shown["callback"]["attempts"] if attempt["call"] is not None]
    own = None
    if answered:
        await bench.lab.until("SELECT 1 FROM decision WHERE call = ?", answered[-1])
        own = await asyncio.to_thread(_shown, bench, answered[-1])
    rows = bench.lab.read(
        "SELECT e.state, e.why FROM callback_event AS e JOIN callback AS b ON b.id = e.callback"
        " WHERE b.call = ? ORDER BY e.seq",
        call,
    )
    return CallbackSeen(shown, own, tuple((row["state"], row["why"]) for row in rows))


def _shown(bench: Bench, call: str) -> dict[str, Any]:
    """As ``calls show`` reads it, without a program's start for each: many calls may be looked at at once."""
    with Queries(bench.lab.state / "oddzwon.db", mask) as queries:
        shown = queries.call_object(call)
    assert shown is not None
    return shown


async def unlike_ears(bench: Bench, leg: Leg, call: dict[str, Any]) -> list[str]:
    """Where the call's receipts and what this leg heard do not agree; empty: they do, and nothing else was said."""
    return differences(call["notices"], await heard_by(leg, await built_prompts(bench.lab)))


@functools.cache
def spoken(text: str, voice: str = "en-gb") -> tuple[bytes, ...]:
    """A person's words as frames of alaw, by espeak-ng, as loud as a telephone carries them."""
    with tempfile.TemporaryDirectory() as folder:
        said, narrow = Path(folder) / "said.wav", Path(folder) / "narrow.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "160", "-w", said, text], check=True, timeout=30)
        subprocess.run(["sox", "-D", said, "-r", "8000", "-b", "16", narrow, "norm", "-6"], check=True, timeout=30)
        with wave.open(str(narrow)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    codes = bytes(alaw(int(sample)) for sample in samples)
    whole = len(codes) - len(codes) % FRAME_SAMPLES
    return tuple(codes[place : place + FRAME_SAMPLES] for place in range(0, whole, FRAME_SAMPLES))

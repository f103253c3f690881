"""A recording as the operator gets it back: unsealed by the command line, each side as runs of tone and silence."""

from __future__ import annotations

import itertools
import math
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import unpack

from tests.asterisk.bench import Bench

CALLER, AGENT = 20, 16
"""Periods of the phones' tones, in samples (tests/asterisk/conftest.py)."""
TONES = (8, 10, AGENT, CALLER, 32, 40)
FRAME = 160
RATE = 8_000
SOUND = 500
"""Loudest sample of a frame that is no silence: the phones' tones reach 9000."""
PURE = 3_000
"""How much of a frame is one tone, of 4500 for a phone's own; words and mixtures stay far below."""


_OF_CALL = "SELECT id FROM recording WHERE call = ? ORDER BY started_at, id"


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one tone (its period), of silence (0), or of something else (None)."""

    tone: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What each side of a recording holds."""

    caller: list[Run]
    agent: list[Run]
    seconds: float

    def tones(self, side: str) -> set[int | None]:
        """What that side consists of, silence left out."""
        runs = self.caller if side == "caller" else self.agent
        return {run.tone for run in runs if run.tone != 0 and run.seconds > 0.03}


async def unsealed(bench: Bench, call: str, nth: int = 0) -> Heard:
    """The call's nth recording, once it is sealed."""
    await bench.lab.until(
        f"SELECT 1 WHERE ({_OF_CALL} LIMIT 1 OFFSET ?) IN (SELECT recording FROM recording_seal)", call, nth
    )
    (row,) = bench.lab.read(f"{_OF_CALL} LIMIT 1 OFFSET ?", call, nth)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "heard.wav"
        words = ("--by", "tests", "--reason", "to hear it", "--out", str(out), "--json")
        await bench.lab.oddzwon("recordings", "unseal", row["id"], *words)
        return heard_in(out)


def heard_in(file: Path) -> Heard:
    """What a stereo file holds: the caller left, the agent right."""
    with wave.open(str(file)) as recording:
        assert (recording.getnchannels(), recording.getframerate(), recording.getsampwidth()) == (2, RATE, 2)
        frames = recording.getnframes()
        samples = unpack(f"<{2 * frames}h", recording.readframes(frames))
    return Heard(_runs(samples[0::2]), _runs(samples[1::2]), frames / RATE)


def _runs(samples: Sequence[int]) -> list[Run]:
    kinds = [_kind(samples[at : at + FRAME]) for at in range(0, len(samples) - FRAME + 1, FRAME)]
    return [Run(kind, round(len(list(same)) * FRAME / RATE, 2)) for kind, same in itertools.groupby(kinds)]


def _kind(frame: Sequence[int]) -> int | None:
    if max(map(abs, frame)) <= SOUND:
        return 0
    amounts = {period: _amount(frame, period) for period in TONES}
    loudest = max(amounts, key=lambda period: amounts[period])
    return loudest if amounts[loudest] >= PURE else None


def _amount(frame: Sequence[int], period: int) -> float:
    """How much of this tone is in the frame: half its amplitude if there is nothing else."""
    turn = 2 * math.pi / period
    real = sum(sample * math.cos(turn * at) for at, sample in enumerate(frame))
    imaginary = sum(sample * math.sin(turn * at) for at, sample in enumerate(frame))
    return math.hypot(real, imaginary) / len(frame)

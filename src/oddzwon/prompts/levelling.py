"""From an engine's audio to what a telephone carries: trimmed, even, 8 and 16 kHz."""

from __future__ import annotations

import math
import sys
import wave
from array import array
from dataclasses import dataclass
from itertools import groupby
from operator import mul
from pathlib import Path

from oddzwon.prompts.errors import UnusableAudioError
from oddzwon.prompts.programs import run_program

LEVELLING = "levelling 1"
"""Goes into what decides about a new build: raise it whenever the chain below changes."""

NARROW_HZ = 8000
WIDE_HZ = 16000
PEAK_DBFS = -3.0
_SILENT_RMS_DBFS = -50.0
_HEADER = 44  # Asterisk's format_wav counts samples from byte 44 on (formats/format_wav.c, wav_tell)
_CLIPPED_RUN = 4  # so many samples in a row at full scale are a flat top, not a peak

_EVEN: tuple[str, ...] = (
    *("gain", "-6", "highpass", "180"),
    # the engine's own silence at both ends
    *("silence", "1", "0.01", "-55d", "reverse", "silence", "1", "0.01", "-55d", "reverse"),
    # soft syllables up, loud ones down
    *("compand", "0.01,0.15", "-60,-60,-40,-32,-24,-15,0,-8", "0", "-60", "0.02"),
)


@dataclass(frozen=True, slots=True)
class Levels:
    """What was measured in a WAV file; levels in dB below full scale."""

    rate: int
    frames: int
    peak_dbfs: float
    rms_dbfs: float
    clipped: int

    @property
    def milliseconds(self) -> int:
        """Whole milliseconds of audio, rounded down: what was played to the end is never less."""
        return self.frames * 1000 // self.rate


async def level(source: Path, narrow: Path, wide: Path, *, timeout_s: float = 30.0) -> None:
    """Writes `wide` (16 kHz) and from it `narrow` (8 kHz), 16-bit mono RIFF, peaks at -3 dBFS, by sox.

    Raises EngineMissingError, EngineFailedError.
    """
    riff = ["-t", "wav", "-c", "1", "-b", "16", "-e", "signed-integer", "--comment", ""]
    peak = f"{PEAK_DBFS:g}"
    # -D: no dither, so that the same text gives the same bytes
    await run_program(
        [
            *("sox", "-D", str(source), *riff, str(wide), *_EVEN),
            *("rate", "-v", str(WIDE_HZ), "norm", peak, "pad", "0.08", "0.12"),
        ],
        timeout_s=timeout_s,
    )
    await run_program(
        ["sox", "-D", "-t", "wav", str(wide), *riff, str(narrow), "rate", "-v", str(NARROW_HZ), "norm", peak],
        timeout_s=timeout_s,
    )


def measure(path: Path) -> Levels:
    """Reads a 16-bit mono WAV file; raises UnusableAudioError if it is none."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise UnusableAudioError(f"{path.name} is not 16-bit mono: convert it with sox -c 1 -b 16")
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as problem:
        raise UnusableAudioError(f"{path.name} is not a WAV file that can be read: {problem}") from problem
    samples = array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        return Levels(rate, 0, -math.inf, -math.inf, 0)
    highest, lowest = max(samples), min(samples)
    peak = max(highest, -lowest)
    square = sum(map(mul, samples, samples)) / len(samples)
    return Levels(rate, len(samples), _db(peak / 32768), _db(math.sqrt(square) / 32768), _clipped(samples, peak))


def refuse_source(levels: Levels, what: str) -> None:
    """Raises UnusableAudioError if an engine's audio is silent or clipped; levelling would hide both."""
    if levels.frames == 0 or levels.rms_dbfs < _SILENT_RMS_DBFS:
        raise UnusableAudioError(
            f"{what}: the audio is silent ({levels.rms_dbfs:.0f} dBFS): check the engine's voice and the text"
        )
    if levels.clipped:
        raise UnusableAudioError(
            f"{what}: the audio is clipped ({levels.clipped} samples at full scale): lower the engine's amplitude"
        )


def refuse_result(levels: Levels, path: Path, rate: int, what: str) -> None:
    """Raises UnusableAudioError if a levelled file is not what Asterisk plays under its name."""
    refuse_source(levels, what)
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if levels.rate != rate or header[36:40] != b"data" or levels.peak_dbfs > PEAK_DBFS + 0.5:
        raise UnusableAudioError(
            f"{what}: levelling made {levels.rate} Hz with peaks at {levels.peak_dbfs:.1f} dBFS, not {rate} Hz "
            f"at {PEAK_DBFS:.0f} dBFS with a plain header: is this sox 14.4 or later?"
        )


def _db(ratio: float) -> float:
    return 20 * math.log10(ratio) if ratio > 0 else -math.inf


def _clipped(samples: array[int], peak: int) -> int:
    if peak < 32767:
        return 0
    runs = (len(list(run)) for flat, run in groupby(samples, lambda sample: abs(sample) >= 32767) if flat)
    return sum(length for length in runs if length >= _CLIPPED_RUN)

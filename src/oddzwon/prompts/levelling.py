"""From an engine's audio to what a telephone carries: trimmed, even, 8 and 16 kHz."""

from __future__ import annotations

import asyncio
import math
import sys
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import mul
from pathlib import Path

from oddzwon.prompts.errors import UnusableAudioError
from oddzwon.prompts.programs import run_program

LEVELLING = "levelling 2"
"""Goes into what decides about a new build: raise it whenever the chain below changes."""

NARROW_HZ = 8000
WIDE_HZ = 16000
SPEECH_DBFS = -21.0
"""How loud every prompt is: RMS while somebody speaks, pauses left out (the idea of ITU-T P.56)."""
PEAK_DBFS = -3.0
"""No peak is higher: what is played on goes through transcoders."""
_EVEN_PEAK_DBFS = -3.0
_SILENT_RMS_DBFS = -50.0
_HEADER = 44  # Asterisk's format_wav counts samples from byte 44 on (formats/format_wav.c, wav_tell)
_FRAMES_PER_S = 50  # in such pieces, 20 ms each, speech is told from pauses
_ENOUGH_FRAMES = 400  # of longer audio every second one is looked at, every third, and so on
_PAUSE_DB = 30.0  # so far below the loudest piece nobody speaks
_CLIPPED_RUN = 4  # so many samples in a row at full scale are a flat top, not a peak
_NEARLY_FULL = 32735  # a thousandth below full scale
_DENSEST_DB = 6.0

_EVEN: tuple[str, ...] = (
    *("gain", "-6", "highpass", "180"),
    # the engine's own silence at both ends
    *("silence", "1", "0.01", "-55d", "reverse", "silence", "1", "0.01", "-55d", "reverse"),
    # soft syllables up, loud ones down
    *("compand", "0.01,0.15", "-60,-60,-40,-32,-24,-15,0,-8", "0", "-60", "0.02"),
)


@dataclass(frozen=True, slots=True)
class Levels:
    """What was measured in a WAV file; levels in dB below full scale, `speech_dbfs` without the pauses."""

    rate: int
    frames: int
    peak_dbfs: float
    rms_dbfs: float
    speech_dbfs: float
    clipped: int

    @property
    def milliseconds(self) -> int:
        """Whole milliseconds of audio, rounded down: what was played to the end is never less."""
        return self.frames * 1000 // self.rate


async def level(source: Path, narrow: Path, wide: Path, *, timeout_s: float = 30.0) -> tuple[Levels, Levels]:
    """Writes `wide` (16 kHz) and from it `narrow` (8 kHz), 16-bit mono RIFF, speech at -21 dBFS, by sox.

    Returns what `narrow` and `wide` have become. Raises EngineMissingError, EngineFailedError.
    """
    even = wide.with_name(f"{wide.name}-even")
    norm = f"{_EVEN_PEAK_DBFS:g}"
    await _sox(source, even, *_EVEN, "rate", "-v", str(WIDE_HZ), "norm", norm, timeout_s=timeout_s)
    speech = (await asyncio.to_thread(measure, even)).speech_dbfs
    loudness = _to_loudness(SPEECH_DBFS - speech) if math.isfinite(speech) else ()
    await _sox(even, wide, *loudness, "pad", "0.08", "0.12", timeout_s=timeout_s)
    await _sox(wide, narrow, "rate", "-v", str(NARROW_HZ), timeout_s=timeout_s)
    return await _below_peak(narrow, timeout_s), await _below_peak(wide, timeout_s)


async def _below_peak(made: Path, timeout_s: float) -> Levels:
    levels = await asyncio.to_thread(measure, made)
    if levels.peak_dbfs <= PEAK_DBFS:
        return levels
    loud = await asyncio.to_thread(made.rename, made.with_name(f"{made.name}-loud"))
    await _sox(loud, made, "gain", f"{PEAK_DBFS - 0.01 - levels.peak_dbfs:.2f}", timeout_s=timeout_s)
    return await asyncio.to_thread(measure, made)


async def _sox(source: Path, target: Path, *effects: str, timeout_s: float) -> None:
    read = [] if source.suffix == ".wav" else ["-t", "wav"]
    riff = ["-t", "wav", "-c", "1", "-b", "16", "-e", "signed-integer", "--comment", ""]
    # -D: no dither, so that the same text gives the same bytes
    await run_program(["sox", "-D", *read, str(source), *riff, str(target), *effects], timeout_s=timeout_s)


def _to_loudness(gain: float) -> tuple[str, ...]:
    """What raises or lowers speech by so many dB; the highest peaks are raised less, looked at 5 ms ahead."""
    if gain <= 0:
        return ("gain", f"{gain:.2f}")
    gain = min(gain, 15.0)
    curve = f"6:-90,{gain - 90:.2f},{-11 - gain:.2f},-11,0,-7"
    return ("compand", "0.001,0.06", curve, "0", "-90", "0.005")


def measure(path: Path) -> Levels:
    """Reads a 16-bit mono WAV file; raises UnusableAudioError if it is none."""
    channels = measure_channels(path)
    if len(channels) != 1:
        raise UnusableAudioError(f"{path.name} is not 16-bit mono: convert it with sox -c 1 -b 16")
    return channels[0]


def measure_channels(path: Path) -> tuple[Levels, ...]:
    """Reads a 16-bit WAV file, each channel by itself; raises UnusableAudioError if it is none."""
    try:
        with wave.open(str(path), "rb") as file:
            channels = file.getnchannels()
            if file.getsampwidth() != 2:
                raise UnusableAudioError(f"{path.name} is not 16-bit mono: convert it with sox -c 1 -b 16")
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as problem:
        raise UnusableAudioError(f"{path.name} is not a WAV file that can be read: {problem}") from problem
    samples = array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return tuple(_levels(samples[channel::channels], rate) for channel in range(channels))


def _levels(samples: array[int], rate: int) -> Levels:
    if not samples:
        return Levels(rate, 0, -math.inf, -math.inf, -math.inf, 0)
    highest, lowest = max(samples), min(samples)
    peak = max(highest, -lowest)
    size = max(rate // _FRAMES_PER_S, 1)
    starts = range(0, len(samples), size)
    pieces = (samples[start : start + size] for start in starts[:: len(starts) // _ENOUGH_FRAMES + 1])
    powers = [sum(map(mul, piece, piece)) / len(piece) for piece in pieces]
    loud = max(powers) * 10 ** (-_PAUSE_DB / 10)
    speech = _rms([power for power in powers if power >= loud])
    return Levels(
        rate,
        len(samples),
        _db(peak / 32768),
        _db(_rms(powers) / 32768),
        _db(speech / 32768),
        _clipped(samples, peak, speech),
    )


def _rms(powers: Sequence[float]) -> float:
    return math.sqrt(sum(powers) / len(powers))


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
    if levels.rate != rate or header[36:40] != b"data" or levels.peak_dbfs > PEAK_DBFS:
        raise UnusableAudioError(
            f"{what}: levelling made {levels.rate} Hz with peaks at {levels.peak_dbfs:.1f} dBFS, not {rate} Hz "
            f"below {PEAK_DBFS:.0f} dBFS with a plain header: is this sox 14.4 or later?"
        )


def _db(ratio: float) -> float:
    return 20 * math.log10(ratio) if ratio > 0 else -math.inf


def _clipped(samples: array[int], peak: int, speech: float) -> int:
    """How many samples lie in flat tops, also where resampling or dither after the clipping has blurred them.

    `speech` is the RMS of the loud parts. The one highest peak of clean audio may be round and near full scale too:
    blurred flat tops count where there are many, or where the whole is too dense for speech (a sine has 3 dB of crest,
    a voice 12 and more).
    """
    flat = _flat_tops(samples, 32767) if peak >= 32767 else 0
    if flat or peak < _NEARLY_FULL:
        return flat
    if speech > peak * 10 ** (-_DENSEST_DB / 20):
        return sum(abs(sample) >= _NEARLY_FULL for sample in samples)
    blurred = _flat_tops(samples, _NEARLY_FULL)
    return blurred if blurred > len(samples) // 1000 else 0


def _flat_tops(samples: array[int], bound: int) -> int:
    runs = (len(list(run)) for flat, run in groupby(abs(sample) >= bound for sample in samples) if flat)
    return sum(length for length in runs if length >= _CLIPPED_RUN)

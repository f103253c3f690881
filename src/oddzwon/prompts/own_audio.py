"""The operator's ready-made audio: WAV or FLAC of any rate, taken as an engine's audio would be."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from oddzwon.prompts.errors import EngineFailedError, UnusableAudioError
from oddzwon.prompts.levelling import measure, measure_channels, refuse_source
from oddzwon.prompts.programs import run_program
from oddzwon.prompts.rendering import RenderedText

FASTEST_LETTERS_PER_S = 40
"""More than anybody says: audio that would have to be faster is not what the text says."""


async def take_own_audio(text: RenderedText, target: Path, *, timeout_s: float = 30.0) -> None:
    """Writes `target`: the same in one channel of 16 bits, at the rate of the file.

    Every channel is looked at by itself, because mixing hides clipping. Raises UnusableAudioError (silent, clipped,
    unreadable, far too short for its text), EngineMissingError.
    """
    source = _source(text)
    what = f"{text.where}: {source}"
    whole = target.with_name(f"{target.stem}-whole.wav")
    try:
        # -D: no dither; the name is absolute and ends in .wav or .flac, so that sox takes it for nothing else
        await run_program(
            ["sox", "-D", str(source), "-b", "16", "-e", "signed-integer", str(whole)], timeout_s=timeout_s
        )
        await run_program(["sox", "-D", str(whole), "-c", "1", str(target)], timeout_s=timeout_s)
    except EngineFailedError as problem:
        raise UnusableAudioError(f"{what} cannot be read: {problem}: give a WAV or FLAC file") from problem
    for levels in await asyncio.to_thread(measure_channels, whole):
        if levels.clipped:
            refuse_source(levels, what)
    mixed = await asyncio.to_thread(measure, target)
    refuse_source(mixed, what)
    seconds = mixed.frames / mixed.rate
    if seconds * FASTEST_LETTERS_PER_S < len(text.text):
        raise UnusableAudioError(
            f"{what} lasts {seconds:.1f} s, too short to say a text of {len(text.text)} letters: is it the right file?"
        )


def own_audio_sha256(text: RenderedText) -> str:
    """SHA-256 of the file; raises UnusableAudioError where it cannot be read."""
    source = _source(text)
    try:
        return file_sha256(source)
    except OSError as problem:
        raise UnusableAudioError(
            f"{text.where}: {source} cannot be read ({problem.strerror}): put the audio there, or leave `audio` out"
        ) from None


def _source(text: RenderedText) -> Path:
    source = text.audio
    if source is None:
        raise UnusableAudioError(f"{text.where} has no audio of its own")
    return source.absolute()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

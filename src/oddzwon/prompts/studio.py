"""One text in, the two checked audio files out."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from oddzwon.prompts.levelling import (
    LEVELLING,
    NARROW_HZ,
    WIDE_HZ,
    Levels,
    level,
    measure,
    refuse_result,
    refuse_source,
)
from oddzwon.prompts.own_audio import file_sha256, own_audio_sha256, take_own_audio
from oddzwon.prompts.rendering import RenderedText
from oddzwon.prompts.speech import Speaker


@dataclass(frozen=True, slots=True)
class Take:
    """A recorded text: the 8 kHz and the 16 kHz file, their SHA-256, and the samples of the 8 kHz file.

    `source_sha256` is that of the operator's own audio file, where it was made from one.
    """

    narrow: Path
    wide: Path
    narrow_sha256: str
    wide_sha256: str
    levels: Levels
    source_sha256: str | None = None


class Studio:
    """A speaker and the levelling behind it."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._engine: str | None = None

    async def engine(self, text: RenderedText) -> str:
        """What says this text, with every setting that changes the audio."""
        if text.audio is not None:
            return f"own audio {text.audio.name}; {LEVELLING}"
        if self._engine is None:
            self._engine = f"{await self._speaker.fingerprint()}; {LEVELLING}"
        return self._engine

    async def recipe(self, text: RenderedText) -> str:
        """SHA-256 of what decides how a text sounds: the words as spoken, the engine and its settings, or the audio.

        Raises UnusableAudioError where own audio cannot be read.
        """
        if text.audio is None:
            parts = (text.language.value, text.spoken, await self.engine(text))
        else:
            parts = (text.language.value, text.text, f"{LEVELLING} {await asyncio.to_thread(own_audio_sha256, text)}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    async def record(self, text: RenderedText, folder: Path) -> Take:
        """Speaks and levels into `folder`; raises SpeechError (silence and clipping are refused)."""
        narrow, wide = folder / f"{text.language}-{text.name}.wav", folder / f"{text.language}-{text.name}.wav16"
        source = folder / f"{text.language}-{text.name}-engine.wav"
        if text.audio is None:
            await self._speaker.speak(text.spoken, text.language, source)
            refuse_source(await asyncio.to_thread(measure, source), text.where)
            sha256 = None
        else:
            sha256 = await asyncio.to_thread(own_audio_sha256, text)
            await take_own_audio(text, source)
        levels, wide_levels = await level(source, narrow, wide)
        await asyncio.to_thread(refuse_result, levels, narrow, NARROW_HZ, text.where)
        await asyncio.to_thread(refuse_result, wide_levels, wide, WIDE_HZ, text.where)
        hashes = [await asyncio.to_thread(file_sha256, file) for file in (narrow, wide)]
        return Take(narrow, wide, hashes[0], hashes[1], levels, sha256)


@asynccontextmanager
async def scratch_folder(directory: Path) -> AsyncIterator[Path]:
    """A folder to work in, on the same file system as what is built; gone afterwards. Raises OSError."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=directory, prefix=".speaking-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

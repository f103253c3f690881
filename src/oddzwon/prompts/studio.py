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
from oddzwon.prompts.rendering import RenderedText
from oddzwon.prompts.speech import Speaker


@dataclass(frozen=True, slots=True)
class Take:
    """A recorded text: the 8 kHz and the 16 kHz file, their SHA-256, and the samples of the 8 kHz file."""

    narrow: Path
    wide: Path
    narrow_sha256: str
    wide_sha256: str
    levels: Levels


class Studio:
    """A speaker and the levelling behind it."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._engine: str | None = None

    async def engine(self) -> str:
        """What speaks, with every setting that changes the audio."""
        if self._engine is None:
            self._engine = f"{await self._speaker.fingerprint()}; {LEVELLING}"
        return self._engine

    async def recipe(self, text: RenderedText) -> str:
        """SHA-256 of what decides how a text sounds: the words as spoken, the engine, its settings."""
        parts = (text.language.value, text.spoken, await self.engine())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    async def record(self, text: RenderedText, folder: Path) -> Take:
        """Speaks and levels into `folder`; raises SpeechError (silence and clipping are refused)."""
        what = f"prompt {text.name} in language {text.language.value!r}"
        narrow, wide = folder / f"{text.language}-{text.name}.wav", folder / f"{text.language}-{text.name}.wav16"
        source = folder / f"{text.language}-{text.name}-engine.wav"
        await self._speaker.speak(text.spoken, text.language, source)
        refuse_source(await asyncio.to_thread(measure, source), what)
        await level(source, narrow, wide)
        return await asyncio.to_thread(_take, narrow, wide, what)


@asynccontextmanager
async def scratch_folder(directory: Path) -> AsyncIterator[Path]:
    """A folder to work in, on the same file system as what is built; gone afterwards. Raises OSError."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=directory, prefix=".speaking-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _take(narrow: Path, wide: Path, what: str) -> Take:
    levels = measure(narrow)
    refuse_result(levels, narrow, NARROW_HZ, what)
    refuse_result(measure(wide), wide, WIDE_HZ, what)
    return Take(narrow, wide, file_sha256(narrow), file_sha256(wide), levels)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

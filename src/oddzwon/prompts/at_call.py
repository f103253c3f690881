"""Prompts that are spoken during a call, because only the call knows what they say."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from oddzwon.prompts.errors import EngineFailedError, LibraryError
from oddzwon.prompts.manifest import Edition, edition_of, publish, write_json
from oddzwon.prompts.rendering import RenderedText
from oddzwon.prompts.studio import Studio, Take, scratch_folder

AT_CALL = "at-call"
"""The folder, inside each language's, of what was spoken during calls."""


class AtCallSpeech:
    """A bounded store of spoken texts: the same words are spoken once, also across restarts.

    At most `limit` audio files stay, the least recently used go first. The description beside each (words,
    engine, hashes) stays for ever: a receipt that names it can still be read, and speaking it again with the
    engine named there gives the same audio.
    """

    def __init__(self, directory: Path, studio: Studio, *, limit: int = 500, timeout_s: float = 8.0) -> None:
        self._directory = directory
        self._studio = studio
        self._limit = max(limit, 16)  # a call may be about to play one of the last few
        self._timeout_s = timeout_s
        self._ready: OrderedDict[str, Edition] | None = None
        self._trusted: set[str] = set()  # stems whose files were hashed, or made, by this process
        self._working: dict[str, asyncio.Task[Edition]] = {}
        self._two_at_once = asyncio.Semaphore(2)

    async def edition(self, text: RenderedText) -> Edition:
        """The audio for this text; raises SpeechError, LibraryError."""
        recipe = await self._studio.recipe(text)
        stem = f"{text.language}/{AT_CALL}/{text.name}-{text.version}-{recipe[:12]}"
        if self._ready is None:
            self._ready = await asyncio.to_thread(_kept, self._directory)
        found = self._ready.get(stem)
        if found is not None and await self._whole(found):
            self._ready[stem] = found
            self._ready.move_to_end(stem)
            return found
        task = self._working.get(stem)
        if task is None:
            task = asyncio.create_task(self._make(text, stem, recipe))
            self._working[stem] = task
            task.add_done_callback(lambda ended: self._ended(stem, ended))
        # shielded: a caller who hangs up does not take it away from another who waits for the same words
        return await asyncio.shield(task)

    async def _whole(self, edition: Edition) -> bool:
        if edition.stem not in self._trusted:
            if await asyncio.to_thread(edition.damage, self._directory) is not None:
                return False
            self._trusted.add(edition.stem)
        return True

    def _ended(self, stem: str, task: asyncio.Task[Edition]) -> None:
        self._working.pop(stem, None)
        if not task.cancelled():
            task.exception()  # taken here in case everybody who waited for it has hung up

    async def _make(self, text: RenderedText, stem: str, recipe: str) -> Edition:
        engine = await self._studio.engine()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._two_at_once,
                scratch_folder(self._directory) as scratch,
            ):
                take = await self._studio.record(text, scratch)
                edition = edition_from(text, take, stem=stem, engine=engine, recipe=recipe)
                await asyncio.to_thread(_keep, self._directory, edition, take)
        except TimeoutError:
            raise EngineFailedError(
                f"prompt {text.name} in language {text.language.value!r} was not spoken within "
                f"{self._timeout_s:g} s: is the machine overloaded?"
            ) from None
        except OSError as problem:
            raise LibraryError(
                f"{self._directory} cannot take the prompt {text.name}: {problem.strerror or problem}"
            ) from problem
        ready = self._ready if self._ready is not None else OrderedDict[str, Edition]()
        ready[stem] = edition
        ready.move_to_end(stem)
        self._trusted.add(stem)
        while len(ready) > self._limit:
            dropped, oldest = ready.popitem(last=False)
            self._trusted.discard(dropped)
            await asyncio.to_thread(_drop_audio, self._directory, oldest)
        return edition


def edition_from(text: RenderedText, take: Take, *, stem: str, engine: str, recipe: str) -> Edition:
    """The description of a freshly recorded text."""
    return Edition(
        key=text.key.value,
        variant=text.variant,
        language=text.language.value,
        version=text.version,
        text=text.text,
        text_sha256=text.text_sha256,
        spoken=text.spoken,
        stem=stem,
        sha256=take.narrow_sha256,
        wide_sha256=take.wide_sha256,
        frames=take.levels.frames,
        duration_ms=take.levels.milliseconds,
        engine=engine,
        recipe=recipe,
        built_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        current=True,
    )


def _keep(directory: Path, edition: Edition, take: Take) -> None:
    target = directory / edition.stem
    make_folder(target.parent)
    publish(take.wide, target.with_name(f"{target.name}.wav16"))
    publish(take.narrow, target.with_name(f"{target.name}.wav"))
    write_json(target.with_name(f"{target.name}.json"), asdict(edition))


def _kept(directory: Path) -> OrderedDict[str, Edition]:
    """What earlier runs spoke, the oldest first; the audio is hashed when it is first used."""
    found = OrderedDict[str, Edition]()
    audio = [(path.stat().st_mtime, path) for path in directory.glob(f"*/{AT_CALL}/*.wav")]
    for _, path in sorted(audio):
        try:
            edition = edition_of(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue  # cut off while it was written: it will be spoken again
        found[edition.stem] = edition
    return found


def _drop_audio(directory: Path, edition: Edition) -> None:
    for path, _ in edition.files(directory):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """A folder that Asterisk's user can read."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)

"""Prompts that are spoken during a call, because only the call knows what they say."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from oddzwon.prompts.errors import EngineFailedError, LibraryError
from oddzwon.prompts.manifest import Edition, edition_of, publish, write_json
from oddzwon.prompts.rendering import RenderedText
from oddzwon.prompts.studio import Studio, Take, scratch_folder

AT_CALL = "at-call"
"""The folder, inside each language's, of what was spoken during calls."""


SPEAKS_OUT_S = 5.0
"""Longest wait, when the service ends, for what is just being spoken; a prompt takes some tenths of a second."""


class AtCallSpeech:
    """What was spoken during calls: the same words are spoken once, also across restarts.

    Nothing is removed: a receipt may name any of it, and only the time differs, so that there are at most as many as
    a day has minutes for each text. Every file carries a part of its own hash in its name: an engine that never
    speaks twice alike cannot overwrite what a receipt names.
    """

    def __init__(self, directory: Path, studio: Studio, *, timeout_s: float = 8.0) -> None:
        self._directory = directory
        self._studio = studio
        self._timeout_s = timeout_s
        self._ready: dict[str, Edition] | None = None
        self._trusted: set[str] = set()  # stems whose files were hashed, or made, by this process
        self._working: dict[str, asyncio.Task[Edition]] = {}
        self._two_at_once = asyncio.Semaphore(2)

    async def edition(self, text: RenderedText) -> Edition:
        """The audio for this text; raises SpeechError, LibraryError."""
        recipe = await self._studio.recipe(text)
        words = f"{text.language}/{AT_CALL}/{text.name}-{text.version}-{recipe[:12]}"
        if self._ready is None:
            self._ready = {_words(edition): edition for edition in await asyncio.to_thread(kept, self._directory)}
        found = self._ready.get(words)
        if found is not None and await self._whole(found):
            return found
        task = self._working.get(words)
        if task is None:
            task = asyncio.create_task(self._make(text, words, recipe))
            self._working[words] = task
            task.add_done_callback(lambda ended: self._ended(words, ended))
        # shielded: a caller who hangs up does not take it away from another who waits for the same words
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what is being spoken come to its end; what takes longer than that is given up."""
        working = tuple(self._working.values())
        if working:
            await asyncio.wait(working, timeout=SPEAKS_OUT_S)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _whole(self, edition: Edition) -> bool:
        if edition.stem not in self._trusted:
            if await asyncio.to_thread(edition.damage, self._directory) is not None:
                return False
            self._trusted.add(edition.stem)
        return True

    def _ended(self, words: str, task: asyncio.Task[Edition]) -> None:
        self._working.pop(words, None)
        if not task.cancelled():
            task.exception()  # taken here in case everybody who waited for it has hung up

    async def _make(self, text: RenderedText, words: str, recipe: str) -> Edition:
        engine = await self._studio.engine(text)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._two_at_once,
                scratch_folder(self._directory) as scratch,
            ):
                take = await self._studio.record(text, scratch)
                stem = f"{words}-{take.narrow_sha256[:8]}"
                edition = edition_from(text, take, stem=stem, engine=engine, recipe=recipe)
                await asyncio.to_thread(_keep, self._directory, edition, take)
        except TimeoutError:
            raise EngineFailedError(
                f"{text.where} was not spoken within {self._timeout_s:g} s: is the machine overloaded?"
            ) from None
        except OSError as problem:
            raise LibraryError(
                f"{self._directory} cannot take the prompt {text.name}: {problem.strerror or problem}"
            ) from problem
        if self._ready is not None:
            self._ready[words] = edition
        self._trusted.add(edition.stem)
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
        built_at=built_now(),
        current=True,
        did=text.did,
        own=bool(text.own),
        audio_sha256=take.source_sha256,
    )


def built_now() -> str:
    """The time, as an edition names it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _keep(directory: Path, edition: Edition, take: Take) -> None:
    target = directory / edition.stem
    make_folder(target.parent)
    publish(take.wide, target.with_name(f"{target.name}.wav16"))
    publish(take.narrow, target.with_name(f"{target.name}.wav"))
    write_json(target.with_name(f"{target.name}.json"), asdict(edition))


def kept(directory: Path) -> list[Edition]:
    """What earlier runs spoke, the oldest first; what was cut off while it was written is passed over."""
    found: list[Edition] = []
    for path in directory.glob(f"*/{AT_CALL}/*.json"):
        try:
            found.append(edition_of(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue  # it will be spoken again
    return sorted(found, key=lambda edition: edition.built_at)


def _words(edition: Edition) -> str:
    did = "" if edition.did is None else f"-did{edition.did.removeprefix('+')}"
    return f"{edition.language}/{AT_CALL}/{edition.key}{did}-{edition.version}-{edition.recipe[:12]}"


def make_folder(folder: Path) -> None:
    """A folder that Asterisk's user can read."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)

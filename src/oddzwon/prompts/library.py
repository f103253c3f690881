"""The folder of built prompts: what STREAM FILE plays and what a receipt names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from oddzwon.prompts.at_call import SPEAKS_OUT_S, AtCallSpeech, kept
from oddzwon.prompts.errors import LibraryError, PromptDamagedError, PromptMissingError, PromptStaleError
from oddzwon.prompts.manifest import Edition, read_manifest
from oddzwon.prompts.rendering import Slot, render, shortened
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import (
    ANNOUNCES_RECORDING,
    Language,
    PromptKey,
    Texts,
    language_of,
    load_short_texts,
    load_texts,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One playable prompt.

    `path` is absolute and without extension, as STREAM FILE wants it (Asterisk picks .wav or .wav16 by the
    channel's codec). `version` is of the text, `sha256` of the 8 kHz file. `full_ms` is exact from the sample
    count, rounded down. Asterisk's endpos counts samples of the file it played: `frames` at 8 kHz, about
    twice as many at 16 kHz.
    """

    key: PromptKey
    variant: str | None
    language: Language
    version: str
    sha256: str
    path: Path
    full_ms: int
    frames: int
    text: str
    did: str | None = None

    @property
    def slot(self) -> Slot:
        """What it is the prompt of."""
        return self.language.value, self.key.value, self.variant, self.did


@dataclass(frozen=True, slots=True)
class Damage:
    """A prompt that was built but cannot be trusted any more."""

    language: str
    key: str
    variant: str | None
    did: str | None
    reason: str


class PromptLibrary:
    """What was built into a folder, checked file by file when it is opened.

    A damaged file does not keep the library from opening: its own lookup fails, the other prompts play.
    """

    def __init__(
        self,
        directory: Path,
        texts: Texts,
        studio: Studio | None = None,
        *,
        short: bool = False,
        wanted: Mapping[Slot, str] | None = None,
    ) -> None:
        self._directory = directory.absolute()
        self._texts = texts
        self._short = load_short_texts() if short else None
        self._wanted = wanted
        self._at_call = None if studio is None else AtCallSpeech(self._directory, studio)
        self._speaking: set[asyncio.Task[Edition]] = set()
        self._editions: tuple[Edition, ...] = ()
        self._current: dict[Slot, Prompt] = {}
        self._damaged: dict[Slot, Damage] = {}

    @classmethod
    def open(
        cls,
        directory: Path,
        studio: Studio | None = None,
        *,
        texts: Texts | None = None,
        short: bool = False,
        wanted: Mapping[Slot, str] | None = None,
    ) -> Self:
        """Opens a folder; a folder where nothing was built yet is an empty library.

        Reads and hashes every file that is in use (blocking: call it before the event loop, or in a thread).
        `studio` speaks what is known only during a call; `short` is the plan's. `wanted` is the version of each text
        that the settings give now (of plan_of); left out, nothing is compared. Raises ManifestError.
        """
        library = cls(directory, texts or load_texts(), studio, short=short, wanted=wanted)
        library.reload()
        return library

    def reload(self) -> None:
        """Reads the folder again after a build (blocking); raises ManifestError and then changes nothing."""
        editions = read_manifest(self._directory)
        current, damaged = {}, {}
        for edition in editions:
            if not edition.current:
                continue
            reason = edition.damage(self._directory)
            if reason is None:
                current[edition.slot] = _prompt(edition, self._directory)
            else:
                damaged[edition.slot] = Damage(*edition.slot, reason)
        self._editions, self._current, self._damaged = editions, current, damaged

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """Prompts that were built and are not what they were."""
        return tuple(self._damaged.values())

    @property
    def stale(self) -> tuple[Slot, ...]:
        """What callers would hear in other words than the settings give now, or not at all: it was not built."""
        if self._wanted is None:
            return ()
        built = {slot: prompt.version for slot, prompt in self._current.items()}
        other = [slot for slot, version in self._wanted.items() if built.get(slot) != version]
        # what was a DID's own goes before the language's until the next build; nothing wanted: nothing can be rendered
        left = (slot for slot in built if not self._wanted or (slot[3] and (*slot[:3], None) in self._wanted))
        return (*other, *(slot for slot in left if slot not in self._wanted))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Every prompt in use."""
        return tuple(self._current.values())

    def editions(
        self, key: str, language: str, variant: str | None = None, did: str | None = None
    ) -> tuple[Edition, ...]:
        """The history of one prompt, oldest first; superseded texts and audio are kept."""
        slot = (language, key, variant, did)
        return tuple(edition for edition in self._editions if edition.slot == slot)

    def history(self) -> tuple[Edition, ...]:
        """Every edition of every prompt, those spoken during calls too: what a receipt can name. Reads the folder."""
        return (*self._editions, *kept(self._directory))

    def edition_of_audio(self, key: PromptKey, sha256: str) -> Edition | None:
        """The built edition of a prompt whose 8 kHz file has this hash, of whichever language, DID and time."""
        same = (edition for edition in reversed(self._editions) if (edition.key, edition.sha256) == (key, sha256))
        return next(same, None)

    def edition_file(self, edition: Edition) -> Path:
        """The 8 kHz file of an edition, whether or not it is there."""
        return edition.files(self._directory)[0][0]

    def damage(self, edition: Edition) -> str | None:
        """What is wrong with the files of an edition, or None: reads and hashes them."""
        return edition.damage(self._directory)

    def lookup(self, key: PromptKey, language: str, variant: str | None = None, did: str | None = None) -> Prompt:
        """What to play to a caller of this DID (E.164): its own prompt where there is one, else the language's.

        An own prompt that is damaged is not replaced by the language's: that may name another controller. What
        announces a recording is not handed out in other words than the settings give now: it would promise another
        purpose or period than is kept. Raises UnknownLanguageError, PromptMissingError, PromptDamagedError,
        PromptStaleError.
        """
        code = language_of(language)
        name = f"prompt {key.value}{f', variant {variant!r},' if variant else ''} in language {language!r}"
        slots = ((code, key.value, variant, did), (code, key.value, variant, None))
        for slot in slots:
            prompt = self._current.get(slot)
            if prompt is not None and self._is_stale(prompt, slots):
                raise PromptStaleError(
                    f"{name} was built with other words than the settings give now, so nothing is recorded: "
                    "run `oddzwon prompts build`, then restart the service"
                )
            if prompt is not None:
                return prompt
            if slot in self._damaged:
                raise PromptDamagedError(f"{name}: {self._damaged[slot].reason}: run `oddzwon prompts build`")
        raise PromptMissingError(f"{name} is not in {self._directory}: run `oddzwon prompts build`")

    def _is_stale(self, prompt: Prompt, slots: Sequence[Slot]) -> bool:
        if self._wanted is None or prompt.key not in ANNOUNCES_RECORDING:
            return False
        return prompt.version != next((self._wanted[slot] for slot in slots if slot in self._wanted), None)

    async def speak(self, key: PromptKey, language: str, values: Mapping[str, str], did: str | None = None) -> Prompt:
        """A prompt that holds what only the call knows, such as {TIME}; spoken once, then found again.

        In the DID's own words (E.164) where it has some. Takes some tenths of a second at first. Raises TextError,
        SpeechError, LibraryError (no studio was given).
        """
        if self._at_call is None:
            raise LibraryError(f"prompt {key.value} is spoken during the call, but no speech engine was given")
        text = render(self._texts, key, language_of(language), values, did=did)
        if self._short is not None:
            text = shortened(text, self._short, values)
        speaking = asyncio.create_task(self._at_call.edition(text), name=f"speaking-{key.value}")
        self._speaking.add(speaking)
        speaking.add_done_callback(self._speaking.discard)
        return _prompt(await speaking, self._directory)

    async def close(self) -> None:
        """Let what is being spoken come to its end: a loop that ends under its programs may wait for ever."""
        if self._speaking:
            await asyncio.wait(tuple(self._speaking), timeout=SPEAKS_OUT_S)
        if self._at_call is not None:
            await self._at_call.close()


def _prompt(edition: Edition, directory: Path) -> Prompt:
    return Prompt(
        key=PromptKey(edition.key),
        variant=edition.variant,
        language=Language(edition.language),
        version=edition.version,
        sha256=edition.sha256,
        path=directory / edition.stem,
        full_ms=edition.duration_ms,
        frames=edition.frames,
        text=edition.text,
        did=edition.did,
    )

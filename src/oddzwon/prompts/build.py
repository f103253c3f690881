"""Building prompts: what has to exist, what is there already, and the step from the one to the other.

Nothing that is in use changes before everything has been spoken and checked; then one rename replaces the
manifest. Superseded editions stay, with their audio.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Literal

from oddzwon.prompts.aloud import aloud
from oddzwon.prompts.at_call import built_now, edition_from, make_folder
from oddzwon.prompts.errors import (
    BuildRefusedError,
    BuildRunningError,
    LayerOneTooLongError,
    LibraryError,
    PlanError,
    PromptError,
)
from oddzwon.prompts.manifest import Edition, publish, read_manifest, write_manifest
from oddzwon.prompts.plan import LanguagePlan, OperatorValues, PromptPlan
from oddzwon.prompts.rendering import RenderedText, operator_values, render_language, shortened
from oddzwon.prompts.speech import Speaker
from oddzwon.prompts.studio import Studio, Take, scratch_folder
from oddzwon.prompts.texts import SPOKEN_AT_CALL_TIME, OwnPrompt, PromptKey, load_short_texts, load_texts


class BuildState(StrEnum):
    """What became of one prompt."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class BuildRow:
    """One prompt of the report; `seconds` is how long it takes to hear.

    `did`: only callers of that number hear it. `own` says what of it is the operator's: text, audio, or nothing.
    """

    language: str
    key: str
    variant: str | None
    seconds: float
    state: BuildState
    version: str
    did: str | None = None
    own: Literal["text", "audio"] | None = None


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build found and made, in the plan's order; `retired` is what is not in the plan any more, but kept."""

    rows: tuple[BuildRow, ...]
    retired: tuple[BuildRow, ...]

    def seconds(self, key: PromptKey, language: str) -> float:
        """How long one prompt takes to hear, all variants together."""
        return sum(row.seconds for row in self.rows if (row.key, row.language) == (key, language))


Progress = Callable[[BuildRow, int, int], None]


@dataclass(frozen=True, slots=True)
class _Spoken:
    text: RenderedText
    edition: Edition
    state: BuildState
    take: Take | None  # None: the audio is in the folder already


@dataclass(frozen=True, slots=True)
class _Work:
    studio: Studio
    directory: Path
    scratch: Path
    editions: tuple[Edition, ...]


def plan_of(plan: PromptPlan) -> tuple[RenderedText, ...]:
    """Everything that has to be built, in the order in which it is heard.

    What is spoken during a call is rendered too, for trial, so that a missing value shows now and not then.
    Raises BuildRefusedError with every problem; MalformedTextError and its kin for an own text.
    """
    texts, short = load_texts(plan.own), load_short_texts()
    done: list[RenderedText] = []
    problems: list[PromptError] = []
    for language, did in _plans(plan):
        rendered, found = render_language(texts, language, did)
        problems.extend(found)
        # of a DID, only what it does not share with the others
        done.extend(text for text in rendered if text.did == did)
    built = [text for text in done if text.key not in SPOKEN_AT_CALL_TIME]
    problems.extend((*_twice(built), *_one_audio_for_two_texts(done)))
    if problems:
        raise BuildRefusedError(problems)
    if plan.short:
        values = {language.language: operator_values(language) for language in plan.languages}
        built = [shortened(text, short, values[text.language]) for text in built]
    order = {key: position for position, key in enumerate(PromptKey)}
    return tuple(sorted(built, key=lambda text: (text.language, order[text.key], text.variant or "", text.did or "")))


def _plans(plan: PromptPlan) -> Iterator[tuple[LanguagePlan, str | None]]:
    yield from ((language, None) for language in plan.languages)
    yield from ((one.language, one.did) for one in plan.dids)


def unheard(plan: PromptPlan) -> tuple[OwnPrompt, ...]:
    """Own texts that no caller can hear: another one goes before them everywhere, or nothing asks for them."""
    texts = load_texts(plan.own)
    used = {
        one
        for language, did in _plans(plan)
        for text in render_language(texts, language, did)[0]
        if text.did == did
        for one in text.own
    }
    return tuple(one for one in plan.own if one not in used)


async def build(
    plan: PromptPlan, directory: Path, speaker: Speaker, on_progress: Progress | None = None
) -> BuildReport:
    """Builds what is missing or has changed, two prompts at a time, and puts it to use all at once.

    `on_progress(row, done, total)` is called after each prompt. Raises BuildRefusedError (nothing was changed:
    missing values, unusable audio, layer 1 above the limit), BuildRunningError, ManifestError, LibraryError.
    """
    wanted = await asyncio.to_thread(plan_of, plan)
    try:
        await asyncio.to_thread(make_folder, directory)
        lock = await asyncio.to_thread(_lock, directory)
        try:
            editions = await asyncio.to_thread(read_manifest, directory)
            async with scratch_folder(directory) as scratch:
                work = _Work(Studio(speaker), directory, scratch, editions)
                spoken = await _speak_all(wanted, work, on_progress)
                _refuse_long_layer1(spoken, plan)
                return await asyncio.to_thread(_put_to_use, spoken, editions, directory)
        finally:
            lock.close()
    except OSError as problem:
        raise LibraryError(f"{directory} cannot be written: {problem.strerror or problem}") from problem


async def _speak_all(wanted: tuple[RenderedText, ...], work: _Work, on_progress: Progress | None) -> list[_Spoken]:
    two_at_once = asyncio.Semaphore(2)
    problems: list[PromptError] = []
    done = 0

    async def one(text: RenderedText) -> _Spoken | None:
        nonlocal done
        try:
            async with two_at_once:
                spoken = await _speak_one(text, work)
        except PromptError as problem:
            problems.append(problem)
            return None
        except OSError as problem:
            problems.append(LibraryError(f"{work.directory} cannot be written: {problem.strerror or problem}"))
            return None
        done += 1
        if on_progress is not None:
            on_progress(_row(spoken.edition, spoken.state), done, len(wanted))
        return spoken

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(text)) for text in wanted]
    if problems:
        raise BuildRefusedError(problems)
    return [spoken for spoken in (task.result() for task in tasks) if spoken is not None]


async def _speak_one(text: RenderedText, work: _Work) -> _Spoken:
    recipe = await work.studio.recipe(text)
    history = [edition for edition in work.editions if edition.slot == text.slot]
    alike = [edition for edition in reversed(history) if edition.recipe == recipe]
    # the very text first; else another that only sounds the same: its audio serves, its version does not
    for edition in sorted(alike, key=lambda edition: edition.text_sha256 != text.text_sha256):
        if await asyncio.to_thread(edition.damage, work.directory) is not None:
            continue
        if edition.text_sha256 != text.text_sha256:
            return _Spoken(text, _reworded(edition, text), BuildState.CHANGED, None)
        return _Spoken(text, edition, BuildState.UNCHANGED if edition.current else BuildState.CHANGED, None)
    take = await work.studio.record(text, work.scratch)
    stem = f"{text.language}/{text.name}-{text.version}-{take.narrow_sha256[:8]}"
    edition = edition_from(text, take, stem=stem, engine=await work.studio.engine(text), recipe=recipe)
    return _Spoken(text, edition, BuildState.CHANGED if history else BuildState.NEW, take)


def _reworded(edition: Edition, text: RenderedText) -> Edition:
    """Another text for audio that says it too: written otherwise, spoken alike."""
    return replace(
        edition,
        version=text.version,
        text=text.text,
        text_sha256=text.text_sha256,
        spoken=text.spoken,
        built_at=built_now(),
        own=bool(text.own),
    )


def _put_to_use(spoken: list[_Spoken], editions: tuple[Edition, ...], directory: Path) -> BuildReport:
    for one in spoken:
        if one.take is not None:
            for made, (target, _) in zip((one.take.narrow, one.take.wide), one.edition.files(directory), strict=True):
                make_folder(target.parent)
                publish(made, target)
    chosen = {(one.edition.stem, one.edition.version): replace(one.edition, current=True) for one in spoken}
    kept = [replace(one, current=False) for one in editions if (one.stem, one.version) not in chosen]
    write_manifest(directory, [*kept, *chosen.values()])
    _copy_for_dialplan([one.edition for one in spoken if one.text.key is PromptKey.STATIC], directory)
    slots = {one.edition.slot for one in spoken}
    retired = (edition for edition in editions if edition.current and edition.slot not in slots)
    return BuildReport(
        tuple(_row(one.edition, one.state) for one in spoken),
        tuple(_row(edition, BuildState.RETIRED) for edition in retired),
    )


def _copy_for_dialplan(statics: list[Edition], directory: Path) -> None:
    """STATIC under names that never change: the dialplan plays it when the service is down.

    `<language>/STATIC`, and `<language>/STATIC-<digits of the DID>` where the DID has its own; such a name that has
    nothing behind it any more goes (its editions stay).
    """
    named: set[Path] = set()
    for edition in statics:
        of_did = "" if edition.did is None else f"-{edition.did.removeprefix('+')}"
        for path, _ in edition.files(directory):
            target = directory / edition.language / f"{PromptKey.STATIC.value}{of_did}{path.suffix}"
            handle, made = tempfile.mkstemp(dir=target.parent, prefix=".static-")
            with os.fdopen(handle, "wb") as copy, path.open("rb") as source:
                shutil.copyfileobj(source, copy)
            publish(Path(made), target)
            named.add(target)
    for path in directory.glob(f"*/{PromptKey.STATIC.value}-*"):
        if _DID_COPY.fullmatch(path.name) and path not in named:
            path.unlink()


_DID_COPY = re.compile(r"STATIC-\d{7,15}\.wav(16)?")


def _refuse_long_layer1(spoken: list[_Spoken], plan: PromptPlan) -> None:
    operators = {language.language: language.operator for language in plan.languages}
    problems: list[PromptError] = []
    for one in spoken:
        seconds = one.edition.duration_ms / 1000
        if one.text.key is PromptKey.L1 and seconds > plan.layer1_limit_s:
            advice = _what_to_cut(one, operators[one.text.language], seconds)
            problems.append(LayerOneTooLongError(one.text.where, seconds, plan.layer1_limit_s, advice))
    if problems:
        raise BuildRefusedError(problems)


def _what_to_cut(one: _Spoken, operator: OperatorValues, seconds: float) -> str:
    text = one.text

    def share(part: str) -> str:
        return f"about {seconds * len(aloud(part, text.language)) / len(text.spoken):.1f} s"

    longest = max(re.split(r"(?<=[.!?]) ", text.text), key=len)
    parts = {"the controller's name": operator.controller, "the address": operator.url}
    named = [f"{name} takes {share(value)} of it" for name, value in parts.items() if value.strip() in text.text]
    told = ", ".join([*named, f"its longest sentence {share(longest)} ({longest!r})"])
    if text.audio is not None:
        return f"{told}: cut the text, and record {text.audio} anew"
    return f"{told}: say these more briefly, or give L1 a shorter text of your own"


def _twice(done: list[RenderedText]) -> Iterator[PromptError]:
    seen: set[tuple[str, str, str | None, str | None]] = set()
    for text in done:
        if text.slot in seen:
            yield PlanError(f"{text.where} is planned twice: name each variant once")
        seen.add(text.slot)


def _one_audio_for_two_texts(done: list[RenderedText]) -> Iterator[PromptError]:
    """A file says one text: not the texts of two keys with different purposes."""
    said: dict[Path, RenderedText] = {}
    for text in done:
        if text.audio is not None and said.setdefault(text.audio, text).text != text.text:
            yield PlanError(
                f"{text.audio} cannot say both {said[text.audio].where} and {text.where}: their texts differ; "
                "give each its own [[prompts.own]] block (with `key`, for a key of the menu) and its own file"
            )


def _row(edition: Edition, state: BuildState) -> BuildRow:
    own: Literal["text", "audio"] | None = "text" if edition.own else None
    return BuildRow(
        edition.language,
        edition.key,
        edition.variant,
        edition.duration_ms / 1000,
        state,
        edition.version,
        edition.did,
        "audio" if edition.audio_sha256 else own,
    )


def _lock(directory: Path) -> IO[str]:
    lock = (directory / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BuildRunningError(f"another build is at work in {directory}: wait for its end") from None
    return lock

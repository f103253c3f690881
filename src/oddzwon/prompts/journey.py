"""The whole journey of a caller, as a list to read and as one file to listen to."""

from __future__ import annotations

import asyncio
import tempfile
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oddzwon.prompts.build import plan_of
from oddzwon.prompts.errors import LibraryError, UnknownLanguageError
from oddzwon.prompts.levelling import NARROW_HZ
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.plan import LanguagePlan, PromptPlan
from oddzwon.prompts.rendering import operator_values, render, shortened
from oddzwon.prompts.spoken import spoken_time
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import SPOKEN_AT_CALL_TIME, Language, PromptKey, load_short_texts, load_texts

WHEN_HEARD: Mapping[PromptKey, str] = {
    PromptKey.L1: "first of all; no key stops it, unless the operator lets callers skip it",
    PromptKey.MENU_OPTION: "the menu; a language offers itself in itself",
    PromptKey.L2: "key 9, in the menu",
    PromptKey.REC_OBJECT: "after the choice, where calls are recorded; key 7: not recorded",
    PromptKey.REC_CONSENT: "after the choice, where recording needs key 1",
    PromptKey.REC_ANNOUNCE: "after the choice, where the recording cannot be refused in the call",
    PromptKey.RECORDED: "after key 1 at the question, unless the agent is asked too",
    PromptKey.NOT_RECORDED: "after key 7 at the announcement",
    PromptKey.OBJECTED: "key 8, once the objection is written down",
    PromptKey.OBJECTION_UNDONE: "key 8 once more",
    PromptKey.CONNECTING: "after key 1 at the callback, before the agent",
    PromptKey.SHORT: "in place of layer 1, for who was cut off and calls again",
    PromptKey.CALLBACK: "when we call back, after the customer has answered",
    PromptKey.WRONG_PERSON: "key 3 at the callback",
    PromptKey.STATIC: "in place of all else, while the service is down",
    PromptKey.AGENT_WHISPER: "to the agent who takes a callback (no call plays it yet)",
    PromptKey.REC_CONSENT_AGENT: "to the agent, where recording needs his consent",
    PromptKey.MENU_REPEAT: "never by itself: it ends the menu",
}
"""Every prompt in the order of a journey, and when it is heard."""

GAP_S = 0.8
SAMPLE_TIME = datetime(2026, 1, 15, 14, 5, tzinfo=UTC)
"""Five past two: what a sample of a prompt with {TIME} says."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One prompt of the journey: from which second of the file on, for how long, and what is said."""

    at_s: float
    seconds: float
    key: PromptKey
    variant: str | None
    did: str | None
    text: str


async def listen(
    plan: PromptPlan,
    library: PromptLibrary,
    studio: Studio,
    target: Path,
    *,
    language: Language,
    did: str | None = None,
) -> tuple[Heard, ...]:
    """Writes the journey in one language, as callers of this DID (E.164) hear it, to one 8 kHz WAV file.

    What is spoken during a call is spoken here for a sample time, and stays out of the library. Raises
    UnknownLanguageError, PromptMissingError (not built yet), SpeechError, LibraryError (the file cannot be written).
    """
    mine = _language_plan(plan, language, did)
    with tempfile.TemporaryDirectory(prefix="listening-") as scratch:
        parts = [*_built(plan, library, mine, did), *await _sampled(plan, studio, mine, did, Path(scratch))]
        order = {key: position for position, key in enumerate(WHEN_HEARD)}
        parts.sort(key=lambda part: order[part.key])
        return await asyncio.to_thread(_join, parts, target)


@dataclass(frozen=True, slots=True)
class _Part:
    key: PromptKey
    variant: str | None
    did: str | None
    text: str
    file: Path


def _language_plan(plan: PromptPlan, language: Language, did: str | None) -> LanguagePlan:
    of_did = (one.language for one in plan.dids if one.did == did and one.language.language is language)
    everywhere = (one for one in plan.languages if one.language is language)
    found = next(of_did, None) or next(everywhere, None)
    if found is None:
        raise UnknownLanguageError(language.value, [one.language.value for one in plan.languages])
    return found


def _built(plan: PromptPlan, library: PromptLibrary, mine: LanguagePlan, did: str | None) -> list[_Part]:
    slots = {
        (text.key, text.variant)
        for text in plan_of(PromptPlan((mine,), short=plan.short, own=plan.own))
        if text.key is not PromptKey.MENU_REPEAT
    }
    prompts = [
        library.lookup(key, mine.language, variant, did)
        for key, variant in sorted(slots, key=lambda slot: (slot[0], slot[1] or ""))
    ]
    return [_Part(p.key, p.variant, p.did, p.text, p.path.with_name(f"{p.path.name}.wav")) for p in prompts]


async def _sampled(plan: PromptPlan, studio: Studio, mine: LanguagePlan, did: str | None, scratch: Path) -> list[_Part]:
    texts, values = load_texts(plan.own), operator_values(mine)
    values["TIME"] = spoken_time(SAMPLE_TIME, mine.language)
    parts: list[_Part] = []
    for key in sorted(SPOKEN_AT_CALL_TIME):
        text = render(texts, key, mine.language, values, did=did)
        text = shortened(text, load_short_texts(), values) if plan.short else text
        take = await studio.record(text, scratch)
        parts.append(_Part(text.key, text.variant, text.did, text.text, take.narrow))
    return parts


def _join(parts: Sequence[_Part], target: Path) -> tuple[Heard, ...]:
    heard: list[Heard] = []
    gap = bytes(2 * round(GAP_S * NARROW_HZ))
    at = 0
    try:
        # a file that wave cannot open leaves it half made
        with target.open("wb") as file, wave.open(file, "wb") as joined:
            joined.setparams((1, 2, NARROW_HZ, 0, "NONE", ""))
            for part in parts:
                with wave.open(str(part.file), "rb") as one:
                    frames = one.getnframes()
                    joined.writeframes(one.readframes(frames) + gap)
                seconds = frames / NARROW_HZ
                heard.append(Heard(at / NARROW_HZ, seconds, part.key, part.variant, part.did, part.text))
                at += frames + len(gap) // 2
    except OSError as problem:
        raise LibraryError(
            f"{target} cannot be written: {problem.strerror or problem}: name another with --out"
        ) from None
    return tuple(heard)

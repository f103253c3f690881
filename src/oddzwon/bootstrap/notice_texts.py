"""The announcements on the notice page: as they are planned now, and as they were built before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.config import ConfigError, Settings
from oddzwon.prompts.build import plan_of
from oddzwon.prompts.errors import BuildRefusedError
from oddzwon.prompts.manifest import Edition, read_manifest
from oddzwon.prompts.plan import LanguagePlan, PromptPlan
from oddzwon.prompts.rendering import RenderedText, operator_values, render, shortened
from oddzwon.prompts.texts import PromptKey, load_short_texts, load_texts
from oddzwon.web.phrases import Phrases
from oddzwon.web.values import EarlierText, NoticeValues, SpokenText, Words

SHOWN: Final = (
    *(PromptKey.L1, PromptKey.SHORT, PromptKey.L2),
    *(PromptKey.REC_CONSENT, PromptKey.REC_OBJECT, PromptKey.REC_ANNOUNCE),
    *(PromptKey.CALLBACK, PromptKey.STATIC),
)
"""The announcements that inform (Art. 13 GDPR), in the order of the page."""

_VARIANT: Final = re.compile(r"(?:key([1-7])|\w+?)_(eu|pl|cz|de)")


def spoken_texts(settings: Settings, page: NoticeValues) -> tuple[SpokenText, ...]:
    """What callers hear in the page's language; raises ConfigError where a text cannot be rendered."""
    plan = prompt_plan(settings)
    planned = (text for text in _planned(plan) if text.language is page.language and text.key in SHOWN)
    found = [_spoken(settings, page, text, version=text.version) for text in planned]
    # the time in it makes another version of each greeting
    found += [_spoken(settings, page, text, version=None) for text in _greetings(plan, page)]
    return tuple(sorted(found, key=lambda text: (SHOWN.index(text.key), text.numbers)))


def not_spoken(settings: Settings) -> list[str]:
    """The announcements that the page shows and callers do not hear yet, because they were not built like this."""
    built = {edition.slot: edition.version for edition in read_manifest(settings.prompts.directory) if edition.current}
    shown = (text for text in _planned(prompt_plan(settings)) if text.key in SHOWN)
    return [f"{text.language} {text.name}" for text in shown if built.get(text.slot) != text.version]


def _planned(plan: PromptPlan) -> tuple[RenderedText, ...]:
    try:
        return plan_of(plan)
    except BuildRefusedError as error:
        lines = "\n".join(f"  - {problem}" for problem in error.problems)
        raise ConfigError(f"no page was written; the announcements need first:\n{lines}") from error


def _greetings(plan: PromptPlan, page: NoticeValues) -> Iterator[RenderedText]:
    """What somebody who is called back hears; the time in it is known only then."""
    texts, short = load_texts(plan.own), load_short_texts()
    spoken: list[tuple[LanguagePlan, str | None]] = [(language, None) for language in plan.languages]
    spoken += [(one.language, one.did) for one in plan.dids]
    time = str(Phrases(page.language)("spoken_time"))
    for language, did in spoken:
        if language.language is not page.language:
            continue
        values = {**operator_values(language), "TIME": time}
        text = render(texts, PromptKey.CALLBACK, page.language, values, did=did)
        if text.did == did:
            yield shortened(text, short, values) if plan.short else text


def _spoken(settings: Settings, page: NoticeValues, of: RenderedText | Edition, *, version: str | None) -> SpokenText:
    """An announcement with what it belongs to: the choice and the numbers that its variant or its DID names."""
    key = PromptKey(of.key)
    numbers: tuple[str, ...] = () if of.did is None else (of.did,)
    found = _VARIANT.fullmatch(of.variant or "")
    if found is None:
        return SpokenText(key, of.text, version, None, numbers)
    menu_key, preset = found.groups()
    rows = [row for group in page.recordings for row in group.rows]
    label = next((row.label for row in rows if menu_key and row.key == menu_key), None)
    if menu_key is None:
        label = Words(str(Phrases(page.language)("segment")))
    heard = (did for did in settings.dids if did.preset == preset and page.language in settings.languages_of(did))
    numbers = numbers or tuple(did.number for did in heard)
    return SpokenText(key, of.text, version, label, numbers)


# --- as they were -----------------------------------------------------------------------------------------------


def earlier_texts(settings: Settings, page: NoticeValues) -> tuple[EarlierText, ...]:
    """What callers heard before in the page's language, the newest first; raises ManifestError."""
    editions = [
        edition
        for edition in read_manifest(settings.prompts.directory)
        if edition.language == page.language and edition.key in SHOWN
    ]
    editions.sort(key=lambda edition: (str(edition.slot), edition.built_at))
    found = [
        EarlierText(_spoken(settings, page, edition, version=edition.version), since, until)
        for _, slot in groupby(editions, key=lambda edition: str(edition.slot))
        for edition, since, until in _superseded(list(slot))
    ]
    return tuple(sorted(found, key=lambda text: (text.since, text.spoken.key), reverse=True))


def _superseded(slot: Sequence[Edition]) -> Iterator[tuple[Edition, datetime, datetime | None]]:
    """The versions of one prompt that are spoken no more, each with the time in which it was the newest."""
    now = {edition.version for edition in slot if edition.current}
    versions = [list(same) for _, same in groupby(slot, key=lambda edition: edition.version)]
    begins = [datetime.fromisoformat(same[0].built_at) for same in versions]
    for same, since, until in zip(versions, begins, [*begins[1:], None], strict=True):
        if same[0].version not in now:
            yield same[0], since, until

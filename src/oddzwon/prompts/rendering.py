"""From texts and the operator's values to what is said, word by word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oddzwon.prompts.aloud import aloud
from oddzwon.prompts.errors import PlanError, PromptError
from oddzwon.prompts.plan import LanguagePlan, MenuChoice, RecordingNotice
from oddzwon.prompts.spoken import Period, language_name, spoken_period
from oddzwon.prompts.texts import SPOKEN_AT_CALL_TIME, Language, OwnPrompt, PromptKey, Template, Texts

Slot = tuple[str, str, str | None, str | None]
"""What a text is the text of: language, prompt, variant, DID."""

MENU_VARIANT = "menu"
"""The variant of MENU_OPTION under which a language's whole menu is one prompt."""


LANGUAGE_VARIANT = "language_{}"
"""The variant of MENU_OPTION under which a language offers itself, in itself, to callers who hear another one."""


@dataclass(frozen=True, slots=True)
class RenderedText:
    """One prompt, ready to be spoken.

    `text` is what it says, and what `version` and `text_sha256` are taken from; `spoken` is the same, written
    for a speech engine (addresses and numbers spelt out). `own` are the operator's texts that went into it.
    """

    key: PromptKey
    language: Language
    variant: str | None
    text: str
    own: tuple[OwnPrompt, ...] = ()

    @property
    def spoken(self) -> str:
        """The text as it goes to the engine."""
        return aloud(self.text, self.language)

    @property
    def did(self) -> str | None:
        """The DID whose callers alone hear it; None: those of every DID without one of its own."""
        return next((one.did for one in self.own if one.did), None)

    @property
    def audio(self) -> Path | None:
        """The ready-made audio that says it."""
        return next((one.audio for one in self.own if one.audio), None)

    @property
    def text_sha256(self) -> str:
        """SHA-256 of the text in UTF-8, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def version(self) -> str:
        """The first 12 digits of `text_sha256`: a text that changes gets another version by itself."""
        return self.text_sha256[:12]

    @property
    def slot(self) -> Slot:
        """What it is the text of."""
        return self.language.value, self.key.value, self.variant, self.did

    @property
    def name(self) -> str:
        """KEY, KEY-variant or KEY-variant-did48221234567, as files are named."""
        did = None if self.did is None else f"did{self.did.removeprefix('+')}"
        return "-".join(part for part in (self.key.value, self.variant, did) if part is not None)

    @property
    def where(self) -> str:
        """The words by which an error names it."""
        return where(self.slot)


def where(slot: Slot) -> str:
    """The words by which a message names what is spoken there."""
    language, key, variant, did = slot
    of_did = f" for DID {did}" if did else ""
    return f"prompt {key}{f'-{variant}' if variant else ''} in language {language!r}{of_did}"


def render(
    texts: Texts,
    key: PromptKey,
    language: Language,
    values: Mapping[str, str],
    variant: str | None = None,
    *,
    menu_key: str | None = None,
    did: str | None = None,
) -> RenderedText:
    """One prompt with its values, as callers of this DID hear it for this key of the menu.

    Raises UnknownPromptError, MissingPlaceholderError, UnknownPlaceholderError, MalformedTextError.
    """
    template = texts.get(key, language, menu_key=menu_key, did=did)
    return _filled(template, values, variant)


def _filled(template: Template, values: Mapping[str, str], variant: str | None = None) -> RenderedText:
    text = _tidy(_vocalised(template, values).fill(values, variant))
    return RenderedText(template.key, template.language, variant, text, (template.own,) if template.own else ())


def operator_values(plan: LanguagePlan) -> dict[str, str]:
    """The values that every prompt of a language may use; a call adds {TIME}."""
    operator = plan.operator
    return {
        "CONTROLLER": operator.controller,
        "URL": operator.url,
        "CONTACT": operator.contact,
        "DPO": operator.dpo,
        "RECIPIENTS": operator.recipients,
        "AUTHORITY": operator.authority,
        "CALL_RETENTION": retention_words(operator.call_retention, plan.language),
    }


def recording_values(notice: RecordingNotice, language: Language) -> dict[str, str]:
    """The values of one recording regime's announcement."""
    return {
        "PURPOSE": notice.purpose,
        "BASIS": notice.basis,
        "RETENTION": retention_words(notice.retention, language),
        "OTHER_CHANNEL": notice.other_channel,
    }


def retention_words(retention: Period | str, language: Language) -> str:
    """A period as the texts need it after "we keep it": English asks for "for"."""
    if isinstance(retention, str):
        return retention
    words = spoken_period(retention, language)
    return f"for {words}" if language is Language.EN else words


def shortened(rendered: RenderedText, short: Texts, values: Mapping[str, str]) -> RenderedText:
    """A text of about a second in place of a shipped one, still different for each prompt and variant."""
    if rendered.own:
        return rendered
    text = render(short, rendered.key, rendered.language, values).text
    if rendered.variant not in {None, MENU_VARIANT}:
        text = f"{text} {rendered.variant}."
    return RenderedText(rendered.key, rendered.language, rendered.variant, text)


def render_language(
    texts: Texts, plan: LanguagePlan, did: str | None = None
) -> tuple[tuple[RenderedText, ...], tuple[PromptError, ...]]:
    """Every prompt of one language that can be built before a call, and everything that stands in the way.

    What is spoken during a call is rendered too, for trial, so that a missing value shows now and not then; those
    texts come with the others, and are not for building (SPOKEN_AT_CALL_TIME).
    """
    values = operator_values(plan)
    done: list[RenderedText] = []
    problems: list[PromptError] = []

    def attempt(rendering: Callable[[], RenderedText]) -> None:
        try:
            done.append(rendering())
        except PromptError as problem:
            problems.append(problem)

    for key in _PLAIN:
        attempt(partial(render, texts, key, plan.language, {**values, "TIME": "12:00"}, did=did))
    for notice in plan.recordings:
        for key in (notice.announcement, *((PromptKey.REC_CONSENT_AGENT,) if notice.agent_consent else ())):
            attempt(partial(_announcement, texts, key, plan, notice, did))
    attempt(partial(_layer2, texts, plan, did))
    if plan.menu:
        attempt(partial(_menu, texts, plan, did))
    if plan.language_key is not None:
        attempt(partial(_language_option, texts, plan, did))
    return tuple(done), tuple(problems)


_PLAIN = (
    PromptKey.L1,
    PromptKey.SHORT,
    PromptKey.MENU_REPEAT,
    PromptKey.RECORDED,
    PromptKey.NOT_RECORDED,
    PromptKey.OBJECTED,
    PromptKey.OBJECTION_UNDONE,
    PromptKey.WRONG_PERSON,
    PromptKey.CONNECTING,
    PromptKey.STATIC,
    *sorted(SPOKEN_AT_CALL_TIME),
)


def _announcement(
    texts: Texts, key: PromptKey, plan: LanguagePlan, notice: RecordingNotice, did: str | None
) -> RenderedText:
    values = {**operator_values(plan), **recording_values(notice, plan.language)}
    return render(texts, key, plan.language, values, notice.variant, menu_key=notice.menu_key or None, did=did)


def _menu(texts: Texts, plan: LanguagePlan, did: str | None) -> RenderedText:
    """The whole menu as one prompt: an own text without {LABEL} and {KEY}, else an option for each key."""
    whole = texts.get(PromptKey.MENU_OPTION, plan.language, did=did)
    if _is_whole_menu(whole):
        return _filled(whole, operator_values(plan), MENU_VARIANT)
    parts = [_option(texts, plan.language, choice, did) for choice in plan.menu]
    parts.append(render(texts, PromptKey.MENU_REPEAT, plan.language, {}, did=did))
    own = tuple(dict.fromkeys(one for part in parts for one in part.own))
    for one in own:
        if one.audio is not None:
            raise PlanError(
                f"{one.where}: the menu is one prompt, and this is a part of it: give the audio to MENU_OPTION "
                "without key, {LABEL} and {KEY}, with the whole menu as its text"
            )
    return RenderedText(PromptKey.MENU_OPTION, plan.language, MENU_VARIANT, " ".join(part.text for part in parts), own)


def _is_whole_menu(template: Template) -> bool:
    own = template.own
    return own is not None and own.menu_key is None and not template.placeholders & {"LABEL", "KEY"}


def _option(
    texts: Texts, language: Language, choice: MenuChoice, did: str | None, variant: str | None = None
) -> RenderedText:
    template = texts.get(PromptKey.MENU_OPTION, language, menu_key=choice.key, did=did)
    if _is_whole_menu(template):
        template = texts.shipped[language, PromptKey.MENU_OPTION]
    return _filled(template, {"LABEL": choice.label, "KEY": choice.key}, variant)


def _language_option(texts: Texts, plan: LanguagePlan, did: str | None) -> RenderedText:
    choice = MenuChoice(plan.language_key or "", language_name(plan.language))
    return _option(texts, plan.language, choice, did, LANGUAGE_VARIANT.format(plan.language.value))


def _layer2(texts: Texts, plan: LanguagePlan, did: str | None) -> RenderedText:
    """Layer 2, its sentence about recordings once for each regime, and left out where nothing is recorded."""
    template = texts.get(PromptKey.L2, plan.language, did=did)
    values = operator_values(plan)
    rows = _distinct([recording_values(notice, plan.language) for notice in plan.recordings])
    said: list[str] = []
    for sentence in re.split(r"(?<=[.!?]) ", template.text):
        part = replace(template, text=sentence)
        if part.placeholders & {"PURPOSE", "BASIS", "RETENTION"}:
            said.extend(_tidy(part.fill({**values, **row})) for row in rows)
        else:
            said.append(_tidy(part.fill(values)))
    own = (template.own,) if template.own else ()
    return RenderedText(PromptKey.L2, plan.language, None, " ".join(said), own)


def _distinct(rows: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    seen: dict[tuple[str, str, str], Mapping[str, str]] = {}
    for row in rows:
        seen.setdefault((row["PURPOSE"], row["BASIS"], row["RETENTION"]), row)
    return list(seen.values())


def _tidy(text: str) -> str:
    # a name that ends in an abbreviation ("sp. z o.o.") brings its own full stop to the end of the sentence
    return re.sub(r"\.\.(?!\.)", ".", text)


_CZECH_VE = re.compile(r"dv|tř|čt")


def _vocalised(template: Template, values: Mapping[str, str]) -> Template:
    """Czech says "ve dvě", "ve čtrnáct", but "v pět": the text has "v {TIME}", the value decides."""
    if template.language is not Language.CS or not _CZECH_VE.match(values.get("TIME", "")):
        return template
    return replace(template, text=re.sub(r"\bv \{TIME\}", "ve {TIME}", template.text))

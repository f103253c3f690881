"""From texts and the operator's values to what is said, word by word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.plan import LanguagePlan, RecordingNotice
from oddzwon.prompts.spoken import Period, aloud, spoken_period
from oddzwon.prompts.texts import Language, PromptKey, Template, Texts

MENU_VARIANT = "menu"
"""The variant of MENU_OPTION under which a language's whole menu is one prompt."""


@dataclass(frozen=True, slots=True)
class RenderedText:
    """One prompt, ready to be spoken.

    `text` is what it says, and what `version` and `text_sha256` are taken from; `spoken` is the same, written
    for a speech engine (addresses spelt out).
    """

    key: PromptKey
    language: Language
    variant: str | None
    text: str

    @property
    def spoken(self) -> str:
        """The text as it goes to the engine."""
        return aloud(self.text, self.language)

    @property
    def text_sha256(self) -> str:
        """SHA-256 of the text in UTF-8, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def version(self) -> str:
        """The first 12 digits of `text_sha256`: a text that changes gets another version by itself."""
        return self.text_sha256[:12]

    @property
    def name(self) -> str:
        """KEY or KEY-variant, as files are named."""
        return self.key.value if self.variant is None else f"{self.key.value}-{self.variant}"


def render(
    texts: Texts, key: PromptKey, language: Language, values: Mapping[str, str], variant: str | None = None
) -> RenderedText:
    """One prompt with its values.

    Raises UnknownPromptError, MissingPlaceholderError, UnknownPlaceholderError, MalformedTextError.
    """
    filled = _vocalised(texts.get(key, language), values).fill(values, variant)
    return RenderedText(key, language, variant, _tidy(filled))


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
    """A text of about a second in place of the real one, still different for each prompt and variant."""
    text = render(short, rendered.key, rendered.language, values).text
    if rendered.variant not in {None, MENU_VARIANT}:
        text = f"{text} {rendered.variant}."
    return RenderedText(rendered.key, rendered.language, rendered.variant, text)


def render_language(texts: Texts, plan: LanguagePlan) -> tuple[tuple[RenderedText, ...], tuple[PromptError, ...]]:
    """Every prompt of one language that can be built before a call, and everything that stands in the way."""
    values = operator_values(plan)
    done: list[RenderedText] = []
    problems: list[PromptError] = []

    def attempt(key: PromptKey, more: Mapping[str, str], variant: str | None = None) -> None:
        try:
            done.append(render(texts, key, plan.language, {**values, **more}, variant))
        except PromptError as problem:
            problems.append(problem)

    for key in _PLAIN:
        attempt(key, {})
    for notice in plan.recordings:
        attempt(notice.announcement, recording_values(notice, plan.language), notice.variant)
        if notice.agent_consent:
            attempt(PromptKey.REC_CONSENT_AGENT, recording_values(notice, plan.language), notice.variant)
    for composed in (_layer2, _menu) if plan.menu else (_layer2,):
        try:
            done.append(composed(texts, plan))
        except PromptError as problem:
            problems.append(problem)
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
)


def _menu(texts: Texts, plan: LanguagePlan) -> RenderedText:
    options = [
        render(texts, PromptKey.MENU_OPTION, plan.language, {"LABEL": choice.label, "KEY": choice.key}).text
        for choice in plan.menu
    ]
    repeat = render(texts, PromptKey.MENU_REPEAT, plan.language, {}).text
    return RenderedText(PromptKey.MENU_OPTION, plan.language, MENU_VARIANT, " ".join([*options, repeat]))


def _layer2(texts: Texts, plan: LanguagePlan) -> RenderedText:
    """Layer 2, its sentence about recordings once for each regime, and left out where nothing is recorded."""
    template = texts.get(PromptKey.L2, plan.language)
    values = operator_values(plan)
    rows = _distinct([recording_values(notice, plan.language) for notice in plan.recordings])
    said: list[str] = []
    for sentence in re.split(r"(?<=[.!?]) ", template.text):
        part = Template(plan.language, PromptKey.L2, sentence)
        if part.placeholders & {"PURPOSE", "BASIS", "RETENTION"}:
            said.extend(_tidy(part.fill({**values, **row})) for row in rows)
        else:
            said.append(_tidy(part.fill(values)))
    return RenderedText(PromptKey.L2, plan.language, None, " ".join(said))


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
    return Template(template.language, template.key, re.sub(r"\bv \{TIME\}", "ve {TIME}", template.text))

"""The texts of every prompt in every language, and their placeholders (shipped in texts.json)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType

from oddzwon.prompts.errors import (
    MalformedTextError,
    MissingPlaceholderError,
    UnknownLanguageError,
    UnknownPlaceholderError,
    UnknownPromptError,
)


class Language(StrEnum):
    """The languages that ship with texts; the values are also Asterisk's CHANNEL(language)."""

    PL = "pl"
    CS = "cs"
    DE = "de"
    EN = "en"


class PromptKey(StrEnum):
    """The prompts; the values are the keys of texts.json and the `prompt` of a receipt (design.md §7)."""

    L1 = "L1"
    REC_OBJECT = "REC_OBJECT"
    REC_CONSENT = "REC_CONSENT"
    L2 = "L2"
    SHORT = "SHORT"
    MENU_OPTION = "MENU_OPTION"
    MENU_REPEAT = "MENU_REPEAT"
    REC_ANNOUNCE = "REC_ANNOUNCE"
    REC_CONSENT_AGENT = "REC_CONSENT_AGENT"
    RECORDED = "RECORDED"
    NOT_RECORDED = "NOT_RECORDED"
    OBJECTED = "OBJECTED"
    OBJECTION_UNDONE = "OBJECTION_UNDONE"
    CALLBACK = "CALLBACK"
    WRONG_PERSON = "WRONG_PERSON"
    CONNECTING = "CONNECTING"
    STATIC = "STATIC"
    AGENT_WHISPER = "AGENT_WHISPER"


SPOKEN_AT_CALL_TIME = frozenset({PromptKey.CALLBACK, PromptKey.AGENT_WHISPER})
"""Prompts that hold {TIME}, which is known only when the call is."""

MEANING: Mapping[str, str] = MappingProxyType(
    {
        "CONTROLLER": "the controller's name as callers know it",
        "URL": "the address of the notice page, such as example.com/privacy",
        "CONTACT": "the controller's contact",
        "DPO": "the data-protection officer's contact",
        "CALL_RETENTION": "how long the data of a call are kept",
        "PURPOSE": "the purpose of this recording in this language",
        "BASIS": "the legal basis of this recording in this language",
        "RETENTION": "how long this recording is kept",
        "RECIPIENTS": "who else receives the data",
        "AUTHORITY": "the supervisory authority",
        "LABEL": "the words for this menu key in this language",
        "KEY": "the menu key",
        "OTHER_CHANNEL": "another way to reach you, for who does not want to be recorded",
        "TIME": "the time at which the call was cut off",
    }
)
"""Every placeholder, and what a person has to set for it."""

_PLACEHOLDER = re.compile(r"\{([A-Z_]+)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def language_of(name: str) -> Language:
    """The language of that name; raises UnknownLanguageError."""
    try:
        return Language(name)
    except ValueError:
        raise UnknownLanguageError(name, list(Language)) from None


def placeholders(text: str) -> frozenset[str]:
    """The names of the {PLACEHOLDERS} in a text."""
    return frozenset(_PLACEHOLDER.findall(text))


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt's text in one language, with its placeholders still open."""

    language: Language
    key: PromptKey
    text: str

    @property
    def where(self) -> str:
        """The words by which an error names this text."""
        return f"prompt {self.key} in language {self.language.value!r}"

    @property
    def placeholders(self) -> frozenset[str]:
        """What has to be given."""
        return placeholders(self.text)

    def fill(self, values: Mapping[str, str], variant: str | None = None) -> str:
        """The text with its values; more values than needed are welcome, names that do not exist are not.

        Raises MissingPlaceholderError, UnknownPlaceholderError, MalformedTextError (control characters).
        """
        where = self.where if variant is None else f"{self.where}, variant {variant!r}"
        for name in values:
            if name not in MEANING:
                raise UnknownPlaceholderError(where, name, sorted(self.placeholders))

        def value(match: re.Match[str]) -> str:
            name = match[1]
            given = values.get(name, "").strip()
            if not given:
                raise MissingPlaceholderError(where, name, MEANING[name])
            if _CONTROL.search(given):
                raise MalformedTextError(f"{where}: the value of {{{name}}} holds a control character: {given!r}")
            return given

        return _PLACEHOLDER.sub(value, self.text)


@dataclass(frozen=True, slots=True)
class Texts:
    """All templates, the operator's own in place of the shipped ones."""

    templates: Mapping[tuple[Language, PromptKey], Template]

    def __iter__(self) -> Iterator[Template]:
        return iter(self.templates.values())

    def get(self, key: PromptKey, language: Language) -> Template:
        """The template; raises UnknownPromptError where the language has none."""
        template = self.templates.get((language, key))
        if template is None:
            raise UnknownPromptError(language, key, _why_absent(key, language))
        return template


def load_texts(own: Mapping[Language, Mapping[PromptKey, str]] | None = None) -> Texts:
    """The shipped texts, replaced by the operator's `own` where given.

    Raises MalformedTextError, UnknownPromptError, and UnknownPlaceholderError if an own text uses a
    placeholder that the shipped text of the same prompt does not have.
    """
    shipped = _read("texts.json")
    templates = {}
    for (language, key), text in shipped.items():
        templates[language, key] = _checked(Template(language, key, text), placeholders(text))
    for language, texts in (own or {}).items():
        for key, text in texts.items():
            if (language, key) not in shipped:
                raise UnknownPromptError(language, key, _why_absent(key, language))
            allowed = placeholders(shipped[language, key])
            templates[language, key] = _checked(Template(language, key, text), allowed)
    return Texts(MappingProxyType(templates))


def load_short_texts() -> Texts:
    """Texts of about a second for each prompt, which a quick test lets speak in place of the real ones."""
    short = _read("short_texts.json")
    return Texts(
        MappingProxyType({slot: _checked(Template(*slot, text), placeholders(text)) for slot, text in short.items()})
    )


def _read(name: str) -> dict[tuple[Language, PromptKey], str]:
    raw: dict[str, dict[str, str]] = json.loads(
        resources.files("oddzwon.prompts").joinpath(name).read_text(encoding="utf-8")
    )
    return {
        (Language(language), PromptKey(key)): text for language, texts in raw.items() for key, text in texts.items()
    }


def _checked(template: Template, allowed: frozenset[str]) -> Template:
    if not template.text.strip():
        raise MalformedTextError(f"{template.where} is empty: give it a text or leave it out")
    if _CONTROL.search(template.text):
        raise MalformedTextError(f"{template.where} holds a control character: write it in one line")
    for name in template.placeholders:
        if name not in allowed:
            raise UnknownPlaceholderError(template.where, name, sorted(allowed))
    rest = _PLACEHOLDER.sub("", template.text)
    if "{" in rest or "}" in rest:
        raise MalformedTextError(
            f"{template.where} holds a brace that belongs to no placeholder: write {{NAME}} in capitals"
        )
    return template


def _why_absent(key: PromptKey, language: Language) -> str:
    if key is PromptKey.REC_OBJECT and language is Language.DE:
        return "§ 201 StGB asks for consent before recording, use REC_CONSENT"
    return "give it a text of your own or use another prompt"

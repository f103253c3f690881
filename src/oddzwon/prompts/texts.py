"""The texts of every prompt in every language, and their placeholders: shipped in texts.json, or the operator's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from oddzwon.prompts.errors import (
    IncompleteTextError,
    MalformedTextError,
    MissingPlaceholderError,
    UnknownLanguageError,
    UnknownPlaceholderError,
    UnknownPromptError,
    WrongLanguageError,
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

SAID_FOR_A_KEY = frozenset(
    {
        PromptKey.MENU_OPTION,
        PromptKey.REC_OBJECT,
        PromptKey.REC_CONSENT,
        PromptKey.REC_ANNOUNCE,
        PromptKey.REC_CONSENT_AGENT,
    }
)
"""Prompts of which each key of the menu has its own."""

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

ANNOUNCES_RECORDING = frozenset(
    {PromptKey.REC_OBJECT, PromptKey.REC_CONSENT, PromptKey.REC_ANNOUNCE, PromptKey.REC_CONSENT_AGENT}
)
"""Prompts without which nothing is recorded: what they say of a recording has to be so."""

_WHY_AND_HOW_LONG = frozenset({"PURPOSE", "RETENTION"})
NEEDED: Mapping[PromptKey, tuple[frozenset[str], str]] = MappingProxyType(
    {
        PromptKey.L1: (frozenset({"CONTROLLER"}), "89"),
        PromptKey.REC_OBJECT: (_WHY_AND_HOW_LONG, "7"),
        PromptKey.REC_CONSENT: (_WHY_AND_HOW_LONG, "1"),
        PromptKey.REC_ANNOUNCE: (_WHY_AND_HOW_LONG, ""),
        PromptKey.REC_CONSENT_AGENT: (frozenset({"PURPOSE"}), "1"),
        PromptKey.CALLBACK: (frozenset(), "138"),
    }
)
"""What a text has to say, else its receipt proves nothing (Art. 13, 21(4) GDPR): placeholders, and keys as digits."""

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
class OwnPrompt:
    """The operator's own words, and perhaps own audio, for one prompt in one language.

    `menu_key` narrows it to one key of the menu, `did` (E.164) to the calls of one number. `audio` is a ready-made
    WAV or FLAC file that says `text`: the text is what a receipt's version and hash stand for.
    """

    key: PromptKey
    language: Language
    text: str
    menu_key: str | None = None
    did: str | None = None
    audio: Path | None = None

    @property
    def where(self) -> str:
        """The words by which an error names this text."""
        narrowed = (f", key {self.menu_key}" if self.menu_key else "") + (f", DID {self.did}" if self.did else "")
        return f"own text ([[prompts.own]]) for prompt {self.key} in language {self.language.value!r}{narrowed}"


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt's text in one language, with its placeholders still open; `own` is where an own text came from."""

    language: Language
    key: PromptKey
    text: str
    own: OwnPrompt | None = None

    @property
    def where(self) -> str:
        """The words by which an error names this text."""
        return self.own.where if self.own else f"prompt {self.key} in language {self.language.value!r}"

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
    """All templates, the operator's own in place of the shipped ones.

    `own` by language, prompt, key of the menu (None: every key) and DID (None: every DID).
    """

    shipped: Mapping[tuple[Language, PromptKey], Template]
    own: Mapping[tuple[Language, PromptKey, str | None, str | None], Template] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __iter__(self) -> Iterator[Template]:
        return iter(self.shipped.values())

    def get(
        self, key: PromptKey, language: Language, *, menu_key: str | None = None, did: str | None = None
    ) -> Template:
        """The template for a call of this DID and this key of the menu: what was given for the DID comes first.

        Raises UnknownPromptError where the language has none.
        """
        for slot in ((menu_key, did), (None, did), (menu_key, None), (None, None)):
            template = self.own.get((language, key, *slot))
            if template is not None:
                return template
        template = self.shipped.get((language, key))
        if template is None:
            raise UnknownPromptError(language, key, _why_absent(key, language))
        return template


def load_texts(own: Sequence[OwnPrompt] = ()) -> Texts:
    """The shipped texts, replaced by the operator's `own` where given.

    Raises MalformedTextError, UnknownPromptError; UnknownPlaceholderError if an own text uses a placeholder that the
    shipped text of the same prompt and language does not have; WrongLanguageError if it is another language's text;
    IncompleteTextError if it leaves out what :data:`NEEDED` asks for.
    """
    words = _read("texts.json")
    shipped = {slot: _checked(Template(*slot, text), placeholders(text)) for slot, text in words.items()}
    replaced: dict[tuple[Language, PromptKey, str | None, str | None], Template] = {}
    for one in own:
        slot = (one.language, one.key, one.menu_key, one.did)
        if slot in replaced:
            raise MalformedTextError(f"{one.where} stands twice: leave one of the two")
        if (one.language, one.key) not in shipped:
            raise UnknownPromptError(one.language, one.key, _why_absent(one.key, one.language))
        replaced[slot] = _own_checked(one, words)
    return Texts(MappingProxyType(shipped), MappingProxyType(replaced))


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


def _own_checked(one: OwnPrompt, shipped: Mapping[tuple[Language, PromptKey], str]) -> Template:
    allowed = placeholders(shipped[one.language, one.key])
    for (language, key), theirs in shipped.items():
        if language is one.language:
            continue
        if _bare(one.text) == _bare(theirs):
            raise WrongLanguageError(one.where, language)
        foreign = (placeholders(one.text) & placeholders(theirs)) - allowed if key is one.key else frozenset()
        if foreign:
            raise UnknownPlaceholderError(one.where, min(foreign), sorted(allowed), language)
    template = _checked(Template(one.language, one.key, one.text, one), allowed)
    if missing := list(left_out(template)):
        raise IncompleteTextError(template.where, missing)
    if one.audio is not None and "TIME" in template.placeholders:
        raise MalformedTextError(
            f"{one.where}: audio cannot say {{TIME}}, which only the call knows: leave {{TIME}} out, or the audio"
        )
    return template


def left_out(template: Template) -> Iterator[str]:
    """What the prompt is there to say (:data:`NEEDED`) and this text does not, in words for a person."""
    names, keys = NEEDED.get(template.key, (frozenset(), ""))
    for name in sorted(names - template.placeholders):
        yield f"{{{name}}} ({MEANING[name]})"
    words = _PLACEHOLDER.sub(" ", template.text)
    for key in keys:
        if not re.search(rf"(?<!\w){key}(?!\w)", words):
            yield f"the key {key}, written as a digit"


def _bare(text: str) -> str:
    """The words alone: the same text with other placeholders, spaces or signs is the same text."""
    return re.sub(r"\W+", " ", _PLACEHOLDER.sub(" ", text)).strip().casefold()


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

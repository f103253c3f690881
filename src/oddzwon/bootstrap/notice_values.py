"""The operator's settings as what the public notice page says; what it needs and has not is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from oddzwon.bootstrap.choices import countries
from oddzwon.bootstrap.lines import announced_on, line_of, recorded_choices
from oddzwon.bootstrap.notice_texts import earlier_texts, spoken_texts
from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.config import ConfigError, Settings
from oddzwon.config.values import LocalText, Section
from oddzwon.domain.notice import PromptKind
from oddzwon.domain.number import DomainError
from oddzwon.domain.recording import Regime
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import Language
from oddzwon.web.values import CallbackRules, NoticeValues, RecordedNumbers, RecordingRow, Way, Words


def notice_values(settings: Settings) -> tuple[NoticeValues, ...]:
    """One page for each language that callers can get to, in the order of the DIDs.

    Raises ConfigError with everything that is not set or cannot be, and PromptError for the announcements.
    """
    words = _OperatorWords()
    try:
        pages = [_page(settings, Language(code), words) for code in settings.languages()]
    except DomainError as error:
        raise ConfigError(str(error)) from error
    if words.missing:
        raise ConfigError("no page was written; set first:\n" + "\n".join(f"  - {one}" for one in words.missing))
    return tuple(
        replace(page, spoken=spoken_texts(settings, page), earlier=earlier_texts(settings, page)) for page in pages
    )


def _page(settings: Settings, language: Language, words: _OperatorWords) -> NoticeValues:
    controller = settings.controller

    def said(name: str) -> Words:
        return words.of(controller, "controller", name, language)

    if not controller.url.strip():
        words.missing.setdefault("controller.url: it is empty; for example przyklad.pl/rodo")
    return NoticeValues(
        language=language,
        controller=said("name"),
        url=controller.url,
        contact=said("contact"),
        dpo=said("dpo"),
        recipients=said("recipients"),
        authority=said("authority"),
        transfers=said("transfers") if controller.transfers else None,
        call_retention=Period(days=controller.call_retention_days),
        numbers=tuple(did.number for did in settings.dids),
        recordings=_recordings(settings, language, words),
        callbacks=_callback_rules(settings),
        spoken=(),
        earlier=(),
    )


@dataclass(slots=True)
class _OperatorWords:
    """Picks the operator's words for a language, and notes each one that is missing, once."""

    missing: dict[str, None] = field(default_factory=dict)

    def of(self, section: Section, key: str, name: str, language: Language) -> Words:
        """The words of one setting; ``key`` is the section's name for a person."""
        words = local_words(getattr(section, name), language)
        if not words.text.strip():
            info = type(section).model_fields[name]
            example = f" For example: {info.examples[0]}" if info.examples else ""
            self.missing.setdefault(f"{key}.{name}: nothing is set for {language}. {info.description}{example}")
        return words


def local_words(text: LocalText, language: Language) -> Words:
    """The words for a language; those of a table's first entry, marked as such, where it has none."""
    if isinstance(text, str):
        return Words(text.strip())
    of_code = {str(code): words.strip() for code, words in text.items()}
    if language in of_code:
        return Words(of_code[language])
    code, words = next(iter(of_code.items()), (language, ""))
    return Words(words, Language(code))


def _callback_rules(settings: Settings) -> CallbackRules:
    callbacks = settings.callbacks
    countries(callbacks.countries)  # refuses what is no country
    return CallbackRules(
        on=callbacks.balancing_test is not None,
        first_dial_s=callbacks.first_dial_s,
        lapse_s=callbacks.lapse_s,
        max_dials=callbacks.max_dials,
        queued_too=callbacks.policy != "strict",
        eu_eea="EU_EEA" in callbacks.countries,
        regions=tuple(region for region in callbacks.countries if region != "EU_EEA"),
    )


# --- recordings -------------------------------------------------------------------------------------------------


def _recordings(settings: Settings, language: Language, words: _OperatorWords) -> tuple[RecordedNumbers, ...]:
    """What is recorded on each number, numbers on which it is the same together."""
    if not settings.recording.enabled:
        return ()
    groups: dict[tuple[RecordingRow, ...], list[str]] = {}
    for did in settings.dids:
        # somebody may read this page in a language that he cannot have heard on that number
        heard = language if language in settings.languages_of(did) else did.language
        line = replace(line_of(did), language=heard)
        rows = tuple(_rows(settings, line, language, words))
        groups.setdefault(rows, []).append(did.number)
    return tuple(RecordedNumbers(tuple(numbers), rows) for rows, numbers in groups.items() if rows)


_WAYS: Final = {
    PromptKind.REC_CONSENT: Way.CONSENT,
    PromptKind.REC_OBJECT: Way.OBJECT,
    PromptKind.REC_ANNOUNCE: Way.ANNOUNCE,
}


def _rows(settings: Settings, line: Line, language: Language, words: _OperatorWords) -> Iterator[RecordingRow]:
    for section, choice in recorded_choices(settings):
        announced = announced_on(settings, choice, line)
        if announced is not None and (choice.regime is not Regime.CONTRACT or choice.reference):
            yield _row(section, choice, announced, language, words)


def _row(
    section: Section, choice: Choice, announced: tuple[PromptKind, Period], language: Language, words: _OperatorWords
) -> RecordingRow:
    """What is said of one recording."""
    prompt, period = announced
    way = _WAYS[prompt]
    name = f"menu.options, key {choice.key}" if choice.key else "recording.contract"

    def said(what: str, *, needed: bool = True) -> Words:
        return words.of(section, name, what, language) if needed else local_words(getattr(section, what), language)

    return RecordingRow(
        key=choice.key or None,
        label=said("label") if choice.key else Words(""),
        regime=choice.regime,
        way=way,
        purpose=said("purpose"),
        basis=said("basis", needed=way is Way.ANNOUNCE and choice.regime is Regime.LEGAL),
        other_channel=said("other_channel", needed=way is Way.ANNOUNCE),
        retention=period,
    )

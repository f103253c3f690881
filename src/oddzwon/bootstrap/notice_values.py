"""The operator's settings as what the public notice page says; what it needs and has not is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from oddzwon.bootstrap.choices import countries
from oddzwon.bootstrap.lines import line_of
from oddzwon.bootstrap.notice_texts import earlier_texts, spoken_texts
from oddzwon.callflow.switchboard import Line
from oddzwon.config import ConfigError, Settings
from oddzwon.config.recording import ContractSegment
from oddzwon.config.values import LocalText, Section
from oddzwon.domain.number import DomainError
from oddzwon.domain.recording import Mode, Regime, Retention, mode_for, retention_for
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


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What may be recorded: a key of the menu, or the contract segment. ``retention`` None: the regime's default."""

    section: Section
    name: str
    key: str | None
    label: LocalText
    regime: Regime
    retention: Retention | None
    reference: str


def _recordings(settings: Settings, language: Language, words: _OperatorWords) -> tuple[RecordedNumbers, ...]:
    """What is recorded on each number, numbers on which it is the same together."""
    if not settings.recording.enabled:
        return ()
    groups: dict[tuple[RecordingRow, ...], list[str]] = {}
    for did in settings.dids:
        # somebody may read this page in a language that he cannot have heard on that number
        heard = language if language in settings.languages_of(did) else did.language
        line = replace(line_of(did), language=heard)
        rows = (_row(settings, recorded, line, language, words) for recorded in _all_recorded(settings))
        groups.setdefault(tuple(row for row in rows if row is not None), []).append(did.number)
    return tuple(RecordedNumbers(tuple(numbers), rows) for rows, numbers in groups.items() if rows)


def _all_recorded(settings: Settings) -> Iterator[_Recorded]:
    for option in settings.menu.options:
        name = f"menu.options, key {option.key}"
        regime = Regime(option.regime)
        days = option.retention_days
        if not days and regime is Regime.QUALITY:
            days = settings.recording.quality_retention_days
        yield _Recorded(option, name, option.key, option.label, regime, _chosen(days), option.reference)
    segment: ContractSegment | None = settings.recording.contract
    if segment is not None:
        retention = _chosen(segment.retention_days)
        yield _Recorded(segment, "recording.contract", None, "", Regime.CONTRACT, retention, segment.reference)


def _chosen(days: int) -> Retention | None:
    return Retention(days=days) if days else None


def _row(
    settings: Settings, recorded: _Recorded, line: Line, language: Language, words: _OperatorWords
) -> RecordingRow | None:
    """What is said of one recording on one line; None where nothing is recorded."""
    way = _way(settings, recorded, line)
    retention = retention_for(line.rules, recorded.regime, recorded.retention)
    if way is None or retention.is_zero or (recorded.regime is Regime.CONTRACT and not recorded.reference):
        return None

    def said(name: str, *, needed: bool = True) -> Words:
        if needed:
            return words.of(recorded.section, recorded.name, name, language)
        return local_words(getattr(recorded.section, name), language)

    return RecordingRow(
        key=recorded.key,
        label=said("label") if recorded.key else Words(""),
        regime=recorded.regime,
        way=way,
        purpose=said("purpose"),
        basis=said("basis", needed=way is Way.ANNOUNCE and recorded.regime is Regime.LEGAL),
        other_channel=said("other_channel", needed=way is Way.ANNOUNCE),
        retention=_period(retention),
    )


def _way(settings: Settings, recorded: _Recorded, line: Line) -> Way | None:
    recording = settings.recording
    of_quality = recorded.regime is Regime.QUALITY
    mode = mode_for(
        line.rules,
        recorded.regime,
        balancing_test=recording.balancing_test.id if recording.balancing_test else None,
        chosen=Mode(recording.quality_mode) if recording.quality_mode and of_quality else None,
        language=line.language,
    )
    if mode is None:
        return None
    if mode is Mode.KEYPRESS:
        return Way.CONSENT
    return Way.OBJECT if of_quality else Way.ANNOUNCE


def _period(retention: Retention) -> Period:
    """The period as it is announced."""
    if retention.years and not retention.days:
        return Period(years=retention.years, to_year_end=retention.to_year_end)
    return Period(days=retention.longest_days())

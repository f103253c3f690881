"""The operator's numbers and menu keys as the flows know them."""

from __future__ import annotations

from collections.abc import Iterator

from oddzwon.callflow.recording import recording_retention_of
from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.config import ConfigError, Did, MenuOption, Settings
from oddzwon.config.recording import ContractSegment
from oddzwon.domain.notice import PromptKind
from oddzwon.domain.number import Number, parse
from oddzwon.domain.recording import (
    RECORDING_RULES,
    Mode,
    RecordingRules,
    Regime,
    Retention,
    announcement_for,
    mode_for,
)
from oddzwon.prompts.spoken import Period


def line_of(did: Did) -> Line:
    """The line of a number; raises :class:`ConfigError` where it is none of any country's plan."""
    number = parse(did.number, "ZZ")
    if not isinstance(number, Number) or number.region is None:
        msg = f"dids: {did.number} is no number of a country's plan; for example +48221234567"
        raise ConfigError(msg)
    rules: RecordingRules = RECORDING_RULES[did.preset]
    return Line(did.number, did.language, did.preset, number.region, rules)


def choice_of(option: MenuOption) -> Choice:
    """What a key of the menu stands for."""
    retention = Retention(days=option.retention_days) if option.retention_days else None
    return Choice(option.key, option.queue, Regime(option.regime), retention, option.reference or None)


def segment_of(contract: ContractSegment | None) -> Choice | None:
    """What a contract segment is recorded under: no key of the menu leads to it, but the agent's code."""
    if contract is None:
        return None
    retention = Retention(days=contract.retention_days) if contract.retention_days else None
    return Choice("", "", Regime.CONTRACT, retention, contract.reference)


def recorded_choices(settings: Settings) -> Iterator[tuple[MenuOption | ContractSegment, Choice]]:
    """Whatever may be recorded: what each key of the menu leads to, and the contract segment."""
    yield from ((option, choice_of(option)) for option in settings.menu.options)
    contract = settings.recording.contract
    segment = segment_of(contract)
    if contract is not None and segment is not None:
        yield contract, segment


def announced_on(settings: Settings, choice: Choice, line: Line) -> tuple[PromptKind, Period] | None:
    """What announces this choice's recording on this line, and the period that it names; None: nothing is recorded.

    The period is never less than what is kept, and in whole years where it is given so. Raises RetentionError.
    """
    recording = settings.recording
    if not recording.enabled:
        return None
    mode = mode_for(
        line.rules,
        choice.regime,
        balancing_test=recording.balancing_test.id if recording.balancing_test else None,
        chosen=Mode(recording.quality_mode) if recording.quality_mode and choice.regime is Regime.QUALITY else None,
        language=line.language,
    )
    prompt = announcement_for(choice.regime, mode)
    retention = recording_retention_of(choice, line.rules, Retention(days=recording.quality_retention_days))
    if prompt is None or retention.is_zero:
        return None
    if retention.years and not retention.days:
        return prompt, Period(years=retention.years, to_year_end=retention.to_year_end)
    return prompt, Period(days=retention.longest_days())

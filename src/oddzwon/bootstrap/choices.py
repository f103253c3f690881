"""The operator's settings as the flows' choices and as the plan of what has to be spoken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from phonenumbers import SUPPORTED_REGIONS

from oddzwon.callflow.recording import recording_retention_of, variant_of
from oddzwon.callflow.switchboard import Choice, Choices, Line
from oddzwon.config import ConfigError, Did, MenuOption, Settings, in_language
from oddzwon.domain.callback import Limits
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.number import EU_EEA, DomainError, Number, NumberPolicy, parse
from oddzwon.domain.policy import STRICT_STAGES, BalancingTest, Policy
from oddzwon.domain.recording import (
    RECORDING_RULES,
    Mode,
    RecordingRules,
    Regime,
    Retention,
    announcement_for,
    mode_for,
)
from oddzwon.prompts.plan import LanguagePlan, MenuChoice, OperatorValues, PromptPlan, RecordingNotice
from oddzwon.prompts.rendering import operator_values
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import Language, PromptKey


def choices_from(settings: Settings) -> Choices:
    """The flows' choices; raises :class:`ConfigError` where a value is none that the law's tables know."""
    try:
        return _choices(settings)
    except DomainError as error:
        raise ConfigError(str(error)) from error


def _choices(settings: Settings) -> Choices:
    recording, callbacks, menu = settings.recording, settings.callbacks, settings.menu
    return Choices(
        pbx=settings.pbx,
        lines={did.number: _line(did) for did in settings.dids},
        menu={option.key: _choice(option) for option in menu.options},
        default_key=menu.default_key,
        menu_wait_ms=_ms(menu.wait_s),
        menu_rounds=menu.rounds,
        recordings=recording.directory if recording.enabled else None,
        quality_mode=Mode(recording.quality_mode) if recording.quality_mode else None,
        recording_test=recording.balancing_test.id if recording.balancing_test else None,
        agents_consented=recording.agents_consented,
        quality_retention=Retention(days=recording.quality_retention_days),
        policy=policy_from(settings),
        limits=Limits(max_dials=callbacks.max_dials, gap_ms=_ms(callbacks.gap_s)),
        grace_ms=_ms(callbacks.grace_s),
        ring_limit_ms=_ms(callbacks.ring_limit_s),
        key_wait_ms=_ms(callbacks.key_wait_s),
        trunk=callbacks.trunk,
        agent_ring_s=callbacks.agent_ring_s,
        priority=callbacks.priority,
        greeting_values={plan.language.value: operator_values(plan) for plan in prompt_plan(settings).languages},
        cel=settings.missed.cel,
        spool=settings.missed.spool,
    )


def policy_from(settings: Settings) -> Policy:
    """The policy of the decision, whose hash every decision carries."""
    callbacks = settings.callbacks
    test = callbacks.balancing_test
    policy = Policy(
        name=callbacks.policy,
        min_confidence=Confidence(callbacks.min_confidence),
        numbers=NumberPolicy(countries(callbacks.countries)),
        first_dial_ms=_ms(callbacks.first_dial_s),
        lapse_ms=_ms(callbacks.lapse_s),
        max_dials=callbacks.max_dials,
        balancing_test=BalancingTest(test.id, test.date.isoformat()) if test else None,
    )
    return replace(policy, stages=STRICT_STAGES) if callbacks.policy == "strict" else policy


def countries(names: Iterable[str]) -> frozenset[str]:
    """The region codes meant: ``EU_EEA`` stands for all of theirs. Raises :class:`ConfigError`."""
    found: set[str] = set()
    for name in names:
        if name == "EU_EEA":
            found |= EU_EEA
        elif name in SUPPORTED_REGIONS:
            found.add(name)
        else:
            msg = (
                f"callbacks.countries: {name!r} is neither EU_EEA nor a country's code of ISO 3166-1 (GB, not UK); "
                'for example ["EU_EEA", "GB"]'
            )
            raise ConfigError(msg)
    return frozenset(found)


def prompt_plan(settings: Settings) -> PromptPlan:
    """Everything that has to be spoken, in every language of the DIDs."""
    return PromptPlan(
        languages=tuple(_language_plan(settings, language) for language in settings.languages()),
        layer1_limit_s=settings.prompts.layer1_limit_s,
        short=settings.prompts.short,
    )


def _language_plan(settings: Settings, language: str) -> LanguagePlan:
    c = settings.controller
    code = Language(language)
    operator = OperatorValues(
        controller=in_language(c.name, language),
        url=c.url,
        contact=in_language(c.contact, language),
        dpo=in_language(c.dpo, language),
        recipients=in_language(c.recipients, language),
        authority=in_language(c.authority, language),
        call_retention=Period(days=c.call_retention_days),
    )
    menu = tuple(MenuChoice(option.key, in_language(option.label, language)) for option in settings.menu.options)
    lines = {did.preset: _line(did) for did in settings.dids if did.language == language}
    notices = [
        notice
        for line in lines.values()
        for option in settings.menu.options
        if (notice := _notice(settings, option, line)) is not None
    ]
    return LanguagePlan(code, operator, menu, tuple(notices))


def _notice(settings: Settings, option: MenuOption, line: Line) -> RecordingNotice | None:
    """The announcement that this key needs on this line; None where it records nothing."""
    recording = settings.recording
    if not recording.enabled:
        return None
    choice = _choice(option)
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
    return RecordingNotice(
        variant=variant_of(choice, line),
        announcement=PromptKey(prompt.value),
        purpose=in_language(option.purpose, line.language),
        retention=_spoken(retention),
        basis=in_language(option.basis, line.language),
        other_channel=in_language(option.other_channel, line.language),
    )


def _spoken(retention: Retention) -> Period:
    """The period as it is said: whole years where it is given in years."""
    if retention.years and not retention.days:
        return Period(years=retention.years)
    return Period(days=retention.longest_days())


def _line(did: Did) -> Line:
    number = parse(did.number, "ZZ")
    if not isinstance(number, Number) or number.region is None:
        msg = f"dids: {did.number} is no number of a country's plan; for example +48221234567"
        raise ConfigError(msg)
    rules: RecordingRules = RECORDING_RULES[did.preset]
    return Line(did.number, did.language, did.preset, number.region, rules)


def _choice(option: MenuOption) -> Choice:
    retention = Retention(days=option.retention_days) if option.retention_days else None
    return Choice(option.key, option.queue, Regime(option.regime), retention, option.reference or None)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

"""The operator's settings as the flows' choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from phonenumbers import SUPPORTED_REGIONS

from oddzwon.bootstrap.lines import choice_of, line_of, segment_of
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.callflow.switchboard import Choices
from oddzwon.config import ConfigError, Settings
from oddzwon.config.callbacks import Callbacks
from oddzwon.domain.callback import Limits
from oddzwon.domain.caps import Caps
from oddzwon.domain.hangup_cause import AttemptOutcome, Confidence
from oddzwon.domain.language import LanguageRules, LanguageSource
from oddzwon.domain.number import EU_EEA, DomainError
from oddzwon.domain.policy import JURISDICTIONS, PRESETS, BalancingTest, Policy
from oddzwon.domain.recording import Mode, Retention
from oddzwon.domain.storm import Rule as StormRule
from oddzwon.prompts.rendering import operator_values


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
        lines={did.number: line_of(did) for did in settings.dids},
        menu={option.key: choice_of(option) for option in menu.options},
        default_key=menu.default_key,
        menu_wait_ms=_ms(menu.wait_s),
        menu_rounds=menu.rounds,
        recordings=recording.directory if recording.enabled else None,
        quality_mode=Mode(recording.quality_mode) if recording.quality_mode else None,
        recording_test=recording.balancing_test.id if recording.balancing_test else None,
        agents_consented=recording.agents_consented,
        quality_retention=Retention(days=recording.quality_retention_days),
        policies=policies_from(settings),
        limits=Limits(max_dials=callbacks.max_dials, gap_ms=_ms(callbacks.gap_s), retry=_retry(callbacks)),
        grace_ms=_ms(callbacks.grace_s),
        ring_limit_ms=_ms(callbacks.ring_limit_s),
        key_wait_ms=_ms(callbacks.key_wait_s),
        trunk=callbacks.trunk,
        agent_ring_s=callbacks.agent_ring_s,
        priority=callbacks.priority,
        language=_language_rules(settings),
        layer1_skippable=menu.layer1_skippable,
        contract=segment_of(recording.contract),
        min_free_bytes=recording.min_free_mb * 1_000_000,
        agent_consent_ms=_ms(recording.agent_consent_hours * 3600),
        greeting_values={plan.language.value: operator_values(plan) for plan in prompt_plan(settings).languages},
        agent_first=callbacks.mode == "agent_first",
        same_agent_wait_s=callbacks.same_agent_wait_s,
        agent_display=callbacks.agent_display,
        cancel_code=callbacks.cancel_code,
        channels=callbacks.channels,
        dials_per_minute=callbacks.dials_per_minute,
        amd=callbacks.answer_check == "amd",
        caps=Caps(**callbacks.caps.model_dump()),
        storm=_storm(settings),
        cel=settings.missed.cel,
        spool=settings.missed.spool,
    )


def policies_from(settings: Settings) -> dict[str, Policy]:
    """The policy of each jurisdiction's preset, by its name: the operator's values laid over it.

    Raises :class:`ConfigError` or DomainError.
    """
    return {name: _laid_over(PRESETS[name], settings.callbacks) for name in JURISDICTIONS}


def _laid_over(preset: Policy, callbacks: Callbacks) -> Policy:
    """Countries that the operator has named are the only ones; else they are the preset's own."""
    test = callbacks.balancing_test
    named = "countries" in callbacks.model_fields_set
    policy = replace(
        preset,
        min_confidence=Confidence(callbacks.min_confidence),
        numbers=replace(preset.numbers, allowed_countries=countries(callbacks.countries)) if named else preset.numbers,
        first_dial_ms=_ms(callbacks.first_dial_s),
        lapse_ms=_ms(callbacks.lapse_s),
        max_dials=callbacks.max_dials,
        balancing_test=BalancingTest(test.id, test.date.isoformat()) if test else None,
    )
    return policy.strictly() if callbacks.policy == "strict" else policy


def _storm(settings: Settings) -> StormRule:
    storm = settings.alarms.storm
    return StormRule(storm.drops, _ms(storm.within_s), gives_up_ms=_ms(settings.callbacks.lapse_s))


def _retry(callbacks: Callbacks) -> dict[AttemptOutcome, int]:
    """The gaps that differ from ``gap_s``, in milliseconds; 0 ends the callback."""
    return {
        AttemptOutcome(outcome): _ms(seconds)
        for outcome, seconds in callbacks.retry.model_dump().items()
        if seconds is not None
    }


def _language_rules(settings: Settings) -> LanguageRules:
    """How a call's language is found. Raises :class:`ConfigError` for what is no country."""
    language = settings.language
    for region in language.countries:
        if region not in SUPPORTED_REGIONS:
            msg = f"language.countries: {region!r} is no country's code of ISO 3166-1 (GB, not UK); for example CZ"
            raise ConfigError(msg)
    order = tuple(LanguageSource(source) for source in language.order)
    return LanguageRules(order, dict(language.countries), dict(language.keys))


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


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

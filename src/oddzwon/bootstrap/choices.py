"""The operator's settings as the flows' choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from phonenumbers import SUPPORTED_REGIONS

from oddzwon.bootstrap.lines import choice_of, line_of, segment_of
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.callflow.switchboard import Choices
from oddzwon.config import ConfigError, Settings
from oddzwon.domain.callback import Limits
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.language import LanguageRules, LanguageSource
from oddzwon.domain.number import EU_EEA, DomainError, NumberPolicy
from oddzwon.domain.policy import STRICT_STAGES, BalancingTest, Policy
from oddzwon.domain.recording import Mode, Retention
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
        policy=policy_from(settings),
        limits=Limits(max_dials=callbacks.max_dials, gap_ms=_ms(callbacks.gap_s)),
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

"""The operator's settings as the plan of what has to be spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oddzwon.bootstrap.lines import announced_on, line_of, recorded_choices
from oddzwon.callflow.recording import variant_of
from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.config import ConfigError, Did, MenuOption, Settings, in_language
from oddzwon.config.recording import ContractSegment
from oddzwon.config.spoken import OwnText
from oddzwon.prompts.plan import DidPlan, LanguagePlan, MenuChoice, OperatorValues, PromptPlan, RecordingNotice
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import SAID_FOR_A_KEY, Language, OwnPrompt, PromptKey

CONTRACT = "contract"
"""In place of a key of the menu: the contract segment, which the agent's code leads to."""


def prompt_plan(settings: Settings) -> PromptPlan:
    """Everything that has to be spoken, in every language that a caller can get to.

    Raises :class:`ConfigError` for an own text that no caller could hear.
    """
    own = tuple(_own(settings, number, one) for number, one in enumerate(settings.prompts.own))
    with_own = {one.did for one in own}
    return PromptPlan(
        languages=tuple(_language_plan(settings, language, settings.dids) for language in settings.languages()),
        layer1_limit_s=settings.prompts.layer1_limit_s,
        short=settings.prompts.short,
        own=own,
        dids=tuple(
            DidPlan(did.number, _language_plan(settings, language, (did,)))
            for did in settings.dids
            if did.number in with_own
            for language in settings.languages_of(did)
        ),
    )


def _own(settings: Settings, number: int, one: OwnText) -> OwnPrompt:
    where = f"prompts.own.{number} ({one.prompt}, {one.language})"
    dids = {did.number: did for did in settings.dids}
    if one.did is not None and one.did not in dids:
        msg = f"{where}: did: {one.did} is none of yours; choose one of {', '.join(dids)}, or leave it out"
        raise ConfigError(msg)
    heard = settings.languages() if one.did is None else settings.languages_of(dids[one.did])
    if one.language not in heard:
        msg = f"{where}: nobody hears language {one.language} there; choose one of {', '.join(heard)}"
        raise ConfigError(msg)
    if one.key is not None:
        _refuse_key(settings, where, one.prompt, one.key)
    return OwnPrompt(PromptKey(one.prompt), Language(one.language), one.text, one.key, one.did, one.audio)


def _refuse_key(settings: Settings, where: str, prompt: str, key: str) -> None:
    if prompt not in SAID_FOR_A_KEY:
        msg = f"{where}: key: {prompt} is the same for every key; only {', '.join(sorted(SAID_FOR_A_KEY))} are not"
        raise ConfigError(msg)
    keys = sorted({option.key for option in settings.menu.options} | set(settings.language.keys))
    keys += [CONTRACT] if settings.recording.contract is not None else []
    if key not in keys:
        msg = f"{where}: key: {key} leads nowhere; choose one of {', '.join(keys)}"
        raise ConfigError(msg)


def _language_plan(settings: Settings, language: str, dids: Sequence[Did]) -> LanguagePlan:
    """What callers of these DIDs can hear in a language."""
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
    reached_from = (did for did in dids if language in settings.languages_of(did))
    lines = {did.preset: replace(line_of(did), language=language) for did in reached_from}
    notices = [
        notice
        for line in lines.values()
        for option, choice in recorded_choices(settings)
        if (notice := _notice(settings, option, choice, line)) is not None
    ]
    language_key = next((key for key, meant in settings.language.keys.items() if meant == language), None)
    return LanguagePlan(code, operator, menu, tuple(notices), language_key)


def _notice(
    settings: Settings, option: MenuOption | ContractSegment, choice: Choice, line: Line
) -> RecordingNotice | None:
    """The announcement that this choice needs on this line; None where it records nothing."""
    announced = announced_on(settings, choice, line)
    if announced is None:
        return None
    prompt, period = announced
    return RecordingNotice(
        variant=variant_of(choice, line),
        announcement=PromptKey(prompt.value),
        purpose=in_language(option.purpose, line.language),
        retention=period,
        basis=in_language(option.basis, line.language),
        other_channel=in_language(option.other_channel, line.language),
        agent_consent=line.rules.agent_too,
        menu_key=choice.key or CONTRACT,
    )

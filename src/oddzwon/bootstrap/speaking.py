"""The speech engine that the operator chose, and what it speaks for."""

from __future__ import annotations

from collections.abc import Mapping

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.callflow.alarms import Alarms
from oddzwon.config import ConfigError, Settings
from oddzwon.prompts.build import plan_of
from oddzwon.prompts.errors import BuildRefusedError
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.plan import PromptPlan
from oddzwon.prompts.rendering import Slot, where
from oddzwon.prompts.speech import CommandSpeaker, EspeakSpeaker, Speaker
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import Language, load_texts


def studio_for(settings: Settings) -> Studio:
    """The engine with its levelling; raises :class:`ConfigError` for a command that is not one."""
    return Studio(speaker_for(settings))


def speaker_for(settings: Settings) -> Speaker:
    """The engine alone; raises :class:`ConfigError` likewise."""
    if settings.prompts.speaker == "espeak":
        return EspeakSpeaker()
    missing = [language for language in settings.languages() if language not in settings.prompts.command]
    if missing:
        msg = f'prompts.command: speaker = "command" has no command for {", ".join(missing)}'
        raise ConfigError(msg)
    return CommandSpeaker({Language(code): argv for code, argv in settings.prompts.command.items()})


def library_for(settings: Settings) -> PromptLibrary:
    """The library with engine and own texts, as the service needs it (blocking).

    It announces a recording only in the words that the settings give now. Raises :class:`ConfigError`, ManifestError,
    TextError.
    """
    plan = prompt_plan(settings)
    return PromptLibrary.open(
        settings.prompts.directory,
        studio_for(settings),
        texts=load_texts(plan.own),
        short=settings.prompts.short,
        wanted=_versions(plan),
    )


def note_stale(prompts: PromptLibrary, alarms: Alarms) -> None:
    """Callers hear what was built: an alarm where the settings give other words now."""
    if prompts.stale:
        alarms.raise_(
            "prompts-stale",
            f"{len(prompts.stale)} not built as the settings give them now, such as {where(prompts.stale[0])}: run "
            "`oddzwon prompts build`, then restart the service; until then callers hear the old ones, and nothing is "
            "recorded after an announcement among them",
        )


def _versions(plan: PromptPlan) -> Mapping[Slot, str]:
    """The version of every text as the settings give it; none where they cannot be rendered, so nothing is recorded.

    Calls are served all the same; `oddzwon prompts build` says what to mend.
    """
    try:
        return {text.slot: text.version for text in plan_of(plan)}
    except BuildRefusedError:
        return {}

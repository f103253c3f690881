"""The speech engine that the operator chose."""

from __future__ import annotations

from oddzwon.config import ConfigError, Settings
from oddzwon.prompts.speech import CommandSpeaker, EspeakSpeaker, Speaker
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import Language


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

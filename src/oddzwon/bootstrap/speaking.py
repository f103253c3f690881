"""The speech engine that the operator chose, and what it speaks for."""

from __future__ import annotations

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.config import ConfigError, Settings
from oddzwon.prompts.library import PromptLibrary
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

    Raises :class:`ConfigError`, ManifestError, TextError.
    """
    texts = load_texts(prompt_plan(settings).own)
    directory, short = settings.prompts.directory, settings.prompts.short
    return PromptLibrary.open(directory, studio_for(settings), texts=texts, short=short)

"""The language that a caller chooses by a key."""

from __future__ import annotations

from collections.abc import Mapping

from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.talk import Talk
from oddzwon.domain.notice import PromptKind, was_told
from oddzwon.log.errors import LogError
from oddzwon.prompts.rendering import LANGUAGE_VARIANT
from oddzwon.prompts.texts import PromptKey


async def offer_before_layer1(talk: Talk) -> None:
    """Where his key comes first in the order: every language in its own voice; silence leaves it at what it is.

    A key that stands for no language waits for the menu.
    """
    keys = talk.board.choices.language.keys_at_start
    key = await say_languages(talk, keys, "".join(keys))
    if key is not None:
        await go_on_in(talk, keys[key])


async def say_languages(talk: Talk, offered: Mapping[str, str], keys: str) -> str | None:
    """Say each language's key in its own voice and wait; returns the one of ``keys`` that was pressed meanwhile."""
    key: str | None = None
    for n, language in enumerate(offered.values(), start=1):
        wait_ms = talk.board.choices.menu_wait_ms if n == len(offered) else 0
        variant = LANGUAGE_VARIANT.format(language)
        key = await talk.hear(PromptKey.MENU_OPTION, variant, keys=keys, wait_ms=wait_ms, language=language)
        if key is not None:
            break
    return key


async def go_on_in(talk: Talk, language: str) -> None:
    """The call goes on in this language, and after a restart of ours still does."""
    live, board = talk.live, talk.board
    await talk.speak(language)
    if live.id is None:
        return
    try:
        await board.log.change_call(live.id, language=language)
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))


def was_told_in(live: LiveCall, language: str) -> bool:
    """Whether he has heard layer 1 in this language."""
    return was_told((r for r in live.receipts if r.language == language), PromptKind.LAYER1)

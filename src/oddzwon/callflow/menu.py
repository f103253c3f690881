"""The menu, as the operator has declared it: keys to queues, and those that every menu has."""

from __future__ import annotations

from oddzwon.callflow.language import go_on_in, say_languages, was_told_in
from oddzwon.callflow.notices import FULL_NOTICE, layer1, layer2
from oddzwon.callflow.objection import OBJECT, toggle_objection
from oddzwon.callflow.switchboard import Choice
from oddzwon.callflow.talk import ANY_KEY, Talk
from oddzwon.domain.events import Stage
from oddzwon.prompts.rendering import MENU_VARIANT
from oddzwon.prompts.texts import PromptKey

REPEAT = "0#"


async def menu(talk: Talk) -> Choice:
    """The caller's choice; who stays silent, or presses what is no key of the menu, is asked again, then defaulted."""
    choices = talk.board.choices
    talk.reach(Stage.MENU)
    rounds = 0
    key: str | None = None
    while rounds < choices.menu_rounds:
        key = key or await _ask(talk)
        if key is not None and key in choices.menu:
            return choices.menu[key]
        if key is not None and key in _others(talk):
            language = talk.language
            key = await _serve(talk, key)
            rounds = rounds if talk.language == language else 0  # he has heard nothing of it that he understood
        else:
            rounds, key = rounds + 1, None
    return choices.menu[choices.default_key]


def _others(talk: Talk) -> str:
    """The menu's keys that choose no queue."""
    return FULL_NOTICE + OBJECT + REPEAT + "".join(talk.board.choices.language.keys_in_menu)


async def _ask(talk: Talk) -> str | None:
    """Say the menu, then the other languages' keys, and wait; any key ends it."""
    choices = talk.board.choices
    offered = {key: code for key, code in choices.language.keys_in_menu.items() if code != talk.language}
    wait_ms = 0 if offered else choices.menu_wait_ms
    key = await talk.hear(PromptKey.MENU_OPTION, MENU_VARIANT, keys=ANY_KEY, wait_ms=wait_ms)
    return await say_languages(talk, offered, ANY_KEY) if key is None and offered else key


async def _serve(talk: Talk, key: str) -> str | None:
    """What a key that chooses no queue stands for; returns the next key, if it came meanwhile."""
    keys = "".join(talk.board.choices.menu) + _others(talk)
    if key == FULL_NOTICE:
        return await layer2(talk, keys)
    if key == OBJECT:
        return await toggle_objection(talk, keys)
    language = talk.board.choices.language.keys_in_menu.get(key)
    if language is not None and language != talk.language:
        await go_on_in(talk, language)
        if not was_told_in(talk.live, language):
            await layer1(talk)
            talk.reach(Stage.MENU)
    return None

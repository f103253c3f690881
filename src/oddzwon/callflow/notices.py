"""What every caller is told first: layer 1, or the short notice if he was cut off a moment ago (Art. 13 GDPR)."""

from __future__ import annotations

from oddzwon.callflow.objection import OBJECT, toggle_objection
from oddzwon.callflow.talk import ANY_KEY, PLAYED_AGAIN, Talk
from oddzwon.domain.events import Stage
from oddzwon.domain.recording import HEARD_MS
from oddzwon.prompts.texts import PromptKey

FULL_NOTICE = "9"


async def layer1(talk: Talk) -> None:
    """Layer 1, to its end; what is pressed meanwhile is served when the menu comes.

    Where the operator lets it be skipped, any key ends it, is on its receipt, and is served in the menu as well.
    """
    talk.reach(Stage.NOTICE)
    key = await _notice(talk, PromptKey.L1, ANY_KEY if talk.board.choices.layer1_skippable else "")
    if key is not None:
        talk.live.keypad.again(key)


async def short_notice(talk: Talk) -> None:
    """The notice of one who comes back; 9 reads him layer 2, 8 is his objection, as layer 1 had told him."""
    talk.reach(Stage.NOTICE)
    keys = FULL_NOTICE + OBJECT
    key = await _notice(talk, PromptKey.SHORT, keys) or await talk.waiting(keys)
    while key is not None:
        key = await (toggle_objection(talk, keys) if key == OBJECT else layer2(talk, ANY_KEY))
        key = key if key is not None and key in keys else None


async def _notice(talk: Talk, prompt_key: PromptKey, keys: str) -> str | None:
    """Play a notice that one of ``keys`` may end; one that came before anything could be heard ends nothing."""
    prompt = talk.find(prompt_key)
    if prompt is None:
        return None
    for _ in range(PLAYED_AGAIN):
        said = await talk.play(prompt, keys=keys, deaf_ms=HEARD_MS)
        if said.early is None:
            return said.key
    return (await talk.play(prompt)).key


async def layer2(talk: Talk, keys: str) -> str | None:
    """The full notice; one of ``keys`` ends it, and is returned. Others are passed over."""
    key = await talk.hear(PromptKey.L2, keys=keys)
    talk.live.keypad.forget("".join(other for other in ANY_KEY if other not in keys))
    return key

"""Key 8: the caller objects to being called back (Art. 21 GDPR), and may take it back."""

from __future__ import annotations

from oddzwon.callflow.talk import Talk
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.prompts.texts import PromptKey

OBJECT = "8"


async def toggle_objection(talk: Talk, keys: str) -> str | None:
    """No callback for this number; pressed again, the objection is withdrawn. Confirmed aloud, once it is written.

    Returns the one of ``keys`` that ended the confirmation. The same key once more counts as soon as the confirmation
    could be heard: the second of a hasty double press takes nothing back.
    """
    live, board = talk.live, talk.board
    number_key = live.party.number_key if live.party else None
    objecting = not live.objected
    live.objected = True  # while in doubt, and if it cannot be written, nobody calls back
    try:
        if objecting:
            await board.log.record_objection(
                number_key=number_key, scope=ObjectionScope.CALLBACK, at=board.now(), channel="key 8", call=live.id
            )
            board.callbacks.objected(number_key)
        else:
            await board.log.withdraw_objection(
                number_key=number_key, scope=ObjectionScope.CALLBACK, at=board.now(), call=live.id
            )
            live.objected = False
    except LogError as error:
        board.alarms.raise_("objection-not-written", str(error))
        return None
    board.alarms.clear("objection-not-written")
    return await confirmed(talk, PromptKey.OBJECTED if objecting else PromptKey.OBJECTION_UNDONE, keys)


async def confirmed(talk: Talk, confirmation: PromptKey, keys: str, *, wait_ms: int = 0) -> str | None:
    """Say that it was done; returns the one of ``keys`` that came while it was said, or within ``wait_ms`` of it."""
    return await talk.hear(confirmation, keys=keys, wait_ms=wait_ms, deaf_to=OBJECT)

"""What a scripted phone does with a call that comes in."""

from __future__ import annotations

import asyncio

from tests.asterisk.sip_dialog import Manner
from tests.asterisk.sip_leg import Leg, Script


def answers(
    after: float = 0.0,
    *,
    keys: str = "",
    silent: bool = False,
    rtcp: bool = False,
    session_timers: bool = False,
    events: bool = True,
) -> Script:
    """Rings, answers after so many seconds in this ``Manner``, and presses ``keys`` as soon as something is heard."""
    manner = Manner(silent, rtcp, session_timers, events)

    async def script(leg: Leg) -> None:
        leg.ring()
        await asyncio.sleep(after)
        leg.answer(manner)
        if keys:
            await leg.hears_audio()
            await leg.press(keys)

    return script


def rings() -> Script:
    """Rings and is never answered."""

    async def script(leg: Leg) -> None:
        leg.ring()

    return script


def refuses(status: int, phrase: str) -> Script:
    """Refuses at once."""

    async def script(leg: Leg) -> None:
        leg.refuse(status, phrase)

    return script


NOBODY = refuses(404, "Not Found")

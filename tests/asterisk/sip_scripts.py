"""What a scripted phone does with a call that comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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


def redirects(uri: str) -> Script:
    """Moved: call this URI instead."""

    async def script(leg: Leg) -> None:
        leg.redirect(uri)

    return script


def announces(keys: str = "", *, then: Script | None = None) -> Script:
    """Early media (183): audio from the network and ``keys`` pressed into it, before any answer; then what follows."""

    async def script(leg: Leg) -> None:
        leg.progress()
        if keys:
            await leg.press(keys)
        if then is not None:
            await then(leg)

    return script


def speaks(speech: Sequence[bytes], *, again: bool = False) -> Script:
    """Answers, says this in frames of alaw, and listens in silence; ``again``: says it over and over."""

    async def script(leg: Leg) -> None:
        leg.ring()
        leg.answer()
        await leg.say(speech)
        while again:
            await leg.say(speech)

    return script


NOBODY = refuses(404, "Not Found")

"""A telephone that we ring sends us on by a dial string of its own, and Asterisk rings that: it is hung up at once.

A 302's user part that holds a slash is taken for ``technology/resource`` (main/dial.c, handle_call_forward) and needs
no context: no dialplan can stop it, and an Originate cannot forbid it [M: 22.10.1]. We may dial one number alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from oddzwon.callflow.hangup import hang_up_until_gone
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.events import LegId

REMEMBERED: Final = 50
"""Originated legs that are not ours; Asterisk tells of a stray's beginning right before it tells who led to it."""


class Strays:
    """The legs that somebody else than we has dialled, and those of them that a 302 of our own leg's led to."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._others: deque[tuple[str, LegId]] = deque(maxlen=REMEMBERED)
        self._hunted: dict[LegId, asyncio.Event] = {}

    def began(self, leg: LegId, dialled: str) -> None:
        """A leg that we did not ask for is being dialled, with this resource."""
        self._others.append((dialled, leg))

    def led_to(self, forward: str) -> None:
        """A leg of ours was sent on to this; what goes through the dialplan ends there (``oddzwon-moved``)."""
        _, slash, resource = forward.partition("/")
        leg = next((leg for dialled, leg in reversed(self._others) if slash and dialled == resource), None)
        if leg is None or leg in self._hunted:
            return  # nothing rings
        words = "a telephone that we rang sent us on by a dial string of its own (SIP 302): who is behind that trunk?"
        self._board.alarms.raise_("dial-redirected", words)
        self._hunted[leg] = asyncio.Event()
        self._board.spawn(self._hang_up(leg), f"stray-{leg}")

    def ended(self, leg: LegId) -> None:
        """A leg is gone."""
        if leg in self._hunted:
            self._hunted[leg].set()

    async def _hang_up(self, leg: LegId) -> None:
        await hang_up_until_gone(self._board, leg, self._hunted[leg], self._board.clock.monotonic())
        del self._hunted[leg]
        self._board.alarms.clear("dial-redirected", "it was hung up")

"""The kill switch: while it is off no callback is dialled, and those under way stop at once.

Off is done first and written then: whoever asks for it has his reasons, and a full disk is none to go on dialling. On
is written first. What the log does not tell at the start counts as off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from oddzwon.domain.attestation import REASON_LONGEST, wrong_with_line
from oddzwon.domain.callback_events import Stop
from oddzwon.log.errors import LogError
from oddzwon.log.records import Switched

if TYPE_CHECKING:
    from oddzwon.callflow.switchboard import Switchboard

_log = structlog.get_logger(__name__)

WRITE_AGAIN_S: Final = 1.0


class NotSwitched(Exception):
    """It was not turned, or will not stay so over a restart; the message says which, and what to do."""


@dataclass(slots=True)
class CallbackSwitch:
    """Whether callbacks may be dialled. ``word`` is the latest turn: when, who, why; None: it was never turned, or see
    ``unreadable``: the log did not tell how it was left, and until somebody turns it on it is off.
    """

    word: Switched | None = None
    unreadable: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked_off: int = 0
    """How many are turning it off at this moment: it is off from their first word, not from their turn."""
    _unwritten: Switched | None = None
    _turning: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def off(self) -> bool:
        """Whether nothing may be dialled."""
        return self.unreadable or self._asked_off > 0 or self._turned_off

    @property
    def _turned_off(self) -> bool:
        return self.word is not None and self.word.off

    async def load(self, board: Switchboard) -> None:
        """Read how it was left; before anything is taken over."""
        try:
            self.word = await board.log.switched()
        except LogError as error:
            self.unreadable = True
            board.alarms.raise_(
                "callback-switch-unreadable",
                f"nobody is called back until `oddzwon callbacks on`: were callbacks off? {error}",
            )

    async def turn(self, board: Switchboard, *, on: bool, by: str, reason: str = "") -> None:
        """Turn it, and write who did and why; where it stands so already, the word that stands is kept.

        ``by`` is a user of the machine, ``reason`` one line without numbers, or empty. Raises NotSwitched.
        """
        if wrong := wrong_with_line("--reason", reason, REASON_LONGEST):
            raise NotSwitched(wrong)
        word = Switched(board.now(), off=not on, by=by, reason=reason)
        turning = asyncio.create_task(self._turned(board, word), name="callback-switch")
        self._turning.add(turning)
        turning.add_done_callback(self._heard)
        await asyncio.shield(turning)  # whoever asked may lose patience with a slow disk: his word still counts

    def _heard(self, turning: asyncio.Task[None]) -> None:
        self._turning.discard(turning)
        if not turning.cancelled():
            turning.exception()  # told to who asked, if he is still there

    async def _turned(self, board: Switchboard, word: Switched) -> None:
        if not word.off:
            async with self._turn:
                await self._on(board, word)
            return
        self._asked_off += 1
        try:
            self._stop_all(board)
            async with self._turn:
                await self._off(board, word)
        finally:
            self._asked_off -= 1

    def _stop_all(self, board: Switchboard) -> None:
        for run in board.callbacks:
            if not run.connected:
                run.stop(Stop.OFF)

    async def _on(self, board: Switchboard, word: Switched) -> None:
        if not self.unreadable and not self._turned_off:
            return
        try:
            await board.log.turn_switch(word)
        except LogError as error:
            msg = f"callbacks stay off, since it cannot be written that they are on. {error}"
            raise NotSwitched(msg) from error
        self.word, self.unreadable, self._unwritten = word, False, None
        board.alarms.clear("callback-switch-unreadable")
        board.alarms.clear("callback-switch-not-written")
        _log.warning("callbacks are on")

    async def _off(self, board: Switchboard, word: Switched) -> None:
        if not self._turned_off:
            self.word = self._unwritten = word
            _log.warning("callbacks are off")
        if self._unwritten is None:
            return
        try:
            await self._write(board, self._unwritten)
        except LogError as error:
            board.alarms.raise_("callback-switch-not-written", f"a restart would turn callbacks on again: {error}")
            board.spawn(self._write_again(board, self._unwritten), "callback-switch")
            msg = f"callbacks are off, but this is not written: a restart would turn them on again. {error}"
            raise NotSwitched(msg) from error

    async def _write(self, board: Switchboard, word: Switched) -> None:
        await board.log.turn_switch(word)
        self._unwritten = None
        board.alarms.clear("callback-switch-not-written")

    async def _write_again(self, board: Switchboard, word: Switched) -> None:
        """As soon as the log can be written, unless somebody has turned it on meanwhile."""
        while self._unwritten is word:
            await asyncio.sleep(WRITE_AGAIN_S)
            async with self._turn:
                if self._unwritten is word:
                    try:
                        await self._write(board, word)
                    except LogError as error:
                        _log.warning("the kill switch is written later", reason=type(error).__name__)

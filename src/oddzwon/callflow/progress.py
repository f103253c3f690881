"""How far a callback has got, in the log: each step written once, before what follows from it is done."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import (
    AgentGone,
    Answered,
    CallbackCommand,
    CallbackEvent,
    CloseAttempt,
    Due,
    GateClosed,
    GateHeld,
    RingAgent,
    Stop,
    StopAsked,
)
from oddzwon.domain.events import Instant
from oddzwon.domain.lawfulness import Code
from oddzwon.log.errors import LogError, LogUnavailable

_log = structlog.get_logger(__name__)

WRITE_AGAIN_S: Final = 1.0


class Progress:
    """What the log knows of one callback.

    ``held_up`` is what the dial waits for, in words; empty: for nothing. ``unwritten``: its last step
    is not in the log.
    """

    def __init__(self, board: Switchboard, callback: str, state: CallbackState) -> None:
        self.held_up = ""
        self.unwritten = False
        self._board = board
        self._callback = callback
        self._written: tuple[CallbackState, str] = (state, "")

    async def note(
        self, after: Callback, event: CallbackEvent, commands: tuple[CallbackCommand, ...], attempt: str | None
    ) -> None:
        """Write what the event came to, unless the log knows it. Merely to look whether a dial may leave is no news."""
        close = next((c for c in commands if isinstance(c, CloseAttempt)), None)
        if isinstance(event, GateHeld):
            self.held_up = event.why
        why = close.why if close else self._why(event, after.state)
        looks = after.state is CallbackState.RESERVING and not any(isinstance(c, RingAgent) for c in commands)
        known, said = (None, "") if self.unwritten else self._written
        if close is None and (looks or (known is after.state and (known is not CallbackState.WAITING or said == why))):
            return
        self._written = (after.state, why)
        await self._write(after.state, event.at, why, attempt, close)
        _log.info("callback", id=self._callback, state=after.state.value)

    async def reserved(self, at: Instant) -> None:
        """An agent is promised, and nobody rings him first."""
        if self._written[0] is not CallbackState.RESERVING:
            await self._write(CallbackState.RESERVING, at, "", None, None)

    def dialled(self) -> None:
        """The attempt's commit has told the log that it is dialled."""
        self._written, self.unwritten = (CallbackState.DIALLING, ""), False

    def expired(self) -> str:
        """The end of the window, with what the dial waited for until then."""
        return f"{Stop.EXPIRED.value}: {self.held_up}" if self.held_up else Stop.EXPIRED.value

    def _why(self, event: CallbackEvent, state: CallbackState) -> str:
        match event:
            case Due():  # it only looks, or it comes after the window's end
                return self.expired()
            case Answered() if state is CallbackState.UNANSWERED:
                return "answered just as it was given up"
            case StopAsked(reason=reason, why=why):
                return why or reason.value
            case GateClosed(refusals=refusals):
                codes = " ".join(code.value for code in refusals)
                return f"{codes}: {self.held_up}" if self.held_up and refusals == (Code.TOO_LATE,) else codes
            case GateHeld(why=why):
                return why
            case AgentGone(why=why):
                return f"the agent: {why}"
        return ""

    async def _write(
        self, state: CallbackState, at: Instant, why: str, attempt: str | None, close: CloseAttempt | None
    ) -> None:
        log, board = self._board.log, self._board
        self.unwritten = True
        try:
            if attempt is not None and close is not None:
                await log.attempt_state(
                    attempt,
                    close.state,
                    at=at,
                    cause=close.cause,
                    never_existed=close.never_existed,
                    callback_state=state,
                    why=why,
                )
            elif attempt is not None and state in _SHARED:
                await log.attempt_state(attempt, state.value, at=at, callback_state=state, why=why)
            else:
                await log.callback_state(self._callback, state, at=at, why=why)
            self.unwritten = False
        except LogUnavailable as error:
            # the phone rings or has stopped already: act on, and write it as soon as that is possible
            board.alarms.raise_("callback-not-written", str(error))
            if state.final or close is not None:
                board.spawn(self._write_again(state, at, why, attempt, close), f"write-{self._callback}")
        except LogError as error:
            board.alarms.raise_("callback-not-written", str(error))
        else:
            board.alarms.clear("callback-not-written")

    async def _write_again(
        self, state: CallbackState, at: Instant, why: str, attempt: str | None, close: CloseAttempt | None
    ) -> None:
        """What is over must not stand in the log as under way: it would refuse every later dial and callback."""
        await asyncio.sleep(WRITE_AGAIN_S)
        await self._write(state, at, why, attempt, close)


_SHARED: Final = frozenset({CallbackState.RINGING, CallbackState.ANSWERED, CallbackState.CONNECTED})
"""States that a callback and its attempt reach by the same event."""

"""What a callback says with the time of the loss in it, spoken once, while some telephone rings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from oddzwon.callflow.callbacks import Dropped
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.log.records import CallRow
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.spoken import spoken_time
from oddzwon.prompts.texts import Language, PromptKey

_log = structlog.get_logger(__name__)


class SpokenAhead:
    """The greeting of the customer and the word to the agent. ``mute``: the greeting could not be spoken last time."""

    def __init__(self, board: Switchboard, dropped: Dropped) -> None:
        self.mute = False
        self._board = board
        self._dropped = dropped
        self._spoken: dict[PromptKey, asyncio.Task[Prompt]] = {}

    async def greeting(self) -> Prompt:
        """Who calls and why, with the time of the loss as the customer's clock showed it. Raises PromptError."""
        return await self._once(PromptKey.CALLBACK)

    async def whisper(self) -> Prompt:
        """What the agent hears: that it is a callback, and for which call. Raises PromptError."""
        return await self._once(PromptKey.AGENT_WHISPER)

    def prepare(self) -> None:
        """Have both spoken from now on; who needs them meets their failure."""
        for key in (PromptKey.AGENT_WHISPER, PromptKey.CALLBACK):
            self._begin(key)

    async def can_greet(self) -> bool:
        """Whether he would hear who calls and why: nobody is rung to hear nothing (no silent calls)."""
        try:
            await self.greeting()
        except PromptError as error:
            self.mute = True
            self._board.alarms.raise_("callback-greeting", str(error))
            return False
        self.mute = False
        self._board.alarms.clear("callback-greeting")
        return True

    async def _once(self, key: PromptKey) -> Prompt:
        return await asyncio.shield(self._begin(key))

    def _begin(self, key: PromptKey) -> asyncio.Task[Prompt]:
        task = self._spoken.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._spoken[key] = asyncio.create_task(self._speak(key), name=f"speaking-{key}")
            task.add_done_callback(_retrieved)
        return task

    async def _speak(self, key: PromptKey) -> Prompt:
        line = self._dropped.line
        values = dict(self._board.choices.greeting_values[line.language])
        values["TIME"] = spoken_time(local_time(self._dropped.call), Language(line.language))
        return await self._board.prompts.speak(key, Language(line.language), values, line.number)


def _retrieved(task: asyncio.Task[Prompt]) -> None:
    """A failure that nobody came to meet is no failure of the event loop."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("not spoken", what=task.get_name(), error=type(error).__name__)


def local_time(call: CallRow) -> datetime:
    """When the call was lost, as a clock on the wall showed it."""
    lost_at = call.lost_at if call.lost_at is not None else call.started_at
    return datetime.fromtimestamp(lost_at / 1000, tz=UTC).astimezone()

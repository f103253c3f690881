"""Who is free to talk, as the queue says it now, and who is promised to a callback.

Never more callbacks under way than free agents (legal.md section A, NO_AGENT): a promise holds an agent for one
callback from the dial gate until the two were bridged or the callback ended.
"""

from __future__ import annotations

import asyncio

import structlog

from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.errors import AmiError
from oddzwon.asterisk.lists import free_members

_log = structlog.get_logger(__name__)


class Agents:
    """The free members of the queues, less those promised."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami
        self._promised: dict[str, str] = {}
        self._changed: dict[str, asyncio.Event] = {}

    async def free(self, queue: str) -> tuple[str, ...] | None:
        """Interfaces of the free members, in the queue's own order; None: Asterisk could not be asked."""
        try:
            events = await self._ami.action_list("QueueStatus", {"Queue": queue})
        except AmiError as error:
            _log.warning("agents unknown", queue=queue, error=type(error).__name__)
            return None
        return free_members(events, queue)

    async def reserve(self, callback: str, queue: str, preferred: str | None) -> str | None:
        """Promise a free member of the queue to the callback: ``preferred`` if free, else the queue's next.

        None: nobody is free, or nobody could be asked.
        """
        members = await self.free(queue)
        if members is None:
            return None
        # nothing is awaited from here on: two callbacks cannot be promised the same agent
        taken = {agent for holder, agent in self._promised.items() if holder != callback}
        open_ = [agent for agent in members if agent not in taken]
        if not open_:
            return None
        agent = preferred if preferred in open_ else open_[0]
        self._promised[callback] = agent
        return agent

    def promised_to(self, callback: str) -> str | None:
        """The agent held for the callback."""
        return self._promised.get(callback)

    def release(self, callback: str) -> None:
        """The agent held for the callback is free for others."""
        if self._promised.pop(callback, None) is not None:
            for event in self._changed.values():
                event.set()

    async def is_free(self, queue: str, agent: str | None) -> bool:
        """Whether this very agent is free and promised to nobody."""
        if agent is None or agent in self._promised.values():
            return False
        members = await self.free(queue)
        return members is not None and agent in members

    def member_changed(self, queue: str) -> None:
        """A member of the queue became free or busy: whoever waits for one looks again."""
        if queue in self._changed:
            self._changed[queue].set()

    async def change(self, queue: str, timeout_s: float) -> None:
        """Return when a member of the queue changed, or after ``timeout_s`` seconds, whichever is first."""
        event = self._changed.setdefault(queue, asyncio.Event())
        event.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return

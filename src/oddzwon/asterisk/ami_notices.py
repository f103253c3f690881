"""What the manager connection tells: events, and that it came and went, in one strict order, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from oddzwon.asterisk.ami_wire import AmiEvent
from oddzwon.asterisk.errors import AmiOverflow


@dataclass(frozen=True, slots=True)
class AmiConnected:
    """Logged in, and Asterisk is fully booted. Every event after this one belongs to the new connection.

    `uptime_s` is what FullyBooted said (None where Asterisk did not say it in time: the user lacks read=system).
    `gap_s` is how long nothing was heard: from the last byte of the connection before; None on the first one.
    `at` is UTC seconds.
    """

    at: float
    uptime_s: float | None
    gap_s: float | None

    @property
    def restarted(self) -> bool | None:
        """True: Asterisk restarted inside the gap, so every call from before it is gone (None: not known)."""
        if self.uptime_s is None or self.gap_s is None:
            return None
        return self.uptime_s < self.gap_s


@dataclass(frozen=True, slots=True)
class AmiDisconnected:
    """The connection is gone; events may be missing until the next AmiConnected. `at` is UTC seconds."""

    at: float
    reason: str


AmiNotice = AmiEvent | AmiConnected | AmiDisconnected


class NoticeQueue:
    """Notices in the order they came, for one consumer: `async for notice in client.notices`.

    At most `limit` events wait. A further one raises AmiOverflow in the connection, which is then given up: what
    already waits stays, an AmiDisconnected follows it, and so nothing is ever lost without a word. The iteration
    ends once the client has stopped and all was taken.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[AmiNotice] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put_event(self, event: AmiEvent) -> None:
        """Append an event. Raises AmiOverflow when `limit` notices wait already."""
        if len(self._waiting) >= self._limit:
            raise AmiOverflow(
                f"{self._limit} AMI notices wait unread: the consumer stands still. The connection is given up."
            )
        self.put_mark(event)

    def put_mark(self, notice: AmiNotice) -> None:
        """Append without the limit: for AmiConnected and AmiDisconnected, which the client itself bounds."""
        self._waiting.append(notice)
        self._filled.set()
        if len(self._waiting) > self._limit // 2:
            self._drained.clear()

    def end(self) -> None:
        """No notice will follow."""
        self._ended = True
        self._filled.set()

    def reopen(self) -> None:
        """Notices may follow again."""
        self._ended = False

    async def drained(self) -> None:
        """Wait until at most half of the limit waits: only then is a new connection worth its while."""
        await self._drained.wait()

    async def get(self) -> AmiNotice:
        """The next notice. Raises StopAsyncIteration when the client has stopped and nothing is left."""
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._filled.clear()
            await self._filled.wait()
        notice = self._waiting.popleft()
        if len(self._waiting) <= self._limit // 2:
            self._drained.set()
        return notice

    def __aiter__(self) -> NoticeQueue:
        return self

    async def __anext__(self) -> AmiNotice:
        return await self.get()

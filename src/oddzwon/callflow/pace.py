"""How fast callbacks leave: the trunk's channels that they may use, and the dials in a minute.

A fault may drop hundreds of calls at once. Their callbacks must not fill the trunk that new callers come in by, nor
reach the carrier as a burst that looks like fraud; they leave one after another, as there is room.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress

MINUTE_S = 60.0
SECOND_S = 1.0
BURST = 5
"""How many times the mean rate may leave in one second: a single drop is not held up, a storm is still spread."""


class Pace:
    """The room for one more dial. Nothing is awaited between :meth:`full` and :meth:`take`, so two cannot share it.

    The rate is a sliding window, not a bucket that starts full: never more than ``per_minute`` dials in any 60 s, and
    in any one second at most five times the mean of a second, rounded up (5 for 60 in a minute). ``channels`` are held
    from the dial to the end of its channel. ``monotonic`` gives seconds that never go back.

    Where an agent is rung first, his callback is promised its room before: else he would pick up for a dial that cannot
    leave. Only the second's burst is waited for while he is there (:meth:`turn`).

    Nothing is kept over a restart but the channels that still stand (:meth:`hold`): the caps of
    :mod:`oddzwon.domain.caps` are counted from the log, and bound what a service that dies again and again could dial.
    """

    def __init__(self, channels: int, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._channels = channels
        self._per_minute = per_minute
        self._per_second = math.ceil(per_minute / MINUTE_S) * BURST
        self._monotonic = monotonic
        self._dials: deque[float] = deque(maxlen=max(self._per_minute, self._per_second))
        self._held: set[str] = set()
        self._promised: set[str] = set()
        self._moved = asyncio.Event()

    @property
    def in_use(self) -> int:
        """Channels that callbacks hold now, or are promised."""
        return len(self._held | self._promised)

    def full(self, callback_id: str | None = None) -> str | None:
        """Why no dial of this callback may leave now, in words for the log; None: it has room, or is promised it."""
        if callback_id in self._promised:
            return None
        if self.in_use >= self._channels:
            return f"channels for callbacks in use: {self.in_use} of {self._channels}"
        now = self._monotonic()
        if self._minute_opens() > now:
            return f"dials in the last minute: {self._per_minute} of {self._per_minute}"
        if self._second_opens() > now:
            return f"dials in the last second: {self._per_second} of {self._per_second}"
        return None

    def opens_in(self) -> float | None:
        """Seconds until the rate has room, 0 if it has; None: only what another gives back helps."""
        opens = max(self._minute_opens(), self._second_opens())
        if self.in_use >= self._channels or opens == math.inf:
            return None
        return max(0.0, opens - self._monotonic())

    def _minute_opens(self) -> float:
        return self._window_opens(self._per_minute - len(self._promised), MINUTE_S)

    def _second_opens(self) -> float:
        return self._window_opens(self._per_second, SECOND_S)

    def _window_opens(self, most: int, lasts_s: float) -> float:
        """When the window of ``lasts_s`` seconds holds fewer than ``most`` dials, on the monotonic clock."""
        if most <= 0:
            return math.inf
        return self._dials[-most] + lasts_s if len(self._dials) >= most else -math.inf

    def promise(self, callback_id: str) -> None:
        """An agent is rung for this callback: room that :meth:`full` has shown is kept for its dial."""
        self._promised.add(callback_id)

    def break_promise(self, callback_id: str) -> None:
        """No agent is rung for it any more, and it was not dialled; no harm if nothing was promised."""
        if callback_id in self._promised:
            self._promised.discard(callback_id)
            self._wake()

    async def turn(self, callback_id: str) -> None:
        """Return when this second has room for a dial that is promised the rest; at once for one that is not."""
        while callback_id in self._promised and (wait := self._second_opens() - self._monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)

    def take(self, callback_id: str) -> None:
        """A dial of this callback is about to be committed: it counts, and it holds a channel until given back."""
        self._promised.discard(callback_id)
        self._dials.append(self._monotonic())
        self._held.add(callback_id)

    def hold(self, callback_id: str) -> None:
        """A channel of this callback stands since before the service's start: it is in use, but is no new dial."""
        self._held.add(callback_id)

    def give_back(self, callback_id: str) -> None:
        """The callback's channel is gone, or never was; no harm if it holds none. A dial stays counted."""
        if callback_id in self._held:
            self._held.discard(callback_id)
            self._wake()

    async def change(self, timeout_s: float) -> None:
        """Return when there is room for a dial, or after ``timeout_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.full() is not None:
                    await self._next_move()

    async def _next_move(self) -> None:
        moved = self._moved
        with suppress(TimeoutError):
            async with asyncio.timeout(self.opens_in()):
                await moved.wait()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

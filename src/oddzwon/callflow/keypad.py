"""The caller's keys. Asterisk tells of each twice, by AGI and by an event; each counts once, whoever tells it first.

AGI tells a key only to the command that waits for it, and drops what is pressed between two commands; the event
(DTMFEnd) comes always. A key that follows close upon another may reach AGI a good while after its event, because
Asterisk then plays it again to itself (main/channel.c, emulation) [M: 140 ms].

Both tell of a key's end. How long it lasted, only the event tells (DurationMs): by it a question knows what was pressed
before anybody could have heard it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from dataclasses import dataclass, field

KEYS_KEPT = 20
"""Presses that are remembered; who hammers the keypad gets the newest."""
SAME_PRESS_S = 1.0
"""What AGI and an event tell within this time, and each only once, was one press."""
SETTLED_S = 0.3
"""A press that only an event has told of is served after this time: until then AGI may tell of it as well."""


@dataclass(slots=True, eq=False)
class Press:
    """A key and when we heard of its end, on the monotonic clock; ``lasted`` (None: not known) in seconds as well."""

    key: str
    at: float
    lasted: float | None = None
    by_agi: bool = False
    served: bool = False
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def by_event(self) -> bool:
        """Whether an event has told of it."""
        return self._event.is_set()

    @property
    def began(self) -> float | None:
        """When the key went down; None: not known, or not yet."""
        return None if self.lasted is None else self.at - self.lasted

    @property
    def earliest(self) -> float:
        """Its beginning, or its end where the beginning is not known."""
        return self.at if self.began is None else self.began

    def seen(self, lasted: float | None) -> None:
        """An event tells of it."""
        self.lasted = lasted
        self._event.set()

    def settles_in(self, now: float) -> float:
        """Seconds until it can be served; zero or less: at once."""
        return 0.0 if self.by_agi else self.at + SETTLED_S - now

    async def beginning(self) -> float | None:
        """When the key went down: its event is waited for, as long as it could come; None: nobody knows."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAME_PRESS_S):
                await self._event.wait()
        return self.began

    async def too_soon(self, playing_since: float, played_ms: int, deaf_ms: int, *, sure: bool) -> bool:
        """Whether this press, which has stopped a prompt, began sooner than ``deaf_ms`` into it.

        ``playing_since`` is when the prompt was begun, ``played_ms`` how much of it Asterisk has played: the smaller
        counts, as an emulated key stops it late. ``sure``: it is too soon as well where nobody knows its beginning.
        """
        if played_ms < deaf_ms:
            return True
        if await self.beginning() is None or self.lasted is None:
            return sure
        return min(played_ms, (self.at - playing_since) * 1000) - self.lasted * 1000 < deaf_ms


class Keypad:
    """The presses of one call, in their order. Outside a flow it listens to nothing: keys in a talk are not ours."""

    def __init__(self, *, listening: bool = False) -> None:
        self.listening = listening
        self._presses: deque[Press] = deque(maxlen=KEYS_KEPT)

    def heard(self, key: str, now: float, lasted: float | None = None) -> Press | None:
        """An event tells of a key, and how many seconds it lasted (None: it does not); None: nobody listens."""
        if not self.listening:
            return None
        press = next((p for p in self._recent(now) if p.key == key and not p.by_event), None)
        if press is None:
            press = Press(key, now)
            self._presses.append(press)
        press.seen(lasted)
        return press

    def told(self, key: str, now: float) -> Press | None:
        """AGI tells of a key; None: it has been served already, as an event told it."""
        press = next((p for p in self._recent(now) if p.key == key and not p.by_agi), None)
        if press is None:
            press = Press(key, now)
            self._presses.append(press)
        press.by_agi = True
        return None if press.served else press

    def waiting(self, keys: str, since: float = 0.0) -> Press | None:
        """The first press of one of ``keys`` that was not served yet and, as far as is known, began after ``since``."""
        return next((p for p in self._presses if p.key in keys and not p.served and p.earliest >= since), None)

    def again(self, key: str) -> None:
        """A key that has ended a prompt is to be served as well, before all others."""
        if len(self._presses) == KEYS_KEPT:
            self._presses.popleft()  # the oldest goes, not the newest
        press = Press(key, 0.0, by_agi=True)
        press.seen(None)
        self._presses.appendleft(press)

    def forget(self, keys: str = "0123456789*#", *, before: float = math.inf) -> None:
        """What was pressed of ``keys`` until now, or began ``before`` then, counts for nothing."""
        for press in self._presses:
            if press.key in keys and press.earliest < before:
                press.served = True

    def _recent(self, now: float) -> tuple[Press, ...]:
        return tuple(p for p in self._presses if now - p.at <= SAME_PRESS_S)

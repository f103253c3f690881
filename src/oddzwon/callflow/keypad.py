"""The caller's keys. Asterisk tells of each twice, by AGI and by an event; each counts once, whoever tells it first.

AGI tells a key only to the command that waits for it, and drops what is pressed between two commands; the event
(DTMFEnd) comes always. A key that follows close upon another may reach AGI a good while after its event, because
Asterisk then plays it again to itself (main/channel.c, emulation) [M: 140 ms].
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEYS_KEPT = 20
"""Presses that are remembered; who hammers the keypad gets the newest."""
SAME_PRESS_S = 1.0
"""What AGI and an event tell within this time, and each only once, was one press."""
SETTLED_S = 0.3
"""A press that only an event has told of is served after this time: until then AGI may tell of it as well."""


@dataclass(slots=True, eq=False)
class Press:
    """A key and when we heard of it, on the monotonic clock in seconds."""

    key: str
    at: float
    by_agi: bool = False
    by_event: bool = False
    served: bool = False

    def settles_in(self, now: float) -> float:
        """Seconds until it can be served; zero or less: at once."""
        return 0.0 if self.by_agi else self.at + SETTLED_S - now


class Keypad:
    """The presses of one call, in their order. Outside a flow it listens to nothing: keys in a talk are not ours."""

    def __init__(self) -> None:
        self.listening = False
        self._presses: deque[Press] = deque(maxlen=KEYS_KEPT)

    def heard(self, key: str, now: float) -> None:
        """An event tells of a key."""
        if not self.listening:
            return
        press = next((p for p in self._recent(now) if p.key == key and not p.by_event), None)
        if press is None:
            self._presses.append(Press(key, now, by_event=True))
        else:
            press.by_event = True

    def told(self, key: str, now: float) -> Press | None:
        """AGI tells of a key; None: it has been served already, as an event told it."""
        press = next((p for p in self._recent(now) if p.key == key and not p.by_agi), None)
        if press is None:
            press = Press(key, now)
            self._presses.append(press)
        press.by_agi = True
        return None if press.served else press

    def waiting(self, keys: str, since: float = 0.0) -> Press | None:
        """The first press of one of ``keys`` that was not served yet and came after ``since``."""
        return next((p for p in self._presses if p.key in keys and not p.served and p.at >= since), None)

    def again(self, key: str) -> None:
        """A key that has ended a prompt is to be served as well, before all others."""
        press = Press(key, 0.0, by_agi=True, by_event=True)
        self._presses.appendleft(press)

    def forget(self, keys: str = "0123456789*#") -> None:
        """What was pressed of ``keys`` until now counts for nothing."""
        for press in self._presses:
            if press.key in keys:
                press.served = True

    def _recent(self, now: float) -> tuple[Press, ...]:
        return tuple(p for p in self._presses if now - p.at <= SAME_PRESS_S)

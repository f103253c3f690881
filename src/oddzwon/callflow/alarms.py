"""Alarms: one at level critical when a condition begins, one at level warning when it is over, none between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from oddzwon.clock import Clock, SystemClock
from oddzwon.domain.events import Instant

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told of a condition, without personal data: that it began or was ``over``, at that time.

    ``text`` is what to do about it, or what became of it.
    """

    condition: str
    over: bool
    text: str
    at: Instant


def _log_alone(_alarm: Alarm) -> None:
    """Nobody else is told."""


class Alarms:
    """The conditions that stand now, each told once when it begins and once when it is over.

    What comes and goes with every call (a trunk that refuses one dial and takes the next) is one alarm: it is over once
    its cause has been away for ``settle_s`` seconds; what comes back earlier is the same alarm going on. ``tell`` hears
    of each beside the log.
    """

    def __init__(
        self, tell: Callable[[Alarm], None] = _log_alone, *, settle_s: float = 0.0, clock: Clock | None = None
    ) -> None:
        self._tell = tell
        self._settle_s = settle_s
        self._clock = clock or SystemClock()
        self._standing: dict[str, str] = {}
        self._settling: dict[str, tuple[asyncio.TimerHandle, Alarm]] = {}

    @property
    def standing(self) -> frozenset[str]:
        """What is wrong at the moment."""
        return frozenset(self._standing)

    def raise_(self, condition: str, what_to_do: str) -> None:
        """The condition is there; only the first call is heard. Its name holds nothing personal: ``log-full``."""
        if condition in self._standing:
            return
        self._standing[condition] = what_to_do
        if condition in self._settling:
            self._settling.pop(condition)[0].cancel()
            return
        _log.critical("alarm", condition=condition, what_to_do=what_to_do)
        self._tell(Alarm(condition, False, what_to_do, self._clock.now()))

    def clear(self, condition: str, became: str = "", *, at_once: bool = False) -> None:
        """The condition is over. ``became``: what came of it; ``at_once``: its end was awaited, and is told now."""
        what_to_do = self._standing.pop(condition, None)
        if what_to_do is None:
            return
        over = Alarm(condition, True, became or what_to_do, self._clock.now())
        if at_once or not self._settle_s:
            self._over(over)
            return
        timer = asyncio.get_running_loop().call_later(self._settle_s, self._settled, condition)
        self._settling[condition] = (timer, over)

    def close(self) -> None:
        """The service ends: what is over is told without waiting longer. What stands is raised anew after a start."""
        for condition, (timer, _) in tuple(self._settling.items()):
            timer.cancel()
            self._settled(condition)

    def _settled(self, condition: str) -> None:
        self._over(self._settling.pop(condition)[1])

    def _over(self, over: Alarm) -> None:
        _log.warning("alarm over", condition=over.condition, what_became=over.text)
        self._tell(over)

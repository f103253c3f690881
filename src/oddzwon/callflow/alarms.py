"""Alarms: one at level critical when a condition begins, one at level warning when it is over, none between."""

from __future__ import annotations

import structlog

_log = structlog.get_logger(__name__)


class Alarms:
    """The conditions that stand now. ``condition`` is a name without personal data, such as ``log-full``."""

    def __init__(self) -> None:
        self._standing: set[str] = set()

    @property
    def standing(self) -> frozenset[str]:
        """What is wrong at the moment."""
        return frozenset(self._standing)

    def raise_(self, condition: str, what_to_do: str) -> None:
        """The condition is there; only the first call is heard."""
        if condition not in self._standing:
            self._standing.add(condition)
            _log.critical("alarm", condition=condition, what_to_do=what_to_do)

    def clear(self, condition: str) -> None:
        """The condition is over."""
        if condition in self._standing:
            self._standing.discard(condition)
            _log.warning("alarm over", condition=condition)

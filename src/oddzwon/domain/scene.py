"""Who stood where in a call, moment by moment: whom the caller was connected with, and who has left by a transfer.

The caller's leg is followed through blind and attended transfers, a parking lot, and queue members that are Local
channels: two halves that Asterisk joins, each in a bridge of its own.
"""

from __future__ import annotations

from oddzwon.domain.events import (
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    LegId,
    LegsJoined,
    Parked,
    QueueJoined,
    Role,
)


class Scene:
    """The legs of one call as its events have placed them so far. ``caller`` is the caller's own leg."""

    def __init__(self, caller: LegId) -> None:
        self._caller = caller
        self._bridges: dict[LegId, str] = {}
        self._halves: dict[LegId, LegId] = {}
        self._partners: frozenset[LegId] = frozenset()
        self._gone_over: set[LegId] = set()

    def take(self, event: CallEvent) -> None:
        """Move on to the moment of the event."""
        match event:
            case BridgeEntered(leg=leg, bridge=bridge):
                self._bridges[leg] = bridge
                self._gone_over.discard(leg)
                self._look()
            case BridgeLeft(leg=leg, bridge=bridge):
                # an optimised Local channel moves a leg at once: it has entered the next bridge before it left the last
                if self._bridges.get(leg) == bridge:
                    del self._bridges[leg]
                    self._look()
            case LegsJoined(leg=one, other=other):
                self._halves[one] = other
                self._halves[other] = one
                self._look()
            case HandedOver(leg=leg):
                self._gone_over.add(leg)
                self._partners -= {leg}
            case QueueJoined(leg=leg) | Parked(leg=leg) if leg == self._caller:
                self._partners = frozenset()

    def role(self, leg: LegId | None) -> Role | None:
        """Whose leg it is: the caller's, that of one he was connected with last, or (None) nobody's who matters."""
        if leg is None:
            return None
        if leg == self._caller:
            return Role.CALLER
        return Role.AGENT if leg in self._partners else None

    def in_company(self) -> bool:
        """Whether the caller is connected with anybody now; the halves of a Local channel alone are nobody."""
        return bool(self._connected() - self._halves.keys())

    def _look(self) -> None:
        """Take in whom the caller is connected with; a moment without anybody leaves the last ones."""
        others = self._connected()
        if others:
            self._partners = frozenset(others)

    def _connected(self) -> set[LegId]:
        if self._caller not in self._bridges:
            return set()
        found = {self._caller}
        while more := {other for leg in found for other in self._next_to(leg)} - found:
            found |= more
        return found - {self._caller} - self._gone_over

    def _next_to(self, leg: LegId) -> set[LegId]:
        bridge = self._bridges.get(leg)
        beside = {other for other, where in self._bridges.items() if bridge is not None and where == bridge}
        if leg in self._halves:
            beside.add(self._halves[leg])
        return beside

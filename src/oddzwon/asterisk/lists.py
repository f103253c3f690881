"""What Asterisk lists when asked: its channels, and the members of a queue. The only place that reads these fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from oddzwon.asterisk import names
from oddzwon.asterisk.ami_wire import AmiEvent
from oddzwon.domain.events import LegId


class ChannelState(IntEnum):
    """The states of a channel that mean something to us (include/asterisk/channelstate.h)."""

    RINGING = 5
    UP = 6


_NOT_IN_USE: Final = "1"
"""AST_DEVICE_NOT_INUSE (include/asterisk/devicestate.h)."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that Asterisk has now: its state, None for one that says nothing, and its bridge, empty for none.

    ``device`` is the interface it was made for, as it may be kept (:func:`oddzwon.asterisk.names.device`).
    """

    state: ChannelState | None
    bridge: str
    linked: str = ""
    device: str = ""


def channels(events: Iterable[AmiEvent]) -> dict[LegId, Channel]:
    """Every channel of a CoreShowChannels list by its Uniqueid."""
    return {
        e.fields["Uniqueid"]: Channel(
            _STATES.get(e.fields.get("ChannelState", "")),
            e.fields.get("BridgeId", ""),
            e.fields.get("Linkedid", ""),
            names.device(e.fields.get("Channel", "")),
        )
        for e in events
        if e.name == "CoreShowChannel" and "Uniqueid" in e.fields
    }


_STATES: Final = {str(state.value): state for state in ChannelState}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a queue. ``free``: he can be called now. ``soon``: he is there, and busy at the moment.

    ``taken`` calls and ``last_call`` (when the last one ended, seconds of the epoch) are what the strategies go by.
    """

    interface: str
    free: bool
    soon: bool
    penalty: int = 0
    taken: int = 0
    last_call: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller in a queue: his leg, for how many whole seconds he has waited, and his priority."""

    leg: LegId
    waited_s: int
    priority: int


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A queue as Asterisk tells of it now: its strategy, its members in the order listed, and who waits in it."""

    strategy: str = ""
    members: tuple[Member, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def free(self) -> tuple[str, ...]:
        """The free members, in the order in which the queue's strategy would call them.

        As in app_queue.c, calc_metric: the lower penalty first, then the strategy's own. Whom ``rrmemory`` and
        ``rrordered`` called last Asterisk does not tell: who has been idle longest is the nearest to it, and for
        ``random`` and ``wrandom`` the order listed is as good as any. Of equals the one listed first.
        """
        free = [member for member in self.members if member.free]
        return tuple(m.interface for m in sorted(free, key=lambda m: (m.penalty, self._turn(m))))

    def _turn(self, member: Member) -> int:
        if self.strategy == "fewestcalls":
            return member.taken
        return member.last_call if self.strategy in _LONGEST_IDLE else 0

    def soon_free(self, interface: str) -> bool:
        """Whether this member is there and only busy at the moment."""
        return any(member.soon and member.interface == interface for member in self.members)


_LONGEST_IDLE: Final = frozenset({"leastrecent", "rrmemory", "rrordered"})
_BUSY: Final = frozenset({"2", "3", "6", "7", "8"})
"""AST_DEVICE_INUSE, BUSY, RINGING, RINGINUSE, ONHOLD (include/asterisk/devicestate.h): there, and busy."""


def queue_now(events: Iterable[AmiEvent], queue: str) -> QueueNow:
    """The queue of this name in a QueueStatus list."""
    strategy, members, waiting = "", [], []
    for e in events:
        if e.fields.get("Queue") != queue:
            continue
        if e.name == "QueueParams":
            strategy = e.fields.get("Strategy", "").lower()
        elif e.name == "QueueMember" and "Location" in e.fields:
            members.append(_member(e))
        elif e.name == "QueueEntry" and "Uniqueid" in e.fields:
            waiting.append(Waiting(e.fields["Uniqueid"], _number(e, "Wait"), _number(e, "Priority")))
    return QueueNow(strategy, tuple(members), tuple(waiting))


def _member(e: AmiEvent) -> Member:
    there = e.fields.get("Paused", "0") == "0"
    status, in_call = e.fields.get("Status", ""), e.fields.get("InCall", "0") != "0"
    return Member(
        e.fields["Location"],
        free=there and status == _NOT_IN_USE and not in_call,
        soon=there and (status in _BUSY or (in_call and status == _NOT_IN_USE)),
        penalty=_number(e, "Penalty"),
        taken=_number(e, "CallsTaken"),
        last_call=_number(e, "LastCall"),
    )


def _number(e: AmiEvent, name: str) -> int:
    value = e.fields.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < _DIGITS else 0


_DIGITS: Final = 16

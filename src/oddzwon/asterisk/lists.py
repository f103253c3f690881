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


def free_members(events: Iterable[AmiEvent], queue: str) -> tuple[str, ...]:
    """Interfaces of the members in a QueueStatus list who are free: not in use, not paused, in the queue's order."""
    return tuple(
        e.fields["Location"]
        for e in events
        if e.name == "QueueMember"
        and e.fields.get("Queue") == queue
        and e.fields.get("Status") == _NOT_IN_USE
        and e.fields.get("Paused", "0") == "0"
        and e.fields.get("InCall", "0") == "0"
        and "Location" in e.fields
    )

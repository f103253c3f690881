"""What happened, in the domain's own words: the facts that Asterisk and the call flows report about a call.

The adapter translates Asterisk's events into these; a call's journal is a tuple of them, and the ending of a call
is judged from nothing else. No event carries a number, a name, or a digit other than a menu key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Instant: TypeAlias = int
"""UTC, milliseconds since the epoch."""

LegId: TypeAlias = str
"""A channel's Uniqueid."""


class Direction(StrEnum):
    """Who started the call."""

    INBOUND = "inbound"
    CALLBACK = "callback"


class Stage(StrEnum):
    """How far a call had got; hold counts as talking."""

    ARRIVING = "arriving"
    NOTICE = "notice"
    MENU = "menu"
    ANNOUNCEMENT = "announcement"
    QUEUED = "queued"
    CONNECTING = "connecting"
    TALKING = "talking"


class Role(StrEnum):
    """Whose leg of the call it is."""

    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class StageReached:
    """The call's flow went on to its next part."""

    at: Instant
    leg: LegId
    stage: Stage


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """The caller waits in a queue."""

    at: Instant
    leg: LegId
    queue: str


@dataclass(frozen=True, slots=True)
class QueueLeft:
    """The caller left the queue: to an agent, by time-out, or by hanging up; by itself it proves nothing."""

    at: Instant
    leg: LegId
    queue: str


@dataclass(frozen=True, slots=True)
class AgentRinging:
    """An agent's leg was dialled for this call. ``agent`` is the interface, such as ``PJSIP/agent1``."""

    at: Instant
    leg: LegId
    agent: str


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """An agent's phone was picked up for this call."""

    at: Instant
    leg: LegId
    agent: str


@dataclass(frozen=True, slots=True)
class AgentGaveUp:
    """An agent's leg stopped ringing without an answer: the caller waits on."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class BridgeEntered:
    """A leg can hear the others in the bridge."""

    at: Instant
    leg: LegId
    bridge: str


@dataclass(frozen=True, slots=True)
class BridgeLeft:
    """A leg left the bridge."""

    at: Instant
    leg: LegId
    bridge: str


@dataclass(frozen=True, slots=True)
class Held:
    """The leg's own side put the call on hold."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class Unheld:
    """The leg's own side took the call off hold."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class MediaReported:
    """Asterisk reported by RTCP what it had received from the leg: the extended highest RTP sequence number.

    An unchanged number between two reports means that inbound RTP stood still (RFC 3550 section 6.4.1).
    """

    at: Instant
    leg: LegId
    sequence: int


@dataclass(frozen=True, slots=True)
class HangupRequested:
    """The leg's peer asked to end it (BYE, CANCEL or an in-dialog time-out).

    ``cause`` is Q.850 (None: absent), ``tech_cause`` the SIP status (None: absent or not reported by this version).
    """

    at: Instant
    leg: LegId
    cause: int | None
    tech_cause: int | None


@dataclass(frozen=True, slots=True)
class SoftHangupRequested:
    """Asterisk itself asked to end the leg. ``flag`` is an AST_SOFTHANGUP flag (channel.h), not Q.850."""

    at: Instant
    leg: LegId
    flag: int


@dataclass(frozen=True, slots=True)
class HandlerRan:
    """What the hang-up handler on the leg saw. ``source`` is ``CHANNEL(hangupsource)``, empty when unknown."""

    at: Instant
    leg: LegId
    role: Role
    cause: int | None
    source: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The channel is gone. ``cause`` is Q.850."""

    at: Instant
    leg: LegId
    cause: int | None


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """Asterisk is being stopped in good order."""

    at: Instant


@dataclass(frozen=True, slots=True)
class WeHungUp:
    """The service itself ended the leg; kept by us, since Asterisk tells nobody who asked."""

    at: Instant
    leg: LegId
    why: str


@dataclass(frozen=True, slots=True)
class PbxRestarted:
    """The connection came back and Asterisk's uptime is shorter than the gap: every open call was lost with it."""

    at: Instant
    gap_ms: int


@dataclass(frozen=True, slots=True)
class OutOfSight:
    """The connection to Asterisk was lost for ``gap_ms`` while Asterisk went on: what happened then is not known."""

    at: Instant
    gap_ms: int


CallEvent: TypeAlias = (
    StageReached
    | QueueJoined
    | QueueLeft
    | AgentRinging
    | AgentAnswered
    | AgentGaveUp
    | BridgeEntered
    | BridgeLeft
    | Held
    | Unheld
    | MediaReported
    | HangupRequested
    | SoftHangupRequested
    | HandlerRan
    | LegEnded
    | ShuttingDown
    | WeHungUp
    | PbxRestarted
    | OutOfSight
)

CALL_EVENTS: tuple[type, ...] = (
    StageReached,
    QueueJoined,
    QueueLeft,
    AgentRinging,
    AgentAnswered,
    AgentGaveUp,
    BridgeEntered,
    BridgeLeft,
    Held,
    Unheld,
    MediaReported,
    HangupRequested,
    SoftHangupRequested,
    HandlerRan,
    LegEnded,
    ShuttingDown,
    WeHungUp,
    PbxRestarted,
    OutOfSight,
)
"""Every kind of call event; a test holds it together with :data:`CallEvent`."""

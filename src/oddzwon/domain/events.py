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


class HungUpBy(StrEnum):
    """Whom a durable record names as the source of a leg's hang-up."""

    ITSELF = "itself"
    """The leg's own peer."""
    ANOTHER = "another"
    """Another leg: this one's end is an echo."""
    DIALPLAN = "dialplan"
    NOBODY = "nobody"
    """No source was recorded, as with an rtp_timeout."""


class Fault(StrEnum):
    """What the agent says was at fault."""

    CALLER_LINE = "caller-line"
    AGENT_LINE = "agent-line"
    PBX = "pbx"


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

    An unchanged number between two reports means that inbound RTP stood still (RFC 3550 section 6.4.1). ``source`` is
    the stream's SSRC: another one counts anew.
    """

    at: Instant
    leg: LegId
    sequence: int
    source: str = ""


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
    """What the hang-up handler on the leg saw. ``source`` is ``CHANNEL(hangupsource)``, empty when unknown.

    ``received`` counts the RTP packets that came in on the leg (``CHANNEL(rtcp,rxcount)``), None where it is not told.
    ``status`` is the last SIP answer to an INVITE or re-INVITE of ours on it (``HANGUPCAUSE(leg,tech)``), not the
    ending's; None for none.
    """

    at: Instant
    leg: LegId
    role: Role
    cause: int | None
    source: str
    received: int | None = None
    status: int | None = None


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


@dataclass(frozen=True, slots=True)
class LegsJoined:
    """``leg`` and ``other`` are the two halves of one Local channel: who hears the one hears the other."""

    at: Instant
    leg: LegId
    other: LegId


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The leg has transferred the call (blind or attended) and leaves it: its own end is nobody's ending."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class Parked:
    """The leg waits in a parking lot."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class Unparked:
    """The leg left the parking lot: fetched, timed out, or gone."""

    at: Instant
    leg: LegId


@dataclass(frozen=True, slots=True)
class HangupRecorded:
    """A leg's hang-up as a durable record tells it afterwards, for want of the event itself.

    ``record`` names it: ``cel`` or ``spool``. ``cause`` is Q.850; ``at`` the time that the record gives.
    """

    at: Instant
    leg: LegId
    cause: int | None
    by: HungUpBy
    record: str


@dataclass(frozen=True, slots=True)
class Attested:
    """The agent's word that the call was cut off. ``fault`` None: he did not say what was at fault.

    ``door`` is how he said it: ``code`` (in the call), ``phone`` (dialled afterwards) or ``console`` (command line).
    """

    at: Instant
    fault: Fault | None
    door: str


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something about this call that Asterisk never says, or that could not be read: nothing is certain any more.

    ``what`` is in words, without personal data and without anything that a peer chose.
    """

    at: Instant
    leg: LegId | None
    what: str


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
    | LegsJoined
    | HandedOver
    | Parked
    | Unparked
    | HangupRecorded
    | Attested
    | Oddity
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
    LegsJoined,
    HandedOver,
    Parked,
    Unparked,
    HangupRecorded,
    Attested,
    Oddity,
)
"""Every kind of call event; a test holds it together with :data:`CallEvent`."""

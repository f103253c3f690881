"""What happens to a callback, and what is to be done about it: the words of the machine in
:mod:`oddzwon.domain.callback`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from oddzwon.domain.events import Instant, LegId
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.lawfulness import Code


class AttemptState(StrEnum):
    """Where one dial stands. ``committed``: written, the Originate may or may not have left."""

    COMMITTED = "committed"
    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONNECTED = "connected"
    COMPLETED = "completed"
    UNANSWERED = "unanswered"
    CANCELLED = "cancelled"
    OBJECTED = "objected"
    WRONG_PERSON = "wrong_person"
    LOST = "lost"
    FAILED = "failed"


# --- events -----------------------------------------------------------------------------------------------------


class Stop(StrEnum):
    """Why a callback is to stop at once, even while it rings."""

    OBJECTION = "objection"
    REDIAL = "redial"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RESTRICTION = "restriction"
    OFF = "callbacks are off"
    CAP = "cap"


def cancelled_why(door: str, by: str, reason: str = "") -> str:
    """Who cancelled a callback, by which door (code, phone, console), as its history tells it; free text comes last."""
    return f"cancelled ({door}) by {by}" + (f": {reason}" if reason else "")


@dataclass(frozen=True, slots=True)
class Due:
    """It is time to try (again)."""

    at: Instant


@dataclass(frozen=True, slots=True)
class GateOpen:
    """The dial gate was passed; ``agent`` is held for this callback."""

    at: Instant
    agent: str


@dataclass(frozen=True, slots=True)
class GateHeld:
    """Nothing forbids the dial, but it must wait: for an agent, for the trunk, or for the pace. ``why`` says so."""

    at: Instant
    why: str = "no agent is free"


@dataclass(frozen=True, slots=True)
class AgentHolds:
    """The agent has answered, knows what it is about, and waits on the line (``leg``) for the customer."""

    at: Instant
    leg: LegId = ""


@dataclass(frozen=True, slots=True)
class AgentGone:
    """The agent who was rung or held the line (``leg``) is not there any more; ``why`` in a word for the log."""

    at: Instant
    why: str
    leg: LegId = ""


@dataclass(frozen=True, slots=True)
class GateClosed:
    """The dial gate refused for good."""

    at: Instant
    refusals: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class Ringing:
    """The customer's phone rings."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Answered:
    """Somebody, or something, answered."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Accepted:
    """The customer pressed 1: he wants to go on."""

    at: Instant


@dataclass(frozen=True, slots=True)
class WrongPerson:
    """Whoever answered pressed 3."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Machine:
    """Asterisk's AMD took who answered for a machine, or could not tell; ``why`` is what it said."""

    at: Instant
    why: str


@dataclass(frozen=True, slots=True)
class Objected:
    """Whoever answered pressed 8: no callbacks to this number."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Bridged:
    """Customer and agent hear each other."""

    at: Instant


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The attempt's own channel is gone, or Asterisk refused to make it."""

    at: Instant
    outcome: AttemptOutcome
    cause: int | None = None


@dataclass(frozen=True, slots=True)
class NeverSent:
    """The Originate provably did not leave: no phone rang, but the committed attempt stays counted."""

    at: Instant


@dataclass(frozen=True, slots=True)
class FateHidden:
    """The attempt was under way when we lost sight, and Asterisk does not know its channel any more."""

    at: Instant


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Stop at once. ``why`` is what the log is to say, where the reason alone does not tell it."""

    at: Instant
    reason: Stop
    why: str = ""


CallbackEvent: TypeAlias = (
    Due
    | GateOpen
    | GateHeld
    | AgentHolds
    | AgentGone
    | GateClosed
    | Ringing
    | Answered
    | Accepted
    | WrongPerson
    | Machine
    | Objected
    | Bridged
    | AttemptEnded
    | NeverSent
    | FateHidden
    | StopAsked
)

CALLBACK_EVENTS: Final[tuple[type, ...]] = (
    Due,
    GateOpen,
    GateHeld,
    AgentHolds,
    AgentGone,
    GateClosed,
    Ringing,
    Answered,
    Accepted,
    WrongPerson,
    Machine,
    Objected,
    Bridged,
    AttemptEnded,
    NeverSent,
    FateHidden,
    StopAsked,
)


# --- commands ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskGate:
    """Collect the facts of the dial gate and answer with GateOpen, GateHeld or GateClosed."""


@dataclass(frozen=True, slots=True)
class RingAgent:
    """Call the promised agent and have him hold the line; answer with AgentHolds or AgentGone."""

    agent: str


@dataclass(frozen=True, slots=True)
class Dial:
    """Commit attempt ``n`` with the gate's results, then originate it."""

    n: int
    agent: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the attempt's channel at once."""

    why: str


@dataclass(frozen=True, slots=True)
class ReleaseAgent:
    """The agent who was promised is free for others; his line, if it rings or he holds it, is hung up."""


@dataclass(frozen=True, slots=True)
class AgentTalks:
    """The promised agent talks with the customer: the promise is kept, and over."""


@dataclass(frozen=True, slots=True)
class TryAt:
    """Deliver :class:`Due` at ``at``."""

    at: Instant


@dataclass(frozen=True, slots=True)
class TryWhenRoom:
    """Deliver :class:`Due` when an agent of the queue becomes free, or a channel of the trunk does."""


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """Write the last attempt's final state; ``cause`` is Q.850, ``why`` a word for the log."""

    state: AttemptState
    why: str
    cause: int | None = None
    never_existed: bool = False


CallbackCommand: TypeAlias = (
    AskGate | RingAgent | Dial | HangUp | ReleaseAgent | AgentTalks | TryAt | TryWhenRoom | CloseAttempt
)

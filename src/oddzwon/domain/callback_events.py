"""What happens to a callback, and what is to be done about it: the words of the machine in
:mod:`oddzwon.domain.callback`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from oddzwon.domain.events import Instant
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
    """Only an agent is missing: wait."""

    at: Instant


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
    """Stop at once."""

    at: Instant
    reason: Stop


CallbackEvent: TypeAlias = (
    Due
    | GateOpen
    | GateHeld
    | GateClosed
    | Ringing
    | Answered
    | Accepted
    | WrongPerson
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
    GateClosed,
    Ringing,
    Answered,
    Accepted,
    WrongPerson,
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
    """The agent who was held is free for others."""


@dataclass(frozen=True, slots=True)
class TryAt:
    """Deliver :class:`Due` at ``at``."""

    at: Instant


@dataclass(frozen=True, slots=True)
class TryWhenAgentFrees:
    """Deliver :class:`Due` when an agent of the queue becomes free."""


@dataclass(frozen=True, slots=True)
class CloseAttempt:
    """Write the last attempt's final state; ``cause`` is Q.850, ``why`` a word for the log."""

    state: AttemptState
    why: str
    cause: int | None = None
    never_existed: bool = False


CallbackCommand: TypeAlias = AskGate | Dial | HangUp | ReleaseAgent | TryAt | TryWhenAgentFrees | CloseAttempt

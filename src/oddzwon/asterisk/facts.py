"""What Asterisk's events mean to us: facts about calls, legs, attempts and agents, as :mod:`translate` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from oddzwon.domain.events import CallEvent, Instant, LegId, ShuttingDown


@dataclass(frozen=True, slots=True)
class OfCall:
    """A fact about the call whose Linkedid is ``linked``."""

    linked: str
    event: CallEvent


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call entered the dialplan's inbound context."""

    linked: str
    leg: LegId
    did: str
    at: Instant


@dataclass(frozen=True, slots=True)
class LegState:
    """A channel's own state changed (5 ringing, 6 up: include/asterisk/channelstate.h)."""

    leg: LegId
    state: int
    at: Instant


@dataclass(frozen=True, slots=True)
class DialStarted:
    """Asterisk dials this leg for nobody who is there: somebody's Originate. ``dialled`` is what, a number mostly."""

    leg: LegId
    dialled: str = ""


@dataclass(frozen=True, slots=True)
class DialOutcome:
    """A dial ended; ``status`` is DIALSTATUS's word, ``forward`` where the leg's side has sent it on to."""

    leg: LegId
    status: str
    at: Instant
    forward: str = ""


@dataclass(frozen=True, slots=True)
class OriginateAnswer:
    """Asterisk's late answer to an asynchronous Originate, matched by its ActionID."""

    action_id: str
    leg: LegId
    success: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A queue member became free, busy, paused or away."""

    queue: str
    interface: str


@dataclass(frozen=True, slots=True)
class MemberGone:
    """An interface is no longer a member of the queue: its agent has logged out of it."""

    queue: str
    interface: str
    at: Instant


@dataclass(frozen=True, slots=True)
class KeyHeard:
    """The leg's own side let go of a key at ``at``; ``lasted_ms`` None: Asterisk does not know how long it was down."""

    leg: LegId
    key: str
    at: Instant
    lasted_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FeatureUsed:
    """A feature code was dialled in a call."""

    linked: str
    leg: LegId
    feature: str
    at: Instant


@dataclass(frozen=True, slots=True)
class StoodIn:
    """The dialplan played the static notice because the service was away or failed."""

    linked: str
    leg: LegId
    played: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that bears on the ending of the leg's call holds what Asterisk never says. ``event`` is its name."""

    linked: str
    leg: LegId
    event: str


@dataclass(frozen=True, slots=True)
class EveryCall:
    """A fact about every open call."""

    event: ShuttingDown


Translated: TypeAlias = (
    OfCall
    | Arrival
    | LegState
    | DialStarted
    | DialOutcome
    | OriginateAnswer
    | MemberChanged
    | MemberGone
    | KeyHeard
    | FeatureUsed
    | StoodIn
    | Unreadable
    | EveryCall
)

"""A callback and its dials, from the positive decision to their end: ``(callback, event) -> (callback, commands)``.

Everything that changes a callback's or an attempt's state lives in this file, in one table. A final state absorbs
whatever still arrives. The rule that matters most: an attempt is committed before it is dialled, it is dialled once,
and one whose fate is hidden by a crash or a lost connection counts as a dial and ends the callback (at most once).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from oddzwon.domain.callback_events import (
    Accepted,
    Answered,
    AskGate,
    AttemptEnded,
    AttemptState,
    Bridged,
    CallbackCommand,
    CallbackEvent,
    CloseAttempt,
    Dial,
    Due,
    FateHidden,
    GateClosed,
    GateHeld,
    GateOpen,
    HangUp,
    NeverSent,
    Objected,
    ReleaseAgent,
    Ringing,
    Stop,
    StopAsked,
    TryAt,
    TryWhenAgentFrees,
    WrongPerson,
)
from oddzwon.domain.events import Instant
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.lawfulness import Code


class CallbackState(StrEnum):
    """Where a callback stands (design section 7)."""

    WAITING = "waiting"
    RESERVING = "reserving"
    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONNECTED = "connected"
    COMPLETED = "completed"
    UNANSWERED = "unanswered"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"
    OBJECTED = "objected"
    WRONG_PERSON = "wrong_person"
    LOST = "lost"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self in FINAL


FINAL: Final = frozenset(
    {
        CallbackState.COMPLETED,
        CallbackState.UNANSWERED,
        CallbackState.LAPSED,
        CallbackState.CANCELLED,
        CallbackState.OBJECTED,
        CallbackState.WRONG_PERSON,
        CallbackState.LOST,
        CallbackState.FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's parameters of a callback: dials, answers, and the gap between two dials."""

    max_dials: int = 2
    max_answers: int = 1
    gap_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback under way. ``lapse_at``: when the right to call back is over. ``dials`` counts committed attempts."""

    id: str
    lapse_at: Instant
    state: CallbackState = CallbackState.WAITING
    dials: int = 0
    answers: int = 0
    accepted: bool = False
    limits: Limits = Limits()


Step: TypeAlias = tuple[Callback, tuple[CallbackCommand, ...]]


def advance(callback: Callback, event: CallbackEvent) -> Step:
    """The callback after ``event`` and what is to be done. A pair that is not in the table changes nothing."""
    step = _TABLE.get((callback.state, type(event)))
    return step(callback, event) if step else (callback, ())


def _to(callback: Callback, state: CallbackState, *commands: CallbackCommand) -> Step:
    return replace(callback, state=state), commands


def _due(c: Callback, event: Due) -> Step:
    if event.at >= c.lapse_at:
        return _to(c, CallbackState.LAPSED)
    return _to(c, CallbackState.RESERVING, AskGate())


def _gate_open(c: Callback, event: GateOpen) -> Step:
    n = c.dials + 1
    return replace(c, state=CallbackState.DIALLING, dials=n), (Dial(n, event.agent),)


def _gate_held(c: Callback, _event: GateHeld) -> Step:
    return _to(c, CallbackState.WAITING, TryWhenAgentFrees())


_STATE_OF_REFUSAL: Final[tuple[tuple[Code, CallbackState], ...]] = (
    (Code.OBJECTED, CallbackState.OBJECTED),
    (Code.RESTRICTED, CallbackState.CANCELLED),
    (Code.REDIALLED, CallbackState.CANCELLED),
    (Code.TOO_LATE, CallbackState.LAPSED),
    (Code.ATTEMPTS, CallbackState.UNANSWERED),
)


def _gate_closed(c: Callback, event: GateClosed) -> Step:
    for code, state in _STATE_OF_REFUSAL:
        if code in event.refusals:
            return _to(c, state)
    return _to(c, CallbackState.FAILED)


def _ringing(c: Callback, _event: Ringing) -> Step:
    return _to(c, CallbackState.RINGING)


def _answered(c: Callback, _event: Answered) -> Step:
    return replace(c, state=CallbackState.ANSWERED, answers=c.answers + 1), ()


def _accepted(c: Callback, _event: Accepted) -> Step:
    return replace(c, accepted=True), ()


def _wrong_person(c: Callback, _event: WrongPerson) -> Step:
    return _to(c, CallbackState.WRONG_PERSON, CloseAttempt(AttemptState.WRONG_PERSON, "key 3"), ReleaseAgent())


def _objected(c: Callback, _event: Objected) -> Step:
    return _to(c, CallbackState.OBJECTED, CloseAttempt(AttemptState.OBJECTED, "key 8"), ReleaseAgent())


def _bridged(c: Callback, _event: Bridged) -> Step:
    return _to(c, CallbackState.CONNECTED, ReleaseAgent())


def _not_reached(c: Callback, event: AttemptEnded) -> Step:
    """The dial ended before anybody answered: again after the gap, if that is still allowed and makes sense."""
    ours = event.outcome.trunk_fault or event.outcome is AttemptOutcome.FAILED
    attempt = AttemptState.FAILED if ours else AttemptState.UNANSWERED
    close = CloseAttempt(attempt, event.outcome.value, event.cause)
    retry_at = event.at + c.limits.gap_ms
    if not event.outcome.retry:
        state = CallbackState.FAILED if ours else CallbackState.UNANSWERED
        return _to(c, state, close, ReleaseAgent())
    if c.dials >= c.limits.max_dials:
        return _to(c, CallbackState.UNANSWERED, close, ReleaseAgent())
    if retry_at >= c.lapse_at:
        return _to(c, CallbackState.LAPSED, close, ReleaseAgent())
    return _to(c, CallbackState.WAITING, close, ReleaseAgent(), TryAt(retry_at))


def _hung_up_after_answer(c: Callback, event: AttemptEnded) -> Step:
    # an answer was used up: a machine, a stranger, or a customer who did not want to wait is not rung again
    if c.accepted:
        close = CloseAttempt(AttemptState.FAILED, "ended before an agent answered", event.cause)
        return _to(c, CallbackState.FAILED, close, ReleaseAgent())
    close = CloseAttempt(AttemptState.UNANSWERED, "answered without a key", event.cause)
    return _to(c, CallbackState.UNANSWERED, close, ReleaseAgent())


def _talk_over(c: Callback, event: AttemptEnded) -> Step:
    return _to(c, CallbackState.COMPLETED, CloseAttempt(AttemptState.COMPLETED, "talk over", event.cause))


def _never_sent(c: Callback, event: NeverSent) -> Step:
    close = CloseAttempt(AttemptState.LOST, "the Originate never left", never_existed=True)
    if c.dials >= c.limits.max_dials:
        return _to(c, CallbackState.FAILED, close, ReleaseAgent())
    return _to(c, CallbackState.WAITING, close, ReleaseAgent(), TryAt(event.at + c.limits.gap_ms))


def _fate_hidden(c: Callback, _event: FateHidden) -> Step:
    return _to(c, CallbackState.LOST, CloseAttempt(AttemptState.LOST, "fate hidden"), ReleaseAgent())


def _talk_lost_from_sight(c: Callback, _event: FateHidden) -> Step:
    return _to(c, CallbackState.COMPLETED, CloseAttempt(AttemptState.COMPLETED, "talk over, its end was out of sight"))


_STATE_OF_STOP: Final[Mapping[Stop, CallbackState]] = MappingProxyType(
    {
        Stop.OBJECTION: CallbackState.OBJECTED,
        Stop.REDIAL: CallbackState.CANCELLED,
        Stop.CANCELLED: CallbackState.CANCELLED,
        Stop.RESTRICTION: CallbackState.CANCELLED,
        Stop.EXPIRED: CallbackState.LAPSED,
    }
)


def _stop_before_dial(c: Callback, event: StopAsked) -> Step:
    return _to(c, _STATE_OF_STOP[event.reason], ReleaseAgent())


def _stop_while_ringing(c: Callback, event: StopAsked) -> Step:
    why = event.reason.value
    state = AttemptState.OBJECTED if event.reason is Stop.OBJECTION else AttemptState.CANCELLED
    return _to(c, _STATE_OF_STOP[event.reason], HangUp(why), CloseAttempt(state, why), ReleaseAgent())


def _stop_after_answer(c: Callback, event: StopAsked) -> Step:
    # he is on the line: neither the end of the window nor his own crossing redial takes him off it
    if event.reason in (Stop.EXPIRED, Stop.REDIAL):
        return c, ()
    return _stop_while_ringing(c, event)


_S = CallbackState
_TABLE: Final[Mapping[tuple[CallbackState, type], Callable[[Callback, Any], Step]]] = MappingProxyType(
    {
        (_S.WAITING, Due): _due,
        (_S.WAITING, StopAsked): _stop_before_dial,
        (_S.RESERVING, GateOpen): _gate_open,
        (_S.RESERVING, GateHeld): _gate_held,
        (_S.RESERVING, GateClosed): _gate_closed,
        (_S.RESERVING, StopAsked): _stop_before_dial,
        (_S.DIALLING, Ringing): _ringing,
        (_S.DIALLING, Answered): _answered,
        (_S.DIALLING, AttemptEnded): _not_reached,
        (_S.DIALLING, NeverSent): _never_sent,
        (_S.DIALLING, FateHidden): _fate_hidden,
        (_S.DIALLING, StopAsked): _stop_while_ringing,
        (_S.RINGING, Answered): _answered,
        (_S.RINGING, AttemptEnded): _not_reached,
        (_S.RINGING, FateHidden): _fate_hidden,
        (_S.RINGING, StopAsked): _stop_while_ringing,
        (_S.ANSWERED, Accepted): _accepted,
        (_S.ANSWERED, WrongPerson): _wrong_person,
        (_S.ANSWERED, Objected): _objected,
        (_S.ANSWERED, Bridged): _bridged,
        (_S.ANSWERED, AttemptEnded): _hung_up_after_answer,
        (_S.ANSWERED, FateHidden): _fate_hidden,
        (_S.ANSWERED, StopAsked): _stop_after_answer,
        (_S.CONNECTED, AttemptEnded): _talk_over,
        (_S.CONNECTED, FateHidden): _talk_lost_from_sight,
    }
)

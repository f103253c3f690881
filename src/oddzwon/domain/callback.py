"""A callback and its dials, from the positive decision to their end: ``(callback, event) -> (callback, commands)``.

Agent first: the dial gate is passed, an agent is rung and holds the line, the gate is passed again, and only then is
the customer dialled. Customer first: one gate, and the customer is dialled while an agent is promised.

Everything that changes a callback's or an attempt's state lives in this file, in one table. A final state absorbs
whatever still arrives. The rule that matters most: an attempt is committed before it is dialled, it is dialled once,
and one whose fate is hidden by a crash or a lost connection counts as a dial and ends the callback (at most once).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from oddzwon.domain.callback_events import (
    Accepted,
    AgentGone,
    AgentHolds,
    AgentTalks,
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
    Machine,
    NeverSent,
    Objected,
    ReleaseAgent,
    RingAgent,
    Ringing,
    Stop,
    StopAsked,
    TryAt,
    TryWhenRoom,
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
    """The operator's parameters of a callback: dials, answers, and the gap between two dials.

    ``retry`` holds the outcomes whose gap is another one, in milliseconds; 0: such an outcome ends the callback.
    """

    max_dials: int = 2
    max_answers: int = 1
    gap_ms: int = 30_000
    retry: Mapping[AttemptOutcome, int] = field(default_factory=dict)

    def gap_after(self, outcome: AttemptOutcome) -> int | None:
        """How long to wait before the next dial after such a one, in milliseconds; None: there is no next one."""
        gap = self.retry.get(outcome, self.gap_ms)
        return gap if outcome.retry and gap else None


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback under way. ``lapse_at``: when the right to call back is over. ``dials`` counts committed attempts.

    ``agent_holds``: an agent is on the line and waits for the customer. ``accepted``: the customer wants to go on.
    """

    id: str
    lapse_at: Instant
    state: CallbackState = CallbackState.WAITING
    dials: int = 0
    answers: int = 0
    agent_first: bool = False
    agent_holds: bool = False
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
    if c.agent_first and not c.agent_holds:
        return c, (RingAgent(event.agent),)
    n = c.dials + 1
    return replace(c, state=CallbackState.DIALLING, dials=n), (Dial(n, event.agent),)


def _gate_held(c: Callback, _event: GateHeld) -> Step:
    return _wait(c, ReleaseAgent(), TryWhenRoom())


def _wait(c: Callback, *commands: CallbackCommand) -> Step:
    return replace(c, state=CallbackState.WAITING, agent_holds=False), commands


def _agent_holds(c: Callback, _event: AgentHolds) -> Step:
    return replace(c, agent_holds=True), (AskGate(),)  # what forbids the dial may have come while his phone rang


def _agent_did_not_hold(c: Callback, event: AgentGone) -> Step:
    return _wait(c, ReleaseAgent(), TryAt(event.at))


def _agent_left_the_dial(c: Callback, event: AgentGone) -> Step:
    """Nobody would be there for the customer: his telephone stops ringing (no silent calls, NO_AGENT)."""
    if not c.agent_first:
        return c, ()
    close = CloseAttempt(AttemptState.CANCELLED, f"the agent left: {event.why}")
    c = replace(c, agent_holds=False)
    hang_up = HangUp("the agent left")
    again_at = event.at + c.limits.gap_ms
    if c.dials >= c.limits.max_dials:
        return _to(c, CallbackState.FAILED, hang_up, close, ReleaseAgent())
    if again_at >= c.lapse_at:
        return _to(c, CallbackState.LAPSED, hang_up, close, ReleaseAgent())
    return _to(c, CallbackState.WAITING, hang_up, close, ReleaseAgent(), TryAt(again_at))


def _agent_left_the_answer(c: Callback, _event: AgentGone) -> Step:
    # the customer is there: when he wants to go on, the queue finds him another
    return replace(c, agent_holds=False), (ReleaseAgent(),)


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
            return _to(c, state, ReleaseAgent())
    return _to(c, CallbackState.FAILED, ReleaseAgent())


def _ringing(c: Callback, _event: Ringing) -> Step:
    return _to(c, CallbackState.RINGING)


def _answered(c: Callback, _event: Answered) -> Step:
    return replace(c, state=CallbackState.ANSWERED, answers=c.answers + 1), ()


def _answered_too_late(c: Callback, _event: Answered) -> Step:
    """Answered in the moment in which the dial was given up: he is hung up on, and an answer is an answer."""
    c = replace(c, answers=c.answers + 1)
    if c.answers >= c.limits.max_answers:
        return _to(c, CallbackState.UNANSWERED, ReleaseAgent())
    return c, ()


def _accepted(c: Callback, _event: Accepted) -> Step:
    return replace(c, accepted=True), ()


def _wrong_person(c: Callback, _event: WrongPerson) -> Step:
    return _to(c, CallbackState.WRONG_PERSON, CloseAttempt(AttemptState.WRONG_PERSON, "key 3"), ReleaseAgent())


def _machine(c: Callback, event: Machine) -> Step:
    return _to(c, CallbackState.UNANSWERED, CloseAttempt(AttemptState.UNANSWERED, event.why), ReleaseAgent())


def _objected(c: Callback, _event: Objected) -> Step:
    return _to(c, CallbackState.OBJECTED, CloseAttempt(AttemptState.OBJECTED, "key 8"), ReleaseAgent())


def _bridged(c: Callback, _event: Bridged) -> Step:
    return _to(c, CallbackState.CONNECTED, AgentTalks())


def _not_reached(c: Callback, event: AttemptEnded) -> Step:
    """The dial ended before anybody answered: again after the gap, if that is still allowed and makes sense."""
    ours = event.outcome.trunk_fault or event.outcome is AttemptOutcome.FAILED
    attempt = AttemptState.FAILED if ours else AttemptState.UNANSWERED
    close = CloseAttempt(attempt, event.outcome.value, event.cause)
    gap = c.limits.gap_after(event.outcome)
    if gap is None:
        state = CallbackState.FAILED if ours else CallbackState.UNANSWERED
        return _to(c, state, close, ReleaseAgent())
    if c.dials >= c.limits.max_dials:
        return _to(c, CallbackState.FAILED if ours else CallbackState.UNANSWERED, close, ReleaseAgent())
    if event.at + gap >= c.lapse_at:
        return _to(c, CallbackState.LAPSED, close, ReleaseAgent())
    return _wait(c, close, ReleaseAgent(), TryAt(event.at + gap))


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
    return _wait(c, close, ReleaseAgent(), TryAt(event.at + c.limits.gap_ms))


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
        Stop.OFF: CallbackState.CANCELLED,
        Stop.CAP: CallbackState.FAILED,
    }
)


def _stop_before_dial(c: Callback, event: StopAsked) -> Step:
    return _to(c, _STATE_OF_STOP[event.reason], ReleaseAgent())


def _stop_while_ringing(c: Callback, event: StopAsked) -> Step:
    why = event.why or event.reason.value
    state = AttemptState.OBJECTED if event.reason is Stop.OBJECTION else AttemptState.CANCELLED
    return _to(c, _STATE_OF_STOP[event.reason], HangUp(why), CloseAttempt(state, why), ReleaseAgent())


def _stop_after_answer(c: Callback, event: StopAsked) -> Step:
    # he is on the line: the end of the window does not take him off it
    if event.reason is Stop.EXPIRED:
        return c, ()
    # both at once end in one conversation: until his key the call that he makes himself is served (a machine may have
    # answered ours, since he was dialling), from then on this one is
    if event.reason is Stop.REDIAL and c.accepted:
        return c, ()
    return _stop_while_ringing(c, event)


_S = CallbackState
_TABLE: Final[Mapping[tuple[CallbackState, type], Callable[[Callback, Any], Step]]] = MappingProxyType(
    {
        (_S.WAITING, Due): _due,
        (_S.WAITING, Answered): _answered_too_late,
        (_S.WAITING, StopAsked): _stop_before_dial,
        (_S.RESERVING, GateOpen): _gate_open,
        (_S.RESERVING, GateHeld): _gate_held,
        (_S.RESERVING, AgentHolds): _agent_holds,
        (_S.RESERVING, AgentGone): _agent_did_not_hold,
        (_S.RESERVING, GateClosed): _gate_closed,
        (_S.RESERVING, Answered): _answered_too_late,
        (_S.RESERVING, StopAsked): _stop_before_dial,
        (_S.DIALLING, Ringing): _ringing,
        (_S.DIALLING, AgentGone): _agent_left_the_dial,
        (_S.DIALLING, Answered): _answered,
        (_S.DIALLING, AttemptEnded): _not_reached,
        (_S.DIALLING, NeverSent): _never_sent,
        (_S.DIALLING, FateHidden): _fate_hidden,
        (_S.DIALLING, StopAsked): _stop_while_ringing,
        (_S.RINGING, AgentGone): _agent_left_the_dial,
        (_S.RINGING, Answered): _answered,
        (_S.RINGING, AttemptEnded): _not_reached,
        (_S.RINGING, FateHidden): _fate_hidden,
        (_S.RINGING, StopAsked): _stop_while_ringing,
        (_S.ANSWERED, AgentGone): _agent_left_the_answer,
        (_S.ANSWERED, Accepted): _accepted,
        (_S.ANSWERED, WrongPerson): _wrong_person,
        (_S.ANSWERED, Machine): _machine,
        (_S.ANSWERED, Objected): _objected,
        (_S.ANSWERED, Bridged): _bridged,
        (_S.ANSWERED, AttemptEnded): _hung_up_after_answer,
        (_S.ANSWERED, FateHidden): _fate_hidden,
        (_S.ANSWERED, StopAsked): _stop_after_answer,
        (_S.CONNECTED, AttemptEnded): _talk_over,
        (_S.CONNECTED, FateHidden): _talk_lost_from_sight,
    }
)

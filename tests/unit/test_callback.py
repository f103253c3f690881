"""The callback's machine: every pair of state and event, and generated histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.domain import callback as machine
from oddzwon.domain.callback import FINAL, Callback, CallbackState, Limits, advance
from oddzwon.domain.callback_events import (
    CALLBACK_EVENTS,
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
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.lawfulness import Code
from oddzwon.log import vocabulary

S = CallbackState
A = AttemptState
AT = 1_000_000
LAPSE = AT + 900_000
GAP = Limits().gap_ms
AGENT = "PJSIP/agent1"

BEFORE = {
    state: Callback(
        "cb",
        LAPSE,
        state=state,
        dials=0 if state in (S.WAITING, S.RESERVING) else 1,
        answers=1 if state in (S.ANSWERED, S.CONNECTED) else 0,
        accepted=state is S.CONNECTED,
    )
    for state in CallbackState
}

EVENTS: dict[str, CallbackEvent] = {
    "due": Due(AT),
    "due late": Due(LAPSE),
    "gate open": GateOpen(AT, AGENT),
    "gate held": GateHeld(AT),
    "agent holds": AgentHolds(AT),
    "agent gone": AgentGone(AT, "hung up"),
    "gate closed": GateClosed(AT, (Code.NO_AGENT,)),
    "gate closed, objected": GateClosed(AT, (Code.ATTEMPTS, Code.OBJECTED)),
    "gate closed, restricted": GateClosed(AT, (Code.RESTRICTED,)),
    "gate closed, redialled": GateClosed(AT, (Code.TOO_LATE, Code.REDIALLED)),
    "gate closed, too late": GateClosed(AT, (Code.TOO_LATE,)),
    "gate closed, attempts": GateClosed(AT, (Code.ATTEMPTS,)),
    "ringing": Ringing(AT),
    "answered": Answered(AT),
    "key 1": Accepted(AT),
    "key 3": WrongPerson(AT),
    "a machine": Machine(AT, "a machine, by AMD: NOTSURE"),
    "key 8": Objected(AT),
    "bridged": Bridged(AT),
    "ended, busy": AttemptEnded(AT, AttemptOutcome.BUSY, 17),
    "ended, rejected": AttemptEnded(AT, AttemptOutcome.REJECTED, 21),
    "ended, trunk refused": AttemptEnded(AT, AttemptOutcome.TRUNK_REFUSED, 21),
    "ended, congestion": AttemptEnded(AT, AttemptOutcome.CONGESTION, 34),
    "ended too late": AttemptEnded(LAPSE - GAP, AttemptOutcome.NO_ANSWER, 19),
    "never sent": NeverSent(AT),
    "fate hidden": FateHidden(AT),
    "stop, objection": StopAsked(AT, Stop.OBJECTION),
    "stop, redial": StopAsked(AT, Stop.REDIAL),
    "stop, cancelled": StopAsked(AT, Stop.CANCELLED),
    "stop, expired": StopAsked(AT, Stop.EXPIRED),
    "stop, restriction": StopAsked(AT, Stop.RESTRICTION),
    "stop, callbacks are off": StopAsked(AT, Stop.OFF),
    "stop, cap": StopAsked(AT, Stop.CAP),
}

Row: TypeAlias = tuple[CallbackState, dict[str, Any], tuple[CallbackCommand, ...]]
FREE = ReleaseAgent()


def closed(state: AttemptState, why: str, cause: int | None = None) -> CloseAttempt:
    return CloseAttempt(state, why, cause)


def _stops(*, dialled: bool) -> dict[str, Row]:
    """What each reason to stop does: before the dial nothing rings; while it rings the phone stops."""
    rows: dict[str, Row] = {}
    for name, state, attempt in (
        ("objection", S.OBJECTED, A.OBJECTED),
        ("redial", S.CANCELLED, A.CANCELLED),
        ("cancelled", S.CANCELLED, A.CANCELLED),
        ("expired", S.LAPSED, A.CANCELLED),
        ("restriction", S.CANCELLED, A.CANCELLED),
        ("callbacks are off", S.CANCELLED, A.CANCELLED),
        ("cap", S.FAILED, A.CANCELLED),
    ):
        commands = (HangUp(name), closed(attempt, name), FREE) if dialled else (FREE,)
        rows[f"stop, {name}"] = (state, {}, commands)
    return rows


NOT_ANSWERED: dict[str, Row] = {
    "ended, busy": (S.WAITING, {}, (closed(A.UNANSWERED, "busy", 17), FREE, TryAt(AT + GAP))),
    "ended, rejected": (S.UNANSWERED, {}, (closed(A.UNANSWERED, "rejected", 21), FREE)),
    "ended, trunk refused": (S.FAILED, {}, (closed(A.FAILED, "trunk_refused", 21), FREE)),
    "ended, congestion": (S.WAITING, {}, (closed(A.FAILED, "congestion", 34), FREE, TryAt(AT + GAP))),
    "ended too late": (S.LAPSED, {}, (closed(A.UNANSWERED, "no_answer", 19), FREE)),
    "fate hidden": (S.LOST, {}, (closed(A.LOST, "fate hidden"), FREE)),
}
ENDS = {", busy": 17, ", rejected": 21, ", trunk refused": 21, ", congestion": 34, " too late": 19}


def _whatever_the_cause(
    state: CallbackState, attempt: AttemptState, why: str, *then: CallbackCommand
) -> dict[str, Row]:
    """After an answer it does not matter how the channel ended."""
    return {f"ended{what}": (state, {}, (closed(attempt, why, cause), *then)) for what, cause in ENDS.items()}


NO_KEY = _whatever_the_cause(S.UNANSWERED, A.UNANSWERED, "answered without a key", FREE)
TALK_OVER = _whatever_the_cause(S.COMPLETED, A.COMPLETED, "talk over")

ANSWERED_LATE: Row = (S.UNANSWERED, {"answers": 1}, (FREE,))

CHANGES: dict[CallbackState, dict[str, Row]] = {
    S.WAITING: {
        "due": (S.RESERVING, {}, (AskGate(),)),
        "due late": (S.LAPSED, {}, ()),
        "answered": ANSWERED_LATE,
        **_stops(dialled=False),
    },
    S.RESERVING: {
        "gate open": (S.DIALLING, {"dials": 1}, (Dial(1, AGENT),)),
        "gate held": (S.WAITING, {}, (FREE, TryWhenRoom())),
        "answered": ANSWERED_LATE,
        "agent holds": (S.RESERVING, {"agent_holds": True}, (AskGate(),)),
        "agent gone": (S.WAITING, {}, (FREE, TryAt(AT))),
        "gate closed": (S.FAILED, {}, (FREE,)),
        "gate closed, objected": (S.OBJECTED, {}, (FREE,)),
        "gate closed, restricted": (S.CANCELLED, {}, (FREE,)),
        "gate closed, redialled": (S.CANCELLED, {}, (FREE,)),
        "gate closed, too late": (S.LAPSED, {}, (FREE,)),
        "gate closed, attempts": (S.UNANSWERED, {}, (FREE,)),
        **_stops(dialled=False),
    },
    S.DIALLING: {
        "ringing": (S.RINGING, {}, ()),
        "answered": (S.ANSWERED, {"answers": 1}, ()),
        **NOT_ANSWERED,
        "never sent": (
            S.WAITING,
            {},
            (CloseAttempt(A.LOST, "the Originate never left", never_existed=True), FREE, TryAt(AT + GAP)),
        ),
        **_stops(dialled=True),
    },
    S.RINGING: {"answered": (S.ANSWERED, {"answers": 1}, ()), **NOT_ANSWERED, **_stops(dialled=True)},
    S.ANSWERED: {
        "key 1": (S.ANSWERED, {"accepted": True}, ()),
        "key 3": (S.WRONG_PERSON, {}, (closed(A.WRONG_PERSON, "key 3"), FREE)),
        "a machine": (S.UNANSWERED, {}, (closed(A.UNANSWERED, "a machine, by AMD: NOTSURE"), FREE)),
        "key 8": (S.OBJECTED, {}, (closed(A.OBJECTED, "key 8"), FREE)),
        "bridged": (S.CONNECTED, {}, (AgentTalks(),)),
        "agent gone": (S.ANSWERED, {}, (FREE,)),
        **NO_KEY,
        "fate hidden": (S.LOST, {}, (closed(A.LOST, "fate hidden"), FREE)),
        **{k: v for k, v in _stops(dialled=True).items() if k != "stop, expired"},
    },
    S.CONNECTED: {
        **TALK_OVER,
        "fate hidden": (S.COMPLETED, {}, (closed(A.COMPLETED, "talk over, its end was out of sight"),)),
    },
}
"""Every pair that changes something; all others change nothing."""

NOBODY_THERE: Row = (
    S.WAITING,
    {},
    (HangUp("the agent left"), closed(A.CANCELLED, "the agent left: hung up"), FREE, TryAt(AT + GAP)),
)
AGENT_FIRST: dict[CallbackState, dict[str, Row]] = {
    S.RESERVING: {"gate open": (S.RESERVING, {}, (RingAgent(AGENT),))},
    S.DIALLING: {"agent gone": NOBODY_THERE},
    S.RINGING: {"agent gone": NOBODY_THERE},
}
"""What is another thing where an agent holds the line before the customer is dialled."""


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("state", CallbackState)
def test_every_pair(state: CallbackState, name: str) -> None:
    before = BEFORE[state]
    row = CHANGES.get(state, {}).get(name)
    if row is None:
        assert (before, ()) == advance(before, EVENTS[name])
    else:
        after, fields, commands = row
        assert (replace(before, state=after, **fields), commands) == advance(before, EVENTS[name])


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("state", CallbackState)
def test_every_pair_agent_first(state: CallbackState, name: str) -> None:
    before = replace(BEFORE[state], agent_first=True)
    row = AGENT_FIRST.get(state, {}).get(name) or CHANGES.get(state, {}).get(name)
    if row is None:
        assert (before, ()) == advance(before, EVENTS[name])
    else:
        after, fields, commands = row
        assert (replace(before, state=after, **fields), commands) == advance(before, EVENTS[name])


def test_the_customer_is_dialled_once_the_agent_holds_the_line_and_the_gate_is_open_again() -> None:
    callback = replace(BEFORE[S.RESERVING], agent_first=True)
    callback, rung = advance(callback, GateOpen(AT, AGENT))
    callback, asked = advance(callback, AgentHolds(AT))
    callback, dialled = advance(callback, GateOpen(AT, AGENT))
    assert (rung, asked, dialled) == ((RingAgent(AGENT),), (AskGate(),), (Dial(1, AGENT),))
    assert (callback.state, callback.dials) == (S.DIALLING, 1)


def test_a_call_of_his_own_is_served_until_his_key_and_the_callback_from_then_on() -> None:
    redial = EVENTS["stop, redial"]
    assert advance(BEFORE[S.ANSWERED], redial)[0].state is S.CANCELLED
    accepted = replace(BEFORE[S.ANSWERED], accepted=True)
    assert advance(accepted, redial) == (accepted, ())


def test_an_answer_in_the_moment_in_which_the_agent_leaves_is_the_one_answer() -> None:
    given_up, _ = advance(replace(BEFORE[S.RINGING], agent_first=True), AgentGone(AT, "hung up"))
    after, commands = advance(given_up, Answered(AT))
    assert (after.state, after.answers) == (S.UNANSWERED, 1)
    assert not [c for c in commands if isinstance(c, TryAt)]
    more = replace(given_up, limits=Limits(max_answers=2))
    assert advance(more, Answered(AT))[0].state is S.WAITING


def test_what_the_log_is_to_say_of_a_stop() -> None:
    by_anna = StopAsked(AT, Stop.CANCELLED, "cancelled (console) by anna")
    _, (_, close, _) = advance(BEFORE[S.RINGING], by_anna)
    assert close == closed(A.CANCELLED, "cancelled (console) by anna")


@pytest.mark.parametrize(
    ("outcome", "gap"),
    [(AttemptOutcome.BUSY, 20_000), (AttemptOutcome.NO_ANSWER, GAP), (AttemptOutcome.UNREACHABLE, None)],
)
def test_each_outcome_has_its_own_gap_and_none_ends_it(outcome: AttemptOutcome, gap: int | None) -> None:
    limits = Limits(retry={AttemptOutcome.BUSY: 20_000, AttemptOutcome.UNREACHABLE: 0})
    after, commands = advance(replace(BEFORE[S.RINGING], limits=limits), AttemptEnded(AT, outcome, 17))
    again = [c.at - AT for c in commands if isinstance(c, TryAt)]
    assert again == ([] if gap is None else [gap])
    assert after.state is (S.UNANSWERED if gap is None else S.WAITING)


def test_the_events_above_are_all_there_are() -> None:
    assert set(get_args(CallbackEvent)) == set(CALLBACK_EVENTS) == {type(e) for e in EVENTS.values()}


def test_words_are_those_of_the_log() -> None:
    assert set(vocabulary.CALLBACK_FINAL) == {s.value for s in FINAL} == {s.value for s in S if s.final}
    assert set(vocabulary.CALLBACK_OPEN) == {s.value for s in S} - {s.value for s in FINAL}
    assert set(vocabulary.ATTEMPT_OPEN + vocabulary.ATTEMPT_FINAL) == {a.value for a in A}


@pytest.mark.parametrize("name", ["ended, busy", "ended, congestion"])
@pytest.mark.parametrize("state", [S.DIALLING, S.RINGING])
def test_the_last_dial_ends_it(state: CallbackState, name: str) -> None:
    after, commands = advance(replace(BEFORE[state], dials=2), EVENTS[name])
    # the trunk's fault is not the customer's silence
    assert after.state is (S.FAILED if name == "ended, congestion" else S.UNANSWERED)
    assert not [c for c in commands if isinstance(c, TryAt)]


def test_an_originate_that_never_left_counts_as_a_dial() -> None:
    """Whether it left is known only to us; the committed attempt stays, so the bound holds whatever happens."""
    first, _ = advance(BEFORE[S.DIALLING], NeverSent(AT))
    assert (first.state, first.dials) == (S.WAITING, 1)
    last, commands = advance(replace(BEFORE[S.DIALLING], dials=2), NeverSent(AT))
    assert S.FAILED is last.state
    assert not [c for c in commands if isinstance(c, TryAt)]


def test_after_key_1_the_customer_who_hangs_up_before_an_agent_was_there_was_not_unanswered() -> None:
    after, commands = advance(replace(BEFORE[S.ANSWERED], accepted=True), AttemptEnded(AT, AttemptOutcome.BUSY, 16))
    assert S.FAILED is after.state
    assert (closed(A.FAILED, "ended before an agent answered", 16), FREE) == commands


def test_only_a_lost_attempt_claims_that_its_channel_never_was() -> None:
    """The log's own rule (attempt-never-existed-is-lost): what it refuses would leave the attempt open for ever."""
    for before in BEFORE.values():
        for event in EVENTS.values():
            for command in advance(before, event)[1]:
                if isinstance(command, CloseAttempt):
                    assert not command.never_existed or command.state is A.LOST


# --- generated histories -----------------------------------------------------------------------------------------

events = st.one_of(
    st.sampled_from(list(EVENTS.values())),
    st.builds(Due, st.integers(0, LAPSE + 1)),
    st.builds(GateOpen, st.just(AT), st.sampled_from([AGENT, "PJSIP/agent2"])),
    st.builds(GateClosed, st.just(AT), st.lists(st.sampled_from(Code), max_size=3).map(tuple)),
    st.builds(
        AttemptEnded, st.integers(0, LAPSE + 1), st.sampled_from(AttemptOutcome), st.none() | st.integers(0, 127)
    ),
    st.builds(NeverSent, st.integers(0, LAPSE + 1)),
    st.builds(StopAsked, st.just(AT), st.sampled_from(Stop)),
)
# long runs through the middle of the table are rare by chance alone: whole dials are offered as one piece
dials = st.sampled_from(
    [
        (Due(AT), GateOpen(AT, AGENT)),
        (Due(AT), GateOpen(AT, AGENT), AgentHolds(AT), GateOpen(AT, AGENT)),
        (Due(AT), GateOpen(AT, AGENT), AgentGone(AT, "did not answer")),
        (Due(AT), GateOpen(AT, AGENT), Ringing(AT)),
        (Due(AT), GateOpen(AT, AGENT), Ringing(AT), AttemptEnded(AT, AttemptOutcome.NO_ANSWER, 19)),
        (Due(AT), GateOpen(AT, AGENT), NeverSent(AT)),
        (Due(AT), GateOpen(AT, AGENT), Ringing(AT), Answered(AT), Accepted(AT), Bridged(AT)),
    ]
)
histories = st.lists(dials | events.map(lambda e: (e,)), max_size=14).map(lambda parts: [e for p in parts for e in p])

Steps: TypeAlias = list[tuple[Callback, CallbackEvent, Callback, tuple[CallbackCommand, ...]]]


def run(history: Sequence[CallbackEvent], max_dials: int = 2, *, agent_first: bool = False) -> Steps:
    callback = Callback("cb", LAPSE, agent_first=agent_first, limits=Limits(max_dials=max_dials))
    steps: Steps = []
    for event in history:
        after, commands = advance(callback, event)
        steps.append((callback, event, after, commands))
        callback = after
    return steps


@given(histories)
def test_agent_first_nobody_is_dialled_before_an_agent_holds_the_line(history: list[CallbackEvent]) -> None:
    for before, _, _, commands in run(history, agent_first=True):
        for command in commands:
            assert not isinstance(command, Dial) or before.agent_holds
            assert not isinstance(command, RingAgent) or not before.agent_holds


@given(histories, st.integers(1, 3), st.booleans())
def test_dials_are_bounded_numbered_once_and_only_through_the_gate(
    history: list[CallbackEvent], max_dials: int, agent_first: bool
) -> None:
    steps = run(history, max_dials, agent_first=agent_first)
    dialled = [(event, c.n) for _, event, _, commands in steps for c in commands if isinstance(c, Dial)]
    assert all(isinstance(event, GateOpen) for event, _ in dialled)
    assert [n for _, n in dialled] == list(range(1, len(dialled) + 1))
    assert len(dialled) <= max_dials
    if steps:
        assert len(dialled) == steps[-1][2].dials


@given(histories)
def test_a_final_state_is_reached_once_and_absorbs_everything(history: list[CallbackEvent]) -> None:
    steps = run(history)
    finals = [after.state for before, _, after, _ in steps if after.state.final and not before.state.final]
    assert len(finals) <= 1
    for before, _, after, commands in steps:
        if before.state.final:
            assert (before, ()) == (after, commands)


@given(histories)
def test_nothing_is_dialled_after_a_fate_was_hidden(history: list[CallbackEvent]) -> None:
    hidden = False
    for before, event, _, commands in run(history):
        assert not (hidden and any(isinstance(c, Dial) for c in commands))
        under_way = before.state in (S.DIALLING, S.RINGING, S.ANSWERED, S.CONNECTED)
        hidden = hidden or (isinstance(event, FateHidden) and under_way)


@given(histories, st.booleans())
def test_a_stop_while_it_rings_always_hangs_up(history: list[CallbackEvent], agent_first: bool) -> None:
    for before, event, after, commands in run(history, agent_first=agent_first):
        if isinstance(event, StopAsked) and before.state in (S.DIALLING, S.RINGING):
            assert any(isinstance(c, HangUp) for c in commands)
            assert after.state.final
        if any(isinstance(c, HangUp) for c in commands):
            assert isinstance(event, StopAsked) or (agent_first and isinstance(event, AgentGone))


@given(histories, st.booleans())
def test_every_dial_is_closed_once_and_its_agent_released(history: list[CallbackEvent], agent_first: bool) -> None:
    open_dial = agent_held = False
    for _, _, after, commands in run(history, agent_first=agent_first):
        for command in commands:
            if isinstance(command, RingAgent):
                agent_held = True
            elif isinstance(command, Dial):
                assert not open_dial
                open_dial = agent_held = True
            elif isinstance(command, CloseAttempt):
                assert open_dial
                open_dial = False
            elif isinstance(command, ReleaseAgent | AgentTalks):
                agent_held = False
        under_way = after.state in (S.DIALLING, S.RINGING, S.ANSWERED, S.CONNECTED)
        assert open_dial == under_way
        assert not agent_held or after.state in (S.RESERVING, S.DIALLING, S.RINGING, S.ANSWERED)


def test_the_table_has_no_final_state() -> None:
    assert not {state for state, _ in machine._TABLE} & FINAL

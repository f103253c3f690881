"""A call's machine: every pair of phase and event, its stages, its one verdict, its bounded journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddzwon.domain.call import (
    SETTLE_MS,
    AgentLeg,
    Call,
    CallCommand,
    Connected,
    Judge,
    Phase,
    SettleDue,
    WaitToSettle,
    advance,
)
from oddzwon.domain.events import (
    CALL_EVENTS,
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    Attested,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Direction,
    Fault,
    HandedOver,
    HandlerRan,
    HangupRecorded,
    HangupRequested,
    Held,
    HungUpBy,
    LegEnded,
    LegsJoined,
    MediaReported,
    Oddity,
    OutOfSight,
    Parked,
    PbxRestarted,
    QueueJoined,
    QueueLeft,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
    StageReached,
    Unheld,
    Unparked,
    WeHungUp,
)
from oddzwon.domain.journal import LIMIT

C, A, B = "pbx-1.1", "pbx-1.2", "pbx-1.3"
AGENT = "PJSIP/agent1"
T0 = 1_000_000
AT = T0 + 5_000

NEW = Call(leg=C, direction=Direction.INBOUND, started_at=T0)
AGENTS = MappingProxyType({A: AgentLeg(AGENT)})
LIVE = replace(NEW, stage=Stage.CONNECTING, queue="support", agents=AGENTS, bridges=MappingProxyType({A: "b"}))
STATES = {
    Phase.LIVE: LIVE,
    Phase.SETTLING: replace(LIVE, phase=Phase.SETTLING, ended_at=T0 + 4_000),
    Phase.SETTLED: replace(LIVE, phase=Phase.SETTLED, ended_at=T0 + 4_000),
}

EVENTS: dict[str, CallEvent | SettleDue] = {
    "stage": StageReached(AT, C, Stage.MENU),
    "joined": QueueJoined(AT, C, "sales"),
    "joined, another leg": QueueJoined(AT, A, "sales"),
    "left queue": QueueLeft(AT, C, "support"),
    "agent rings": AgentRinging(AT, B, "PJSIP/agent2"),
    "agent answers": AgentAnswered(AT, A, AGENT),
    "agent gives up": AgentGaveUp(AT, A),
    "caller bridged": BridgeEntered(AT, C, "b"),
    "agent unbridged": BridgeLeft(AT, A, "b"),
    "held": Held(AT, C),
    "unheld": Unheld(AT, C),
    "media": MediaReported(AT, C, 1),
    "bye": HangupRequested(AT, C, None, None),
    "soft": SoftHangupRequested(AT, C, 16),
    "handler": HandlerRan(AT, C, Role.CALLER, 16, ""),
    "caller gone": LegEnded(AT, C, 16),
    "agent gone": LegEnded(AT, A, 16),
    "stranger gone": LegEnded(AT, "pbx-9.9", 16),
    "shutting down": ShuttingDown(AT),
    "we hung up": WeHungUp(AT, C, "objection"),
    "restarted": PbxRestarted(AT, 2_000),
    "out of sight": OutOfSight(AT, 2_000),
    "joined halves": LegsJoined(AT, A, B),
    "handed over": HandedOver(AT, A),
    "parked": Parked(AT, C),
    "unparked": Unparked(AT, C),
    "hang-up recorded": HangupRecorded(AT, C, 16, HungUpBy.ITSELF, "cel"),
    "attested": Attested(AT, Fault.CALLER_LINE, "code"),
    "odd": Oddity(AT, None, "its Linkedid joins two calls"),
    "settle": SettleDue(AT),
}

Change: TypeAlias = dict[str, object]
NO_AGENT: Change = {"agents": {}, "bridges": {}}
CHANGES: dict[Phase, dict[str, tuple[Change, tuple[CallCommand, ...]]]] = {
    Phase.LIVE: {
        "joined": ({"stage": Stage.QUEUED, "queue": "sales"}, ()),
        "agent rings": ({"agents": {A: AgentLeg(AGENT), B: AgentLeg("PJSIP/agent2")}}, ()),
        "agent answers": ({"agents": {A: AgentLeg(AGENT, ringing=False)}}, ()),
        "agent gives up": ({**NO_AGENT, "stage": Stage.QUEUED}, ()),
        "agent gone": ({**NO_AGENT, "stage": Stage.QUEUED}, ()),
        "caller bridged": (
            {
                "bridges": {A: "b", C: "b"},
                "beside": {A},
                "stage": Stage.TALKING,
                "agent": AGENT,
                "connected_at": AT,
            },
            (Connected(AGENT, AT),),
        ),
        "agent unbridged": ({"bridges": {}}, ()),
        "caller gone": ({"phase": Phase.SETTLING, "ended_at": AT}, (WaitToSettle(SETTLE_MS),)),
        "restarted": ({"phase": Phase.SETTLED, "ended_at": AT - 2_000, "agents": {}}, (Judge(),)),
    },
    Phase.SETTLING: {
        "agent rings": ({"agents": {A: AgentLeg(AGENT), B: AgentLeg("PJSIP/agent2")}}, ()),
        "agent answers": ({"agents": {A: AgentLeg(AGENT, ringing=False)}}, ()),
        "agent gives up": ({**NO_AGENT, "phase": Phase.SETTLED}, (Judge(),)),
        "agent gone": ({**NO_AGENT, "phase": Phase.SETTLED}, (Judge(),)),
        "caller bridged": ({"bridges": {A: "b", C: "b"}, "beside": {A}}, ()),
        "agent unbridged": ({"bridges": {}}, ()),
        "restarted": ({"phase": Phase.SETTLED, "agents": {}}, (Judge(),)),
        "settle": ({"phase": Phase.SETTLED}, (Judge(),)),
    },
    Phase.SETTLED: {},
}
"""Every pair that changes more than the journal."""


def state(call: Call) -> dict[str, object]:
    """Everything but the journal, with plain dicts to compare."""
    shown: dict[str, object] = {f: getattr(call, f) for f in Call.__slots__ if f != "journal"}
    return shown | {"agents": dict(call.agents), "bridges": dict(call.bridges)}


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("phase", Phase)
def test_every_pair(phase: Phase, name: str) -> None:
    before, event = STATES[phase], EVENTS[name]
    change, commands = CHANGES[phase].get(name, ({}, ()))
    after, done = advance(before, event)
    assert ({**state(before), **change}, commands) == (state(after), done)
    kept = () if phase is Phase.SETTLED or isinstance(event, SettleDue) else (event,)
    assert kept == after.journal


def test_the_events_above_are_all_there_are() -> None:
    assert set(get_args(CallEvent)) == set(CALL_EVENTS)
    assert {type(e) for e in EVENTS.values()} == {*CALL_EVENTS, SettleDue}


def play(events: Sequence[CallEvent | SettleDue], call: Call = NEW) -> tuple[Call, list[CallCommand]]:
    done: list[CallCommand] = []
    for event in events:
        call, commands = advance(call, event)
        done += commands
    return call, done


TALK: list[CallEvent] = [
    StageReached(T0 + 1, C, Stage.NOTICE),
    StageReached(T0 + 2, C, Stage.MENU),
    StageReached(T0 + 3, C, Stage.ANNOUNCEMENT),
    QueueJoined(T0 + 4, C, "support"),
    AgentRinging(T0 + 5, A, AGENT),
    AgentAnswered(T0 + 6, A, AGENT),
    BridgeEntered(T0 + 7, A, "b"),
    BridgeEntered(T0 + 8, C, "b"),
]


def test_a_call_from_ring_to_verdict() -> None:
    stages = [play(TALK[:n])[0].stage for n in range(len(TALK) + 1)]
    expected = [Stage.ARRIVING, Stage.NOTICE, Stage.MENU, Stage.ANNOUNCEMENT, Stage.QUEUED]
    assert [*expected, Stage.CONNECTING, Stage.CONNECTING, Stage.CONNECTING, Stage.TALKING] == stages
    call, done = play([*TALK, LegEnded(AT, C, 16), LegEnded(AT + 1, A, 16)])
    assert [Connected(AGENT, T0 + 8), WaitToSettle(SETTLE_MS), Judge()] == done
    assert (call.phase, call.ended_at, call.agent) == (Phase.SETTLED, AT, AGENT)


def test_who_came_by_a_transfer_is_waited_for_too() -> None:
    """He was never dialled for this call; his leg's end may be what tells of a fault."""
    call, done = play([*TALK, BridgeEntered(T0 + 9, B, "b"), LegEnded(AT, C, 16), LegEnded(AT + 1, A, 16)])
    assert (call.phase, Judge() in done) == (Phase.SETTLING, False)
    call, done = play([LegEnded(AT + 2, B, 16)], call)
    assert (call.phase, done) == (Phase.SETTLED, [Judge()])


def test_alone_the_caller_settles_at_once() -> None:
    _, done = play([StageReached(T0 + 1, C, Stage.NOTICE), LegEnded(AT, C, 0)])
    assert [WaitToSettle(SETTLE_MS), Judge()] == done


@pytest.mark.parametrize("queue_first", [True, False])
def test_the_flows_late_word_does_not_turn_the_stage_back(queue_first: bool) -> None:
    late = StageReached(AT, C, Stage.ANNOUNCEMENT)
    events = [late, TALK[3]] if queue_first else [TALK[3], late]
    assert Stage.QUEUED is play(events)[0].stage


def test_an_agent_who_does_not_answer_leaves_the_caller_waiting() -> None:
    call, _ = play([*TALK[:5], AgentGaveUp(AT, A)])
    assert Stage.QUEUED is call.stage
    call, _ = play([AgentRinging(AT + 1, B, "PJSIP/agent2"), AgentGaveUp(AT, A)], call)
    assert Stage.CONNECTING is call.stage


@pytest.mark.parametrize(
    "why",
    [
        HangupRequested(AT, C, None, None),
        SoftHangupRequested(AT, C, 1),
        WeHungUp(AT, C, "objection"),
        ShuttingDown(AT),
    ],
)
def test_the_stage_is_that_of_the_ending_not_of_its_echo(why: CallEvent) -> None:
    """Measured (caller-killed-agent-ringing): Asterisk gives the ringing agent up before the caller's Hangup."""
    call, _ = play([*TALK[:5], why, AgentGaveUp(AT + 1, A), LegEnded(AT + 2, A, 0), LegEnded(AT + 3, C, 44)])
    assert Stage.CONNECTING is call.stage


def test_being_moved_is_no_ending() -> None:
    call, _ = play([*TALK[:5], SoftHangupRequested(AT, C, 2), AgentGaveUp(AT + 1, A)])
    assert Stage.QUEUED is call.stage


def test_connected_is_said_once_with_the_agent_whatever_the_order() -> None:
    for bridged in ([TALK[6], TALK[7]], [TALK[7], TALK[6]]):
        _, done = play([*TALK[:6], *bridged, BridgeLeft(AT, A, "b"), BridgeEntered(AT + 1, A, "b")])
        assert sum(isinstance(c, Connected) for c in done) == 1
        assert next(c for c in done if isinstance(c, Connected)).agent == AGENT


def test_a_restart_ends_the_call_when_it_was_last_seen() -> None:
    call, done = play([*TALK, PbxRestarted(AT, 2_000)])
    assert ([Judge()], AT - 2_000) == (done[-1:], call.ended_at)
    early, _ = play([PbxRestarted(AT, 60_000)])
    assert early.ended_at == T0


# --- generated histories -----------------------------------------------------------------------------------------

legs = st.sampled_from([C, C, A, B])
at = st.integers(T0, T0 + 60_000)
bridges = st.sampled_from(["b", "b2"])
agents = st.sampled_from([AGENT, "PJSIP/agent2"])
causes = st.none() | st.integers(0, 200)
call_events: st.SearchStrategy[CallEvent] = st.one_of(
    st.builds(StageReached, at, legs, st.sampled_from(Stage)),
    st.builds(QueueJoined, at, legs, st.just("support")),
    st.builds(QueueLeft, at, legs, st.just("support")),
    st.builds(AgentRinging, at, legs, agents),
    st.builds(AgentAnswered, at, legs, agents),
    st.builds(AgentGaveUp, at, legs),
    st.builds(BridgeEntered, at, legs, bridges),
    st.builds(BridgeLeft, at, legs, bridges),
    st.builds(Held, at, legs),
    st.builds(Unheld, at, legs),
    st.builds(MediaReported, at, legs, st.integers(0, 3), st.sampled_from(["", "x"])),
    st.builds(HangupRequested, at, legs, causes, st.none() | st.integers(0, 700)),
    st.builds(SoftHangupRequested, at, legs, st.integers(0, 64)),
    st.builds(HandlerRan, at, legs, st.sampled_from(Role), causes, st.sampled_from(["", "PJSIP/x"]), causes),
    st.builds(LegEnded, at, legs, causes),
    st.builds(ShuttingDown, at),
    st.builds(WeHungUp, at, legs, st.just("objection")),
    st.builds(PbxRestarted, at, st.integers(0, 90_000)),
    st.builds(OutOfSight, at, st.integers(0, 90_000)),
    st.builds(LegsJoined, at, legs, legs),
    st.builds(HandedOver, at, legs),
    st.builds(Parked, at, legs),
    st.builds(Unparked, at, legs),
    st.builds(HangupRecorded, at, legs, causes, st.sampled_from(HungUpBy), st.sampled_from(["cel", "spool"])),
    st.builds(Attested, at, st.none() | st.sampled_from(Fault), st.sampled_from(["code", "phone", "console"])),
    st.builds(Oddity, at, st.none() | legs, st.sampled_from(["a Hangup could not be read", "x"])),
)
histories = st.lists(call_events | st.builds(SettleDue, at), max_size=30)
FLOW_STAGES = (Stage.ARRIVING, Stage.NOTICE, Stage.MENU, Stage.ANNOUNCEMENT)


@given(histories)
def test_judged_once_and_then_deaf(history: list[CallEvent | SettleDue]) -> None:
    call, done = play([*history, LegEnded(T0, C, 16), SettleDue(T0)])
    assert Phase.SETTLED is call.phase
    assert done.count(Judge()) == 1
    assert done.count(WaitToSettle(SETTLE_MS)) <= 1
    assert (call, []) == play(history, call)


@given(histories)
def test_once_queued_never_back_in_the_menu(history: list[CallEvent | SettleDue]) -> None:
    call, queued = NEW, False
    for event in history:
        call, _ = advance(call, event)
        assert not (queued and call.stage in FLOW_STAGES)
        queued = queued or call.stage not in FLOW_STAGES


@given(histories)
def test_what_is_said_twice_changes_nothing_but_the_journal(history: list[CallEvent | SettleDue]) -> None:
    """Asterisk says no hang-up twice: that is noted, and nothing else follows from it."""
    call = NEW
    for event in history:
        call, _ = advance(call, event)
        if not isinstance(event, MediaReported | SettleDue | Oddity):
            again, commands = advance(call, event)
            assert (state(call), ()) == (state(again), commands)
            if not isinstance(event, HangupRequested | LegEnded):
                assert again.journal == call.journal


def test_every_kind_of_event_is_generated() -> None:
    seen: set[type] = set()

    @settings(max_examples=1_000, database=None, derandomize=True)
    @given(call_events)
    def look(event: CallEvent) -> None:
        seen.add(type(event))

    look()
    assert seen == set(CALL_EVENTS)


# --- the journal -------------------------------------------------------------------------------------------------


def test_steady_media_leaves_four_reports() -> None:
    reports = [MediaReported(T0 + n * 1000, C, n * 50) for n in range(100)]
    call, _ = play(reports)
    assert (reports[0], *reports[-3:]) == call.journal


def test_the_moment_it_stood_still_is_kept_however_long_it_stands() -> None:
    going = [MediaReported(T0 + n * 1000, C, n * 50) for n in range(50)]
    frozen = [MediaReported(T0 + n * 1000, C, 49 * 50) for n in range(50, 100)]
    call, _ = play([*going, *frozen])
    assert {going[0], going[-1], frozen[-1]} <= set(call.journal)
    assert len(call.journal) <= 7


def test_the_legs_reports_are_kept_apart() -> None:
    mixed = [MediaReported(T0 + n, leg, n * 50 if leg == C else 7) for n in range(60) for leg in (C, A)]
    call, _ = play(mixed)
    for leg in (C, A):
        mine = [e for e in mixed if e.leg == leg]
        assert {mine[0], mine[-1]} <= set(call.journal)


def test_the_journal_is_bounded_and_keeps_the_newest() -> None:
    toggles = [kind(T0 + n, C) for n in range(LIMIT) for kind in (Held, Unheld)]
    call, _ = play(toggles)
    assert tuple(toggles[-LIMIT:]) == call.journal


def test_hours_of_comfort_noise_do_not_crowd_out_whom_he_talks_with() -> None:
    """A leg with silence suppression reports by turns that its sequence moved and that it stood."""
    call, _ = play([*TALK, *(MediaReported(T0 + 100 + n, C, n // 2) for n in range(3 * LIMIT))])
    assert len(call.journal) == LIMIT
    assert {*TALK} <= {*call.journal}
    assert MediaReported(T0 + 99 + 3 * LIMIT, C, (3 * LIMIT - 1) // 2) == call.journal[-1]


@pytest.mark.thorough
@settings(max_examples=30)
@given(st.lists(call_events, min_size=40, max_size=60).map(lambda events: events * 12))
def test_bounded_whatever_comes(history: list[CallEvent]) -> None:
    moved = [replace(event, at=T0 + n) for n, event in enumerate(history)]
    call, _ = play([e for e in moved if not isinstance(e, LegEnded | PbxRestarted)])
    assert len(call.journal) <= LIMIT

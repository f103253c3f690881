"""Whom the caller is connected with, through transfers, parking, ring groups and Local channels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stories import (
    CONNECTING,
    END,
    HIGH,
    MEDIUM,
    QUEUED,
    TALKING,
    UNKNOWN,
    A,
    B,
    C,
    Told,
    bye,
    tail,
    verdict,
)
from tests.unit.test_call import call_events

from oddzwon.domain.ending import Party
from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    HandlerRan,
    HangupRequested,
    LegEnded,
    LegId,
    LegsJoined,
    Parked,
    QueueJoined,
    Role,
    SoftHangupRequested,
    Unparked,
)
from oddzwon.domain.scene import Scene

ONE, TWO = "pbx-1.8", "pbx-1.9"
"""The halves of a Local channel: ;1 and ;2."""


def agents(events: Sequence[CallEvent]) -> set[LegId]:
    """Who counts as the agent's side at the end of the events."""
    scene = Scene(C)
    for event in events:
        scene.take(event)
    assert scene.role(C) is Role.CALLER
    assert scene.role(None) is None
    return {leg for leg in (A, B, ONE, TWO) if scene.role(leg) is Role.AGENT}


def enter(leg: LegId, bridge: str = "b") -> BridgeEntered:
    return BridgeEntered(END - 10_000, leg, bridge)


def leave(leg: LegId, bridge: str = "b") -> BridgeLeft:
    return BridgeLeft(END - 9_000, leg, bridge)


# --- the stories -------------------------------------------------------------------------------------------------

BLIND: list[CallEvent] = [
    *TALKING,
    HandedOver(END - 20_000, A),
    BridgeLeft(END - 19_999, C, "b"),
    BridgeLeft(END - 19_998, A, "b"),
    LegEnded(END - 19_997, A, 16),
]
"""Measured: the transferer's leg ends with 16 and no request of any kind."""
BLIND_ANSWERED: list[CallEvent] = [
    *BLIND,
    AgentRinging(END - 19_000, B, "PJSIP/agent2"),
    AgentAnswered(END - 15_000, B, "PJSIP/agent2"),
    enter(B, "b2"),
    enter(C, "b2"),
]
ATTENDED: list[CallEvent] = [
    *TALKING,
    AgentRinging(END - 30_000, B, "PJSIP/agent2"),
    enter(B, "b2"),
    HandedOver(END - 20_000, A),
    enter(C, "b2"),
    leave(C),
    leave(A),
    LegEnded(END - 8_000, A, 16),
]
PARKED: list[CallEvent] = [
    *TALKING,
    HandedOver(END - 20_000, A),
    leave(C),
    Parked(END - 19_000, C),
    LegEnded(END - 18_900, A, 16),
]
FETCHED: list[CallEvent] = [*PARKED, Unparked(END - 12_000, C), leave(C, "lot"), enter(B, "b2"), enter(C, "b2")]
TIMED_OUT: list[CallEvent] = [*PARKED, Unparked(END - 12_000, C), leave(C, "lot")]
GROUP: list[CallEvent] = [
    *CONNECTING,
    AgentRinging(END - 40_000, B, "PJSIP/agent2"),
    AgentAnswered(END - 30_000, A, "PJSIP/agent1"),
    AgentGaveUp(END - 30_000, B),
    LegEnded(END - 29_999, B, 26),
    enter(A),
    enter(C),
]
LOCAL: list[CallEvent] = [
    *QUEUED,
    LegsJoined(END - 40_000, ONE, TWO),
    AgentRinging(END - 39_000, A, "PJSIP/agent1"),
    AgentAnswered(END - 30_000, A, "PJSIP/agent1"),
    enter(A, "inner"),
    enter(TWO, "inner"),
    enter(ONE, "outer"),
    enter(C, "outer"),
]
"""A member that is a Local channel: two bridges, joined by its halves."""
OPTIMISED: list[CallEvent] = [
    *LOCAL,
    enter(A, "outer"),  # before it has left the last
    leave(A, "inner"),
    leave(TWO, "inner"),
    leave(ONE, "outer"),
    LegEnded(END - 8_000, ONE, 16),
    LegEnded(END - 8_000, TWO, 16),
]
THREE: list[CallEvent] = [*TALKING, enter(B)]
STORIES: dict[str, tuple[list[CallEvent], set[LegId]]] = {
    "nobody yet": (CONNECTING, set()),
    "a talk": (TALKING, {A}),
    "a talk, after both have left the bridge": ([*TALKING, leave(A), leave(C)], {A}),
    "a new queue": ([*TALKING, leave(A), leave(C), QueueJoined(END, C, "sales")], set()),
    "a queue that another leg joined": ([*TALKING, QueueJoined(END, B, "sales")], {A}),
    "blind transfer, under way": (BLIND, set()),
    "blind transfer, answered": (BLIND_ANSWERED, {B}),
    "attended transfer": (ATTENDED, {B}),
    "parked": (PARKED, set()),
    "fetched by another": (FETCHED, {B}),
    "timed out in the lot": (TIMED_OUT, set()),
    "a ring group": (GROUP, {A}),
    "a Local member": (LOCAL, {ONE, TWO, A}),
    "a Local member, optimised away": (OPTIMISED, {A}),
    "three in a bridge": (THREE, {A, B}),
    "three, and one has gone": ([*THREE, leave(A)], {B}),
    "three, of whom one handed over": ([*THREE, HandedOver(END, A), leave(A)], {B}),
    "consultation of the agent with another": ([*TALKING, enter(B, "b2"), enter(A, "b2"), leave(A)], {A}),
    "handed over and back again": ([*ATTENDED[:9], HandedOver(END, A), enter(A)], {A}),
}


@pytest.mark.parametrize("name", STORIES)
def test_whom_the_caller_is_connected_with(name: str) -> None:
    events, expected = STORIES[name]
    assert expected == agents(events)


THEIRS: dict[str, Told] = {
    "blind transfer, answered": (Party.AGENT, True, HIGH),
    "attended transfer": (Party.AGENT, True, HIGH),
    "fetched by another": (Party.AGENT, True, HIGH),
    "three in a bridge": (Party.AGENT, True, HIGH),
}


def gone(leg: LegId, cause: int, ms: int = 0) -> list[CallEvent]:
    role = Role.CALLER if leg == C else Role.AGENT
    return [HandlerRan(END + 1 + ms, leg, role, cause, ""), LegEnded(END + 1 + ms, leg, cause)]


@pytest.mark.parametrize("name", THEIRS)
def test_the_one_the_call_was_handed_to_ends_it_like_any_agent(name: str) -> None:
    events = STORIES[name][0]
    assert verdict([*events, bye(B), *gone(C, 16), *gone(B, 16)]) == (Party.AGENT, False, HIGH)
    timeout = [SoftHangupRequested(END, B, 1), *gone(B, 44), SoftHangupRequested(END + 1, C, 16), *gone(C, 44, 2)]
    assert THEIRS[name] == verdict([*events, *timeout])


@pytest.mark.parametrize("name", [n for n in STORIES if n != "nobody yet"])
def test_the_caller_ends_it_wherever_he_was_followed_to(name: str) -> None:
    events = STORIES[name][0]
    assert verdict([*events, bye(C), *tail(16)[:2], *gone(C, 16)]) == (Party.CALLER, False, HIGH)
    assert verdict([*events, bye(C, 38, 500), *gone(C, 38)]) == (Party.CARRIER, True, HIGH)
    assert verdict([*events, SoftHangupRequested(END, C, 1), *gone(C, 44)]) == (Party.NETWORK, True, HIGH)


@pytest.mark.parametrize("name", ["blind transfer, under way", "parked", "timed out in the lot"])
def test_the_one_who_handed_over_ends_nothing(name: str) -> None:
    """His own leg's end comes with the transfer; whatever befalls it later is not in this call."""
    events = STORIES[name][0]
    late = [HangupRequested(END - 500, A, 38, 500)] if name != "timed out in the lot" else []
    told = verdict([*events, SoftHangupRequested(END, C, 16), *gone(C, 16)])
    assert told == (Party.SYSTEM, False, MEDIUM)
    assert late == [] or verdict([*events[:-1], *late, bye(C), *gone(C, 16)]) == (Party.CALLER, False, HIGH)


@pytest.mark.parametrize("leg", [A, ONE, TWO])
def test_behind_a_local_channel_the_phone_and_its_halves_are_the_agents_side(leg: LegId) -> None:
    assert verdict([*LOCAL, bye(leg), *gone(C, 16)]) == (Party.AGENT, False, HIGH)
    assert verdict([*LOCAL, bye(leg, 38, 500), *gone(leg, 38), *gone(C, 38)]) == (Party.AGENT, True, HIGH)


def test_the_halves_that_were_optimised_away_have_ended_nothing() -> None:
    assert verdict([*OPTIMISED, bye(A), *gone(C, 16)]) == (Party.AGENT, False, HIGH)
    assert verdict([*OPTIMISED, *gone(C, 16)]) == (Party.SYSTEM, False, MEDIUM)


def test_the_loser_of_a_ring_group_has_ended_nothing() -> None:
    assert verdict([*GROUP, bye(A, 38, 500), *gone(A, 38), *gone(C, 38)]) == (Party.AGENT, True, HIGH)
    assert verdict([*GROUP, HangupRequested(END - 20_000, B, 38, 500), bye(C), *gone(C, 16)]) == (
        Party.CALLER,
        False,
        HIGH,
    )


def test_a_third_who_leaves_ends_nothing_for_the_two_who_talk_on() -> None:
    left: list[CallEvent] = [HangupRequested(END - 9_000, B, None, None), leave(B), LegEnded(END - 8_999, B, 16)]
    assert verdict([*THREE, *left, bye(C, 38, 500), *gone(C, 38)]) == (Party.CARRIER, True, HIGH)
    assert verdict([*THREE, *left, bye(A, 38, 500), *gone(A, 38), *gone(C, 38)]) == (Party.AGENT, True, HIGH)


def test_nobody_known_was_there() -> None:
    """Handed to a leg of which nothing was heard: its hang-up is not guessed at."""
    events: list[CallEvent] = [*BLIND, enter(C, "b2"), HangupRequested(END - 1, B, 38, 500), *gone(C, 38)]
    assert verdict(events) == UNKNOWN


@given(st.lists(call_events, max_size=40))
def test_the_caller_is_never_the_agent_and_nobody_is_both(history: list[CallEvent]) -> None:
    agents(history)

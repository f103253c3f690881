"""The same call in every order in which its events can really arrive gets the same verdict, and gets it once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.recorded.capture import Replayed, replay
from tests.unit.stories import (
    END,
    NEW,
    ROWS,
    C,
    judged,
    settled,
    told,
)
from tests.unit.test_ending_recorded import ENDED, RECORDED
from tests.unit.test_scene import STORIES

from oddzwon.domain.call import Call, Judge, Phase, SettleDue, advance
from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    HandlerRan,
    HangupRecorded,
    HangupRequested,
    LegEnded,
    LegId,
    LegsJoined,
    MediaReported,
    Parked,
    PbxRestarted,
    QueueLeft,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
    Unparked,
    WeHungUp,
)

# --- every order -------------------------------------------------------------------------------------------------


def interleaved(first: Sequence[CallEvent], second: Sequence[CallEvent]) -> Iterator[list[CallEvent]]:
    """Every order in which two threads of Asterisk can have said these, each in its own order."""
    total = len(first) + len(second)
    for places in itertools.combinations(range(total), len(first)):
        one, two = iter(first), iter(second)
        yield [next(one) if n in places else next(two) for n in range(total)]


def leg_of(event: CallEvent) -> LegId:
    return str(getattr(event, "leg", None) or "")


BEGINS = (HangupRequested, SoftHangupRequested)


@pytest.mark.parametrize("name", RECORDED)
def test_no_order_of_the_legs_last_words_changes_the_verdict(name: str) -> None:
    replayed = replay(name)
    began = next(n for n, event in enumerate(replayed.events) if isinstance(event, BEGINS))
    before, rest = replayed.events[: began + 1], replayed.events[began + 1 :]
    mine = [e for e in rest if leg_of(e) == replayed.call.leg]
    theirs = [e for e in rest if leg_of(e) != replayed.call.leg]
    expected = judged(replayed.call)
    orders = list(interleaved(mine, theirs))
    assert len(orders) >= (35 if RECORDED[name][0] is Stage.TALKING else 1)
    for order in orders:
        call = settled([*before, *order], replayed.began)
        assert Phase.SETTLED is call.phase
        assert replayed.call.stage is call.stage
        assert replace(expected, evidence=()) == replace(judged(call), evidence=())


FLOATS = (MediaReported, QueueLeft, AgentRinging, AgentAnswered, AgentGaveUp, HandlerRan)
"""Said by other threads than the leg's own: of another leg than that which ended first they may come at any time."""
LATE_MS = 1_000
"""No thread of Asterisk's is late by more."""
BRIDGES = (BridgeEntered, BridgeLeft, LegsJoined, HandedOver, Parked, Unparked)
FIRST = (HangupRequested, SoftHangupRequested, HangupRecorded, ShuttingDown, PbxRestarted, WeHungUp, LegEnded)


def first_evidence(events: Sequence[CallEvent], caller: LegId) -> int | None:
    """Where the ending begins: at the first word of an end on the caller's leg, or on one that he was bridged with.

    A leg that ended long before the caller's did has handed the call over, or was one of several.
    """
    partners = {leg_of(e) for e in events if isinstance(e, BridgeEntered | LegsJoined)} | {caller, ""}
    ended = next((e.at for e in events if isinstance(e, LegEnded) and e.leg == caller), 0)
    for n, event in enumerate(events):
        if isinstance(event, SoftHangupRequested) and (event.flag == 2 or (event.flag == 16 and event.leg != caller)):
            continue  # moved, or the 16 that every agent's leg shows at its end
        if isinstance(event, FIRST) and leg_of(event) in partners and event.at >= ended - LATE_MS:
            return n
    return None


def must_precede(events: Sequence[CallEvent], i: int, j: int, first: int) -> bool:
    """Whether event i, said before event j, is so in every order in which they can arrive."""
    one, two = events[i], events[j]
    of_first = leg_of(events[first])
    floats = [isinstance(e, FLOATS) and leg_of(e) not in (of_first, "") for e in (one, two)]
    if not leg_of(one) or not leg_of(two) or isinstance(one, HangupRecorded) or isinstance(two, HangupRecorded):
        return True  # the whole call's, or read by ourselves in its order
    if leg_of(one) == leg_of(two):
        return not any(floats) or type(one) is type(two)
    if i == first:
        return not isinstance(two, MediaReported)  # what follows from it comes after it
    if j == first:
        return not floats[0]
    if any(floats) or first < i:
        return False
    # a bridge speaks before anybody acts on it: an optimised Local channel's halves are ended after the swap was told
    return i < first < j or isinstance(one, BRIDGES) or two.at - one.at > LATE_MS


@cache
def predecessors(name: str) -> tuple[frozenset[int], ...] | None:
    """For each event of the story, which must have come before it; None: it has no ending."""
    began, events = PLAYED[name]
    first = first_evidence(events, began.leg)
    if first is None:
        return None
    return tuple(frozenset(i for i in range(j) if must_precede(events, i, j, first)) for j in range(len(events)))


def shuffled(name: str, rank: Sequence[int]) -> list[CallEvent]:
    """An order that can really occur: of the events that may come next, always the one of lowest rank."""
    events, before = PLAYED[name][1], predecessors(name) or ()
    left, order = set(range(len(events))), list[int]()
    while left:
        free = min((j for j in left if before[j].isdisjoint(left)), key=rank.__getitem__)
        left.remove(free)
        order.append(free)
    return [events[n] for n in order]


def play(events: Sequence[CallEvent], began: Call) -> Call:
    """The call after these events; asserts that its verdict is asked for once."""
    call, commands = began, 0
    for event in [*events, SettleDue(END), SettleDue(END)]:
        call, done = advance(call, event)
        commands += done.count(Judge())
    assert commands == (1 if call.ended_at is not None else 0)
    return call


def _recorded(name: str) -> tuple[Call, tuple[CallEvent, ...]]:
    replayed: Replayed = replay(name)
    return replayed.began, replayed.events


PLAYED: dict[str, tuple[Call, tuple[CallEvent, ...]]] = {name: _recorded(name) for name in RECORDED}
PLAYED |= {name: _recorded(name) for name in ENDED}
PLAYED |= {f"row: {name}": (NEW, tuple(events)) for name, (events, _) in ROWS.items()}
ENDINGS: dict[str, list[CallEvent]] = {
    "the caller's BYE": [HangupRequested(END, C, None, None), LegEnded(END + 1, C, 16)],
    "his rtp_timeout": [SoftHangupRequested(END, C, 1), LegEnded(END + 1, C, 44)],
}
PLAYED |= {
    f"{name}, then {how}": (NEW, (*story, *end)) for name, (story, _) in STORIES.items() for how, end in ENDINGS.items()
}


@pytest.mark.parametrize("name", PLAYED)
@settings(max_examples=10)
@given(data=st.data())
def test_no_order_that_can_occur_changes_the_verdict(name: str, data: st.DataObject) -> None:
    began, events = PLAYED[name]
    if predecessors(name) is None:
        return
    order = shuffled(name, data.draw(st.permutations(range(len(events)))))
    assert told(judged(play(events, began))) == told(judged(play(order, began)))


def test_the_orders_are_many() -> None:
    events, before = PLAYED["caller-bye-talking"][1], predecessors("caller-bye-talking")
    assert before is not None
    free = sum(j - len(earlier) for j, earlier in enumerate(before))
    assert free > len(events) * (len(events) - 1) // 2 // 5

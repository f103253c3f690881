"""What Asterisk never says: each kind is seen, and nothing that it really says is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.recorded.capture import ENDINGS, NAMES, replay
from tests.unit.stories import (
    CONNECTING,
    END,
    NEW,
    QUEUED,
    ROWS,
    T0,
    TALKING,
    UNKNOWN,
    A,
    B,
    C,
    bye,
    judged,
    settled,
    tail,
    told,
)
from tests.unit.test_call import call_events

from oddzwon.domain.disorder import TOO_FAR_MS, disorder
from oddzwon.domain.events import (
    BridgeEntered,
    CallEvent,
    HangupRequested,
    LegEnded,
    Oddity,
    PbxRestarted,
    QueueJoined,
)
from oddzwon.domain.journal import Journal

EARLY = T0 - TOO_FAR_MS - 1
LATE = END + TOO_FAR_MS + 1


def found(events: list[CallEvent]) -> list[str]:
    return [fault.what for fault in disorder(Journal(C, T0, END, tuple(events)))]


KINDS: dict[str, tuple[list[CallEvent], list[str]]] = {
    "an oddity of the whole call": (
        [Oddity(END, None, "its Linkedid joins two calls")],
        ["its Linkedid joins two calls"],
    ),
    "of the caller's leg": ([Oddity(END, C, "a Hangup could not be read")], ["a Hangup could not be read"]),
    "of the agent's": ([*TALKING, Oddity(END, A, "x")], ["x"]),
    "of a stranger": ([*TALKING, Oddity(END, B, "x")], []),
    "of an agent's who never talked with him": ([*CONNECTING, Oddity(END, A, "x")], []),
    "the caller's leg ended twice": (
        [*TALKING, bye(C), LegEnded(END, C, 16), LegEnded(END + 1, C, 16)],
        ["the caller's leg ended twice"],
    ),
    "the second is ours": ([*TALKING, bye(C), LegEnded(END, C, 16), LegEnded(END + 1, C, None)], []),
    "the first was ours": ([*TALKING, LegEnded(END, C, None), LegEnded(END + 1, C, 16)], []),
    "a hang-up asked for after the end": (
        [*TALKING, LegEnded(END, C, 16), bye(C)],
        ["a hang-up was asked for after the leg's end"],
    ),
    "the same of the agent": (
        [*TALKING, LegEnded(END, A, 16), bye(A)],
        ["a hang-up was asked for after the leg's end"],
    ),
    "the same of a stranger": ([*TALKING, LegEnded(END, B, 16), bye(B)], []),
    "a hang-up long before the call": (
        [HangupRequested(EARLY, C, None, None)],
        ["a hang-up was asked for long before the call began"],
    ),
    "a leg's end long before the call": ([LegEnded(EARLY, C, 16)], ["a leg ended long before the call began"]),
    "an end long after it was asked for": (
        [bye(C), LegEnded(LATE, C, 16)],
        ["the caller's leg ended long after its hang-up was asked for"],
    ),
    "an end of ours, whenever we looked": ([bye(C), LegEnded(LATE, C, None)], []),
    "an agent's end, whenever it was": ([*TALKING, bye(A), LegEnded(LATE, A, 16)], []),
    "a bridge after the end": (
        [*QUEUED, LegEnded(END, C, 16), BridgeEntered(END + 1, C, "b")],
        ["the caller's leg lived on after its end"],
    ),
    "a queue after the end": (
        [*QUEUED, LegEnded(END, C, 16), QueueJoined(END + 1, C, "support")],
        ["the caller's leg lived on after its end"],
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind(name: str) -> None:
    events, expected = KINDS[name]
    assert expected == found(events)


@pytest.mark.parametrize("name", [n for n, (_, expected) in KINDS.items() if expected])
def test_a_call_in_disorder_is_unknown_and_says_why(name: str) -> None:
    events, expected = KINDS[name]
    ending = judged(NEW.__class__(C, NEW.direction, T0, ended_at=END, journal=tuple(events)))
    assert told(ending) == UNKNOWN
    assert [e.fact for e in ending.evidence] == expected


@pytest.mark.parametrize("name", NAMES + ENDINGS)
def test_a_real_asterisk_is_in_order(name: str) -> None:
    if not name.startswith("originate-") or name == "originate-answered-agent-caller-bye":
        assert disorder(replay(name).call.as_journal()) == ()


@pytest.mark.parametrize("name", ROWS)
def test_so_is_every_row(name: str) -> None:
    assert disorder(settled(ROWS[name][0]).as_journal()) == ()


def test_an_end_that_is_said_twice_makes_all_uncertain() -> None:
    said = LegEnded(END + 3, C, 16)
    events: list[CallEvent] = [*TALKING, bye(A), bye(C), *tail(16)]
    place = events.index(said)
    assert told(judged(settled([*events[: place + 1], said, *events[place + 1 :]]))) == UNKNOWN


def test_after_the_verdict_nothing_is_heard_any_more() -> None:
    events: list[CallEvent] = [*TALKING, bye(A), *tail(16)]
    assert judged(settled([*events, events[-1]])) == judged(settled(events))


@given(st.lists(call_events, max_size=30))
def test_whatever_comes_is_looked_through(history: list[CallEvent]) -> None:
    for fault in disorder(Journal(C, T0, None, tuple(history))):
        assert fault.what


def test_a_restart_leaves_no_order_to_expect() -> None:
    """Asterisk was killed between a request and the leg's end: nothing more is said, and nothing is odd."""
    assert found([*TALKING, bye(C), PbxRestarted(END + 60_000, 60_000)]) == []

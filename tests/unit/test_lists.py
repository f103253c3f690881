"""What Asterisk lists of a queue, and in which order the queue itself would call its free members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.asterisk.ami_wire import AmiEvent
from oddzwon.asterisk.lists import QueueNow, Waiting, queue_now


def event(name: str, **fields: object) -> AmiEvent:
    return AmiEvent(name, {"Queue": "support"} | {key: str(value) for key, value in fields.items()}, 0.0)


def member(location: str, **fields: object) -> AmiEvent:
    return event("QueueMember", **({"Location": location, "Status": 1, "Paused": 0, "InCall": 0} | fields))


def queue(strategy: str, *members: AmiEvent) -> QueueNow:
    return queue_now([event("QueueParams", Strategy=strategy), *members], "support")


A = member("a", CallsTaken=3, LastCall=500)
B = member("b", CallsTaken=1, LastCall=900)
C = member("c", CallsTaken=2, LastCall=100)


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        ("linear", ("a", "b", "c")),
        ("ringall", ("a", "b", "c")),
        ("random", ("a", "b", "c")),
        ("fewestcalls", ("b", "c", "a")),
        ("leastrecent", ("c", "a", "b")),
        ("rrmemory", ("c", "a", "b")),
        ("rrordered", ("c", "a", "b")),
        ("RRMemory", ("c", "a", "b")),
        ("", ("a", "b", "c")),
    ],
)
def test_the_free_come_in_the_strategys_own_order(strategy: str, order: tuple[str, ...]) -> None:
    assert queue(strategy, A, B, C).free == order


def test_the_lower_penalty_comes_first_whatever_the_strategy() -> None:
    assert queue("fewestcalls", member("dear", Penalty=5, CallsTaken=0), A, B).free == ("b", "a", "dear")


@pytest.mark.parametrize(
    ("fields", "free", "soon"),
    [
        ({}, True, False),
        ({"Status": 2}, False, True),
        ({"Status": 6}, False, True),
        ({"Status": 8}, False, True),
        ({"InCall": 1}, False, True),
        ({"Status": 5}, False, False),
        ({"Status": 4}, False, False),
        ({"Status": 0}, False, False),
        ({"Paused": 1}, False, False),
        ({"Paused": 1, "Status": 2}, False, False),
    ],
)
def test_who_is_free_and_who_will_be_in_a_moment(fields: dict[str, object], free: bool, soon: bool) -> None:
    now = queue("linear", member("a", **fields))
    assert (now.free == ("a",), now.soon_free("a")) == (free, soon)
    assert not now.soon_free("b")


def test_who_waits_and_for_how_long() -> None:
    entries = [event("QueueEntry", Uniqueid="x-1", Wait=31, Priority=10), event("QueueEntry", Uniqueid="x-2")]
    assert queue_now(entries, "support").waiting == (Waiting("x-1", 31, 10), Waiting("x-2", 0, 0))


def test_another_queues_lines_are_not_this_ones() -> None:
    assert queue_now([A, event("QueueParams", Strategy="linear")], "sales") == QueueNow()


@given(st.lists(st.dictionaries(st.sampled_from(["Location", "Uniqueid", "Wait", "LastCall", "Penalty"]), st.text())))
def test_whatever_asterisk_says_is_read_without_a_fault(lines: list[dict[str, str]]) -> None:
    names = ("QueueMember", "QueueEntry", "QueueParams")
    events = [AmiEvent(name, {"Queue": "support"} | fields, 0.0) for fields in lines for name in names]
    now = queue_now(events, "support")
    assert len(now.members) == sum("Location" in fields for fields in lines)

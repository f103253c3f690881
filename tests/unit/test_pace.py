"""A storm of callbacks leaves spread: never more channels, never more dials in a minute or in a second than set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from oddzwon.callflow.pace import Pace

CHANNELS_FULL = "channels for callbacks in use: 2 of 2"


class Time:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def dial(pace: Pace, callback: str) -> bool:
    """Dial if there is room, as the flow does it; the channel is gone at once."""
    if pace.full() is not None:
        return False
    pace.take(callback)
    pace.give_back(callback)
    return True


def test_channels_are_held_until_given_back() -> None:
    pace = Pace(2, 6000, Time())
    pace.take("a")
    assert pace.full() is None
    pace.take("b")
    assert (pace.full(), pace.opens_in(), pace.in_use) == (CHANNELS_FULL, None, 2)
    pace.give_back("nobody")
    pace.give_back("a")
    pace.give_back("a")
    assert (pace.full(), pace.opens_in(), pace.in_use) == (None, 0.0, 1)


def test_a_second_dial_of_one_callback_holds_one_channel() -> None:
    pace = Pace(2, 6000, Time())
    pace.take("a")
    pace.take("a")
    assert (pace.full(), pace.in_use) == (None, 1)


def test_a_channel_from_before_the_start_is_in_use_and_no_new_dial() -> None:
    pace = Pace(2, 1, Time())
    pace.hold("a")
    assert pace.full() is None
    pace.take("b")
    assert pace.full() == CHANNELS_FULL
    pace.give_back("a")
    assert pace.full() == "dials in the last minute: 1 of 1"


def test_a_burst_is_five_times_the_mean_rate_in_a_second() -> None:
    time = Time()
    pace = Pace(1000, 60, time)
    assert [dial(pace, str(n)) for n in range(7)] == [True] * 5 + [False] * 2
    assert (pace.full(), pace.opens_in()) == ("dials in the last second: 5 of 5", 1.0)
    time.now += 0.75
    assert pace.opens_in() == 0.25
    time.now += 0.25
    assert (pace.full(), pace.opens_in()) == (None, 0.0)


def test_a_slow_trunk_is_bound_by_its_minute() -> None:
    time = Time()
    pace = Pace(1000, 3, time)
    assert [dial(pace, str(n)) for n in range(4)] == [True, True, True, False]
    assert (pace.full(), pace.opens_in()) == ("dials in the last minute: 3 of 3", 60.0)
    time.now += 60
    assert pace.full() is None


SOME = st.integers(0, 30)


@given(
    per_minute=st.integers(1, 400),
    channels=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 20), SOME, SOME, SOME), max_size=60),
)
def test_no_minute_ever_holds_more(
    per_minute: int, channels: int, steps: Iterable[tuple[float, int, int, int]]
) -> None:
    """Whatever is asked and whenever: count every dial that left, in every minute that begins with one.

    Even steps dial at once, odd ones promise; so many dials end, and so many promises are kept, every third broken.
    """
    time = Time()
    pace = Pace(channels, per_minute, time)
    left: list[float] = []
    held: list[str] = []
    promised: list[str] = []
    for n, (passed, asked, ended, kept) in enumerate(steps):
        time.now += passed
        for _ in range(min(ended, len(held))):
            pace.give_back(held.pop(0))
        for k in range(min(kept, len(promised))):
            one = promised.pop(0)
            if k % 3:
                assert pace.full(one) is None
                pace.take(one)
                held.append(one)
                left.append(time.now)
            else:
                pace.break_promise(one)
        for k in range(asked):
            if pace.full() is None and n % 2:
                promised.append(f"callback-{n}-{k}")
                pace.promise(promised[-1])
            elif pace.full() is None:
                held.append(f"callback-{n}-{k}")
                pace.take(held[-1])
                left.append(time.now)
        assert pace.in_use == len(held) + len(promised) <= channels
    for begin in left:
        assert sum(begin <= at < begin + 60 for at in left) <= per_minute


@given(per_minute=st.integers(1, 400), steps=st.lists(st.tuples(st.floats(0, 2), SOME), max_size=60))
def test_no_second_ever_holds_more(per_minute: int, steps: Iterable[tuple[float, int]]) -> None:
    time = Time()
    pace = Pace(1000, per_minute, time)
    left: list[float] = []
    for passed, asked in steps:
        time.now += passed
        left += [time.now for _ in range(asked) if dial(pace, "callback")]
    for begin in left:
        assert sum(begin <= at < begin + 1 for at in left) <= -(-per_minute // 60) * 5


def test_a_promise_keeps_room_while_an_agent_is_rung() -> None:
    pace = Pace(3, 2, Time())
    pace.promise("a")
    assert pace.full() is None
    pace.promise("b")
    assert (pace.full(), pace.full("a"), pace.opens_in()) == ("dials in the last minute: 2 of 2", None, None)
    pace.take("a")
    assert (pace.full("b"), pace.in_use) == (None, 2)
    pace.break_promise("b")
    assert (pace.full(), pace.in_use) == (None, 1)
    pace.break_promise("a")
    assert pace.in_use == 1, "what is dialled holds its channel"


def test_a_promise_counts_as_a_channel() -> None:
    pace = Pace(2, 6000, Time())
    pace.promise("a")
    pace.promise("b")
    assert (pace.full(), pace.full("b"), pace.opens_in()) == (CHANNELS_FULL, None, None)
    pace.break_promise("b")
    assert pace.full() is None


async def test_an_agent_on_the_line_waits_for_the_next_second_and_no_longer() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(100, 60, loop.time)
    left: list[float] = []

    async def dials(callback: str) -> None:
        await pace.turn(callback)
        assert pace.full(callback) is None
        left.append(loop.time())
        pace.take(callback)

    callbacks = [f"callback-{n}" for n in range(8)]
    for callback in callbacks:
        pace.promise(callback)
    await asyncio.gather(*(dials(callback) for callback in callbacks))
    assert all(later - earlier >= 1.0 for earlier, later in zip(left, left[5:], strict=False))
    await pace.turn("of which no agent is rung")


async def test_a_waiter_goes_on_when_a_promise_is_broken() -> None:
    pace = Pace(1, 6000, Time())
    pace.promise("a")
    waiting = asyncio.create_task(pace.change(600))
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.break_promise("a")
    await waiting


async def test_a_waiter_goes_on_when_a_channel_is_given_back() -> None:
    pace = Pace(2, 6000, Time())
    pace.take("a")
    pace.take("b")
    waiting = asyncio.create_task(pace.change(600))
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.give_back("b")
    await waiting
    assert pace.full() is None


async def test_a_waiter_stays_while_another_takes_what_was_given_back() -> None:
    pace = Pace(1, 6000, Time())
    pace.take("a")
    waiting = asyncio.create_task(pace.change(600))
    await asyncio.sleep(0)
    pace.give_back("a")
    pace.take("b")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    pace.give_back("b")
    await waiting


async def test_a_waiter_goes_on_when_the_rate_has_room_again() -> None:
    loop = asyncio.get_running_loop()
    pace = Pace(10, 60, loop.time)
    for n in range(5):
        pace.take(str(n))
    assert pace.full() == "dials in the last second: 5 of 5"
    await pace.change(600)
    assert pace.full() is None


async def test_a_waiter_goes_on_after_its_time() -> None:
    pace = Pace(1, 60, Time())
    pace.take("a")
    await pace.change(0.01)
    assert pace.full() is not None


async def test_where_there_is_room_nobody_waits() -> None:
    await Pace(1, 60, Time()).change(600)

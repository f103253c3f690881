"""A failure that cuts off many calls is one storm: one beginning, one end, and every drop of it counted once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_control import opened_board, running_callback, write_settings
from tests.unit.test_log_call_log import decided
from tests.unit.test_log_call_log import dropped as dropped_call

from oddzwon.callflow.alarms import Alarm, Alarms
from oddzwon.callflow.storms import Storms
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.clock import SystemClock
from oddzwon.config import load
from oddzwon.domain.storm import (
    CONNECTED,
    ERASED,
    REFUSED,
    UNDECIDED,
    Begins,
    News,
    Over,
    Rule,
    Storm,
    dropped,
    looked_at,
)
from oddzwon.log.records import Condition, Decision

RULE = Rule(drops=3, within_ms=60_000, gives_up_ms=900_000)
T0 = 1_760_000_000_000


def after(*drops: tuple[str, int], rule: Rule = RULE) -> Storm:
    """The weather after these drops, each a call and the second of its loss."""
    storm = Storm(rule)
    for call, second in drops:
        storm = lost(storm, call, second)
    return storm


def lost(storm: Storm, call: str, second: int) -> Storm:
    """A drop that is told as soon as it is lost, or at second 0 if it was lost before."""
    return dropped(storm, call, T0 + second * 1_000, T0 + max(0, second) * 1_000)


def look(storm: Storm, second: int, **fates: str) -> tuple[Storm, News]:
    return looked_at(storm, T0 + second * 1_000, fates)


def test_a_few_drops_are_no_storm() -> None:
    storm = after(("a", 0), ("b", 1))
    assert storm.asks == ()
    assert look(storm, 2) == (storm, None)


def test_many_drops_over_a_long_time_are_no_storm() -> None:
    storm = after(*((str(n), n * 31) for n in range(50)))
    assert look(storm, 50 * 31)[1] is None


def test_a_call_that_is_judged_anew_is_one_drop() -> None:
    assert look(after(("a", 0), ("a", 0), ("b", 1), ("b", 1)), 2)[1] is None


def test_it_begins_once_and_tells_of_all_that_were_lost_by_then() -> None:
    storm = after(("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 1))
    assert set(storm.asks) == {"a", "b", "c", "d", "e"}
    storm, news = look(storm, 2, a=REFUSED, b="waiting")
    assert news == Begins(5, 4)
    storm = lost(storm, "f", 2)
    assert look(storm, 3, b="waiting")[1] is None
    assert storm.drops == 6


def test_a_call_that_was_lost_before_it_or_is_judged_anew_is_not_counted_with_it() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2, a=REFUSED)
    storm = lost(storm, "a", 0)
    storm = lost(storm, "yesterday", -86_400)
    assert (storm.drops, set(storm.asks)) == (3, {"b", "c"})


def test_it_is_over_when_nobody_waits_and_no_more_are_cut_off() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2)
    storm, news = look(storm, 10, a="completed", b="ringing", c="lapsed")
    assert (news, storm.asks) == (None, ("b",))
    storm, news = look(storm, 20, b="connected")
    assert (news, storm.asks) == (None, ()), "three in the last minute still"
    storm, news = look(storm, 61)
    assert news == Over(3, ((CONNECTED, 2), ("lapsed", 1)))
    assert not storm.rages
    assert look(storm, 62)[1] is None


def test_it_goes_on_while_more_are_cut_off_and_while_one_waits() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2)
    for second in range(10, 600, 10):
        storm = lost(storm, f"at-{second}", second)
        storm, news = look(storm, second, **dict.fromkeys(storm.asks, "unanswered"))
        assert news is None
    storm, news = look(storm, 700)
    assert news == Over(62, (("unanswered", 62),))


def test_another_one_later_is_a_storm_of_its_own() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2)
    storm, news = look(storm, 100, **dict.fromkeys("abc", REFUSED))
    assert news == Over(3, ((REFUSED, 3),))
    for call in "def":
        storm = lost(storm, call, 200)
    storm, news = look(storm, 201, d=REFUSED)
    assert news == Begins(3, 2)


def test_a_call_that_nobody_decides_on_does_not_hold_it_for_ever() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2)
    storm, news = look(storm, 900, a=ERASED, b="waiting")
    assert news is None
    storm, news = look(storm, 902, b="waiting")
    assert (news, storm.asks) == (None, ("b",)), "what waits is waited for: it lapses by itself"
    assert look(storm, 903, b="lapsed")[1] == Over(3, ((ERASED, 1), ("lapsed", 1), (UNDECIDED, 1)))


def test_a_clock_that_is_set_back_does_not_hold_it_for_ever() -> None:
    storm, _ = look(after(("a", 0), ("b", 0), ("c", 1)), 2)
    assert look(storm, -3_600, **dict.fromkeys("abc", REFUSED))[1] == Over(3, ((REFUSED, 3),))


def test_a_storm_after_the_clock_was_set_back_is_seen() -> None:
    storm = after(("a", 3_600), ("b", 3_600))
    for call in "cde":
        storm = lost(storm, call, 0)
    assert look(storm, 1)[1] == Begins(3, 3)


FATES = (REFUSED, ERASED, "waiting", "dialling", "connected", "completed", "lapsed", "lost", None)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("drop"), st.integers(0, 40), st.integers(0, 90)),
            st.tuples(st.just("look"), st.integers(0, 90), st.lists(st.sampled_from(FATES), min_size=41, max_size=41)),
        ),
        max_size=80,
    )
)
def test_in_any_order_of_things_beginnings_and_ends_take_turns_and_every_drop_counts_once(
    steps: list[tuple[str, int, object]],
) -> None:
    storm, now, heard, of_storm = Storm(RULE), T0, list[News](), set[str]()
    for word, first, second in steps:
        if word == "drop":
            assert isinstance(second, int)
            storm = dropped(storm, f"call-{first}", now - second * 1_000, now)
        else:
            assert isinstance(second, list)
            now += first * 1_000
            asked = storm.asks
            fates = {call: fate for call in asked if (fate := second[int(call.partition("-")[2])]) is not None}
            storm, news = looked_at(storm, now, fates)
            if news is not None:
                heard.append(news)
            if isinstance(news, Over):
                assert sum(n for _, n in news.fates) == news.drops
                assert not storm.pending
        of_storm |= set(storm.pending)
    assert [type(news) for news in heard] == [Begins, Over] * (len(heard) // 2) + [Begins] * (len(heard) % 2)
    for begins in heard:
        assert not isinstance(begins, Begins) or begins.drops >= RULE.drops


# --- with the log ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with opened_board(await asyncio.to_thread(load, write_settings(tmp_path))) as board:
        yield board


@pytest.fixture
def told(board: Switchboard) -> list[Alarm]:
    heard: list[Alarm] = []
    board.alarms = Alarms(heard.append)
    return heard


REFUSAL = Decision(False, "p", T0 + 2_000, (Condition("STAGE", False, "ended in the menu"),))


async def test_what_became_of_each_is_read_in_the_log(board: Switchboard, told: list[Alarm]) -> None:
    log, lost_at = board.log, board.now()
    calls = [await dropped_call(log, f"{n}.1") for n in range(4)]
    storms = Storms(Rule(drops=3, within_ms=1, gives_up_ms=900_000), SystemClock())
    await storms.look(board)
    assert told == []

    for call in [*calls, "erased"]:
        storms.dropped(call, lost_at)
    await log.decide(calls[0], REFUSAL)
    lapsed = await decided(log, calls[1])
    await storms.look(board)
    await storms.look(board)
    begun = (
        "5 calls were cut off within 0.001 s, 3 of them wait for their callback: "
        "are the trunk, the network and Asterisk up?"
    )
    assert [(a.condition, a.over, a.text) for a in told] == [("storm", False, begun)]

    await log.callback_state(lapsed, "lapsed", at=T0 + 3_000)
    for call in calls[2:]:
        await log.decide(call, REFUSAL)
    await storms.look(board)
    await storms.look(board)
    assert [(a.condition, a.over) for a in told] == [("storm", False), ("storm", True)]
    assert told[1].text == "of 5 calls that were cut off: 3 refused, 1 erased, 1 lapsed"


async def test_a_log_that_cannot_be_read_is_asked_again(board: Switchboard, told: list[Alarm]) -> None:
    storms = Storms(Rule(drops=1), SystemClock())
    storms.dropped("erased", board.now() - 3_600_000)
    await board.log.close()
    await storms.look(board)
    assert {a.condition for a in told} == {"log-unreadable"}


async def test_callbacks_that_waited_at_the_services_end_belong_to_a_storm(
    board: Switchboard, told: list[Alarm]
) -> None:
    raised = asyncio.Event()

    def hears(alarm: Alarm) -> None:
        told.append(alarm)
        raised.set()

    board.alarms = Alarms(hears)
    await running_callback(board)
    storms = Storms(Rule(drops=1, within_ms=60_000), SystemClock())
    watching = asyncio.create_task(storms.watch(board))
    await raised.wait()
    watching.cancel()
    assert [(a.condition, a.over) for a in told] == [("storm", False)]

"""The caps in the call log: what counts, in one transaction with the attempt, and found by an index."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.test_log_rules import called_back, dropped, passed

from oddzwon.domain.caps import DAY_MS, HOUR_MS, Caps, DialCounts, prefix_of
from oddzwon.log import CallLog, Decision, LogRefused, Party, reading, writing
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_writing
from oddzwon.log.records import Ending, Evidence, NewCall, Receipt

T0 = 1_760_000_000_000
GATE = passed(v.DIAL_CODES)
LOOSE = Caps(per_number_day=100, per_prefix_hour=100, per_hour=100, per_day=100)
NUMBERS = ("+48600100200", "+48600100201", "+48600999888", "+420777100200")


def party(number: str) -> Party:
    return Party(number, f"{NUMBERS.index(number):064x}")


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(tmp_path / "log.db") as log:
        yield log


async def callback(log: CallLog, number: str, at: int) -> str:
    """A callback to the number, decided at ``at``."""
    leg = f"{number}-{at}"
    call = await log.arrive(NewCall("lab", "inbound", leg, leg, at - 2_000, party(number)))
    await log.receipt(call, Receipt("L1", "v1", "0" * 64, "pl", 9_000, 9_000, None, True, at - 1_900))
    seen = (Evidence("rtp_timeout", "caller", at - 1_000),)
    ending = Ending("network", True, "high", "talking", "row", at - 900, seen)
    await log.conclude(call, ending, ended_at=at - 1_000, lost_at=at - 1_000)
    made = await log.decide(call, Decision(True, "p", at, passed()))
    assert made is not None
    return made


async def dial(log: CallLog, number: str, at: int, caps: Caps = LOOSE, *, never_existed: bool = False) -> None:
    """A callback that was dialled once, and is over."""
    made = await callback(log, number, at)
    try:
        attempt = await log.commit_attempt(made, 1, at=at, conditions=GATE, caps=caps)
    except LogRefused:
        await log.callback_state(made, "failed", at=at, why="cap")
        raise
    state = "lost" if never_existed else "unanswered"
    await log.attempt_state(attempt.id, state, at=at, never_existed=never_existed, callback_state=state, why="over")


async def test_what_counts_and_what_does_not(log: CallLog) -> None:
    await dial(log, NUMBERS[0], T0)
    await dial(log, NUMBERS[1], T0 + 1)
    await dial(log, NUMBERS[2], T0 + 2)
    await dial(log, NUMBERS[0], T0 + 3, never_existed=True)
    at = T0 + HOUR_MS - 1
    assert await log.dial_counts(NUMBERS[0], LOOSE, at) == DialCounts(1, 2, 3, 3)
    assert await log.dial_counts(NUMBERS[3], LOOSE, at) == DialCounts(0, 0, 3, 3)
    assert await log.dial_counts(NUMBERS[0], LOOSE, T0 + HOUR_MS) == DialCounts(1, 1, 2, 3)
    assert await log.dial_counts(NUMBERS[0], LOOSE, T0 + DAY_MS) == DialCounts(0, 0, 0, 2)


async def test_a_clock_that_was_set_back_empties_no_count(log: CallLog) -> None:
    await dial(log, NUMBERS[0], T0)
    for back in (1, HOUR_MS, DAY_MS, 30 * DAY_MS):
        assert await log.dial_counts(NUMBERS[0], LOOSE, T0 - back) == DialCounts(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("caps", "says"),
    [
        (Caps(per_number_day=1), "1 of 1 dials to the number in 24 h"),
        (Caps(per_prefix_hour=1), "1 of 1 dials to numbers with the same beginning in an hour"),
        (Caps(per_hour=1), "1 of 1 dials in an hour"),
        (Caps(per_day=1), "1 of 1 dials in 24 h"),
    ],
)
async def test_the_dial_that_would_pass_a_cap_is_not_committed(log: CallLog, caps: Caps, says: str) -> None:
    await dial(log, NUMBERS[0], T0, caps)
    made = await callback(log, NUMBERS[0], T0 + 10_000)
    with pytest.raises(LogRefused) as caught:
        await log.commit_attempt(made, 1, at=T0 + 10_000, conditions=GATE, caps=caps)
    assert (caught.value.rule, str(caught.value)) == ("attempt-cap", says)
    assert await log.attempts(made) == ()
    (still,) = await log.open_callbacks()
    assert still.state == "waiting"


async def test_another_number_is_not_capped_by_this_one(log: CallLog) -> None:
    caps = Caps(per_number_day=1, per_prefix_hour=2)
    await dial(log, NUMBERS[0], T0, caps)
    await dial(log, NUMBERS[1], T0 + 1, caps)
    with pytest.raises(LogRefused, match="same beginning"):
        await dial(log, NUMBERS[0], T0 + DAY_MS, replace_prefix_hour(caps, 0))
    await dial(log, NUMBERS[3], T0 + 2, caps)


def replace_prefix_hour(caps: Caps, most: int) -> Caps:
    return Caps(caps.per_number_day, most, caps.prefix_digits, caps.per_hour, caps.per_day)


async def test_many_at_once_never_pass_a_cap(log: CallLog) -> None:
    """All are handed to the writer in one moment; it commits them in one transaction, and counts each."""
    made = [await callback(log, number, T0 + n) for n, number in enumerate(NUMBERS)]
    caps = Caps(per_hour=3)
    done = await asyncio.gather(
        *(log.commit_attempt(one, 1, at=T0 + 100, conditions=GATE, caps=caps) for one in made),
        return_exceptions=True,
    )
    refused = [one for one in done if isinstance(one, LogRefused)]
    assert [one.rule for one in refused] == ["attempt-cap"]
    assert (await log.dial_counts(NUMBERS[0], caps, T0 + 200)).in_hour == 3


async def test_the_counts_of_all_outlive_a_number_that_is_erased(log: CallLog, tmp_path: Path) -> None:
    await dial(log, NUMBERS[0], T0)
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM party")
        db.commit()
    assert await log.dial_counts(NUMBERS[1], LOOSE, T0 + 1) == DialCounts(0, 1, 1, 1)


async def test_an_attempt_after_the_clock_was_set_back_is_no_older_than_its_callback(log: CallLog) -> None:
    made = await callback(log, NUMBERS[0], T0)
    attempt = await log.commit_attempt(made, 1, at=T0 - HOUR_MS, conditions=GATE, caps=LOOSE)
    assert attempt.at == T0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_writing(tmp_path / "rules.db", 1_000)) as own:
        yield own


# --- against an independent count ---------------------------------------------------------------------------------

AFTER = T0 + 2_000
"""When :func:`dropped`'s calls may be called back."""
DIALS = st.lists(
    st.tuples(st.sampled_from(NUMBERS), st.integers(0, 2 * DAY_MS), st.booleans()), min_size=1, max_size=12
)


def dialled(db: sqlite3.Connection, call: str, to: str, at: int, digits: int, *, never_existed: bool) -> None:
    """A call of this number that was called back with one dial, and is over."""
    dropped(db, call, party(to))
    writing.decide(db, call, f"dec-{call}", Decision(True, "p", at, passed()), f"cb-{call}")
    caps, made = Caps(100, 100, digits, 100, 100), f"att-{call}"
    writing.commit_attempt(db, f"cb-{call}", 1, made=made, at=at, conditions=GATE, state="dialling", caps=caps)
    state = "lost" if never_existed else "unanswered"
    writing.attempt_state(
        db, made, state, at=at, cause=None, never_existed=never_existed, callback_to="failed", why="over"
    )


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dials=DIALS, number=st.sampled_from(NUMBERS), now=st.integers(0, 3 * DAY_MS), digits=st.integers(2, 12))
def test_the_counts_are_those_of_a_plain_list(
    db: sqlite3.Connection, dials: list[tuple[str, int, bool]], number: str, now: int, digits: int
) -> None:
    db.execute("BEGIN")
    for n, (to, at, never) in enumerate(dials):
        dialled(db, f"c{n}", to, AFTER + at, digits, never_existed=never)
    found = reading.dial_counts(db, number, prefix_of(number, digits), AFTER + now)
    db.execute("ROLLBACK")
    real = [(to, at) for to, at, never in dials if not never]
    hour, day = now - HOUR_MS, now - DAY_MS
    begins = f"+{prefix_of(number, digits)}"
    assert found == DialCounts(
        sum(to == number and at > day for to, at in real),
        sum(f"+{prefix_of(to, digits)}" == begins and at > hour for to, at in real),
        sum(at > hour for _, at in real),
        sum(at > day for _, at in real),
    )


# --- the schema ---------------------------------------------------------------------------------------------------


def attempt_with(db: sqlite3.Connection, prefix: object) -> None:
    """An attempt to call back +48600100200, with this prefix."""
    db.execute("BEGIN")
    dropped(db, "a")
    called_back(db, "a")
    db.execute("COMMIT")
    db.execute("SAVEPOINT one")
    try:
        for seq, code in enumerate(v.DIAL_CODES, start=1):
            db.execute("INSERT INTO attempt_condition VALUES ('x', ?, ?, 1, '')", (seq, code))
        db.execute(
            "INSERT INTO attempt (id, callback, n, channel_id, state, at, prefix)"
            " VALUES ('x', 'cb-a', 1, 'ch', 'committed', ?, ?)",
            (T0 + 3_000, prefix),
        )
    except sqlite3.Error:
        db.execute("ROLLBACK TO one")
        raise
    finally:
        db.execute("RELEASE one")


@pytest.mark.parametrize("prefix", ["48600100200", "4860010020", "48600100", "49", "+486", "4860x"])
def test_a_prefix_is_the_numbers_own_and_never_the_number(db: sqlite3.Connection, prefix: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="attempt-prefix"):
        attempt_with(db, prefix)


def test_a_prefix_stays(db: sqlite3.Connection) -> None:
    attempt_with(db, "4860010")
    with pytest.raises(sqlite3.IntegrityError, match="attempt-prefix-stays"):
        db.execute("UPDATE attempt SET prefix = '486'")


def test_no_count_walks_a_table(db: sqlite3.Connection) -> None:
    """Ten million attempts of other days cost nothing: each count enters an index where its window begins."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    reading.dial_counts(db, "+48600100200", "486001", T0)
    db.set_trace_callback(None)
    plans = [" / ".join(str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")) for sql in asked]
    assert len(plans) == 3
    assert not [plan for plan in plans if "SCAN" in plan]
    assert sum("USING COVERING INDEX attempt_by_time (never_existed=? AND at>?)" in plan for plan in plans) == 2

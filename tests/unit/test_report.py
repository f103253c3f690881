"""The numbers of a shift: on real logs with generated histories, against a count in plain Python."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.shifts import DIDS, FAULTS, HOUR, PATHS, QUEUES, T0, Plan, counted, plans, rank, write

from oddzwon.cli.report import numbers
from oddzwon.domain.callback_events import Stop, cancelled_why
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.lawfulness import Code
from oddzwon.domain.number import mask
from oddzwon.domain.report import (
    DOORS,
    OUTCOMES,
    REFUSED_BECAUSE,
    Dialled,
    Step,
    Tally,
    door_of,
    nearest_rank,
    outcome_of,
)
from oddzwon.log import vocabulary
from oddzwon.log.connection import open_for_writing
from oddzwon.log.queries import Queries
from oddzwon.log.report_queries import QUESTIONS, Apart, Bucket, Shift, tallies


def told(shown: dict[str, Any]) -> dict[str, Any]:
    """The report in the form of the plain count: arrays become counts by what they name."""
    return {
        **{name: shown[name] for name in ("calls", "drops", "decided", "callbacks", "states", "redials", "time_to")},
        "dials": shown["dials"]["all"],
        "endings": Counter(
            {(e["party"], e["technical"], e["confidence"], e["evidence"]): e["count"] for e in shown["endings"]}
        ),
        "refused_by": {r["code"]: (r["calls"], r["drops"], r["alone"], r["unknown"]) for r in shown["refused_by"]},
        "causes": Counter({(c["outcome"], c["cause"]): c["count"] for c in shown["causes"]}),
        "without_talk": Counter({(w["state"], w["why"]): w["count"] for w in shown["without_talk"]}),
    }


def asked(path: Path, shift: Shift) -> dict[Bucket, dict[str, Any]]:
    with Queries(path, mask) as queries:
        return {bucket: told(numbers(tally)) for bucket, tally in queries.ask(lambda db: tallies(db, shift)).items()}


@contextlib.contextmanager
def logged(wanted: Sequence[Plan]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        asyncio.run(write(path, wanted))
        yield path


@pytest.mark.thorough
@settings(max_examples=15)
@given(st.lists(plans(), max_size=12), st.integers(0, 10), st.sampled_from(QUEUES), st.sampled_from((None, *DIDS)))
def test_every_number_is_that_of_a_plain_count(
    wanted: list[Plan], hours: int, queue: str | None, did: str | None
) -> None:
    begin, end = T0 + HOUR, T0 + hours * HOUR
    whole = [(T0, T0 + 11 * HOUR)]
    with logged(wanted) as path:
        assert asked(path, Shift(whole)) == {0: counted(wanted)}

        of_these = [p for p in wanted if begin <= p.at < end and queue in (None, p.queue) and did in (None, p.did)]
        assert asked(path, Shift([(begin, end)], queue, did)) == {0: counted(of_these)}

        by_hour = [(T0 + h * HOUR, T0 + (h + 1) * HOUR) for h in range(11)]
        assert asked(path, Shift(by_hour)) == {
            place: counted([p for p in wanted if at <= p.at < until]) for place, (at, until) in enumerate(by_hour)
        }
        assert asked(path, Shift(whole, apart=Apart.QUEUE)) == {
            name: counted([p for p in wanted if p.queue == name]) for name in {p.queue for p in wanted}
        }
        assert asked(path, Shift(whole, apart=Apart.DID)) == {
            name: counted([p for p in wanted if p.did == name]) for name in {p.did for p in wanted}
        }


def test_every_path_of_a_callback_is_counted_as_it_ended(tmp_path: Path) -> None:
    """Each alone, so that no two can hide each other."""
    wanted = [
        Plan(T0 + n * HOUR, "support", DIDS[0], True, FAULTS[0], frozenset(), frozenset(), path, False)
        for n, path in enumerate(PATHS)
    ]
    asyncio.run(write(tmp_path / "log.db", wanted))
    by_hour = [(T0 + n * HOUR, T0 + (n + 1) * HOUR) for n in range(len(PATHS))]
    found = asked(tmp_path / "log.db", Shift(by_hour))
    assert found == {n: counted([plan]) for n, plan in enumerate(wanted)}
    assert {path.state for path in PATHS} >= {"completed", "lapsed", "cancelled", "failed", "lost", "unanswered"}


def test_an_empty_shift_is_all_zeros(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "log.db", []))
    assert asked(tmp_path / "log.db", Shift([(T0, T0 + HOUR)])) == {0: counted([])}
    assert asked(tmp_path / "log.db", Shift([(T0, T0 + HOUR)], apart=Apart.QUEUE)) == {}


def test_the_callbacks_own_calls_are_no_calls_of_the_shift(tmp_path: Path) -> None:
    again = next(path for path in PATHS if path.cut_off_again)
    wanted = [Plan(T0, "support", DIDS[0], True, FAULTS[0], frozenset(), frozenset(), again, False)]
    asyncio.run(write(tmp_path / "log.db", wanted))
    (shown,) = asked(tmp_path / "log.db", Shift([(T0, T0 + HOUR)])).values()
    assert (shown["calls"]["all"], shown["drops"]["all"], shown["callbacks"]["cut_off_again"]) == (1, 1, 1)


def test_no_question_walks_a_table(tmp_path: Path) -> None:
    """Only the list of periods is scanned; calls are found by their start, the rest by the call."""
    db = open_for_writing(tmp_path / "log.db", 1_000)
    values = {"periods": "[[1, 2]]", "queue": None, "did": None}
    for question in QUESTIONS:
        for bucket in ("p.key", "c.queue", "c.did"):
            plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + question.format(bucket=bucket), values)]
            scans = [step for step in plan if step.startswith("SCAN")]
            assert scans == ["SCAN p VIRTUAL TABLE INDEX 1:"], (question, plan)
            assert any("SEARCH c USING INDEX call_by_start (started_at>? AND started_at<?)" in step for step in plan)
    db.close()


# --- words -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-10, 1_000)), st.integers(1, 100))
def test_the_nearest_rank_is_a_value_that_was_measured(values: list[int], percent: int) -> None:
    assert nearest_rank(values, percent) == rank(values, percent)


def test_every_condition_has_its_words() -> None:
    assert list(REFUSED_BECAUSE) == list(Code)


def test_every_stop_that_cancels_has_its_door() -> None:
    ends_otherwise = {Stop.OBJECTION, Stop.EXPIRED, Stop.CAP}
    doors = {stop: door_of(stop.value) for stop in Stop if stop not in ends_otherwise}
    assert "other" not in doors.values()
    assert set(doors.values()) <= set(DOORS)
    assert door_of("RESTRICTED REDIALLED") == "restriction"  # as the machine weighs them
    assert door_of("something that nobody knows") == "other"


@pytest.mark.parametrize("door", vocabulary.DOORS)
def test_of_who_cancelled_nothing_is_told_but_the_door(door: str) -> None:
    """Whoever it was, and whatever he wrote, stays in the callback's own history."""
    why = cancelled_why(door, "anna", "callbacks are off: redial, RESTRICTED")
    assert door_of(why) == door
    assert door in DOORS


@pytest.mark.parametrize("outcome", [o for o in AttemptOutcome if o not in ("answered", "cancelled")])
def test_every_outcome_of_a_dial_is_told_as_such(outcome: AttemptOutcome) -> None:
    """Those two never end a dial that nobody answered: the service makes them a dial without an answer."""
    history = (Step(1, "dialling", "attempt 1"), Step(2, "waiting", outcome.value), Step(3, "dialling", "attempt 2"))
    dial = Dialled(1, 1, "failed" if outcome.trunk_fault else "unanswered")
    assert outcome_of(dial, history) == outcome.value
    assert outcome.value in OUTCOMES
    assert outcome_of(Dialled(2, 3, "ringing"), history) == "under_way"


def test_tallies_add_up() -> None:
    one, both = Tally(), Tally()
    one.calls["judged"] += 2
    one.dials["busy", 17] += 1
    one.times["dial"].append(5)
    both.add(one)
    both.add(one)
    assert (both.calls["judged"], both.dials["busy", 17], both.times["dial"]) == (4, 2, [5, 5])

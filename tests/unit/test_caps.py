"""The caps: which one more dial would pass, what a prefix is, and that the gate and the log hold to them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_lawfulness import DIAL, NOW, POLICY

from oddzwon.domain.caps import SHARED_DIGITS, Caps, DialCounts, check, prefix_of
from oddzwon.domain.lawfulness import Code, Gate, GateOutcome, dial_gate

CAPS = Caps(per_number_day=6, per_prefix_hour=60, prefix_digits=6, per_hour=600, per_day=3_000)
NONE = DialCounts(0, 0, 0, 0)
BOUNDED = (
    ("to_number_day", "per_number_day"),
    ("to_prefix_hour", "per_prefix_hour"),
    ("in_hour", "per_hour"),
    ("in_day", "per_day"),
)
COUNT = st.integers(0, 10_000_000)
COUNTS = st.builds(DialCounts, COUNT, COUNT, COUNT, COUNT)
BOUND = st.integers(1, 10_000_000)
ANY_CAPS = st.builds(Caps, BOUND, BOUND, st.integers(2, 12), BOUND, BOUND)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (DialCounts(5, 59, 599, 2_999), None),
        (DialCounts(6, 0, 0, 0), "6 of 6 dials to the number in 24 h"),
        (DialCounts(0, 60, 0, 0), "60 of 60 dials to numbers with the same beginning in an hour"),
        (DialCounts(0, 0, 600, 0), "600 of 600 dials in an hour"),
        (DialCounts(0, 0, 0, 3_001), "3,001 of 3,000 dials in 24 h"),
        (DialCounts(6, 60, 600, 3_000), "6 of 6 dials to the number in 24 h"),
    ],
)
def test_the_cap_that_is_reached_is_named(counts: DialCounts, says: str | None) -> None:
    assert says == check(counts, CAPS)


def test_every_count_has_its_cap() -> None:
    assert [count for count, _ in BOUNDED] == [f.name for f in fields(DialCounts)]
    assert {cap for _, cap in BOUNDED} | {"prefix_digits"} == {f.name for f in fields(Caps)}


@given(counts=COUNTS, caps=ANY_CAPS)
def test_a_dial_may_be_made_only_while_every_count_is_under_its_cap(counts: DialCounts, caps: Caps) -> None:
    under = all(getattr(counts, count) < getattr(caps, cap) for count, cap in BOUNDED)
    assert (check(counts, caps) is None) is under


@given(counts=COUNTS, caps=ANY_CAPS, more=st.sampled_from([count for count, _ in BOUNDED]))
def test_more_dials_never_open_what_was_closed(counts: DialCounts, caps: Caps, more: str) -> None:
    if check(counts, caps) is not None:
        assert check(replace(counts, **{more: getattr(counts, more) + 1}), caps) is not None


@given(counts=COUNTS, caps=ANY_CAPS)
def test_the_words_hold_no_row_of_digits_that_could_be_a_part_of_a_number(counts: DialCounts, caps: Caps) -> None:
    words = check(counts, caps) or ""
    assert not [word for word in words.replace(",", " ").split() if word.isdigit() and len(word) > 3]


@given(
    number=st.integers(1_000_000, 999_999_999_999_999).map(lambda n: f"+{n}").filter(lambda n: n[1] != "0"),
    digits=st.integers(2, 12),
)
def test_a_prefix_begins_the_number_and_is_shared_by_ten_thousand(number: str, digits: int) -> None:
    prefix = prefix_of(number, digits)
    assert number[1:].startswith(prefix)
    assert len(prefix) == min(digits, len(number) - 1 - SHARED_DIGITS)


def test_prefixes() -> None:
    assert prefix_of("+48600100200", 6) == "486001"
    assert prefix_of("+48600100200", 12) == "4860010"
    assert prefix_of("+3726123", 6) == "372"


# --- the gate -------------------------------------------------------------------------------------------------------


def attempts(gate: Gate) -> tuple[bool | None, str]:
    (found,) = [c for c in gate.conditions if c.code is Code.ATTEMPTS]
    return found.passed, found.evidence


def test_under_the_caps_the_gate_is_what_it_is_without() -> None:
    assert dial_gate(DIAL, POLICY, NOW, CAPS, NONE) == dial_gate(DIAL, POLICY, NOW)
    assert dial_gate(DIAL, POLICY, NOW).outcome is GateOutcome.OPEN


def test_a_cap_closes_the_gate_and_is_told() -> None:
    gate = dial_gate(DIAL, POLICY, NOW, CAPS, replace(NONE, to_number_day=6))
    assert (gate.outcome, gate.refusals) == (GateOutcome.CLOSED, (Code.ATTEMPTS,))
    assert gate.cap == "6 of 6 dials to the number in 24 h"
    assert attempts(gate) == (False, "dials 0 of 2, answers 0 of 1, 6 of 6 dials to the number in 24 h")


def test_no_agent_does_not_hide_a_cap() -> None:
    """Waiting for an agent would not help: another hour may pass before the cap is open."""
    gate = dial_gate(replace(DIAL, agent_free=False), POLICY, NOW, CAPS, replace(NONE, in_hour=600))
    assert (gate.outcome, gate.cap) == (GateOutcome.CLOSED, "600 of 600 dials in an hour")


def test_counts_that_are_not_known_refuse_and_are_no_cap() -> None:
    gate = dial_gate(DIAL, POLICY, NOW, CAPS, None)
    assert (gate.outcome, gate.refusals, gate.cap) == (GateOutcome.CLOSED, (Code.ATTEMPTS,), None)
    assert attempts(gate) == (None, "dials 0 of 2, answers 0 of 1, dials so far not known")


@pytest.mark.parametrize("change", [{"objected": True}, {"redialled": True}, {"dials": 2}, {"lost_at": NOW - 120_001}])
def test_what_the_law_refuses_comes_before_a_cap(change: dict[str, object]) -> None:
    capped = replace(NONE, in_day=3_000)
    gate = dial_gate(replace(DIAL, **change), POLICY, NOW, CAPS, capped)  # type: ignore[arg-type]  # a field by name
    assert gate.outcome is GateOutcome.CLOSED
    assert gate.cap is None

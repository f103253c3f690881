"""Every condition of legal.md section A with pass, fail and unknown, and what must hold whatever the facts are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddzwon.domain.events import Direction, Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.lawfulness import (
    CallFacts,
    Code,
    Decision,
    DialFacts,
    GateOutcome,
    Purpose,
    certain_refusals,
    decide,
    dial_gate,
    ring_gate,
)
from oddzwon.domain.number import NotANumber, Number, NumberFault, NumberKind, NumberPolicy, Presentation, parse
from oddzwon.domain.policy import JURISDICTIONS, PRESETS, BalancingTest, Policy, PolicyError

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed
LOST_AT = 1_800_000_000_000
NOW = LOST_AT + 3_000
POLICY = replace(PRESETS["pl"], balancing_test=BalancingTest("LIA-7", "2026-01-31"))


def number(raw: str) -> Number:
    found = parse(raw, "PL")
    assert isinstance(found, Number)
    return found


MOBILE = number("+48600100200")
GOOD = CallFacts(
    direction=Direction.INBOUND,
    technical=True,
    confidence=Confidence.HIGH,
    stage=Stage.TALKING,
    presentation=Presentation.ALLOWED,
    diverted=False,
    number=MOBILE,
    lost_at=LOST_AT,
    call_had_callback=False,
    other_callback_open=False,
    earlier_dials=0,
    earlier_answers=0,
    purpose=Purpose.RESUME,
    objected=False,
    objected_in_call=False,
    restricted=False,
    redialled=False,
    notice_known=True,
)
DIAL = DialFacts(
    lost_at=LOST_AT,
    dials=0,
    answers=0,
    earlier_dials=0,
    earlier_answers=0,
    objected=False,
    objected_in_call=False,
    restricted=False,
    redialled=False,
    agent_free=True,
)
D_CODES = (Code.TOO_LATE, Code.ATTEMPTS, Code.OBJECTED, Code.RESTRICTED, Code.REDIALLED, Code.NO_AGENT)


def result(decision: Decision, code: Code) -> bool | None:
    return {c.code: c.passed for c in decision.conditions}[code]


def test_a_call_cut_off_is_called_back() -> None:
    decision = decide(GOOD, POLICY, NOW)
    assert decision.allowed
    assert decision.refusals == ()
    assert {c.passed for c in decision.conditions} == {True}
    assert (decision.policy, decision.at) == (POLICY.digest(), NOW)


def test_the_codes_are_those_of_the_law_in_its_order() -> None:
    assert " ".join(Code) == (
        "NOT_INBOUND NO_TECH_EVIDENCE STAGE CLIR CLI_NOT_ORIGINATOR INVALID PREMIUM UNKNOWN_RANGE COUNTRY TOO_LATE "
        "DUPLICATE ATTEMPTS PURPOSE OBJECTED RESTRICTED REDIALLED NO_NOTICE NO_AGENT NO_BALANCING_TEST"
    )


FAILS: list[tuple[Code, dict[str, Any], tuple[Code, ...]]] = [
    (Code.NOT_INBOUND, {"direction": Direction.CALLBACK}, ()),
    (Code.NO_TECH_EVIDENCE, {"technical": False}, ()),
    (Code.NO_TECH_EVIDENCE, {"technical": False, "confidence": None}, ()),
    (Code.NO_TECH_EVIDENCE, {"confidence": Confidence.LOW}, ()),
    (Code.STAGE, {"stage": Stage.MENU}, ()),
    (Code.STAGE, {"stage": Stage.ANNOUNCEMENT}, ()),
    # what is withheld is not looked at: nothing is known of the number then
    (
        Code.CLIR,
        {"presentation": Presentation.WITHHELD},
        (Code.INVALID, Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY),
    ),
    (Code.CLI_NOT_ORIGINATOR, {"diverted": True}, ()),
    (
        Code.INVALID,
        {"number": NotANumber(NumberFault.TOO_LONG)},
        (Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY),
    ),
    (Code.PREMIUM, {"number": number("+48700123456")}, ()),
    (Code.PREMIUM, {"number": number("+48801123456")}, ()),
    (Code.UNKNOWN_RANGE, {"number": number("+48999999999")}, (Code.PREMIUM,)),
    (Code.COUNTRY, {"number": number("+12125550100")}, ()),
    (Code.COUNTRY, {"number": number("+442071234567")}, ()),
    (Code.TOO_LATE, {"lost_at": NOW - 120_001}, ()),
    (Code.DUPLICATE, {"call_had_callback": True}, ()),
    (Code.DUPLICATE, {"other_callback_open": True}, ()),
    (Code.ATTEMPTS, {"earlier_dials": 2}, ()),
    (Code.ATTEMPTS, {"earlier_dials": 1, "earlier_answers": 1}, ()),
    (Code.PURPOSE, {"purpose": Purpose.OTHER}, ()),
    (Code.OBJECTED, {"objected": True}, ()),
    (Code.OBJECTED, {"objected_in_call": True}, ()),
    (Code.OBJECTED, {"objected_in_call": True, "objected": None}, ()),
    (Code.RESTRICTED, {"restricted": True}, ()),
    (Code.REDIALLED, {"redialled": True}, ()),
    (Code.NO_NOTICE, {"notice_known": False}, ()),
]


@pytest.mark.parametrize(("code", "change", "with_it"), FAILS)
def test_a_condition_that_fails_refuses(code: Code, change: dict[str, Any], with_it: tuple[Code, ...]) -> None:
    decision = decide(replace(GOOD, **change), POLICY, NOW)
    assert not decision.allowed
    assert result(decision, code) is False
    assert decision.refusals == tuple(c for c in Code if c in (code, *with_it))
    # those that fall with it are unknown, not failed by themselves
    assert {result(decision, other) for other in with_it} <= {None}


def test_without_a_balancing_test_there_are_no_callbacks() -> None:
    for preset in PRESETS.values():
        decision = decide(GOOD, preset, NOW)
        assert result(decision, Code.NO_BALANCING_TEST) is False
        assert not decision.allowed


def test_the_table_fails_every_condition_of_the_decision() -> None:
    # NO_AGENT never fails here: it is asked at the dial gate; the balancing test has its own test above
    assert {code for code, _, _ in FAILS} == set(Code) - {Code.NO_AGENT, Code.NO_BALANCING_TEST}


UNKNOWN: dict[str, set[Code]] = {
    "direction": {Code.NOT_INBOUND},
    "technical": {Code.NO_TECH_EVIDENCE},
    "confidence": {Code.NO_TECH_EVIDENCE},
    "stage": {Code.STAGE},
    "presentation": {Code.CLIR, Code.INVALID, Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY},
    "diverted": {Code.CLI_NOT_ORIGINATOR},
    "number": {Code.INVALID, Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY},
    "lost_at": {Code.TOO_LATE},
    "call_had_callback": {Code.DUPLICATE},
    "other_callback_open": {Code.DUPLICATE},
    "earlier_dials": {Code.ATTEMPTS},
    "earlier_answers": {Code.ATTEMPTS},
    "purpose": {Code.PURPOSE},
    "objected": {Code.OBJECTED},
    "objected_in_call": {Code.OBJECTED},
    "restricted": {Code.RESTRICTED},
    "redialled": {Code.REDIALLED},
    "notice_known": {Code.NO_NOTICE},
}


# these make no condition unknown: which other callback it is only names the evidence, and where the machine has booted
# since the loss the wall clock alone tells its age
NOT_NEEDED = {"other_callback", "steady_age_ms", "agent_holds"}


@pytest.mark.parametrize("name", [f.name for f in fields(CallFacts) if f.name not in NOT_NEEDED])
def test_an_unknown_fact_refuses(name: str) -> None:
    decision = decide(replace(GOOD, **{name: None}), POLICY, NOW)
    assert not decision.allowed
    assert set(decision.refusals) == UNKNOWN[name]
    assert {result(decision, code) for code in UNKNOWN[name]} == {None}


def test_knowing_nothing_refuses_everything_but_the_gates_question_and_the_configuration() -> None:
    decision = decide(CallFacts(), POLICY, NOW)
    assert set(decision.refusals) == set(Code) - {Code.NO_AGENT, Code.NO_BALANCING_TEST}


@pytest.mark.parametrize(
    ("age_ms", "passed"),
    [(0, True), (119_999, True), (120_000, True), (120_001, False), (10**12, False), (-1, None), (-3_600_000, None)],
)
def test_immediate_means_within_two_minutes_and_a_clock_set_back_proves_nothing(
    age_ms: int, passed: bool | None
) -> None:
    decision = decide(GOOD, POLICY, LOST_AT + age_ms)
    assert result(decision, Code.TOO_LATE) is passed
    assert decision.allowed is (passed is True)


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (3_250, "3.2 s"),
        (999_899, "999.9 s"),
        (1_234_567, "20 min"),
        (59_999_999, "999 min"),
        (10**12, "more than 16 h"),
    ],
)
def test_no_age_looks_like_a_part_of_a_number(age_ms: int, words: str) -> None:
    late = decide(GOOD, POLICY, LOST_AT + age_ms).conditions[list(Code).index(Code.TOO_LATE)]
    assert late.evidence == f"lost {words} ago, limit 120.0 s"


SET_BACK = " by the clock since boot, the wall clock was set back"
CLOCKS: dict[str, tuple[int, int | None, bool | None, str]] = {
    # the wall clock's age of the loss, that of the clock since boot (None: booted since), passed, evidence
    "same boot, no step": (3_000, 3_000, True, "lost 3.0 s ago, limit 120.0 s"),
    "same boot, slewed": (3_000, 4_500, True, "lost 4.5 s ago, limit 120.0 s"),
    "same boot, at the limit": (120_000, 119_990, True, "lost 120.0 s ago, limit 120.0 s"),
    "same boot, the limit passed by the clock since boot alone": (
        119_990,
        120_001,
        False,
        "lost 120.0 s ago, limit 120.0 s",
    ),
    "same boot, set back by an hour, in time": (-3_590_000, 10_000, True, f"lost 10.0 s ago{SET_BACK}, limit 120.0 s"),
    "same boot, set back by an hour, late": (-3_470_000, 130_000, False, f"lost 130.0 s ago{SET_BACK}, limit 120.0 s"),
    "same boot, set back by a minute, late": (70_000, 130_000, False, f"lost 130.0 s ago{SET_BACK}, limit 120.0 s"),
    "same boot, set back by a day, the loss of the last hour": (-82_800_000, 3_600_000, False, "60 min ago"),
    "same boot, set forward by an hour": (
        3_603_000,
        3_000,
        False,
        "lost 60 min ago by the wall clock, 3.0 s by the clock since boot, limit 120.0 s",
    ),
    "same boot, set forward by a minute": (
        63_000,
        3_000,
        True,
        "lost 63.0 s ago by the wall clock, 3.0 s by the clock since boot, limit 120.0 s",
    ),
    "another boot, in time": (60_000, None, True, "lost 60.0 s ago, limit 120.0 s"),
    "another boot, late": (121_000, None, False, "lost 121.0 s ago, limit 120.0 s"),
    "another boot, set back": (-1, None, None, "the clock stands before the loss"),
    "another boot, set forward": (3_660_000, None, False, "lost 61 min ago, limit 120.0 s"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_no_window_is_longer_for_a_clock_that_is_set(case: str) -> None:
    """The decision, the first dial and every other one; the right's own window is a longer one."""
    wall, steady, passed, words = CLOCKS[case]
    facts, dial = replace(GOOD, steady_age_ms=steady), replace(DIAL, steady_age_ms=steady)
    decision = decide(facts, POLICY, LOST_AT + wall)
    gate = dial_gate(dial, POLICY, LOST_AT + wall)
    late = next(c for c in decision.conditions if c.code is Code.TOO_LATE)
    assert (late.passed, words in late.evidence) == (passed, True), late
    assert next(c for c in gate.conditions if c.code is Code.TOO_LATE) == late
    assert (decision.allowed, gate.outcome is GateOutcome.OPEN) == (passed is True, passed is True)
    assert decision.at >= LOST_AT
    age = None if passed is None else max(wall, steady or 0)
    for again in (
        ring_gate(replace(dial, dials=1), POLICY, LOST_AT + wall),
        dial_gate(replace(dial, dials=1), POLICY, LOST_AT + wall),
    ):
        assert (again.outcome is GateOutcome.OPEN) == (age is not None and age <= POLICY.lapse_ms)


@UNHURRIED
@given(wall=st.integers(-(10**10), 10**10), steady=st.none() | st.integers(0, 10**10), more=st.integers(0, 10**10))
def test_time_only_takes_a_right_away(wall: int, steady: int | None, more: int) -> None:
    """Whatever somebody does to the wall clock meanwhile, what was too late stays too late in that boot."""
    before = decide(replace(GOOD, steady_age_ms=steady), POLICY, LOST_AT + wall)
    if steady is not None and steady > POLICY.first_dial_ms:
        later = decide(replace(GOOD, steady_age_ms=steady + more), POLICY, LOST_AT + wall - more)
        assert not before.allowed
        assert not later.allowed
    if before.allowed:
        assert max(wall, steady or 0) <= POLICY.first_dial_ms


@pytest.mark.parametrize("minimum", list(Confidence))
@pytest.mark.parametrize("found", list(Confidence))
def test_the_evidence_must_reach_the_minimum(minimum: Confidence, found: Confidence) -> None:
    order = ["low", "medium", "high"]
    decision = decide(replace(GOOD, confidence=found), replace(POLICY, min_confidence=minimum), NOW)
    assert decision.allowed is (order.index(found) >= order.index(minimum))


def test_the_jurisdictions_each_have_a_policy_of_their_own() -> None:
    assert set(PRESETS) == {*JURISDICTIONS, "strict"}
    assert len({preset.digest() for preset in PRESETS.values()}) == len(PRESETS)
    assert {name: preset.name for name, preset in PRESETS.items()} == {name: name for name in PRESETS}


@pytest.mark.parametrize("name", list(JURISDICTIONS))
def test_strict_lies_over_any_jurisdiction(name: str) -> None:
    strict = PRESETS[name].strictly()
    assert (strict.name, strict.stages) == (f"{name} strict", PRESETS["strict"].stages)
    assert replace(strict, name=name, stages=PRESETS[name].stages) == PRESETS[name]
    assert strict.strictly() == strict
    assert PRESETS["strict"].strictly() == PRESETS["strict"]
    assert strict.digest() != PRESETS[name].digest()


def test_a_policy_can_be_read_from_what_its_hash_is_of() -> None:
    values = json.loads(POLICY.as_json())
    assert hashlib.sha256(POLICY.as_json().encode()).hexdigest() == POLICY.digest()
    assert (values["name"], values["lapse_ms"], values["min_confidence"]) == ("pl", 900_000, "medium")
    assert values["stages"] == ["connecting", "queued", "talking"]
    assert values["balancing_test"] == {"id": "LIA-7", "date": "2026-01-31"}
    assert "PL" in values["numbers"]["allowed_countries"]


@pytest.mark.parametrize(
    ("preset", "stages"), [("pl", {"queued", "connecting", "talking"}), ("strict", {"connecting", "talking"})]
)
def test_the_stages_of_the_presets(preset: str, stages: set[str]) -> None:
    policy = replace(PRESETS[preset], balancing_test=POLICY.balancing_test)
    assert {s.value for s in Stage if decide(replace(GOOD, stage=s), policy, NOW).allowed} == stages


def test_the_home_country_is_allowed() -> None:
    british = replace(GOOD, number=number("+442071234567"))
    assert not decide(british, POLICY, NOW).allowed
    assert decide(british, POLICY.at_home_in("gb"), NOW).allowed


# --- what is certain at the verdict -----------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "change", "_with_it"), FAILS)
def test_a_refusal_that_cannot_be_lifted_is_certain_at_once(
    code: Code, change: dict[str, Any], _with_it: tuple[Code, ...]
) -> None:
    liftable = change.keys() & {"other_callback_open", "restricted", "lost_at"} or change == {"objected": True}
    assert certain_refusals(replace(GOOD, **change), POLICY) == (() if liftable else (code,))


@pytest.mark.parametrize("name", [f.name for f in fields(CallFacts)])
def test_an_unknown_is_not_certain(name: str) -> None:
    assert certain_refusals(replace(GOOD, **{name: None}), POLICY) == ()


# --- the dial gate ----------------------------------------------------------------------------------------------

GATE: list[tuple[dict[str, Any], GateOutcome, tuple[Code, ...]]] = [
    ({}, GateOutcome.OPEN, ()),
    ({"lost_at": NOW - 120_000}, GateOutcome.OPEN, ()),
    ({"lost_at": NOW - 120_001}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"lost_at": NOW - 120_001, "dials": 1}, GateOutcome.OPEN, ()),
    # the dial of an earlier callback does not make this one's first dial a retry
    ({"lost_at": NOW - 120_001, "earlier_dials": 1}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"lost_at": NOW - 900_000, "dials": 1}, GateOutcome.OPEN, ()),
    ({"lost_at": NOW - 900_001, "dials": 1}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"lost_at": NOW + 1}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"lost_at": None}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"dials": 2}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"dials": 1, "earlier_dials": 1}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"dials": 1, "answers": 1}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"earlier_answers": 1}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"dials": -1}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"dials": None}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"answers": None}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"earlier_dials": None}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"earlier_answers": None}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"objected": True}, GateOutcome.CLOSED, (Code.OBJECTED,)),
    ({"objected": None}, GateOutcome.CLOSED, (Code.OBJECTED,)),
    ({"objected_in_call": True}, GateOutcome.CLOSED, (Code.OBJECTED,)),
    ({"objected_in_call": None}, GateOutcome.CLOSED, (Code.OBJECTED,)),
    ({"restricted": True}, GateOutcome.CLOSED, (Code.RESTRICTED,)),
    ({"restricted": None}, GateOutcome.CLOSED, (Code.RESTRICTED,)),
    ({"redialled": True}, GateOutcome.CLOSED, (Code.REDIALLED,)),
    ({"redialled": None}, GateOutcome.CLOSED, (Code.REDIALLED,)),
    ({"agent_free": False}, GateOutcome.HELD, (Code.NO_AGENT,)),
    ({"agent_free": None}, GateOutcome.HELD, (Code.NO_AGENT,)),
    ({"agent_free": False, "redialled": True}, GateOutcome.CLOSED, (Code.REDIALLED, Code.NO_AGENT)),
    ({"agent_free": False, "lost_at": NOW - 120_001}, GateOutcome.CLOSED, (Code.TOO_LATE, Code.NO_AGENT)),
]


@pytest.mark.parametrize(("change", "outcome", "refusals"), GATE)
def test_the_dial_gate(change: dict[str, Any], outcome: GateOutcome, refusals: tuple[Code, ...]) -> None:
    gate = dial_gate(replace(DIAL, **change), POLICY, NOW)
    assert (gate.outcome, gate.refusals) == (outcome, refusals)
    assert tuple(c.code for c in gate.conditions) == D_CODES


@pytest.mark.parametrize(
    ("change", "not_known"),
    [
        ({"objected": None}, (Code.OBJECTED,)),
        ({"restricted": None, "redialled": None}, (Code.RESTRICTED, Code.REDIALLED)),
        ({"objected": None, "agent_free": False}, (Code.OBJECTED,)),
        ({"objected": None, "restricted": True}, ()),
        ({"objected": True}, ()),
        ({}, ()),
    ],
)
def test_what_is_not_known_is_told_from_what_forbids(change: dict[str, Any], not_known: tuple[Code, ...]) -> None:
    """Neither is dialled on; but what could not be read is no objection, and is asked again."""
    gate = dial_gate(replace(DIAL, **change), POLICY, NOW)
    assert gate.not_known == not_known
    assert gate.outcome is not GateOutcome.OPEN or not change


RINGS: list[tuple[dict[str, Any], GateOutcome, tuple[Code, ...]]] = [
    ({}, GateOutcome.OPEN, ()),
    # the last dial allowed may ring; one more may not
    ({"dials": 2}, GateOutcome.OPEN, ()),
    ({"dials": 3}, GateOutcome.CLOSED, (Code.ATTEMPTS,)),
    ({"lost_at": NOW - 120_001}, GateOutcome.OPEN, ()),
    ({"lost_at": NOW - 900_001}, GateOutcome.CLOSED, (Code.TOO_LATE,)),
    ({"redialled": True}, GateOutcome.CLOSED, (Code.REDIALLED,)),
    ({"objected": True}, GateOutcome.CLOSED, (Code.OBJECTED,)),
    ({"restricted": True}, GateOutcome.CLOSED, (Code.RESTRICTED,)),
    ({"agent_free": False}, GateOutcome.HELD, (Code.NO_AGENT,)),
]


@pytest.mark.parametrize(("change", "outcome", "refusals"), RINGS)
def test_the_gate_is_watched_while_it_rings(
    change: dict[str, Any], outcome: GateOutcome, refusals: tuple[Code, ...]
) -> None:
    gate = ring_gate(replace(DIAL, **({"dials": 1} | change)), POLICY, NOW)
    assert (gate.outcome, gate.refusals) == (outcome, refusals)


# --- whatever the facts are -------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(
    [MOBILE, *map(number, ("+48700123456", "+12125550100", "+870773111632", "+4930221234567", "+48999999999"))]
)
TRI = st.sampled_from([True, False, None])
COUNT = st.none() | st.integers(-5, 10**9)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ANY_FACTS = st.builds(
    CallFacts,
    direction=maybe(st.sampled_from(Direction)),
    technical=TRI,
    confidence=maybe(st.sampled_from(Confidence)),
    stage=maybe(st.sampled_from(Stage)),
    presentation=maybe(st.sampled_from(Presentation)),
    diverted=TRI,
    number=maybe(NUMBERS | st.builds(NotANumber, st.sampled_from(NumberFault))),
    lost_at=maybe(st.integers(NOW - 10**13, NOW + 10**13)),
    call_had_callback=TRI,
    other_callback_open=TRI,
    earlier_dials=COUNT,
    earlier_answers=COUNT,
    purpose=maybe(st.sampled_from(Purpose)),
    objected=TRI,
    objected_in_call=TRI,
    restricted=TRI,
    redialled=TRI,
    notice_known=TRI,
)
# mostly good facts, a few of them bent: purely random ones are never allowed, and prove nothing about what is
BENT_FACTS = st.builds(
    lambda base, other, names: replace(base, **{n: getattr(other, n) for n in names}),
    st.just(GOOD),
    ANY_FACTS,
    st.sets(st.sampled_from([f.name for f in fields(CallFacts)]), max_size=3),
)
POLICIES = st.sampled_from([POLICY, *PRESETS.values(), replace(POLICY, stages=frozenset(), name="none")])


@UNHURRIED
@given(facts=ANY_FACTS | BENT_FACTS, policy=POLICIES, now=st.integers(0, 2 * NOW))
def test_the_decision_is_complete_and_in_order_and_never_raises(facts: CallFacts, policy: Policy, now: int) -> None:
    decision = decide(facts, policy, now)
    assert tuple(c.code for c in decision.conditions) == tuple(Code)
    assert decision.allowed is all(c.passed is True for c in decision.conditions)
    assert decision.refusals == tuple(c.code for c in decision.conditions if c.passed is not True)
    assert all(c.evidence and len(c.evidence) < 100 for c in decision.conditions)
    assert set(certain_refusals(facts, policy)) <= set(decision.refusals)


@UNHURRIED
@given(facts=BENT_FACTS)
def test_allowed_means_what_the_law_says(facts: CallFacts) -> None:
    """The law again, in other words: an oracle which shares no code with the decision."""
    lawful = (
        facts.direction == "inbound"
        and facts.technical is True
        and facts.confidence in ("medium", "high")
        and facts.stage in ("queued", "connecting", "talking")
        and facts.presentation == "allowed"
        and facts.diverted is False
        and isinstance(facts.number, Number)
        and facts.number.e164 in ("+48600100200", "+4930221234567")
        and facts.lost_at is not None
        and 0 <= NOW - facts.lost_at <= 120_000
        and (facts.call_had_callback, facts.other_callback_open) == (False, False)
        and facts.earlier_dials in (0, 1)
        and facts.earlier_answers == 0
        and facts.purpose == "resume"
        and (facts.objected, facts.objected_in_call, facts.restricted, facts.redialled) == (False,) * 4
        and facts.notice_known is True
    )
    assert decide(facts, POLICY, NOW).allowed is lawful


@UNHURRIED
@given(
    name=st.sampled_from([f.name for f in fields(DialFacts) if f.name not in NOT_NEEDED]),
    ringing=st.booleans(),
    now=st.integers(LOST_AT - 10**9, LOST_AT + 10**9),
)
def test_no_dial_with_anything_unknown(name: str, ringing: bool, now: int) -> None:
    unknown: dict[str, Any] = {name: None}
    gate = (ring_gate if ringing else dial_gate)(replace(DIAL, **unknown), POLICY, now)
    assert gate.outcome is not GateOutcome.OPEN


@UNHURRIED
@given(
    national=st.integers(500_000_000, 799_999_999),
    facts=ANY_FACTS | BENT_FACTS,
    kind=st.sampled_from(NumberKind),
    now=st.integers(0, 2 * NOW),
)
def test_no_evidence_shows_digits_of_the_number(national: int, facts: CallFacts, kind: NumberKind, now: int) -> None:
    digits = f"48{national}"
    # the year of the balancing test is no digit of a number, though a number may contain it
    assume("2026" not in digits)
    facts = replace(facts, number=Number(f"+{digits}", "PL", kind, 48))
    shown = " ".join(c.evidence for c in decide(facts, POLICY, now).conditions)
    dialling = replace(DIAL, lost_at=facts.lost_at, dials=facts.earlier_dials, answers=facts.earlier_answers)
    shown += " ".join(c.evidence for c in dial_gate(dialling, POLICY, now).conditions)
    assert not [digits[i : i + 4] for i in range(len(digits) - 3) if digits[i : i + 4] in shown]


# --- the policy -------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_law_file() -> None:
    policy = Policy()
    assert (policy.first_dial_ms, policy.lapse_ms, policy.max_dials, policy.max_answers) == (120_000, 900_000, 2, 1)
    assert policy.min_confidence is Confidence.MEDIUM
    assert policy.balancing_test is None
    assert set(PRESETS) == {"eu", "pl", "cz", "de", "strict"}
    assert [PRESETS[name].name for name in PRESETS] == list(PRESETS)
    assert set(JURISDICTIONS) == {"eu", "pl", "cz", "de"}
    assert JURISDICTIONS["pl"].marketing_rule == "art. 398 PKE"


OTHER_VALUES: dict[str, Any] = {
    "name": "other",
    "min_confidence": Confidence.HIGH,
    "stages": frozenset({Stage.TALKING}),
    "numbers": NumberPolicy(frozenset({"PL"})),
    "first_dial_ms": 60_000,
    "lapse_ms": 600_000,
    "max_dials": 3,
    "max_answers": 2,
    "balancing_test": None,
}


@pytest.mark.parametrize("name", [f.name for f in fields(Policy)])
def test_every_parameter_is_in_the_digest(name: str) -> None:
    assert replace(POLICY, **{name: OTHER_VALUES[name]}).digest() != POLICY.digest()


def test_the_digest_does_not_hang_on_the_order_of_sets() -> None:
    stages = [Stage.TALKING, Stage.QUEUED, Stage.CONNECTING]
    digests = {replace(POLICY, stages=frozenset(order)).digest() for order in (stages, stages[::-1])}
    assert digests == {POLICY.digest()}
    assert len(POLICY.digest()) == 64
    # pinned: the digest is written into decisions, and must read the same after years and on other machines
    assert Policy().digest() == "05b7a196e1d945482869bb946f77a513342e8cb34b6084a2edcb06e23559fef7"


@pytest.mark.parametrize(
    "change",
    [
        {"first_dial_ms": 0},
        {"first_dial_ms": 900_001},
        {"lapse_ms": 24 * 3_600_000 + 1},
        {"max_dials": 0},
        {"max_dials": 11},
        {"max_answers": 0},
        {"max_answers": 3},
    ],
)
def test_bounds_that_bind_nothing_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(change)).split("_", maxsplit=1)[0]):
        replace(POLICY, **change)


@pytest.mark.parametrize(("ident", "day"), [("", "2026-01-31"), ("  ", "2026-01-31"), ("LIA", ""), ("LIA", "31.1.26")])
def test_a_balancing_test_that_nobody_could_find_is_none(ident: str, day: str) -> None:
    with pytest.raises(PolicyError, match="balancing test"):
        BalancingTest(ident, day)

"""Is a callback lawful? Every condition of legal.md section A, each from its own fact; an unknown is a refusal.

Two gates. :func:`decide` is asked once, after the grace, and lists every condition with its evidence.
:func:`dial_gate` is asked again before every INVITE, and :func:`ring_gate` while it rings. Nothing here knows a clock,
and no evidence repeats a digit of a number.

The ground is Art. 6(1)(f) GDPR: the callback must be the direct consequence of the interrupted inbound call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from oddzwon.domain.bootclock import Age
from oddzwon.domain.caps import Caps, DialCounts, check
from oddzwon.domain.events import Direction, Instant, Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.number import Finding, NotANumber, Number, Presentation, number_findings
from oddzwon.domain.policy import Policy


class Code(StrEnum):
    """The conditions, in the order in which they are always listed. A refusal is named by its condition."""

    NOT_INBOUND = "NOT_INBOUND"
    NO_TECH_EVIDENCE = "NO_TECH_EVIDENCE"
    STAGE = "STAGE"
    CLIR = "CLIR"
    CLI_NOT_ORIGINATOR = "CLI_NOT_ORIGINATOR"
    INVALID = "INVALID"
    PREMIUM = "PREMIUM"
    UNKNOWN_RANGE = "UNKNOWN_RANGE"
    COUNTRY = "COUNTRY"
    TOO_LATE = "TOO_LATE"
    DUPLICATE = "DUPLICATE"
    ATTEMPTS = "ATTEMPTS"
    PURPOSE = "PURPOSE"
    OBJECTED = "OBJECTED"
    RESTRICTED = "RESTRICTED"
    REDIALLED = "REDIALLED"
    NO_NOTICE = "NO_NOTICE"
    NO_AGENT = "NO_AGENT"
    NO_BALANCING_TEST = "NO_BALANCING_TEST"


class Purpose(StrEnum):
    """What a callback is for; only the first is lawful without another ground."""

    RESUME = "resume"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition's result. ``passed`` None means unknown, which refuses. ``evidence`` holds no personal data."""

    code: Code
    passed: bool | None
    evidence: str


@dataclass(frozen=True, slots=True)
class CallFacts:
    """All that the decision needs of an ended call and its number; None is unknown everywhere.

    ``number`` is None for a withheld one, which is neither used nor stored. ``steady_age_ms``: how long ago the call
    was lost by the clock since boot; None, the machine has booted since, leaves it to the wall clock.
    ``call_had_callback``: this drop has a callback already. ``other_callback_open``: another callback to the number is
    not final (``other_callback`` names it). ``earlier_dials``, ``earlier_answers``: of the callbacks of calls that this
    one resumes, where they count.
    ``objected``, ``restricted``: the registers; ``objected_in_call``: key 8 in this very call.
    ``notice_known`` is :func:`oddzwon.domain.notice.layer1_known`.
    """

    direction: Direction | None = None
    technical: bool | None = None
    confidence: Confidence | None = None
    stage: Stage | None = None
    presentation: Presentation | None = None
    diverted: bool | None = None
    number: Number | NotANumber | None = None
    lost_at: Instant | None = None
    steady_age_ms: int | None = None
    call_had_callback: bool | None = None
    other_callback_open: bool | None = None
    other_callback: str | None = None
    earlier_dials: int | None = None
    earlier_answers: int | None = None
    purpose: Purpose | None = None
    objected: bool | None = None
    objected_in_call: bool | None = None
    restricted: bool | None = None
    redialled: bool | None = None
    notice_known: bool | None = None


@dataclass(frozen=True, slots=True)
class DialFacts:
    """All that the dial gate needs; None is unknown everywhere.

    ``dials`` and ``answers`` are this callback's own so far, a dial that rings included; the earlier ones as in
    :class:`CallFacts`, as ``steady_age_ms`` is. ``agent_free``: somebody who is promised to no other callback can talk;
    ``agent_holds``: he is on the line already.
    """

    lost_at: Instant | None = None
    steady_age_ms: int | None = None
    dials: int | None = None
    answers: int | None = None
    earlier_dials: int | None = None
    earlier_answers: int | None = None
    objected: bool | None = None
    objected_in_call: bool | None = None
    restricted: bool | None = None
    redialled: bool | None = None
    agent_free: bool | None = None
    agent_holds: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one ended call, immutable: every condition in the order of :class:`Code`."""

    allowed: bool
    refusals: tuple[Code, ...]
    conditions: tuple[Condition, ...]
    policy: str
    at: Instant


class GateOutcome(StrEnum):
    """OPEN: dial. HELD: only an agent is missing, the callback waits. CLOSED: the callback ends."""

    OPEN = "open"
    HELD = "held"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Gate:
    """What the dial gate found; ``refusals`` are the conditions that did not pass, unknown ones included.

    ``cap`` is the operator's cap, in words, that alone keeps the customer from being dialled; None: none, or not alone.
    """

    outcome: GateOutcome
    refusals: tuple[Code, ...]
    conditions: tuple[Condition, ...]
    cap: str | None = None

    @property
    def not_known(self) -> tuple[Code, ...]:
        """The conditions that are not known, where nothing that is known forbids the dial; empty: something does.

        Nobody is dialled on them either; but what could not be read may be readable in a moment, and is no objection.
        """
        if any(c.passed is False and c.code is not Code.NO_AGENT for c in self.conditions):
            return ()
        return tuple(c.code for c in self.conditions if c.passed is None)


def decide(facts: CallFacts, policy: Policy, now: Instant) -> Decision:
    """Whether the call may be called back, with the result of every condition, also after the first refusal.

    ``now`` is the wall clock's, UTC ms; the decision is never dated before the loss. Never raises. NO_AGENT passes
    here: whether somebody can talk is asked at the dial gate, and the decision stays positive while the callback waits.
    """
    findings = _about_the_call(facts, policy) | _about_the_number(facts, policy) | _about_rights(facts)
    findings[Code.TOO_LATE] = _in_time(facts, now, policy.first_dial_ms)
    findings[Code.ATTEMPTS] = _caps((0, facts.earlier_dials), (0, facts.earlier_answers), policy, ringing=0)
    findings[Code.NO_AGENT] = True, "asked at the dial gate, before every dial"
    conditions = tuple(Condition(code, *findings[code]) for code in Code)
    refusals = _refusals(conditions)
    return Decision(not refusals, refusals, conditions, policy.digest(), max(now, facts.lost_at or now))


_MAY_CHANGE: Final = frozenset({Code.TOO_LATE, Code.DUPLICATE, Code.OBJECTED, Code.RESTRICTED, Code.NO_AGENT})


def certain_refusals(facts: CallFacts, policy: Policy) -> tuple[Code, ...]:
    """The refusals known at the verdict that no later event can lift: they are logged at once, without the grace.

    An unknown may yet become known, another callback may end, an objection in the register may be withdrawn: these are
    left to :func:`decide`. The call's own mark (key 8) and its own earlier callback stay.
    """
    decision = decide(facts, policy, facts.lost_at or 0)
    certain = {c.code for c in decision.conditions if c.passed is False and c.code not in _MAY_CHANGE}
    if facts.call_had_callback:
        certain.add(Code.DUPLICATE)
    if facts.objected_in_call:
        certain.add(Code.OBJECTED)
    return tuple(code for code in Code if code in certain)


def dial_gate(
    facts: DialFacts, policy: Policy, now: Instant, caps: Caps | None = None, counted: DialCounts | None = None
) -> Gate:
    """Whether an INVITE may leave now: the conditions marked D. The first dial has ``first_dial_ms``, a retry
    ``lapse_ms``.

    ``caps`` bound ATTEMPTS as well, by the dials ``counted`` so far; where these are not known, ATTEMPTS is not.
    """
    limit = policy.first_dial_ms if facts.dials == 0 else policy.lapse_ms
    gate = _gate(facts, policy, _in_time(facts, now, limit), ringing=0)
    return gate if caps is None else _within_caps(gate, caps, counted)


def _within_caps(gate: Gate, caps: Caps, counted: DialCounts | None) -> Gate:
    """The gate, with the caps as a part of ATTEMPTS where that has passed."""
    cap = "dials so far not known" if counted is None else check(counted, caps)
    if cap is None or Code.ATTEMPTS in gate.refusals:
        return gate
    conditions = tuple(
        replace(c, passed=None if counted is None else False, evidence=f"{c.evidence}, {cap}")
        if c.code is Code.ATTEMPTS
        else c
        for c in gate.conditions
    )
    alone = not set(gate.refusals) - {Code.NO_AGENT} and counted is not None
    return Gate(GateOutcome.CLOSED, _refusals(conditions), conditions, cap if alone else None)


def ring_gate(facts: DialFacts, policy: Policy, now: Instant) -> Gate:
    """Whether a dial that rings may go on ringing: the same conditions, the right lapsing after ``lapse_ms``.

    Anything but OPEN means: stop at once. HELD means that the agent is gone and the callback waits again.
    """
    return _gate(facts, policy, _in_time(facts, now, policy.lapse_ms), ringing=1)


def _gate(facts: DialFacts, policy: Policy, in_time: Finding, ringing: int) -> Gate:
    findings: _Findings = {
        Code.TOO_LATE: in_time,
        Code.ATTEMPTS: _caps(
            (facts.dials, facts.earlier_dials), (facts.answers, facts.earlier_answers), policy, ringing
        ),
        Code.OBJECTED: _objection(facts.objected, facts.objected_in_call),
        Code.RESTRICTED: _none_of(facts.restricted, "restriction"),
        Code.REDIALLED: _none_of(facts.redialled, "redial"),
        Code.NO_AGENT: _somebody(facts),
    }
    conditions = tuple(Condition(code, *findings[code]) for code in Code if code in findings)
    refusals = _refusals(conditions)
    if not refusals:
        return Gate(GateOutcome.OPEN, refusals, conditions)
    # while nobody is known to be there nothing is dialled, and waiting harms no one: the right lapses by itself
    outcome = GateOutcome.HELD if refusals == (Code.NO_AGENT,) else GateOutcome.CLOSED
    return Gate(outcome, refusals, conditions)


def _somebody(facts: DialFacts) -> Finding:
    there = "an agent holds the line" if facts.agent_holds else "an agent is free"
    return facts.agent_free, _word(facts.agent_free, there, "no agent is free")


_Findings: TypeAlias = dict[Code, Finding]


def _refusals(conditions: tuple[Condition, ...]) -> tuple[Code, ...]:
    return tuple(c.code for c in conditions if c.passed is not True)


def _word(passed: bool | None, yes: str, no: str) -> str:
    return "not known" if passed is None else yes if passed else no


def _none_of(fact: bool | None, name: str) -> Finding:
    passed = None if fact is None else not fact
    return passed, _word(passed, f"no {name}", name)


def _about_the_call(facts: CallFacts, policy: Policy) -> _Findings:
    inbound = None if facts.direction is None else facts.direction is Direction.INBOUND
    far_enough = None if facts.stage is None else facts.stage in policy.stages
    resumes = None if facts.purpose is None else facts.purpose is Purpose.RESUME
    test = policy.balancing_test
    return {
        Code.NOT_INBOUND: (inbound, f"direction {facts.direction or 'not known'}"),
        Code.NO_TECH_EVIDENCE: _technical(facts, policy),
        Code.STAGE: (far_enough, f"stage {facts.stage or 'not known'}"),
        Code.DUPLICATE: _duplicate(facts),
        Code.PURPOSE: (resumes, _word(resumes, "resume the interrupted matter only", "another purpose")),
        Code.NO_NOTICE: (
            facts.notice_known,
            _word(facts.notice_known, "notice heard and complete", "notice not complete"),
        ),
        Code.NO_BALANCING_TEST: (test is not None, f"test {test.id} of {test.date}" if test else "no test documented"),
    }


def _technical(facts: CallFacts, policy: Policy) -> Finding:
    if facts.technical is None:
        return None, "not known whether a fault ended it"
    if not facts.technical:
        return False, "ended, not interrupted"
    if facts.confidence is None:
        return None, "a fault, confidence not known"
    reached = facts.confidence.reaches(policy.min_confidence)
    return reached, f"a fault, confidence {facts.confidence}, {policy.min_confidence} needed"


def _duplicate(facts: CallFacts) -> Finding:
    if facts.call_had_callback:
        return False, "this drop has a callback already"
    if facts.other_callback_open:
        return False, f"another callback to the number is not final: {facts.other_callback or 'its id is not known'}"
    if facts.call_had_callback is None or facts.other_callback_open is None:
        return None, "not known"
    return True, "no other callback"


def _about_the_number(facts: CallFacts, policy: Policy) -> _Findings:
    shown = {Presentation.ALLOWED: True, Presentation.WITHHELD: False}.get(facts.presentation or Presentation.UNKNOWN)
    # a number that was withheld is not looked at, even if it is there by mistake
    number = facts.number if shown else None
    plan = number_findings(number, policy.numbers)
    return {
        Code.CLIR: (shown, _word(shown, "number presented", "number withheld")),
        Code.CLI_NOT_ORIGINATOR: _none_of(facts.diverted, "diversion"),
        Code.INVALID: plan.invalid,
        Code.PREMIUM: plan.premium,
        Code.UNKNOWN_RANGE: plan.unknown_range,
        Code.COUNTRY: plan.country,
    }


def _about_rights(facts: CallFacts) -> _Findings:
    return {
        Code.OBJECTED: _objection(facts.objected, facts.objected_in_call),
        Code.RESTRICTED: _none_of(facts.restricted, "restriction"),
        Code.REDIALLED: _none_of(facts.redialled, "redial"),
    }


def _objection(in_register: bool | None, in_call: bool | None) -> Finding:
    if in_call:
        return False, "objected in the call"
    if in_register:
        return False, "objection registered"
    if in_call is None or in_register is None:
        return None, "not known"
    return True, "no objection"


def _in_time(facts: CallFacts | DialFacts, now: Instant, limit_ms: int) -> Finding:
    if facts.lost_at is None:
        return None, "not known when it was lost"
    age = Age(now - facts.lost_at, facts.steady_age_ms)
    if age.ms is None:
        return None, "the clock stands before the loss"
    words = f"lost {_span(age.ms)} ago"
    if age.set_back:
        words += " by the clock since boot, the wall clock was set back"
    elif age.ahead:
        words += f" by the wall clock, {_span(age.steady or 0)} by the clock since boot"
    return age.ms <= limit_ms, f"{words}, limit {_span(limit_ms)}"


def _span(ms: int) -> str:
    """A duration in at most three digits before the point: no evidence may look like a part of a number."""
    if ms < 999_900:
        return f"{ms / 1000:.1f} s"
    return f"{ms // 60_000} min" if ms < 60_000_000 else "more than 16 h"


def _caps(
    dials: tuple[int | None, int | None], answers: tuple[int | None, int | None], policy: Policy, ringing: int
) -> Finding:
    """``ringing`` is 1 while the last of the dials rings: it may itself be the last one allowed."""
    if any(n is None or n < 0 for n in (*dials, *answers)):
        return None, "not known"
    dialled, answered = sum(n or 0 for n in dials), sum(n or 0 for n in answers)
    within = dialled - ringing < policy.max_dials and answered < policy.max_answers
    return within, (
        f"dials {min(dialled, 99)} of {policy.max_dials}, answers {min(answered, 99)} of {policy.max_answers}"
    )

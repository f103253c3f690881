"""Generated shifts: calls of every fate, written by the log's own writer, and counted here in plain Python.

What is expected stands beside each history that it is expected of; nothing is taken from the code that counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from oddzwon.domain.callback_events import cancelled_why
from oddzwon.log import CallLog, Condition, Decision, Ending, Evidence, NewCall, Party, Receipt
from oddzwon.log import vocabulary as v

T0: Final = 1_760_000_000_000
HOUR: Final = 3_600_000
DIDS: Final = ("+48221234567", "+420221234567")
QUEUES: Final = (None, "support", "sales")
GATE: Final = tuple(Condition(code, True, "seen") for code in v.DIAL_CODES)


@dataclass(frozen=True, slots=True)
class Fate:
    """How a call ended: the verdict, and what is to be counted as its evidence."""

    party: str
    technical: bool | None
    confidence: str | None
    fact: str
    counted: str


FAULTS: Final = (
    Fate("network", True, "high", "rtp_timeout on the caller's leg", "rtp_timeout on the caller's leg"),
    Fate(
        "network",
        True,
        "medium",
        "inbound RTP had stood still for 12.3 s before the bye",
        "inbound RTP had stood still for some time before the bye",
    ),
    Fate(
        "network",
        True,
        "medium",
        "inbound RTP had stood still for 7.0 s before the bye",
        "inbound RTP had stood still for some time before the bye",
    ),
    Fate("pbx", True, "high", "asterisk restarted", "asterisk restarted"),
    Fate("carrier", True, "high", "bye cause=38", "bye cause=38"),
)
OTHERS: Final = (
    Fate("caller", False, "high", "bye", "bye"),
    Fate("agent", False, "high", "bye", "bye"),
    Fate("unknown", None, None, "out of sight for 300 ms", "out of sight for some time"),
)


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a callback: each step a second after the one before; ``dial`` writes the next attempt.

    A step is (attempt's state or None, callback's state or None, why, cause).
    """

    steps: tuple[tuple[Any, ...], ...]
    state: str
    outcomes: tuple[tuple[str, int | None], ...] = ()
    over: str | None = None
    """Why it connected nobody, where it is over."""
    reached: dict[str, int] = field(default_factory=dict)
    """By what step ``dial``, ``ringing``, ``connected`` was reached first."""
    cut_off_again: bool = False


DIAL: Final = ("dial",)
NEVER: Final = ("never",)
RINGS: Final = ("ringing", "ringing", "", None)
ANSWERS: Final = ("answered", "answered", "", None)
TALKS: Final = ("connected", "connected", "", None)
RESERVING: Final = (None, "reserving", "", None)
NO_AGENT: Final = (None, "waiting", "no agent is free", None)
BUSY: Final = ("unanswered", "waiting", "busy", 17)
OVER: Final = ("completed", "completed", "talk over", 16)

PATHS: Final = (
    Became((), "waiting"),
    Became((RESERVING, NO_AGENT), "waiting"),
    Became((RESERVING, DIAL, RINGS), "ringing", (("under_way", None),), reached={"dial": 1, "ringing": 2}),
    Became(
        (DIAL, RINGS, ANSWERS, TALKS),
        "connected",
        (("connected", None),),
        reached={"dial": 0, "ringing": 1, "connected": 3},
    ),
    Became(
        (DIAL, RINGS, ANSWERS, TALKS, OVER),
        "completed",
        (("connected", 16),),
        reached={"dial": 0, "ringing": 1, "connected": 3},
    ),
    Became(
        (DIAL, RINGS, ANSWERS, TALKS, OVER),
        "completed",
        (("connected", 16),),
        reached={"dial": 0, "ringing": 1, "connected": 3},
        cut_off_again=True,
    ),
    Became(
        (DIAL, RINGS, BUSY, RESERVING, DIAL, RINGS, ANSWERS, TALKS, OVER),
        "completed",
        (("busy", 17), ("connected", 16)),
        reached={"dial": 0, "ringing": 1, "connected": 7},
    ),
    Became(
        (DIAL, BUSY, DIAL, RINGS, ("unanswered", "unanswered", "no_answer", 19)),
        "unanswered",
        (("busy", 17), ("no_answer", 19)),
        "rang, no answer",
        {"dial": 0, "ringing": 3},
    ),
    Became(
        (DIAL, ("failed", "failed", "trunk_refused", 21)),
        "failed",
        (("trunk_refused", 21),),
        "the trunk refused the dial",
        {"dial": 0},
    ),
    Became(
        (DIAL, RINGS, ANSWERS, ("unanswered", "unanswered", "answered without a key", 16)),
        "unanswered",
        (("no_key", 16),),
        "answered without a key",
        {"dial": 0, "ringing": 1},
    ),
    Became(
        (DIAL, ANSWERS, ("failed", "failed", "ended before an agent answered", 16)),
        "failed",
        (("no_agent", 16),),
        "ended before an agent answered",
        {"dial": 0},
    ),
    Became(
        (DIAL, ANSWERS, ("wrong_person", "wrong_person", "key 3", None)),
        "wrong_person",
        (("wrong_person", None),),
        "key 3: wrong person",
        {"dial": 0},
    ),
    Became(
        (DIAL, ANSWERS, ("objected", "objected", "key 8", None)),
        "objected",
        (("objected", None),),
        "he objected",
        {"dial": 0},
    ),
    Became((RESERVING, NO_AGENT, (None, "lapsed", "", None)), "lapsed", over="no agent is free"),
    Became((RESERVING, NO_AGENT, RESERVING, (None, "lapsed", "expired", None)), "lapsed", over="no agent is free"),
    Became((RESERVING, (None, "lapsed", "TOO_LATE", None)), "lapsed", over="it was never dialled"),
    Became(
        ((None, "waiting", "dials in the last minute: 60 of 60", None), (None, "lapsed", "expired", None)),
        "lapsed",
        over="dials in the last minute",
    ),
    Became(
        (DIAL, RINGS, ("cancelled", "lapsed", "expired", None)),
        "lapsed",
        (("cancelled", None),),
        "it rang until the end of the window",
        {"dial": 0, "ringing": 1},
    ),
    Became(
        (DIAL, ("unanswered", "lapsed", "busy", 17)),
        "lapsed",
        (("busy", 17),),
        "busy, and no time for another dial",
        {"dial": 0},
    ),
    Became(
        (DIAL, RINGS, ("cancelled", "cancelled", "redial", None)),
        "cancelled",
        (("cancelled", None),),
        "redial",
        {"dial": 0, "ringing": 1},
    ),
    Became(
        (DIAL, RINGS, ("cancelled", "waiting", "the agent left: hung up", None), DIAL, TALKS, OVER),
        "completed",
        (("agent_left", None), ("connected", 16)),
        reached={"dial": 0, "ringing": 1, "connected": 4},
    ),
    Became(
        (DIAL, RINGS, ANSWERS, ("unanswered", "unanswered", "a machine, by AMD: MACHINE LONGGREETING-1540-1500", 16)),
        "unanswered",
        (("machine", 16),),
        "a machine, by AMD",
        {"dial": 0, "ringing": 1},
    ),
    Became(
        (RESERVING, (None, "waiting", "the agent: did not answer", None), (None, "lapsed", "expired", None)),
        "lapsed",
        over="the agent did not answer",
    ),
    Became((RESERVING, (None, "cancelled", "REDIALLED", None)), "cancelled", over="redial"),
    Became((RESERVING, (None, "lapsed", "TOO_LATE NO_AGENT", None)), "lapsed", over="no agent was there"),
    Became((NO_AGENT, RESERVING, (None, "lapsed", "TOO_LATE NO_AGENT", None)), "lapsed", over="no agent is free"),
    Became(((None, "cancelled", "cancelled", None),), "cancelled", over="console"),
    Became(((None, "cancelled", cancelled_why("console", "anna", "redial asked"), None),), "cancelled", over="console"),
    Became(((None, "cancelled", cancelled_why("code", "PJSIP/agent1"), None),), "cancelled", over="code"),
    Became(
        (RESERVING, (None, "failed", "6 of 6 dials to the number in 24 h", None)),
        "failed",
        over="cap: dials to the number in 24 h",
    ),
    Became(((None, "cancelled", "callbacks are off", None),), "cancelled", over="off"),
    Became(((None, "cancelled", "RESTRICTED", None),), "cancelled", over="restriction"),
    Became(((None, "cancelled", "the number was erased", None),), "cancelled", over="erasure"),
    Became(
        (DIAL, ("lost", "lost", "fate hidden", None)),
        "lost",
        (("lost", None),),
        "a crash or a lost connection hid what became of it",
        {"dial": 0},
    ),
    Became(
        (DIAL, NEVER, DIAL, RINGS, ("unanswered", "unanswered", "rejected", 21)),
        "unanswered",
        (("never_sent", None), ("rejected", 21)),
        "refused by the person",
        {"dial": 2, "ringing": 3},
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A call to be: when it begins, where it goes, how it ends, what is decided of it, what becomes of its callback.

    ``fate`` None: it is up still, or (``ended``) not judged yet. ``failed``: refused by these conditions; of those in
    ``unknown`` it could not be told. ``path``: the callback, where nothing refuses.
    """

    at: int
    queue: str | None
    did: str
    ended: bool
    fate: Fate | None
    failed: frozenset[str]
    unknown: frozenset[str]
    path: Became | None
    redialled: bool

    @property
    def drop(self) -> bool:
        """Whether a fault cut it off."""
        return self.fate is not None and self.fate.technical is True


@st.composite
def plans(draw: st.DrawFn, spread: int = 10 * HOUR) -> Plan:
    """Any call of ten hours."""
    up = draw(st.sampled_from(("up", "ended", "goodbye", "fault", "fault", "fault")))
    fate = draw(st.sampled_from({"goodbye": OTHERS, "fault": FAULTS}[up])) if up in ("goodbye", "fault") else None
    codes = st.frozensets(st.sampled_from(v.DECISION_CODES), min_size=0 if up == "fault" else 1, max_size=4)
    undecided = fate is None or draw(st.integers(0, 9)) == 0
    failed = frozenset() if undecided else draw(codes)
    allowed = up == "fault" and not undecided and not failed
    return Plan(
        at=T0 + draw(st.integers(0, spread)),
        queue=draw(st.sampled_from(QUEUES)),
        did=draw(st.sampled_from(DIDS)),
        ended=up != "up",
        fate=fate,
        failed=failed,
        unknown=draw(st.frozensets(st.sampled_from(sorted(failed)), max_size=2)) if failed else frozenset(),
        path=draw(st.sampled_from(PATHS)) if allowed else None,
        redialled=draw(st.booleans()) if fate is not None and fate.technical else False,
    )


async def write(path: Path, wanted: Sequence[Plan]) -> None:
    """All of them into the log at ``path``."""
    async with await CallLog.open(path) as log:
        for n, plan in enumerate(wanted):
            await _write_one(log, n, plan)


async def _write_one(log: CallLog, n: int, plan: Plan) -> None:
    party = Party(f"+4860{n:07d}", f"{n:064x}")
    new = NewCall("lab", "inbound", f"{n}.1", f"{n}.1", plan.at, party, plan.did, "pl", "pl")
    call = await log.arrive(new)
    await log.receipt(call, Receipt("L1", "v1", "0" * 64, "pl", 9_000, 9_000, None, True, plan.at))
    if plan.queue:
        await log.change_call(call, queue=plan.queue)
    if plan.ended:
        await log.end_call(call, ended_at=plan.at + 1_000, lost_at=plan.at + 500, stage="talking", agent="PJSIP/agent1")
    if plan.fate is None:
        return
    fate, judged_at = plan.fate, plan.at + 1_500
    seen = (Evidence(fate.fact, "caller", plan.at), Evidence("agrees", None, plan.at))
    against = (Evidence("speaks against it", None, plan.at),)
    await log.settle(
        call, Ending(fate.party, fate.technical, fate.confidence, "talking", "rules", judged_at, seen, against)
    )
    if plan.failed or plan.path is not None:
        conditions = tuple(
            Condition(code, None if code in plan.unknown else code not in plan.failed, "seen")
            for code in v.DECISION_CODES
        )
        callback = await log.decide(call, Decision(plan.path is not None, "policy", plan.at + 2_000, conditions))
        if callback is not None:
            await _call_back(log, call, callback, plan)
    if plan.redialled:
        again = NewCall("lab", "inbound", f"{n}.2", f"{n}.2", plan.at - 24 * HOUR, party, plan.did, "pl", "pl", call)
        await log.arrive(again)  # outside every period that is asked for


async def _call_back(log: CallLog, call: str, callback: str, plan: Plan) -> None:
    path = plan.path
    assert path is not None
    dials, attempt, channel = 0, "", ""
    for place, step in enumerate(path.steps):
        at = plan.at + 2_000 + 1_000 * (place + 1)
        if step == DIAL:
            dials += 1
            row = await log.commit_attempt(callback, dials, at=at, conditions=GATE)
            attempt, channel = row.id, row.channel_id
        elif step == NEVER:
            await log.attempt_state(
                attempt, "lost", at=at, never_existed=True, callback_state="waiting", why="the Originate never left"
            )
        else:
            state, of_callback, why, cause = step
            if state is None:
                await log.callback_state(callback, of_callback, at=at, why=why)
            else:
                await log.attempt_state(attempt, state, at=at, cause=cause, callback_state=of_callback, why=why)
    if path.cut_off_again:
        own = await log.arrive(
            NewCall("lab", "callback", channel, channel, plan.at + 4_000, None, plan.did, "pl", "pl", call),
            attempt=attempt,
        )
        await log.end_call(own, ended_at=plan.at + 9_000, lost_at=plan.at + 9_000, stage="talking")
        await log.settle(own, Ending("network", True, "high", "talking", "rules", plan.at + 9_500))


# --- counted in plain Python --------------------------------------------------------------------------------------


def rank(values: Sequence[int], percent: int) -> int | None:
    """Nearest rank, by its definition: the smallest value which at least ``percent`` of all do not exceed."""
    return min((x for x in values if 100 * sum(other <= x for other in values) >= percent * len(values)), default=None)


def counted(wanted: Sequence[Plan]) -> dict[str, Any]:
    """What the report must say of these calls."""

    def many(of: Callable[[Plan], bool]) -> int:
        return sum(of(plan) for plan in wanted)

    def decided(of: Sequence[Plan]) -> dict[str, int]:
        allowed = sum(plan.path is not None for plan in of)
        refused = sum(bool(plan.failed) for plan in of)
        return {"allowed": allowed, "refused": refused, "not_yet": len(of) - allowed - refused}

    drops = [plan for plan in wanted if plan.drop]
    called = [plan.path for plan in wanted if plan.path is not None]
    outcomes = Counter(one for path in called for one in path.outcomes)
    over = Counter((path.state, path.over) for path in called if path.over is not None)
    spans: dict[str, list[int]] = {"dial": [], "ringing": [], "connected": []}
    for path in called:
        for name, place in path.reached.items():
            spans[name].append(2_000 - 500 + 1_000 * (place + 1))
    return {
        "calls": {
            "all": len(wanted),
            "judged": many(lambda plan: plan.fate is not None),
            "not_judged": many(lambda plan: plan.ended and plan.fate is None),
            "under_way": many(lambda plan: not plan.ended),
        },
        "drops": {"all": len(drops), **{p: sum(d.fate.party == p for d in drops if d.fate) for p in v.ENDING_PARTIES}},
        "endings": Counter((f.party, f.technical, f.confidence, f.counted) for plan in wanted if (f := plan.fate)),
        "decided": {"calls": decided(wanted), "drops": decided(drops)},
        "refused_by": {
            code: (
                many(lambda plan, code=code: code in plan.failed),  # type: ignore[misc]  # bound at once
                sum(code in plan.failed for plan in drops),
                sum(plan.failed == {code} for plan in drops),
                many(lambda plan, code=code: code in plan.unknown),  # type: ignore[misc]
            )
            for code in v.DECISION_CODES
        },
        "callbacks": {
            "all": len(called),
            "under_way": sum(path.state in v.CALLBACK_OPEN for path in called),
            "dialled": sum(DIAL in path.steps for path in called),
            "connected": sum("connected" in path.reached for path in called),
            "cut_off_again": sum(path.cut_off_again for path in called),
        },
        "states": {s: sum(p.state == s for p in called) for s in v.CALLBACK_OPEN + v.CALLBACK_FINAL},
        "dials": sum(outcomes.values()),
        "causes": outcomes,
        "without_talk": over,
        "redials": {
            "after_drops": sum(plan.redialled for plan in drops),
            "before_the_decision": sum("REDIALLED" in plan.failed for plan in drops),
            "cancelled_callbacks": over["cancelled", "redial"],
        },
        "time_to": {
            name: {"callbacks": len(of), "median_ms": rank(of, 50), "p95_ms": rank(of, 95)}
            for name, of in spans.items()
        },
    }

"""The call log as the service and the command line use it: one call's whole story, and what a restart finds of it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.log import (
    CallLog,
    Condition,
    Counts,
    Decision,
    Ending,
    Evidence,
    Fact,
    LogClosed,
    LogError,
    LogRefused,
    NewCall,
    NewRecording,
    Party,
    Receipt,
    channel_id,
    new_id,
    reading,
    recording_reading,
)
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_writing
from oddzwon.log.queries import Queries
from oddzwon.log.times import iso

T0 = 1_760_000_000_000
PARTY = Party("+48600100200", "a" * 64)
OTHER = Party("+420600100200", "b" * 64)
PASSED = tuple(Condition(code, True, "seen") for code in v.DECISION_CODES)
GATE = tuple(Condition(code, True, "seen") for code in v.DIAL_CODES)

FIELDS = [
    *("id", "pbx", "direction", "started_at", "ended_at", "lost_at", "did", "language", "number", "stage"),
    *("menu_key", "queue", "agent", "notices", "recordings", "ending", "decision", "callback", "resumes"),
    *("attestations", "earlier"),
]


def mask(number: str) -> str:
    return f"{number[:6]}•••{number[-3:]}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(path) as log:
        yield log


def receipt(prompt: str, key: str | None = None, at: int = T0 + 10) -> Receipt:
    return Receipt(prompt, "v1", "0" * 64, "pl", 9_000, 9_000, key, True, at)


def verdict(technical: bool | None = True) -> Ending:
    party = "network" if technical else "caller"
    seen, against = (Evidence("SoftHangupRequested", "1.1", T0),), (Evidence("QueueLeft", None, T0),)
    return Ending(party, technical, "high", "talking", "row", T0 + 1_100, seen, against)


@dataclass(frozen=True, slots=True)
class Story:
    """The ids that one call's story left behind."""

    call: str
    recording: str
    callback: str
    attempt: str
    channel: str


async def inbound(log: CallLog, leg: str, at: int = T0, party: Party | None = PARTY, resumes: str | None = None) -> str:
    return await log.arrive(NewCall("lab", "inbound", leg, leg, at, party, "+48221234567", "pl", "pl", resumes))


async def dropped(log: CallLog, leg: str, at: int = T0, party: Party | None = PARTY) -> str:
    call = await inbound(log, leg, at, party)
    await log.receipt(call, receipt("L1"))
    await log.end_call(call, ended_at=at + 1_000, lost_at=at + 900)
    assert await log.settle(call, verdict()) is not None
    return call


async def decided(log: CallLog, call: str) -> str:
    callback = await log.decide(call, Decision(True, "p" * 64, T0 + 2_000, PASSED))
    assert callback is not None
    return callback


async def committed(log: CallLog) -> Story:
    """A recorded call that dropped while talking, up to the commit before its callback's Originate."""
    call = await inbound(log, "1.1")
    await log.receipt(call, receipt("L1"))
    await log.change_call(call, stage="menu", menu_key="1")
    announcement = await log.receipt(call, receipt("REC_OBJECT"))
    recording = await log.arm_recording(
        call, NewRecording("quality", announcement, T0 + 100, T0 + 9_000_000, "2025/r.wav")
    )
    await log.recording_state(recording, "finished", at=T0 + 1_000, why="the call is over")
    await log.change_call(call, stage="queued", queue="support")
    await log.end_call(call, ended_at=T0 + 1_000, lost_at=T0 + 900, stage="talking", agent="PJSIP/agent1")
    await log.settle(call, verdict(), [Fact(T0, "StageReached", "1.1", {"stage": "menu"}), Fact(T0 + 1, "LegEnded")])
    callback = await decided(log, call)
    attempt = await log.commit_attempt(callback, 1, at=T0 + 3_000, conditions=GATE)
    return Story(call, recording, callback, attempt.id, attempt.channel_id)


async def test_the_whole_story_as_json(log: CallLog, path: Path) -> None:
    """Design, section 7, to the letter: names, order, nulls, times, the masked number."""
    story = await committed(log)
    own = await log.arrive(
        NewCall(
            "lab", "callback", story.channel, story.channel, T0 + 3_100, PARTY, "+48221234567", "pl", "pl", story.call
        ),
        attempt=story.attempt,
    )
    await log.attempt_state(story.attempt, "answered", at=T0 + 5_000, callback_state="answered", why="picked up")
    await log.attempt_state(
        story.attempt, "completed", at=T0 + 9_000, cause=16, callback_state="completed", why="talked"
    )
    with Queries(path, mask) as queries:
        shown = queries.call_object(story.call)
        resumed = queries.call_object(own)
        assert queries.call_list() == [resumed, shown]
        assert queries.call_object("call_nowhere") is None
    assert shown == {
        "id": story.call,
        "pbx": "lab",
        "direction": "inbound",
        "started_at": "2025-10-09T08:53:20.000Z",
        "ended_at": "2025-10-09T08:53:21.000Z",
        "lost_at": "2025-10-09T08:53:20.900Z",
        "did": "+48221234567",
        "language": "pl",
        "number": "+48600•••200",
        "stage": "talking",
        "menu_key": "1",
        "queue": "support",
        "agent": "PJSIP/agent1",
        "notices": [
            {
                "prompt": prompt,
                "version": "v1",
                "sha256": "0" * 64,
                "language": "pl",
                "played_ms": 9_000,
                "full_ms": 9_000,
                "key": None,
                "complete": True,
            }
            for prompt in ("L1", "REC_OBJECT")
        ],
        "recordings": [
            {
                "id": story.recording,
                "regime": "quality",
                "state": "finished",
                "started_at": "2025-10-09T08:53:20.100Z",
                "delete_after": "2025-10-09T11:23:20.000Z",
                "file": "2025/r.wav",
                "sealed_at": None,
                "sha256": None,
                "seconds": None,
                "held": False,
                "reference": None,
                "side": "caller",
                "key": None,
                "agent_consent": None,
                "holds": [],
                "events": [
                    {"at": "2025-10-09T08:53:20.100Z", "state": "armed", "why": "announced"},
                    {"at": "2025-10-09T08:53:21.000Z", "state": "finished", "why": "the call is over"},
                ],
            }
        ],
        "ending": {
            "party": "network",
            "technical": True,
            "confidence": "high",
            "evidence": [{"fact": "SoftHangupRequested", "leg": "1.1", "at": "2025-10-09T08:53:20.000Z"}],
            "against": [{"fact": "QueueLeft", "leg": None, "at": "2025-10-09T08:53:20.000Z"}],
            "rules": "row",
        },
        "decision": {
            "allowed": True,
            "refusals": [],
            "conditions": [{"code": code, "passed": True, "evidence": "seen"} for code in v.DECISION_CODES],
            "policy": "p" * 64,
            "policy_values": None,
        },
        "callback": {
            "id": story.callback,
            "state": "completed",
            "attempts": [
                {
                    "n": 1,
                    "channel_id": story.channel,
                    "call": own,
                    "state": "completed",
                    "at": "2025-10-09T08:53:23.000Z",
                    "cause": 16,
                }
            ],
        },
        "resumes": None,
        "attestations": [],
        "earlier": [],
    }
    assert resumed is not None
    assert list(resumed) == list(shown) == FIELDS
    assert {name for name, value in resumed.items() if value is None} == {
        "ended_at", "lost_at", "menu_key", "queue", "agent", "ending", "decision", "callback",
    }  # fmt: skip
    assert (resumed["resumes"], resumed["notices"], resumed["recordings"]) == (story.call, [], [])


async def test_a_refusal_as_json(log: CallLog, path: Path) -> None:
    call = await inbound(log, "1.1", party=None)
    await log.end_call(call, ended_at=T0 + 1, lost_at=T0 + 1)
    assert await log.settle(call, verdict(None)) is None
    conditions = (
        Condition("CLIR", False, "withheld"),
        Condition("STAGE", True, "queued"),
        Condition("INVALID", None, "?"),
    )
    assert await log.decide(call, Decision(False, "p", T0 + 2, conditions)) is None
    with Queries(path, mask) as queries:
        shown = queries.call_object(call)
    assert shown is not None
    assert shown["decision"] == {
        "allowed": False,
        "refusals": ["CLIR", "INVALID"],
        "conditions": [
            {"code": "CLIR", "passed": False, "evidence": "withheld"},
            {"code": "STAGE", "passed": True, "evidence": "queued"},
            {"code": "INVALID", "passed": None, "evidence": "?"},
        ],
        "policy": "p",
        "policy_values": None,
    }
    assert (shown["callback"], shown["number"], shown["ending"]["technical"]) == (None, None, None)


async def test_lists_by_number_time_and_limit(log: CallLog, path: Path) -> None:
    calls = [await inbound(log, str(n), T0 + n, OTHER if n % 3 == 0 else PARTY) for n in range(9)]
    calls.reverse()

    def listed(**options: object) -> list[str]:
        return [str(one["id"]) for one in queries.call_list(**options)]  # type: ignore[arg-type]  # options by name

    with Queries(path, mask) as queries:
        assert listed() == calls
        assert listed(limit=2) == calls[:2]
        assert listed(since=T0 + 7) == calls[:2]
        assert listed(number_key=OTHER.number_key) == calls[2::3]
        assert listed(number_key=OTHER.number_key, since=T0 + 3, limit=1) == calls[2:3]
        assert listed(number_key="f" * 64) == []
    with Queries(path, mask, reveal=True) as queries:
        assert [one["number"] for one in queries.call_list(limit=3)] == [PARTY.number, PARTY.number, OTHER.number]


async def test_callbacks_as_json(log: CallLog, path: Path) -> None:
    story = await committed(log)
    with Queries(path, mask) as queries:
        shown = queries.callback_object(story.callback)
        assert queries.callback_list(only_open=True) == [shown]
    assert shown is not None
    assert (shown["id"], shown["call"], shown["number"]) == (story.callback, story.call, "+48600•••200")
    assert [(one["state"], one["why"]) for one in shown["history"]] == [
        ("waiting", "decided"),
        ("dialling", "attempt 1"),
    ]
    await log.callback_state(story.callback, "cancelled", at=T0 + 4_000, why="by the operator")
    with Queries(path, mask) as queries:
        assert queries.callback_list(only_open=True) == []
        assert [one["state"] for one in queries.callback_list()] == ["cancelled"]


async def test_a_restart_finds_everything(path: Path) -> None:
    async with await CallLog.open(path) as log:
        story = await committed(log)
        standing = await inbound(log, "2.1", T0 + 10, OTHER)
        unsettled = await inbound(log, "3.1", T0 + 20, OTHER)
        await log.end_call(unsettled, ended_at=T0 + 30, lost_at=T0 + 30)
        undecided = await dropped(log, "4.1", T0 + 40, OTHER)
    async with await CallLog.open(path) as log:
        (callback,) = await log.open_callbacks()
        assert await log.open_callback_for(PARTY.number_key) == callback
        assert (callback.id, callback.state, callback.call.id) == (story.callback, "dialling", story.call)
        assert (callback.call.number, callback.call.did, callback.call.lost_at) == (
            PARTY.number,
            "+48221234567",
            T0 + 900,
        )
        assert (callback.call.queue, callback.call.agent) == ("support", "PJSIP/agent1")
        (attempt,) = callback.attempts
        assert (attempt.id, attempt.channel_id, attempt.state) == (story.attempt, story.channel, "committed")
        assert await log.attempts(story.callback) == callback.attempts
        assert await log.callback_of(story.call) == story.callback
        assert [call.id for call in await log.open_calls()] == [standing]
        assert [call.id for call in await log.open_calls("elsewhere")] == []
        unjudged = await log.unjudged_calls()
        assert [one.call.id for one in unjudged] == [standing, unsettled, undecided]
        assert [one.ending for one in unjudged] == [None, None, verdict()]
        assert await log.facts(story.call) == (
            Fact(T0, "StageReached", "1.1", {"stage": "menu"}),
            Fact(T0 + 1, "LegEnded"),
        )
        assert await log.receipts(story.call) == (receipt("L1"), receipt("REC_OBJECT"))
        found = await log.call_of_leg("lab", "2.1")
        assert found == await log.call(standing)
        assert await log.call_of_leg("lab", "9.9") is None


async def test_the_callbacks_own_call_is_judged_by_its_ending(log: CallLog) -> None:
    own = await log.arrive(NewCall("lab", "callback", "x", "x", T0, PARTY))
    assert [one.call.id for one in await log.unjudged_calls()] == [own]
    await log.settle(own, verdict(False))
    assert await log.unjudged_calls() == ()


async def test_journal_goes_on(log: CallLog) -> None:
    call = await inbound(log, "1.1")
    await log.journal(call, [Fact(T0, "A"), Fact(T0, "B")])
    await log.journal(call, [Fact(T0 - 5, "C")])
    assert [one.fact for one in await log.facts(call)] == ["A", "B", "C"]


async def test_one_callback_at_a_time_to_a_number(log: CallLog) -> None:
    first, second = await dropped(log, "1.1"), await dropped(log, "2.1")
    callback = await decided(log, first)
    with pytest.raises(LogRefused) as caught:
        await decided(log, second)
    assert caught.value.rule == "one-open-callback-per-number"
    assert [one.call.id for one in await log.unjudged_calls()] == [second]  # nothing of it was written
    await log.callback_state(callback, "cancelled", at=T0 + 3_000, why="redial")
    assert await decided(log, second)


async def test_refused_by_name(log: CallLog) -> None:
    story = await committed(log)
    refused: list[tuple[str, Callable[[], object]]] = [
        ("leg-logged-once", lambda: inbound(log, "1.1")),
        ("attempt-number-once", lambda: log.commit_attempt(story.callback, 1, at=T0 + 3_000, conditions=GATE)),
        (
            "one-open-attempt-per-callback",
            lambda: log.commit_attempt(story.callback, 2, at=T0 + 3_000, conditions=GATE),
        ),
        ("call-ends-once", lambda: log.end_call(story.call, ended_at=T0 + 7, lost_at=T0 + 7)),
        (
            "recording-unannounced",
            lambda: log.arm_recording(story.call, NewRecording("quality", 1, T0 + 99, T0 + 100, "x")),
        ),
        ("foreign-key", lambda: log.receipt("call_nowhere", receipt("L1"))),
        ("no-such-row", lambda: log.end_call("call_nowhere", ended_at=1, lost_at=1)),
        ("no-such-row", lambda: log.recording_state("rec_nowhere", "deleted", at=T0)),
        ("no-such-row", lambda: log.attempt_state("att_nowhere", "lost", at=T0)),
        ("no-such-row", lambda: log.commit_attempt("cb_nowhere", 1, at=T0, conditions=GATE)),
        ("call-stage", lambda: log.change_call(story.call, stage="lost in thought")),
        ("call-pbx-name", lambda: log.arrive(NewCall("lab\r\nAction: Off", "inbound", "x", "x", T0))),
        ("party-number-is-e164", lambda: inbound(log, "7.7", party=Party("+48\r\n", "c" * 64))),
        ("column-type", lambda: log.end_call(story.call, ended_at="noon", lost_at=1)),  # type: ignore[arg-type]  # noon
    ]
    for rule, attack in refused:
        with pytest.raises(LogRefused) as caught:
            await attack()  # type: ignore[misc]  # each returns a coroutine of its own type
        assert caught.value.rule == rule
        assert rule in str(caught.value)


async def test_positive_decision_without_a_drop(log: CallLog) -> None:
    call = await inbound(log, "1.1")
    await log.end_call(call, ended_at=T0, lost_at=T0)
    await log.settle(call, verdict(False))
    with pytest.raises(LogRefused) as caught:
        await decided(log, call)
    assert caught.value.rule == "callback-without-drop"


async def test_counts_for_the_caps(log: CallLog) -> None:
    story = await committed(log)
    await log.attempt_state(story.attempt, "unanswered", at=T0 + 4_000, cause=19)
    second = await log.commit_attempt(story.callback, 2, at=T0 + 5_000, conditions=GATE)
    assert await log.counts(story.callback) == Counts(2, 0)
    await log.attempt_state(second.id, "answered", at=T0 + 6_000)
    await log.attempt_state(second.id, "wrong_person", at=T0 + 7_000, callback_state="wrong_person", why="key 3")
    assert await log.counts(story.callback) == Counts(2, 1)
    assert (await log.attempts(story.callback))[1].answered_at == T0 + 6_000
    assert await log.counts_for(PARTY.number_key, T0) == Counts(2, 1)
    assert await log.counts_for(PARTY.number_key, T0 + 2_001) == Counts(0, 0)
    assert await log.counts_for(OTHER.number_key, T0) == Counts(0, 0)


async def test_counts_of_what_a_call_resumes(log: CallLog) -> None:
    story = await committed(log)
    await log.attempt_state(story.attempt, "completed", at=T0 + 4_000, callback_state="completed", why="talked")
    second = await inbound(log, "2.1", T0 + 5_000, resumes=story.call)
    third = await inbound(log, "3.1", T0 + 6_000, resumes=second)
    found = [await log.earlier_counts(call) for call in (story.call, second, third)]
    assert found == [Counts(0, 0), Counts(1, 1), Counts(1, 1)]
    await log.change_call(story.call, resumes=third)  # nonsense, and still an answer
    assert await log.earlier_counts(third) == Counts(1, 1)


async def test_lost_attempt_whose_channel_never_existed(log: CallLog) -> None:
    story = await committed(log)
    await log.attempt_state(story.attempt, "lost", at=T0 + 4_000, never_existed=True)
    again = await log.commit_attempt(story.callback, 2, at=T0 + 5_000, conditions=GATE)
    assert again.channel_id != story.channel
    assert await log.counts(story.callback) == Counts(2, 0)


async def test_redials(log: CallLog) -> None:
    call = await dropped(log, "1.1")
    key = PARTY.number_key
    assert await log.inbound_after(key, T0) is None
    assert await log.inbound_after(key, T0 - 1, other_than=call) is None
    found = await log.recent_drop_for(key, T0 + 900)
    assert found is not None
    assert (found.call.id, found.layer1, found.callback, found.resumed_by) == (call, True, None, None)
    assert await log.recent_drop_for(key, T0 + 901) is None
    callback = await decided(log, call)
    redial = await inbound(log, "2.1", T0 + 950, resumes=call)
    await inbound(log, "3.1", T0 + 960)
    assert await log.inbound_after(key, T0 + 900) == redial
    assert await log.inbound_after(OTHER.number_key, 0) is None
    found = await log.recent_drop_for(key, T0)
    assert found is not None
    assert (found.callback, found.callback_state, found.resumed_by) == (callback, "waiting", redial)


async def test_objections_and_restrictions(log: CallLog) -> None:
    call, key = await inbound(log, "1.1"), PARTY.number_key
    withheld = await inbound(log, "2.1", party=None)
    await log.record_objection(number_key=key, scope="callback", at=T0, channel="key 8", call=call)
    await log.record_objection(number_key=None, scope="callback", at=T0, channel="key 8", call=withheld)
    assert await log.objected(key, "callback")
    assert not await log.objected(key, "recording")
    assert not await log.objected(OTHER.number_key, "callback")
    assert await log.objected_in_call(call, "callback")
    assert await log.objected_in_call(withheld, "callback")
    assert await log.withdraw_objection(number_key=key, scope="callback", at=T0 + 1) == 1
    assert not await log.objected(key, "callback")
    assert await log.withdraw_objection(number_key=None, scope="callback", at=T0 + 1, call=withheld) == 1
    assert not await log.objected_in_call(withheld, "callback")
    await log.restrict(number_key=key, at=T0)
    assert await log.restricted(key)
    assert await log.lift_restriction(number_key=key, at=T0 + 1) == 1
    assert not await log.restricted(key)


async def test_notice_complete_or_not(log: CallLog) -> None:
    call = await inbound(log, "1.1")
    await log.receipt(call, Receipt("L1", "v", "0" * 64, "pl", 10, 9_000, None, False, T0))
    assert not await log.complete_notice(call)
    await log.receipt(call, Receipt("L1", "v", "0" * 64, "pl", 10, 9_000, "1", True, T0))
    assert await log.complete_notice(call)
    assert not await log.complete_notice(call, "SHORT")


async def test_clock_set_back_in_mid_call(log: CallLog) -> None:
    """The end is logged as it came, the callback is refused."""
    call = await inbound(log, "1.1", T0)
    await log.receipt(call, receipt("L1"))
    await log.end_call(call, ended_at=T0 - 60_000, lost_at=T0 - 60_000)
    await log.settle(call, verdict())
    with pytest.raises(LogRefused) as caught:
        await decided(log, call)
    assert caught.value.rule == "callback-before-loss"


async def test_nothing_blocks_the_event_loop(path: Path) -> None:
    log = await CallLog.open(path)
    with blockbuster_ctx():
        await committed(log)
        assert len(await log.open_callbacks()) == 1
        await log.close()


async def test_closed(path: Path) -> None:
    log = await CallLog.open(path)
    await log.close()
    await log.close()
    with pytest.raises(LogClosed):
        await inbound(log, "1.1")
    with pytest.raises(LogClosed):
        await log.open_calls()


# --- ids and times ----------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**48), st.integers(0, 2**48), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8)
)
def test_ids_come_in_the_order_of_time(a: int, b: int, x: bytes, y: bytes) -> None:
    first, second = new_id("call", a, lambda _: x), new_id("call", b, lambda _: y)
    if a != b:
        assert (first < second) == (a < b)
    assert channel_id("lab", first) == f"oddzwon-lab-{first}"


@pytest.mark.parametrize("pbx", ["", "a b", "a\r\nb", "ł", "x" * 130])
def test_names_that_make_no_channel_id(pbx: str) -> None:
    if pbx:
        with pytest.raises(ValueError, match="ChannelId"):
            channel_id(pbx, new_id("att", T0))
    assert len(channel_id("x" * 100, new_id("att", T0))) <= 149


@given(st.integers(0, 4_000_000_000_000))
def test_times_as_people_and_programs_read_them(instant: int) -> None:
    shown = iso(instant)
    assert shown is not None
    assert (len(shown), shown[-1]) == (24, "Z")
    assert round(datetime.fromisoformat(shown).timestamp() * 1000) == instant


# --- the same cost at any size ----------------------------------------------------------------------------------------


def fill(path: Path, calls: int) -> None:
    """Calls of a hundred numbers each with a notice, an ending and a decision; none open but the last ten."""
    db = open_for_writing(path, 1_000)
    db.execute("BEGIN")
    for n in range(100):
        db.execute("INSERT INTO party VALUES (?, ?, ?)", (n + 1, f"+48600{n:06}", f"{n:064x}"))
    names = (new_id("call", T0 + n) for n in range(calls))
    rows = [(name, str(n), n % 100 + 1, T0 + n, None if n >= calls - 10 else T0 + n) for n, name in enumerate(names)]
    db.executemany(
        "INSERT INTO call (id, pbx, direction, linked, leg, party, started_at, ended_at, lost_at, stage, agent)"
        " VALUES (?1, 'lab', 'inbound', ?2, ?2, ?3, ?4, ?5, ?5, 'queued', 'PJSIP/agent' || (?2 % 100))",
        rows,
    )
    ended = [(row[0],) for row in rows if row[4] is not None]
    db.executemany("INSERT INTO ending VALUES ('e' || ?1, ?1, 'caller', 0, 'high', 'queued', 'BYE', 1, 1)", ended)
    db.executemany("INSERT INTO decision_condition VALUES ('d' || ?1, 1, 'STAGE', 0, '')", ended)
    db.executemany("INSERT INTO decision VALUES ('d' || ?1, ?1, 0, 'p', 1, 1)", ended)
    db.executemany(
        f"INSERT INTO notice_receipt VALUES (NULL, ?1, 'L1', 'v', '{64 * '0'}', 'pl', 9, 9, NULL, 1, 1)", ended
    )
    hashed = f"'{64 * '0'}'"
    db.executemany(
        f"INSERT INTO notice_receipt VALUES (NULL, ?1, 'REC_OBJECT', 'v', {hashed}, 'pl', 9, 9, NULL, 1, 1)", ended
    )
    db.execute(
        "INSERT INTO recording (id, call, regime, state, started_at, announcement, delete_after, file)"
        " SELECT 'r' || call, call, 'quality', 'finished', 2, id, 3, call || '.raw' FROM notice_receipt"
        " WHERE prompt = 'REC_OBJECT'"
    )
    db.executemany("INSERT INTO recording_event VALUES ('r' || ?1, 1, 2, 'finished', '')", ended)
    db.executemany("INSERT INTO recording_key VALUES ('r' || ?1, 'k' || (unicode(?1) % 2), zeroblob(72))", ended)
    seal = f"INSERT INTO recording_seal VALUES ('r' || ?1, ?1 || '.sealed', {hashed}, {hashed}, 1, 1, 3)"
    db.executemany(seal, ended)
    db.execute("COMMIT")
    db.close()


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sizes")
    small, large = folder / "small.db", folder / "large.db"
    fill(small, 2_000)
    fill(large, 20_000)
    return small, large


QUESTIONS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "call_of_leg": lambda db: reading.call_of_leg(db, "lab", "77"),
    "open_calls": lambda db: reading.open_calls(db, "lab"),
    "unjudged_calls": reading.unjudged_calls,
    "open_callbacks": reading.open_callbacks,
    "open_callback_for": lambda db: reading.open_callback_for(db, f"{7:064x}"),
    "counts_for": lambda db: reading.counts_for(db, f"{7:064x}", T0),
    "earlier_counts": lambda db: reading.earlier_counts(db, "x"),
    "objected": lambda db: reading.objected(db, f"{7:064x}", "callback"),
    "restricted": lambda db: reading.restricted(db, f"{7:064x}"),
    "inbound_after": lambda db: reading.inbound_after(db, f"{7:064x}", T0, None),
    "recent_drop_for": lambda db: reading.recent_drop_for(db, f"{7:064x}", T0 + 10**9),
    "complete_notice": lambda db: reading.complete_notice(db, "x", "L1"),
    "latest_of_agent": lambda db: reading.latest_of_agent(db, "lab", "PJSIP/agent7", T0),
    "attested_since": lambda db: reading.attested_since(db, "lab", T0),
    "unsealed recordings": lambda db: recording_reading.unsealed_recordings(db, "lab"),
    "recordings of a call": lambda db: recording_reading.recordings(db, "x"),
    "keys wrapped otherwise": lambda db: recording_reading.wrapped_otherwise(db, "k9", 20),
    "wrapping keys": recording_reading.wrapping_keys,
    "files": lambda db: recording_reading.files_of(db, ["x.raw", "x.sealed"]),
    "files to remove": lambda db: recording_reading.files_to_remove(db, ["x.raw", "x.sealed"]),
    "finished recordings": lambda db: recording_reading.finished_recordings(db, "", 20),
    "agent's consent": lambda db: recording_reading.agent_consent(db, "PJSIP/agent1", "v", "s", T0),
}

LISTS: dict[str, Callable[[Queries], object]] = {
    "list": lambda queries: queries.call_list(limit=20),
    "list by number": lambda queries: queries.call_list(number_key=f"{7:064x}", limit=20),
    "list since": lambda queries: queries.call_list(since=T0 + 1_000, limit=20),
    "callbacks": lambda queries: queries.callback_list(),
    "open callbacks": lambda queries: queries.callback_list(only_open=True),
    "judged": lambda queries: queries.judged(since=T0 + 1_000, limit=20),
    "recordings": lambda queries: queries.recording_list(limit=20),
    "recordings since": lambda queries: queries.recording_list(since=1, limit=20),
}


def steps(connection: sqlite3.Connection, ask: Callable[[], object]) -> int:
    """How many instructions of SQLite's virtual machine the question takes: its cost, without a stopwatch."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(count, 1)
    ask()
    connection.set_progress_handler(None, 1)
    return taken


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_cost_the_same_at_any_size(sizes: tuple[Path, Path], name: str) -> None:
    small, large = (sqlite3.connect(path) for path in sizes)
    ask = QUESTIONS[name]
    few, many = steps(small, lambda: ask(small)), steps(large, lambda: ask(large))
    small.close()
    large.close()
    assert 0 < many <= few * 2


@pytest.mark.parametrize("name", LISTS)
def test_lists_cost_the_same_at_any_size(sizes: tuple[Path, Path], name: str) -> None:
    found = []
    for path in sizes:
        with Queries(path, mask) as queries:
            found.append(steps(queries._db.conn, lambda: LISTS[name](queries)))
    few, many = found
    assert 0 < many <= few * 2


def test_a_list_takes_the_same_few_queries_however_long(sizes: tuple[Path, Path]) -> None:
    asked: list[str] = []
    with Queries(sizes[0], mask) as queries, queries._db.tracer(lambda sql, _: asked.append(sql)):
        assert len(queries.call_list(limit=1)) == 1
        for_one, asked[:] = len(asked), []
        assert len(queries.call_list(limit=200)) == 200
    assert len(asked) == for_one


async def test_question_that_fails(log: CallLog, path: Path) -> None:
    """A question that SQLite refuses is a LogError too, for the service and for the command line."""
    with Queries(path, mask) as queries:
        queries.close()
        with pytest.raises(LogError):
            queries.call_list()
    with pytest.raises(LogError, match=r"log\.db"):
        await log._read(lambda db: db.execute("no such statement"))

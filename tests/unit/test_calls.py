"""Which call an event tells of: by its leg, its bridge, its Linkedid; and what the watch makes of odd events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.unit.recorded.capture import facts
from tests.unit.stories import T0, C, bye
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_ending_recorded import RECORDED

from oddzwon.asterisk.facts import OfCall, Translated, Unreadable
from oddzwon.callflow.calls import Calls, LiveCall
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.watch import Watch
from oddzwon.config import Settings, load
from oddzwon.domain.call import Phase
from oddzwon.domain.ending import Party, judge
from oddzwon.domain.events import (
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Direction,
    HangupRequested,
    LegEnded,
    LegsJoined,
    MediaReported,
    Oddity,
    QueueJoined,
    SoftHangupRequested,
)

X, Y, A, B = "pbx-1.1", "pbx-2.1", "pbx-1.2", "pbx-3.1"
PATIENCE_S = 10.0
assert X == C


@pytest.fixture
def calls() -> Calls:
    return Calls()


def received(calls: Calls, leg: str) -> LiveCall:
    return calls.receive(leg, leg, T0, Direction.INBOUND, None)


# --- found -------------------------------------------------------------------------------------------------------


def test_a_call_is_received_once_whoever_sees_it_first(calls: Calls) -> None:
    assert received(calls, X) is received(calls, X)
    assert len(calls) == 1


def test_an_event_finds_its_call_by_the_leg_whatever_linkedid_it_bears(calls: Calls) -> None:
    one, two = received(calls, X), received(calls, Y)
    assert calls.find(X, AgentRinging(T0, A, "PJSIP/agent1")) is one
    assert calls.find(Y, LegEnded(T0, A, 16)) is one
    assert calls.find(X, LegEnded(T0, Y, 16)) is two


def test_a_strange_leg_in_the_callers_bridge_is_his(calls: Calls) -> None:
    """Who fetches a parked call comes with a Linkedid of his own."""
    one = received(calls, X)
    calls.find(X, BridgeEntered(T0, X, "b"))
    assert calls.find(B, BridgeEntered(T0, B, "b")) is one
    assert calls.find(B, HangupRequested(T0, B, None, None)) is one


def test_a_leg_that_waited_in_the_bridge_before_the_caller_came_is_told_of_then(calls: Calls) -> None:
    one, waits = received(calls, X), BridgeEntered(T0, B, "b2")
    assert calls.find(B, waits) is None
    calls.find(X, BridgeEntered(T0 + 1, X, "b2"))
    assert calls.waiting_for(one, "elsewhere") == ()
    assert calls.waiting_for(one, "b2") == (waits,)
    assert calls.waiting_for(one, "b2") == ()
    assert calls.find(B, LegEnded(T0 + 2, B, 16)) is one


@pytest.mark.parametrize("gone", [BridgeLeft(T0, B, "b2"), LegEnded(T0, B, 16)])
def test_nor_is_one_that_has_left_it(calls: Calls, gone: CallEvent) -> None:
    one = received(calls, X)
    calls.find(B, BridgeEntered(T0, B, "b2"))
    calls.find(B, gone)
    assert calls.waiting_for(one, "b2") == ()


def test_bridges_of_calls_that_are_not_ours_are_not_kept_for_ever(calls: Calls) -> None:
    one = received(calls, X)
    for n in range(100_000):
        calls.find(f"other-{n}", BridgeEntered(T0 + n, f"other-{n}", "b2"))
    assert len(calls.waiting_for(one, "b2")) < 10_000


def test_both_halves_of_a_local_channel_are_the_calls(calls: Calls) -> None:
    one = received(calls, X)
    calls.find(X, LegsJoined(T0, "l1", "l2"))
    assert calls.find("elsewhere", LegEnded(T0, "l1", 16)) is one
    assert calls.find("elsewhere", LegEnded(T0, "l2", 16)) is one


def test_what_belongs_to_nobody_finds_nobody(calls: Calls) -> None:
    received(calls, X)
    assert calls.find("elsewhere", LegEnded(T0, "stranger", 16)) is None
    assert calls.find("", Oddity(T0, None, "x")) is None
    assert calls.find("elsewhere", BridgeEntered(T0, "stranger", "nobodys")) is None


def test_a_call_that_is_forgotten_leaves_nothing_behind(calls: Calls) -> None:
    one = received(calls, X)
    facts_of_it: list[CallEvent] = [AgentRinging(T0, A, "PJSIP/agent1"), BridgeEntered(T0, X, "b")]
    for event in [*facts_of_it, LegsJoined(T0, "l1", "l2")]:
        calls.find(X, event)
    calls.forget(one)
    calls.forget(one)
    assert [*calls] == []
    late: list[CallEvent] = [bye(X), LegEnded(T0, A, 16), LegEnded(T0, "l2", 16), BridgeEntered(T0, B, "b")]
    for event in late:
        assert calls.find(X, event) is None


# --- entangled ---------------------------------------------------------------------------------------------------


def test_usually_no_calls_are_entangled(calls: Calls) -> None:
    one, two = received(calls, X), received(calls, Y)
    assert calls.entangled(X, X) == calls.entangled(X, A) == calls.entangled("elsewhere", X) == ()
    assert calls.entangled(Y, X) == (one, two)


def test_two_callers_with_one_linkedid_are(calls: Calls) -> None:
    one = received(calls, X)
    two = calls.receive(X, Y, T0, Direction.INBOUND, None)
    assert calls.entangled(X, A) == (one, two)
    assert calls.find(X, LegEnded(T0, A, 16)) is None


# --- the watch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    """The real rooms with a real log, and no Asterisk but what the tests say in its place."""
    async with opened_board(settings) as board:
        yield board


async def heard(board: Switchboard, said: Sequence[Translated], *legs: str) -> dict[str, LiveCall]:
    """The calls of these callers' legs, once they are judged and written."""
    watch = Watch(board)
    for leg in legs:
        board.calls.receive(leg, leg, T0, Direction.INBOUND, "+48221234567")
    lives = {live.call.leg: live for live in board.calls}
    for fact in said:
        watch.handle(fact)
        lives |= {live.call.leg: live for live in board.calls}
    async with asyncio.timeout(PATIENCE_S):
        for live in lives.values():
            live.flow_over.set()
            await live.judged.wait()
        while board.tasks:
            await asyncio.wait(board.tasks)
    return lives


def of(leg: str, *events: CallEvent) -> list[Translated]:
    return [OfCall(leg, event) for event in events]


def talk(leg: str, agent: str) -> list[Translated]:
    bridge = f"b-{leg}"
    return of(
        leg,
        QueueJoined(T0 + 40, leg, "support"),
        AgentRinging(T0 + 50, agent, "PJSIP/agent1"),
        BridgeEntered(T0 + 61, agent, bridge),
        BridgeEntered(T0 + 62, leg, bridge),
    )


def cut(leg: str, agent: str) -> list[Translated]:
    """A fault, by the carrier's word: else a drop if there ever was one."""
    return of(leg, HangupRequested(T0 + 900, leg, 38, 500), LegEnded(T0 + 901, leg, 38), LegEnded(T0 + 902, agent, 38))


@pytest.mark.parametrize(
    "name", ["caller-bye-talking", "caller-bye-q850-38", "rtp-timeout-agent", "caller-bye-in-queue"]
)
async def test_a_recorded_call_is_judged_and_written_once(board: Switchboard, name: str) -> None:
    said = await asyncio.to_thread(facts, name)
    (live,) = (await heard(board, said)).values()
    assert live.id is not None
    assert live.call.phase is Phase.SETTLED
    ending = judge(live.call.as_journal())
    assert (ending.party, ending.technical, ending.confidence) == RECORDED[name][1]
    row, written = await board.log.call(live.id), await board.log.ending(live.id)
    assert row is not None
    assert written is not None
    assert (row.ended_at, row.lost_at) == (live.call.ended_at, ending.lost_at)
    assert (written.party, written.technical, written.n) == (ending.party, ending.technical, 1)
    assert len(board.calls) == 0


async def test_a_linkedid_that_joins_two_calls_makes_both_unknown(board: Switchboard) -> None:
    joined = of(X, MediaReported(T0 + 500, Y, 50)) * 3
    said = [*talk(X, A), *talk(Y, B), *joined, *cut(X, A), *cut(Y, B)]
    for live in (await heard(board, said, X, Y)).values():
        ending = judge(live.call.as_journal())
        assert (ending.party, ending.technical) == (Party.UNKNOWN, None)
        assert [e.fact for e in ending.evidence] == ["its Linkedid joins two calls"]
        assert any("38" in e.fact for e in ending.against)
        assert live.id is not None
        written = await board.log.ending(live.id)
        assert written is not None
        assert (written.party, written.technical, written.confidence) == ("unknown", None, None)


async def test_two_calls_side_by_side_are_judged_each_by_its_own(board: Switchboard) -> None:
    said = [
        *talk(X, A),
        *talk(Y, B),
        *cut(X, A),
        *of(Y, HangupRequested(T0 + 950, Y, None, None), LegEnded(T0 + 951, Y, 16)),
    ]
    lives = await heard(board, [*said, *of(Y, LegEnded(T0 + 952, B, 16))], X, Y)
    assert judge(lives[X].call.as_journal()).party is Party.CARRIER
    assert judge(lives[Y].call.as_journal()).party is Party.CALLER


@pytest.mark.parametrize("leg", [X, A])
@pytest.mark.parametrize("name", ["Hangup", "HangupRequest", "SoftHangupRequest"])
async def test_a_hang_up_that_cannot_be_read_makes_its_call_unknown(board: Switchboard, name: str, leg: str) -> None:
    said = [*talk(X, A), Unreadable(X, leg, name), *cut(X, A)]
    ending = judge((await heard(board, said, X))[X].call.as_journal())
    assert (ending.party, ending.technical) == (Party.UNKNOWN, None)
    assert [e.fact for e in ending.evidence] == [f"a {name} could not be read"]


async def test_one_of_a_channel_that_nobody_knows_harms_no_call(board: Switchboard) -> None:
    strange = [Unreadable("elsewhere", "stranger", "Hangup"), *of("elsewhere", LegEnded(T0, "stranger", 16))]
    ending = judge((await heard(board, [*talk(X, A), *strange, *cut(X, A)], X))[X].call.as_journal())
    assert (ending.party, ending.technical) == (Party.CARRIER, True)


async def test_events_said_again_after_the_verdict_begin_nothing(board: Switchboard) -> None:
    said = [*talk(X, A), *cut(X, A)]
    lives = await heard(board, [*said, *said, *cut(X, A), *of(X, SoftHangupRequested(T0 + 950, X, 16))], X)
    assert [*lives] == [X]
    assert len(board.calls) == 0


def test_a_leg_that_no_event_told_of_yet_is_found_by_its_linkedid_unless_two_calls_share_it() -> None:
    """After our restart an agent's code may come before any event of his leg."""
    calls = Calls()
    live = calls.receive("1.1", "1.1", 1_000, Direction.INBOUND, None)
    assert calls.with_leg("1.1", "1.2") is live
    other = calls.receive("1.1", "2.1", 2_000, Direction.INBOUND, None)
    assert calls.with_leg("1.1", "1.2") is None
    assert calls.with_leg("1.1", "2.1") is other

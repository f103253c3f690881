"""The agent's word and what follows from it, as the service does it; with a real log, and no Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.test_control import ask, opened_board, write_settings
from tests.unit.test_log_call_log import PARTY, receipt

from oddzwon.callflow import attestation
from oddzwon.callflow.attestation import NotAttestable, Said, by_console
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load
from oddzwon.control import ControlError, ControlServer
from oddzwon.domain.attestation import BY_LONGEST, REASON_LONGEST, wrong_with
from oddzwon.domain.call import Phase
from oddzwon.domain.events import Attested, CallEvent, Direction, Fault, HangupRequested, LegEnded
from oddzwon.domain.journal import encode
from oddzwon.log.records import Condition, Decision, Ending, Evidence, Fact, NewCall

PATIENCE_S = 5.0
SAID = Said("console", "anna", None, "he was in mid-sentence")
NAMED = Said("console", "anna", Fault.CALLER_LINE, "his line, he says")


# --- what may be said --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "reason", "says"),
    [
        ("", "x", "--by is empty"),
        ("anna", "  ", "--reason is empty"),
        ("a" * (BY_LONGEST + 1), "x", "--by is longer than 100"),
        ("anna", "x" * (REASON_LONGEST + 1), "--reason is longer than 500"),
        ("anna", "one\nline", "line ends"),
        ("an\u2028na", "x", "line ends"),
        ("anna", "he called from 600 100 200", "like a telephone number"),
        ("+48600100200", "x", "like a telephone number"),
        ("anna", "call (22) 123-45-67 again", "like a telephone number"),
    ],
)
def test_what_may_not_stand_in_an_attestation(by: str, reason: str, says: str) -> None:
    assert says in (wrong_with(by, reason) or "")


@pytest.mark.parametrize("reason", ["crackling, then silence", "ticket 123456", "2026-11-21 12:30, twice", "przerwało"])
def test_what_may(reason: str) -> None:
    assert wrong_with("anna", reason) is None


# --- what follows ------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        yield board
        await done(board)


async def done(board: Switchboard) -> None:
    """Until all that was begun beside has come to its end."""
    async with asyncio.timeout(PATIENCE_S):
        while board.tasks:
            await asyncio.wait(set(board.tasks))


def goodbye(at: int, leg: str = "1.1") -> list[CallEvent]:
    """The caller's plain BYE."""
    return [HangupRequested(at, leg, None, None), LegEnded(at + 5, leg, 16)]


def facts(events: list[CallEvent]) -> list[Fact]:
    return [Fact(*encode(event)) for event in events]


async def hung_up(board: Switchboard, leg: str = "1.1", *, decided: bool = True, direction: str = "inbound") -> str:
    """A call that its caller ended a moment ago, judged, and refused a callback."""
    at, log = board.now() - 2_000, board.log
    call = await log.arrive(NewCall(board.choices.pbx, direction, leg, leg, at - 9_000, PARTY, "+48221234567"))
    await log.receipt(call, receipt("L1"))
    ending = Ending("caller", False, "high", "talking", "old", at + 10, (Evidence("bye", "caller", at),))
    await log.conclude(call, ending, facts(goodbye(at, leg)), ended_at=at + 5, lost_at=at + 5, agent="PJSIP/agent1")
    if decided:
        refused = (Condition("NO_TECH_EVIDENCE", False, "ended, not interrupted"),)
        await log.decide(call, Decision(False, "p", at + 20, refused))
    return call


async def test_a_bare_word_against_a_goodbye_changes_nothing(board: Switchboard) -> None:
    call = await hung_up(board)
    before = await board.log.ending(call)
    taken = await by_console(board, call, SAID)
    await done(board)
    assert (taken.call, taken.live, taken.changed, taken.lapsed) == (call, False, False, False)
    assert taken.ending == before == await board.log.ending(call)
    (word,) = await board.log.attestations(call)
    assert (word.door, word.by, word.fault, word.reason) == ("console", "anna", None, SAID.reason)
    assert [fact.fact for fact in await board.log.facts(call)] == ["HangupRequested", "LegEnded", "Attested"]


async def test_a_named_fault_is_judged_and_decided_anew(board: Switchboard) -> None:
    call = await hung_up(board)
    taken = await by_console(board, call, NAMED)
    await done(board)
    assert taken.changed is True
    ending = await board.log.ending(call)
    assert ending is not None
    assert (ending.party, ending.technical, ending.confidence, ending.n) == ("network", True, "medium", 2)
    assert [one.fact for one in ending.against][:1] == ["bye"]
    assert await board.log.decided(call)
    assert await board.log.unjudged_calls() == ()
    again = await by_console(board, call, NAMED)  # the same word once more says nothing new
    await done(board)
    assert (again.changed, again.ending) == (False, ending)


async def test_the_same_word_from_two_at_once(board: Switchboard) -> None:
    call = await hung_up(board)
    both = await asyncio.gather(by_console(board, call, NAMED), by_console(board, call, NAMED))
    await done(board)
    assert sorted(str(taken.changed) for taken in both) == ["False", "True"]
    ending = await board.log.ending(call)
    assert ending is not None
    assert ending.n == 2
    assert await board.log.decided(call)
    assert board.alarms.standing == set()


async def test_of_a_call_that_is_up(board: Switchboard) -> None:
    at = board.now()
    live = board.calls.receive("1.1", "1.1", at, Direction.INBOUND, None)
    live.id = await board.log.arrive(NewCall(board.choices.pbx, "inbound", "1.1", "1.1", at, PARTY))
    taken = await by_console(board, live.id, NAMED)
    assert (taken.live, taken.changed, taken.ending) == (True, None, None)
    (event,) = live.call.journal
    assert isinstance(event, Attested)
    assert (event.fault, event.door) == (Fault.CALLER_LINE, "console")
    assert await board.log.facts(live.id) == ()  # its journal is written at its end
    assert [word.door for word in await board.log.attestations(live.id)] == ["console"]


async def test_of_a_call_whose_verdict_is_on_its_way(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    at = board.now()
    live = board.calls.receive("1.1", "1.1", at, Direction.INBOUND, None)
    live.id = await board.log.arrive(NewCall(board.choices.pbx, "inbound", "1.1", "1.1", at, PARTY))
    for event in goodbye(at):
        live.advance(event)
    assert live.call.phase is not Phase.LIVE
    monkeypatch.setattr(attestation, "JUDGED_WITHIN_S", 0.05)
    with pytest.raises(NotAttestable, match="is not judged yet; try again in a moment"):
        await by_console(board, live.id, SAID)
    assert await board.log.attestations(live.id) == ()
    live.judged.set()
    with pytest.raises(NotAttestable, match="is not judged yet"):  # the log refused the verdict, or was away
        await by_console(board, live.id, SAID)


async def test_what_is_refused(board: Switchboard) -> None:
    with pytest.raises(NotAttestable, match="no call 'call_none' in the log; `oddzwon calls list` shows them"):
        await by_console(board, "call_none", SAID)
    own = await hung_up(board, direction="callback", decided=False)
    with pytest.raises(NotAttestable, match="is a callback of ours"):
        await by_console(board, own, SAID)
    call = await hung_up(board, "2.1")
    with pytest.raises(NotAttestable, match="--reason is empty"):
        await by_console(board, call, Said("console", "anna"))
    assert await board.log.attestations(call) == ()


async def test_what_a_crash_cut_short_is_gone_on_with(board: Switchboard) -> None:
    """The word was committed, and no more: the next start finds it."""
    call, other = await hung_up(board), await hung_up(board, "2.1")
    word, event = NAMED.at(board.now())
    await board.log.attest(call, word, Fact(*encode(event)))
    await attestation.review(board)
    await done(board)
    ending, untouched = await board.log.ending(call), await board.log.ending(other)
    assert ending is not None
    assert untouched is not None
    assert (ending.n, untouched.n) == (2, 1)
    assert await board.log.decided(call)
    await attestation.review(board)
    await done(board)
    assert await board.log.ending(call) == ending


async def test_a_journal_that_cannot_be_read_keeps_its_verdict(board: Switchboard) -> None:
    call = await hung_up(board)
    await board.log.journal(call, [Fact(board.now(), "Telepathy", None, {})])
    taken = await by_console(board, call, NAMED)
    await done(board)
    assert taken.changed is None
    assert "journal-unreadable" in board.alarms.standing
    assert len(await board.log.attestations(call)) == 1
    ending = await board.log.ending(call)
    assert ending is not None
    assert ending.n == 1


# --- through the socket ------------------------------------------------------------------------------------------


@pytest.fixture
async def server(settings: Settings, board: Switchboard) -> AsyncIterator[Path]:
    server = ControlServer(settings.log.socket, board)
    await server.start()
    yield settings.log.socket
    await server.close()


async def test_through_the_socket(server: Path, board: Switchboard) -> None:
    call = await hung_up(board)
    request = {"command": "drop", "call": call, "by": "anna", "reason": "his line", "fault": "caller-line"}
    answer = await ask(server, **request)
    rules = answer["ending"].pop("rules")
    assert isinstance(rules, str)
    assert answer == {
        "attested": call,
        "live": False,
        "changed": True,
        "lapsed": False,
        "ending": {"party": "network", "technical": True, "confidence": "medium"},
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"call": "call_none"}, "no call 'call_none'"),
        ({"call": None}, "no call ''"),
        ({"by": None}, "--by is empty"),
        ({"reason": 7}, "--reason is empty"),
        ({"fault": "weather"}, "--fault 'weather': one of caller-line, agent-line, pbx"),
    ],
)
async def test_what_the_socket_refuses(server: Path, board: Switchboard, change: dict[str, object], says: str) -> None:
    call = await hung_up(board)
    request = {"command": "drop", "call": call, "by": "anna", "reason": "his line", **change}
    with pytest.raises(ControlError, match=says):
        await ask(server, **request)
    assert await board.log.attestations(call) == ()

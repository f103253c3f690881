"""The agent's word and what follows from it, as the service does it; with a real log, and no Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.protocol.conftest import AGI_HEADER, HOST, AgiPeer
from tests.unit.test_control import ask, opened_board, write_settings
from tests.unit.test_log_call_log import PARTY, receipt

from oddzwon.asterisk import variables
from oddzwon.asterisk.fastagi import FastAgiServer
from oddzwon.callflow import attestation
from oddzwon.callflow.attestation import NotAttestable, Said, _judge_anew_beside, by_console, by_phone
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.clock import Clock
from oddzwon.config import Settings, load
from oddzwon.control import ControlError, ControlServer
from oddzwon.domain.attestation import BY_LONGEST, REASON_LONGEST, wrong_with
from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.call import Phase
from oddzwon.domain.events import (
    AgentAnswered,
    Attested,
    BridgeEntered,
    CallEvent,
    Direction,
    Fault,
    HangupRequested,
    Instant,
    LegEnded,
)
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
        ("anna", "600–100–200 rang", "like a telephone number"),
        ("anna", "600 - 100 - 200", "like a telephone number"),
        ("anna", "600 -- 100 -- 200", "like a telephone number"),
        ("anna", "600\u00a0100\u2009200", "like a telephone number"),
        ("anna", "600\u200b100\u2011200", "like a telephone number"),
        ("anna", "600_100_200", "like a telephone number"),
        ("anna", "600, 100, 200", "like a telephone number"),
        ("anna", "600:100:200", "like a telephone number"),
        ("anna", "600·100·200", "like a telephone number"),
        ("anna", "22:12:34:56:7", "like a telephone number"),
        ("anna", "22 12:34 567", "like a telephone number"),
        ("anna", "number 4860-01-00 200", "like a telephone number"),
        ("anna", "2022-12-21-05", "like a telephone number"),
        ("anna", "2026-11-21 600100200", "like a telephone number"),
        ("anna", "٦٠٠ ١٠٠ ٢٠٠", "like a telephone number"),
    ],
)
def test_what_may_not_stand_in_an_attestation(by: str, reason: str, says: str) -> None:
    assert says in (wrong_with(by, reason) or "")


@pytest.mark.parametrize(
    "reason",
    [
        "crackling, then silence",
        "ticket 123456",
        "2026-11-21 12:30, twice",
        "2026-11-21, 3 times",
        "21.11.2026 12:30:15",
        "12:30–12:45 and 12:50-12:55",
        "(1) 2026-11-21 12:30; (2) 2026-11-21 12:45",
        "przerwało",
    ],
)
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


async def hung_up(
    board: Switchboard, leg: str = "1.1", *, decided: bool = True, direction: str = "inbound", ago: int = 2_000
) -> str:
    """A call that its caller ended ``ago`` ms ago, judged, and refused a callback."""
    at, log = board.now() - ago, board.log
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


@dataclass(frozen=True, slots=True)
class SteppedBack:
    """The clock after it was set back by ``ms``."""

    clock: Clock
    ms: int

    def now(self) -> Instant:
        return self.clock.now() - self.ms

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def since_boot(self) -> BootInstant:
        return self.clock.since_boot()


async def test_a_clock_that_steps_back_loses_no_word(board: Switchboard) -> None:
    """It was set right between the verdict and the word, by 2.5 s: what was acknowledged is judged all the same."""
    call = await hung_up(board)
    before = await board.log.ending(call)
    assert before is not None
    board.clock = SteppedBack(board.clock, 2_500)
    taken = await by_console(board, call, NAMED)
    await done(board)
    (word,) = await board.log.attestations(call)
    ending = await board.log.ending(call)
    assert ending is not None
    assert (taken.changed, ending.n, ending.technical) == (True, 2, True)
    assert before.at <= word.at < ending.at
    assert await board.log.decided(call)
    assert await board.log.attested_since(board.choices.pbx, 0) == ()  # nothing is left to be gone on with
    assert board.alarms.standing == set()


async def test_a_clock_that_steps_back_after_the_word_was_committed(board: Switchboard) -> None:
    """A crash came then, too: the next start judges by a clock that stands before the word."""
    call = await hung_up(board)
    word, event = NAMED.at(board.now())
    await board.log.attest(call, word, Fact(*encode(event)))
    board.clock = SteppedBack(board.clock, 1_000)
    await attestation.review(board)
    await done(board)
    ending = await board.log.ending(call)
    assert ending is not None
    assert (ending.n, ending.at) == (2, word.at + 1)


async def test_a_verdict_that_the_log_refuses_is_an_alarm(board: Switchboard) -> None:
    """A word that is older than the verdict is none for the log's guard; such a one was left by a clock set back."""
    call = await hung_up(board)
    word, event = NAMED.at(board.now() - 60_000)
    await board.log.attest(call, word, Fact(*encode(event)))
    row = await board.log.call(call)
    assert row is not None
    assert await _judge_anew_beside(board, row) is None
    assert board.alarms.standing == {"attestation-not-written"}


async def test_no_log_line_names_who_said_it(board: Switchboard) -> None:
    call = await hung_up(board)
    with capture_logs() as heard:
        await by_console(board, call, NAMED)
        await done(board)
    assert "attested on the command line" in [line["event"] for line in heard]
    assert "anna" not in repr(heard)
    assert NAMED.reason not in repr(heard)


# --- by phone ----------------------------------------------------------------------------------------------------


async def dial_the_code(board: Switchboard, channel: str) -> str:
    """The first thing that the dialplan is told when the code is dialled from the phone of this channel."""
    server = FastAgiServer(HOST, 0, {"inbound": lambda agi: by_phone(agi, board)})
    await server.start()
    peer = AgiPeer()
    try:
        header = AGI_HEADER.replace(b"PJSIP/carrier-00000001", channel.encode())
        wire = await peer.call_bare(server.address, header)
        token = (await wire.line()).split('"')[1]
        await wire.send(f"200 result=1 ({token})\n".encode())
        answer = await wire.line()
        await wire.send(b"200 result=1\n")
        await wire.until_closed()
    finally:
        await peer.close()
        await server.close()
    return answer


async def in_grace(board: Switchboard, agent: str, ago: int) -> LiveCall:
    """A call of the agent's that ended ``ago`` ms ago, is judged, and not decided yet."""
    call, at = await hung_up(board, "1.1", decided=False, ago=ago), board.now() - ago
    live = board.calls.receive("1.1", "1.1", at - 9_000, Direction.INBOUND, None)
    live.id = call
    talk: list[CallEvent] = [AgentAnswered(at - 5_000, "1.2", agent)]
    talk += [BridgeEntered(at - 4_000, leg, "b") for leg in ("1.2", "1.1")]
    for event in (*talk, *goodbye(at)):
        live.advance(event)
    live.judged.set()
    assert live.call.agent == agent
    return live


@pytest.mark.parametrize(("grace", "refused"), [(4_000, 1_000), (1_000, 4_000)])
async def test_the_word_by_phone_is_on_the_call_that_ended_last(board: Switchboard, grace: int, refused: int) -> None:
    """Two calls of one agent, one still in its grace, the other refused at once: whichever he had last."""
    live = await in_grace(board, "PJSIP/agent1", grace)
    other = await hung_up(board, "2.1", ago=refused)
    assert await dial_the_code(board, "PJSIP/agent1-00000009") == f'SET VARIABLE "{variables.DONE}" "1"'
    await done(board)
    assert live.id is not None
    words = [len(await board.log.attestations(call)) for call in (live.id, other)]
    assert words == ([0, 1] if refused < grace else [1, 0])


# --- what cannot be judged anew ----------------------------------------------------------------------------------


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

"""Prompts and keys as Asterisk tells of them: an echo ends nothing, what AGI has dropped is served by its event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.protocol.conftest import AgiPeer, AgiWire, StartServer, soon
from tests.unit.test_control import opened_board, write_settings

from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.keypad import SETTLED_S, Press
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.talk import Said, Talk
from oddzwon.clock import SystemClock
from oddzwon.config import load
from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.call import Call
from oddzwon.domain.events import Direction, Instant
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.texts import Language, PromptKey

MENU = Prompt(PromptKey.MENU_OPTION, "menu", Language.PL, "1", "a" * 64, Path("/prompts/menu"), 1000, 8000, "1, 2")
PLAY = 'STREAM FILE "/prompts/menu" "19"'
FORMAT = 'GET VARIABLE "CHANNEL(audiowriteformat)"'

Start = Callable[..., Awaitable[tuple[AgiWire, LiveCall, "asyncio.Future[Said]"]]]


@pytest.fixture
def no_blocking_call_on_the_loop() -> None:
    """The board's rooms are opened on the loop here, which is bootstrap's way too, before there are calls."""


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    settings = await asyncio.to_thread(lambda: load(write_settings(tmp_path)))
    async with opened_board(settings) as board:
        yield board


@pytest.fixture
async def plays(board: Switchboard, agi_peer: AgiPeer, start_server: StartServer) -> Start:
    """Play the menu to a call that is not in the log; what was heard of its keys before is ``heard``."""

    async def start(
        heard: str = "", *, sure: bool = False, **how: int
    ) -> tuple[AgiWire, LiveCall, asyncio.Future[Said]]:
        live = LiveCall("1.1", Call("1.1", Direction.INBOUND, board.now()), line=board.choices.line_for(""))
        live.keypad.listening = True
        for key in heard:
            live.keypad.heard(key, board.clock.monotonic())
        done: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

        async def flow(agi: AgiSession) -> None:
            done.set_result(await Talk(agi, live, board).play(MENU, keys="19", sure=sure, **how))

        server = await start_server(flow)
        wire = await agi_peer.call(server.address)
        await wire.answer(FORMAT, "200 result=1 (alaw)")
        return wire, live, done

    return start


async def test_the_echo_of_a_key_that_was_served_does_not_end_the_prompt(plays: Start) -> None:
    """Asterisk's emulation tells AGI of a key long after its event: the prompt is played again, and a key ends it."""
    wire, live, done = await plays("9")
    press = live.keypad.waiting("9")
    assert press is not None
    press.served = True
    await wire.answer(PLAY, "200 result=57 endpos=160")
    await wire.answer(PLAY, "200 result=49 endpos=4000")
    said = await soon(done)
    assert (said.key, said.stray) == ("1", False)
    assert [(r.played_ms, r.key, r.complete) for r in live.receipts] == [(20, None, False), (500, "1", True)]


async def test_an_echo_that_is_a_second_press_is_served(plays: Start, board: Switchboard) -> None:
    """AGI had dropped the first of two equal keys: what it tells now is the second, as its event shows."""
    wire, live, done = await plays("9")
    press = live.keypad.waiting("9")
    assert press is not None
    press.served = True
    assert await wire.line() == PLAY
    live.keypad.heard("9", board.clock.monotonic())
    await wire.send(b"200 result=57 endpos=4000\n")
    said = await soon(done)
    assert said.stray
    assert live.keypad.waiting("9") is not None


async def test_what_agi_has_dropped_is_served_by_its_event(plays: Start, board: Switchboard) -> None:
    """Between the prompt and the wait for a key nobody listens: the event tells, AGI never does."""
    wire, live, done = await plays(wait_ms=3000)
    assert await wire.line() == PLAY
    live.keypad.heard("1", board.clock.monotonic())
    await wire.send(b"200 result=0 endpos=8000\n")
    command, _, milliseconds = (await wire.line()).rpartition(" ")
    assert command == "WAIT FOR DIGIT"
    assert 0 < int(milliseconds.strip('"')) <= SETTLED_S * 1000
    await asyncio.sleep(SETTLED_S)
    await wire.send(b"200 result=0\n")
    said = await soon(done)
    assert said.key == "1"
    assert said.receipt is not None
    assert (said.receipt.key, said.receipt.complete) == ("1", True)


async def test_a_key_of_agi_and_its_event_are_one(plays: Start, board: Switchboard) -> None:
    wire, live, done = await plays(wait_ms=3000)
    await wire.answer(PLAY, "200 result=0 endpos=8000")
    assert (await wire.line()).startswith("WAIT FOR DIGIT")
    live.keypad.heard("9", board.clock.monotonic())
    await wire.send(b"200 result=57\n")
    assert (await soon(done)).key == "9"
    assert live.keypad.waiting("0123456789*#") is None


@pytest.mark.parametrize("endpos", [0, 4000, 7984])
async def test_a_file_that_ends_too_early_is_an_alarm_until_it_does_not(
    plays: Start, board: Switchboard, endpos: int
) -> None:
    wire, live, done = await plays()
    await wire.answer(PLAY, f"200 result=0 endpos={endpos}")
    assert (await soon(done)).receipt == live.receipts[0]
    assert not live.receipts[0].complete
    assert "prompt-unplayable-MENU_OPTION-pl" in board.alarms.standing
    wire, live, done = await plays()
    await wire.answer(PLAY, "200 result=0 endpos=8000")
    assert (await soon(done)).receipt == live.receipts[0]
    assert live.receipts[0].complete
    assert board.alarms.standing == frozenset()


async def test_an_event_from_before_the_question_could_be_heard_is_no_answer(plays: Start, board: Switchboard) -> None:
    """Consent is a key of its own: neither AGI's nor an event's word makes one of a key that came too soon."""
    wire, live, done = await plays(wait_ms=100, deaf_ms=500)
    assert await wire.line() == PLAY
    live.keypad.heard("1", board.clock.monotonic())
    await wire.send(b"200 result=0 endpos=8000\n")
    while not done.done():
        try:
            assert (await asyncio.wait_for(wire.line(), 0.5)).startswith("WAIT FOR DIGIT")
        except TimeoutError:
            continue
        await asyncio.sleep(0.1)
        await wire.send(b"200 result=0\n")
    said = await soon(done)
    assert said.key is None
    assert said.receipt is not None
    assert said.receipt.key is None


class Hand:
    """A clock that a test sets; UTC goes on by itself."""

    at = 100.0

    def now(self) -> Instant:
        return SystemClock().now()

    def monotonic(self) -> float:
        return self.at

    def since_boot(self) -> BootInstant:
        return SystemClock().since_boot()


DEAF = {"wait_ms": 3000, "deaf_ms": 500}
HELD = {
    "from before the question": (0.9, None),
    "from too soon in it": (0.4, None),
    "from when it was heard": (0.2, "1"),
}


@pytest.mark.parametrize("when", HELD)
@pytest.mark.parametrize("event_first", [True, False])
async def test_a_key_answers_a_question_that_could_be_heard_when_it_went_down(
    plays: Start, board: Switchboard, monkeypatch: pytest.MonkeyPatch, when: str, event_first: bool
) -> None:
    """It ends 0.8 s into the question; how long it was down, only its event tells, just before AGI or just after."""
    clock = board.clock = Hand()
    lasted, expected = HELD[when]
    wire, live, done = await plays(**DEAF, sure=True)
    assert await wire.line() == PLAY
    clock.at += 0.8
    agi_told, take = asyncio.Event(), live.keypad.told

    def told(key: str, now: float) -> Press | None:
        agi_told.set()
        return take(key, now)

    monkeypatch.setattr(live.keypad, "told", told)
    if event_first:
        live.keypad.heard("1", clock.at, lasted)
    await wire.send(b"200 result=49 endpos=6400\n")
    await soon(agi_told.wait())
    if not event_first:
        live.keypad.heard("1", clock.at, lasted)
    said = await soon(done)
    assert said.key == expected
    assert said.receipt is not None
    assert said.receipt.key == expected
    assert (said.early is None) is (expected is not None)


@pytest.mark.parametrize(("sure", "expected"), [(True, None), (False, "1")])
async def test_a_key_whose_beginning_nobody_knows_is_no_consent(
    plays: Start, board: Switchboard, sure: bool, expected: str | None
) -> None:
    """The manager is away, so no event comes: what needs no consent is answered all the same."""
    clock = board.clock = Hand()
    wire, _, done = await plays(**DEAF, sure=sure)
    assert await wire.line() == PLAY
    clock.at += 0.8
    await wire.send(b"200 result=49 endpos=6400\n")
    said = await soon(done)
    assert said.key == expected
    assert ("key-unmeasured" in board.alarms.standing) is sure


async def test_a_key_that_nobody_knows_how_long_was_down_is_no_consent(plays: Start, board: Switchboard) -> None:
    clock = board.clock = Hand()
    wire, live, done = await plays(**DEAF, sure=True)
    assert await wire.line() == PLAY
    clock.at += 0.8
    live.keypad.heard("1", clock.at, None)
    await wire.send(b"200 result=49 endpos=6400\n")
    said = await soon(done)
    assert said.key is None


@pytest.mark.parametrize("lasted", [1.8, None])
async def test_in_the_time_for_an_answer_too_a_key_counts_by_its_beginning(
    plays: Start, board: Switchboard, lasted: float | None
) -> None:
    """One that was down from the start of the question is passed over; the next is the answer."""
    clock = board.clock = Hand()
    wire, live, done = await plays(**DEAF, sure=True)
    assert await wire.line() == PLAY
    clock.at += 1.0
    await wire.send(b"200 result=0 endpos=8000\n")
    assert (await wire.line()).startswith("WAIT FOR DIGIT")
    clock.at += 1.0
    live.keypad.heard("1", clock.at, lasted)
    await wire.send(b"200 result=49\n")
    assert (await wire.line()).startswith("WAIT FOR DIGIT")
    clock.at += 1.1
    assert ("key-unmeasured" in board.alarms.standing) is (lasted is None)
    live.keypad.heard("1", clock.at, 0.1)
    await wire.send(b"200 result=49\n")
    assert (await soon(done)).key == "1"
    assert board.alarms.standing == frozenset()


async def test_hung_up_while_an_answer_was_waited_for(plays: Start) -> None:
    """The prompt was heard to its end, and that is on its receipt."""
    wire, live, done = await plays(wait_ms=3000)
    await wire.answer(PLAY, "200 result=0 endpos=8000")
    assert (await wire.line()).startswith("WAIT FOR DIGIT")
    await wire.send(b"HANGUP\n")
    await wire.until_closed()
    assert not done.done()
    assert [(r.played_ms, r.key, r.complete) for r in live.receipts] == [(1000, None, True)]

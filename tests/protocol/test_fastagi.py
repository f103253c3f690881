"""FastAGI over real sockets: what a session says and hears, and that a bad one harms no other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from oddzwon.asterisk.errors import (
    AgiClosed,
    AgiCommandFailed,
    AgiDeadChannel,
    AgiEnded,
    AgiHangup,
    AgiInvalidCommand,
    AgiProtocolError,
    AgiTimeout,
    AgiUnsafeValue,
)
from oddzwon.asterisk.fastagi import AgiLimits, AgiSession, Digits, Playback, PlaybackEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.protocol.conftest import AgiPeer, AgiWire, StartServer

    Flow = Callable[[AgiSession], Awaitable[object]]
    Talk = Callable[..., Awaitable[tuple[AgiWire, asyncio.Future[object]]]]

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


class Outcome:
    """Runs one flow on the session and keeps what it returned or raised, for the test to await."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self.done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def __call__(self, session: AgiSession) -> None:
        try:
            self.done.set_result(await self._flow(session))
        except Exception as error:
            self.done.set_exception(error)
            raise


@pytest.fixture
async def talk(agi_peer: AgiPeer, start_server: StartServer) -> Talk:
    """Start a server with one flow, call it, and return Asterisk's end and what the flow comes to."""

    async def start(flow: Flow, *, limits: AgiLimits | None = None) -> tuple[AgiWire, asyncio.Future[object]]:
        outcome = Outcome(flow)
        server = await start_server(outcome, limits=limits)
        return await agi_peer.call(server.address), outcome.done

    return start


async def test_variables_of_the_call(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        return session.script, session.uniqueid, session.env["agi_calleridname"], session.env["agi_accountcode"]

    _, done = await talk(flow)
    assert await soon(done) == ("inbound", "pbx-1700000000.1", "Zoë", "")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (["200 result=0 endpos=16000"], Playback(PlaybackEnd.FINISHED, None, 16000, 2000)),
        (["200 result=49 endpos=4000"], Playback(PlaybackEnd.KEY, "1", 4000, 500)),
        (["200 result=0 endpos=0"], Playback(PlaybackEnd.FINISHED, None, 0, 0)),
    ],
    ids=["to its end", "ended by key 1", "only a header in the file"],
)
async def test_playback(talk: Talk, replies: list[str], expected: Playback) -> None:
    wire, done = await talk(lambda session: session.stream_file("pl/LAYER1", "19"))
    await wire.answer('STREAM FILE "pl/LAYER1" "19"', *replies)
    assert await soon(done) == expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["200 result=6"], PlaybackEnd.FAILED),
        (["HANGUP"], PlaybackEnd.HANGUP),
        (["511 Command Not Permitted on a dead channel or intercept routine"], PlaybackEnd.HANGUP),
        (["200 result=0"], PlaybackEnd.HANGUP),
    ],
    ids=["missing file, channel up", "HANGUP", "511", "channel down"],
)
async def test_minus_one_of_a_playback_is_told_apart_by_channel_status(
    talk: Talk, after: list[str], expected: PlaybackEnd
) -> None:
    wire, done = await talk(lambda session: session.stream_file("pl/LAYER1"))
    await wire.answer('STREAM FILE "pl/LAYER1" ""', "200 result=-1 endpos=800")
    await wire.answer("CHANNEL STATUS", *after)
    assert await soon(done) == Playback(expected, None, 800, 100)


async def test_playback_then_end_of_file_is_a_hangup_and_the_next_command_says_so(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        played = await session.stream_file("pl/LAYER1")
        with pytest.raises(AgiHangup):
            await session.verbose("still there?")
        return played.ended, session.hung_up

    wire, done = await talk(flow)
    await wire.answer('STREAM FILE "pl/LAYER1" ""', "200 result=-1 endpos=800")
    await wire.close()
    assert await soon(done) == (PlaybackEnd.HANGUP, True)


@pytest.mark.parametrize(
    ("playback", "full_ms", "complete"),
    [
        (Playback(PlaybackEnd.FINISHED, None, 16000, 2000), 2000, True),
        (Playback(PlaybackEnd.FINISHED, None, 15992, 1999), 2000, False),
        (Playback(PlaybackEnd.FINISHED, None, 0, 0), 0, False),
        (Playback(PlaybackEnd.KEY, "1", 80, 10), 2000, True),
        (Playback(PlaybackEnd.HANGUP, None, 16000, 2000), 2000, False),
        (Playback(PlaybackEnd.FAILED, None, 0, 0), 2000, False),
    ],
)
async def test_what_counts_as_complete(playback: Playback, full_ms: int, complete: bool) -> None:
    assert playback.complete(full_ms) is complete


def test_a_hang_up_played_no_more_than_the_time_that_passed() -> None:
    """Asterisk 22.10.1, a caller who hung up 0.4 s into a prompt of 1.2 s: result=-1, and endpos the whole length."""
    told = Playback(PlaybackEnd.HANGUP, None, 9625, 1203)
    assert told.within(412) == Playback(PlaybackEnd.HANGUP, None, 9625, 412)
    assert told.within(1300) == told
    whole = Playback(PlaybackEnd.FINISHED, None, 9625, 1203)
    assert whole.within(1190) == whole


@pytest.mark.parametrize(
    ("reply", "key"),
    [("200 result=0", None), ("200 result=0 (timeout)", None), ("200 result= (timeout)", None), ("200 result=35", "#")],
)
async def test_silence_is_no_key(talk: Talk, reply: str, key: str | None) -> None:
    wire, done = await talk(lambda session: session.wait_for_digit(1500))
    await wire.answer('WAIT FOR DIGIT "1500"', reply)
    assert await soon(done) == key


@pytest.mark.parametrize("reply", ["200 result=7", "200 result=200", "200 result=abc"])
async def test_a_key_that_no_telephone_has_ends_the_session(talk: Talk, reply: str) -> None:
    wire, done = await talk(lambda session: session.wait_for_digit(1500))
    await wire.answer('WAIT FOR DIGIT "1500"', reply)
    with pytest.raises(AgiProtocolError, match="on no telephone"):
        await soon(done)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("200 result= (timeout)", Digits("", True)),
        ("200 result=12 (timeout)", Digits("12", True)),
        ("200 result=12", Digits("12", False)),
        ("200 result=", Digits("", False)),
    ],
)
async def test_digits_and_the_timeout(talk: Talk, reply: str, expected: Digits) -> None:
    wire, done = await talk(lambda session: session.get_data("pl/MENU", 3000, 2))
    await wire.answer('GET DATA "pl/MENU" "3000" "2"', reply)
    assert await soon(done) == expected


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("200 result=0", None),
        ("200 result=1 ()", ""),
        ("200 result=1 (+48600100200)", "+48600100200"),
        ("200 result=1 (Zoë (Praha) endpos=7 (x))", "Zoë (Praha) endpos=7 (x)"),
        ("200 result=1 (two\nlines)", "two\nlines"),
    ],
)
async def test_value_of_a_variable(talk: Talk, reply: str, value: str | None) -> None:
    async def flow(session: AgiSession) -> object:
        return await session.get_variable("CALLERID(name)"), await session.get_variable("NEXT")

    wire, done = await talk(flow)
    await wire.answer('GET VARIABLE "CALLERID(name)"', reply)
    await wire.answer('GET VARIABLE "NEXT"', "200 result=1 (in step)")
    assert await soon(done) == (value, "in step")


async def test_a_multibyte_character_may_come_in_two_parts(talk: Talk) -> None:
    wire, done = await talk(lambda session: session.get_full_variable("${CALLERID(name)}"))
    assert await wire.line() == 'GET FULL VARIABLE "${CALLERID(name)}"'
    whole = "200 result=1 (Žofie)\n".encode()
    cut = whole.index(b"\xc5") + 1
    await wire.send(whole[:cut])
    await wire.send(whole[cut:])
    assert await soon(done) == "Žofie"


async def test_quotes_and_backslashes_arrive_as_they_are(talk: Talk) -> None:
    wire, done = await talk(lambda session: session.set_variable("NOTE", 'say "a\\b" now'))
    await wire.answer('SET VARIABLE "NOTE" "say \\"a\\\\b\\" now"', "200 result=1")
    assert await soon(done) is None


@pytest.mark.parametrize("value", ["a\nEXEC System x", "a\rb", "a\0b", "x" * 2100, "\ud800"])
async def test_unsafe_values_never_leave(talk: Talk, value: str) -> None:
    async def flow(session: AgiSession) -> object:
        with pytest.raises(AgiUnsafeValue) as caught:
            await session.set_variable("NAME", value)
        assert value not in str(caught.value)
        await session.verbose("next")
        return "done"

    wire, done = await talk(flow)
    await wire.answer('VERBOSE "next" "3"', "200 result=1")
    assert await soon(done) == "done"


async def test_a_comma_cannot_smuggle_an_argument(talk: Talk) -> None:
    wire, done = await talk(lambda session: session.exec("MixMonitor", "a.wav,b,rm -rf"))
    with pytest.raises(AgiUnsafeValue, match="comma"):
        await soon(done)
    assert await wire.until_closed() == b""


async def test_exec_joins_its_arguments(talk: Talk) -> None:
    wire, done = await talk(lambda session: session.exec("MixMonitor", "/rec/1.wav", "b"))
    await wire.answer('EXEC MixMonitor "/rec/1.wav,b"', "200 result=0")
    assert await soon(done) == 0


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        (["200 result=-2"], AgiCommandFailed),
        (["200 result=-1", "200 result=6"], AgiCommandFailed),
        (["200 result=-1", "HANGUP"], AgiHangup),
    ],
    ids=["no such application", "failed, call is up", "hung up"],
)
async def test_what_a_failed_exec_means(talk: Talk, replies: list[str], error: type[Exception]) -> None:
    wire, done = await talk(lambda session: session.exec("Nothing"))
    commands = ['EXEC Nothing ""', "CHANNEL STATUS"]
    for command, reply in zip(commands, replies, strict=False):
        await wire.answer(command, reply)
    with pytest.raises(error):
        await soon(done)


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        (["HANGUP"], AgiHangup),
        (["511 Command Not Permitted on a dead channel or intercept routine"], AgiDeadChannel),
        (["510 Invalid or unknown command"], AgiInvalidCommand),
        (["520 Invalid command syntax.  Proper usage not available."], AgiInvalidCommand),
        (["complete garbage"], AgiProtocolError),
        (["200 ok"], AgiProtocolError),
    ],
)
async def test_refusals_are_raised(talk: Talk, replies: list[str], error: type[Exception]) -> None:
    wire, done = await talk(lambda session: session.answer())
    await wire.answer("ANSWER", *replies)
    with pytest.raises(error) as caught:
        await soon(done)
    assert type(caught.value) is error


async def test_no_answer_is_a_timeout_and_ends_the_session(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        with pytest.raises(AgiTimeout, match="SET VARIABLE"):
            await session.set_variable("A", "b")
        await session.verbose("a late answer would be taken for this one's")
        return None

    wire, done = await talk(flow, limits=AgiLimits(command_timeout=0.05))
    with pytest.raises(AgiTimeout):
        await soon(done)
    assert await wire.until_closed() == b'SET VARIABLE "A" "b"\n'


async def test_a_command_given_up_ends_the_session(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.wait_for_digit(1000)
        await session.verbose("out of step")
        return None

    _, done = await talk(flow)
    with pytest.raises(AgiProtocolError, match="given up"):
        await soon(done)


async def test_two_commands_at_once_are_refused(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        waiting = asyncio.create_task(session.wait_for_digit(1000))
        await started.wait()
        with pytest.raises(AgiProtocolError, match="under way"):
            await session.verbose("second")
        return await waiting

    started = asyncio.Event()
    wire, done = await talk(flow)
    assert await wire.line() == 'WAIT FOR DIGIT "1000"'
    started.set()
    await wire.send(b"200 result=53\n")
    assert await soon(done) == "5"


async def test_a_line_without_end_is_cut_off(talk: Talk) -> None:
    wire, done = await talk(lambda session: session.answer())
    assert await wire.line() == "ANSWER"
    wire.writer.write(b"2" * 1_000_000)
    with pytest.raises(AgiProtocolError, match="longer than"):
        await soon(done)
    await wire.until_closed()


async def test_every_ended_session_raises_the_same_again(talk: Talk) -> None:
    async def flow(session: AgiSession) -> object:
        errors: list[type[AgiEnded]] = []
        for _ in range(2):
            try:
                await session.answer()
            except AgiEnded as error:
                errors.append(type(error))
        return errors, session.commands_sent

    wire, done = await talk(flow)
    assert await wire.line() == "ANSWER"
    await wire.close()
    assert await soon(done) == ([AgiClosed, AgiClosed], 2)  # the first was the server's own, whether we are in step

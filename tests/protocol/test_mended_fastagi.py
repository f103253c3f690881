"""Every known FastAGI defect of panoramisk 1.4, each as a pair: the bare library has it, the adapter has not.

The numbers are those of the project's list of defects: 1 and 2 are here, 3 to 5 in test_mended_ami.py.
`test_bare_…` fails the day panoramisk mends a defect: then the adapter may drop its own mending of it.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from panoramisk.fast_agi import Application, Request

from oddzwon.asterisk.errors import (
    AgiClosed,
    AgiDeadChannel,
    AgiHangup,
    AgiInvalidCommand,
)
from oddzwon.asterisk.fastagi import AgiSession, PlaybackEnd

if TYPE_CHECKING:
    from tests.protocol.conftest import AgiPeer, AgiWire, AmiWire, RunningClient, StartServer

    Joined = tuple[RunningClient, AmiWire]

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


# -- 1. a peer that connects and closes freezes the event loop ---------------------------------------------

BARE_SERVER = """
import asyncio
from panoramisk.fast_agi import Application

async def main():
    app = Application(loop=asyncio.get_running_loop())
    agi = await asyncio.start_server(app.handler, "127.0.0.1", 0)
    alive = await asyncio.start_server(lambda _, writer: (writer.write(b"alive"), writer.close()), "127.0.0.1", 0)
    print(*(server.sockets[0].getsockname()[1] for server in (agi, alive)), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def _is_alive(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
        try:
            return line.recv(16) == b"alive"
        except TimeoutError:
            return False


def test_bare_1_port_probe_freezes_the_loop() -> None:
    with subprocess.Popen([sys.executable, "-c", BARE_SERVER], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            agi, alive = map(int, child.stdout.readline().split())
            assert _is_alive(alive)
            with socket.create_connection(("127.0.0.1", agi), timeout=5) as probe:
                probe.shutdown(socket.SHUT_WR)
                # the loop may still serve who came before it read the probe's end, but soon it serves nobody
                assert not all(_is_alive(alive) for _ in range(50))
        finally:
            child.kill()


async def test_adapter_1_port_probe_is_nothing(agi_peer: AgiPeer, start_server: StartServer) -> None:
    server = await start_server(AgiSession.answer)
    probe = await agi_peer.connect(server.address)
    probe.writer.write_eof()
    assert await probe.until_closed() == b""
    call = await agi_peer.call(server.address)
    await call.answer("ANSWER", "200 result=0")
    await call.until_closed()


# -- 2. FastAGI replies --------------------------------------------------------------------------------------


class Flow:
    """One call on the bare library and one on the adapter, each with its own flow; what it came to is awaited."""

    def __init__(self, agi_peer: AgiPeer, start_server: StartServer) -> None:
        self._peer = agi_peer
        self._start_server = start_server
        self._bare: list[asyncio.Server] = []
        self.task: asyncio.Task[Any] | None = None

    async def bare(self, flow: Callable[[Any], Awaitable[object]]) -> tuple[AgiWire, asyncio.Future[object]]:
        app = Application(loop=asyncio.get_running_loop())
        run, done = self._kept(flow)
        app.add_route("inbound", run)
        server = await asyncio.start_server(app.handler, "127.0.0.1", 0)
        self._bare.append(server)
        return await self._peer.call_bare(server.sockets[0].getsockname()), done

    async def adapter(self, flow: Callable[[AgiSession], Awaitable[object]]) -> tuple[AgiWire, asyncio.Future[object]]:
        run, done = self._kept(flow)
        server = await self._start_server(run)
        return await self._peer.call(server.address), done

    def _kept(
        self, flow: Callable[[Any], Awaitable[object]]
    ) -> tuple[Callable[[Any], Awaitable[None]], asyncio.Future[object]]:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        async def run(session: Any) -> None:
            self.task = asyncio.current_task()
            try:
                done.set_result(await flow(session))
            except Exception as error:
                done.set_exception(error)

        return run, done

    async def close(self) -> None:
        for server in self._bare:
            server.close()
            await server.wait_closed()


@pytest.fixture
async def flow(agi_peer: AgiPeer, start_server: StartServer) -> AsyncIterator[Flow]:
    runner = Flow(agi_peer, start_server)
    yield runner
    await runner.close()


async def test_bare_2a_end_of_file_is_a_valueerror(flow: Flow) -> None:
    wire, done = await flow.bare(lambda request: request.send_command("ANSWER"))
    assert await wire.line() == "ANSWER"
    await wire.close()
    with pytest.raises(ValueError, match="invalid literal for int"):
        await soon(done)


async def test_adapter_2a_end_of_file_is_named(flow: Flow) -> None:
    wire, done = await flow.adapter(lambda session: session.answer())
    assert await wire.line() == "ANSWER"
    await wire.close()
    with pytest.raises(AgiClosed):
        await soon(done)


async def test_bare_2b_hangup_is_taken_for_the_reply_and_all_is_off_by_one(flow: Flow) -> None:
    async def talk(request: Request) -> object:
        await request.send_command("GET VARIABLE A")
        return (await request.send_command("GET VARIABLE B"))["result"]

    wire, done = await flow.bare(talk)
    await wire.answer("GET VARIABLE A", "HANGUP", "200 result=1 (of-A)")
    await wire.answer("GET VARIABLE B", "200 result=1 (of-B)")
    assert await soon(done) == ("1", "of-A")


async def test_adapter_2b_hangup_ends_the_session(flow: Flow) -> None:
    async def talk(session: AgiSession) -> object:
        with pytest.raises(AgiHangup):
            await session.get_variable("A")
        return await session.get_variable("B")

    wire, done = await flow.adapter(talk)
    await wire.answer('GET VARIABLE "A"', "HANGUP", "200 result=1 (of-A)")
    with pytest.raises(AgiHangup):
        await soon(done)
    assert await wire.until_closed() == b"", "the second command left although the call is over"


async def test_bare_2c_silence_and_a_lone_hash_key_look_the_same(flow: Flow) -> None:
    async def talk(request: Request) -> object:
        return [(await request.send_command("GET DATA x 1000 1"))["result"] for _ in range(2)]

    wire, done = await flow.bare(talk)
    await wire.answer("GET DATA x 1000 1", "200 result= (timeout)")
    await wire.answer("GET DATA x 1000 1", "200 result=")
    replies = await soon(done)
    assert isinstance(replies, list)
    assert replies[0] == replies[1]


async def test_adapter_2c_silence_is_told_from_a_key(flow: Flow) -> None:
    async def talk(session: AgiSession) -> object:
        collected = [(await session.get_data("x", 1000, 1)).timed_out for _ in range(2)]
        return collected, await session.wait_for_digit(1000)

    wire, done = await flow.adapter(talk)
    await wire.answer('GET DATA "x" "1000" "1"', "200 result= (timeout)")
    await wire.answer('GET DATA "x" "1000" "1"', "200 result=")
    await wire.answer('WAIT FOR DIGIT "1000"', "200 result= (timeout)")
    assert await soon(done) == ([True, False], None)


async def test_bare_2d_endpos_is_lost_with_minus_one(flow: Flow) -> None:
    wire, done = await flow.bare(lambda request: request.send_command('STREAM FILE x ""'))
    await wire.answer('STREAM FILE x ""', "200 result=-1 endpos=8000")
    assert "8000" not in str(await soon(done))


async def test_adapter_2d_endpos_is_kept_with_minus_one(flow: Flow) -> None:
    wire, done = await flow.adapter(lambda session: session.stream_file("x"))
    await wire.answer('STREAM FILE "x" ""', "200 result=-1 endpos=8000")
    await wire.answer("CHANNEL STATUS", "HANGUP")
    played = await soon(done)
    assert (played.ended, played.played_ms) == (PlaybackEnd.HANGUP, 1000)  # type: ignore[attr-defined]  # Playback


DEAD = "511 Command Not Permitted on a dead channel or intercept routine"
USAGE = [
    "520-Invalid command syntax.  Proper usage follows:",
    " Usage: ANSWER",
    "\tAnswers.",
    "520 End of proper usage.",
]


async def test_bare_2e_511_is_an_unknown_error(flow: Flow) -> None:
    wire, done = await flow.bare(lambda request: request.send_command("ANSWER"))
    await wire.answer("ANSWER", DEAD)
    assert (await soon(done))["error"] == "AGIUnknownError"  # type: ignore[index]  # panoramisk's dict


async def test_adapter_2e_511_is_a_dead_channel(flow: Flow) -> None:
    wire, done = await flow.adapter(lambda session: session.answer())
    await wire.answer("ANSWER", DEAD)
    with pytest.raises(AgiDeadChannel):
        await soon(done)


async def test_bare_2f_a_520_of_many_lines_puts_all_out_of_step(flow: Flow) -> None:
    async def talk(request: Request) -> object:
        await request.send_command("ANSWER now")
        return await request.send_command("GET VARIABLE A")

    wire, done = await flow.bare(talk)
    await wire.answer("ANSWER now", *USAGE)
    await wire.answer("GET VARIABLE A", "200 result=1 (of-A)")
    with pytest.raises(ValueError, match="invalid literal for int"):
        await soon(done)


async def test_adapter_2f_a_520_of_many_lines_is_one_answer(flow: Flow) -> None:
    async def talk(session: AgiSession) -> object:
        with pytest.raises(AgiInvalidCommand) as caught:
            await session.answer()
        return caught.value.usage, await session.get_variable("A")

    wire, done = await flow.adapter(talk)
    await wire.answer("ANSWER", *USAGE)
    await wire.answer('GET VARIABLE "A"', "200 result=1 (of-A)")
    assert await soon(done) == ("Usage: ANSWER\n\tAnswers.", "of-A")


async def test_bare_2g_errors_are_returned(flow: Flow) -> None:
    wire, done = await flow.bare(lambda request: request.send_command("NONSENSE"))
    await wire.answer("NONSENSE", "510 Invalid or unknown command")
    assert (await soon(done))["error"] == "AGIInvalidCommand"  # type: ignore[index]  # panoramisk's dict


async def test_adapter_2g_errors_are_raised(flow: Flow) -> None:
    wire, done = await flow.adapter(lambda session: session.answer())
    await wire.answer("ANSWER", "510 Invalid or unknown command")
    with pytest.raises(AgiInvalidCommand):
        await soon(done)


async def test_bare_2h_cancellation_is_swallowed(flow: Flow) -> None:
    wire, _ = await flow.bare(lambda request: request.send_command("ANSWER"))
    assert await wire.line() == "ANSWER"
    assert flow.task is not None
    flow.task.cancel()
    await asyncio.wait([flow.task], timeout=5)
    assert flow.task.done()
    assert not flow.task.cancelled()


async def test_adapter_2h_cancellation_gets_through(flow: Flow) -> None:
    wire, _ = await flow.adapter(lambda session: session.answer())
    assert await wire.line() == "ANSWER"
    assert flow.task is not None
    flow.task.cancel()
    await asyncio.wait([flow.task], timeout=5)
    assert flow.task.cancelled()
    assert await wire.until_closed() == b""

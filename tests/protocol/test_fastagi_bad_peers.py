"""Bad FastAGI peers, bad flows, too many of them, and the end of the server: none harms another call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from structlog.testing import capture_logs

from oddzwon.asterisk.fastagi import AgiLimits, AgiSession

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.protocol.conftest import AgiPeer, StartServer

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


BAD_STARTS = {
    "nothing, then closed": b"",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00garbage\n\n",
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\n\n",
    "a megabyte without a newline": b"a" * 1_000_000,
    "closed in the middle": b"agi_network: yes\nagi_netw",
    "a header twice": b"agi_network_script: inbound\nagi_uniqueid: 1\nagi_uniqueid: 2\n\n",
    "no script": b"agi_network: yes\nagi_uniqueid: 1\n\n",
    "an unknown script": b"agi_network_script: nowhere\nagi_uniqueid: 1\n\n",
}


@pytest.mark.parametrize("start", BAD_STARTS.values(), ids=BAD_STARTS)
async def test_a_bad_peer_harms_no_other(agi_peer: AgiPeer, start_server: StartServer, start: bytes) -> None:
    async def flow(session: AgiSession) -> None:
        await session.answer()
        await session.verbose("bye")

    server = await start_server(flow)
    good = await agi_peer.call(server.address)
    await good.answer("ANSWER")  # a call is in the middle of a command …
    with capture_logs() as logs:
        bad = await agi_peer.connect(server.address)
        bad.writer.write(start)
        if len(start) < 1000:
            bad.writer.write_eof()
        await bad.until_closed()
    await good.send(b"200 result=0\n")  # … and goes on
    await good.answer('VERBOSE "bye" "3"', "200 result=1")
    await good.until_closed()
    (line,) = (log for log in logs if log["event"] == "agi_session")
    assert line["outcome"] == ("AgiProtocolError" if start else "probe")
    assert line["commands"] == 0


async def test_a_silent_peer_is_given_up(agi_peer: AgiPeer, start_server: StartServer) -> None:
    server = await start_server(AgiSession.answer, limits=AgiLimits(header_timeout=0.05))
    silent = await agi_peer.connect(server.address)
    assert await silent.until_closed() == b""


async def test_a_failing_flow_is_logged_without_what_it_quotes(agi_peer: AgiPeer, start_server: StartServer) -> None:
    async def flow(session: AgiSession) -> None:
        raise RuntimeError(f"no route for {session.env['agi_callerid']}")

    server = await start_server(flow)
    with capture_logs() as logs:
        wire = await agi_peer.call(server.address)
        await wire.until_closed()
    (line,) = logs
    assert line["log_level"] == "error"
    assert line["detail"].startswith("RuntimeError at test_fastagi_bad_peers.py:")
    assert "600100200" not in str(line)


async def test_too_many_sessions_are_turned_away_at_once(agi_peer: AgiPeer, start_server: StartServer) -> None:
    server = await start_server(AgiSession.answer, max_sessions=1)
    first = await agi_peer.call(server.address)
    assert await first.line() == "ANSWER"
    second = await agi_peer.connect(server.address)
    assert await second.until_closed() == b""
    await first.send(b"200 result=0\n")
    await first.until_closed()


async def test_closing_waits_for_calls_and_takes_no_new_one(agi_peer: AgiPeer, start_server: StartServer) -> None:
    server = await start_server(AgiSession.answer)
    address = server.address
    wire = await agi_peer.call(address)
    assert await wire.line() == "ANSWER"
    closing = asyncio.create_task(server.close(grace=5))
    await asyncio.wait([closing], timeout=0)
    with pytest.raises(ConnectionError):
        await agi_peer.connect(address)
    await wire.send(b"200 result=0\n")
    await soon(closing)
    assert server.session_count == 0


async def test_closing_cancels_what_stays_and_the_flow_can_still_clean_up(
    agi_peer: AgiPeer, start_server: StartServer
) -> None:
    cleaned = asyncio.Event()

    async def flow(session: AgiSession) -> None:
        try:
            await session.wait_for_digit(60_000)
        finally:
            cleaned.set()

    server = await start_server(flow)
    wire = await agi_peer.call(server.address)
    await wire.line()
    await soon(server.close())
    assert cleaned.is_set()
    assert await wire.until_closed() == b""


FORGED = b"\n\n200 result=1 (x)\n200 result=49\n"


async def test_a_callers_number_cannot_forge_answers(agi_peer: AgiPeer, start_server: StartServer) -> None:
    reached = asyncio.Event()

    async def flow(session: AgiSession) -> None:
        reached.set()
        await session.wait_for_digit(1000)

    server = await start_server(flow)
    with capture_logs() as logs:
        wire = await agi_peer.call_bare(server.address, agi_peer.header.replace(b"+48600100200\n", FORGED))
        await wire.until_closed()
    assert [line["outcome"] for line in logs] == ["AgiProtocolError"]
    assert not reached.is_set()

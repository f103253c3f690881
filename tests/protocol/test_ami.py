"""The manager connection over real sockets: order, fates, bounds, and every way in which the peer can misbehave."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import pytest

from oddzwon.asterisk.ami import AmiDisconnected, AmiEvent, AmiSettings, backoff
from oddzwon.asterisk.ami_wire import AmiSplitter, parse_event
from oddzwon.asterisk.errors import (
    AmiAuthenticationError,
    AmiBannerError,
    AmiNotSent,
    AmiUnsafeValue,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.protocol.conftest import AmiPeer, AmiWire, RunningClient, StartClient

    Joined = tuple[RunningClient, AmiWire]

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


# -- connecting ---------------------------------------------------------------------------------------------


async def test_connects_logs_in_and_reports_the_uptime(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client()
    wire = await ami_peer.accept()
    login = await wire.log_in(uptime=77)
    assert (login["Action"], login["Username"], login["Secret"]) == (["Login"], ["oddzwon"], ["s3cret"])
    connected = await one.connected()
    assert (connected.uptime_s, connected.gap_s) == (77.0, None)
    assert abs(connected.at - time.time()) < 60
    assert one.client.connected


@pytest.mark.parametrize(("uptime", "restarted"), [(0, True), (1000, False)])
async def test_a_reconnect_tells_the_gap_and_whether_asterisk_restarted(
    start_client: StartClient, ami_peer: AmiPeer, uptime: int, restarted: bool
) -> None:
    one = start_client()
    first = await ami_peer.accept()
    await first.log_in()
    assert (await one.connected()).restarted is None
    await first.close()
    assert isinstance(await one.notice(), AmiDisconnected)
    await (await ami_peer.accept()).log_in(uptime)
    again = await one.connected()
    assert again.gap_s is not None
    assert 0 < again.gap_s < 5
    assert again.restarted is restarted


async def test_without_fullybooted_the_uptime_is_unknown(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(action_timeout=0.05)
    wire = await ami_peer.accept()
    await wire.greet()
    await wire.respond(await wire.action())
    assert (await one.connected()).uptime_s is None


async def test_events_before_the_login_is_over_come_after_the_connected_notice(
    start_client: StartClient, ami_peer: AmiPeer
) -> None:
    one = start_client()
    wire = await ami_peer.accept()
    await wire.greet()
    login = await wire.action()
    await wire.event("Hangup", "Uniqueid: 1")
    await wire.respond(login)
    await wire.event("Hangup", "Uniqueid: 2")
    await wire.event("FullyBooted", "Uptime: 3")
    await wire.event("Hangup", "Uniqueid: 3")
    assert (await one.connected()).uptime_s == 3
    assert [await _uniqueid(one) for _ in range(3)] == ["1", "2", "3"]


async def _uniqueid(one: RunningClient) -> str:
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    return event.fields["Uniqueid"]


async def test_bad_credentials_are_fatal_and_say_where_to_look(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client()
    wire = await ami_peer.accept()
    await wire.greet()
    await wire.respond(await wire.action(), "Message: Authentication failed", response="Error")
    with pytest.raises(AmiAuthenticationError) as caught:
        await soon(one.task)
    said = str(caught.value)
    assert f"127.0.0.1:{ami_peer.port}" in said
    assert "'oddzwon': Authentication failed. In manager.conf look at [oddzwon]: secret, permit/deny or acl" in said
    assert "s3cret" not in said
    assert ami_peer.connections == 1


async def test_a_secret_that_would_inject_is_fatal(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(secret="x\r\nAction: Command")
    wire = await ami_peer.accept()
    await wire.greet()
    with pytest.raises(AmiUnsafeValue, match="Secret"):
        await soon(one.task)
    assert await wire.until_closed() == b""


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(AmiSettings(host="h", username="u", secret="s3cret"))


LIES = {
    "another server": b"220 mail.example.org ESMTP\r\n",
    "almost": b"Asterisk Call Manager\r\n",
    "a greeting without end": b"Asterisk Call Manager/" + b"9" * 5000,
    "binary": b"\x00\x01\x02\x03" * 10,
    "closes at once": b"",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_who_greets_falsely_gets_no_login_and_another_try(
    start_client: StartClient, ami_peer: AmiPeer, lie: bytes
) -> None:
    one = start_client()
    liar = await ami_peer.accept()
    liar.writer.write(lie)
    if not lie:
        await liar.close()
    assert await liar.until_closed() == b""
    await (await ami_peer.accept()).log_in()
    await one.connected()


async def test_silence_instead_of_a_greeting_is_given_up(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(connect_timeout=0.05)
    silent = await ami_peer.accept()
    assert await silent.until_closed() == b""
    await (await ami_peer.accept()).log_in()
    await one.connected()


async def test_silence_instead_of_the_login_answer_is_given_up(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(action_timeout=0.05)
    silent = await ami_peer.accept()
    await silent.greet()
    await silent.action()
    assert await silent.until_closed() == b""
    await (await ami_peer.accept()).log_in()
    await one.connected()


async def test_nobody_listens_then_somebody_does(start_client: StartClient, ami_peer: AmiPeer) -> None:
    first = start_client()
    await (await ami_peer.accept()).log_in()
    await first.connected()
    port = ami_peer.port
    await ami_peer.close()
    assert isinstance(await first.notice(), AmiDisconnected)
    with pytest.raises(AmiNotSent):
        await first.client.action("Ping")
    returned = type(ami_peer)()
    await returned.start(port)
    await (await returned.accept()).log_in(uptime=0)
    assert (await first.connected()).restarted
    await first.client.close()
    await returned.close()


async def test_the_backoff_doubles_is_bounded_and_half_random() -> None:
    waits = list(islice(backoff(1.0, 8.0, random.Random(1)), 6))
    for wait, ceiling in zip(waits, [1.0, 2.0, 4.0, 8.0, 8.0, 8.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling
    assert waits[4] != waits[5]


async def test_close_ends_run_and_may_be_called_twice(joined: Joined) -> None:
    one, wire = joined
    await soon(one.client.close())
    await soon(one.client.close())
    await soon(one.task)
    assert await wire.until_closed() == b""
    notice = await one.notice()
    assert isinstance(notice, AmiDisconnected)
    with pytest.raises(StopAsyncIteration):
        await one.notice()


async def test_cancelling_run_closes_the_connection(joined: Joined) -> None:
    one, wire = joined
    one.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(one.task)
    assert await wire.until_closed() == b""


# -- events -------------------------------------------------------------------------------------------------


async def test_only_wanted_events_come_and_in_order(joined: Joined) -> None:
    one, wire = joined
    for number in range(50):
        await wire.event("Newexten", f"Uniqueid: {number}")
        await wire.event("Hangup", f"Uniqueid: {number}")
    assert [await _uniqueid(one) for _ in range(50)] == [str(number) for number in range(50)]


async def test_an_event_keeps_spelling_repeats_and_time(joined: Joined) -> None:
    one, wire = joined
    lines = [
        "Timestamp: 1763750000.250000",
        "ChanVariable(x): a=1",
        "ChanVariable(x): b=2",
        "CallerIDName: Zoë: x",
        "AccountCode:",
    ]
    await wire.event("Hangup", *lines)
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    assert event.at == 1763750000.25
    assert event.every("ChanVariable(x)") == ("a=1", "b=2")
    assert event.every("CallerIDName") == ("Zoë: x",)
    assert event.every("nothing") == ()
    assert event.fields["AccountCode"] == ""


async def test_a_header_that_is_added_later_does_not_replace_the_channels_own(joined: Joined) -> None:
    one, wire = joined
    await wire.event("Hangup", "Uniqueid: true", "Uniqueid: forged")
    assert await _uniqueid(one) == "true"


async def test_a_full_queue_ends_the_connection_and_says_so_after_what_was_kept(
    start_client: StartClient, ami_peer: AmiPeer
) -> None:
    one = start_client(max_pending=10)
    wire = await ami_peer.accept()
    await wire.log_in()
    for number in range(20):
        wire.writer.write(f"Event: Hangup\r\nUniqueid: {number}\r\n\r\n".encode())
    await wire.until_closed()
    again = asyncio.create_task(ami_peer.accept())
    await asyncio.wait([again], timeout=0.1)
    assert not again.done(), "a new connection although the consumer stands still"
    await one.connected()
    assert [await _uniqueid(one) for _ in range(9)] == [str(number) for number in range(9)]
    last = await one.notice()
    assert isinstance(last, AmiDisconnected)
    assert "10 AMI notices wait unread" in last.reason
    await (await again).log_in()
    assert (await one.connected()).gap_s is not None


async def test_a_message_without_end_is_cut_off(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(max_message_bytes=4096)
    wire = await ami_peer.accept()
    await wire.log_in()
    await one.connected()
    wire.writer.write(b"Event: Hangup\r\n" + b"x" * 1_000_000)
    await wire.until_closed()
    lost = await one.notice()
    assert isinstance(lost, AmiDisconnected)
    assert "longer than 4096 bytes" in lost.reason


async def test_closing_in_mid_message_gives_no_half_event(joined: Joined) -> None:
    one, wire = joined
    await wire.send(b"Event: Hangup\r\nUniqueid: 1\r\n")
    await wire.close()
    assert isinstance(await one.notice(), AmiDisconnected)


def test_any_cut_of_the_stream_gives_the_same_messages() -> None:
    stream = "Asterisk Call Manager/9.0.0\r\nEvent: A\r\nName: Žofie 🐟\r\n\r\n\r\nEvent: B\r\nX: 1\r\n\r\n".encode()
    whole = AmiSplitter(1000).feed(stream)
    assert len(whole) == 2
    for cut in range(len(stream) + 1):
        splitter = AmiSplitter(1000)
        assert splitter.feed(stream[:cut]) + splitter.feed(stream[cut:]) == whole
    splitter = AmiSplitter(1000)
    assert [message for byte in stream for message in splitter.feed(bytes([byte]))] == whole
    assert splitter.banner == "9.0.0"
    assert parse_event(whole[0], 0.0).fields["Name"] == "Žofie 🐟"


def test_bytes_that_are_no_utf8_are_replaced_in_their_line_only() -> None:
    event = parse_event(b"Event: A\r\nBad: \xff\r\nGood: \xc5\xbd", 0.0)
    assert (event.fields["Bad"], event.fields["Good"]) == ("\ufffd", "Ž")


def test_a_lying_banner_is_named() -> None:
    with pytest.raises(AmiBannerError, match="bindaddr"):
        AmiSplitter(1000).feed(b"SSH-2.0-OpenSSH\r\n")

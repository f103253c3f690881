"""Every known AMI defect of panoramisk 1.4, each as a pair: the bare library has it, the adapter has not.

The numbers are those of the project's list of defects: 3 to 5 are here, 1 and 2 in test_mended_fastagi.py.
`test_bare_…` fails the day panoramisk mends a defect: then the adapter may drop its own mending of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from panoramisk import CallManager, Manager, Message

from oddzwon.asterisk.ami import AmiDisconnected, AmiEvent
from oddzwon.asterisk.ami_wire import parse_response
from oddzwon.asterisk.errors import AmiAuthenticationError, AmiFateUnknown, AmiTimeout, AmiUnsafeValue

if TYPE_CHECKING:
    from tests.protocol.conftest import AmiPeer, AmiWire, RunningClient, StartClient

    Joined = tuple[RunningClient, AmiWire]

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


StartBare = Callable[..., Any]


@pytest.fixture
async def start_bare(ami_peer: AmiPeer) -> AsyncIterator[StartBare]:
    """Start a bare panoramisk Manager; at the end it is kept from connecting again, which close() does not do."""
    managers: list[Any] = []

    def start(kind: Any = Manager, **config: Any) -> Any:
        given = {"host": "127.0.0.1", "port": ami_peer.port, "username": "u", "secret": "s", "reconnect_timeout": 0}
        manager = kind(loop=asyncio.get_running_loop(), **(given | config))
        managers.append(manager)
        manager.connect()
        return manager

    yield start
    for manager in managers:
        manager.connect = lambda: None
        manager.close()


async def _logged_in(ami_peer: AmiPeer) -> AmiWire:
    wire = await ami_peer.accept()
    await wire.log_in()
    return wire


async def test_bare_3_an_unanswered_originate_is_sent_again(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare()
    wire = await _logged_in(ami_peer)
    await _until_authenticated(manager, wire)
    manager.send_action({"Action": "Originate", "Channel": "PJSIP/1"})
    assert (await wire.action())["Action"] == ["Originate"]
    await wire.close()
    again = await _logged_in(ami_peer)
    assert (await again.action())["Action"] == ["Originate"], "the customer's telephone rings twice"


async def _until_authenticated(manager: Any, wire: AmiWire) -> None:
    """A ping there and back: what came before it has been read."""
    pong = manager.send_action({"Action": "Ping"})
    await wire.respond(await wire.action(), "Ping: Pong")
    await soon(pong)


async def test_adapter_3_nothing_is_sent_again(joined: Joined, ami_peer: AmiPeer) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action("Originate", {"Channel": "PJSIP/1"}))
    await wire.action()
    await wire.close()
    with pytest.raises(AmiFateUnknown):
        await soon(asking)
    again = await _logged_in(ami_peer)
    assert isinstance(await one.notice(), AmiDisconnected)
    await one.connected()
    asking = asyncio.create_task(one.client.action("CoreStatus"))
    first = await again.action()
    assert first["Action"] == ["CoreStatus"]
    await again.respond(first)
    await soon(asking)


async def test_bare_4a_unanswered_pings_change_nothing(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare(ping_delay=0, ping_interval=0)
    wire = await _logged_in(ami_peer)
    for _ in range(50):
        assert (await wire.action())["Action"] == ["Ping"]
    assert manager._connected
    assert ami_peer.connections == 1


async def test_adapter_4a_an_unanswered_ping_ends_the_connection(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(ping_interval=0.01, ping_timeout=0.05)
    wire = await _logged_in(ami_peer)
    await one.connected()
    assert (await wire.action())["Action"] == ["Ping"]
    assert await wire.until_closed() == b""
    lost = await one.notice()
    assert isinstance(lost, AmiDisconnected)
    assert lost.reason == "Asterisk did not answer a ping within 0.05 s."
    await _logged_in(ami_peer)
    await one.connected()


async def test_bare_4b_an_action_waits_for_ever(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare()
    wire = await _logged_in(ami_peer)
    await _until_authenticated(manager, wire)
    asking = manager.send_action({"Action": "Getvar"})
    await wire.action()
    await asyncio.wait([asking], timeout=0.3)
    assert not asking.done()


async def test_adapter_4b_an_action_waits_its_time(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(action_timeout=0.2)
    await _logged_in(ami_peer)
    await one.connected()
    with pytest.raises(AmiTimeout):
        await soon(one.client.action("Getvar"))


async def test_bare_5a_a_line_break_injects_an_action(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare()
    wire = await _logged_in(ami_peer)
    await _until_authenticated(manager, wire)
    manager.send_action({"Action": "Ping", "X": "y\r\n\r\nAction: Command\r\nCommand: core stop now"})
    await wire.action()
    assert (await wire.action())["Command"] == ["core stop now"]


async def test_adapter_5a_a_line_break_never_leaves(joined: Joined) -> None:
    one, wire = joined
    with pytest.raises(AmiUnsafeValue):
        await one.client.action("Ping", {"X": "y\r\n\r\nAction: Command\r\nCommand: core stop now"})
    await one.client.close()
    assert await wire.until_closed() == b""


async def test_bare_5b_an_exception_in_a_callback_drops_the_connection(
    start_bare: StartBare, ami_peer: AmiPeer, caplog: pytest.LogCaptureFixture
) -> None:
    manager = start_bare()

    def fail(_: object, __: object) -> None:
        raise RuntimeError("a consumer's own fault")

    manager.register_event("Hangup", fail)
    wire = await _logged_in(ami_peer)
    await wire.event("Hangup")
    await wire.until_closed()
    await ami_peer.accept()


async def test_adapter_5b_a_failing_consumer_keeps_the_connection(joined: Joined, ami_peer: AmiPeer) -> None:
    one, wire = joined

    async def consume() -> None:
        async for _ in one.client.notices:
            raise RuntimeError("a consumer's own fault")

    await wire.event("Hangup", "Uniqueid: 1")
    with pytest.raises(RuntimeError, match="own fault"):
        await soon(consume())
    await wire.event("Hangup", "Uniqueid: 2")
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    assert event.fields["Uniqueid"] == "2"
    assert ami_peer.connections == 1


FISH = "Event: Hangup\r\nCallerIDName: Žofie\r\n\r\n".encode()
FISH_CUT = FISH.index(b"\xc5") + 1


async def test_bare_5c_a_character_in_two_reads_is_lost(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare()
    names: asyncio.Queue[str] = asyncio.Queue()
    manager.register_event("Hangup", lambda _, event: names.put_nowait(event["CallerIDName"]))
    wire = await _logged_in(ami_peer)
    await _until_authenticated(manager, wire)
    manager.protocol.data_received(FISH[:FISH_CUT])
    manager.protocol.data_received(FISH[FISH_CUT:])
    assert await soon(names.get()) == "ofie"


async def test_adapter_5c_a_character_in_two_reads_is_kept(joined: Joined) -> None:
    one, _ = joined
    connection = one.client._connection
    assert connection is not None
    connection.data_received(FISH[:FISH_CUT])
    connection.data_received(FISH[FISH_CUT:])
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    assert event.fields["CallerIDName"] == "Žofie"


async def test_bare_5d_a_failed_login_is_retried_without_a_word(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    start_bare()
    for _ in range(5):
        wire = await ami_peer.accept()
        await wire.greet()
        login = await wire.action()
        assert login["Action"] == ["Login"]
        await wire.respond(login, "Message: Authentication failed", response="Error")
        await wire.close()


async def test_adapter_5d_a_failed_login_is_told_and_not_retried(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client()
    wire = await ami_peer.accept()
    await wire.greet()
    await wire.respond(await wire.action(), "Message: Authentication failed", response="Error")
    with pytest.raises(AmiAuthenticationError):
        await soon(one.task)
    assert ami_peer.connections == 1


async def test_bare_5e_close_leaves_the_scheduled_reconnect(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    closed = asyncio.Event()

    def close(manager: Any, _: object) -> None:
        manager.close()
        closed.set()

    start_bare(on_disconnect=close)
    wire = await _logged_in(ami_peer)
    await wire.close()
    await soon(closed.wait())
    await ami_peer.accept()


async def test_adapter_5e_close_cancels_the_scheduled_reconnect(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(backoff_min=0.1, backoff_max=0.1)
    wire = await _logged_in(ami_peer)
    await one.connected()
    await wire.close()
    assert isinstance(await one.notice(), AmiDisconnected)
    await soon(one.client.close())
    await soon(one.task)
    reconnected = asyncio.create_task(ami_peer.accept())
    await asyncio.wait([reconnected], timeout=0.2)
    assert not reconnected.done()
    reconnected.cancel()


FAILED_ORIGINATE = ["Response: Failure", "ActionID: attempt-1", "Reason: 0", "Uniqueid: oddzwon-attempt-1"]


async def test_bare_5f_a_failed_originate_is_a_success() -> None:
    assert Message.from_line("\r\n".join(["Event: OriginateResponse", *FAILED_ORIGINATE])).success is True


async def test_adapter_5f_a_failed_originate_says_so(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(frozenset({"OriginateResponse"}))
    wire = await _logged_in(ami_peer)
    await one.connected()
    await wire.event("OriginateResponse", *FAILED_ORIGINATE)
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    assert (event.fields["Response"], event.fields["ActionID"]) == ("Failure", "attempt-1")
    assert not parse_response("\r\n".join(FAILED_ORIGINATE).encode()).success


async def test_bare_5g_two_calls_of_one_second_are_merged(start_bare: StartBare, ami_peer: AmiPeer) -> None:
    manager = start_bare(CallManager)
    wire = await _logged_in(ami_peer)
    await _until_authenticated(manager, wire)
    await wire.event("Hangup", "Uniqueid: 1763750000.1")
    await wire.event("Hangup", "Uniqueid: 1763750000.2")
    await _until_authenticated(manager, wire)
    assert list(manager.calls_queues) == ["1763750000"]


async def test_adapter_5g_a_uniqueid_stays_whole(joined: Joined) -> None:
    one, wire = joined
    await wire.event("Hangup", "Uniqueid: 1763750000.1")
    await wire.event("Hangup", "Uniqueid: 1763750000.2")
    events = [await one.notice(), await one.notice()]
    assert [event.fields["Uniqueid"] for event in events if isinstance(event, AmiEvent)] == [
        "1763750000.1",
        "1763750000.2",
    ]

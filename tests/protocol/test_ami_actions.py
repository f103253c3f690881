"""AMI actions over real sockets: each finds its answer, nothing unsafe leaves, and the fate of each is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from oddzwon.asterisk.ami import AmiEvent
from oddzwon.asterisk.errors import (
    AmiFateUnknown,
    AmiNotSent,
    AmiProtocolError,
    AmiRefused,
    AmiTimeout,
    AmiUnsafeValue,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.protocol.conftest import AmiPeer, AmiWire, RunningClient, StartClient

    Joined = tuple[RunningClient, AmiWire]

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, 5)


async def _uniqueid(one: RunningClient) -> str:
    event = await one.notice()
    assert isinstance(event, AmiEvent)
    return event.fields["Uniqueid"]


async def test_an_action_and_its_answer_find_each_other_out_of_order(joined: Joined) -> None:
    one, wire = joined
    first = asyncio.create_task(one.client.action("Getvar", {"Variable": "A"}))
    second = asyncio.create_task(one.client.action("Getvar", {"Variable": "B"}))
    asked = [await wire.action(), await wire.action()]
    for action in reversed(asked):
        await wire.respond(action, f"Value: of {action['Variable'][0]}")
    assert (await soon(first)).fields["Value"] == "of A"
    assert (await soon(second)).fields["Value"] == "of B"


async def test_originate_keeps_repeated_headers_and_the_callers_own_action_id(joined: Joined) -> None:
    one, wire = joined
    fields = [("Channel", "PJSIP/1@carrier"), ("Variable", "A=1"), ("Variable", "B=2"), ("Variable", "C=3")]
    asking = asyncio.create_task(one.client.action("Originate", fields, action_id="attempt-7"))
    action = await wire.action()
    assert (action["ActionID"], action["Variable"]) == (["attempt-7"], ["A=1", "B=2", "C=3"])
    await wire.respond(action, "Message: Originate successfully queued")
    answer = await soon(asking)
    assert (answer.success, answer.message) == (True, "Originate successfully queued")


async def test_a_refusal_is_returned_for_the_caller_to_decide(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action("Hangup", {"Channel": "gone"}))
    await wire.respond(await wire.action(), "Message: No such channel", response="Error")
    answer = await soon(asking)
    assert (answer.success, answer.message) == (False, "No such channel")


async def test_a_list_is_collected_and_ends(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action_list("QueueStatus", {"Queue": "support"}))
    action = await wire.action()
    mine = f"ActionID: {action['ActionID'][0]}"
    await wire.respond(action, "EventList: start", "Message: Queue status will follow")
    await wire.event("QueueMember", "Name: agent1", mine)
    await wire.event("Hangup", "Uniqueid: 5")
    await wire.event("QueueMember", "Name: agent2", mine)
    await wire.event("QueueStatusComplete", mine, "EventList: Complete", "ListItems: 2")
    assert [event.fields["Name"] for event in await soon(asking)] == ["agent1", "agent2"]
    assert await _uniqueid(one) == "5"


async def test_a_refused_list_is_raised(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action_list("ShowDialPlan", {"Context": "none"}))
    await wire.respond(await wire.action(), "Message: Did not find context", response="Error")
    with pytest.raises(AmiRefused, match="ShowDialPlan: Did not find context"):
        await soon(asking)


async def test_an_action_that_gives_no_list_is_not_an_empty_one(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action_list("CoreStatus"))
    await wire.respond(await wire.action(), "CoreCurrentCalls: 0")
    with pytest.raises(AmiProtocolError, match="gives no list"):
        await soon(asking)
    assert one.client.connected


async def test_a_list_without_end_ends_the_connection(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(max_list_events=5)
    wire = await ami_peer.accept()
    await wire.log_in()
    await one.connected()
    asking = asyncio.create_task(one.client.action_list("QueueStatus"))
    action = await wire.action()
    await wire.respond(action, "EventList: start")
    for _ in range(6):
        await wire.event("QueueMember", f"ActionID: {action['ActionID'][0]}")
    with pytest.raises(AmiFateUnknown, match="more than 5 events"):
        await soon(asking)
    await wire.until_closed()


@pytest.mark.parametrize(
    "field",
    [
        ("A", "b\r\nAction: Command"),
        ("A", "b\n"),
        ("A", "b\0"),
        ("A\r\nB", "c"),
        ("A", "x" * 1100),
        ("", "x"),
        ("A: B", "x"),
    ],
)
async def test_unsafe_fields_never_leave(joined: Joined, field: tuple[str, str]) -> None:
    one, wire = joined
    with pytest.raises(AmiUnsafeValue) as caught:
        await one.client.action("Originate", [field])
    assert isinstance(caught.value, AmiNotSent)
    assert "b" not in field[1] or field[1] not in str(caught.value)
    asking = asyncio.create_task(one.client.action("Ping"))
    action = await wire.action()
    assert action["Action"] == ["Ping"]
    await wire.respond(action)
    await soon(asking)


async def test_unsafe_action_names_and_ids_never_leave(joined: Joined) -> None:
    one, _ = joined
    with pytest.raises(AmiUnsafeValue):
        await one.client.action("Ping\r\nAction: Originate")
    with pytest.raises(AmiUnsafeValue):
        await one.client.action("Ping", action_id="1\r\n2")


async def test_no_answer_in_time_is_an_unknown_fate_and_the_late_answer_is_dropped(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action("Originate", action_id="a-1", timeout=0.05))
    late = await wire.action()
    with pytest.raises(AmiTimeout) as caught:
        await soon(asking)
    assert (caught.value.action, caught.value.action_id) == ("Originate", "a-1")
    asking = asyncio.create_task(one.client.action("Ping"))
    ping = await wire.action()
    await wire.respond(late, "Message: late")
    await wire.respond(ping, "Ping: Pong")
    assert (await soon(asking)).fields["Ping"] == "Pong"


async def test_never_sent_and_fate_unknown_are_told_apart(joined: Joined, ami_peer: AmiPeer) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action("Originate", action_id="a-1"))
    await wire.action()
    await wire.close()
    with pytest.raises(AmiFateUnknown) as lost:
        await soon(asking)
    assert lost.value.action_id == "a-1"
    assert not one.client.connected
    with pytest.raises(AmiNotSent):
        await one.client.action("Originate", action_id="a-2")


async def test_an_action_id_under_way_is_not_used_twice(joined: Joined) -> None:
    one, wire = joined
    asking = asyncio.create_task(one.client.action("Originate", action_id="a-1"))
    action = await wire.action()
    with pytest.raises(AmiNotSent, match="same ActionID"):
        await one.client.action("Originate", action_id="a-1")
    await wire.respond(action)
    assert (await soon(asking)).success


async def test_too_many_unanswered_actions_are_refused(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(max_actions=1)
    wire = await ami_peer.accept()
    await wire.log_in()
    await one.connected()
    asking = asyncio.create_task(one.client.action("Getvar"))
    action = await wire.action()
    with pytest.raises(AmiNotSent, match="1 AMI actions are unanswered"):
        await one.client.action("Getvar")
    await wire.respond(action)
    await soon(asking)


async def test_answered_pings_keep_the_connection(start_client: StartClient, ami_peer: AmiPeer) -> None:
    one = start_client(ping_interval=0.01)
    wire = await ami_peer.accept()
    await wire.log_in()
    await one.connected()
    for _ in range(5):
        ping = await wire.action()
        assert ping["Action"] == ["Ping"]
        await wire.respond(ping, "Ping: Pong")
    assert one.client.connected

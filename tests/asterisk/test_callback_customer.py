"""The customer's side of a callback: what his telephone shows, early media, his keys, a machine, hold, a new fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.customers import FAULT, called_back, cut_off, seen, spoken, unlike_ears
from tests.asterisk.heard import Told, cut, told_by
from tests.asterisk.hearing import DIDS, Caller, after, during
from tests.asterisk.sip_leg import EndedBy, Leg
from tests.asterisk.sip_messages import user_of
from tests.asterisk.sip_scripts import announces, answers, speaks

pytestmark = pytest.mark.asterisk

MAILBOX = "This is the voice mail of Anna Nowak. Please leave your name and your number, and I will call you back."


async def shown(bench: Bench, number: str, language: str) -> tuple[str, ...]:
    """Who calls, as the customer's telephone is told it: every identity that the INVITE carries."""
    await cut_off(bench, number, language)
    customer = await called_back(bench, number, language)
    invite = customer.leg.invite
    names = ("From", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID")
    found = tuple(user_of(value) for name in names for value in invite.all(name))
    customer.leg.refuse(603, "Decline")
    return found


async def test_the_number_that_he_had_called_is_shown_and_no_other(bench: Bench, number_plan: Iterator[str]) -> None:
    async def waits(leg: Leg) -> None:
        leg.ring()

    numbers = [next(number_plan) for _ in DIDS]
    bench.carrier.scripts.update(dict.fromkeys(numbers, waits))
    calls = [shown(bench, number, language) for number, language in zip(numbers, DIDS, strict=True)]
    identities = await asyncio.gather(*calls)

    assert [set(found) for found in identities] == [{did} for did in DIDS.values()]


async def test_early_media_is_no_answer_and_its_keys_are_none(bench: Bench, number: str) -> None:
    """The network's announcement, and a 1 pressed into it: only 200 is an answer, and only a key after it counts."""
    looked = asyncio.Event()

    async def answers_later(leg: Leg) -> None:
        await looked.wait()
        leg.answer()

    bench.carrier.scripts[number] = announces("1", then=answers_later)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.leg.ringing()
    await bench.observer.wait_for(
        lambda event: event.name == "DTMFEnd" or event["DialStatus"] == "PROGRESS", since=bench.since
    )
    states = bench.states(call)
    looked.set()
    await customer.leg.answered()
    gone = await customer.leg.ended()
    found = await seen(bench, call)

    assert "answered" not in states
    assert gone.by is EndedBy.THEIR_BYE
    assert (found.state, found.attempts) == ("unanswered", ["unanswered"])
    assert found.own is not None
    assert told_by(found.own) == [Told("CALLBACK")], "the greeting was said whole, to somebody who pressed nothing"


async def test_an_announcement_until_the_ring_limit_is_no_answer(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = announces()
    found = await seen(bench, await cut_off(bench, number))

    assert (found.state, found.why, found.attempts) == ("unanswered", "no_answer", ["unanswered", "unanswered"])
    assert found.own is None
    assert [(await leg.ended()).by for leg in bench.carrier.invites_to(number)] == [EndedBy.THEIR_CANCEL] * 2


async def test_every_other_key_is_passed_over(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.does(during("CALLBACK", "2456790*#"))
    await customer.leg.press("1")
    agent = await customer.agent()
    await asyncio.gather(agent.hears(customer.leg), customer.leg.hears(agent))
    await customer.leg.bye()
    await agent.ended()
    found = await seen(bench, call)

    assert found.state == "completed"
    assert found.own is not None
    assert found.own["notices"][0]["key"] == "1"


async def test_an_answering_machine_hears_who_calls_and_then_nothing(bench: Bench, number: str) -> None:
    """It talks on and on, and presses nothing: no connection, and no message after its tone."""
    bench.carrier.scripts[number] = speaks(spoken(MAILBOX), again=True)
    call = await cut_off(bench, number)
    machine = await called_back(bench, number)
    gone = await machine.leg.ended()
    found = await seen(bench, call)

    assert gone.by is EndedBy.THEIR_BYE
    assert (found.state, found.attempts, found.why) == ("unanswered", ["unanswered"], "answered without a key")
    assert found.own is not None
    assert told_by(found.own) == [Told("CALLBACK")]
    assert await unlike_ears(bench, machine.leg, found.own) == []
    (notice,) = found.own["notices"]
    assert machine.leg.heard.sounding * 20 <= notice["full_ms"] + 60, "what sounded was the greeting, and nothing else"
    assert found.own["recordings"] == []
    assert len(bench.carrier.invites_to(number)) == 1


async def test_held_in_the_greeting_and_back_again(bench: Bench, number: str) -> None:
    """He puts us on hold, takes us back, and goes on."""
    bench.carrier.scripts[number] = answers(0.2)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.begins("CALLBACK")
    await customer.leg.hold()
    await customer.leg.unhold()
    await customer.leg.press("1")
    agent = await customer.agent()
    await asyncio.gather(agent.hears(customer.leg), customer.leg.hears(agent))
    await customer.leg.bye()
    await agent.ended()
    found = await seen(bench, call)

    assert (found.state, found.attempts) == ("completed", ["completed"])


async def test_held_for_good_in_the_greeting(bench: Bench, number: str) -> None:
    """Nobody comes back to press a key: it ends like silence."""
    bench.carrier.scripts[number] = answers(0.2)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.begins("CALLBACK")
    await customer.leg.hold()
    gone = await customer.leg.ended()
    found = await seen(bench, call)

    assert gone.by is EndedBy.THEIR_BYE
    assert (found.state, found.attempts) == ("unanswered", ["unanswered"])


Fault = Callable[[Leg, Leg], Awaitable[None]]


async def _the_network_says_so(customer: Leg, _agent: Leg) -> None:
    await customer.bye(FAULT)


async def _the_customer_is_lost(customer: Leg, _agent: Leg) -> None:
    customer.vanish()


async def _the_agent_is_lost(_customer: Leg, agent: Leg) -> None:
    agent.vanish()


async def drops_again(bench: Bench, number: str, fault: Fault) -> tuple[str, bool, bool, int]:
    """The callback itself drops; its state, whether by a fault, whether refused NOT_INBOUND, and the dials in all."""
    bench.carrier.scripts[number] = answers(0.2)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.does(after("CALLBACK", "1"))
    agent = await _talks(customer)
    await fault(customer.leg, agent)
    found = await seen(bench, call)
    own = found.own
    assert own is not None
    assert (own["direction"], own["resumes"], own["callback"]) == ("callback", call, None)
    refused = "NOT_INBOUND" in own["decision"]["refusals"]
    return found.state, own["ending"]["technical"], refused, len(bench.carrier.invites_to(number))


async def _talks(customer: Caller) -> Leg:
    agent = await customer.agent()
    await asyncio.gather(agent.hears(customer.leg), customer.leg.hears(agent))
    return agent


async def test_a_callback_that_drops_is_not_called_back(bench: Bench, number_plan: Iterator[str]) -> None:
    faults = (_the_network_says_so, _the_customer_is_lost, _the_agent_is_lost)
    ends = await asyncio.gather(*(drops_again(bench, next(number_plan), fault) for fault in faults))

    assert ends == [("completed", True, True, 1)] * 3


async def test_who_objects_in_the_greeting_hears_it_confirmed_and_nothing_else(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    await customer.does(during("CALLBACK", "8"))
    gone = await customer.leg.ended()
    found = await seen(bench, call)

    assert gone.by is EndedBy.THEIR_BYE
    assert (found.state, found.attempts) == ("objected", ["objected"])
    assert found.own is not None
    assert told_by(found.own) == [cut("CALLBACK", "8"), Told("OBJECTED")]
    assert await unlike_ears(bench, customer.leg, found.own) == []

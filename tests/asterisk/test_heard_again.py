"""What a caller hears of a callback, of the short notice when he comes back, and while the service is down."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.heard import Told, built_prompts, cut, differences, heard_by, told_by
from tests.asterisk.hearing import DIDS, LISTENED, Act, Caller, after, during, hang_up
from tests.asterisk.sip_scripts import answers

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"


async def cut_off(bench: Bench, number: str, language: str) -> str:
    """The carrier cuts a talk off; returns the call's id."""
    caller = await Caller.dials(bench, number, language)
    await caller.does(during("MENU_OPTION", "1"))
    agent = await caller.talks()
    await caller.leg.bye(FAULT)
    await agent.ended()
    return await bench.logged(number)


async def called_back(bench: Bench, number: str, language: str) -> Caller:
    """The customer has answered the callback."""
    leg = await bench.carrier.called(number)
    await leg.answered()
    return Caller(bench, number, language, leg, number)


async def compare(bench: Bench, caller: Caller, call: dict[str, Any], language: str) -> list[str]:
    """What differs between the call's receipts and the caller's ears."""
    heard = await heard_by(caller.leg, await built_prompts(bench.lab))
    foreign = [str(passage) for passage in heard if passage.built.language != language]
    return differences(call["notices"], heard) + foreign


GREETED: dict[str, tuple[str, tuple[Act, ...], tuple[Told, ...], str]] = {
    "pl": ("1", (), (Told("CALLBACK", "1"), Told("REC_OBJECT"), Told("CONNECTING")), "completed"),
    "cs": ("3", (), (Told("CALLBACK", "3"), Told("WRONG_PERSON")), "wrong_person"),
    "de": (
        "1",
        (after("REC_CONSENT", "1"),),
        (Told("CALLBACK", "1"), Told("REC_CONSENT", "1"), Told("RECORDED"), Told("CONNECTING")),
        "completed",
    ),
    "en": ("8", (), (Told("CALLBACK", "8"), Told("OBJECTED")), "objected"),
}
"""In each language the key after the greeting, what follows, what is told, and what becomes of the callback."""


async def greeted(bench: Bench, number: str, language: str) -> list[str]:
    """One callback, heard; returns what is wrong with it."""
    key, acts, told, state = GREETED[language]
    bench.carrier.scripts[number] = answers(0.2)
    dropped = await cut_off(bench, number, language)
    customer = await called_back(bench, number, language)
    for act in (after("CALLBACK", key), *acts):
        await customer.does(act)
    if key == "1":
        agent = await customer.talks()
        await customer.leg.bye()
        await agent.ended()
    else:
        await customer.leg.ended()
    shown = await bench.finished(dropped)
    (attempt,) = shown["callback"]["attempts"]
    own = await bench.judged(attempt["call"])
    found = await compare(bench, customer, own, language)
    if (told_by(own), shown["callback"]["state"], own["language"]) != (list(told), state, language):
        found.append(f"{language}: {told_by(own)}, {shown['callback']['state']}, {own['language']}")
    return found


async def test_the_callback_in_each_language(bench: Bench, number_plan: Iterator[str]) -> None:
    calls = [greeted(bench, next(number_plan), language) for language in GREETED]
    assert await asyncio.gather(*calls) == [[], [], [], []]


async def test_hung_up_in_the_greeting(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2)
    dropped = await cut_off(bench, number, "pl")
    customer = await called_back(bench, number, "pl")
    await customer.does(hang_up("CALLBACK"))
    shown = await bench.finished(dropped)
    (attempt,) = shown["callback"]["attempts"]
    own = await bench.judged(attempt["call"])

    assert await compare(bench, customer, own, "pl") == []
    (notice,) = own["notices"]
    assert told_by(own) == [cut("CALLBACK")]
    assert (notice["complete"], own["recordings"]) == (False, [])


async def comes_back(
    bench: Bench, number: str, language: str, acts: Sequence[Act], told: Sequence[Told], *, agent: bool = True
) -> list[str]:
    """A caller who was cut off dials again before he is called back; returns what is wrong with what he hears."""
    await cut_off(bench, number, language)
    again = await Caller.dials(bench, number, language)
    for act in acts:
        await again.does(act)
    if agent:
        leg = await again.talks()
        await again.leg.bye()
        await leg.ended()
    call = await bench.judged(await bench.logged(number, nth=2))
    found = await compare(bench, again, call, language)
    if told_by(call) != list(told):
        found.append(f"{language}: {told_by(call)}")
    if call["notices"][0]["complete"] != agent or (call["recordings"] and not agent):
        found.append(f"{language}: {call['notices']}, {call['recordings']}")
    return found


AGAIN: dict[str, tuple[tuple[Act, ...], tuple[Told, ...]]] = {
    "pl": ((), (Told("SHORT"), Told("REC_OBJECT"))),
    "cs": ((during("SHORT", "8", LISTENED),), (cut("SHORT", "8"), Told("OBJECTED"), Told("REC_OBJECT"))),
    "de": ((), (Told("SHORT"), Told("REC_CONSENT"))),
    "en": ((during("SHORT", "9", LISTENED),), (cut("SHORT", "9"), Told("L2"), Told("REC_OBJECT"))),
}
"""In each language what a caller does who comes back, and what he is told."""


async def test_the_short_notice_in_each_language(bench: Bench, number_plan: Iterator[str]) -> None:
    calls = [comes_back(bench, next(number_plan), language, *AGAIN[language]) for language in AGAIN]
    assert await asyncio.gather(*calls) == [[], [], [], []]


async def test_hung_up_in_the_short_notice(bench: Bench, number: str) -> None:
    assert await comes_back(bench, number, "pl", [hang_up("SHORT")], [cut("SHORT")], agent=False) == []


@pytest.fixture
async def without_service(bench: Bench) -> AsyncIterator[Bench]:
    """The service is stopped as an administrator stops it; it is up again at the end."""
    await bench.lab.signal_service(signal.SIGTERM)
    yield bench
    await bench.lab.up()


async def stood_in(bench: Bench, number: str, language: str, *, hears_it: bool) -> Caller:
    """A call while the service is down, to its end."""
    caller = await Caller.dials(bench, number, language)
    if hears_it:
        agent = await caller.talks()
        await caller.leg.bye()
        await agent.ended()
    else:
        await caller.does(hang_up("STATIC"))
    return caller


async def test_the_static_notice_in_each_language(without_service: Bench, number_plan: Iterator[str]) -> None:
    """What the stand-in says is heard, and afterwards the log says so too."""
    bench = without_service
    wanted = [(language, True) for language in DIDS] + [("pl", False)]
    callers = await asyncio.gather(
        *(stood_in(bench, next(number_plan), language, hears_it=hears_it) for language, hears_it in wanted)
    )
    await bench.lab.up()
    found: list[str] = []
    for caller, (language, hears_it) in zip(callers, wanted, strict=True):
        call = await bench.judged(await bench.logged(caller.number))
        found += await compare(bench, caller, call, language)
        (notice,) = call["notices"]
        if (notice["prompt"], notice["complete"], call["recordings"]) != ("STATIC", hears_it, []):
            found.append(f"{language}: {notice}, {call['recordings']}")
    assert found == []

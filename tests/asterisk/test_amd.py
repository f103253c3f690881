"""Asterisk's AMD in place of key 1, on the real Asterisk, with real speech: who is connected, and who hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.customers import called_back, cut_off, seen, spoken, unlike_ears
from tests.asterisk.heard import Told, cut, told_by
from tests.asterisk.hearing import during
from tests.asterisk.lab import LabError
from tests.asterisk.sip_dialog import Manner
from tests.asterisk.sip_leg import EndedBy, Leg, Script
from tests.asterisk.sip_scripts import answers, speaks

pytestmark = pytest.mark.asterisk

GREETING = "You have reached the voice mail of John Smith. Please leave a message after the tone."


@asynccontextmanager
async def amd(bench: Bench) -> AsyncIterator[None]:
    """The service asks AMD, not for a key."""
    async with bench.lab.settings(("ring_limit_s = 8.0", 'ring_limit_s = 8.0\nanswer_check = "amd"')):
        yield


async def person(bench: Bench, number: str, hello: Sequence[bytes], key: str) -> list[str]:
    """Somebody says hello and listens, and presses ``key`` in the greeting, if any; returns what is wrong."""
    bench.carrier.scripts[number] = speaks(hello)
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    if key:
        await customer.does(during("CALLBACK", key))
    if key in ("", "1"):
        agent = await customer.agent()
        await asyncio.gather(agent.answered(), customer.leg.hears(agent))
        await customer.leg.bye()
        await agent.ended()
    else:
        await customer.leg.ended()
    found = await seen(bench, call)
    assert found.own is not None
    told, state = PERSONS[key]
    wrong = await unlike_ears(bench, customer.leg, found.own)
    if (told_by(found.own), found.state, found.attempts) != (list(told), state, [state]):
        wrong.append(f"{key}: {told_by(found.own)}, {found.state}, {found.attempts}")
    whys = [why for at, why in found.history if at == "answered"]
    if not any(why.startswith("a person, by AMD: HUMAN HUMAN-") for why in whys):
        wrong.append(f"{key}: {found.history}")
    return wrong


PERSONS = {
    "": ((Told("CALLBACK"), Told("REC_OBJECT"), Told("CONNECTING")), "completed"),
    "1": ((cut("CALLBACK", "1"), Told("REC_OBJECT"), Told("CONNECTING")), "completed"),
    "3": ((cut("CALLBACK", "3"), Told("WRONG_PERSON")), "wrong_person"),
    "8": ((cut("CALLBACK", "8"), Told("OBJECTED")), "objected"),
}
"""By the key in the greeting: what is told, and what becomes of the callback."""


async def test_a_person_goes_on_without_a_key_and_every_key_still_counts(
    bench: Bench, number_plan: Iterator[str]
) -> None:
    words = (spoken("Hello?"), spoken("Słucham?", "pl"), spoken("Prosím?", "cs"), spoken("Müller?", "de"))
    async with amd(bench):
        calls = [
            person(bench, next(number_plan), hello, key) for hello, key in zip(words, ("", "1", "3", "8"), strict=True)
        ]
        assert await asyncio.gather(*calls) == [[], [], [], []]


def says_nothing(*, rtp: bool) -> Script:
    """Answers, and then not a sound; without ``rtp`` not even a packet."""

    async def script(leg: Leg) -> None:
        leg.ring()
        leg.answer(Manner(silent=not rtp))
        await leg.say(())

    return script


async def machine(bench: Bench, number: str, script: Script, said: str) -> list[str]:
    """A machine answers: it is hung up on and hears nothing, and nobody is rung again; returns what is wrong."""
    bench.carrier.scripts[number] = script
    call = await cut_off(bench, number)
    customer = await called_back(bench, number)
    gone = await customer.leg.ended()
    found = await seen(bench, call)
    assert found.own is not None
    state = (gone.by, found.state, found.attempts, found.own["notices"], customer.leg.heard.sounding)
    wrong = [] if state == (EndedBy.THEIR_BYE, "unanswered", ["unanswered"], [], 0) else [f"{said}: {state}"]
    return wrong if found.why.startswith(f"a machine, by AMD: {said}") else [*wrong, f"{said}: {found.why}"]


async def test_a_machine_hears_nothing_and_is_left_no_message(bench: Bench, number_plan: Iterator[str]) -> None:
    cases = (
        (speaks(spoken(GREETING)), "MACHINE MAXWORDS-"),
        (answers(), "MACHINE LONGGREETING-"),  # the peer's tone: fax, or a beep without an end
        (says_nothing(rtp=True), "MACHINE INITIALSILENCE-"),
        (says_nothing(rtp=False), "NOTSURE TOOLONG-"),
    )
    async with amd(bench):
        calls = [machine(bench, next(number_plan), script, said) for script, said in cases]
        assert await asyncio.gather(*calls) == [[], [], [], []]


async def test_hung_up_while_amd_listens(bench: Bench, number: str) -> None:
    async def says_hello_and_goes(leg: Leg) -> None:
        leg.ring()
        leg.answer()
        await leg.say(spoken("Hello?")[:20])
        await leg.bye()

    bench.carrier.scripts[number] = says_hello_and_goes
    async with amd(bench):
        call = await cut_off(bench, number)
        found = await seen(bench, call)

    assert (found.state, found.attempts, found.why) == ("unanswered", ["unanswered"], "answered without a key")
    assert found.own is not None
    assert found.own["notices"] == []
    assert len(bench.carrier.invites_to(number)) == 1


@pytest.mark.complains("amd-missing")
async def test_without_its_module_nobody_is_taken_for_a_person(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = speaks(spoken("Hello?"))
    async with amd(bench):
        assert "app_amd.so" in _amd(await bench.lab.oddzwon("check", "--json"))["found"]
        await bench.lab.rasterisk("module unload app_amd.so")
        try:
            with pytest.raises(LabError, match=r"app_amd\.so is not loaded"):
                await bench.lab.oddzwon("check", "--json")
            size = bench.lab.log_size()
            call = await cut_off(bench, number)
            customer = await called_back(bench, number)
            await customer.leg.ended()
            found = await seen(bench, call)
        finally:
            await bench.lab.rasterisk("module load app_amd.so")
    assert (found.state, found.why) == ("unanswered", "a machine, by AMD: nothing")
    assert customer.leg.heard.sounding == 0
    assert '"condition": "amd-missing"' in bench.lab.log_lines(size)


def _amd(results: list[dict[str, str]]) -> dict[str, str]:
    return next(one for one in results if one["check"] == "AMD")

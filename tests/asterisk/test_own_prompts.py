"""The operator's own words and audio, for one number: heard by its callers alone, also while the service is down."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.texts import Language
from tests.asterisk.bench import CS, PL, Bench
from tests.asterisk.heard import built_prompts, differences, heard_by
from tests.asterisk.hearing import Caller, during
from tests.asterisk.observer import named, told
from tests.asterisk.sip_scripts import answers

pytestmark = pytest.mark.asterisk

PLACE = "short = @SHORT@"
FAULT = "Q.850;cause=38"
OWN = """
[[prompts.own]]
prompt = "L1"
language = "pl"
did = "+48221234567"
text = "{CONTROLLER} wita pod tym numerem. Sprzeciw: 8. Prawa: 9."
audio = "witamy.wav"

[[prompts.own]]
prompt = "REC_OBJECT"
language = "pl"
did = "+48221234567"
key = "1"
text = "Nagrywamy, bo {PURPOSE}. Zostaje {RETENTION}. Nie: 7."

[[prompts.own]]
prompt = "CALLBACK"
language = "pl"
did = "+48221234567"
text = "Oddzwania ten numer, {TIME}. Dalej: 1. To nie ja: 3. Nigdy: 8."

[[prompts.own]]
prompt = "STATIC"
language = "pl"
did = "+48221234567"
text = "Ten numer wita bez komputera."
"""


@pytest.fixture
async def own(bench: Bench) -> AsyncIterator[Bench]:
    """The Polish number says four prompts in its own words, one of them from a file."""
    audio = bench.lab.state / "witamy.wav"
    said = "Oddzwoń Lab wita pod tym numerem. Sprzeciw: osiem. Prawa: dziewięć."
    await EspeakSpeaker().speak(said, Language.PL, audio)
    audio.chmod(0o644)  # the service is another user where it can be
    async with bench.lab.settings((PLACE, PLACE + OWN)):
        yield bench


async def in_use(bench: Bench) -> dict[tuple[str, str | None], dict[str, Any]]:
    """The prompts of one name, by prompt and DID."""
    return {(row["prompt"], row["did"]): row for row in await bench.lab.oddzwon("prompts", "list", "--json")}


def named_as(notice: dict[str, Any], prompt: dict[str, Any]) -> bool:
    return (notice["version"], notice["sha256"]) == (prompt["version"], prompt["sha256"])


async def test_only_the_callers_of_a_number_hear_what_is_its_own(own: Bench, number_plan: Iterator[str]) -> None:
    bench, number = own, next(number_plan)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller = await Caller.dials(bench, number, "pl")
    await caller.does(during("MENU_OPTION", "1"))
    agent = await caller.talks()
    await caller.leg.bye(FAULT)
    await agent.ended()
    leg = await bench.carrier.called(number)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    inbound = await bench.finished(await bench.logged(number))
    callback = await bench.judged(await bench.logged(number, direction="callback"))

    built, prompts = await built_prompts(bench.lab), await in_use(bench)
    layer1, menu, announced = inbound["notices"]
    assert named_as(layer1, prompts["L1", PL])
    assert named_as(announced, prompts["REC_OBJECT", PL])
    assert prompts["REC_OBJECT", PL]["text"] == "Nagrywamy, bo jakość obsługi. Zostaje 30 dni. Nie: 7."
    assert menu["prompt"] == "MENU_OPTION"
    (greeting,) = await bench.lab.oddzwon("prompts", "show", callback["notices"][0]["version"], "--json")
    assert (greeting["prompt"], greeting["did"], greeting["intact"]) == ("CALLBACK", PL, True)
    assert greeting["text"].startswith("Oddzwania ten numer, ")
    assert named_as(callback["notices"][1], prompts["REC_OBJECT", PL])
    assert differences(inbound["notices"], await heard_by(caller.leg, built)) == []
    assert differences(callback["notices"], await heard_by(leg, built)) == []


async def test_without_the_service_a_number_has_its_own_notice(own: Bench, number_plan: Iterator[str]) -> None:
    bench = own
    await bench.lab.signal_service(signal.SIGKILL)
    numbers = {did: next(number_plan) for did in (PL, CS)}
    legs = {}
    for did, number in numbers.items():
        legs[did] = await bench.dial(number, did)
        agent = await bench.answered_by(legs[did])
        await legs[did].bye()
        await agent.ended()
    await bench.lab.up()
    built, prompts = await built_prompts(bench.lab), await in_use(bench)
    for did, number in numbers.items():
        (notice,) = (await bench.judged(await bench.logged(number)))["notices"]
        heard = await heard_by(legs[did], built)
        assert differences([notice], heard) == []
        assert (notice["sha256"] == prompts["STATIC", PL]["sha256"]) is (did == PL)
        assert notice["complete"]


async def test_the_dialplan_alone_finds_it_too(own: Bench, number: str) -> None:
    """Where the stand-in cannot run, Playback says it."""
    bench = own
    script = bench.lab.state / "asterisk/agi-bin/oddzwon-stand-in"
    whole = script.read_bytes()
    await bench.lab.signal_service(signal.SIGKILL)
    script.unlink()
    try:
        caller = await bench.dial(number)
        await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
        agent = await bench.answered_by(caller)
        await caller.bye()
        await agent.ended()
        await bench.observer.until_quiet()
    finally:
        script.write_bytes(whole)
        script.chmod(0o755)
    (played,) = bench.observer.among(named("Newexten", Application="Playback"), since=bench.since)
    assert played["AppData"].endswith("/pl/STATIC-48221234567")
    (heard,) = await heard_by(caller, await built_prompts(bench.lab))
    assert heard.is_of((await in_use(bench))["STATIC", PL]["sha256"])

"""The language of a call by country, by DID and by key, from the first word to the callback after a restart of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from oddzwon.domain.recording import HEARD_MS
from tests.asterisk.bench import EN, PL, Bench
from tests.asterisk.observer import named, plays
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers, refuses

pytestmark = pytest.mark.asterisk

LISTENED = 1 + 2 * HEARD_MS // 20
FAULT = "Q.850;cause=38"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
CZECH, GERMAN, FRENCH = "+420601100201", "+4915112345201", "+33612345201"


def section(text: str) -> tuple[str, str]:
    """The lab's settings with this section."""
    return ('[menu]\ndefault_key = "1"', f'[language]\n{text}\n[menu]\ndefault_key = "1"')


BY_COUNTRY_THEN_KEY = section('order = ["country", "did", "key"]\nkeys = { 6 = "en", 7 = "de" }')
BY_KEY_FIRST = section('order = ["key", "did"]\nkeys = { 5 = "pl", 6 = "en" }')


def said(call: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """The receipts: prompt, language, key."""
    return [(n["prompt"], n["language"], n["key"]) for n in call["notices"]]


async def hung_up(bench: Bench, call: str, leg: Leg) -> dict[str, Any]:
    await leg.bye()
    return await bench.judged(call)


async def newest(bench: Bench, after: set[str]) -> str:
    """The call that is not among these, once it is in the log."""
    row = await bench.lab.until(
        f"SELECT id FROM call WHERE id NOT IN ({','.join('?' * len(after))}) ORDER BY started_at DESC LIMIT 1", *after
    )
    return str(row["id"])


async def greeted(bench: Bench, number: str, did: str = PL, **how: Any) -> tuple[str, Leg]:
    """A caller who has heard layer 1 and hears the menu, with his call's id."""
    before = {row["id"] for row in bench.lab.read("SELECT id FROM call")}
    caller = await bench.in_menu(number, did, **how)
    return await newest(bench, before), caller


async def test_by_country_then_did_then_key(bench: Bench, number_plan: Iterator[str]) -> None:
    async with bench.lab.settings(BY_COUNTRY_THEN_KEY):
        await _by_country(bench, next(number_plan))
        await _german_is_asked(bench)
        await _by_key_and_back(bench, next(number_plan))
        await _by_key_in_the_menu(bench, next(number_plan))


async def _by_country(bench: Bench, number: str) -> None:
    for caller_number, did, how, language in (
        (CZECH, EN, {}, "cs"),
        (FRENCH, EN, {}, "en"),  # a country without a language of ours: the DID's
        (number, EN, {"from_header": ANONYMOUS, "headers": [("Privacy", "id")]}, "en"),  # withheld: the DID's
        (number, EN, {}, "pl"),
    ):
        mark = bench.observer.mark()
        call, caller = await greeted(bench, caller_number, did, **how)
        shown = await hung_up(bench, call, caller)
        assert shown["language"] == language
        assert {spoken for _, spoken, _ in said(shown)} == {language}
        ends = [seen for seen in bench.observer.seen[mark:] if named("Hangup")(seen)]
        assert [seen["Language"] for seen in ends] == [language]


async def _german_is_asked(bench: Bench) -> None:
    """A Polish line announces recordings; German has no such text, so its callers are asked for key 1."""
    call, caller = await greeted(bench, GERMAN)
    mark = bench.observer.mark()
    await caller.press("1")
    await bench.prompt("REC_CONSENT", since=mark)
    await caller.hears_audio(frames=LISTENED)
    await caller.press("1")
    agent = await bench.answered_by(caller)
    shown = await hung_up(bench, call, caller)
    await agent.ended()
    assert ("REC_CONSENT", "de", "1") in said(shown)
    assert [r["regime"] for r in shown["recordings"]] == ["quality"]


async def _by_key_in_the_menu(bench: Bench, number: str) -> None:
    """Who picks English hears layer 1 in it, and all that comes after: queue, redial, callback, restart or not."""
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    call, caller = await greeted(bench, number)
    mark = bench.observer.mark()
    await bench.prompt("MENU_OPTION-language_en", since=mark)
    await caller.hears_audio()
    await caller.press("6")
    await bench.prompt("en/L1", since=mark)
    await bench.prompt("en/MENU_OPTION-menu", since=mark)
    await caller.hears_audio()
    await caller.press("1")
    agent = await bench.answered_by(caller)
    await caller.bye(FAULT)
    await agent.ended()

    # the first callback meets a busy line; the service is started anew before the next
    await bench.carrier.called(number)
    await bench.lab.until(
        "SELECT 1 FROM attempt AS a JOIN callback AS b ON b.id = a.callback WHERE b.call = ?"
        " AND a.state = 'unanswered'",
        call,
    )
    bench.carrier.scripts[number] = answers(0.2, keys="1")  # it may ring as soon as the service is back
    await bench.lab.restart_service()
    leg = await bench.carrier.called(number, count=2)
    await leg.answered()
    agent = await bench.answered_by(leg)
    joined = [seen for seen in bench.observer.seen[mark:] if named("QueueCallerJoin")(seen)]
    await leg.bye(FAULT)
    await agent.ended()

    shown = await bench.finished(call)
    assert shown["language"] == "en"
    first = said(shown)
    assert first[0] == ("L1", "pl", None)
    assert first[1][:2] == ("MENU_OPTION", "pl")
    assert ("MENU_OPTION", "en", "6") in first
    after = first[first.index(("MENU_OPTION", "en", "6")) + 1 :]
    assert [prompt for prompt, _, _ in after] == ["L1", "MENU_OPTION", "REC_OBJECT"]
    assert {language for _, language, _ in after} == {"en"}
    assert all(n["complete"] for n in shown["notices"] if n["prompt"] == "L1")
    assert {seen["Language"] for seen in joined} == {"en"}
    own = await bench.judged(shown["callback"]["attempts"][-1]["call"])
    assert own["language"] == "en"
    assert said(own)[0][:2] == ("CALLBACK", "en")
    assert {language for _, language, _ in said(own)} == {"en"}


async def _by_key_and_back(bench: Bench, number: str) -> None:
    """A redial goes on in the language that was chosen; nobody asks again."""
    call, caller = await greeted(bench, number)
    mark = bench.observer.mark()
    await caller.press("7")
    await bench.prompt("de/MENU_OPTION-menu", since=mark)
    await caller.press("1")
    agent = await bench.answered_by(caller)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.lab.until("SELECT 1 FROM ending WHERE call = ?", call)
    again = await bench.dial(number)
    agent = await bench.answered_by(again)
    await again.bye()
    await agent.ended()
    second = await bench.judged(await bench.logged(number, nth=2))
    assert second["resumes"] == call
    assert second["language"] == "de"
    assert {language for _, language, _ in said(second)} == {"de"}
    assert said(second)[0][0] == "SHORT"


async def test_the_key_comes_first(bench: Bench, number_plan: Iterator[str]) -> None:
    async with bench.lab.settings(BY_KEY_FIRST):
        chosen, silent, hasty = await asyncio.gather(
            *(_offered(bench, next(number_plan), keys) for keys in ("6", "", "2"))
        )
    assert said(chosen)[:3] == [("MENU_OPTION", "pl", None), ("MENU_OPTION", "en", "6"), ("L1", "en", None)]
    assert chosen["language"] == "en"
    assert {language for _, language, _ in said(chosen)[1:]} == {"en"}

    assert said(silent)[:3] == [("MENU_OPTION", "pl", None), ("MENU_OPTION", "en", None), ("L1", "pl", None)]
    assert silent["language"] == "pl"

    # a key of the menu, pressed before it was offered: it waits, and layer 1 is heard to its end
    assert said(hasty)[2] == ("L1", "pl", None)
    assert hasty["menu_key"] == "2"


async def _offered(bench: Bench, number: str, keys: str) -> dict[str, Any]:
    """A caller who is offered the languages and presses ``keys`` while the last of them is said."""
    caller = await bench.dial(number)
    offered = plays("MENU_OPTION-language_en")
    seen = await bench.observer.wait_for(lambda seen: offered(seen) and seen["CallerIDNum"] == number)
    await caller.hears_audio(frames=10)
    await caller.press(keys)
    last = plays("REC_ANNOUNCE" if keys == "2" else "MENU_OPTION-menu")
    await bench.observer.wait_for(lambda one: last(one) and one["Channel"] == seen["Channel"])
    await caller.hears_audio()
    await caller.bye()
    return await bench.judged(await bench.logged(number))

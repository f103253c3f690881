"""The menu on the telephone: every key before, during and after each prompt, each served exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from oddzwon.domain.recording import HEARD_MS
from tests.asterisk.bench import Bench
from tests.asterisk.listening import Ear
from tests.asterisk.observer import Seen, Wanted, plays
from tests.asterisk.sip_leg import Leg

pytestmark = pytest.mark.asterisk

LISTENED = 1 + 2 * HEARD_MS // 20
"""Frames of 20 ms: a key that goes down then belongs to what is heard."""
FAULT = "Q.850;cause=38"
KEY_MS = 120
"""How long the peer holds a key."""
APART_MS = 20
AROUND_THE_END = range(-140, 101, APART_MS)
"""When a key ends, against the end of a prompt, in milliseconds."""


def heard(call: dict[str, Any], *, until: str = "REC_OBJECT") -> list[tuple[str, str | None, bool]]:
    """The receipts up to this prompt: prompt, key, complete."""
    found = [(n["prompt"], n["key"], n["complete"]) for n in call["notices"]]
    names = [name for name, _, _ in found]
    return found[: names.index(until)] if until in names else found


def waits(seen: Seen) -> bool:
    """Asterisk has just been told to wait for a key."""
    return seen.name == "AGIExecStart" and seen["Command"].startswith("WAIT FOR DIGIT")


def to(number: str, prompt: str) -> Wanted:
    """The service has just begun this prompt for this caller."""
    begun = plays(prompt)
    return lambda seen: seen["CallerIDNum"] == number and begun(seen)


async def dials(bench: Bench, number: str) -> tuple[Leg, Ear]:
    """A caller, and his ear."""
    leg = await bench.dial(number)
    return leg, Ear(bench.lab, leg)


async def in_menu(bench: Bench, number: str) -> tuple[Leg, Ear]:
    """A caller who hears the menu, while others do other things; and his ear."""
    leg, ear = await dials(bench, number)
    await ear.hears("MENU_OPTION")
    return leg, ear


async def hung_up(bench: Bench, number: str, leg: Leg) -> dict[str, Any]:
    """The call, once he has hung up and it is judged."""
    await leg.bye()
    return await bench.judged(await bench.logged(number))


async def test_layer_2_as_often_as_he_likes_and_back_to_the_menu(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    for key, prompt in [("9", "L2"), ("9", "L2"), ("0", "MENU_OPTION"), ("#", "MENU_OPTION"), ("2", "REC_ANNOUNCE")]:
        mark = bench.observer.mark()
        await caller.press(key)
        await bench.prompt(prompt, since=mark)
        await caller.hears_audio()
    call = await hung_up(bench, number, caller)

    assert heard(call, until="REC_ANNOUNCE") == [
        ("L1", None, True),
        ("MENU_OPTION", "9", True),
        ("L2", "9", True),
        ("L2", "0", True),
        ("MENU_OPTION", "#", True),
        ("MENU_OPTION", "2", True),
    ]
    assert call["menu_key"] == "2"


async def test_a_key_of_the_menu_ends_layer_2_and_is_served_another_does_not(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    await caller.press("9")
    await bench.prompt("L2")
    await caller.hears_audio()
    await caller.press("5")
    mark = bench.observer.mark()
    await caller.press("1")
    await bench.prompt("REC_OBJECT", since=mark)
    call = await hung_up(bench, number, caller)

    assert heard(call) == [("L1", None, True), ("MENU_OPTION", "9", True), ("L2", "1", True)]
    assert call["menu_key"] == "1"


async def test_silence_is_asked_again_and_then_served_as_the_default(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    await bench.prompt("REC_OBJECT")
    call = await hung_up(bench, number, caller)
    assert heard(call) == [("L1", None, True), ("MENU_OPTION", None, True), ("MENU_OPTION", None, True)]
    assert call["menu_key"] == "1"


async def test_a_key_that_means_nothing_is_answered_at_once(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    mark = bench.observer.mark()
    await caller.press("5")
    await bench.prompt("MENU_OPTION", since=mark)
    await caller.hears_audio()
    await caller.press("*")
    await bench.prompt("REC_OBJECT")
    call = await hung_up(bench, number, caller)
    assert heard(call) == [("L1", None, True), ("MENU_OPTION", "5", True), ("MENU_OPTION", "*", True)]
    assert call["menu_key"] == "1"


async def test_the_key_after_the_menu_stands_on_its_receipt(bench: Bench, number: str) -> None:
    """In the silence that the menu leaves for an answer."""
    mark = bench.observer.mark()
    caller = await bench.in_menu(number)
    await bench.observer.wait_for(waits, since=mark)
    await caller.press("1")
    await bench.prompt("REC_OBJECT")
    (menu,) = [n for n in (await hung_up(bench, number, caller))["notices"] if n["prompt"] == "MENU_OPTION"]
    assert (menu["key"], menu["complete"]) == ("1", True)
    assert menu["played_ms"] == menu["full_ms"]


# --- the objection --------------------------------------------------------------------------------------------------


def objection(bench: Bench, call: str) -> tuple[int, bool]:
    """How many objections the call has made, and whether one of them stands."""
    rows = bench.lab.read("SELECT withdrawn_at FROM objection WHERE call = ? AND scope = 'callback'", call)
    return len(rows), any(row["withdrawn_at"] is None for row in rows)


DURING, AFTER, LATER = "while it is confirmed", "after it was confirmed", "later, from layer 2"


async def test_an_objection_is_taken_back(bench: Bench, number_plan: Iterator[str]) -> None:
    calls = await asyncio.gather(*(taken_back(bench, next(number_plan), when) for when in (DURING, AFTER, LATER)))
    for when, call in zip((DURING, AFTER, LATER), calls, strict=True):
        assert objection(bench, call["id"]) == (1, False), when
        confirmed = next(key for prompt, key, _ in heard(call) if prompt == "OBJECTED")
        assert confirmed == ("8" if when is DURING else None)
        # he hung up while he was told so, and that receipt does not say more than he heard
        assert heard(call)[-1] == ("OBJECTION_UNDONE", None, False)


async def taken_back(bench: Bench, number: str, when: str) -> dict[str, Any]:
    """The call of one who objects, and presses 8 once more then."""
    leg, ear = await in_menu(bench, number)
    await leg.press("8")
    await ear.hears("OBJECTED", LISTENED)
    assert objection(bench, await bench.logged(number)) == (1, True)
    if when is not DURING:
        await ear.hears("MENU_OPTION")
    if when is LATER:
        await leg.press("9")
        await ear.hears("L2")
    await leg.press("8")
    await ear.hears("OBJECTION_UNDONE")
    return await hung_up(bench, number, leg)


async def test_who_objected_is_not_called_back(bench: Bench, number: str) -> None:
    """A key ends the confirmation, and is served."""
    caller = await bench.in_menu(number)
    await caller.press("8")
    await bench.prompt("OBJECTED")
    await caller.hears_audio(frames=LISTENED)
    await caller.press("1")
    agent = await bench.answered_by(caller)
    await caller.bye(FAULT)
    await agent.ended()
    call = await bench.judged(await bench.logged(number))
    assert ("OBJECTED", "1", True) in heard(call)
    assert call["decision"]["refusals"] == ["OBJECTED"]
    assert bench.carrier.invites_to(number) == []


async def test_a_hasty_double_press_takes_no_objection_back(bench: Bench, number: str) -> None:
    """The second 8 comes before he can have heard that the first was taken."""
    caller = await bench.in_menu(number)
    call = await bench.logged(number)
    await caller.press("88")
    await bench.prompt("OBJECTED")
    mark = bench.observer.mark()
    await bench.prompt("MENU_OPTION", since=mark)
    await caller.press("1")
    await bench.prompt("REC_OBJECT")
    shown = await hung_up(bench, number, caller)
    assert objection(bench, call) == (1, True)
    assert "OBJECTION_UNDONE" not in [prompt for prompt, _, _ in heard(shown)]
    assert ("OBJECTED", None, True) in heard(shown)


# --- keys that come early, or close together ------------------------------------------------------------------------


PRESSED_AHEAD = {"92": [], "82": [("OBJECTED", None, True)], "512": []}
"""Keys during layer 1, and the receipts between it and the announcement of key 2 (1 for the last)."""


async def test_what_is_pressed_during_layer_1_waits_for_its_end_and_is_served_once(
    bench: Bench, number_plan: Iterator[str]
) -> None:
    """Neither layer 2 nor the menu keeps him who knows what he wants; an objection is confirmed all the same."""
    calls = await asyncio.gather(*(pressed_ahead(bench, next(number_plan), keys) for keys in PRESSED_AHEAD))
    for (keys, between), call in zip(PRESSED_AHEAD.items(), calls, strict=True):
        chosen = "1" if "1" in keys else "2"
        until = "REC_OBJECT" if chosen == "1" else "REC_ANNOUNCE"
        assert call["notices"][0]["played_ms"] == call["notices"][0]["full_ms"]
        assert heard(call, until=until) == [("L1", None, True), *between], keys
        assert call["menu_key"] == chosen


async def pressed_ahead(bench: Bench, number: str, keys: str) -> dict[str, Any]:
    leg, ear = await dials(bench, number)
    await ear.hears("L1")
    await leg.press(keys)
    await ear.hears("REC_OBJECT" if "1" in keys else "REC_ANNOUNCE")
    return await hung_up(bench, number, leg)


IN_ONE_GO = {"91": "1", "01": "1", "9902": "2", "#2": "2", "51": "1", "82": "2", "12": "1"}
"""Keys, and the one of them that chooses a queue."""


async def test_keys_in_one_go(bench: Bench, number_plan: Iterator[str]) -> None:
    """As a telephone sends them from its memory: 120 ms each, one right behind the other."""
    calls = await asyncio.gather(*(in_one_go(bench, next(number_plan), *case) for case in IN_ONE_GO.items()))
    for (keys, chosen), call in zip(IN_ONE_GO.items(), calls, strict=True):
        assert call["menu_key"] == chosen, keys
        prompts = [prompt for prompt, _, _ in heard(call)]
        assert prompts.count("MENU_OPTION") <= 2, keys
        assert prompts.count("L2") <= keys.count("9"), keys
        assert "OBJECTION_UNDONE" not in prompts, keys
        assert objection(bench, call["id"])[0] == keys.count("8"), keys


async def in_one_go(bench: Bench, number: str, keys: str, chosen: str) -> dict[str, Any]:
    leg, ear = await in_menu(bench, number)
    await leg.press(keys)
    await ear.hears("REC_OBJECT" if chosen == "1" else "REC_ANNOUNCE")
    return await hung_up(bench, number, leg)


async def one_press(bench: Bench, number: str, after_ms: int) -> int:
    """Press 9 so that it ends ``after_ms`` after layer 1 was begun; returns how often layer 2 was begun."""
    caller = await bench.dial(number)
    await caller.hears_audio(frames=1)
    began = caller.heard.kept[0].at  # Asterisk sends nothing before it plays something
    await asyncio.sleep(max(0.0, began + (after_ms - KEY_MS) / 1000 - asyncio.get_running_loop().time()))
    await caller.press("9")
    layer2 = to(number, "/L2")
    begun = await bench.observer.wait_for(layer2)
    # it goes on to the menu when layer 2 is over: had the key counted twice, layer 2 would begin again
    await bench.observer.wait_for(to(number, "MENU_OPTION"), since=bench.observer.seen.index(begun))
    count = len(bench.observer.among(layer2))
    await caller.bye()
    return count


async def test_a_key_at_the_very_end_of_layer_1_is_served_once(bench: Bench, number_plan: Iterator[str]) -> None:
    """Asterisk drops for AGI what ends between two of its commands: the event of it counts then, and only then."""
    first = next(number_plan)
    caller = await bench.in_menu(first)
    await caller.bye()
    full_ms = (await bench.judged(await bench.logged(first)))["notices"][0]["full_ms"]
    moments = [full_ms + after for after in AROUND_THE_END]
    numbers = [next(number_plan) for _ in moments]
    bench.numbers += numbers
    counts = await asyncio.gather(*(one_press(bench, n, at) for n, at in zip(numbers, moments, strict=True)))
    assert counts == [1] * len(moments)


# --- hung up in the middle ------------------------------------------------------------------------------------------


IN_THE_MIDDLE_OF = {"L1": "", "MENU_OPTION": "0", "L2": "9", "OBJECTED": "8", "REC_OBJECT": "1"}
"""Prompts, and the key of the menu that leads to them."""


async def test_hung_up_in_mid_prompt(bench: Bench, number_plan: Iterator[str]) -> None:
    """The receipt says how much of it he heard, and that it was not all."""
    calls = await asyncio.gather(*(cut_short(bench, next(number_plan), *case) for case in IN_THE_MIDDLE_OF.items()))
    for prompt, call in zip(IN_THE_MIDDLE_OF, calls, strict=True):
        last = call["notices"][-1]
        assert last["prompt"] == prompt
        assert (last["complete"], last["key"]) == (False, None), prompt
        assert 0 < last["played_ms"] < last["full_ms"], prompt
        assert call["recordings"] == []
    assert "NO_NOTICE" in calls[0]["decision"]["refusals"]


async def cut_short(bench: Bench, number: str, prompt: str, key: str) -> dict[str, Any]:
    """The call of one who hangs up while he hears this."""
    leg, ear = await (in_menu if key else dials)(bench, number)
    await leg.press(key)
    await ear.hears(prompt, 10)
    return await hung_up(bench, number, leg)


# --- layer 1 may be skipped -----------------------------------------------------------------------------------------


async def test_layer_1_ends_by_a_key_where_the_operator_lets_it(bench: Bench, number_plan: Iterator[str]) -> None:
    """Its receipt holds the key, which is served in the menu; one that came before anything was heard ends nothing."""
    number, hasty = next(number_plan), next(number_plan)
    async with bench.lab.settings(('default_key = "1"', 'default_key = "1"\nlayer1_skippable = true')):
        caller, ear = await dials(bench, number)
        await ear.hears("L1", LISTENED)
        await caller.press("2")
        await ear.hears("REC_ANNOUNCE")
        call = await hung_up(bench, number, caller)

        caller, ear = await dials(bench, hasty)
        await ear.hears("L1")
        await caller.press("2")
        await ear.hears("REC_ANNOUNCE")
        early = await hung_up(bench, hasty, caller)
    assert heard(call, until="REC_ANNOUNCE") == [("L1", "2", True)]
    assert HEARD_MS <= call["notices"][0]["played_ms"] < call["notices"][0]["full_ms"]
    assert call["menu_key"] == "2"
    assert heard(early, until="REC_ANNOUNCE") == [("L1", None, False), ("L1", None, True)]
    assert early["menu_key"] == "2"

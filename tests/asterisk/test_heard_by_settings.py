"""Heard where the settings allow for it: a contract's announcement in mid-talk, the agent's question, a language by
key, layer 1 cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.heard import Told, built_prompts, cut, differences, heard_by, told_by
from tests.asterisk.hearing import LISTENED, Caller, after, during

pytestmark = pytest.mark.asterisk

ORDERS = """agents_consented = false
contract = { reference = "ORDERS", retention_days = 30, purpose = "order", basis = "contract", other_channel = "post" }
"""
ENGLISH = """[language]
order = ["did", "key"]
keys = { 6 = "en" }
[menu]
default_key = "1"
layer1_skippable = true
"""
SETTINGS = (("agents_consented = true\n", ORDERS), ('[menu]\ndefault_key = "1"\n', ENGLISH))
CONTRACT = "*#1"
SECOND = 50
"""Frames of 20 ms."""


async def test_what_is_heard_where_the_settings_allow_for_it(bench: Bench, number_plan: Iterator[str]) -> None:
    async with bench.lab.settings(*SETTINGS):
        found = await asyncio.gather(
            _a_contract_is_announced(bench, next(number_plan)),
            _the_agent_is_asked(bench, next(number_plan)),
            _a_language_is_chosen(bench, next(number_plan)),
            _layer1_is_skipped(bench, next(number_plan)),
        )
    assert list(found) == [[], [], [], []]


async def _a_contract_is_announced(bench: Bench, number: str) -> list[str]:
    """The caller hears all of it in the middle of the talk; the agent, who began it, hears no prompt."""
    caller = await Caller.dials(bench, number, "pl")
    await caller.does(during("MENU_OPTION", "1"))
    agent = await caller.talks()
    call = await bench.logged(number)
    await agent.press(CONTRACT)
    await caller.begins("REC_ANNOUNCE")
    sql = "SELECT 1 FROM recording WHERE call = ? AND regime = 'contract' AND state = 'recording'"
    await bench.lab.until(sql, call)
    await asyncio.gather(agent.hears(caller.leg), caller.leg.hears(agent))
    await caller.leg.bye()
    await agent.ended()

    shown = await bench.judged(call)
    built = await built_prompts(bench.lab)
    found = differences(shown["notices"], await heard_by(caller.leg, built))
    told = [Told("L1"), cut("MENU_OPTION", "1"), Told("REC_OBJECT"), Told("REC_ANNOUNCE")]
    if told_by(shown) != told:
        found.append(f"told was {told_by(shown)}")
    return found + [f"the agent heard {passage}" for passage in await heard_by(agent, built)]


async def _the_agent_is_asked(bench: Bench, number: str) -> list[str]:
    """A German agent hears each question for his consent to its end, and the caller hears nothing of it."""
    (before,) = bench.lab.read("SELECT coalesce(max(id), 0) AS last FROM agent_consent")  # other tests' agents
    caller = await Caller.dials(bench, number, "de")
    await caller.does(during("MENU_OPTION", "1"))
    await caller.does(after("REC_CONSENT", "1"))
    agent = await caller.agent()
    await agent.answered()
    asked = Caller(bench, number, "de", agent, number)
    for _ in ("this recording", "a contract segment"):
        await asked.does(after("REC_CONSENT_AGENT", "1"))
    await asyncio.gather(agent.hears(caller.leg), caller.leg.hears(agent))
    await caller.leg.hears_audio(frames=SECOND)
    await caller.leg.bye()
    await agent.ended()

    shown = await bench.judged(await bench.logged(number))
    asked_for = "SELECT * FROM agent_consent WHERE source = 'asked' AND language = 'de' AND id > ?"
    answers = bench.lab.read(asked_for, before["last"])
    receipts = [dict(row) | {"complete": row["played_ms"] == row["full_ms"]} for row in answers]
    built = await built_prompts(bench.lab)
    found = differences(shown["notices"], await heard_by(caller.leg, built))
    found += differences(receipts, await heard_by(agent, built))
    if [(one["prompt"], one["key"], one["agreed"]) for one in receipts] != 2 * [("REC_CONSENT_AGENT", "1", 1)]:
        found.append(f"the agent's receipts are {receipts}")
    if len(shown["recordings"]) != 1:
        found.append(f"recorded: {shown['recordings']}")
    return found


async def _a_language_is_chosen(bench: Bench, number: str) -> list[str]:
    """The Polish menu offers English in English; who takes it hears layer 1 in it, and all that comes after."""
    caller = await Caller.dials(bench, number, "pl")
    await caller.begins("MENU_OPTION")
    caller.language = "en"
    await caller.does(during("MENU_OPTION", "6"))
    await caller.does(during("MENU_OPTION", "1"))
    agent = await caller.talks()
    await caller.leg.bye()
    await agent.ended()

    shown = await bench.judged(await bench.logged(number))
    found = differences(shown["notices"], await heard_by(caller.leg, await built_prompts(bench.lab)))
    told = [(one["language"], one["prompt"], one["complete"]) for one in shown["notices"]]
    wanted = [("pl", "L1"), ("pl", "MENU_OPTION"), ("en", "MENU_OPTION"), ("en", "L1"), ("en", "MENU_OPTION")]
    if told != [(*one, True) for one in (*wanted, ("en", "REC_OBJECT"))]:
        found.append(f"told was {told}")
    return found


async def _layer1_is_skipped(bench: Bench, number: str) -> list[str]:
    """A key ends layer 1 where the operator allows it, stands on its receipt, and is the choice in the menu as well."""
    caller = await Caller.dials(bench, number, "cs")
    await caller.does(during("L1", "2", LISTENED))
    agent = await caller.talks()
    await caller.leg.bye()
    await agent.ended()

    shown = await bench.judged(await bench.logged(number))
    found = differences(shown["notices"], await heard_by(caller.leg, await built_prompts(bench.lab)))
    if told_by(shown) != [cut("L1", "2"), Told("REC_ANNOUNCE")] or shown["menu_key"] != "2":
        found.append(f"told was {told_by(shown)}, the key {shown['menu_key']}")
    return found

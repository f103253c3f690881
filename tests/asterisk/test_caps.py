"""The caps against fraud: the dial that would pass one is not made, and the operator is told why."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.asterisk.bench import FINAL, Bench
from tests.asterisk.holding import FAULT, dropped, history, outcomes, rung, talk_and_hang_up
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("callback-cap")]

REACHED = '"condition": "callback-cap"'


async def test_the_second_dial_to_a_number_is_one_too_many(
    bench: Bench, number_plan: Iterator[str], number: str
) -> None:
    other = next(number_plan)
    bench.carrier.script = answers(0.2, keys="1")
    async with bench.lab.settings(("per_number_day = 100", "per_number_day = 1")):
        first = await dropped(bench, number)
        await talk_and_hang_up(bench, await bench.carrier.called(number, within=30.0), await rung(bench))
        assert (await bench.finished(first))["callback"]["state"] == "completed"
        assert REACHED not in bench.lab.log_lines(bench.log_from)

        second = await talks_again_and_drops(bench, number)
        shown = await bench.finished(second)
        assert shown["decision"]["allowed"] is True
        assert history(bench, second)[-1] == ("failed", "1 of 1 dials to the number in 24 h")
        assert outcomes(shown) == []
        assert bench.lab.log_lines(bench.log_from).count(REACHED) == 1

        # whom the cap does not mean is called as ever
        await bench.observer.until_free(["PJSIP/agent1"])
        third = await dropped(bench, other)
        await talk_and_hang_up(bench, await bench.carrier.called(other, within=30.0), await rung(bench))
        assert (await bench.finished(third))["callback"]["state"] == "completed"
    assert [leg.to_number for leg in bench.carrier.invites] == [number, other]


async def talks_again_and_drops(bench: Bench, number: str) -> str:
    """The number's next call, which begins with the short notice or the whole one, and is cut off in the talk."""
    await bench.observer.until_free(["PJSIP/agent1"])
    caller = await bench.dial(number)
    agent = await rung(bench)
    await asyncio.gather(caller.hears(agent), agent.hears(caller))
    await caller.bye(FAULT)
    await agent.ended()
    return await bench.logged(number, nth=2)


async def test_of_two_that_drop_at_once_only_one_is_dialled(bench: Bench) -> None:
    """Numbers with the same beginning, of which one may be dialled: each was under the cap when it was asked first."""
    beginning = f"+420777{secrets.randbelow(1000):03d}"
    numbers = [f"{beginning}{n:03d}" for n in (1, 2)]
    bench.carrier.script = answers(0.2, keys="1")
    async with bench.lab.settings(("per_prefix_hour = 100000", "per_prefix_hour = 1\nprefix_digits = 9")):
        talks = [await talk_with(bench, number, agent) for agent, number in enumerate(numbers)]
        for caller, _ in talks:
            await caller.bye(FAULT)
        for _, agent in talks:
            await agent.ended()
        shown = [await over(bench, number) for number in numbers]
    (dialled,) = bench.carrier.invites
    capped = next(one for one in shown if one["callback"]["state"] == "failed")
    assert dialled.to_number in numbers
    assert sorted(len(one["callback"]["attempts"]) for one in shown) == [0, 1]
    assert history(bench, capped["id"])[-1][1] == "1 of 1 dials to numbers with the same beginning in an hour"


async def talk_with(bench: Bench, number: str, agent: int) -> tuple[Leg, Leg]:
    caller = await bench.in_menu(number)
    await caller.press("1")
    return caller, await bench.answered_by(caller, agent)


async def over(bench: Bench, number: str) -> dict[str, Any]:
    """The number's call once its callback is final: a customer who was reached hangs up as soon as he talks."""
    call = await bench.logged(number)
    await bench.lab.until(
        f"SELECT 1 FROM callback WHERE call = ? AND state IN ('connected', {FINAL[1:-1]})", call, within=60.0
    )
    for leg in bench.carrier.invites_to(number):
        await leg.bye()
    return await bench.finished(call)

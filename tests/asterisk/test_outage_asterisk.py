"""Asterisk dies, or is stopped, under calls: who is called back, in which order, and never more than free agents.

Three callers talk and one, who had called before them all, waits in the queue.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.asterisk.bench import SETTLED_S, TIE, Bench
from tests.asterisk.conftest import KeepRow
from tests.asterisk.endings.hand import Hand
from tests.asterisk.endings.said import of_call
from tests.asterisk.lab import LabError
from tests.asterisk.observer import named
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost")]

BACK_S = 2 * PATIENCE_S
"""Until the service's back-off is over, and the agents' phones have answered the new Asterisk's first OPTIONS."""
LOOKS_AGAIN = 150
"""Frames of 20 ms: in this time a callback that waits for an agent has asked for one again."""
NOBODY_FREE = """
    SELECT 1 FROM callback_event AS e JOIN callback AS b ON b.id = e.callback
    WHERE b.call = ? AND e.state = 'waiting' AND e.why = 'no agent is free'"""


def phones(bench: Bench, *there: int) -> None:
    """The phones of these agents (1 to 4) have their plug in, all others' is out."""
    for n, phone in enumerate(bench.agents, 1):
        phone.off = n not in there


async def seen_as(bench: Bench, *, free: int) -> None:
    """Until so many of the agents are free in Asterisk's eyes."""
    async with asyncio.timeout(PATIENCE_S):
        while sum(state == "1" for state in bench.observer.devices.values()) != free:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def talking(bench: Bench, callers: list[Leg]) -> None:
    """Until each of the callers, who have pressed 1, hears an agent, and as many of the first agents hear a caller."""
    agents = await asyncio.gather(*(phone.rung(SETTLED_S, besides=bench.met) for phone in bench.agents[: len(callers)]))
    bench.met += agents
    await asyncio.gather(*(leg.answered() for leg in agents))
    # an agent's tone and a caller's differ; which of them has whom is the queue's to say
    await asyncio.gather(*(leg.hears(callers[0]) for leg in agents), *(leg.hears(agents[0]) for leg in callers))


async def waits_in_queue(bench: Bench, number: str) -> Leg:
    """A caller who waits in the queue whoever is free: no agent is dear enough for him.

    In the other queue, of the same agents: there he takes nobody's turn.
    """
    mark = bench.observer.mark()
    caller = await bench.in_menu(number)
    seen = await bench.observer.wait_for(named("Newchannel", CallerIDNum=number), since=mark)
    async with Hand(bench.lab.asterisk) as hand:
        await hand.sets(seen["Channel"], "QUEUE_MIN_PENALTY", "99")
    await caller.press("2")
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM call WHERE id = ? AND stage = 'queued'", call)
    return caller


@dataclass(frozen=True, slots=True)
class House:
    """Who talks, in the order of their calls, and who waits, by number; ``legs`` are theirs and the agents'."""

    talk: list[str]
    waits: str
    legs: list[Leg]

    @property
    def in_line(self) -> list[str]:
        """Everybody, in the order in which they must be called back."""
        return [*self.talk, self.waits]


async def a_full_house(bench: Bench, plan: Iterator[str]) -> House:
    """Three talk; one, who had called before them, waits. The fourth agent's phone is off."""
    phones(bench, 1, 2, 3)
    await seen_as(bench, free=3)
    waits, *talk = (next(plan) for _ in range(4))
    for number in (waits, *talk):
        bench.carrier.scripts[number] = answers(0.2, keys="1")
    waiting = await waits_in_queue(bench, waits)
    callers = [await bench.dial(number) for number in talk]
    for caller in callers:
        await caller.hears_audio()
        await caller.press("1")
    await talking(bench, callers)
    return House(talk, waits, [waiting, *callers, *bench.met])


async def killed(bench: Bench, house: House) -> None:
    """Asterisk is gone without a word to anybody, and runs again. What the phones say meanwhile nobody hears."""
    await bench.lab.kill_asterisk()
    for leg in house.legs:
        leg.vanish()
    await runs_again(bench)


async def stopped(bench: Bench, house: House) -> None:
    """Asterisk was told to stop, as by a package's upgrade: it says goodbye to every phone, and runs again."""
    await bench.lab.kill_asterisk(signal.SIGTERM)
    await asyncio.gather(*(leg.ended() for leg in house.legs))
    await runs_again(bench)


async def runs_again(bench: Bench) -> None:
    """The lab is up again."""
    await bench.lab.up()
    await bench.observer.watch_again()


async def over(bench: Bench, numbers: list[str]) -> list[dict[str, Any]]:
    """The numbers' first calls, once the callback of each is final: lost by the PBX's fault, called back once."""
    shown = [await bench.finished(await bench.logged(number)) for number in numbers]
    for number, call in zip(numbers, shown, strict=True):
        ending = call["ending"]
        assert (ending["party"], ending["technical"], ending["confidence"]) == ("pbx", True, "high")
        assert call["decision"]["allowed"] is True
        assert len(bench.lab.read("SELECT 1 FROM ending WHERE call = ?", call["id"])) == 1
        assert len(bench.lab.read(TIE, call["id"])) == 1
        assert call["callback"]["state"] == "completed"
        assert len(bench.carrier.invites_to(number)) == 1
    return shown


async def most_at_once(legs: list[Leg]) -> int:
    """How many of these calls were under way at the same moment, at most."""
    ends = [(await leg.ended()).at for leg in legs]
    return max(sum(other.began <= leg.began < end for other, end in zip(legs, ends, strict=True)) for leg in legs)


@pytest.mark.parametrize("ends", [killed, stopped])
async def test_all_are_called_back(
    bench: Bench, number_plan: Iterator[str], ends: Callable[[Bench, House], Awaitable[None]], table_row: KeepRow
) -> None:
    house = await a_full_house(bench, number_plan)
    phones(bench, 1, 2, 3, 4)
    await ends(bench, house)
    legs = [await bench.carrier.called(number, within=BACK_S) for number in house.in_line]
    await asyncio.gather(*(leg.answered() for leg in legs))
    await talking(bench, legs)
    for leg in legs:
        await leg.bye()

    shown = await over(bench, house.in_line)
    assert [call["stage"] for call in shown] == ["talking", "talking", "talking", "queued"]
    # there is an agent for each: whose picks up first is chance
    assert sorted(leg.to_number for leg in bench.carrier.invites) == sorted(house.in_line)
    talked, waited = shown[0], shown[-1]
    if ends is killed:
        table_row("Asterisk killed while talking", of_call(bench, talked, recorded=True), talked)
        table_row("Asterisk killed in the queue", of_call(bench, waited, recorded=True), waited)
    else:  # every leg is told at once, the agent's or the caller's first
        table_row("Asterisk stopped by SIGTERM while talking", of_call(bench, talked, races=True), talked)
        table_row("Asterisk stopped by SIGTERM in the queue", of_call(bench, waited), waited)


async def test_those_who_talked_first_and_never_more_at_once_than_free_agents(
    bench: Bench, number_plan: Iterator[str]
) -> None:
    """Asterisk is back before any agent's phone, and then only two of them come."""
    house = await a_full_house(bench, number_plan)
    first, second, third, last = house.in_line
    phones(bench)
    await killed(bench, house)
    for number in house.in_line:
        await bench.lab.until(NOBODY_FREE, await bench.logged(number), within=BACK_S)
    assert bench.carrier.invites == []

    phones(bench, 1, 2)
    talks = [await bench.carrier.called(number, within=BACK_S) for number in (first, second)]
    await asyncio.gather(*(leg.answered() for leg in talks))
    await talking(bench, talks)
    await talks[0].hears_audio(frames=LOOKS_AGAIN)
    assert len(bench.carrier.invites) == 2
    for ends, number in zip(tuple(talks), (third, last), strict=True):
        await ends.bye()
        leg = await bench.carrier.called(number, within=SETTLED_S)
        talks.append(leg)
        await leg.answered()
        await leg.hears(bench.met[-1])
        await leg.hears_audio(frames=LOOKS_AGAIN)
    for leg in talks[2:]:
        await leg.bye()

    await over(bench, house.in_line)
    assert [leg.to_number for leg in talks] == house.in_line
    assert {leg.to_number for leg in bench.carrier.invites[:2]} == {first, second}
    assert [leg.to_number for leg in bench.carrier.invites[2:]] == [third, last]
    assert await most_at_once(talks) == 2


async def stops_gracefully(bench: Bench) -> None:
    """Asterisk has let its last call end, and is gone; with it the console that told it to, in its container."""
    with suppress(LabError):
        await bench.lab.rasterisk("core stop gracefully")


async def test_a_drop_while_asterisk_waits_for_its_last_call(
    bench: Bench, number_plan: Iterator[str], table_row: KeepRow
) -> None:
    """`core stop gracefully` takes no new call: who drops now is called back after the restart; no dial is wasted."""
    number, other = next(number_plan), next(number_plan)
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    last, last_agent = await bench.talks(other)
    caller = await bench.in_menu(number)
    await caller.press("1")
    agent = await bench.answered_by(caller, 1)
    stopping = asyncio.create_task(stops_gracefully(bench))
    await bench.observer.until_refused()
    await caller.bye("Q.850;cause=38")
    await agent.ended()
    call = await bench.logged(number)
    await bench.lab.until(NOBODY_FREE, call, within=BACK_S)
    assert bench.carrier.invites == []
    await last.bye()
    await last_agent.ended()
    await stopping
    await runs_again(bench)
    leg = await bench.carrier.called(number, within=BACK_S)
    await leg.answered()
    await leg.hears(agent)  # or another agent: their tones are one
    await leg.bye()

    shown = await bench.finished(call)
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("carrier", True)
    assert [(a["n"], a["state"]) for a in shown["callback"]["attempts"]] == [(1, "completed")]
    left = await bench.judged(await bench.logged(other))
    assert left["callback"] is None
    assert len(bench.carrier.invites) == 1
    table_row("`core stop gracefully`, BYE with Reason Q.850 38 meanwhile", of_call(bench, shown), shown)
    table_row("`core stop gracefully`, BYE meanwhile", of_call(bench, left), left)

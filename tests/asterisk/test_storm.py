"""A failure cuts off many calls at once: the callbacks leave spread and in order, and the operator is told once.

STORM_CALLS sets how many; 200 with audio need a core and a half for Asterisk alone.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from sqlite3 import Row

import pytest

from tests.asterisk.bench import PL, Bench
from tests.asterisk.crowd import A_SECOND, Crowd
from tests.asterisk.lab import Lab
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers, refuses

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost", '"storm"')]

CALLS = int(os.environ.get("STORM_CALLS", "60"))
CHANNELS, A_MINUTE = 3, CALLS // 5
IN_A_SECOND = 5 * -(-A_MINUTE // 60)
LAPSE_S = 45
"""Less than a minute: no more than a fifth can be dialled, the rest must lapse."""
AGENTS, AGENTS_TONE = 4, 16
IN_HOUSE_S = CALLS / A_SECOND + 60.0
OVER_S = LAPSE_S + 120.0

HOOK = """#!/bin/sh
printf '%s|%s|%s\\n' "$ODDZWON_ALARM" "$ODDZWON_ALARM_STATE" "$ODDZWON_ALARM_TEXT" >>"$0.told"
"""
DROPS = """
    SELECT c.id, p.number, e.stage, c.started_at, d.allowed, b.id AS callback, b.state,
      (SELECT count(*) FROM attempt AS a WHERE a.callback = b.id AND a.never_existed = 0) AS dials,
      (SELECT count(*) FROM attempt AS a WHERE a.callback = b.id AND a.answered_at IS NOT NULL) AS answers,
      (SELECT min(a.at) FROM attempt AS a WHERE a.callback = b.id) AS first_dial,
      (SELECT v.why FROM callback_event AS v WHERE v.callback = b.id ORDER BY v.seq DESC LIMIT 1) AS why,
      (SELECT count(*) FROM decision_condition AS n WHERE n.decision = d.id AND n.passed IS NOT 1) AS refusals
    FROM call AS c JOIN party AS p ON p.id = c.party JOIN ending AS e ON e.call = c.id AND e.technical = 1
    JOIN decision AS d ON d.call = c.id LEFT JOIN callback AS b ON b.call = c.id
    WHERE c.direction = 'inbound' AND p.number IN (SELECT value FROM json_each(?))"""


# --- who is who -----------------------------------------------------------------------------------------------------


def numbers(hundred: int) -> list[str]:
    """The callers; one in ten calls from a number that may not be called back, a premium one."""
    return [f"+48{701 if n % 10 == 9 else 601}{hundred:02d}{n:04d}" for n in range(CALLS)]


async def talks(leg: Leg) -> None:
    """A customer who goes on, and hangs up once he has heard the agent."""
    await answers(0.2, keys="1")(leg)
    await leg.heard.until_tone(AGENTS_TONE, 5)
    await leg.bye()


def at_home(bench: Bench, callers: list[str]) -> None:
    """What becomes of each callback at the customer's: one in ten is busy, one in ten objects, the others talk."""
    for n, number in enumerate(callers):
        bench.carrier.scripts[number] = {3: refuses(486, "Busy Here"), 7: answers(0.2, keys="8")}.get(n % 10, talks)


# --- the lab --------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(lab: Lab) -> Path:
    """The operator's command, where the service's user can run it and write beside it."""
    folder = lab.state / "hook"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    for old in folder.iterdir():
        old.unlink()
    script = folder / "tell-me"
    script.write_text(HOOK)
    script.chmod(0o755)
    return script


def told(hook: Path) -> list[tuple[str, str, str]]:
    """What the command was told so far: condition, state, text."""
    book = Path(f"{hook}.told")
    lines = book.read_text().splitlines() if book.exists() else []
    return [(condition, state, text) for condition, state, text in (line.split("|", 2) for line in lines)]


async def until_told(hook: Path, condition: str, state: str, within: float) -> str:
    """Until the command was told this; returns the text."""
    async with asyncio.timeout(within):
        while True:
            texts = [text for one, how, text in told(hook) if (one, how) == (condition, state)]
            if texts:
                return texts[0]
            await asyncio.sleep(0.2)


@asynccontextmanager
async def storm_settings(lab: Lab, hook: Path) -> AsyncIterator[None]:
    """Short windows, few channels, a slow pace; half of the calls are a storm; the operator has a command."""
    pace = f"channels = {CHANNELS}\ndials_per_minute = {A_MINUTE}"
    async with lab.settings(
        ("gap_s = 5.0", f"gap_s = 5.0\nlapse_s = {LAPSE_S}.0\nfirst_dial_s = {LAPSE_S}.0\n{pace}"),
        ('default_key = "1"', 'default_key = "1"\nwait_s = 0.2\nrounds = 1'),
        ("settle_s = 0.0", f'command = ["{hook}"]'),
        ("drops = 30", f"drops = {CALLS // 2}\nwithin_s = 30.0"),
    ):
        yield


async def all_in_house(bench: Bench, callers: list[str]) -> None:
    """Until every caller talks with an agent or waits for one, and every agent talks."""
    in_house = (
        "SELECT 1 WHERE ? = (SELECT count(*) FROM call AS c JOIN party AS p ON p.id = c.party WHERE c.ended_at IS NULL"
        f" AND c.stage IN ({{}}) AND p.number BETWEEN '{min(callers)}' AND '{max(callers)}')"
    )
    await bench.lab.until(in_house.format("'queued','connecting','talking'"), CALLS, within=IN_HOUSE_S)
    await bench.lab.until(in_house.format("'talking'"), AGENTS, within=IN_HOUSE_S)


async def asterisk_is_killed(bench: Bench, crowd: Crowd) -> None:
    """Without a word to anybody; it runs again at once."""
    await bench.lab.kill_asterisk()
    await crowd.vanish()
    for agent in bench.agents:
        for leg in agent.invites:
            leg.vanish()
    await bench.lab.up()


async def the_trunk_goes(_bench: Bench, crowd: Crowd) -> None:
    """The carrier's network is away: nobody's audio comes in any more."""
    await crowd.vanish()


# --- what must be true of it ----------------------------------------------------------------------------------------


def under_way(legs: list[tuple[float, float]], at: float) -> int:
    """How many of these calls were under way at that moment."""
    return sum(began <= at < ended for began, ended in legs)


async def spans(legs: list[Leg]) -> list[tuple[float, float]]:
    """When each call began and ended, on the monotonic clock."""
    return [(leg.began, (await leg.ended()).at) for leg in legs]


def fate_of(drop: Row) -> str:
    """The one thing that became of a drop."""
    if not drop["allowed"]:
        assert drop["callback"] is None
        assert drop["refusals"], "a refusal names its conditions"
        return "refused"
    assert drop["why"], f"callback {drop['callback']} does not say why it is {drop['state']}"
    return "connected" if drop["state"] == "completed" else str(drop["state"])


def assert_paced(dials: list[int]) -> None:
    """No 60 s and no second hold more dials than allowed; the log's clock counts milliseconds."""
    for most, window_ms in ((A_MINUTE, 60_000), (IN_A_SECOND, 1_000)):
        assert [b - a for a, b in zip(dials, dials[most:], strict=False) if b - a < window_ms - 50] == []


def assert_in_order(drops: list[Row]) -> None:
    """Who talked comes first, then who waited longest: nobody is dialled before more than an agent's number of others.

    So many are reserved at the same time, and the agent who picks up first has the first dial.
    """
    rank = {"talking": 0, "connecting": 1, "queued": 2}
    line = sorted((d for d in drops if d["callback"]), key=lambda d: (rank[d["stage"]], d["started_at"], d["id"]))
    place = {drop["id"]: n for n, drop in enumerate(line)}
    dialled = sorted((d for d in line if d["first_dial"] is not None), key=lambda d: d["first_dial"])
    order = [place[drop["id"]] for drop in dialled]
    assert [n for k, n in enumerate(order) if n > k + AGENTS] == [], order


@pytest.mark.parametrize("fails", [asterisk_is_killed, the_trunk_goes])
async def test_a_storm(
    bench: Bench, hook: Path, tmp_path: Path, fails: Callable[[Bench, Crowd], Awaitable[None]]
) -> None:
    callers = numbers(1 if fails is asterisk_is_killed else 2)
    at_home(bench, callers)
    async with storm_settings(bench.lab, hook), Crowd(bench.lab.net, PL, callers, tmp_path) as crowd:
        await all_in_house(bench, callers)
        before = [len(agent.invites) for agent in bench.agents]
        try:
            await fails(bench, crowd)
            begun = await until_told(hook, "storm", "raised", 60.0)
            over = await until_told(hook, "storm", "over", OVER_S)
        finally:  # Asterisk was killed, or has given up an observer that could not read so much at once
            await bench.observer.watch_again()

    drops = bench.lab.read(DROPS, str(callers).replace("'", '"'))
    assert sorted(drop["number"] for drop in drops) == sorted(callers), "every call is one drop"
    fates = Counter(fate_of(drop) for drop in drops)
    assert set(fates) <= {"connected", "unanswered", "lapsed", "refused", "objected"}
    assert fates["refused"] == CALLS // 10
    assert fates["connected"]
    assert fates["lapsed"] >= CALLS // 3

    # the operator was told once of each thing, and the storm's last words are the log's
    assert begun.startswith(f"{CALLS} calls were cut off within 30 s")
    listed = ", ".join(f"{n} {fate}" for fate, n in sorted(fates.items(), key=lambda fate: (-fate[1], fate[0])))
    assert over == f"of {CALLS} calls that were cut off: {listed}"
    assert set(Counter((condition, state) for condition, state, _ in told(hook)).values()) == {1}

    # nobody twice: each INVITE is an attempt of the log, and nobody was answered to again
    for drop in drops:
        assert len(bench.carrier.invites_to(drop["number"])) == (drop["dials"] or 0)
        assert (drop["answers"] or 0) <= 1
    assert all(not drop["dials"] for drop in drops if fate_of(drop) == "refused")

    # never more than channels and agents, and never a customer without an agent on the line
    customers = await spans(bench.carrier.invites)
    agents = [span for phone, n in zip(bench.agents, before, strict=True) for span in await spans(phone.invites[n:])]
    for began, _ in customers:
        assert under_way(customers, began) <= CHANNELS
        assert under_way(customers, began) <= under_way(agents, began)
    assert max(under_way(agents, began) for began, _ in agents) <= AGENTS

    callbacks = [drop["callback"] for drop in drops if drop["callback"]]
    marks = ", ".join("?" for _ in callbacks)
    attempts = bench.lab.read(f"SELECT at FROM attempt WHERE callback IN ({marks}) ORDER BY at", *callbacks)
    assert_paced([row["at"] for row in attempts])
    assert_in_order(drops)

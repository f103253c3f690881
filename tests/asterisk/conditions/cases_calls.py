"""What the call itself tells: how it ended, how far it had got, what he had heard, and what he said to it."""

from __future__ import annotations

import asyncio
from typing import Final

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from oddzwon.domain.lawfulness import Code
from tests.asterisk.bench import SETTLED_S
from tests.asterisk.conditions.case import Asked, asked
from tests.asterisk.conditions.cases_caller import ANONYMOUS, ASSERTED, WITHHELD
from tests.asterisk.conditions.stranger import FAULT, Stranger
from tests.asterisk.endings.case import HIGH, LOW, MEDIUM, Play, expects
from tests.asterisk.endings.scene import SALES, Scene
from tests.asterisk.observer import named, plays

OBJECT: Final = "8"
HEARD: Final = 40
"""Frames of 20 ms: a key that comes sooner was not meant for what is asked now."""

# --- how it ended, and how far it had got -----------------------------------------------------------------------------


def bye(*reasons: str) -> Play:
    """In the queue, with these Reason headers."""

    async def play(scene: Scene) -> None:
        await (await scene.queued()).bye(*reasons)

    return play


async def in_notice(scene: Scene) -> None:
    await scene.leaves_in_notice(FAULT)


async def in_menu(scene: Scene) -> None:
    await (await scene.in_menu()).bye(FAULT)


async def in_announcement(scene: Scene) -> None:
    await (await scene.in_announcement()).bye(FAULT)


async def connecting(scene: Scene) -> None:
    caller, _agent = await scene.connecting()
    await caller.bye(FAULT)


async def talking(scene: Scene) -> None:
    caller, agent = await scene.talks()
    await caller.bye(FAULT)
    await agent.ended()


def too_early(stage: Stage) -> dict[Code, tuple[bool | None, str]]:
    return {Code.STAGE: (False, f"stage {stage}")}


# --- what he said -----------------------------------------------------------------------------------------------------


def objects(times: int = 1, sender: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Play:
    """Key 8 in the menu, so many times, each confirmed; then the queue, and the fault."""

    async def play(scene: Scene) -> None:
        assert isinstance(scene, Stranger)
        how = {"from_header": scene.filled(sender)} if sender else {}
        await scene.dials(headers=[(name, scene.filled(value)) for name, value in headers], **how)
        await _objects(scene, times)
        await _to_the_queue(scene)
        await scene.caller.bye(FAULT)

    return play


async def _objects(scene: Scene, times: int = 1) -> None:
    await scene.in_menu()
    for prompt in ("OBJECTED", "OBJECTION_UNDONE")[:times]:
        mark = scene.bench.observer.mark()
        await scene.caller.press(OBJECT)
        await scene.sees(plays(prompt), since=mark)
        await scene.caller.hears_audio(frames=HEARD)


async def _to_the_queue(scene: Scene) -> None:
    await scene.hand.sets(scene.channel, "QUEUE_MIN_PENALTY", "99")
    mark = scene.bench.observer.mark()
    await scene.sees(plays("MENU_OPTION"), since=mark)
    await scene.caller.press(SALES)
    await scene.sees(named("QueueCallerJoin"))


async def objected_in_an_earlier_call(scene: Scene) -> None:
    await scene.dials()
    await _objects(scene)
    await scene.caller.bye()
    await scene.over()
    await bye(FAULT)(scene)


# --- other calls of his ----------------------------------------------------------------------------------------------


async def comes_back(scene: Scene) -> None:
    """At once, before the decision."""
    assert isinstance(scene, Stranger)
    await bye(FAULT)(scene)
    again = await scene.redials()
    await scene.bench.judged(await scene.bench.logged(scene.number))
    await again.bye()


async def two_calls_of_one_number(scene: Scene) -> None:
    """Both wait in the queue, as of a switchboard; the second one drops when the first one's callback is under way."""
    assert isinstance(scene, Stranger)
    scene.rings = asyncio.Event()
    first = await scene.queued()
    leg = scene.leg
    second = await scene.queued()
    await first.bye(FAULT)
    until = "SELECT 1 FROM callback AS b JOIN call AS c ON c.id = b.call WHERE c.leg = ?"
    await scene.bench.lab.until(until, leg, within=SETTLED_S)
    await second.bye(FAULT)
    decided = "SELECT 1 FROM decision AS d JOIN call AS c ON c.id = d.call WHERE c.leg = ?"
    await scene.bench.lab.until(decided, scene.leg, within=SETTLED_S)
    scene.rings.set()


async def cut_off_again(scene: Scene) -> None:
    """He comes back by himself at once, hears the short notice, and is cut off in the queue again."""
    await bye(FAULT)(scene)
    await scene.over()
    mark = scene.bench.observer.mark()
    await scene.dials()
    await scene.hand.sets(scene.channel, "QUEUE_MIN_PENALTY", "99")
    await scene.caller.answered()
    await scene.sees(named("QueueCallerJoin"), since=mark)
    await scene.caller.bye(FAULT)


CASES: Final[tuple[Asked, ...]] = (
    asked(
        Code.NO_TECH_EVIDENCE,
        "a plain BYE",
        bye(),
        {Code.NO_TECH_EVIDENCE: (False, "ended, not interrupted")},
        ends=expects(Party.CALLER, False, HIGH, Stage.QUEUED),
    ),
    asked(
        Code.NO_TECH_EVIDENCE,
        "a fault at low confidence (Reason SIP 480)",
        bye("SIP;cause=480"),
        {Code.NO_TECH_EVIDENCE: (False, "a fault, confidence low, medium needed")},
        ends=expects(Party.CARRIER, True, LOW, Stage.QUEUED),
    ),
    asked(
        Code.NO_TECH_EVIDENCE,
        "nobody knows whether it was a fault (Reason Q.850 127)",
        bye("Q.850;cause=127"),
        {Code.NO_TECH_EVIDENCE: (None, "not known whether a fault ended it")},
        ends=expects(Party.UNKNOWN, None, None, Stage.QUEUED),
    ),
    asked(
        Code.NO_TECH_EVIDENCE,
        "a fault at medium confidence (Reason Q.850 34)",
        bye("Q.850;cause=34"),
        {Code.NO_TECH_EVIDENCE: (True, "a fault, confidence medium, medium needed")},
        ends=expects(Party.CARRIER, True, MEDIUM, Stage.QUEUED, called_back=True),
    ),
    asked(
        Code.STAGE,
        "cut off in the notice",
        in_notice,
        {**too_early(Stage.NOTICE), Code.NO_NOTICE: (False, "notice not complete")},
        stage=Stage.NOTICE,
    ),
    asked(Code.STAGE, "cut off in the menu", in_menu, too_early(Stage.MENU), stage=Stage.MENU),
    asked(
        Code.STAGE,
        "cut off in the recording announcement",
        in_announcement,
        too_early(Stage.ANNOUNCEMENT),
        stage=Stage.ANNOUNCEMENT,
    ),
    asked(Code.STAGE, "cut off in the queue", bye(FAULT)),
    asked(Code.STAGE, "cut off while the agent's phone rang", connecting, stage=Stage.CONNECTING, agent=True),
    asked(Code.STAGE, "cut off while talking", talking, stage=Stage.TALKING, agent=True),
    asked(
        Code.OBJECTED,
        "key 8 in the call",
        objects(),
        {Code.OBJECTED: (False, "objected in the call")},
    ),
    asked(
        Code.OBJECTED,
        "key 8 of somebody who hides his number",
        objects(sender=ANONYMOUS, headers=(ASSERTED,)),
        {**WITHHELD, Code.OBJECTED: (False, "objected in the call")},
    ),
    asked(Code.OBJECTED, "key 8, and once more to take it back", objects(2)),
    asked(
        Code.OBJECTED,
        "key 8 in an earlier call",
        objected_in_an_earlier_call,
        {Code.OBJECTED: (False, "objection registered")},
    ),
    asked(Code.REDIALLED, "he comes back before the decision", comes_back, {Code.REDIALLED: (False, "redial")}),
    asked(
        Code.DUPLICATE,
        "two calls of one number drop, the second after the first's callback was decided",
        two_calls_of_one_number,
        {Code.DUPLICATE: (False, "another callback to the number is not final: …")},
        ends=expects(Party.CARRIER, True, HIGH, Stage.QUEUED, called_back=True),
        agent=True,
    ),
    asked(Code.NO_NOTICE, "cut off again after the short notice", cut_off_again),
)

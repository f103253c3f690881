"""What the agents, the PBX and the queues do: refusals, farewells, hang-ups of the system's, queues that let go."""

from __future__ import annotations

import asyncio
from typing import Final

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from tests.asterisk.endings.case import HIGH, MEDIUM, ON_THE_WAY, Case, Play, expects
from tests.asterisk.endings.scene import SUPPORT, Scene
from tests.asterisk.observer import named, told
from tests.asterisk.sip_leg import Leg, Script
from tests.asterisk.sip_scripts import answers, refuses, rings

BY_AGENT: Final = "HangupRequest on A, hangupsource = A"
BY_SYSTEM: Final = "only SoftHangupRequest Cause 16 on C, hangupsource dialplan/… or empty"
ON_PURPOSE: Final = "SoftHangupRequest Cause 32"
NOT_REACHED: Final = "an agent who was not reached ends nothing: the caller waits on"
REFUSALS: Final = {486: "Busy Here", 480: "Temporarily Unavailable", 603: "Decline", 503: "Service Unavailable"}


# --- an agent who is not reached ------------------------------------------------------------------------------------


async def silence(_leg: Leg) -> None:
    """100 Trying, and not a word more."""


def then_served(phone: Script) -> Play:
    """The first phone does this; the next one is answered, and the caller says goodbye."""

    async def play(scene: Scene) -> None:
        scene.phone = phone
        await scene.in_menu()
        await scene.caller.press(SUPPORT)
        await scene.rung(1)
        scene.phone = answers(0.2)
        await scene.answered_by(2)
        await scene.caller.bye()

    return play


def then_waited(phone: Script) -> Play:
    """Nobody takes the call, and the caller hangs up in the queue."""

    async def play(scene: Scene) -> None:
        scene.phone = phone
        await scene.in_menu()
        await scene.caller.press(SUPPORT)
        await scene.rung(2)
        await scene.caller.bye()

    return play


async def refused_then_cut_off(scene: Scene) -> None:
    scene.phone = refuses(486, REFUSALS[486])
    await scene.in_menu()
    await scene.caller.press(SUPPORT)
    await scene.rung(1)
    scene.phone = answers(0.2)
    await scene.answered_by(2)
    await scene.caller.bye("Q.850;cause=38")


# --- farewells ------------------------------------------------------------------------------------------------------


async def the_agent_hangs_up(scene: Scene) -> None:
    _caller, agent = await scene.talks()
    await agent.bye()


async def the_agents_line_fails(scene: Scene) -> None:
    _caller, agent = await scene.talks()
    await agent.bye("Q.850;cause=38")


async def both_at_once(scene: Scene) -> None:
    caller, agent = await scene.talks()
    await asyncio.gather(caller.bye(), agent.bye())


# --- the system -----------------------------------------------------------------------------------------------------


async def ami_hangs_up_the_caller(scene: Scene) -> None:
    await scene.talks()
    await scene.hand.does("Hangup", Channel=scene.channel)


async def ami_hangs_up_the_agent(scene: Scene) -> None:
    await scene.talks()
    await scene.hand.does("Hangup", Channel=(await scene.agents_channel())["Channel"])


async def ami_hangs_up_in_the_queue(scene: Scene) -> None:
    await scene.queued()
    await scene.hand.does("Hangup", Channel=scene.channel)


async def console_hangs_up_the_caller(scene: Scene) -> None:
    await scene.talks()
    await scene.bench.lab.rasterisk(f"channel request hangup {scene.channel}")


async def console_hangs_up_the_agent(scene: Scene) -> None:
    await scene.talks()
    await scene.bench.lab.rasterisk(f"channel request hangup {(await scene.agents_channel())['Channel']}")


async def dialplan_hangs_up(scene: Scene) -> None:
    await scene.queued()
    await scene.hand.redirects(scene.channel, "oddzwon-lab", "hangup")


async def absolute_timeout(scene: Scene) -> None:
    await scene.talks()
    await scene.hand.does("AbsoluteTimeout", Channel=scene.channel, Timeout="2")


# --- queues that let go ---------------------------------------------------------------------------------------------


async def queue_timeout(scene: Scene) -> None:
    await scene.queued(patience_s=3)
    await scene.sees(told("OddzwonQueueEnd", Status="TIMEOUT"))


async def queue_without_members(scene: Scene) -> None:
    await scene.queued()
    await scene.hand.redirects(scene.channel, "oddzwon-lab", "nobody")
    await scene.sees(told("OddzwonQueueEnd", Status="JOINEMPTY"))


async def queue_that_empties(scene: Scene) -> None:
    """The only member rings, and is taken away."""
    scene.phone = rings()
    await scene.queued()
    await scene.hand.sets(scene.channel, "QUEUE_MIN_PENALTY", "0")
    async with scene.hand.member_of_nobody("PJSIP/agent4"):
        await scene.hand.redirects(scene.channel, "oddzwon-lab", "nobody")
        await scene.sees(named("QueueCallerJoin", Queue="nobody"))
        await scene.hand.removes("PJSIP/agent4")
        await scene.sees(told("OddzwonQueueEnd", Status="LEAVEEMPTY"))


CALLER: Final = expects(Party.CALLER, False, HIGH)
SYSTEM: Final = expects(Party.SYSTEM, False, MEDIUM)
SYSTEM_IN_QUEUE: Final = expects(Party.SYSTEM, False, MEDIUM, ON_THE_WAY)
EITHER: Final = frozenset({Party.CALLER, Party.AGENT})
CASES: Final = (
    *(
        Case(f"the agent answers {status}, the next one serves, then BYE", NOT_REACHED, play, CALLER)
        for status, play in ((s, then_served(refuses(s, words))) for s, words in REFUSALS.items())
    ),
    Case("the agent's phone is silent, the next one serves, then BYE", NOT_REACHED, then_served(silence), CALLER),
    Case("the agent's phone rings in vain, the next one serves, then BYE", NOT_REACHED, then_served(rings()), CALLER),
    Case(
        "every agent answers 486, BYE in the queue",
        NOT_REACHED,
        then_waited(refuses(486, REFUSALS[486])),
        expects(Party.CALLER, False, HIGH, ON_THE_WAY),
    ),
    Case(
        "the agent answers 486, the next one serves, then BYE with Reason Q.850 38",
        NOT_REACHED,
        refused_then_cut_off,
        expects(Party.CARRIER, True, (MEDIUM, HIGH), called_back=True),
    ),
    Case("the agent's BYE", BY_AGENT, the_agent_hangs_up, expects(Party.AGENT, False, HIGH)),
    Case(
        "the agent's BYE, Reason Q.850 38",
        "HangupRequest on A, whose leg shows a row above",
        the_agents_line_fails,
        expects(Party.AGENT, True, (MEDIUM, HIGH), called_back=True),
    ),
    Case("BYE of both at the same instant", BY_AGENT, both_at_once, expects(EITHER, False, HIGH), races=True),
    Case("AMI Hangup of the caller's channel", BY_SYSTEM, ami_hangs_up_the_caller, SYSTEM),
    Case("AMI Hangup of the agent's channel", BY_SYSTEM, ami_hangs_up_the_agent, SYSTEM),
    Case(
        "AMI Hangup in the queue",
        BY_SYSTEM,
        ami_hangs_up_in_the_queue,
        expects(Party.SYSTEM, False, MEDIUM, Stage.QUEUED),
        agent=False,
    ),
    Case(
        "`channel request hangup` of the caller's channel",
        ON_PURPOSE,
        console_hangs_up_the_caller,
        expects(Party.SYSTEM, False, HIGH),
    ),
    Case(
        "`channel request hangup` of the agent's channel",
        ON_PURPOSE,
        console_hangs_up_the_agent,
        expects(Party.SYSTEM, False, HIGH),
    ),
    Case("`Hangup()` in the dialplan", BY_SYSTEM, dialplan_hangs_up, SYSTEM_IN_QUEUE, agent=False),
    Case("absolute time-out while talking", BY_SYSTEM, absolute_timeout, SYSTEM),
    Case("queue time-out", BY_SYSTEM, queue_timeout, SYSTEM_IN_QUEUE, agent=False),
    Case("queue with no members", BY_SYSTEM, queue_without_members, SYSTEM_IN_QUEUE, agent=False),
    Case("queue that empties", BY_SYSTEM, queue_that_empties, SYSTEM_IN_QUEUE),
)

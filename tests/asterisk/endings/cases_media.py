"""RTP and RTCP that stop, with and without a goodbye after it, on legs that prove something by it and on others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from tests.asterisk.endings.case import HIGH, LOW, MEDIUM, Case, Expected, Play, expects
from tests.asterisk.endings.scene import Scene
from tests.asterisk.observer import named
from tests.asterisk.sip_leg import Leg

TIMEOUT: Final = "SoftHangupRequest Cause 1, then Hangup Cause 44: rtp_timeout on that leg"
FROZEN: Final = "a plain BYE after C's inbound RTP stood still"
NO_PROOF: Final = "section 2: a leg that proves nothing by falling silent"
SECONDS: Final = (1, 3, 8)
RTP_TIMEOUT_S: Final = 6


# --- no goodbye -----------------------------------------------------------------------------------------------------


async def the_callers_stops(scene: Scene) -> None:
    caller, agent = await scene.talks()
    caller.stop_rtp()
    await agent.ended()


async def the_agents_stops(scene: Scene) -> None:
    _caller, agent = await scene.talks()
    agent.stop_rtp()
    await scene.over()


async def both_stop(scene: Scene) -> None:
    """The caller's a report earlier: else it is chance whose rtp_timeout comes first."""
    caller, agent = await scene.talks()
    await scene.falls_silent(caller, 1)
    agent.stop_rtp()
    await agent.ended()


async def stops_in_the_queue(scene: Scene) -> None:
    (await scene.queued()).stop_rtp()
    await scene.over()


async def the_agent_gives_up(scene: Scene) -> None:
    """RTCP keeps Asterisk from ending the call; the agent, who hears nothing, hangs up."""
    caller, agent = await scene.talks(rtcp=True)
    await scene.falls_silent(caller, RTP_TIMEOUT_S + 2)
    await agent.bye()


# --- a goodbye after a standstill -----------------------------------------------------------------------------------


def freezes(seconds: int) -> Play:
    """A steady caller falls silent for so many reports, one a second, then says goodbye."""

    async def play(scene: Scene) -> None:
        caller, _agent = await scene.talks(rtcp=seconds >= RTP_TIMEOUT_S)
        await scene.falls_silent(caller, seconds)
        await caller.bye()

    return play


async def the_agent_freezes(scene: Scene) -> None:
    _caller, agent = await scene.talks()
    channel = await scene.agents_channel()
    await scene.reports(3, leg=channel["Uniqueid"])
    await scene.falls_silent(agent, 3, channel["Uniqueid"])
    await agent.bye()


Spoil: TypeAlias = Callable[[Scene, Leg], Awaitable[None]]


async def noise(scene: Scene, caller: Leg) -> None:
    """Comfort noise instead of audio."""
    caller.comfort_noise()
    await scene.reports(3)


async def gaps(scene: Scene, caller: Leg) -> None:
    """A gap of two seconds, and audio again."""
    await scene.falls_silent(caller, 2)
    caller.start_rtp()
    await scene.reports(3)


def freezes_after(spoil: Spoil, seconds: int) -> Play:
    """The same on a leg that was not steady before."""

    async def play(scene: Scene) -> None:
        caller, _agent = await scene.talks(rtcp=seconds >= RTP_TIMEOUT_S)
        await spoil(scene, caller)
        await scene.falls_silent(caller, seconds)
        await caller.bye()

    return play


def freezes_on_hold(seconds: int) -> Play:
    """The caller holds the call, and his phone sends nothing meanwhile: Asterisk then reports nothing either."""

    async def play(scene: Scene) -> None:
        caller, _agent = await scene.talks()
        await caller.hold(silent=True)
        await scene.sees(named("Hold"))
        await asyncio.sleep(seconds)  # no event tells of silence on hold: that is the case
        await caller.bye()

    return play


def never_sends(seconds: int) -> Play:
    """A phone that sends reports but never RTP, not even a key: the menu's default takes it to the queue."""

    async def play(scene: Scene) -> None:
        await scene.dials(silent=True, rtcp=True)
        await scene.in_menu()
        agent = await scene.rung(within=60.0)
        await agent.answered()
        await scene.caller.hears(agent)
        await scene.reports(seconds)
        await scene.caller.bye()

    return play


AGENT_FAULT: Final = expects(Party.AGENT, True, HIGH, called_back=True)
NETWORK: Final = expects(Party.NETWORK, True, HIGH, called_back=True)
AFTER: Final[dict[int, Expected]] = {
    1: expects(Party.NETWORK, True, LOW),
    3: expects(Party.NETWORK, True, MEDIUM, called_back=True),
    8: expects(Party.NETWORK, True, MEDIUM, called_back=True),
}
CALLER: Final = expects(Party.CALLER, False, HIGH)
UNPROVEN: Final = expects(Party.CALLER, False, (MEDIUM, HIGH))
CASES: Final = (
    Case("the caller's RTP stops", TIMEOUT, the_callers_stops, NETWORK),
    Case("the agent's RTP stops", TIMEOUT, the_agents_stops, AGENT_FAULT),
    Case("the RTP of both stops, the caller's first", TIMEOUT, both_stop, NETWORK),
    Case(
        "the caller's RTP stops in the queue",
        TIMEOUT,
        stops_in_the_queue,
        expects(Party.NETWORK, True, HIGH, Stage.QUEUED, called_back=True),
    ),
    Case(
        "the caller's RTP stops, his RTCP goes on, the agent hangs up",
        "HangupRequest on A, hangupsource = A; section 2: RTCP defeats rtp_timeout",
        the_agent_gives_up,
        expects(Party.AGENT, False, (MEDIUM, HIGH)),
    ),
    *(Case(f"RTP frozen for {n} s, then BYE", FROZEN, freezes(n), AFTER[n]) for n in SECONDS),
    Case(
        "the agent's RTP frozen for 3 s, then his BYE",
        "HangupRequest on A, whose leg shows a row above",
        the_agent_freezes,
        expects(Party.AGENT, True, MEDIUM, called_back=True),
    ),
    *(Case(f"RTP frozen for {n} s on hold, then BYE", NO_PROOF, freezes_on_hold(n), CALLER) for n in SECONDS),
    *(
        Case(f"comfort noise, RTP frozen for {n} s, then BYE", NO_PROOF, freezes_after(noise, n), UNPROVEN)
        for n in SECONDS
    ),
    *(
        Case(f"a gap before, RTP frozen for {n} s, then BYE", NO_PROOF, freezes_after(gaps, n), UNPROVEN)
        for n in SECONDS
    ),
    *(Case(f"never any RTP, BYE after {n} s of talk", NO_PROOF, never_sends(n), UNPROVEN) for n in SECONDS),
)

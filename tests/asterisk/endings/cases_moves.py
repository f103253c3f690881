"""Hold, transfers, parking, Local channels and ring groups: the caller's leg is followed; and session timers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from tests.asterisk.endings.case import HIGH, MEDIUM, Case, Expected, Play, expects
from tests.asterisk.endings.scene import Scene
from tests.asterisk.observer import named
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_dialog import OnRequest
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers, rings

HELD: Final = "section 2: on hold silence is no fault; hold counts as talking"
MOVED: Final = "the caller's leg is followed through a transfer"
PARKED: Final = "the caller's leg is followed into the parking lot"
LOCAL: Final = "a queue member that is a Local channel"
GROUP: Final = "a ring group: whoever answers first"
FAULT: Final = "Q.850;cause=38"
REFRESH_S: Final = 45.0 + PATIENCE_S
"""RFC 4028's least session time is 90 s: Asterisk refreshes after 45."""
EXPIRY_S: Final = 45.0 + PATIENCE_S
"""From the refresh to the end of a session that nothing refreshed, and some time to spare."""

Farewell: TypeAlias = Callable[[Scene, Leg], Awaitable[None]]
"""How a call ends once it is where the case wants it; the leg is the agent's whom the caller talks with by then."""


async def bye(scene: Scene, _agent: Leg) -> None:
    await scene.caller.bye()


async def fault(scene: Scene, _agent: Leg) -> None:
    await scene.caller.bye(FAULT)


async def agents_bye(_scene: Scene, agent: Leg) -> None:
    await agent.bye()


async def silence(scene: Scene, _agent: Leg) -> None:
    scene.caller.stop_rtp()


async def agents_silence(_scene: Scene, agent: Leg) -> None:
    agent.stop_rtp()


# --- hold -----------------------------------------------------------------------------------------------------------


def held_by_caller(end: Farewell) -> Play:
    """The caller holds the call; his phone goes on sending."""

    async def play(scene: Scene) -> None:
        caller, agent = await scene.talks()
        await caller.hold()
        await scene.sees(named("Hold"))
        await end(scene, agent)

    return play


def held_by_agent(end: Farewell) -> Play:
    """The agent holds the call; the caller hears music."""

    async def play(scene: Scene) -> None:
        _caller, agent = await scene.talks()
        await agent.hold(silent=True)
        await scene.of_call(named("Hold"))
        await end(scene, agent)

    return play


async def held_and_taken_up(scene: Scene) -> None:
    caller, agent = await scene.talks()
    await caller.hold()
    await caller.unhold()
    await scene.sees(named("Unhold"))
    await agent.hears(caller)
    caller.stop_rtp()


# --- transfers and parking ------------------------------------------------------------------------------------------


def handed_over(end: Farewell) -> Play:
    """A blind transfer, then this."""

    async def play(scene: Scene) -> None:
        _caller, agent = await scene.talks()
        await end(scene, await scene.hands_over(agent))

    return play


def handed_over_after_a_word(end: Farewell) -> Play:
    """An attended transfer, then this."""

    async def play(scene: Scene) -> None:
        _caller, agent = await scene.talks()
        await end(scene, await scene.hands_over_after_a_word(agent))

    return play


def parked(end: Farewell) -> Play:
    """The caller waits in the parking lot, then this."""

    async def play(scene: Scene) -> None:
        _caller, agent = await scene.talks()
        await scene.parks(agent)
        await end(scene, agent)

    return play


def fetched(end: Farewell) -> Play:
    """Parked, and fetched by another agent, then this."""

    async def play(scene: Scene) -> None:
        caller, agent = await scene.talks()
        space = await scene.parks(agent)
        other = await scene.other(agent).invite(f"{space}@{scene.bench.lab.asterisk}", from_number=scene.consults)
        await other.answered()
        scene.agents.append(other)
        await other.hears(caller)
        await end(scene, other)

    return play


def came_back(end: Farewell) -> Play:
    """Parked, nobody fetches him, and the phone that parked him rings again; then this."""

    async def play(scene: Scene) -> None:
        _caller, agent = await scene.talks()
        await scene.parks(agent)
        await end(scene, await scene.answered_by(2))

    return play


# --- members and groups ---------------------------------------------------------------------------------------------


def member(interface: str, end: Farewell) -> Play:
    """A queue whose only member is this; he answers, then this."""

    async def play(scene: Scene) -> None:
        await scene.queued()
        await scene.hand.sets(scene.channel, "QUEUE_MIN_PENALTY", "0")
        async with scene.hand.member_of_nobody(interface):
            await scene.hand.redirects(scene.channel, "oddzwon-lab", "nobody")
            agent = await scene.answered_by()
            await end(scene, agent)
            await scene.over()

    return play


def group(end: Farewell) -> Play:
    """Two phones ring at once; the first one is answered, the other rings on in vain, and then this."""

    async def play(scene: Scene) -> None:
        async def one_answers(leg: Leg) -> None:
            await (answers(0.2) if leg is scene.agents[0] else rings())(leg)

        scene.phone = one_answers
        await member("Local/group@oddzwon-lab-members/n", end)(scene)

    return play


# --- session timers (RFC 4028) --------------------------------------------------------------------------------------


def refresh(rule: OnRequest) -> Play:
    """The caller's phone treats Asterisk's session refresh in this way, and would go on talking."""

    async def play(scene: Scene) -> None:
        caller, _agent = await scene.talks(session_timers=True)
        await _until_refresh(caller, rule)
        await scene.over()

    return play


async def refused_to_the_end(scene: Scene) -> None:
    """A refusal with 503 ends nothing; Asterisk asks again and again, and then the session is over."""
    caller = await scene.queued(session_timers=True)
    await _until_refresh(caller, 503)
    await scene.over(EXPIRY_S)


async def refused_then_bye(scene: Scene) -> None:
    """A refusal with 503 ends nothing; then the caller says goodbye."""
    caller = await scene.queued(session_timers=True)
    await _until_refresh(caller, 503)
    await caller.hears_audio()
    await caller.bye()


async def _until_refresh(caller: Leg, rule: OnRequest) -> None:
    caller.on_refresh = rule
    await caller.until_asked("INVITE", "UPDATE", within=REFRESH_S)


Ends: TypeAlias = dict[str, tuple[Farewell, Expected]]
"""Farewells in words, and the verdict that each asks for."""


CALLER: Final = expects(Party.CALLER, False, HIGH)
AGENT: Final = expects(Party.AGENT, False, HIGH)
CARRIER: Final = expects(Party.CARRIER, True, (MEDIUM, HIGH), called_back=True)
NETWORK: Final = expects(Party.NETWORK, True, HIGH, called_back=True)
AGENTS_LEG: Final = expects(Party.AGENT, True, HIGH, called_back=True)


def cases(where: str, row: str, place: Callable[[Farewell], Play], ends: Ends) -> tuple[Case, ...]:
    """The same place, left in several ways."""
    return tuple(Case(f"{where}, then {words}", row, place(end), wanted) for words, (end, wanted) in ends.items())


BYE: Final[Ends] = {"BYE": (bye, CALLER)}
WORD: Final[Ends] = {"BYE with Reason Q.850 38": (fault, CARRIER)}
AGENTS_BYE: Final[Ends] = {"the agent's BYE": (agents_bye, AGENT)}
SILENCE: Final[Ends] = {"the caller's RTP stops": (silence, NETWORK)}
AGENTS_SILENCE: Final[Ends] = {"the agent's RTP stops": (agents_silence, AGENTS_LEG)}
CASES: Final = (
    # they take a minute each: first of all
    Case(
        "the session refresh is not answered",
        "answered leg, Cause 18 + TechCause 408: session timer or in-dialog time-out",
        refresh("ignore"),
        NETWORK,
    ),
    Case(
        "the session refresh is answered 481",
        "answered leg, Cause 127 + TechCause 481: peer lost the dialog",
        refresh(481),
        expects(Party.NETWORK, True, MEDIUM, called_back=True),
    ),
    Case(
        "the session refresh is answered 503 to the session's end, in the queue",
        "answered leg, Cause 18 + TechCause 408: session timer or in-dialog time-out",
        refused_to_the_end,
        expects(Party.NETWORK, True, HIGH, Stage.QUEUED, called_back=True),
        agent=False,
    ),
    Case(
        "the session refresh is answered 503, then BYE in the queue",
        "trap: a re-INVITE that the peer had refused colours its later, plain BYE",
        refused_then_bye,
        expects(Party.CALLER, False, HIGH, Stage.QUEUED),
        agent=False,
    ),
    *cases("on hold by the caller", HELD, held_by_caller, BYE | WORD | AGENTS_BYE),
    *cases("on hold by the agent", HELD, held_by_agent, BYE | WORD | SILENCE | AGENTS_BYE),
    Case("on hold and taken up again, then the caller's RTP stops", HELD, held_and_taken_up, NETWORK),
    *cases("blind transfer", MOVED, handed_over, BYE | WORD | AGENTS_BYE | SILENCE | AGENTS_SILENCE),
    *cases("attended transfer", MOVED, handed_over_after_a_word, BYE | WORD | AGENTS_BYE | SILENCE | AGENTS_SILENCE),
    *cases("parked", PARKED, parked, BYE | WORD),
    *cases("parked and fetched by another agent", PARKED, fetched, BYE | WORD | AGENTS_BYE | SILENCE),
    *cases("parked and come back", PARKED, came_back, BYE | WORD | AGENTS_BYE),
    *cases(
        "a Local channel as member",
        LOCAL,
        lambda end: member("Local/agent2@oddzwon-lab-members", end),
        BYE | WORD | AGENTS_BYE | AGENTS_SILENCE,
    ),
    *cases(
        "a Local channel with /n as member",
        LOCAL,
        lambda end: member("Local/agent3@oddzwon-lab-members/n", end),
        BYE | WORD | AGENTS_BYE | AGENTS_SILENCE,
    ),
    *cases("a ring group as member", GROUP, group, BYE | WORD | AGENTS_BYE | SILENCE),
)

"""A BYE or a CANCEL of the caller's, in every part of a call, and with every word that a carrier puts beside it."""

from __future__ import annotations

from typing import Final

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from tests.asterisk.endings.case import HIGH, LOW, MEDIUM, ON_THE_WAY, Case, Expected, Play, expects
from tests.asterisk.endings.scene import Scene

PLAIN: Final = "HangupRequest on C, Cause absent/0/16, no TechCause, RTP fresh"
BY_WORD: Final = "HangupRequest on C with the Cause of the BYE's Reason"
RINGS: Final = "ringing"
"""The lab's extension that lets its callers wait unanswered."""


# --- plain BYEs -----------------------------------------------------------------------------------------------------


async def in_notice(scene: Scene) -> None:
    await scene.leaves_in_notice()


async def in_menu(scene: Scene) -> None:
    await (await scene.in_menu()).bye()


async def in_announcement(scene: Scene) -> None:
    await (await scene.in_announcement()).bye()


async def queued(scene: Scene) -> None:
    await (await scene.queued()).bye()


async def connecting(scene: Scene) -> None:
    caller, _agent = await scene.connecting()
    await caller.bye()


async def talking(scene: Scene) -> None:
    caller, agent = await scene.talks()
    await caller.bye()
    await agent.ended()


# --- with a reason --------------------------------------------------------------------------------------------------


def says(*reasons: str) -> Play:
    """Caller and agent talk, then comes a BYE with these Reason headers (RFC 3326)."""

    async def play(scene: Scene) -> None:
        caller, agent = await scene.talks()
        await caller.bye(*reasons)
        await agent.ended()

    return play


async def says_fault_in_queue(scene: Scene) -> None:
    await (await scene.queued()).bye("Q.850;cause=38")


async def says_fault_while_ringing(scene: Scene) -> None:
    caller, _agent = await scene.connecting()
    await caller.bye("Q.850;cause=38")


async def says_fault_in_menu(scene: Scene) -> None:
    await (await scene.in_menu()).bye("Q.850;cause=38")


CALLER: Final = expects(Party.CALLER, False, HIGH)
CARRIER: Final = expects(Party.CARRIER, True, (MEDIUM, HIGH), called_back=True)
UNKNOWN: Final = expects(Party.UNKNOWN, None, None)
Q850: Final[dict[int, Expected]] = {
    16: CALLER,
    **dict.fromkeys((27, 31, 34, 38, 41, 42, 102), CARRIER),
    127: UNKNOWN,
}
SIP: Final[dict[int, Expected]] = {
    408: expects(Party.NETWORK, True, HIGH, called_back=True),
    480: expects(Party.CARRIER, True, LOW),  # asterisk.md has no row: its TechCause 480 stands beside Cause 31
    **dict.fromkeys((500, 503), CARRIER),
}


# --- before the answer ----------------------------------------------------------------------------------------------


def cancels(reason: str | None = None) -> Play:
    """The caller gives up while he hears the ringing tone and nobody has answered."""

    async def play(scene: Scene) -> None:
        caller = await scene.dials(RINGS)
        await caller.ringing()
        await caller.cancel(reason)

    return play


CASES: Final = (
    Case("BYE in the notice", PLAIN, in_notice, expects(Party.CALLER, False, HIGH, Stage.NOTICE), agent=False),
    Case("BYE in the menu", PLAIN, in_menu, expects(Party.CALLER, False, HIGH, Stage.MENU), agent=False),
    Case(
        "BYE in the announcement",
        PLAIN,
        in_announcement,
        expects(Party.CALLER, False, HIGH, Stage.ANNOUNCEMENT),
        agent=False,
    ),
    Case("BYE in the queue", PLAIN, queued, expects(Party.CALLER, False, HIGH, Stage.QUEUED), agent=False),
    Case("BYE while the agent's phone rings", PLAIN, connecting, expects(Party.CALLER, False, HIGH, ON_THE_WAY)),
    Case("BYE while talking", PLAIN, talking, CALLER),
    *(Case(f"BYE, Reason Q.850 {cause}", BY_WORD, says(f"Q.850;cause={cause}"), Q850[cause]) for cause in Q850),
    *(Case(f"BYE, Reason SIP {status}", BY_WORD, says(f"SIP;cause={status}"), SIP[status]) for status in SIP),
    Case(
        "BYE, Reason Q.850 38 in the menu",
        BY_WORD,
        says_fault_in_menu,
        expects(Party.CARRIER, True, (MEDIUM, HIGH), Stage.MENU),
        agent=False,
    ),
    Case(
        "BYE, Reason Q.850 38 in the queue",
        BY_WORD,
        says_fault_in_queue,
        expects(Party.CARRIER, True, (MEDIUM, HIGH), Stage.QUEUED, called_back=True),
    ),
    Case(
        "BYE, Reason Q.850 38 while the agent's phone rings",
        BY_WORD,
        says_fault_while_ringing,
        expects(Party.CARRIER, True, (MEDIUM, HIGH), ON_THE_WAY, called_back=True),
    ),
    Case(
        "BYE, Reason Q.850 38 behind a text",
        "trap: a Reason's cause behind a text is lost, and the BYE looks plain",
        says('Q.850;text="Network out of order";cause=38'),
        CALLER,
    ),
    Case(
        "CANCEL before the answer",
        "trap: CANCEL before answer shows Cause 127, TechCause 487",
        cancels(),
        expects(Party.CALLER, False, HIGH, Stage.ARRIVING),
        agent=False,
    ),
    Case(
        "CANCEL before the answer, Reason Q.850 38",
        "trap: CANCEL with a Q.850 Reason shows that cause",
        cancels("Q.850;cause=38"),
        expects(Party.CARRIER, True, (MEDIUM, HIGH), Stage.ARRIVING),
        agent=False,
    ),
)

"""Calls told in the domain's events: how each begins, how it may end, and the verdict that every ending must get.

The table of endings, with what Asterisk says in each, that the tests of the judge play in every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from oddzwon.domain.call import Call, SettleDue, advance
from oddzwon.domain.ending import Ending, Party, judge
from oddzwon.domain.events import (
    AgentAnswered,
    AgentRinging,
    BridgeEntered,
    CallEvent,
    Direction,
    HandlerRan,
    HangupRecorded,
    HangupRequested,
    HungUpBy,
    Instant,
    LegEnded,
    LegId,
    MediaReported,
    OutOfSight,
    PbxRestarted,
    QueueJoined,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
    StageReached,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import Confidence

C, A, B = "pbx-1.1", "pbx-1.2", "pbx-1.3"
AGENT = "PJSIP/agent1"
T0 = 1_000_000
END = T0 + 60_000
NEW = Call(leg=C, direction=Direction.INBOUND, started_at=T0)
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW

Told: TypeAlias = tuple[Party, bool | None, Confidence | None]
"""The part of a verdict that no order of arrival may change."""
UNKNOWN: Told = (Party.UNKNOWN, None, None)
CALLER: Told = (Party.CALLER, False, HIGH)
SYSTEM: Told = (Party.SYSTEM, False, MEDIUM)
PBX: Told = (Party.PBX, True, HIGH)

IN_NOTICE: list[CallEvent] = [StageReached(T0 + 10, C, Stage.NOTICE)]
IN_MENU: list[CallEvent] = [*IN_NOTICE, StageReached(T0 + 20, C, Stage.MENU)]
ANNOUNCED: list[CallEvent] = [*IN_MENU, StageReached(T0 + 30, C, Stage.ANNOUNCEMENT)]
QUEUED: list[CallEvent] = [*ANNOUNCED, QueueJoined(T0 + 40, C, "support")]
CONNECTING: list[CallEvent] = [*QUEUED, AgentRinging(T0 + 50, A, AGENT)]
TALKING: list[CallEvent] = [
    *CONNECTING,
    AgentAnswered(T0 + 60, A, AGENT),
    BridgeEntered(T0 + 61, A, "b"),
    BridgeEntered(T0 + 62, C, "b"),
]
STAGES: dict[Stage, list[CallEvent]] = {
    Stage.ARRIVING: [],
    Stage.NOTICE: IN_NOTICE,
    Stage.MENU: IN_MENU,
    Stage.ANNOUNCEMENT: ANNOUNCED,
    Stage.QUEUED: QUEUED,
    Stage.CONNECTING: CONNECTING,
    Stage.TALKING: TALKING,
}


def tail(cause: int, source: str = "") -> list[CallEvent]:
    """What follows every ending, whoever began it: a bridge copies the cause to the other leg."""
    return [
        SoftHangupRequested(END + 1, C, 16),
        HandlerRan(END + 2, C, Role.CALLER, cause, source),
        HandlerRan(END + 2, A, Role.AGENT, cause, source),
        LegEnded(END + 3, C, cause),
        LegEnded(END + 4, A, cause),
    ]


def after_an_answer(leg: LegId, cause: int, tech: int | None, status: int) -> list[CallEvent]:
    """The leg's BYE while talking; Asterisk's last re-INVITE on it had been answered with this status."""
    roles = {C: Role.CALLER, A: Role.AGENT}
    ran = [HandlerRan(END + 2, who, roles[who], cause, "", 90, status if who == leg else None) for who in (C, A)]
    return [*TALKING, bye(leg, cause, tech), *ran, LegEnded(END + 3, C, cause), LegEnded(END + 4, A, cause)]


def media(leg: LegId, *sequences: int, until: Instant = END) -> list[CallEvent]:
    """One report a second, the last half a second before ``until``."""
    first = until - 500 - 1_000 * (len(sequences) - 1)
    return [MediaReported(first + 1_000 * n, leg, sequence) for n, sequence in enumerate(sequences)]


def speaking(seconds: int, start: int = 0) -> list[int]:
    """The sequence numbers that a leg has reached, second by second, at 50 packets a second (20 ms each)."""
    return [start + 50 * n for n in range(seconds + 1)]


def frozen(leg: LegId, reports: int) -> list[CallEvent]:
    """Ten seconds of speech, then so many reports without an advance."""
    going = speaking(10)
    return media(leg, *going, *[going[-1]] * reports)


def settled(events: Sequence[CallEvent], call: Call = NEW) -> Call:
    """The call when all was said and the wait for more was over."""
    for event in events:
        call, _ = advance(call, event)
    return advance(call, SettleDue(END + 1_000))[0]


def judged(call: Call) -> Ending:
    """The ending of a settled call."""
    return judge(call.as_journal())


def told(ending: Ending) -> Told:
    """What no order of arrival may change."""
    return ending.party, ending.technical, ending.confidence


def verdict(events: Sequence[CallEvent]) -> Told:
    """What the judge says of these events, in this order."""
    return told(judged(settled(events)))


def bye(leg: LegId, cause: int | None = None, tech: int | None = None) -> HangupRequested:
    """The leg's peer hung up, at END."""
    return HangupRequested(END, leg, cause, tech)


def recorded(leg: LegId, cause: int | None, by: HungUpBy, record: str = "cel") -> HangupRecorded:
    """A hang-up at END that was read afterwards."""
    return HangupRecorded(END, leg, cause, by, record)


SEEN_AGAIN: list[CallEvent] = [OutOfSight(END + 9_000, 20_000)]
GONE: list[CallEvent] = [LegEnded(END + 1, C, None)]
"""Ours, for want of Asterisk's word; at the time that the record gives."""

FAULTS = {27: HIGH, 38: HIGH, 41: HIGH, 31: MEDIUM, 34: MEDIUM, 42: MEDIUM, 102: MEDIUM}
"""What a BYE's Reason may name as a fault, and how far it is believed."""

ROWS: dict[str, tuple[list[CallEvent], Told]] = {
    "session refresh unanswered": ([*TALKING, bye(C, 18, 408), *tail(18)], (Party.NETWORK, True, HIGH)),
    "the agent's refresh unanswered": ([*TALKING, bye(A, 18, 408), *tail(18)], (Party.AGENT, True, HIGH)),
    "dialog lost": ([*TALKING, bye(C, 127, 481), *tail(127)], (Party.NETWORK, True, MEDIUM)),
    "the agent's dialog lost": ([*TALKING, bye(A, 127, 481), *tail(127)], (Party.AGENT, True, MEDIUM)),
    "cancelled": ([bye(C, 127, 487), LegEnded(END, C, 127)], CALLER),
    "after a re-INVITE refused with 488": (after_an_answer(C, 58, 488, 488), CALLER),
    "58 and 488, and no handler to tell whose": ([*TALKING, bye(C, 58, 488), *tail(58)[3:]], CALLER),
    "58 by the BYE's own Reason": (after_an_answer(C, 58, 488, 200), UNKNOWN),
    "the same, Asterisk never re-INVITEd": ([*TALKING, bye(C, 58, 488), *tail(58)], UNKNOWN),
    "58 without the refusal that it is left over from": ([*TALKING, bye(C, 58, None), *tail(58)], UNKNOWN),
    "the refresh unanswered, before 20.17": ([*TALKING, bye(C, 18), *tail(18)], (Party.NETWORK, True, MEDIUM)),
    "the agent's, before 20.17": ([*TALKING, bye(A, 18), *tail(18)], (Party.AGENT, True, MEDIUM)),
    "127 by a Reason, not by a lost dialog": ([*TALKING, bye(C, 127, 500), *tail(127)], UNKNOWN),
    "19 by a Reason of 480": ([*TALKING, bye(C, 19, 480), *tail(19)], (Party.CARRIER, True, LOW)),
    "the same on the agent's leg": ([*TALKING, bye(A, 19, 480), *tail(19)], (Party.AGENT, True, LOW)),
    "19 without its status": ([*TALKING, bye(C, 19), *tail(19)], UNKNOWN),
    "a cause that no row names": ([*TALKING, bye(C, 79), *tail(79)], UNKNOWN),
    "plain, but with a status that no row names": ([*TALKING, bye(C, 16, 503), *tail(16)], UNKNOWN),
    "after a re-INVITE refused with 500": (after_an_answer(C, 38, 500, 500), UNKNOWN),
    "after a re-INVITE refused with 503": (after_an_answer(C, 34, 503, 503), UNKNOWN),
    "after a re-INVITE refused with 504": (after_an_answer(C, 102, 504, 504), UNKNOWN),
    "after a re-INVITE refused with 480": (after_an_answer(C, 19, 480, 480), UNKNOWN),
    "after one refused by the agent's phone": (after_an_answer(A, 38, 500, 500), UNKNOWN),
    "after a re-INVITE that was accepted": (after_an_answer(C, 38, 500, 200), (Party.CARRIER, True, HIGH)),
    "after one accepted by the agent's phone": (after_an_answer(A, 38, 500, 200), (Party.AGENT, True, HIGH)),
    "after a refused one, and nothing says which status it was": (after_an_answer(C, 38, None, 500), UNKNOWN),
    "the agent's fault, and no handler to tell whose": (
        [*TALKING, bye(A, 38, 500), *tail(38)[3:]],
        (Party.AGENT, True, LOW),
    ),
    "the caller's fault, and no handler": ([*TALKING, bye(C, 38, 500), *tail(38)[3:]], (Party.CARRIER, True, HIGH)),
    "a re-INVITE answered 408 ends the dialog": (after_an_answer(C, 18, 408, 408), (Party.NETWORK, True, HIGH)),
    "a re-INVITE answered 481 ends the dialog": (after_an_answer(C, 127, 481, 481), (Party.NETWORK, True, MEDIUM)),
    "rtp_timeout of the caller": ([*TALKING, SoftHangupRequested(END, C, 1), *tail(44)], (Party.NETWORK, True, HIGH)),
    "rtp_timeout of the caller in the queue": (
        [*QUEUED, SoftHangupRequested(END, C, 1), *tail(44)],
        (Party.NETWORK, True, HIGH),
    ),
    "rtp_timeout of the agent": ([*TALKING, SoftHangupRequested(END, A, 1), *tail(44)], (Party.AGENT, True, HIGH)),
    "a device hang-up with another cause": ([*TALKING, SoftHangupRequested(END, C, 1), *tail(16)], UNKNOWN),
    "a device hang-up that somebody asked for": (
        [*TALKING, SoftHangupRequested(END, C, 1), *tail(44, "PJSIP/agent1-1")],
        UNKNOWN,
    ),
    "agent's BYE": ([*TALKING, bye(A), *tail(16, "PJSIP/agent1-1")], (Party.AGENT, False, HIGH)),
    "both hang up: the first counts": (
        [*TALKING, bye(A), HangupRequested(END + 1, C, 38, 500), *tail(16)],
        (Party.AGENT, False, HIGH),
    ),
    "Hangup() in the dialplan": ([*QUEUED, SoftHangupRequested(END, C, 16), *tail(16, "dialplan/builtin")], SYSTEM),
    "AMI Hangup of the caller by somebody else": ([*TALKING, *tail(16)], SYSTEM),
    "the same in the menu": ([*IN_MENU, *tail(16)[3:4]], SYSTEM),
    "AMI Hangup of the agent by somebody else": ([*TALKING, LegEnded(END, A, 16), *tail(16)[:4]], SYSTEM),
    "we hung up": ([*TALKING, WeHungUp(END, C, "objection"), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "explicit": ([*TALKING, SoftHangupRequested(END, C, 32), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "explicit, the agent": ([*TALKING, SoftHangupRequested(END, A, 32), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "time-out": ([*TALKING, SoftHangupRequested(END, C, 8), *tail(16)], SYSTEM),
    "time-out of the agent": ([*TALKING, SoftHangupRequested(END, A, 8), *tail(16)], SYSTEM),
    "moved, then the caller's BYE": (
        [*TALKING, SoftHangupRequested(END - 9, C, 2), bye(C), *tail(16)],
        CALLER,
    ),
    "shutdown, said by the leg": ([*TALKING, SoftHangupRequested(END, C, 4), *tail(16)], PBX),
    "shutdown, said by the agent's leg": ([*TALKING, SoftHangupRequested(END, A, 4), *tail(16)], PBX),
    "shutdown, said by Asterisk": ([*TALKING, ShuttingDown(END), *tail(16)], PBX),
    "restart": ([*TALKING, PbxRestarted(END, 5_000)], PBX),
    "restart in the menu": ([*IN_MENU, PbxRestarted(END, 5_000)], PBX),
    "his BYE, then Asterisk stops": ([*TALKING, bye(C), ShuttingDown(END + 1), *tail(16)], CALLER),
    "his BYE, then Asterisk is killed": ([*TALKING, bye(C), PbxRestarted(END + 5_000, 5_000)], CALLER),
    "gone while out of sight": ([*TALKING, OutOfSight(END, 9_000), *tail(16)[3:]], UNKNOWN),
    "gone while out of sight, and nothing recorded": ([*TALKING, *SEEN_AGAIN, *GONE], UNKNOWN),
    "his BYE was seen before we lost sight": (
        [*TALKING, HangupRequested(END - 1, C, None, None), OutOfSight(END, 9_000), *tail(16)[3:]],
        CALLER,
    ),
    "seen again, then his BYE": ([*TALKING, OutOfSight(END - 9_000, 9_000), bye(C), *tail(16)], CALLER),
    "seen again, and long after somebody's AMI Hangup": ([*TALKING, OutOfSight(END - 9_000, 9_000), *tail(16)], SYSTEM),
    "an agent's leg shows a 16 at its end": (
        [*TALKING, SoftHangupRequested(END - 1, A, 16), bye(C), *tail(16)],
        CALLER,
    ),
    "a leg whose part is not known hung up just before": (
        [*TALKING, HangupRequested(END - 500, B, 38, 500), *tail(16)[3:]],
        UNKNOWN,
    ),
    "a leg whose part is not known hung up long before": (
        [*TALKING, HangupRequested(END - 9_000, B, 38, 500), *tail(16)[3:]],
        SYSTEM,
    ),
    "a leg whose part is not known, and the caller's own BYE": (
        [*TALKING, HangupRequested(END - 500, B, 38, 500), bye(C), *tail(16)],
        CALLER,
    ),
    "nothing at all": ([], UNKNOWN),
    # media
    "frozen, then a BYE": ([*TALKING, *frozen(C, 3), bye(C), *tail(16)], (Party.NETWORK, True, MEDIUM)),
    "frozen for one report, then a BYE": ([*TALKING, *frozen(C, 1), bye(C), *tail(16)], (Party.NETWORK, True, LOW)),
    "frozen in the queue, then a BYE": ([*QUEUED, *frozen(C, 3), bye(C), *tail(0)], (Party.NETWORK, True, MEDIUM)),
    "the agent's leg frozen, then his BYE": ([*TALKING, *frozen(A, 3), bye(A), *tail(16)], (Party.AGENT, True, MEDIUM)),
    "the agent's leg frozen, then the caller's BYE": ([*TALKING, *frozen(A, 3), bye(C), *tail(16)], CALLER),
    "the caller's leg frozen, then the agent's BYE": (
        [*TALKING, *frozen(C, 3), bye(A), *tail(16)],
        (Party.AGENT, False, HIGH),
    ),
    "comfort noise, then frozen": (
        [*TALKING, *media(C, 0, 50, 100, 105, 110, 160, 210, 210, 210, 210), bye(C), *tail(16)],
        (Party.CALLER, False, MEDIUM),
    ),
    "frozen, then a BYE with the carrier's word": (
        [*TALKING, *frozen(C, 3), bye(C, 38, 500), *tail(38)],
        (Party.CARRIER, True, HIGH),
    ),
    # read afterwards
    "recorded: the caller himself": (
        [*TALKING, *SEEN_AGAIN, recorded(C, 16, HungUpBy.ITSELF), recorded(A, 16, HungUpBy.ANOTHER), *GONE],
        (Party.CALLER, False, MEDIUM),
    ),
    "recorded: the agent himself, whose leg left the bridge first": (
        [*TALKING, *SEEN_AGAIN, recorded(A, 16, HungUpBy.ITSELF), recorded(C, 16, HungUpBy.ANOTHER), *GONE],
        (Party.AGENT, False, MEDIUM),
    ),
    "recorded: rtp_timeout of the caller": (
        [*TALKING, *SEEN_AGAIN, recorded(C, 44, HungUpBy.NOBODY), recorded(A, 44, HungUpBy.NOBODY), *GONE],
        (Party.NETWORK, True, MEDIUM),
    ),
    "recorded: rtp_timeout of the agent": (
        [*TALKING, *SEEN_AGAIN, recorded(A, 44, HungUpBy.NOBODY), recorded(C, 44, HungUpBy.NOBODY), *GONE],
        (Party.AGENT, True, MEDIUM),
    ),
    "recorded: only the echo": ([*TALKING, *SEEN_AGAIN, recorded(C, 16, HungUpBy.ANOTHER), *GONE], UNKNOWN),
    "recorded, but the restart was after it": (
        [*TALKING, recorded(C, 16, HungUpBy.ITSELF), PbxRestarted(END + 9_000, 5_000)],
        (Party.CALLER, False, MEDIUM),
    ),
}
"""Case by case, what Asterisk says and what is to be made of it."""

"""Who ended the call: every row of the table, every recording of a real Asterisk, every order that can occur."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.recorded.capture import NAMES, replay
from tests.unit.test_call import call_events

from oddzwon.domain.call import Call, Judge, Phase, SettleDue, advance
from oddzwon.domain.ending import RULES, Ending, Evidence, Party, judge, media_stopped_at
from oddzwon.domain.events import (
    AgentAnswered,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Direction,
    HandlerRan,
    HangupRequested,
    Held,
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
    Unheld,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import Confidence

C, A, B = "pbx-1.1", "pbx-1.2", "pbx-1.3"
AGENT = "PJSIP/agent1"
T0 = 1_000_000
END = T0 + 60_000
NEW = Call(leg=C, direction=Direction.INBOUND, started_at=T0)
HIGH, MEDIUM = Confidence.HIGH, Confidence.MEDIUM

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
STAGES = {
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


def settled(events: Sequence[CallEvent], call: Call = NEW) -> Call:
    for event in events:
        call, _ = advance(call, event)
    return advance(call, SettleDue(END + 1_000))[0]


def verdict(events: Sequence[CallEvent]) -> tuple[Party, bool | None, Confidence | None]:
    ending = judge(settled(events))
    return ending.party, ending.technical, ending.confidence


# --- the rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [None, 0, 16])
@pytest.mark.parametrize("stage", Stage)
def test_a_plain_bye_is_the_callers_in_every_stage(stage: Stage, cause: int | None) -> None:
    call = settled([*STAGES[stage], HangupRequested(END, C, cause, None), *tail(cause or 16, "PJSIP/carrier-1")])
    ending = judge(call)
    assert (stage, Party.CALLER, False, HIGH) == (call.stage, ending.party, ending.technical, ending.confidence)
    assert ending.lost_at == END + 3


FAULTS = {27: HIGH, 38: HIGH, 41: HIGH, 31: MEDIUM, 34: MEDIUM, 42: MEDIUM, 102: MEDIUM}


@pytest.mark.parametrize("tech", [None, 480, 500, 503])
@pytest.mark.parametrize("cause", FAULTS)
@pytest.mark.parametrize("stage", [Stage.MENU, Stage.QUEUED, Stage.TALKING])
def test_the_carriers_word(stage: Stage, cause: int, tech: int | None) -> None:
    events = [*STAGES[stage], HangupRequested(END, C, cause, tech), *tail(cause)]
    assert (Party.CARRIER, True, FAULTS[cause]) == verdict(events)


@pytest.mark.parametrize("cause", FAULTS)
def test_the_same_on_the_agents_leg_is_the_agents_fault(cause: int) -> None:
    events = [*TALKING, HangupRequested(END, A, cause, 500), *tail(cause)]
    assert (Party.AGENT, True, FAULTS[cause]) == verdict(events)


ROWS: dict[str, tuple[list[CallEvent], tuple[Party, bool | None, Confidence | None]]] = {
    "session refresh unanswered": (
        [*TALKING, HangupRequested(END, C, 18, 408), *tail(18)],
        (Party.NETWORK, True, HIGH),
    ),
    "the agent's refresh unanswered": (
        [*TALKING, HangupRequested(END, A, 18, 408), *tail(18)],
        (Party.AGENT, True, HIGH),
    ),
    "dialog lost": ([*TALKING, HangupRequested(END, C, 127, 481), *tail(127)], (Party.NETWORK, True, MEDIUM)),
    "the agent's dialog lost": (
        [*TALKING, HangupRequested(END, A, 127, 481), *tail(127)],
        (Party.AGENT, True, MEDIUM),
    ),
    "cancelled": ([HangupRequested(END, C, 127, 487), LegEnded(END, C, 127)], (Party.CALLER, False, HIGH)),
    "plain after a refused re-INVITE": (
        [*TALKING, HangupRequested(END, C, 58, 488), *tail(58)],
        (Party.CALLER, False, HIGH),
    ),
    "18 alone is not the measured pair": (
        [*TALKING, HangupRequested(END, C, 18, None), *tail(18)],
        (Party.UNKNOWN, None, None),
    ),
    "a cause that no row names": (
        [*TALKING, HangupRequested(END, C, 79, None), *tail(79)],
        (Party.UNKNOWN, None, None),
    ),
    "plain, but with a status that no row names": (
        [*TALKING, HangupRequested(END, C, 16, 503), *tail(16)],
        (Party.UNKNOWN, None, None),
    ),
    "rtp_timeout of the caller": (
        [*TALKING, SoftHangupRequested(END, C, 1), *tail(44)],
        (Party.NETWORK, True, HIGH),
    ),
    "rtp_timeout of the caller in the queue": (
        [*QUEUED, SoftHangupRequested(END, C, 1), *tail(44)],
        (Party.NETWORK, True, HIGH),
    ),
    "rtp_timeout of the agent": ([*TALKING, SoftHangupRequested(END, A, 1), *tail(44)], (Party.AGENT, True, HIGH)),
    "a device hang-up with another cause": (
        [*TALKING, SoftHangupRequested(END, C, 1), *tail(16)],
        (Party.UNKNOWN, None, None),
    ),
    "a device hang-up that somebody asked for": (
        [*TALKING, SoftHangupRequested(END, C, 1), *tail(44, "PJSIP/agent1-1")],
        (Party.UNKNOWN, None, None),
    ),
    "agent's BYE": (
        [*TALKING, HangupRequested(END, A, None, None), *tail(16, "PJSIP/agent1-1")],
        (Party.AGENT, False, HIGH),
    ),
    "both hang up: the first counts": (
        [*TALKING, HangupRequested(END, A, None, None), HangupRequested(END + 1, C, 38, 500), *tail(16)],
        (Party.AGENT, False, HIGH),
    ),
    "Hangup() in the dialplan": (
        [*QUEUED, SoftHangupRequested(END, C, 16), *tail(16, "dialplan/builtin")],
        (Party.SYSTEM, False, MEDIUM),
    ),
    "AMI Hangup of the caller by somebody else": ([*TALKING, *tail(16)], (Party.SYSTEM, False, MEDIUM)),
    "AMI Hangup of the agent by somebody else": (
        [*TALKING, LegEnded(END, A, 16), *tail(16)],
        (Party.SYSTEM, False, MEDIUM),
    ),
    "we hung up": ([*TALKING, WeHungUp(END, C, "objection"), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "explicit": ([*TALKING, SoftHangupRequested(END, C, 32), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "explicit, the agent": ([*TALKING, SoftHangupRequested(END, A, 32), *tail(16)], (Party.SYSTEM, False, HIGH)),
    "time-out": ([*TALKING, SoftHangupRequested(END, C, 8), *tail(16)], (Party.SYSTEM, False, MEDIUM)),
    "moved, then the caller's BYE": (
        [*TALKING, SoftHangupRequested(END - 9, C, 2), HangupRequested(END, C, None, None), *tail(16)],
        (Party.CALLER, False, HIGH),
    ),
    "shutdown, said by the leg": ([*TALKING, SoftHangupRequested(END, C, 4), *tail(16)], (Party.PBX, True, HIGH)),
    "shutdown, said by Asterisk": ([*TALKING, ShuttingDown(END), *tail(16)], (Party.PBX, True, HIGH)),
    "restart": ([*TALKING, PbxRestarted(END, 5_000)], (Party.PBX, True, HIGH)),
    "restart in the menu": ([*IN_MENU, PbxRestarted(END, 5_000)], (Party.PBX, True, HIGH)),
    "gone while out of sight": ([*TALKING, OutOfSight(END, 9_000), *tail(16)[3:]], (Party.UNKNOWN, None, None)),
    "his BYE was seen before we lost sight": (
        [*TALKING, HangupRequested(END - 1, C, None, None), OutOfSight(END, 9_000), *tail(16)[3:]],
        (Party.CALLER, False, HIGH),
    ),
    "seen again, then his BYE": (
        [*TALKING, OutOfSight(END - 9_000, 9_000), HangupRequested(END, C, None, None), *tail(16)],
        (Party.CALLER, False, HIGH),
    ),
    "an agent's leg shows a 16 at its end": (
        [*TALKING, SoftHangupRequested(END - 1, A, 16), HangupRequested(END, C, None, None), *tail(16)],
        (Party.CALLER, False, HIGH),
    ),
    "nothing at all": ([], (Party.UNKNOWN, None, None)),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    events, expected = ROWS[name]
    assert expected == verdict(events)


def test_an_agent_who_did_not_answer_ended_nothing() -> None:
    """His leg's fault is his own; the caller waits on, and only the partner of the talk counts as the agent."""
    refused: list[CallEvent] = [HangupRequested(END - 50, A, 38, 500), LegEnded(END - 49, A, 38)]
    events = [*CONNECTING, *refused, HangupRequested(END, C, None, None), SoftHangupRequested(END, C, 16)]
    assert verdict([*events, LegEnded(END + 1, C, 0)]) == (Party.CALLER, False, HIGH)


def test_the_partner_of_an_earlier_talk_ends_nothing_after_a_new_queue() -> None:
    events = [*TALKING, BridgeLeft(END - 90, A, "b"), BridgeLeft(END - 90, C, "b"), QueueJoined(END - 80, C, "sales")]
    late: list[CallEvent] = [HangupRequested(END - 70, A, 38, 500), LegEnded(END - 69, A, 38)]
    assert verdict([*events, *late, HangupRequested(END, C, 0, None), *tail(0)[3:4]]) == (Party.CALLER, False, HIGH)


# --- evidence and time -------------------------------------------------------------------------------------------


def test_the_evidence_is_what_told_and_not_its_echo() -> None:
    ending = judge(settled([*TALKING, HangupRequested(END, C, 38, 500), *tail(38)]))
    assert ending.evidence == (Evidence("bye cause=38 tech=500", Role.CALLER, END),)
    assert ending.rules == RULES


def test_what_contradicts_stands_behind_what_decided() -> None:
    both = [HangupRequested(END, A, None, None), HangupRequested(END + 1, C, 38, 500)]
    ending = judge(settled([*TALKING, *both, *tail(16)]))
    assert [(e.fact, e.leg) for e in ending.evidence] == [("bye", Role.AGENT), ("bye cause=38 tech=500", Role.CALLER)]


def test_of_a_lost_network_the_loss_counts_from_the_last_media() -> None:
    media = [MediaReported(END - 9_000 + n * 1_000, C, min(n, 3) * 50) for n in range(9)]
    timeout = [SoftHangupRequested(END, C, 1), *tail(44)]
    assert judge(settled([*TALKING, *media, *timeout])).lost_at == END - 6_000
    assert judge(settled([*TALKING, *timeout])).lost_at == END + 3


def test_of_a_persons_ending_it_counts_from_the_hang_up() -> None:
    media = [MediaReported(END - 9_000 + n * 1_000, C, 50) for n in range(9)]
    ending = judge(settled([*TALKING, *media, HangupRequested(END, C, None, None), *tail(16)]))
    assert (ending.party, ending.lost_at) == (Party.CALLER, END + 3)


def still(*events: CallEvent) -> int | None:
    return media_stopped_at(C, events)


def test_when_media_stood_still() -> None:
    moving, frozen = MediaReported(1_000, C, 50), MediaReported(2_000, C, 50)
    assert None is still()
    assert None is still(moving)
    assert still(moving, frozen) == 1_000
    assert None is still(moving, frozen, MediaReported(3_000, C, 51))
    assert None is still(moving, MediaReported(2_000, A, 50))
    assert None is still(moving, Held(1_500, C), frozen)
    assert None is still(Held(500, C), moving, Unheld(1_500, C), frozen)
    assert still(moving, Held(1_500, A), frozen) == 1_000


# --- a real Asterisk ---------------------------------------------------------------------------------------------

CALLER = (Party.CALLER, False, HIGH)
RECORDED: dict[str, tuple[Stage, tuple[Party, bool | None, Confidence | None]]] = {
    "agent-bye": (Stage.TALKING, (Party.AGENT, False, HIGH)),
    "agent-bye-q850-38": (Stage.TALKING, (Party.AGENT, True, HIGH)),
    "agent-keys-objection": (Stage.TALKING, CALLER),
    "agent-keys-pause": (Stage.TALKING, CALLER),
    "caller-bye-in-notice": (Stage.ARRIVING, CALLER),  # the static notice: no flow of ours to tell the stage
    "caller-bye-in-queue": (Stage.QUEUED, CALLER),
    "caller-bye-q850-38": (Stage.TALKING, (Party.CARRIER, True, HIGH)),
    "caller-bye-talking": (Stage.TALKING, CALLER),
    "caller-cancel": (Stage.ARRIVING, CALLER),
    "caller-killed-agent-ringing": (Stage.CONNECTING, (Party.NETWORK, True, HIGH)),
    "caller-killed-talking": (Stage.TALKING, (Party.NETWORK, True, HIGH)),
    "caller-presses-info": (Stage.TALKING, CALLER),
    "caller-presses-rfc4733": (Stage.TALKING, CALLER),
    "forged-event": (Stage.QUEUED, CALLER),
    "injected-did": (Stage.CONNECTING, CALLER),
    "originate-answered-agent-caller-bye": (Stage.TALKING, CALLER),
    "rtp-timeout-agent": (Stage.TALKING, (Party.AGENT, True, HIGH)),
    "rtp-timeout-caller": (Stage.TALKING, (Party.NETWORK, True, HIGH)),
}
UNANSWERED = {"originate-busy", "originate-no-answer", "originate-nobody-there"}
"""Attempts that nobody answered: there is no call to judge."""


def test_every_recording_is_judged() -> None:
    assert set(NAMES) == set(RECORDED) | UNANSWERED


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    replayed = replay(name)
    ending = judge(replayed.call)
    stage, expected = RECORDED[name]
    assert (stage, expected) == (replayed.call.stage, (ending.party, ending.technical, ending.confidence))
    assert replayed.commands.count(Judge()) == 1
    agent = "PJSIP/agent1" if stage is Stage.TALKING else None
    assert agent == replayed.call.agent


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_loss(name: str) -> None:
    """rtp_timeout is 6 s in the lab and looked at every few seconds: the loss itself was long before the hang-up."""
    call = replay(name).call
    assert call.ended_at is not None
    gone_ms = call.ended_at - judge(call).lost_at
    if RECORDED[name][1][0] is Party.NETWORK:
        assert 5_000 < gone_ms < 12_000
    else:
        assert gone_ms == 0


def interleaved(first: Sequence[CallEvent], second: Sequence[CallEvent]) -> Iterator[list[CallEvent]]:
    """Every order in which two threads of Asterisk can have said these, each in its own order."""
    total = len(first) + len(second)
    for places in itertools.combinations(range(total), len(first)):
        one, two = iter(first), iter(second)
        yield [next(one) if n in places else next(two) for n in range(total)]


def _leg(event: CallEvent) -> LegId:
    return str(getattr(event, "leg", ""))


BEGINS = (HangupRequested, SoftHangupRequested)


@pytest.mark.parametrize("name", RECORDED)
def test_no_order_of_the_legs_last_words_changes_the_verdict(name: str) -> None:
    replayed = replay(name)
    began = next(n for n, event in enumerate(replayed.events) if isinstance(event, BEGINS))
    before, rest = replayed.events[: began + 1], replayed.events[began + 1 :]
    mine = [e for e in rest if _leg(e) == replayed.call.leg]
    theirs = [e for e in rest if _leg(e) != replayed.call.leg]
    expected = judge(replayed.call)
    orders = list(interleaved(mine, theirs))
    assert len(orders) >= (35 if RECORDED[name][0] is Stage.TALKING else 1)
    for order in orders:
        call = settled([*before, *order], replayed.began)
        assert Phase.SETTLED is call.phase
        assert replayed.call.stage is call.stage
        assert replace(expected, evidence=()) == replace(judge(call), evidence=())


@pytest.mark.parametrize("name", [n for n, (_, v) in RECORDED.items() if v[1]])
def test_without_the_handlers_a_fault_is_a_fault_all_the_same(name: str) -> None:
    """An administrator's own dialplan may drop our hang-up handler."""
    replayed = replay(name)
    ending = judge(settled([e for e in replayed.events if not isinstance(e, HandlerRan)], replayed.began))
    assert RECORDED[name][1] == (ending.party, ending.technical, ending.confidence)


# --- whatever comes ----------------------------------------------------------------------------------------------


def sound(ending: Ending) -> None:
    assert ending.evidence
    assert (ending.confidence is None) == (ending.technical is None)
    assert (ending.party is Party.UNKNOWN) == (ending.technical is None)
    if ending.technical:
        assert ending.party in (Party.NETWORK, Party.CARRIER, Party.AGENT, Party.PBX)


@given(st.lists(call_events, max_size=40), st.none() | st.integers(T0, END))
def test_judge_never_raises_and_is_never_half_sure(journal: list[CallEvent], ended_at: int | None) -> None:
    call = replace(NEW, journal=tuple(journal), ended_at=ended_at)
    ending = judge(call)
    sound(ending)
    assert ending.lost_at <= max(T0, ended_at if ended_at is not None else T0)


@given(st.lists(call_events, max_size=40), st.sampled_from(list(STAGES)))
def test_nor_after_a_call_was_played(history: list[CallEvent], stage: Stage) -> None:
    sound(judge(settled([*STAGES[stage], *history])))


def _by_a_stranger(event: CallEvent) -> CallEvent | None:
    """The same said of a leg that the caller was never bridged with; None where there is no leg to it."""
    if isinstance(event, BridgeEntered | ShuttingDown | PbxRestarted | OutOfSight):
        return None
    return replace(event, leg=B)


@given(st.lists(call_events.map(_by_a_stranger), max_size=20))
def test_a_stranger_ends_nothing(history: list[CallEvent | None]) -> None:
    bye = [HangupRequested(END, C, None, None), *tail(16)]
    strangers = [event for event in history if event is not None]
    assert judge(settled([*TALKING, *bye])) == judge(settled([*TALKING, *strangers, *bye]))

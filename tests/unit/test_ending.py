"""Who ended the call: every row of the table, what stands for and against the verdict, and from when a loss counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stories import (
    CONNECTING,
    END,
    FAULTS,
    HIGH,
    IN_MENU,
    MEDIUM,
    NEW,
    QUEUED,
    ROWS,
    STAGES,
    T0,
    TALKING,
    UNKNOWN,
    A,
    B,
    C,
    Told,
    bye,
    frozen,
    judged,
    media,
    recorded,
    settled,
    speaking,
    tail,
    told,
    verdict,
)
from tests.unit.test_call import call_events

from oddzwon.domain.ending import CONSEQUENCE_MS, RULES, Ending, Evidence, Party
from oddzwon.domain.events import (
    Attested,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandedOver,
    HangupRecorded,
    HangupRequested,
    Held,
    HungUpBy,
    LegEnded,
    LegsJoined,
    MediaReported,
    Oddity,
    OutOfSight,
    PbxRestarted,
    QueueJoined,
    Role,
    ShuttingDown,
    SoftHangupRequested,
    Stage,
)

# --- the rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [None, 0, 16])
@pytest.mark.parametrize("stage", Stage)
def test_a_plain_bye_is_the_callers_in_every_stage(stage: Stage, cause: int | None) -> None:
    call = settled([*STAGES[stage], bye(C, cause), *tail(cause or 16, "PJSIP/carrier-1")])
    ending = judged(call)
    assert (stage, Party.CALLER, False, HIGH) == (call.stage, ending.party, ending.technical, ending.confidence)
    assert ending.lost_at == END + 3


@pytest.mark.parametrize("tech", [None, 480, 500, 502, 503])
@pytest.mark.parametrize("cause", FAULTS)
@pytest.mark.parametrize("stage", [Stage.MENU, Stage.QUEUED, Stage.TALKING])
def test_the_carriers_word(stage: Stage, cause: int, tech: int | None) -> None:
    assert (Party.CARRIER, True, FAULTS[cause]) == verdict([*STAGES[stage], bye(C, cause, tech), *tail(cause)])


@pytest.mark.parametrize("cause", FAULTS)
def test_the_same_on_the_agents_leg_is_the_agents_fault(cause: int) -> None:
    assert (Party.AGENT, True, FAULTS[cause]) == verdict([*TALKING, bye(A, cause, 500), *tail(cause)])


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    events, expected = ROWS[name]
    assert expected == verdict(events)


BY_THE_RECORD: list[tuple[HungUpBy, int | None, Told, Told]] = [
    *((HungUpBy.ITSELF, n, (Party.CALLER, False, MEDIUM), (Party.AGENT, False, MEDIUM)) for n in (None, 0, 16)),
    # it may be left over from a re-INVITE that was refused, and no record tells: never high
    *((HungUpBy.ITSELF, n, (Party.CARRIER, True, MEDIUM), (Party.AGENT, True, MEDIUM)) for n in FAULTS),
    (HungUpBy.ITSELF, 18, (Party.NETWORK, True, MEDIUM), (Party.AGENT, True, MEDIUM)),
    *((HungUpBy.ITSELF, n, UNKNOWN, UNKNOWN) for n in (19, 44, 58, 127)),
    (HungUpBy.NOBODY, 44, (Party.NETWORK, True, MEDIUM), (Party.AGENT, True, MEDIUM)),
    *((HungUpBy.NOBODY, n, UNKNOWN, UNKNOWN) for n in (18, 38, 127)),
    *(
        (by, n, (Party.SYSTEM, False, MEDIUM), (Party.SYSTEM, False, MEDIUM))
        for by in (HungUpBy.NOBODY, HungUpBy.DIALPLAN)
        for n in (None, 0, 16)
    ),
    *((HungUpBy.DIALPLAN, n, UNKNOWN, UNKNOWN) for n in (38, 44)),
    *((HungUpBy.ANOTHER, n, UNKNOWN, UNKNOWN) for n in (None, 16, 38, 44)),
]


@pytest.mark.parametrize("record", ["cel", "spool"])
@pytest.mark.parametrize(("by", "cause", "callers", "agents"), BY_THE_RECORD)
def test_what_a_record_tells_afterwards(
    by: HungUpBy, cause: int | None, callers: Told, agents: Told, record: str
) -> None:
    for leg, expected in ((C, callers), (A, agents)):
        events = [*TALKING, OutOfSight(END + 9_000, 20_000), recorded(leg, cause, by, record)]
        assert expected == verdict([*events, LegEnded(END + 1, C, None)])


def test_what_was_seen_comes_before_what_is_read_afterwards() -> None:
    """The BYE itself was heard before the connection was lost: more sure than any record of it."""
    events = [*TALKING, bye(C, 38, 500), OutOfSight(END + 9_000, 9_000), recorded(C, 38, HungUpBy.ITSELF)]
    assert verdict([*events, LegEnded(END + 9_000, C, None)]) == (Party.CARRIER, True, HIGH)


def test_a_record_of_a_stranger_tells_nothing() -> None:
    events = [*TALKING, OutOfSight(END + 9_000, 20_000), recorded(B, 38, HungUpBy.ITSELF), LegEnded(END, C, None)]
    assert verdict(events) == UNKNOWN


# --- those who ended nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [None, 17, 21, 34, 38, 19])
def test_an_agent_who_did_not_answer_ended_nothing(how: int | None) -> None:
    """His leg's fault is his own; the caller waits on, and only the partner of the talk counts as the agent."""
    refused: list[CallEvent] = [HangupRequested(END - 50, A, how, 500), LegEnded(END - 49, A, how or 0)]
    events = [*CONNECTING, *refused, bye(C), SoftHangupRequested(END, C, 16)]
    assert verdict([*events, LegEnded(END + 1, C, 0)]) == (Party.CALLER, False, HIGH)


def test_the_partner_of_an_earlier_talk_ends_nothing_after_a_new_queue() -> None:
    events = [*TALKING, BridgeLeft(END - 90, A, "b"), BridgeLeft(END - 90, C, "b"), QueueJoined(END - 80, C, "sales")]
    late: list[CallEvent] = [HangupRequested(END - 70, A, 38, 500), LegEnded(END - 69, A, 38)]
    assert verdict([*events, *late, bye(C, 0), *tail(0)[3:4]]) == (Party.CALLER, False, HIGH)


@pytest.mark.parametrize("stage", Stage)
def test_the_service_hangs_up_in_any_stage(stage: Stage) -> None:
    we = ROWS["we hung up"][0][len(TALKING)]
    assert verdict([*STAGES[stage], we, *tail(16)[:4]]) == (Party.SYSTEM, False, HIGH)


# --- evidence and time -------------------------------------------------------------------------------------------


def test_the_evidence_is_what_told_and_not_its_echo() -> None:
    ending = judged(settled([*TALKING, bye(C, 38, 500), *tail(38)]))
    assert ending.evidence == (Evidence("bye cause=38 tech=500", Role.CALLER, END),)
    assert ending.against == ()
    assert ending.rules == RULES


def test_what_contradicts_stands_beside_what_decided() -> None:
    both = [bye(A), HangupRequested(END + 1, C, 38, 500)]
    ending = judged(settled([*TALKING, *both, *tail(16)]))
    assert ending.evidence == (Evidence("bye", Role.AGENT, END),)
    assert ending.against == (Evidence("bye cause=38 tech=500", Role.CALLER, END + 1),)


def test_what_agrees_stands_behind_what_decided() -> None:
    both = [bye(A), HangupRequested(END + 1, C, None, None)]
    ending = judged(settled([*TALKING, *both, *tail(16)]))
    assert ending.evidence == (Evidence("bye", Role.AGENT, END), Evidence("bye", Role.CALLER, END + 1))
    assert ending.against == ()


def test_a_frozen_leg_stands_before_the_bye_that_it_overruled() -> None:
    ending = judged(settled([*TALKING, *frozen(C, 3), bye(C), *tail(16)]))
    assert [e.fact for e in ending.evidence] == [
        "inbound RTP had stood still for 3.5 s before the bye",
        "bye",
        "inbound RTP stood still from then",
    ]
    assert ending.lost_at == END - 3_500


def test_a_freeze_that_proves_nothing_speaks_against_the_goodbye() -> None:
    ending = judged(settled([*TALKING, *media(C, 0, 50, 50, 100, 100, 100), bye(C), *tail(16)]))
    assert told(ending) == (Party.CALLER, False, MEDIUM)
    assert [e.fact for e in ending.against] == ["inbound RTP had stood still for 2.5 s, but it had paused before"]


@pytest.mark.parametrize(("gone", "who"), [(C, A), (A, C)])
def test_the_other_sides_freeze_speaks_against_a_goodbye(gone: str, who: str) -> None:
    ending = judged(settled([*TALKING, *frozen(gone, 3), bye(who), *tail(16)]))
    assert not ending.technical
    assert [(e.fact, e.leg) for e in ending.against] == [
        ("the other side's inbound RTP had stood still for 3.5 s", Role.CALLER if gone == C else Role.AGENT)
    ]


@pytest.mark.parametrize("reports", [0, 1])
def test_too_little_of_it_does_not(reports: int) -> None:
    assert judged(settled([*TALKING, *frozen(A, reports), bye(C), *tail(16)])).against == ()


def test_of_a_lost_network_the_loss_counts_from_the_last_media() -> None:
    reports = [MediaReported(END - 9_000 + n * 1_000, C, min(n, 3) * 50) for n in range(9)]
    timeout = [SoftHangupRequested(END, C, 1), *tail(44)]
    assert judged(settled([*TALKING, *reports, *timeout])).lost_at == END - 6_000
    assert judged(settled([*TALKING, *timeout])).lost_at == END + 3


def test_of_a_persons_ending_it_counts_from_the_hang_up() -> None:
    reports = [MediaReported(END - 9_000 + n * 1_000, C, 50) for n in range(9)]
    ending = judged(settled([*TALKING, *reports, bye(C), *tail(16)]))
    assert (ending.party, ending.lost_at) == (Party.CALLER, END + 3)


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.TALKING])
def test_a_plain_bye_of_a_leg_that_sent_to_the_end_is_sure(stage: Stage) -> None:
    ending = judged(settled([*STAGES[stage], *media(C, *speaking(10)), bye(C), *tail(16)]))
    assert told(ending) == (Party.CALLER, False, HIGH)
    assert ending.against == ()


def test_silence_on_hold_is_no_fault() -> None:
    held: list[CallEvent] = [Held(END - 5_000, C)]
    events = [*TALKING, *media(C, *speaking(10), until=END - 5_000), *held, *media(C, 500, 500, 500), bye(C), *tail(16)]
    assert verdict(events) == (Party.CALLER, False, HIGH)


# --- the agent's leg ends and the caller goes on -----------------------------------------------------------------

AGENT_GONE: dict[str, list[CallEvent]] = {
    "he hung up": [HangupRequested(END - 30_000, A, None, None), LegEnded(END - 29_999, A, 16)],
    "his line failed": [HangupRequested(END - 30_000, A, 38, 500), LegEnded(END - 29_999, A, 38)],
    "his RTP stopped": [SoftHangupRequested(END - 30_000, A, 1), LegEnded(END - 29_999, A, 44)],
    "somebody hung him up": [LegEnded(END - 29_999, A, 16)],
}
AND_THEN: dict[str, list[CallEvent]] = {
    "to a queue again": [QueueJoined(END - 29_000, C, "sales")],
    "to a survey": [],
    "to another agent": [BridgeEntered(END - 29_000, B, "b2"), BridgeEntered(END - 28_999, C, "b2")],
}
LOST = "is lost with Asterisk"
FINALLY: dict[str, tuple[list[CallEvent], Told]] = {
    "hangs up": ([bye(C), *tail(16)[:4]], (Party.CALLER, False, HIGH)),
    "is cut off": ([bye(C, 38, 500), *tail(38)[:4]], (Party.CARRIER, True, HIGH)),
    "falls silent": ([SoftHangupRequested(END, C, 1), *tail(44)[:4]], (Party.NETWORK, True, HIGH)),
    LOST: ([PbxRestarted(END, 1_000)], (Party.PBX, True, HIGH)),
}


# in a survey nothing shows that he went on before Asterisk was lost: the agent's end is the last that is known
LATER = [(on, finally_) for on in AND_THEN for finally_ in FINALLY if (on, finally_) != ("to a survey", LOST)]


@pytest.mark.parametrize(("on", "finally_"), LATER)
@pytest.mark.parametrize("gone", AGENT_GONE)
def test_the_caller_who_goes_on_has_an_ending_of_his_own(gone: str, on: str, finally_: str) -> None:
    left: list[CallEvent] = [BridgeLeft(END - 29_998, C, "b")]
    end, expected = FINALLY[finally_]
    assert expected == verdict([*TALKING, *AGENT_GONE[gone], *left, *AND_THEN[on], *end])


@pytest.mark.parametrize("late_ms", [1, CONSEQUENCE_MS, CONSEQUENCE_MS + 1])
def test_what_comes_within_a_moment_is_the_agents_doing(late_ms: int) -> None:
    events: list[CallEvent] = [*TALKING, HangupRequested(END - late_ms, A, 38, 500), LegEnded(END - late_ms, A, 38)]
    theirs = (Party.AGENT, True, HIGH)
    assert verdict([*events, *tail(38)[:4]]) == (theirs if late_ms <= CONSEQUENCE_MS - 1 else verdict(tail(38)[:4]))


# --- whatever comes ----------------------------------------------------------------------------------------------


def sound(ending: Ending) -> None:
    """No verdict is half sure; only the agent's word may tell of a fault without telling whose."""
    assert ending.evidence
    assert (ending.confidence is None) == (ending.technical is None)
    if ending.technical is None:
        assert ending.party is Party.UNKNOWN
    elif ending.technical is False:
        assert ending.party in (Party.CALLER, Party.AGENT, Party.SYSTEM)
    elif ending.party is Party.UNKNOWN:
        assert "agent says" in ending.evidence[0].fact
    else:
        assert ending.party in (Party.NETWORK, Party.CARRIER, Party.AGENT, Party.PBX)


@given(st.lists(call_events, max_size=40), st.none() | st.integers(T0, END))
def test_judge_never_raises_and_is_never_half_sure(journal: list[CallEvent], ended_at: int | None) -> None:
    call = replace(NEW, journal=tuple(journal), ended_at=ended_at)
    ending = judged(call)
    sound(ending)
    assert ending.lost_at <= max(T0, ended_at if ended_at is not None else T0)


@given(st.lists(call_events, max_size=40), st.sampled_from(list(STAGES)))
def test_nor_after_a_call_was_played(history: list[CallEvent], stage: Stage) -> None:
    sound(judged(settled([*STAGES[stage], *history])))


NOBODYS = ShuttingDown | PbxRestarted | OutOfSight | Attested
"""Told of the whole call, whoever else is in it."""


def _by_a_stranger(event: CallEvent) -> CallEvent | None:
    """The same said of a leg that the caller was never connected with; None where there is no leg to it."""
    if isinstance(event, NOBODYS | BridgeEntered | LegsJoined):
        return None
    if isinstance(event, Oddity) and event.leg is None:
        return None
    return replace(event, leg=B)


@given(st.lists(call_events.map(_by_a_stranger), max_size=20))
def test_a_stranger_ends_nothing(history: list[CallEvent | None]) -> None:
    bye_of_c = [bye(C), *tail(16)]
    strangers = [event for event in history if event is not None]
    assert judged(settled([*TALKING, *bye_of_c])) == judged(settled([*TALKING, *strangers, *bye_of_c]))


def test_the_menu_has_no_agent() -> None:
    """Whatever a leg does that the caller never talked with, his own ending is his own."""
    facts: list[CallEvent] = [HangupRequested(END - 1, A, 38, 500), HandedOver(END - 1, A)]
    facts.append(HangupRecorded(END - 1, A, 38, HungUpBy.ITSELF, "cel"))
    for fact in facts:
        assert verdict([*IN_MENU, fact, bye(C), *tail(16)]) == (Party.CALLER, False, HIGH)
        assert verdict([*QUEUED, fact, bye(C, 38), *tail(38)]) == (Party.CARRIER, True, HIGH)

"""What looks like another ending: somebody else's end, an old word, a leg that pauses, a long wait in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.stories import (
    AGENT,
    END,
    HIGH,
    LOW,
    MEDIUM,
    NEW,
    QUEUED,
    T0,
    TALKING,
    UNKNOWN,
    A,
    B,
    C,
    Told,
    after_an_answer,
    bye,
    frozen,
    judged,
    media,
    settled,
    speaking,
    tail,
    told,
    verdict,
)

from oddzwon.domain.ending import WORD_LASTS_MS, Ending, Party
from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    Attested,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HandlerRan,
    HangupRequested,
    Held,
    LegEnded,
    LegId,
    MediaReported,
    PbxRestarted,
    QueueJoined,
    Role,
    SoftHangupRequested,
    Unheld,
)
from oddzwon.domain.journal import LIMIT, remember
from oddzwon.domain.media import standstill

GOODBYE: Told = (Party.CALLER, False, HIGH)
REFUSAL: Told = (Party.AGENT, False, HIGH)
CARRIER: Told = (Party.CARRIER, True, HIGH)

# --- three in the bridge -----------------------------------------------------------------------------------------

THREE: list[CallEvent] = [*TALKING, BridgeEntered(T0 + 70, B, "b")]
B_LEAVES: list[CallEvent] = [BridgeLeft(END - 1_500, B, "b")]
HIS_END: dict[str, list[CallEvent]] = {
    "a fault": [HangupRequested(END - 1_501, B, 38, 500), *B_LEAVES, LegEnded(END - 1_499, B, 38)],
    "a goodbye": [HangupRequested(END - 1_501, B, None, None), *B_LEAVES, LegEnded(END - 1_499, B, 16)],
    "rtp_timeout": [
        SoftHangupRequested(END - 1_501, B, 1),
        *B_LEAVES,
        HandlerRan(END - 1_500, B, Role.AGENT, 44, ""),
        LegEnded(END - 1_499, B, 44),
    ],
    "without a word": [*B_LEAVES, LegEnded(END - 1_499, B, 16)],
    "shown only after he had left": [*B_LEAVES, HangupRequested(END - 1_499, B, 38, 500), LegEnded(END - 1_498, B, 38)],
}
THEIR_END: dict[str, tuple[list[CallEvent], Told]] = {
    "the caller's goodbye": ([bye(C), *tail(16)], GOODBYE),
    "the caller's fault": ([bye(C, 38, 500), *tail(38)], CARRIER),
    "the agent's goodbye": ([bye(A), *tail(16)], REFUSAL),
    "the agent's fault": ([bye(A, 38, 500), *tail(38)], (Party.AGENT, True, HIGH)),
}


@pytest.mark.parametrize("then", THEIR_END)
@pytest.mark.parametrize("how", HIS_END)
def test_a_third_who_leaves_just_before_has_not_ended_it(how: str, then: str) -> None:
    """Whatever befell him, the two who stayed behind were still talking."""
    end, expected = THEIR_END[then]
    assert expected == verdict([*THREE, *HIS_END[how], *end])


def test_whoever_leaves_nobody_behind_has_ended_it() -> None:
    two: list[CallEvent] = [HangupRequested(END, A, 38, 500), BridgeLeft(END, A, "b"), *tail(38)[2:3], tail(38)[4]]
    assert verdict([*TALKING, *two, HangupRequested(END + 900, C, None, None), LegEnded(END + 901, C, 16)]) == (
        Party.AGENT,
        True,
        HIGH,
    )


# --- Asterisk is lost just after ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost_after_ms", "expected"), [(10, REFUSAL), (2_000, REFUSAL), (2_001, (Party.PBX, True, HIGH))]
)
@pytest.mark.parametrize("away_ms", [1_000, 20_000, 600_000])
def test_a_restart_counts_from_when_asterisk_was_lost(lost_after_ms: int, expected: Told, away_ms: int) -> None:
    """Its event comes when the connection is back, and tells how long that took."""
    restarted = PbxRestarted(END + lost_after_ms + away_ms, away_ms)
    assert expected == verdict([*TALKING, bye(A), restarted])


# --- a leg that pauses -------------------------------------------------------------------------------------------


def reports(start: int, *sequences: int, source: str = "one", leg: LegId = C) -> list[CallEvent]:
    """One report a second from ``start`` on."""
    return [MediaReported(start + 1_000 * n, leg, sequence, source) for n, sequence in enumerate(sequences)]


PAUSING = [50 * (n - n // 3) for n in range(30)]
"""Every third report stands still."""
FREEZE = [*speaking(5, PAUSING[-1]), *[PAUSING[-1] + 250] * 3]
START = END - 45_000
FROZEN_FROM = START + 35_000
LINES: dict[str, list[CallEvent]] = {
    "no hold": reports(START, *PAUSING, *FREEZE),
    "a hold between": [
        *reports(START, *PAUSING),
        Held(START + 29_100, C),
        Unheld(START + 29_500, C),
        *reports(START + 30_000, *FREEZE),
    ],
    "a hold by the agent between": [
        *reports(START, *PAUSING),
        Held(START + 29_100, A),
        Unheld(START + 29_500, A),
        *reports(START + 30_000, *FREEZE),
    ],
    "another stream since": [*reports(START, *PAUSING), *reports(START + 30_000, *FREEZE, source="two")],
}


@pytest.mark.parametrize("line", LINES)
def test_a_phone_that_pauses_is_not_cut_off_when_it_pauses(line: str) -> None:
    ending = judged(settled([*TALKING, *LINES[line], bye(C), *tail(16)]))
    assert told(ending) == (Party.CALLER, False, MEDIUM)
    assert [e.fact for e in ending.against if "it had paused before" in e.fact]


@pytest.mark.parametrize("line", LINES)
def test_nor_was_it_lost_when_it_last_spoke(line: str) -> None:
    """He listened for long, and was cut off then: the law's windows count from the loss, not from his last word."""
    ending = judged(settled([*TALKING, *LINES[line], bye(C, 38, 500), *tail(38)]))
    assert told(ending) == CARRIER
    assert ending.lost_at == END + 3


def test_of_an_rtp_timeout_the_silence_is_the_loss_also_on_such_a_leg() -> None:
    ending = judged(settled([*TALKING, *LINES["no hold"], SoftHangupRequested(END, C, 1), *tail(44)]))
    assert told(ending) == (Party.NETWORK, True, HIGH)
    assert ending.lost_at == FROZEN_FROM


def test_a_phone_on_hold_may_be_silent_whoever_holds() -> None:
    """With moh_passthrough Asterisk tells the other phone to stop sending."""
    for who in (C, A):
        line = [*media(C, *speaking(10), until=END - 6_000), Held(END - 6_400, who), *media(C, *[500] * 6)]
        assert verdict([*TALKING, *line, bye(C), *tail(16)]) == GOODBYE


def test_three_reports_in_a_moment_are_not_sure() -> None:
    burst: list[CallEvent] = [MediaReported(END - 20 + 5 * n, C, 500) for n in range(3)]
    line = [*media(C, *speaking(10), until=END), *burst]
    assert verdict([*TALKING, *line, bye(C), *tail(16)]) == (Party.NETWORK, True, LOW)


# --- the agent's bare word ---------------------------------------------------------------------------------------


def bare(at: int = END - 500, door: str = "code") -> Attested:
    return Attested(at, None, door)


def word_in_doubt(ending: Ending) -> bool:
    """Whether the word stands against the verdict."""
    return any("agent says" in e.fact for e in ending.against)


DEAD_LINE: dict[str, tuple[list[CallEvent], Told]] = {
    "dead": (frozen(C, 8), (Party.NETWORK, True, MEDIUM)),
    "dead for two reports": (frozen(C, 2), (Party.NETWORK, True, MEDIUM)),
    "silent for one report": (frozen(C, 1), REFUSAL),
    "fresh": (media(C, *speaking(10)), REFUSAL),
    "never seen": ([], REFUSAL),
    "one that pauses": (LINES["no hold"], REFUSAL),
    "one that was not seen for long enough": (media(C, 0, 50, 50, 50), REFUSAL),
    "on hold": ([*media(C, *speaking(9), until=END - 5_000), Held(END - 5_000, C), *media(C, *[450] * 4)], REFUSAL),
}


@pytest.mark.parametrize("line", DEAD_LINE)
@pytest.mark.parametrize("afterwards", [False, True])
def test_an_agent_who_hangs_up_on_a_dead_line_has_not_refused(line: str, afterwards: bool) -> None:
    """He need not name the fault where the caller's media name it; on a live line his own hang-up stands."""
    heard, expected = DEAD_LINE[line]
    without = settled([*TALKING, *heard, bye(A), *tail(16)])
    call = replace(without, journal=(*without.journal, bare(END + 30_000, "phone")))
    if not afterwards:
        call = settled([*TALKING, *heard, bare(), bye(A), *tail(16)])
    ending = judged(call)
    assert told(judged(without)) == REFUSAL
    assert (told(ending), word_in_doubt(ending)) == (expected, expected == REFUSAL)
    if expected != REFUSAL:
        assert [e.fact for e in ending.evidence if "the other side's inbound RTP" in e.fact]
        assert [e.fact for e in ending.against] == ["bye"]


@pytest.mark.parametrize(
    ("before_ms", "believed"), [(500, True), (WORD_LASTS_MS - 3, True), (WORD_LASTS_MS, False), (1_200_000, False)]
)
def test_an_old_word_is_not_about_this_end(before_ms: int, believed: bool) -> None:
    """The call went on for longer than a minute after it: it is kept, and changes nothing."""
    began: list[CallEvent] = [*TALKING[:4], bare(END - before_ms), *TALKING[4:]]
    ends: dict[str, tuple[list[CallEvent], Told, Told]] = {
        "goodbye of one who pauses": (
            [*LINES["no hold"], bye(C), *tail(16)],
            (Party.CALLER, False, MEDIUM),
            (Party.UNKNOWN, True, MEDIUM),
        ),
        "not known": ([bye(C, 79), *tail(79)], UNKNOWN, (Party.UNKNOWN, True, HIGH)),
        "a fault": ([bye(C, 31, 480), *tail(31)], (Party.CARRIER, True, MEDIUM), CARRIER),
    }
    for name, (end, before, after) in ends.items():
        ending = judged(settled([*began, *end]))
        assert (name, told(ending)) == (name, after if believed else before)
        assert word_in_doubt(ending) is not believed


AGREES: dict[str, tuple[list[CallEvent], Told]] = {
    "his own line was dead": ([*TALKING, *frozen(A, 3), bye(A), *tail(16)], (Party.AGENT, True, HIGH)),
    "the carrier said so, then he hung up as well": (
        [*TALKING, bye(C, 31, 480), HangupRequested(END + 1, A, None, None), *tail(31)],
        CARRIER,
    ),
}


@pytest.mark.parametrize("name", AGREES)
def test_a_word_that_agrees_makes_it_sure(name: str) -> None:
    """Somebody also said goodbye, but not that ended it."""
    events, expected = AGREES[name]
    ending = judged(settled([bare(), *events]))
    assert told(ending) == expected
    assert not word_in_doubt(ending)


def test_a_word_without_a_name_does_not_outweigh_a_goodbye_that_came_second() -> None:
    """Nobody knows what the agent's leg had; but the caller did say goodbye."""
    both = [HangupRequested(END - 1_000, A, 127, 500), bye(C), *tail(16)]
    ending = judged(settled([*TALKING, bare(END - 1_100), *both]))
    assert told(ending) == UNKNOWN
    assert word_in_doubt(ending)


# --- a cause that is left over from a refused re-INVITE ----------------------------------------------------------

COLOURED = after_an_answer(C, 38, 500, 500)[len(TALKING) :]
"""It hides what the BYE itself said: a goodbye, or a fault."""
BEFORE_IT: dict[str, tuple[list[CallEvent], Told]] = {
    "sending": (media(C, *speaking(10)), UNKNOWN),
    "dead": (frozen(C, 3), (Party.NETWORK, True, MEDIUM)),
    "pausing": (LINES["no hold"], UNKNOWN),
}


@pytest.mark.parametrize("line", BEFORE_IT)
def test_behind_a_left_over_cause_the_media_still_tell(line: str) -> None:
    heard, expected = BEFORE_IT[line]
    ending = judged(settled([*TALKING, *heard, *COLOURED]))
    assert told(ending) == expected
    assert any("left over from a refused re-INVITE" in e.fact for e in ending.evidence)


def test_a_bare_word_makes_no_fault_of_it() -> None:
    """It may well have been a goodbye, which no bare word outweighs."""
    ending = judged(settled([*TALKING, *media(C, *speaking(10)), bare(), *COLOURED]))
    assert told(ending) == UNKNOWN
    assert word_in_doubt(ending)


# --- a long wait before the talk ---------------------------------------------------------------------------------


def refused_ring(at: int, leg: LegId) -> list[CallEvent]:
    """What one telephone that does not want to be disturbed says (measured: HangupRequest 17/486)."""
    return [
        AgentRinging(at, leg, AGENT),
        HangupRequested(at + 5, leg, 17, 486),
        AgentGaveUp(at + 6, leg),
        HandlerRan(at + 7, leg, Role.AGENT, 17, "PJSIP/agent1-1", 0, 486),
        LegEnded(at + 8, leg, 17),
    ]


def waited(seconds: int, phones: int) -> list[CallEvent]:
    """The caller in a queue whose phones all refuse once a second; he sends without a break."""
    events: list[CallEvent] = [QueueJoined(T0, C, "support")]
    for n in range(seconds):
        at = T0 + 1_000 * n
        events.append(MediaReported(at, C, 50 * n))
        events += [e for phone in range(phones) for e in refused_ring(at + 10, f"pbx-1.{1_000 + n * phones + phone}")]
    return events


def kept(events: Sequence[CallEvent]) -> tuple[CallEvent, ...]:
    journal: tuple[CallEvent, ...] = ()
    for event in events:
        journal = remember(journal, event)
    return journal


def end_of(events: Sequence[CallEvent], ended_at: int) -> Ending:
    """The verdict on what the journal has kept of them."""
    return judged(replace(NEW, journal=kept(events), ended_at=ended_at))


@pytest.mark.thorough
@pytest.mark.parametrize(("seconds", "phones"), [(25, 4), (100, 4), (800, 1)])
def test_phones_that_ring_in_vain_do_not_crowd_out_how_the_caller_sent(seconds: int, phones: int) -> None:
    wait = waited(seconds, phones)
    at = T0 + 1_000 * seconds
    still: list[CallEvent] = [MediaReported(at + 1_000 * n, C, 50 * (seconds - 1)) for n in range(4)]
    assert len(kept(wait)) <= LIMIT < len(wait)
    silence = standstill(C, kept([*wait, *still]))
    assert silence is not None
    assert silence == standstill(C, [*wait, *still])
    ending = end_of([*wait, *still, HangupRequested(at + 3_500, C, None, None), LegEnded(at + 3_501, C, 0)], at + 3_501)
    assert told(ending) == (Party.NETWORK, True, MEDIUM)


@pytest.mark.thorough
def test_nor_whom_he_then_talked_with() -> None:
    at = T0 + 800_000
    talk: list[CallEvent] = [
        AgentRinging(at, A, AGENT),
        AgentAnswered(at + 10, A, AGENT),
        BridgeEntered(at + 20, A, "b"),
        BridgeEntered(at + 21, C, "b"),
        *reports(at + 1_000, *speaking(60, 40_000)),
    ]
    end = at + 70_000
    fault: list[CallEvent] = [
        HangupRequested(end, A, 38, 500),
        HandlerRan(end + 1, A, Role.AGENT, 38, "PJSIP/agent1-1", 3_000, 200),
        LegEnded(end + 1, A, 38),
        LegEnded(end + 2, C, 38),
    ]
    assert told(end_of([*waited(800, 1), *talk, *fault], end + 2)) == (Party.AGENT, True, HIGH)


def test_the_caller_who_refused_nothing_is_not_forgotten_with_the_phones() -> None:
    """His own facts stay: the queue that he joined, and where it all began."""
    journal = kept([*QUEUED, *waited(100, 4)])
    assert [e for e in journal if isinstance(e, QueueJoined)]
    assert set(QUEUED) <= set(journal)

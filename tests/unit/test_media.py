"""Inbound RTP that stood still: when it proves a fault, and that a shortened journal says the same as a full one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.domain.events import BridgeEntered, CallEvent, HandedOver, Held, LegEnded, MediaReported, Unheld
from oddzwon.domain.journal import LIMIT, remember
from oddzwon.domain.media import ENOUGH_MS, Standstill, Stream, standstill

C, A = "pbx-1.1", "pbx-1.2"
SECOND = 1_000


def reports(*sequences: int, leg: str = C, every_ms: int = SECOND, source: str | None = None) -> list[CallEvent]:
    """What Asterisk reports of a leg, once a second."""
    more = {} if source is None else {"source": source}
    return [MediaReported(every_ms * n, leg, sequence, **more) for n, sequence in enumerate(sequences)]


def after(events: Sequence[CallEvent], *sequences: int, leg: str = C, every_ms: int = SECOND) -> list[CallEvent]:
    """The same events with more reports behind them."""
    start = events[-1].at
    return [*events, *(MediaReported(start + every_ms * (n + 1), leg, s) for n, s in enumerate(sequences))]


def speech(seconds: int, *, start: int = 0) -> list[int]:
    """Sequence numbers of a leg that sends a packet each 20 ms."""
    return [start + 50 * n for n in range(seconds + 1)]


def kept(events: Sequence[CallEvent]) -> tuple[CallEvent, ...]:
    """What the journal keeps of them."""
    journal: tuple[CallEvent, ...] = ()
    for event in events:
        journal = remember(journal, event)
    return journal


# --- whether it stood still --------------------------------------------------------------------------------------


@pytest.mark.parametrize("still", [1, 2, 3, 8])
def test_reports_without_an_advance_are_counted_from_the_last_advance(still: int) -> None:
    going = speech(10)
    expected = Standstill(10_000, still, still * SECOND, Stream.STEADY)
    assert standstill(C, reports(*going, *[going[-1]] * still)) == expected


@pytest.mark.parametrize("sequences", [[], [500], [0, 50], [0, 50, 50, 100]])
def test_a_leg_that_sent_to_the_last_report_did_not_stand_still(sequences: list[int]) -> None:
    assert standstill(C, reports(*sequences)) is None


def test_another_legs_silence_is_not_this_ones() -> None:
    events = sorted([*reports(*speech(9)), *reports(*[7] * 10, leg=A)], key=lambda e: e.at)
    assert standstill(C, events) is None
    silence = standstill(A, events)
    assert silence == Standstill(0, 9, 9_000, Stream.TOO_SHORT)


@pytest.mark.parametrize(
    ("still", "every_ms", "sure"),
    [(1, SECOND, False), (1, 9_000, False), (2, SECOND, True), (3, 5, False), (200, 5, False), (400, 5, True)],
)
def test_a_moment_without_packets_is_not_sure(still: int, every_ms: int, sure: bool) -> None:
    """Neither one report, however late, nor many in a moment: a late packet would look the same."""
    going = reports(*speech(10))
    silence = standstill(C, after(going, *[500] * still, every_ms=every_ms))
    assert silence is not None
    assert (silence.sure, silence.seen_ms) == (sure, still * every_ms)
    assert sure == (still > 1 and still * every_ms >= ENOUGH_MS)


# --- what it proves ----------------------------------------------------------------------------------------------

STREAMS: dict[str, tuple[list[int], Stream]] = {
    "speech": (speech(10), Stream.STEADY),
    "three intervals: the last is cut short, two are whole": (speech(3), Stream.STEADY),
    "speech at half the packets": ([25 * n for n in range(10)], Stream.STEADY),
    "speech, its last interval cut short": ([*speech(10), 512], Stream.STEADY),
    "speech, its last interval cut to one packet": ([*speech(10), 501], Stream.STEADY),
    "a little loss": ([0, 50, 99, 145, 195, 240], Stream.STEADY),
    "one report": ([50], Stream.TOO_SHORT),
    "one interval": (speech(1), Stream.TOO_SHORT),
    "two intervals, of which one was cut short": (speech(2), Stream.TOO_SHORT),
    "comfort noise at times": ([0, 50, 100, 105, 110, 160, 210], Stream.BROKEN),
    "silence suppression": ([0, 50, 100, 100, 150, 200, 250], Stream.BROKEN),
    "a gap of one report": ([0, 50, 100, 150, 155, 205, 255], Stream.BROKEN),
    "a gap made good by a burst": ([0, 50, 100, 150, 152, 250, 300], Stream.BROKEN),
    "numbers that go back": ([500, 550, 600, 50, 100, 150], Stream.BROKEN),
    "a jump of the numbers": ([0, 50, 100, 40_000, 40_050, 40_100], Stream.BROKEN),
}


@pytest.mark.parametrize("name", STREAMS)
def test_only_a_leg_that_sent_without_a_break_is_evidence(name: str) -> None:
    sequences, stream = STREAMS[name]
    for still in (1, 2, 5):
        silence = standstill(C, reports(*sequences, *[sequences[-1]] * still))
        assert silence is not None
        assert (silence.stream, silence.reports) == (stream, still)


def test_comfort_noise_alone_stands_still_only_when_it_stops_and_proves_nothing_then() -> None:
    """Five packets a second go on moving the number; however even, that is no codec's speech (RFC 3389 section 4.1)."""
    noise = [5 * n for n in range(20)]
    assert standstill(C, reports(*noise)) is None
    assert standstill(C, reports(*noise, 95, 95)) == Standstill(19_000, 2, 2_000, Stream.BROKEN)


def test_a_leg_that_never_sent_proves_nothing() -> None:
    assert standstill(C, reports(0, 0, 0, 0)) == Standstill(0, 3, 3_000, Stream.TOO_SHORT)


def test_two_reports_at_nearly_one_time_are_not_two_intervals() -> None:
    events: list[CallEvent] = [MediaReported(at, C, n) for at, n in ((0, 0), (1_000, 50), (1_005, 51), (2_005, 51))]
    silence = standstill(C, events)
    assert silence is not None
    assert silence.stream is Stream.TOO_SHORT


def test_two_reports_at_one_instant_divide_by_nothing() -> None:
    events: list[CallEvent] = [MediaReported(5, C, 0), *reports(0, 0, 50, 100, 150, 150), MediaReported(5_000, C, 150)]
    assert standstill(C, events) is not None


def test_the_number_of_another_stream_does_not_count_on() -> None:
    """A new source begins anew (RFC 3550 section 8.2): its first numbers are no jump of the old one's."""
    events = [*reports(*speech(5), source="one"), *after_source(5, [9_000, 9_050, 9_100, 9_150, 9_150, 9_150])]
    silence = standstill(C, events)
    assert silence is not None
    assert (silence.stream, silence.reports) == (Stream.STEADY, 2)


def test_two_streams_at_once_prove_nothing() -> None:
    """Audio and video on one channel take turns: each begins the count anew."""
    both: list[CallEvent] = []
    for n, sequence in enumerate([*speech(10), 500, 500, 500]):
        both += [MediaReported(n * SECOND + ms, C, sequence, source=name) for ms, name in ((0, "audio"), (9, "video"))]
    assert standstill(C, both) is None
    assert standstill(C, kept(both)) is None


def after_source(start_s: int, sequences: Sequence[int]) -> list[CallEvent]:
    return [MediaReported((start_s + 1 + n) * SECOND, C, s, source="two") for n, s in enumerate(sequences)]


# --- hold --------------------------------------------------------------------------------------------------------


def test_on_hold_silence_is_no_fault() -> None:
    going = reports(*speech(10))
    assert standstill(C, after([*going, Held(10_500, C)], 500, 500, 500)) is None
    assert standstill(C, [*after(going, 500, 500, 500), Held(14_000, C)]) is None


def test_while_the_other_side_holds_silence_is_no_fault_either() -> None:
    """Where Asterisk passes the hold on (moh_passthrough), the held phone falls silent because it was told to."""
    going = [*reports(*speech(10)), Held(10_500, A)]
    assert standstill(C, after(going, 500, 500)) is None
    held = after(going, 550, 600, 600, 600)
    assert standstill(C, held) is None
    assert standstill(C, [*held, Unheld(held[-1].at + 1, C)]) is None


@pytest.mark.parametrize(
    ("who", "over"),
    [(C, Unheld(14_000, C)), (A, Unheld(14_000, A)), (A, LegEnded(14_000, A, 16)), (A, HandedOver(14_000, A))],
)
def test_after_hold_a_leg_must_be_seen_to_send_anew(who: str, over: CallEvent) -> None:
    going = [*reports(*speech(10)), Held(10_500, who)]
    back: list[CallEvent] = [*after(going, 500, 500, 500), over]
    assert standstill(C, back) is None
    assert standstill(C, after(back, 550, 550)) == Standstill(15_000, 1, 1_000, Stream.TOO_SHORT)
    anew = after(back, 550, 600, 650, 700, 700, 700)
    assert standstill(C, anew) == Standstill(18_000, 2, 2_000, Stream.STEADY)


# --- who paused once pauses by himself ---------------------------------------------------------------------------

PAUSING = [0, 50, 50, 100, 150, 150, 200]
"""Silence suppression: a report now and then does not advance."""


def on_and_off_hold(events: Sequence[CallEvent], who: str) -> list[CallEvent]:
    """The leg's reports, and a short hold behind them."""
    at = events[-1].at
    return [*events, Held(at + 100, who), Unheld(at + 600, who)]


@pytest.mark.parametrize("who", [C, A])
def test_pauses_before_a_hold_are_not_forgotten(who: str) -> None:
    steady = [1_000 + n for n in (*speech(5), 250, 250, 250)]
    silence = standstill(C, after(on_and_off_hold(reports(*PAUSING), who), *steady))
    assert silence is not None
    assert silence.stream is Stream.BROKEN
    silence = standstill(C, after(on_and_off_hold(reports(*speech(7)), who), *steady))
    assert silence is not None
    assert silence.stream is Stream.STEADY


@pytest.mark.parametrize(("before", "stream"), [(PAUSING, Stream.BROKEN), (speech(6), Stream.STEADY)])
def test_nor_are_those_of_an_earlier_stream(before: list[int], stream: Stream) -> None:
    events = [*reports(*before, source="one"), *after_source(6, [*speech(5, start=9_000), *[9_250] * 3])]
    for journal in (events, kept(events)):
        silence = standstill(C, journal)
        assert silence is not None
        assert silence.stream is stream


# --- what the journal keeps --------------------------------------------------------------------------------------


def test_a_run_keeps_its_first_report_and_the_last_three() -> None:
    events = reports(*speech(100))
    assert kept(events) == (events[0], *events[-3:])


def test_an_hour_of_speech_does_not_look_broken() -> None:
    """More than 65536 packets: the number that Asterisk tells beside its cycles has gone round."""
    going = speech(4_000)
    events = reports(*going, *[going[-1]] * 3)
    assert standstill(C, kept(events)) == standstill(C, events) == Standstill(4_000_000, 3, 3_000, Stream.STEADY)
    assert len(kept(events)) < 10


def test_the_other_legs_comfort_noise_does_not_crowd_out_how_this_one_sent() -> None:
    events: list[CallEvent] = []
    for n in range(3 * LIMIT):
        events += [MediaReported(5_000 * n, C, 250 * n), MediaReported(5_000 * n + 9, A, 250 * (n // 2))]
    events = after(events, *[events[-2].sequence] * 3) if isinstance(events[-2], MediaReported) else []
    journal = kept(events)
    assert len(journal) <= LIMIT
    silence = standstill(C, journal)
    assert silence is not None
    assert silence.stream is Stream.STEADY


parts = st.lists(
    st.tuples(st.sampled_from(["speech", "pause", "noise", "hold", "other hold", "bridge"]), st.integers(1, 12)),
    min_size=1,
    max_size=8,
)


@st.composite
def told_of_a_leg(draw: st.DrawFn) -> list[CallEvent]:
    """What a leg's line may look like: speech, pauses, comfort noise, holds, and the other leg's reports between."""
    events: list[CallEvent] = []
    at, sequence, other = 0, draw(st.integers(0, 70_000)), 0
    for part, seconds in draw(parts):
        if part == "bridge":
            events.append(BridgeEntered(at + 1, C, f"b{at}"))
        if part in ("hold", "other hold"):
            events.append(Held(at + 1, C if part == "hold" else A))
        for _ in range(seconds):
            at += draw(st.integers(970, 1_030))
            rate = {"speech": (45, 53), "noise": (4, 6), "other hold": (48, 52)}.get(part, (0, 0))
            sequence += draw(st.integers(*rate))
            other += 50
            events += [MediaReported(at, C, sequence), MediaReported(at + 5, A, other)]
        if part in ("hold", "other hold"):
            events.append(Unheld(at + 1, C if part == "hold" else A))
    return events


def says(silence: Standstill | None) -> tuple[int, bool, Stream] | None:
    """All that the judge asks of a standstill."""
    return None if silence is None else (silence.since, silence.sure, silence.stream)


@given(told_of_a_leg())
def test_what_the_journal_forgets_changes_nothing(events: list[CallEvent]) -> None:
    for leg in (C, A):
        assert says(standstill(leg, kept(events))) == says(standstill(leg, events))


@given(told_of_a_leg(), st.integers(1, 4))
def test_nor_when_the_line_then_falls_silent(events: list[CallEvent], still: int) -> None:
    last = next((e.sequence for e in reversed(events) if isinstance(e, MediaReported) and e.leg == C), 0)
    frozen = after(events, *[last] * still)
    assert says(standstill(C, kept(frozen))) == says(standstill(C, frozen))

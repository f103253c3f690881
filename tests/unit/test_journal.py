"""The journal as it is kept: every event comes back as it was, an old one can be read, a damaged one is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.recorded.capture import NAMES, replay
from tests.unit.stories import END, ROWS, TALKING, A, C, bye, judged, settled, tail
from tests.unit.test_call import call_events

from oddzwon.domain.ending import judge
from oddzwon.domain.events import (
    CALL_EVENTS,
    CallEvent,
    HandlerRan,
    HangupRequested,
    Held,
    LegEnded,
    MediaReported,
    Oddity,
    Role,
    Unheld,
)
from oddzwon.domain.journal import LIMIT, Journal, UnreadableFact, decode, encode, remember


def as_written(event: CallEvent) -> tuple[int, str, str | None, dict[str, Any]]:
    """The line as it lies in the log: its data as JSON text."""
    at, kind, leg, data = encode(event)
    return at, kind, leg, json.loads(json.dumps(data))


def read_again(journal: Journal) -> tuple[CallEvent, ...]:
    return tuple(decode(*as_written(event)) for event in journal.events)


@given(call_events)
def test_what_is_written_comes_back(event: CallEvent) -> None:
    assert event == decode(*as_written(event))


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("originate-")])
def test_a_real_calls_journal_gets_the_same_verdict_when_it_is_read_again(name: str) -> None:
    journal = replay(name).call.as_journal()
    read = read_again(journal)
    assert read == journal.events
    assert judge(journal) == judge(dataclasses.replace(journal, events=read))


@pytest.mark.parametrize("name", ROWS)
def test_so_does_every_rows(name: str) -> None:
    journal = settled(ROWS[name][0]).as_journal()
    assert judge(dataclasses.replace(journal, events=read_again(journal))) == judge(journal)


def test_a_line_holds_no_empty_fields_and_no_number() -> None:
    assert encode(HangupRequested(END, C, None, None)) == (END, "HangupRequested", C, {})


# --- old ---------------------------------------------------------------------------------------------------------

FIRST_RULES = "2026-11-1"
OLD: list[tuple[CallEvent, tuple[int, str, str | None, dict[str, Any]]]] = [
    (
        HandlerRan(END, C, Role.CALLER, 16, "PJSIP/carrier-1"),
        (END, "HandlerRan", C, {"role": "caller", "cause": 16, "source": "PJSIP/carrier-1"}),
    ),
    (HandlerRan(END, C, Role.AGENT, None, ""), (END, "HandlerRan", C, {"role": "agent", "source": ""})),
    (MediaReported(END, C, 50), (END, "MediaReported", C, {"sequence": 50})),
]


@pytest.mark.parametrize(("event", "line"), OLD)
def test_what_the_first_rules_wrote_can_be_read(
    event: CallEvent, line: tuple[int, str, str | None, dict[str, Any]]
) -> None:
    """FIRST_RULES knew neither what a handler received nor a stream's source."""
    assert decode(*line) == event


def test_every_field_that_came_later_has_a_default() -> None:
    """The fields of the first rules' events; whatever else an event has now must be missing in an old journal."""
    first = {
        "HandlerRan": {"at", "leg", "role", "cause", "source"},
        "HangupRequested": {"at", "leg", "cause", "tech_cause"},
        "SoftHangupRequested": {"at", "leg", "flag"},
        "LegEnded": {"at", "leg", "cause"},
        "MediaReported": {"at", "leg", "sequence"},
        "BridgeEntered": {"at", "leg", "bridge"},
        "WeHungUp": {"at", "leg", "why"},
        "PbxRestarted": {"at", "gap_ms"},
        "OutOfSight": {"at", "gap_ms"},
    }
    for kind in CALL_EVENTS:
        for field in dataclasses.fields(kind):
            if kind.__name__ in first and field.name not in first[kind.__name__]:
                assert field.default is not dataclasses.MISSING, f"{kind.__name__}.{field.name} since {FIRST_RULES}"


# --- damaged -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "leg", "data"),
    [
        ("NobodyKnows", C, {}),
        ("object", C, {}),
        ("CallEvent", C, {}),
        ("MediaReported", C, {}),
        ("MediaReported", C, {"sequence": "50"}),
        ("MediaReported", C, {"sequence": None}),
        ("MediaReported", C, {"sequence": 5.5}),
        ("MediaReported", C, {"sequence": True}),
        ("MediaReported", None, {"sequence": 50}),
        ("SoftHangupRequested", C, {"flag": "x"}),
        ("SoftHangupRequested", C, {"flag": [1]}),
        ("HangupRequested", C, {"cause": [1]}),
        ("HangupRequested", C, {"cause": {"a": 1}}),
        ("LegEnded", None, {}),
        ("StageReached", C, {"stage": "nowhere"}),
        ("StageReached", C, {"stage": 5}),
        ("StageReached", C, {}),
        ("HandlerRan", C, {"role": "boss", "source": ""}),
        ("HandlerRan", C, {"role": "caller", "source": 1}),
        ("HandlerRan", C, {"role": "caller"}),
        ("HangupRecorded", C, {"by": "god", "record": "cel"}),
        ("HangupRecorded", C, {"by": "itself"}),
        ("Attested", None, {"fault": "weather", "door": "code"}),
        ("PbxRestarted", None, {"gap_ms": None}),
        ("LegsJoined", C, {"other": None}),
        ("Oddity", C, {"what": 7}),
    ],
)
def test_what_this_version_cannot_read_is_said_so(kind: str, leg: str | None, data: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFact, match=kind):
        decode(END, kind, leg, data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
field_names = st.sampled_from(sorted({f.name for kind in CALL_EVENTS for f in dataclasses.fields(kind)}))


@given(
    st.lists(
        st.tuples(
            st.integers(0, END),
            st.sampled_from([kind.__name__ for kind in CALL_EVENTS]),
            st.none() | st.sampled_from([C, A]),
            st.dictionaries(field_names, json_values, max_size=5),
        ),
        max_size=6,
    )
)
def test_a_line_is_refused_or_can_be_judged(lines: list[tuple[int, str, str | None, dict[str, Any]]]) -> None:
    events = []
    for line in lines:
        try:
            events.append(decode(*line))
        except UnreadableFact:
            continue
    judge(Journal(C, 0, END, (*TALKING, *events)))


# --- what is remembered ------------------------------------------------------------------------------------------


def kept(events: list[CallEvent]) -> tuple[CallEvent, ...]:
    journal: tuple[CallEvent, ...] = ()
    for event in events:
        journal = remember(journal, event)
    return journal


@pytest.mark.parametrize("said", [LegEnded(END, C, 16), LegEnded(END, A, None)])
def test_an_end_that_is_said_twice_is_odd_and_said_so_once(said: LegEnded) -> None:
    odd = Oddity(END, said.leg, "LegEnded was said twice")
    assert kept([said, said]) == kept([said, said, said]) == (said, odd)


@given(st.lists(call_events.filter(lambda e: not isinstance(e, LegEnded | MediaReported)), max_size=20))
def test_whatever_else_is_said_twice_says_nothing_new(events: list[CallEvent]) -> None:
    assert kept(events) == kept([*events, *events])


def test_the_journal_keeps_the_ends_of_a_call_that_lasted_for_ever() -> None:
    toggles = [kind(n, C) for n in range(LIMIT) for kind in (Held, Unheld)]
    journal = kept([*toggles, bye(C), *tail(16)])
    assert len(journal) == LIMIT
    assert journal[-6:] == (bye(C), *tail(16))
    assert judged(settled([*TALKING, *toggles, bye(C), *tail(16)])).confidence is not None

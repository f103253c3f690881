"""The agent's word against everything else that is known: it raises confidence, and never beats a goodbye by itself."""

from __future__ import annotations

import pytest
from tests.unit.stories import (
    END,
    HIGH,
    IN_MENU,
    MEDIUM,
    ROWS,
    TALKING,
    UNKNOWN,
    A,
    C,
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

from oddzwon.domain.ending import Ending, Party
from oddzwon.domain.events import (
    Attested,
    CallEvent,
    Fault,
    HungUpBy,
    LegEnded,
    Oddity,
    OutOfSight,
    SoftHangupRequested,
    WeHungUp,
)

BARE = Attested(END - 1_000, None, "code")
WORDS = [None, *Fault]
NAMED: dict[Fault | None, Party] = {
    None: Party.UNKNOWN,
    Fault.CALLER_LINE: Party.NETWORK,
    Fault.AGENT_LINE: Party.AGENT,
    Fault.PBX: Party.PBX,
}
HOW_IT_ENDED: dict[str, list[CallEvent]] = {
    "fault": [*TALKING, bye(C, 31, 480), *tail(31)],
    "not known": [*TALKING, bye(C, 79), *tail(79)],
    "goodbye, media fresh": [*TALKING, *media(C, *speaking(10)), bye(C), *tail(16)],
    "goodbye, media had paused": [*TALKING, *media(C, 0, 50, 50, 100, 100, 100), bye(C), *tail(16)],
    "goodbye, by the record alone": [
        *TALKING,
        OutOfSight(END + 9_000, 20_000),
        recorded(C, 16, HungUpBy.ITSELF),
        LegEnded(END, C, None),
    ],
    "the agent hung up": [*TALKING, bye(A), *tail(16)],
    "we hung up": [*TALKING, WeHungUp(END, C, "objection"), *tail(16)],
    "somebody's AMI Hangup": [*TALKING, *tail(16)],
    "the dialplan": [*IN_MENU, SoftHangupRequested(END, C, 16), *tail(16)],
}


def with_word(how: str, fault: Fault | None, *, afterwards: bool) -> Ending:
    """What the judge says when the agent said so: in the call, or within the window after it."""
    events = HOW_IT_ENDED[how]
    if afterwards:
        journal = settled(events).as_journal()
        return judged_again(journal.events, Attested(END + 30_000, fault, "phone"))
    return judged(settled([events[0], Attested(END - 1_000, fault, "code"), *events[1:]]))


def judged_again(events: tuple[CallEvent, ...], *more: CallEvent) -> Ending:
    """A settled call judged once more, with what came after it was settled."""
    call = settled(events)
    return judged(call.__class__(call.leg, call.direction, call.started_at, ended_at=END, journal=(*events, *more)))


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("fault", WORDS)
class TestWord:
    """Every way in which the agent may say it, against every way in which a call may have ended."""

    def test_it_makes_a_fault_sure_and_leaves_its_party(self, fault: Fault | None, afterwards: bool) -> None:
        ending = with_word("fault", fault, afterwards=afterwards)
        assert told(ending) == (Party.CARRIER, True, HIGH)
        assert "bye cause=31 tech=480" in ending.evidence[0].fact

    def test_where_nothing_was_known_it_is_believed(self, fault: Fault | None, afterwards: bool) -> None:
        assert told(with_word("not known", fault, afterwards=afterwards)) == (NAMED[fault], True, HIGH)

    @pytest.mark.parametrize(
        "how", ["goodbye, media fresh", "the agent hung up", "we hung up", "somebody's AMI Hangup", "the dialplan"]
    )
    def test_against_what_is_certain_it_must_name_the_fault(
        self, how: str, fault: Fault | None, afterwards: bool
    ) -> None:
        ending, before = with_word(how, fault, afterwards=afterwards), judged(settled(HOW_IT_ENDED[how]))
        if fault is None:
            assert told(ending) == told(before)
            assert [e.fact for e in ending.against] == ["the agent says that it was cut off (" + door(afterwards)]
        else:
            assert told(ending) == (NAMED[fault], True, MEDIUM)
            assert set(before.evidence) <= set(ending.against)

    @pytest.mark.parametrize("how", ["goodbye, media had paused", "goodbye, by the record alone"])
    def test_a_goodbye_that_is_not_certain_gives_way(self, how: str, fault: Fault | None, afterwards: bool) -> None:
        ending = with_word(how, fault, afterwards=afterwards)
        assert told(ending) == (NAMED[fault], True, MEDIUM)
        assert set(judged(settled(HOW_IT_ENDED[how])).evidence) <= set(ending.against)


def door(afterwards: bool) -> str:
    return "phone)" if afterwards else "code)"


def test_the_freeze_that_decided_is_made_sure() -> None:
    events = [*TALKING, *frozen(C, 1), bye(C), *tail(16)]
    assert verdict([BARE, *events]) == (Party.NETWORK, True, HIGH)


def test_the_word_that_names_a_fault_counts_also_when_a_bare_one_follows() -> None:
    named = Attested(END - 2_000, Fault.CALLER_LINE, "console")
    for words in ([named, BARE], [BARE, named]):
        ending = judged(settled([*TALKING, *words, bye(A), *tail(16)]))
        assert told(ending) == (Party.NETWORK, True, MEDIUM)
        assert ending.evidence[0].fact == "the agent says that it was cut off: caller-line (console)"


def test_of_two_that_name_a_fault_the_last_counts() -> None:
    words: list[CallEvent] = [
        Attested(END - 2_000, Fault.CALLER_LINE, "code"),
        Attested(END - 1_000, Fault.PBX, "code"),
    ]
    assert verdict([*TALKING, *words, bye(A), *tail(16)]) == (Party.PBX, True, MEDIUM)


# --- a journal in disorder ---------------------------------------------------------------------------------------

ODD = Oddity(END - 500, None, "its Linkedid joins two calls")


@pytest.mark.parametrize("name", ROWS)
def test_a_journal_in_disorder_is_unknown_whatever_row_it_holds(name: str) -> None:
    events, _ = ROWS[name]
    ending = judged(settled([ODD, *events]))
    assert told(ending) == UNKNOWN
    assert [e.fact for e in ending.evidence] == [ODD.what]
    assert ending.against


@pytest.mark.parametrize("fault", WORDS)
@pytest.mark.parametrize("how", HOW_IT_ENDED)
def test_in_disorder_no_word_makes_a_fault_of_it(how: str, fault: Fault | None) -> None:
    """Nobody is called back on what cannot be, whatever anybody says; what he said stays visible."""
    events = HOW_IT_ENDED[how]
    ending = judged(settled([events[0], ODD, Attested(END - 1_000, fault, "code"), *events[1:]]))
    assert told(ending) == UNKNOWN
    assert [e for e in ending.against if "agent says" in e.fact]

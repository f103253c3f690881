"""Hang-ups in mid-prompt: the receipt is incomplete and says what was heard, and nothing was recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asterisk.heard import CLOSE_MS, Told, cut
from tests.asterisk.hearing import LISTENED, Case, Outcome, after, during, hang_up, play
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer

pytestmark = pytest.mark.asterisk

MENU = "MENU_OPTION"
L1 = Told("L1")

CASES = (
    Case("in layer 1", (hang_up("L1"),), (cut("L1"),), agent=False),
    Case("in Czech layer 1", (hang_up("L1"),), (cut("L1"),), "cs", agent=False),
    Case("in German layer 1", (hang_up("L1"),), (cut("L1"),), "de", agent=False),
    Case("in English layer 1", (hang_up("L1"),), (cut("L1"),), "en", agent=False),
    Case("in the menu", (hang_up(MENU),), (L1, cut(MENU)), agent=False),
    Case("in layer 2", (during(MENU, "9"), hang_up("L2")), (L1, cut(MENU, "9"), cut("L2")), agent=False),
    Case(
        "in the confirmation of an objection",
        (during(MENU, "8"), hang_up("OBJECTED")),
        (L1, cut(MENU, "8"), cut("OBJECTED")),
        agent=False,
    ),
    Case(
        "in the confirmation of its undoing",
        (during(MENU, "8"), during("OBJECTED", "8", LISTENED), hang_up("OBJECTION_UNDONE")),
        (L1, cut(MENU, "8"), cut("OBJECTED", "8"), cut("OBJECTION_UNDONE")),
        agent=False,
    ),
    Case(
        "in the announcement",
        (during(MENU, "1"), hang_up("REC_OBJECT")),
        (L1, cut(MENU, "1"), cut("REC_OBJECT")),
        agent=False,
        menu_key="1",
    ),
    Case(
        "in the announcement of a contract",
        (during(MENU, "2"), hang_up("REC_ANNOUNCE")),
        (L1, cut(MENU, "2"), cut("REC_ANNOUNCE")),
        agent=False,
        menu_key="2",
    ),
    Case(
        "in the question",
        (during(MENU, "1"), hang_up("REC_CONSENT")),
        (L1, cut(MENU, "1"), cut("REC_CONSENT")),
        "de",
        agent=False,
        menu_key="1",
    ),
    Case(
        "in the thanks for his consent",
        (during(MENU, "1"), after("REC_CONSENT", "1"), hang_up("RECORDED")),
        (L1, cut(MENU, "1"), Told("REC_CONSENT", "1"), cut("RECORDED")),
        "de",
        agent=False,
        menu_key="1",
    ),
    Case(
        "in the thanks for his refusal",
        (during(MENU, "1"), during("REC_OBJECT", "7"), hang_up("NOT_RECORDED")),
        (L1, cut(MENU, "1"), cut("REC_OBJECT", "7"), cut("NOT_RECORDED")),
        agent=False,
        menu_key="1",
    ),
)


@pytest.fixture(scope="module")
def played(lab: Lab, observer: Observer, number_plan: Iterator[str]) -> dict[str, Outcome]:
    """All of them, several at once."""
    return play(CASES, lab, observer, number_plan)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_hang_up_in_mid_prompt(played: dict[str, Outcome], case: Case, lab: Lab) -> None:
    outcome = played[case.id]
    assert outcome.faults() == []
    last, heard = outcome.call["notices"][-1], outcome.heard[-1]
    assert (last["complete"], last["key"]) == (False, None)
    assert heard.to_ms < last["full_ms"] - CLOSE_MS
    # one that was armed after his consent recorded nothing, since nobody was bridged, and is gone
    armed = outcome.call["recordings"]
    assert len(armed) == (last["prompt"] == "RECORDED")
    assert not [one for one in armed if (lab.recordings / one["file"]).exists()]

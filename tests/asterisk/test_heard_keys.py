"""Keys before, during and after each prompt: what was heard, what the receipt says, and what the key did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asterisk.heard import Told, cut
from tests.asterisk.hearing import LISTENED, Case, Outcome, after, during, play
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer

pytestmark = pytest.mark.asterisk

MENU, OBJECTS, CONSENTS, ANNOUNCES = "MENU_OPTION", "REC_OBJECT", "REC_CONSENT", "REC_ANNOUNCE"
L1 = Told("L1")

CASES = (
    # layer 1: no key cuts it, and none is lost
    Case(
        "1 during layer 1 is served after it",
        (during("L1", "1"),),
        (L1, Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "2 during layer 1 is served after it",
        (during("L1", "2"),),
        (L1, Told(ANNOUNCES)),
        recorded=True,
        menu_key="2",
    ),
    Case(
        "9 during layer 1, before layer 2",
        (during("L1", "9"), during(MENU, "1")),
        (L1, Told("L2"), cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    # the menu
    Case(
        "1 during the menu",
        (during(MENU, "1"),),
        (L1, cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "1 after the menu",
        (after(MENU, "1"),),
        (L1, Told(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "0 during the menu repeats it",
        (during(MENU, "0"), during(MENU, "1")),
        (L1, cut(MENU, "0"), cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "no key at all",
        (),
        (L1, Told(MENU), Told(MENU), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    # layer 2
    Case(
        "1 during layer 2",
        (during(MENU, "9"), during("L2", "1")),
        (L1, cut(MENU, "9"), cut("L2", "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "1 after layer 2",
        (during(MENU, "9"), after("L2", "1")),
        (L1, cut(MENU, "9"), Told("L2"), cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "9 during layer 2 begins it again",
        (during(MENU, "9"), during("L2", "9"), during("L2", "1")),
        (L1, cut(MENU, "9"), cut("L2", "9"), cut("L2", "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    # the objection to callbacks
    Case(
        "8 before its confirmation",
        (during("L1", "8"), during(MENU, "1")),
        (L1, Told("OBJECTED"), cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "1 during the confirmation",
        (during(MENU, "8"), during("OBJECTED", "1", LISTENED)),
        (L1, cut(MENU, "8"), cut("OBJECTED", "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    Case(
        "8 during the confirmation undoes it",
        (during(MENU, "8"), during("OBJECTED", "8", LISTENED), after("OBJECTION_UNDONE", "1")),
        (L1, cut(MENU, "8"), cut("OBJECTED", "8"), Told("OBJECTION_UNDONE"), cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    # what the recording announcement offers: to stop it
    Case(
        "7 before the announcement",
        (during(MENU, "17"),),
        (L1, cut(MENU, "1"), cut(OBJECTS, "7"), Told("NOT_RECORDED")),
        menu_key="1",
    ),
    Case(
        "7 during the announcement",
        (during(MENU, "1"), during(OBJECTS, "7")),
        (L1, cut(MENU, "1"), cut(OBJECTS, "7"), Told("NOT_RECORDED")),
        menu_key="1",
    ),
    Case(
        "5 during the announcement is no key of its",
        (during(MENU, "1"), during(OBJECTS, "5")),
        (L1, cut(MENU, "1"), Told(OBJECTS)),
        recorded=True,
        menu_key="1",
    ),
    # what it asks for: key 1
    Case(
        "1 before the question is no consent",
        (during("L1", "11"),),
        (L1, Told(CONSENTS)),
        "de",
        menu_key="1",
    ),
    Case(
        "1 in the question's first moments is no consent",
        (during(MENU, "11"),),
        (L1, cut(MENU, "1"), cut(CONSENTS), Told(CONSENTS)),
        "de",
        menu_key="1",
    ),
    Case(
        "1 during the question",
        (during(MENU, "1"), during(CONSENTS, "1", LISTENED)),
        (L1, cut(MENU, "1"), cut(CONSENTS, "1"), Told("RECORDED")),
        "de",
        recorded=True,
        menu_key="1",
    ),
    Case(
        "1 after the question",
        (during(MENU, "1"), after(CONSENTS, "1")),
        (L1, cut(MENU, "1"), Told(CONSENTS, "1"), Told("RECORDED")),
        "de",
        recorded=True,
        menu_key="1",
    ),
    Case(
        "2 during the question is no consent",
        (during(MENU, "1"), during(CONSENTS, "2", LISTENED)),
        (L1, cut(MENU, "1"), Told(CONSENTS)),
        "de",
        menu_key="1",
    ),
    Case(
        "no key at the question is no consent",
        (during(MENU, "1"),),
        (L1, cut(MENU, "1"), Told(CONSENTS)),
        "de",
        menu_key="1",
    ),
)


@pytest.fixture(scope="module")
def played(lab: Lab, observer: Observer, number_plan: Iterator[str]) -> dict[str, Outcome]:
    """All of them, several at once."""
    return play(CASES, lab, observer, number_plan)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_key_and_its_prompt(played: dict[str, Outcome], case: Case) -> None:
    assert played[case.id].faults() == []

"""The whole journey of an inbound call in each language, heard: every receipt is what came out of the caller's ear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asterisk.heard import Told, cut
from tests.asterisk.hearing import Act, Case, Outcome, after, during, play
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer

pytestmark = pytest.mark.asterisk

OBJECTS, CONSENTS = "REC_OBJECT", "REC_CONSENT"


def journey(language: str, announcement: str) -> Case:
    """Notice, menu, layer 2 that a key cuts, objection, its undoing, the choice, the announcement, the talk."""
    consents: tuple[Act, ...] = (after(CONSENTS, "1"),) if announcement == CONSENTS else ()
    announced = (Told(CONSENTS, "1"), Told("RECORDED")) if announcement == CONSENTS else (Told(OBJECTS),)
    return Case(
        f"journey in {language}",
        (
            during("MENU_OPTION", "9"),
            during("L2", "8"),
            after("OBJECTED", "8"),
            after("OBJECTION_UNDONE", "0"),
            during("MENU_OPTION", "1"),
            *consents,
        ),
        (
            Told("L1"),
            cut("MENU_OPTION", "9"),
            cut("L2", "8"),
            Told("OBJECTED"),
            cut("MENU_OPTION", "8"),
            Told("OBJECTION_UNDONE"),
            cut("MENU_OPTION", "0"),
            cut("MENU_OPTION", "1"),
            *announced,
        ),
        language,
        recorded=True,
        menu_key="1",
    )


CASES = (
    journey("pl", OBJECTS),
    journey("cs", OBJECTS),
    journey("de", CONSENTS),
    journey("en", OBJECTS),
)


@pytest.fixture(scope="module")
def played(lab: Lab, observer: Observer, number_plan: Iterator[str]) -> dict[str, Outcome]:
    """The four of them, side by side."""
    return play(CASES, lab, observer, number_plan)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_journey_is_what_the_receipts_say(played: dict[str, Outcome], case: Case) -> None:
    outcome = played[case.id]
    assert outcome.faults() == []
    spoken = {passage.built.language for passage in outcome.heard}
    assert spoken == {case.language}

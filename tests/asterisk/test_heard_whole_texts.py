"""The whole texts, not the lab's short ones: layer 1 and the announcement to their ends, layer 2 as far as wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asterisk.heard import Told, cut
from tests.asterisk.hearing import Case, Outcome, after, during, play
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer

pytestmark = pytest.mark.asterisk

WHOLE = ("short = @SHORT@", "short = false")
LISTENS = 100
"""Two seconds, in frames."""


def journey(language: str) -> Case:
    """Notice, layer 2 until he knows enough, the announcement, the talk."""
    acts = [during("MENU_OPTION", "9"), during("L2", "1", LISTENS)]
    told = [Told("L1"), cut("MENU_OPTION", "9"), cut("L2", "1")]
    if language == "de":
        acts.append(after("REC_CONSENT", "1"))
        told += [Told("REC_CONSENT", "1"), Told("RECORDED")]
    else:
        told.append(Told("REC_OBJECT"))
    return Case(
        language,
        tuple(acts),
        tuple(told),
        language,
        recorded=True,
        menu_key="1",
    )


CASES = tuple(journey(language) for language in ("pl", "cs", "de", "en"))


@pytest.fixture(scope="module")
def played(lab: Lab, observer: Observer, number_plan: Iterator[str]) -> dict[str, Outcome]:
    """The four of them, side by side, by a service that speaks the whole texts."""
    return play(CASES, lab, observer, number_plan, WHOLE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_whole_texts_are_what_the_receipts_say(played: dict[str, Outcome], case: Case) -> None:
    outcome = played[case.id]
    assert outcome.faults() == []
    layer1 = outcome.heard[0]
    assert (layer1.built.prompt, layer1.alike) == ("L1", ())
    assert 10_000 < layer1.to_ms < 20_000

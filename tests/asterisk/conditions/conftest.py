"""The cases of one file are played together, before its first test; each test then looks at its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.asterisk.conditions.case import Asked
from tests.asterisk.conditions.stranger import Stranger
from tests.asterisk.endings.case import Run
from tests.asterisk.endings.runner import play
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer

AT_ONCE = 12


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, lab: Lab, observer: Observer, number_plan: Iterator[str]) -> Run:
    """The selected cases of this file, all played."""
    mine = [item for item in request.session.items if item.path == request.path]
    chosen = [spec.params["case"] for item in mine if (spec := getattr(item, "callspec", None)) is not None]
    cases = [case for case in chosen if isinstance(case, Asked)]
    return play(cases, lab, observer, number_plan, stage=Stranger, at_once=AT_ONCE)

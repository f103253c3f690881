"""The caller's BYE and CANCEL."""

from __future__ import annotations

import pytest

from tests.asterisk.endings.case import Case, Run
from tests.asterisk.endings.cases_byes import CASES
from tests.asterisk.endings.verdicts import check
from tests.asterisk.lab import Lab

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ending(case: Case, played: Run, lab: Lab) -> None:
    check(case, played, lab)


def test_nobody_complained(played: Run) -> None:
    assert played.complaints == []

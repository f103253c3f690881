"""How the call ended, how far it had got, what he heard and said, and his other calls."""

from __future__ import annotations

import pytest

from tests.asterisk.conditions.case import Asked
from tests.asterisk.conditions.cases_calls import CASES
from tests.asterisk.conditions.verdicts import check, complaints
from tests.asterisk.endings.case import Run

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_condition(case: Asked, played: Run) -> None:
    check(case, played)


def test_nobody_complained(played: Run) -> None:
    assert complaints(played) == []

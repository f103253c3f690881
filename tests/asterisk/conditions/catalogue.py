"""Every case of the bench, in the order in which the table lists them."""

from __future__ import annotations

from typing import Final

from tests.asterisk.conditions import cases_caller, cases_calls, cases_numbers
from tests.asterisk.conditions.case import Asked

CASES: Final[tuple[Asked, ...]] = (*cases_calls.CASES, *cases_caller.CASES, *cases_numbers.CASES)

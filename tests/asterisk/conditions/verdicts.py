"""Does the decision on a played case list every condition, each with the evidence that the case asks for?"""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from oddzwon.domain.lawfulness import Code
from tests.asterisk.conditions.case import Asked
from tests.asterisk.conditions.table import TABLE, row_of
from tests.asterisk.endings.case import Run
from tests.asterisk.kept_table import is_writing

OF_A_RUN: Final = (
    (re.compile(r"(?<=^lost )\d{1,3}\.\d(?= s ago)"), "…"),
    (re.compile(r"(?<=not final: ).+"), "…"),
)
"""What differs from run to run: how long ago, and which callback."""
PART_OF_A_NUMBER: Final = 4


def conditions_of(shown: dict[str, Any]) -> list[tuple[Code, bool | None, str]]:
    """What the decision lists, in its order."""
    return [(Code(c["code"]), c["passed"], _without(c["evidence"])) for c in shown["decision"]["conditions"]]


def _without(evidence: str) -> str:
    for what, stands_for in OF_A_RUN:
        evidence = what.sub(stands_for, evidence)
    return evidence


def parts_of(number: str) -> set[str]:
    """Every four digits of it that follow each other, but for its country's code."""
    digits = number.lstrip("+")
    return {digits[i : i + PART_OF_A_NUMBER] for i in range(2, len(digits) - PART_OF_A_NUMBER + 1)}


def complaints(played: Run) -> list[str]:
    """What must not happen; so many drops at once are a storm, and the operator is told of it rightly."""
    return [line for line in played.complaints if '"condition": "storm"' not in line]


def check(case: Asked, played: Run) -> None:
    """Fails with what was expected, what was found, and what went wrong on the way."""
    outcome = played.outcomes[case.id]
    wrong = [outcome.trouble] if outcome.trouble else []
    shown, wanted = outcome.shown, case.expected
    if not shown or not shown["decision"] or outcome.verdict is None:
        pytest.fail("\n".join([case.name, *wrong, "no decision was made"]), pytrace=False)
    got = outcome.verdict
    if (got.technical, got.called_back) != (wanted.technical, wanted.called_back) or got.stage not in wanted.stages:
        wrong.append(f"expected: {wanted}\nverdict:  {got}")
    found = conditions_of(shown)
    wrong += [
        f"expected: {want}\nfound:    {one}" for want, one in zip(case.conditions, found, strict=True) if want != one
    ]
    refusals = [code for code, passed, _ in found if passed is not True]
    if (shown["decision"]["allowed"], shown["decision"]["refusals"]) != (not refusals, refusals):
        wrong.append(f"the decision says {shown['decision']['allowed']}, refusals {shown['decision']['refusals']}")
    said = " ".join(c["evidence"] for c in shown["decision"]["conditions"] if c["code"] != Code.DUPLICATE)
    wrong += [f"the evidence holds {part} of the number" for part in parts_of(outcome.number) if part in said]
    if not wrong or not is_writing():
        stale = TABLE.hold_against(row_of(case.name, case.about, found, called_back=got.called_back))
        wrong += [stale] if stale else []
    if wrong:
        pytest.fail("\n".join([f"{case.name} ({case.about})", *wrong]), pytrace=False)

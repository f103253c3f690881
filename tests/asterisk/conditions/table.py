"""The table of conditions in the documentation: the row that a played case makes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from oddzwon.domain.lawfulness import Code
from tests.asterisk.conditions.catalogue import CASES
from tests.asterisk.kept_table import Cells, KeptTable

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "src/oddzwon/domain/conditions.md"
WORD: Final = {True: "passed", False: "refused", None: "unknown"}

NEEDS_A_NUMBER: Final = frozenset(
    {Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY, Code.DUPLICATE, Code.RESTRICTED, Code.REDIALLED}
)
WITHOUT_ONE: Final = "what is asked of a number: unknown"


def names() -> list[str]:
    """The cases that the table must have, in its order."""
    return [case.name for case in CASES]


TABLE: Final = KeptTable(PAGE, ("case", "condition", "result", "evidence", "also not passed", "called back"), names)


def row_of(case: str, about: Code, found: list[tuple[Code, bool | None, str]], *, called_back: bool) -> Cells:
    """The row of a case: the condition that it is about, and which others did not pass."""
    passed, evidence = next((passed, evidence) for code, passed, evidence in found if code is about)
    others = {code for code, passed, _ in found if passed is not True and code is not about}
    said = [f"`{code}`" for code in Code if code in others]
    unknown = {code for code, passed, _ in found if passed is None}
    if unknown | {about} >= NEEDS_A_NUMBER:
        said = [f"`{code}`" for code in Code if code in others - unknown] + [WITHOUT_ONE]
    return case, f"`{about}`", WORD[passed], evidence, ", ".join(said) or "–", "yes" if called_back else "no"

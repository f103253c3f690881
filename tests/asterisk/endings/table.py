"""The table of endings in the documentation: the row that a played case makes, and which rows there are."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from tests.asterisk.endings.case import Verdict
from tests.asterisk.endings.catalogue import CASES
from tests.asterisk.kept_table import Cells, KeptTable

ROOT: Final = Path(__file__).resolve().parents[3]


def names() -> list[str]:
    """The cases that the table must have, in its order: the bench's own, then those of other tests, by name."""
    return [case.name for case in CASES] + sorted(_of_other_tests())


PAGE: Final = ROOT / "src/oddzwon/domain/endings.md"
TABLE: Final = KeptTable(PAGE, ("case", "what Asterisk said", "verdict", "confidence", "called back"), names)


def row_of(case: str, said: str, verdict: Verdict, *, races: bool = False) -> Cells:
    """The row that a played case makes; ``races``: caller and agent both ended it, and either may be named."""
    party = "caller or agent" if races and verdict.party in ("caller", "agent") else verdict.party
    kind = {True: ", technical", False: ", no fault", None: ""}[verdict.technical]
    called_back = "yes" if verdict.called_back else "no"
    return case, said or "nothing", party + kind, verdict.confidence or "–", called_back


def _of_other_tests() -> set[str]:
    """The cases whose rows other tests keep by the fixture ``table_row``: its first argument, wherever it is called."""
    found = set()
    for path in (ROOT / "tests/asterisk").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="table_row"), args=[ast.Constant(value=str(name)), *_]):
                    found.add(name)
    return found

"""The table of endings in the documentation: read, held against a fresh row, written anew on demand."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.asterisk.endings.case import Verdict
from tests.asterisk.endings.catalogue import CASES

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "src/oddzwon/domain/endings.md"
HEAD: Final = ("case", "what Asterisk said", "verdict", "confidence", "called back")
WRITE: Final = "ODDZWON_WRITE_TABLE"
"""The environment variable that lets a run write its rows instead of holding them against the page."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as it stands there."""

    case: str
    said: str
    verdict: str
    confidence: str
    called_back: str

    def __str__(self) -> str:
        return _line((self.case, self.said, self.verdict, self.confidence, self.called_back))


def row_of(case: str, said: str, verdict: Verdict, *, races: bool = False) -> Row:
    """The row that a played case makes; ``races``: caller and agent both ended it, and either may be named."""
    party = "caller or agent" if races and verdict.party in ("caller", "agent") else verdict.party
    kind = {True: ", technical", False: ", no fault", None: ""}[verdict.technical]
    called_back = "yes" if verdict.called_back else "no"
    return Row(case, said or "nothing", party + kind, verdict.confidence or "–", called_back)


def read(page: Path = PAGE) -> dict[str, Row]:
    """The page's rows by their case, in order."""
    rows = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(HEAD) and tuple(cells) != HEAD and set(cells[0]) != {"-"}:
            rows[cells[0]] = Row(*cells)
    return rows


def names() -> list[str]:
    """The cases that the table must have, in its order: the bench's own, then those of other tests, by name."""
    return [case.name for case in CASES] + sorted(_of_other_tests())


def _of_other_tests() -> set[str]:
    """The cases whose rows other tests keep by the fixture ``table_row``: its first argument, wherever it is called."""
    found = set()
    for path in (ROOT / "tests/asterisk").glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="table_row"), args=[ast.Constant(value=str(name)), *_]):
                    found.add(name)
    return found


def is_writing() -> bool:
    """Whether rows are to be written, not compared."""
    return bool(os.environ.get(WRITE))


def hold_against(fresh: Row) -> str | None:
    """What is wrong between the page and a fresh row; None: nothing, or the page was allowed to take it."""
    assert not any(re.search(r"[|\n]", cell) for cell in (fresh.case, fresh.said)), "no cell of a table"
    if is_writing():
        _write(fresh)
        return None
    stands = read().get(fresh.case)
    if stands == fresh:
        return None
    return f"the table is not true any more; with {WRITE}=1 this test writes it anew\nstands: {stands}\nfresh:  {fresh}"


def _write(fresh: Row) -> None:
    """Two workers may write at once: under a lock, and the page is replaced as a whole."""
    with _locked():
        rows = read() | {fresh.case: fresh}
        lines = [_line(HEAD), "|" + "---|" * len(HEAD), *(str(rows[name]) for name in names() if name in rows)]
        text = PAGE.read_text(encoding="utf-8")
        new = PAGE.with_suffix(f".{os.getpid()}.new")
        new.write_text(text[: text.index(_line(HEAD))] + "\n".join(lines) + "\n", encoding="utf-8")
        new.replace(PAGE)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


@contextmanager
def _locked() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "oddzwon-endings.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

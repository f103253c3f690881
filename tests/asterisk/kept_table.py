"""A table in the documentation whose rows tests keep true: read, held against a fresh row, written anew on demand."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

WRITE: Final = "ODDZWON_WRITE_TABLE"
"""The environment variable that lets a run write its rows instead of holding them against the page."""
Cells: TypeAlias = tuple[str, ...]
"""A row, its name first."""


@dataclass(frozen=True)
class KeptTable:
    """The last part of ``page``: a table with this head. ``names`` tells its rows' names, in order."""

    page: Path
    head: Cells
    names: Callable[[], Sequence[str]]

    def read(self) -> dict[str, Cells]:
        """The page's rows by their names, in order."""
        rows = {}
        for line in self.page.read_text(encoding="utf-8").splitlines():
            cells = tuple(cell.strip() for cell in line.split("|")[1:-1])
            if len(cells) == len(self.head) and cells != self.head and set(cells[0]) != {"-"}:
                rows[cells[0]] = cells
        return rows

    def hold_against(self, fresh: Cells) -> str | None:
        """What is wrong between the page and a fresh row; None: nothing, or the page was allowed to take it."""
        assert not any(re.search(r"[|\n]", cell) for cell in fresh), "no cell of a table"
        if is_writing():
            self._write(fresh)
            return None
        stands = self.read().get(fresh[0])
        if stands == fresh:
            return None
        advice = f"the table is not true any more; with {WRITE}=1 this test writes it anew"
        return f"{advice}\nstands: {stands}\nfresh:  {fresh}"

    def _write(self, fresh: Cells) -> None:
        """Two workers may write at once: under a lock, and the page is replaced as a whole."""
        with self._locked():
            rows = self.read() | {fresh[0]: fresh}
            head = line(self.head)
            lines = [head, "|" + "---|" * len(self.head), *(line(rows[name]) for name in self.names() if name in rows)]
            text = self.page.read_text(encoding="utf-8")
            new = self.page.with_suffix(f".{os.getpid()}.new")
            new.write_text(text[: text.index(head)] + "\n".join(lines) + "\n", encoding="utf-8")
            new.replace(self.page)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (Path(tempfile.gettempdir()) / f"oddzwon-{self.page.stem}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def is_writing() -> bool:
    """Whether rows are to be written, not compared."""
    return bool(os.environ.get(WRITE))


def line(cells: Cells) -> str:
    """The row as it stands in the page."""
    return "| " + " | ".join(cells) + " |"

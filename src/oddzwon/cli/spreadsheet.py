"""Rows for a spreadsheet: RFC 4180, and nothing that one would take for a formula."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

Csv = Annotated[bool, typer.Option("--csv", help="Rows for a spreadsheet (RFC 4180) and nothing else.")]


def print_csv(header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """The header and the rows on stdout; lines end in CR LF (RFC 4180, section 2)."""
    written = csv.writer(sys.stdout, lineterminator="\r\n")
    written.writerow([_cell(value) for value in header])
    written.writerows([_cell(value) for value in row] for row in rows)


def one_of_them(*, as_json: bool, as_csv: bool) -> None:
    """Refuse both at once; raises typer.BadParameter."""
    if as_json and as_csv:
        msg = "--json and --csv: choose one of them"
        raise typer.BadParameter(msg)


def _cell(value: object) -> object:
    """The value; an apostrophe before a text that begins as a formula may (``=``, ``+``, ``-``, ``@``, TAB, CR, LF)."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return "" if value is None else value

"""What a command prints: a table that a person reads, or JSON that a program reads; errors in the same manner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from oddzwon.asterisk.errors import AsteriskError
from oddzwon.bootstrap.checks import CheckError
from oddzwon.config import ConfigError
from oddzwon.control import ControlError
from oddzwon.log.errors import LogError
from oddzwon.prompts.errors import PromptError
from oddzwon.recordings.errors import RecordingsError
from oddzwon.web.errors import NoticeError

_WIDE = 240
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
"""As wide as the terminal; into a pipe, wide enough that nothing is folded."""
err = Console(stderr=True, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON document and nothing else.")]

_EXPECTED = (
    ConfigError,
    ControlError,
    CheckError,
    LogError,
    PromptError,
    RecordingsError,
    NoticeError,
    AsteriskError,
    OSError,
)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def fail(message: str, *, as_json: bool, status: int = 1) -> NoReturn:
    """End with the message: as JSON on stdout, else on stderr."""
    if as_json:
        print_json({"error": message})
    else:
        err.print(f"[bold red]error:[/] {_plain(message)}", highlight=False)
    raise typer.Exit(status)


@contextmanager
def told(*, as_json: bool) -> Iterator[None]:
    """Turn every expected error of the block into a message and exit status 1."""
    try:
        yield
    except _EXPECTED as error:
        fail(str(error), as_json=as_json)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def table(title: str, *columns: str) -> Table:
    """An empty table in the house's style."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # whoever reads an id wants to copy it
        made.add_column(column, overflow="fold", no_wrap=column in ("id", "call", "for call"))
    return made


def show(value: object) -> str:
    """A cell: nothing for None, words for truth values."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _plain(str(value))

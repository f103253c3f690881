"""The command line: ``oddzwon``. It reads the log itself; whatever changes it goes through the service's socket.

Exit status: 0 done, 1 refused or found wrong, 2 bad usage. With ``--json`` nothing else stands on stdout.
"""

from __future__ import annotations

import io
import sys

import typer

from oddzwon.cli.commands import app
from oddzwon.cli.output import print_json

# typer carries a click of its own, and exports of its usage errors only this one
_UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")


def main() -> None:
    """Run the command line; bad usage, too, is told as JSON to whoever asked for it."""
    as_json = "--json" in sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal without our signs shows a ? for them, and no traceback; JSON is UTF-8 (RFC 8259 section 8.1)
            stream.reconfigure(encoding="utf-8" if as_json else None, errors="replace")
    if not as_json:
        app(prog_name="oddzwon")
    try:
        status = app(prog_name="oddzwon", standalone_mode=False)
    except _UsageError as error:
        words: str = getattr(error, "format_message", error.__str__)()  # names the option, where one is wrong
        print_json({"error": words or "a command is missing; see oddzwon --help"})
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)


__all__ = ["app", "main"]

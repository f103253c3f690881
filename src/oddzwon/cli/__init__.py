"""The command line: ``oddzwon``. It reads the log itself; whatever changes it goes through the service's socket.

Exit status: 0 done, 1 refused or found wrong, 2 bad usage. With ``--json`` nothing else stands on stdout.
"""

from __future__ import annotations

from oddzwon.cli.commands import app


def main() -> None:
    """Run the command line."""
    app(prog_name="oddzwon")


__all__ = ["app", "main"]

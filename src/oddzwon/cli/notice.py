"""``oddzwon notice``: the public notice page, written for a web server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from oddzwon.bootstrap.notice_texts import not_spoken
from oddzwon.bootstrap.notice_values import notice_values
from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, err, out, print_json, show, table, told
from oddzwon.clock import SystemClock
from oddzwon.web.folder import write_notice


def notice(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where to write; made if it is not there, ours if it is.")
    ],
    as_json: Json = False,
) -> None:
    """Write the public notice page (layer 3) in every language that callers hear, its earlier editions kept."""
    with told(as_json=as_json):
        settings = settings_of(context)
        now = datetime.fromtimestamp(SystemClock().now() / 1000, UTC)
        written = write_notice(notice_values(settings), folder, now)
        behind = not_spoken(settings)
    if as_json:
        print_json(
            {
                "files": [
                    {"file": one.name, "language": one.language, "version": one.version, "state": one.state}
                    for one in written
                ],
                "not_spoken": behind,
            }
        )
        return
    rows = table(f"Notice page in {folder}", "file", "language", "version", "state")
    for one in written:
        rows.add_row(one.name, show(one.language), show(one.version), one.state.value)
    out.print(rows)
    if behind:
        err.print(f"not spoken like this yet: {', '.join(behind)}: run `oddzwon prompts build`, restart the service")

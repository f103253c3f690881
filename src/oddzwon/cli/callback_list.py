"""How ``oddzwon callbacks list`` shows callbacks: what a supervisor wants to see of each, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from oddzwon.cli.output import show, table
from oddzwon.cli.report_table import duration
from oddzwon.cli.spreadsheet import print_csv
from oddzwon.cli.times import now
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.hangup_cause import Q850


def callbacks_table(found: Sequence[dict[str, Any]]) -> Table:
    """A line for each; how long the customer has waited is shown while he still waits."""
    rows = table(
        "Callbacks", "id", "lost", "waits", "number", "queue", "agent", "state", "why", "dials", "last dial", "for call"
    )
    for one in found:
        rows.add_row(
            one["id"],
            one["lost_at"],
            show(_waits(one)),
            show(one["number"]),
            show(one["queue"]),
            show(one["agent"]),
            one["state"],
            show(_why(one) or None),
            str(len(one["attempts"])),
            show(_last_dial(one)),
            one["call"],
        )
    return rows


def callback_head(one: dict[str, Any]) -> Table:
    """What the callback is for: the call that was lost, and how long its caller has waited."""
    rows = table(f"Callback {one['id']}: {one['state']}", "what", "value")
    for name in ("call", "number", "did", "queue", "agent", "lost_at", "created_at"):
        rows.add_row(name, show(one[name]))
    if (waits := _waits(one)) is not None:
        rows.add_row("waits", waits)
    return rows


def callbacks_csv(found: Sequence[dict[str, Any]]) -> None:
    """A row for each, in UTC."""
    names = ("id", "call", "lost_at", "created_at", "number", "did", "queue", "agent", "state")
    rows = (
        (
            *(one[name] for name in names),
            _why(one),
            len(one["attempts"]),
            *((one["attempts"][-1]["state"], one["attempts"][-1]["cause"]) if one["attempts"] else (None, None)),
        )
        for one in found
    )
    print_csv((*names, "why", "dials", "last_dial", "last_cause"), rows)


def _why(one: dict[str, Any]) -> str:
    """Why it stands where it stands; of the many steps only the last that gave a reason."""
    return next((str(step["why"]) for step in reversed(one["history"]) if step["why"]), "")


def _waits(one: dict[str, Any]) -> str | None:
    if CallbackState(one["state"]).final or one["state"] == CallbackState.CONNECTED:
        return None
    return duration(now() - int(datetime.fromisoformat(one["lost_at"]).timestamp() * 1000))


def _last_dial(one: dict[str, Any]) -> str | None:
    if not one["attempts"]:
        return None
    last = one["attempts"][-1]
    if last["cause"] is None:
        return str(last["state"])
    named = {int(cause): cause.name.lower().replace("_", " ") for cause in Q850}.get(last["cause"])
    return f"{last['state']}, {last['cause']}" + (f" {named}" if named else "")

"""``oddzwon callbacks``: what became of them, cancelling one, and turning all of them off and on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oddzwon.cli.callback_list import callback_head, callbacks_csv, callbacks_table
from oddzwon.cli.calls import Limit, dials_of, settings_of
from oddzwon.cli.output import Json, err, fail, out, print_json, show, table, told
from oddzwon.cli.spreadsheet import Csv, one_of_them
from oddzwon.cli.times import instant
from oddzwon.control import ask_service
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.number import mask
from oddzwon.log.queries import Queries
from oddzwon.log.times import iso

callbacks = typer.Typer(no_args_is_help=True, help="The callbacks in the log, and the switch for all of them.")

Callback = Annotated[str, typer.Argument(help="The callback's id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; in one line, without numbers or names of callers.")]


@callbacks.command("list")
def list_callbacks(
    context: typer.Context,
    limit: Limit = 100,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not final.")] = False,
    state: Annotated[CallbackState | None, typer.Option(help="Only those in this state.")] = None,
    since: Annotated[str | None, typer.Option(help="Made since: ISO 8601, 8h ago, 06:00, today, yesterday.")] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The callbacks, newest first: where each stands, and why."""
    one_of_them(as_json=as_json, as_csv=as_csv)
    with told(as_json=as_json):
        settings = settings_of(context)
        made = instant(since) if since else None
        with Queries(settings.log.path, mask) as queries:
            found = queries.callback_list(only_open=only_open, state=state, since=made, limit=limit)
            off = off_since(queries)
    if as_json:
        print_json(found)
        return
    if off is not None:
        err.print(f"[bold red]callbacks are {off}[/]", highlight=False)
    if as_csv:
        callbacks_csv(found)
    else:
        out.print(callbacks_table(found))


def off_since(queries: Queries) -> str | None:
    """That callbacks are off, since when, by whom and why; None: they are on."""
    word = queries.switched()
    return None if word is None or not word.off else _in_words("off", iso(word.at), word.by, word.reason)


def _in_words(state: str, since: str | None, by: str | None, reason: str | None) -> str:
    said = state if since is None else f"{state} since {since} by {by}"
    return show(f"{said}: {reason}" if reason else said)


@callbacks.command("show")
def show_callback(context: typer.Context, callback: Callback, as_json: Json = False) -> None:
    """One callback: its attempts and its history."""
    with told(as_json=as_json):
        settings = settings_of(context)
        with Queries(settings.log.path, mask) as queries:
            found = queries.callback_object(callback)
    if found is None:
        fail(f"no callback {callback!r}; `oddzwon callbacks list` shows them", as_json=as_json)
    if as_json:
        print_json(found)
        return
    out.print(callback_head(found))
    out.print()
    if found["attempts"]:
        dials = dials_of(found)
        dials.title = "Dials"
        out.print(dials)
        out.print()
    history = table("History", "at", "state", "why")
    for entry in found["history"]:
        history.add_row(entry["at"], entry["state"], show(entry["why"]))
    out.print(history)


@callbacks.command("cancel")
def cancel_callback(context: typer.Context, callback: Callback, reason: Reason = "", as_json: Json = False) -> None:
    """Stop a callback at once, even while it rings; who did it, and why, is written down."""
    with told(as_json=as_json):
        settings = settings_of(context)
        ask_service(settings.log.socket, {"command": "cancel", "callback": callback, "reason": reason})
    if as_json:
        print_json({"cancelled": callback})
    else:
        err.print(f"callback {callback} is being stopped")


@callbacks.command("off")
def turn_off(context: typer.Context, reason: Reason = "", as_json: Json = False) -> None:
    """Stop every callback at once, those that ring included, and call nobody back until they are turned on again."""
    _turn(context, "off", reason, as_json=as_json)


@callbacks.command("on")
def turn_on(context: typer.Context, reason: Reason = "", as_json: Json = False) -> None:
    """Call back again: who drops from now on. What was stopped stays so."""
    _turn(context, "on", reason, as_json=as_json)


def _turn(context: typer.Context, state: str, reason: str, *, as_json: bool) -> None:
    with told(as_json=as_json):
        stands: dict[str, Any] = ask_service(settings_of(context).log.socket, {"command": state, "reason": reason})
    if as_json:
        print_json(stands)
    else:
        err.print(f"callbacks are {_in_words(**stands)}", highlight=False)

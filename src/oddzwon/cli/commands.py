"""The top of the command line: ``init``, ``serve``, ``check`` and the groups below it."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Annotated

import typer

import oddzwon
from oddzwon.bootstrap.checks import run_checks
from oddzwon.bootstrap.logging import configure_logging
from oddzwon.bootstrap.service import serve as run_service
from oddzwon.cli.attestation import drop
from oddzwon.cli.callbacks import callbacks
from oddzwon.cli.calls import calls, settings_of
from oddzwon.cli.notice import notice
from oddzwon.cli.output import Json, err, fail, out, print_json, show, table, told
from oddzwon.cli.prompts import prompts
from oddzwon.cli.recordings import recordings
from oddzwon.cli.report import report
from oddzwon.config_template import template

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback would show values, and a value may be somebody's number
    help="Calls back, lawfully and at once, the caller whom a fault cut off.",
)
app.add_typer(calls, name="calls")
app.add_typer(callbacks, name="callbacks")
app.add_typer(prompts, name="prompts")
app.add_typer(recordings, name="recordings")
app.command("drop")(drop)
app.command("notice")(notice)
app.command("report")(report)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oddzwon {oddzwon.__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The settings; else ODDZWON_CONFIG, else /etc/oddzwon/oddzwon.toml."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What every command shares."""
    configure_logging(logging.WARNING)
    context.obj = config


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write the settings.")] = Path("oddzwon.toml"),
    as_json: Json = False,
) -> None:
    """Write a commented oddzwon.toml; an existing file is never overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        fail(f"{path} exists already: name another file, or move that one away", as_json=as_json)
    except OSError as error:
        fail(f"{path}: {error.strerror}", as_json=as_json)
    if as_json:
        print_json({"written": str(path)})
    else:
        err.print(f"wrote {path}: edit it, then run `oddzwon --config {path} prompts build` and `check`")


@app.command()
def serve(
    context: typer.Context,
    pid_file: Annotated[Path | None, typer.Option(help="Written once calls can be taken, removed at the end.")] = None,
    as_json: Json = False,
) -> None:
    """Serve calls until SIGTERM; no call is cut by it, and nothing acknowledged is lost."""
    with told(as_json=as_json):
        settings = settings_of(context)
        configure_logging()
        asyncio.run(run_service(settings, pid_file))


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Is everything there that a lawful callback needs? Each line is ok, or says what to do."""
    configure_logging(logging.CRITICAL)  # the table says it all
    with told(as_json=as_json):
        results = asyncio.run(run_checks(settings_of(context)))
    passed = all(result.ok for result in results)
    if as_json:
        print_json([{"check": r.name, "ok": r.ok, "found": r.found, "to_do": r.to_do} for r in results])
    else:
        rows = table("Checks", "check", "", "found")
        for result in results:
            mark = "[green]ok[/]" if result.ok else "[bold red]to do[/]"
            rows.add_row(result.name, mark, show(result.found if result.ok else f"{result.found}: {result.to_do}"))
        out.print(rows)
    raise typer.Exit(0 if passed else 1)

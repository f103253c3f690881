"""``oddzwon prompts``: what callers hear, built and listed."""

from __future__ import annotations

import asyncio
from typing import Any

import typer
from rich.progress import Progress

from oddzwon.bootstrap.choices import prompt_plan
from oddzwon.bootstrap.speaking import speaker_for
from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, err, out, print_json, show, table, told
from oddzwon.config import Settings
from oddzwon.prompts.build import BuildReport, BuildRow, build
from oddzwon.prompts.library import PromptLibrary

prompts = typer.Typer(no_args_is_help=True, help="What callers hear.")


@prompts.command("build")
def build_prompts(context: typer.Context, as_json: Json = False) -> None:
    """Speak every prompt that is new or has changed; nothing that a receipt names is overwritten."""
    with told(as_json=as_json):
        report = _built(settings_of(context))
    if as_json:
        print_json([_row(row) for row in report.rows])
        return
    rows = table("Prompts", "language", "prompt", "variant", "seconds", "state")
    for row in report.rows:
        rows.add_row(row.language, row.key, show(row.variant), f"{row.seconds:.1f}", row.state.value)
    out.print(rows)


def _row(row: BuildRow) -> dict[str, Any]:
    return {
        "language": row.language,
        "prompt": row.key,
        "variant": row.variant,
        "seconds": row.seconds,
        "state": row.state.value,
    }


def _built(settings: Settings) -> BuildReport:
    speaker = speaker_for(settings)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("speaking", total=None)

        def on_progress(row: BuildRow, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=f"{row.language} {row.key}")

        return asyncio.run(build(prompt_plan(settings), settings.prompts.directory, speaker, on_progress))


@prompts.command("list")
def list_prompts(context: typer.Context, as_json: Json = False) -> None:
    """The prompts in use, with version, hash and length."""
    with told(as_json=as_json):
        settings = settings_of(context)
        library = PromptLibrary.open(settings.prompts.directory)
    found = sorted(library.prompts, key=lambda p: (p.language, p.key, p.variant or ""))
    if as_json:
        print_json(
            [
                {
                    "language": p.language,
                    "prompt": p.key,
                    "variant": p.variant,
                    "version": p.version,
                    "sha256": p.sha256,
                    "full_ms": p.full_ms,
                    "text": p.text,
                }
                for p in found
            ]
        )
        return
    rows = table("Prompts in use", "language", "prompt", "variant", "version", "seconds", "text")
    for p in found:
        rows.add_row(p.language, p.key, show(p.variant), p.version, f"{p.full_ms / 1000:.1f}", show(p.text))
    out.print(rows)
    for damage in library.damaged:
        err.print(f"damaged: {damage.language} {damage.key}: {damage.reason}: run `oddzwon prompts build`")

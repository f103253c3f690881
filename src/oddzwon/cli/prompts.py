"""``oddzwon prompts``: what callers hear, built, listed with its history, and written to a file to listen to."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.bootstrap.speaking import speaker_for, studio_for
from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, err, fail, out, print_json, show, table, told
from oddzwon.config import Settings
from oddzwon.prompts.build import BuildReport, BuildRow, BuildState, build, unheard
from oddzwon.prompts.journey import Heard, listen
from oddzwon.prompts.library import Prompt, PromptLibrary
from oddzwon.prompts.manifest import Edition
from oddzwon.prompts.plan import PromptPlan
from oddzwon.prompts.texts import language_of

SHORTEST_PREFIX = 6
"""So many digits of a version or hash are asked for: fewer would name too many."""

prompts = typer.Typer(no_args_is_help=True, help="What callers hear.")


@prompts.command("build")
def build_prompts(context: typer.Context, as_json: Json = False) -> None:
    """Speak every prompt that is new or has changed; nothing that a receipt names is overwritten."""
    with told(as_json=as_json):
        settings = settings_of(context)
        plan = prompt_plan(settings)
        report = _built(settings, plan)
        never = unheard(plan)
    if as_json:
        print_json([_row(row) for row in (*report.rows, *report.retired)])
    else:
        _print_report(report)
    for own in never:
        never_heard = f"never heard: {own.where}: another text goes before it, or nothing asks for it"
        err.print(show(never_heard), highlight=False)


def _print_report(report: BuildReport) -> None:
    rows = table("Prompts", "language", "prompt", "variant", "DID", "own", "version", "seconds", "state")
    for row in (*report.rows, *report.retired):
        cells = (row.language, row.key, show(row.variant), show(row.did), show(row.own), row.version)
        rows.add_row(*cells, f"{row.seconds:.1f}", row.state.value)
    out.print(rows)
    counted = {state: sum(row.state is state for row in (*report.rows, *report.retired)) for state in BuildState}
    total = sum(row.seconds for row in report.rows)
    told_counts = ", ".join(f"{number} {state.value}" for state, number in counted.items())
    out.print(f"{len(report.rows)} prompts, {total:.0f} s in all: {told_counts}", highlight=False)


def _row(row: BuildRow) -> dict[str, Any]:
    return {
        "language": row.language,
        "prompt": row.key,
        "variant": row.variant,
        "seconds": row.seconds,
        "state": row.state.value,
        "did": row.did,
        "own": row.own,
        "version": row.version,
    }


def _built(settings: Settings, plan: PromptPlan) -> BuildReport:
    speaker = speaker_for(settings)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("speaking", total=None)

        def on_progress(row: BuildRow, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=f"{row.language} {row.key}")

        return asyncio.run(build(plan, settings.prompts.directory, speaker, on_progress))


@prompts.command("list")
def list_prompts(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is not in use any more, and what was spoken during calls.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The prompts in use, with version, hash and length."""
    with told(as_json=as_json):
        library = PromptLibrary.open(settings_of(context).prompts.directory)
        history = library.history() if everything else ()
    if everything:
        _list_history(library, history, as_json=as_json)
        return
    found = sorted(library.prompts, key=lambda p: (p.language, p.key, p.variant or "", p.did or ""))
    if as_json:
        print_json([_in_use(p) for p in found])
        return
    rows = table("Prompts in use", "language", "prompt", "variant", "DID", "version", "seconds", "text")
    for p in found:
        cells = (p.language, p.key, show(p.variant), show(p.did), p.version, f"{p.full_ms / 1000:.1f}", show(p.text))
        rows.add_row(*cells)
    out.print(rows)
    for damage in library.damaged:
        err.print(f"damaged: {damage.language} {damage.key}: {damage.reason}: run `oddzwon prompts build`")


def _in_use(prompt: Prompt) -> dict[str, Any]:
    return {
        "language": prompt.language,
        "prompt": prompt.key,
        "variant": prompt.variant,
        "version": prompt.version,
        "sha256": prompt.sha256,
        "full_ms": prompt.full_ms,
        "text": prompt.text,
        "did": prompt.did,
    }


def _list_history(library: PromptLibrary, history: tuple[Edition, ...], *, as_json: bool) -> None:
    found = sorted(history, key=lambda e: (e.language, e.key, e.variant or "", e.did or "", e.built_at))
    if as_json:
        print_json([_edition(library, edition) for edition in found])
        return
    columns = ("language", "prompt", "variant", "DID", "version", "built at", "in use", "sha256", "file")
    rows = table("Every edition", *columns)
    for e in found:
        file = "present" if library.edition_file(e).is_file() else "missing"
        where = (e.language, e.key, show(e.variant), show(e.did), e.version)
        rows.add_row(*where, e.built_at, show(e.current), e.sha256, file)
    out.print(rows)


def _edition(library: PromptLibrary, edition: Edition) -> dict[str, Any]:
    file = library.edition_file(edition)
    return {
        "language": edition.language,
        "prompt": edition.key,
        "variant": edition.variant,
        "did": edition.did,
        "version": edition.version,
        "text_sha256": edition.text_sha256,
        "sha256": edition.sha256,
        "full_ms": edition.duration_ms,
        "built_at": edition.built_at,
        "current": edition.current,
        "own": edition.own,
        "audio_sha256": edition.audio_sha256,
        "engine": edition.engine,
        "text": edition.text,
        "file": str(file),
        "present": file.is_file(),
    }


@prompts.command("show")
def show_prompt(
    context: typer.Context,
    version: Annotated[
        str,
        typer.Argument(metavar="VERSION", help="A version, or the SHA-256 of text or audio; its beginning will do."),
    ],
    as_json: Json = False,
) -> None:
    """What a receipt names: the words, and the file that was played."""
    wanted = version.strip().lower()
    if len(wanted) < SHORTEST_PREFIX:
        fail(f"{version!r}: give at least {SHORTEST_PREFIX} digits of a version or hash", as_json=as_json)
    with told(as_json=as_json):
        library = PromptLibrary.open(settings_of(context).prompts.directory)
        found = [e for e in library.history() if any(h.startswith(wanted) for h in (e.text_sha256, e.sha256))]
    if not found:
        fail(f"no prompt has version or hash {version!r}; `oddzwon prompts list --all` names all", as_json=as_json)
    shown = [{**_edition(library, edition), "intact": library.damage(edition) is None} for edition in found]
    if as_json:
        print_json(shown)
        return
    for one in shown:
        rows = table(f"{one['language']} {one['prompt']}", "", "")
        for name, value in one.items():
            rows.add_row(name.replace("_", " "), show(value))
        out.print(rows)


@prompts.command("listen")
def listen_to_prompts(
    context: typer.Context,
    language: Annotated[str, typer.Option("--language", help="Which language: pl, cs, de or en.")],
    did: Annotated[str | None, typer.Option("--did", help="As callers of this number (E.164) hear it.")] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="The WAV file to write; `oddzwon-LANGUAGE.wav` here unless said.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write everything that a caller may hear to one file, in the order of a call, and say where each prompt is."""
    file = target or Path(f"oddzwon-{language}.wav")
    with told(as_json=as_json):
        settings = settings_of(context)
        code = language_of(language)
        if did is not None and did not in (known := [one.number for one in settings.dids]):
            fail(f"--did: {did} is none of yours; choose one of {', '.join(known)}", as_json=as_json)
        library = PromptLibrary.open(settings.prompts.directory, short=settings.prompts.short)
        studio = studio_for(settings)
        heard = asyncio.run(listen(prompt_plan(settings), library, studio, file, language=code, did=did))
    if as_json:
        print_json([_heard(one, file) for one in heard])
        return
    rows = table(f"The journey in {file}", "at", "seconds", "prompt", "variant", "DID", "text")
    for one in heard:
        cells = (one.key.value, show(one.variant), show(one.did), show(one.text))
        rows.add_row(f"{int(one.at_s) // 60}:{one.at_s % 60:04.1f}", f"{one.seconds:.1f}", *cells)
    out.print(rows)


def _heard(one: Heard, file: Path) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(one).items() if name != "key"},
        "prompt": one.key.value,
        "file": str(file),
    }

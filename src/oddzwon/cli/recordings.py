"""``oddzwon recordings``: what was recorded, and hearing, holding, releasing and re-keying it, through the service."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, err, out, print_json, show, table, told
from oddzwon.cli.times import instant
from oddzwon.control import ask_service
from oddzwon.domain.number import mask
from oddzwon.log.queries import Queries
from oddzwon.log.recording_queries import JsonObject
from oddzwon.recordings.sealing import Side, unseal

recordings = typer.Typer(no_args_is_help=True, help="The recordings.")

Recording = Annotated[str, typer.Argument(help="The recording's id.")]
By = Annotated[str, typer.Option("--by", help="Who does it: a name that your people know.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; in one line, without numbers or names of callers.")]


@recordings.command("list")
def list_recordings(
    context: typer.Context,
    call: Annotated[str | None, typer.Option("--call", help="Only those of this call.")] = None,
    since: Annotated[str | None, typer.Option(help="Begun since: ISO 8601, or 30m, 2h, 7d ago.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """The recordings, newest first; of each what became of it, and why."""
    with told(as_json=as_json):
        settings = settings_of(context)
        begun = instant(since) if since else None
        with Queries(settings.log.path, mask) as queries:
            found = queries.recording_list(call=call, since=begun, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = table("Recordings", "id", "started", "regime", "state", "seconds", "delete after", "held", "call", "file")
    for one in found:
        rows.add_row(
            one["id"],
            one["started_at"],
            one["regime"],
            one["state"],
            show(one["seconds"]),
            one["delete_after"],
            show(", ".join(f"{h['reference']}, review {h['review_on']}" for h in _standing(one)) or None),
            one["call"],
            one["file"],
        )
    out.print(rows)


def _standing(recording: JsonObject) -> list[JsonObject]:
    return [hold for hold in recording["holds"] if hold["released_at"] is None]


@recordings.command("unseal")
def unseal_recording(
    context: typer.Context,
    recording: Recording,
    by: By,
    reason: Reason,
    out_file: Annotated[Path, typer.Option("--out", help="The WAV file to write; never one that exists.")],
    side: Annotated[Side | None, typer.Option("--side", help="Only this side; the other one is silent.")] = None,
    as_json: Json = False,
) -> None:
    """Give a recording back as a WAV file; who hears it, and why, is written down first."""
    with told(as_json=as_json):
        settings = settings_of(context)
        if out_file.exists():
            raise FileExistsError(f"{out_file} exists already: name another file")
        request = {"command": "unseal", "recording": recording, "by": by, "reason": reason, "side": side or ""}
        opened = ask_service(settings.log.socket, request)
        unseal(
            Path(opened["path"]),
            base64.b64decode(opened["key"]),
            recording,
            out_file,
            plain_sha256=opened["plain_sha256"],
            sealed_sha256=opened["sealed_sha256"],
            only=side,
        )
    if as_json:
        print_json({"unsealed": recording, "file": str(out_file), "side": side})
    else:
        err.print(f"wrote {out_file}: remove it when it has been heard")


@recordings.command("hold")
def hold(
    context: typer.Context,
    recording: Recording,
    by: By,
    reference: Annotated[str, typer.Option("--reference", help="The claim or proceedings that it is kept for.")],
    approver: Annotated[str, typer.Option("--approver", help="Who approved that.")],
    review_on: Annotated[str, typer.Option("--review-on", help="When it is asked again, such as 2027-05-31.")],
    as_json: Json = False,
) -> None:
    """Keep a recording beyond its retention, for legal claims (Art. 17(3)(e) GDPR), until it is released."""
    request = {"command": "hold", "recording": recording, "by": by, "reference": reference, "approver": approver}
    _change(context, {**request, "review_on": review_on}, f"recording {recording} is held", as_json=as_json)


@recordings.command("release")
def release(
    context: typer.Context,
    recording: Recording,
    by: By,
    reason: Reason,
    reference: Annotated[str, typer.Option("--reference", help="Which hold, where several stand.")] = "",
    as_json: Json = False,
) -> None:
    """End a hold: the recording's own retention counts again."""
    request = {"command": "release", "recording": recording, "by": by, "reason": reason, "reference": reference}
    _change(context, request, f"the hold on recording {recording} is released", as_json=as_json)


def _change(context: typer.Context, request: dict[str, Any], done: str, *, as_json: bool) -> None:
    with told(as_json=as_json):
        answer = ask_service(settings_of(context).log.socket, request)
    if as_json:
        print_json(answer)
    else:
        err.print(done)


@recordings.command("rekey")
def rekey(context: typer.Context, as_json: Json = False) -> None:
    """Put a new key into the operator's key file and wrap every recording's own key with it; old keys leave the file.

    Broken off in between, it is finished by the next run.
    """
    with told(as_json=as_json):
        path = settings_of(context).log.socket
        total = int(ask_service(path, {"command": "rekey"})["left"])
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("keys wrapped anew", total=total)
            while (answer := ask_service(path, {"command": "rewrap"}))["done"]:
                progress.advance(task, int(answer["done"]))
        stuck = [str(recording) for recording in answer["stuck"]]
    wrapped = total - len(stuck)
    if as_json:
        print_json({"rewrapped": wrapped, "not_rewrapped": stuck})
        return
    err.print(f"{wrapped} recordings are wrapped with the new key: copy the key file anew, destroy its old copies")
    if stuck:
        err.print(f"not wrapped anew, for their wrapped keys do not open: {', '.join(stuck)}. Their old key stays")

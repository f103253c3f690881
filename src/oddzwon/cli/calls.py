"""``oddzwon calls`` and ``oddzwon callbacks``: what the log says, as tables or JSON."""

from __future__ import annotations

import getpass
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from oddzwon.bootstrap.service import number_secret
from oddzwon.cli.output import err, fail, out, print_json, show, table, told
from oddzwon.config import ConfigError, Settings, config_path, load
from oddzwon.control import ask_service
from oddzwon.domain.number import Number, mask, parse
from oddzwon.domain.rights import number_key
from oddzwon.log.queries import Queries

calls = typer.Typer(no_args_is_help=True, help="The calls in the log.")
callbacks = typer.Typer(no_args_is_help=True, help="The callbacks in the log.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document and nothing else.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show whole numbers; needs --reason, and is logged.")]
Reason = Annotated[str, typer.Option("--reason", help="Why whole numbers are needed.")]


def settings_of(context: typer.Context) -> Settings:
    """The settings that ``--config`` or ODDZWON_CONFIG names; raises ConfigError."""
    path: Path | None = context.obj
    return load(config_path(path))


def _queries(settings: Settings, what: str, *, reveal: bool, reason: str) -> Queries:
    """The log, opened for reading; revealing is logged by the service first, or does not happen."""
    if reveal:
        request = {"command": "reveal", "reason": reason, "by": getpass.getuser(), "what": what}
        ask_service(settings.log.socket, request)
    return Queries(settings.log.path, mask, reveal=reveal)


@calls.command("list")
def list_calls(
    context: typer.Context,
    number: Annotated[str | None, typer.Option(help="Only calls of this number.")] = None,
    since: Annotated[str | None, typer.Option(help="Begun since: ISO 8601, or 30m, 2h, 7d ago.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
    reveal: Reveal = False,
    reason: Reason = "",
) -> None:
    """The calls, newest first."""
    with told(as_json=as_json):
        settings = settings_of(context)
        begun = _instant(since) if since else None
        key = _key(settings, number) if number else None
        with _queries(settings, "calls list", reveal=reveal, reason=reason) as queries:
            found = queries.call_list(number_key=key, since=begun, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = table("Calls", "id", "started", "direction", "number", "stage", "ended by", "fault", "callback")
    for call in found:
        ending, callback = call["ending"] or {}, call["callback"] or {}
        rows.add_row(
            call["id"],
            call["started_at"],
            call["direction"],
            show(call["number"]),
            call["stage"],
            show(ending.get("party")),
            show(ending.get("technical")),
            show(callback.get("state") or _refused(call)),
        )
    out.print(rows)


def _refused(call: dict[str, Any]) -> str | None:
    decision = call["decision"]
    return None if decision is None or decision["allowed"] else "refused: " + ", ".join(decision["refusals"])


@calls.command("show")
def show_call(
    context: typer.Context,
    call: Annotated[str, typer.Argument(help="The call's id.")],
    as_json: Json = False,
    reveal: Reveal = False,
    reason: Reason = "",
) -> None:
    """One call: what was said, how it ended, what was decided and why, and its callback."""
    with told(as_json=as_json):
        settings = settings_of(context)
        with _queries(settings, f"calls show {call}", reveal=reveal, reason=reason) as queries:
            found = queries.call_object(call)
    if found is None:
        fail(f"no call {call!r} in {settings.log.path}; `oddzwon calls list` shows them", as_json=as_json)
    if as_json:
        print_json(found)
        return
    for part in _parts(found):
        out.print(part)
        out.print()


def _parts(call: dict[str, Any]) -> list[Table]:
    """The call's tables, in the order in which things happened."""
    head = table(f"Call {call['id']}", "what", "value")
    for name in (
        "pbx", "direction", "number", "did", "language", "started_at", "ended_at", "lost_at", "stage", "menu_key",
        "queue", "agent", "resumes",
    ):  # fmt: skip
        head.add_row(name, show(call[name]))
    said = table("Said to the caller", "prompt", "version", "played", "key", "complete")
    for notice in call["notices"]:
        played = f"{notice['played_ms'] / 1000:.1f} of {notice['full_ms'] / 1000:.1f} s"
        said.add_row(notice["prompt"], notice["version"], played, show(notice["key"]), show(notice["complete"]))
    recorded = table("Recordings", "id", "regime", "state", "started", "delete after")
    for r in call["recordings"]:
        recorded.add_row(r["id"], r["regime"], r["state"], r["started_at"], r["delete_after"])
    parts = [head, said, recorded]
    if (ending := call["ending"]) is not None:
        verdict = f"{ending['party']}, fault: {show(ending['technical'])}, confidence {show(ending['confidence'])}"
        why = table(f"Ended by {verdict}", "evidence", "leg", "at")
        for fact in ending["evidence"]:
            why.add_row(fact["fact"], show(fact["leg"]), show(fact["at"]))
        parts.append(why)
    if (decision := call["decision"]) is not None:
        answer = "may be called back" if decision["allowed"] else "is not called back"
        law = table(f"Decision: {answer} (policy {decision['policy'][:12]})", "condition", "passed", "evidence")
        for condition in decision["conditions"]:
            law.add_row(condition["code"], show(condition["passed"]), condition["evidence"])
        parts.append(law)
    if (callback := call["callback"]) is not None:
        parts.append(_attempts(callback))
    return parts


def _attempts(callback: dict[str, Any]) -> Table:
    dials = table(f"Callback {callback['id']}: {callback['state']}", "n", "state", "at", "cause", "call", "channel")
    for a in callback["attempts"]:
        dials.add_row(str(a["n"]), a["state"], a["at"], show(a["cause"]), show(a["call"]), a["channel_id"])
    return dials


@callbacks.command("list")
def list_callbacks(
    context: typer.Context,
    limit: Limit = 100,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not final.")] = False,
    as_json: Json = False,
) -> None:
    """The callbacks, newest first."""
    with told(as_json=as_json):
        settings = settings_of(context)
        with Queries(settings.log.path, mask) as queries:
            found = queries.callback_list(only_open=only_open, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = table("Callbacks", "id", "created", "number", "state", "dials", "for call")
    for c in found:
        rows.add_row(c["id"], c["created_at"], show(c["number"]), c["state"], str(len(c["attempts"])), c["call"])
    out.print(rows)


@callbacks.command("show")
def show_callback(
    context: typer.Context,
    callback: Annotated[str, typer.Argument(help="The callback's id.")],
    as_json: Json = False,
) -> None:
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
    out.print(_attempts(found))
    history = table("History", "at", "state", "why")
    for entry in found["history"]:
        history.add_row(entry["at"], entry["state"], show(entry["why"]))
    out.print(history)


@callbacks.command("cancel")
def cancel_callback(
    context: typer.Context,
    callback: Annotated[str, typer.Argument(help="The callback's id.")],
    as_json: Json = False,
) -> None:
    """Stop a callback at once, even while it rings."""
    with told(as_json=as_json):
        settings = settings_of(context)
        request = {"command": "cancel", "callback": callback, "by": getpass.getuser()}
        ask_service(settings.log.socket, request)
    if as_json:
        print_json({"cancelled": callback})
    else:
        err.print(f"callback {callback} is being stopped")


_AGO = re.compile(r"([0-9]{1,6})([mhd])")
_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _instant(text: str) -> int:
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time_ns() // 1_000_000 - int(ago[1]) * _MS[ago[2]]
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        msg = f"--since {text!r}: neither ISO 8601 nor 30m, 2h, 7d; for example 2026-11-21T08:00Z"
        raise typer.BadParameter(msg) from error


def _key(settings: Settings, raw: str) -> str:
    region = parse(settings.dids[0].number, "ZZ")
    number = parse(raw, (region.region if isinstance(region, Number) else None) or "ZZ")
    if not isinstance(number, Number):
        msg = "--number: not a telephone number; for example +48600100200"
        raise typer.BadParameter(msg)
    if not settings.log.key_file.exists():
        msg = f"log.key_file: {settings.log.key_file}: not there yet; the service makes it when it first starts"
        raise ConfigError(msg)
    return number_key(number.e164, number_secret(settings.log.key_file))

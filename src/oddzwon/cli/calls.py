"""``oddzwon calls``: what the log says of them, as tables or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from oddzwon.bootstrap.service import number_secret
from oddzwon.cli.journals import journal_in_words, journal_table, rejudge_calls
from oddzwon.cli.output import Json, fail, out, print_json, show, table, told
from oddzwon.cli.times import instant
from oddzwon.config import ConfigError, Settings, config_path, load
from oddzwon.control import ask_service
from oddzwon.domain.number import Number, mask, parse
from oddzwon.domain.rights import number_key
from oddzwon.domain.words import verdict
from oddzwon.log.queries import Queries

calls = typer.Typer(no_args_is_help=True, help="The calls in the log.")

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
        request = {"command": "reveal", "reason": reason, "what": what}
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
        begun = instant(since) if since else None
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
    with_journal: Annotated[
        bool, typer.Option("--journal", help="Also every event that bears on its ending, in words.")
    ] = False,
    as_json: Json = False,
    reveal: Reveal = False,
    reason: Reason = "",
) -> None:
    """One call: what was said, how it ended and by what evidence, what was decided and why, and its callback."""
    with told(as_json=as_json):
        settings = settings_of(context)
        with _queries(settings, f"calls show {call}", reveal=reveal, reason=reason) as queries:
            found = queries.call_object(call)
            lines = journal_in_words(queries, call) if with_journal and found is not None else []
    if found is None:
        fail(f"no call {call!r} in {settings.log.path}; `oddzwon calls list` shows them", as_json=as_json)
    if as_json:
        print_json({**found, "journal": lines} if with_journal else found)
        return
    for part in [*_parts(found), *([journal_table(lines)] if with_journal else [])]:
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
    parts = [head, said, *_recordings(call["recordings"])]
    if (ending := call["ending"]) is not None:
        parts.append(_verdict(ending))
    if call["attestations"]:
        parts.append(_attestations(call["attestations"]))
    if call["earlier"]:
        parts.append(_earlier(call["earlier"]))
    if (decision := call["decision"]) is not None:
        answer = "may be called back" if decision["allowed"] else "is not called back"
        law = table(f"Decision: {answer} (policy {decision['policy'][:12]})", "condition", "passed", "evidence")
        for condition in decision["conditions"]:
            law.add_row(condition["code"], show(condition["passed"]), condition["evidence"])
        parts.append(law)
    if (callback := call["callback"]) is not None:
        parts.append(dials_of(callback))
    return parts


def _recordings(recordings: list[dict[str, Any]]) -> list[Table]:
    """The recordings, and under each what became of it and why."""
    recorded = table("Recordings", "id", "regime", "state", "started", "seconds", "delete after", "held", "file")
    became = table("What became of them", "at", "recording", "state", "why")
    for r in recordings:
        recorded.add_row(
            r["id"],
            r["regime"],
            r["state"],
            r["started_at"],
            show(r["seconds"]),
            r["delete_after"],
            show(r["held"]),
            r["file"],
        )
        for event in r["events"]:
            became.add_row(event["at"], r["id"], event["state"], show(event["why"] or None))
    return [recorded, became] if became.row_count else [recorded]


def _verdict(ending: dict[str, Any]) -> Table:
    """What was found, what decided it, and what speaks against it."""
    said = verdict(ending["party"], ending["technical"], ending["confidence"], ending["rules"])
    why = table(said, "", "evidence", "leg", "at")
    for n, fact in enumerate(ending["evidence"]):
        why.add_row("for" if n else "decided", fact["fact"], show(fact["leg"]), show(fact["at"]))
    for fact in ending["against"]:
        why.add_row("against", fact["fact"], show(fact["leg"]), show(fact["at"]))
    return why


def _attestations(said: list[dict[str, Any]]) -> Table:
    words = table("It was attested that the call was cut off", "at", "door", "by", "fault", "reason")
    for one in said:
        words.add_row(one["at"], one["door"], one["by"], show(one["fault"]), show(one["reason"] or None))
    return words


def _earlier(verdicts: list[dict[str, Any]]) -> Table:
    before = table("Judged before, and anew after an attestation", "at", "verdict", "decided by", "decision")
    for one in verdicts:
        ending = one["ending"]
        before.add_row(
            one["at"],
            verdict(ending["party"], ending["technical"], ending["confidence"], ending["rules"]),
            ending["evidence"][0]["fact"] if ending["evidence"] else "–",
            show(_refused(one) or (one["decision"] and "may be called back")),
        )
    return before


def dials_of(callback: dict[str, Any]) -> Table:
    """The callback's dials, a row each."""
    dials = table(f"Callback {callback['id']}: {callback['state']}", "n", "state", "at", "cause", "call", "channel")
    for a in callback["attempts"]:
        dials.add_row(str(a["n"]), a["state"], a["at"], show(a["cause"]), show(a["call"]), a["channel_id"])
    return dials


@calls.command("rejudge")
def rejudge(
    context: typer.Context,
    call: Annotated[list[str] | None, typer.Argument(help="These calls; else all.")] = None,
    since: Annotated[str | None, typer.Option(help="Begun since: ISO 8601, or 30m, 2h, 7d ago.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show those whose verdict would stay, too.")] = False,
    as_json: Json = False,
) -> None:
    """Judge written journals by the present rules, and show the differences; nothing is changed."""
    with told(as_json=as_json):
        settings = settings_of(context)
        begun = instant(since) if since else 0
        with Queries(settings.log.path, mask) as queries:
            status = rejudge_calls(queries, call or None, since=begun, every=every, as_json=as_json)
    raise typer.Exit(status)


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

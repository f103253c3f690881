"""Written journals: told in words, and judged anew by the rules as they are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich.progress import Progress, TextColumn
from rich.table import Table

from oddzwon.cli.output import err, out, print_json, show, table
from oddzwon.domain.ending import RULES, Ending, judge
from oddzwon.domain.events import CallEvent, Instant
from oddzwon.domain.journal import Journal, UnreadableFact
from oddzwon.domain.words import names_of_legs, sentence, verdict
from oddzwon.log.queries import Queries
from oddzwon.log.records import Fact, Judged
from oddzwon.log.times import iso

AT_ONCE: Final = 500
"""Calls read in one go: the writer's file can be tidied up in between, however long it takes."""


# --- in words ----------------------------------------------------------------------------------------------------


def journal_in_words(queries: Queries, call: str) -> list[dict[str, Any]]:
    """The call's journal, a line for each event; one that this version cannot read says so and hides no other."""
    found = queries.journal_of(call)
    if found is None:
        return []
    leg, ended_at, facts = found
    events = [_event(fact) for fact in facts]
    names = names_of_legs(leg, [event for event in events if not isinstance(event, UnreadableFact)])
    return [
        {
            "at": iso(fact.at),
            "after_end_ms": None if ended_at is None else fact.at - ended_at,
            "fact": fact.fact,
            "leg": fact.leg,
            "words": f"(unreadable: {event})" if isinstance(event, UnreadableFact) else sentence(event, names),
            "data": dict(fact.data),
        }
        for fact, event in zip(facts, events, strict=True)
    ]


def _event(fact: Fact) -> CallEvent | UnreadableFact:
    try:
        return fact.event()
    except UnreadableFact as error:
        return error


def journal_table(lines: Sequence[dict[str, Any]]) -> Table:
    """The lines for a person: the seconds before (-) and after (+) the end first."""
    journal = table("Journal", "to the end", "at", "what happened")
    for line in lines:
        after = line["after_end_ms"]
        journal.add_row("–" if after is None else f"{after / 1000:+.3f} s", line["at"], show(line["words"]))
    return journal


# --- judged anew -------------------------------------------------------------------------------------------------


def rejudge_calls(queries: Queries, calls: Sequence[str] | None, *, since: Instant, every: bool, as_json: bool) -> int:
    """Judge, compare and print; returns the exit status: 1 if a call is not there, or its journal cannot be read."""
    found: list[dict[str, Any]] = []
    counted: Counter[str] = Counter()
    missing = dict.fromkeys(calls or ())
    with _progress() as tell:
        for judged in _all(queries, calls, since):
            missing.pop(judged.call, None)
            one = _compared(judged)
            counted[one["outcome"]] += 1
            if every or one["outcome"] != "same":
                found.append(one)
            tell(counted.total())
    for call in missing:
        if since and queries.call_object(call) is not None:
            continue  # begun before, or not judged yet
        found.append(_row(call, "unreadable", error="no such call, or it is not judged yet"))
        counted["unreadable"] += 1
    if as_json:
        print_json(
            {"rules": RULES, **{name: counted[name] for name in ("same", "differs", "unreadable")}, "calls": found}
        )
    else:
        _print(found, counted)
    return 1 if counted["unreadable"] else 0


def _all(queries: Queries, calls: Sequence[str] | None, since: Instant) -> Iterator[Judged]:
    after = ""
    while part := queries.judged(calls=calls, since=since, after=after, limit=AT_ONCE):
        yield from part
        after = part[-1].call


def _compared(judged: Judged) -> dict[str, Any]:
    was = _shown(judged.party, judged.technical, judged.confidence, judged.rule)
    try:
        events = tuple(fact.event() for fact in judged.journal)
        now = judge(Journal(judged.leg, judged.started_at, judged.ended_at, events))
    except UnreadableFact as error:
        return _row(judged.call, "unreadable", was=was, error=str(error))
    would_be = _shown(str(now.party), now.technical, now.confidence, now.rules)
    same = all(was[name] == would_be[name] for name in ("party", "technical", "confidence"))
    return _row(judged.call, "same" if same else "differs", was=was, would_be=would_be, why=_why(now))


def _row(call: str, outcome: str, **rest: Any) -> dict[str, Any]:
    empty = {"was": None, "would_be": None, "why": None, "error": None}
    return {"call": call, "outcome": outcome, **empty, **rest}


def _shown(party: str, technical: bool | None, confidence: str | None, rules: str) -> dict[str, Any]:
    return {
        "party": party,
        "technical": technical,
        "confidence": None if confidence is None else str(confidence),
        "rules": rules,
    }


def _why(ending: Ending) -> dict[str, Any] | None:
    """The evidence that decided."""
    if not ending.evidence:
        return None
    first = ending.evidence[0]
    return {"fact": first.fact, "leg": None if first.leg is None else str(first.leg), "at": iso(first.at)}


def _print(found: Sequence[dict[str, Any]], counted: Counter[str]) -> None:
    rows = table(f"Judged by the rules {RULES}", "call", "was", "would be", "why")
    for one in found:
        why = one["error"] or (one["why"] and one["why"]["fact"])
        would_be = "the same" if one["outcome"] == "same" else one["would_be"] and verdict(**one["would_be"])
        rows.add_row(one["call"], show(one["was"] and verdict(**one["was"])), show(would_be), show(why))
    if found:
        out.print(rows)
        out.print()
    out.print(
        f"{counted.total()} calls: {counted['same']} as they were judged, {counted['differs']} would be judged"
        f" otherwise, {counted['unreadable']} cannot be judged. Nothing was changed."
    )


class _Tell(Protocol):
    def __call__(self, done: int) -> None: ...


@contextmanager
def _progress() -> Iterator[_Tell]:
    """How far it has got, on stderr, for a person who waits."""
    with Progress(
        TextColumn("{task.completed} calls judged"), console=err, transient=True, disable=not err.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda done: progress.update(task, completed=done)

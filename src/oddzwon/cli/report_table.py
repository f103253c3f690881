"""The numbers of a shift for a person: tables with bars, in the time of the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from rich.table import Table

from oddzwon.cli.output import out, show, table
from oddzwon.cli.times import local
from oddzwon.domain.events import Instant
from oddzwon.domain.report import DOORS, TIMES
from oddzwon.domain.words import party_in_words

JsonObject: TypeAlias = dict[str, Any]
BAR: Final = 24
"""Cells of the longest bar."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_AS_BARS: Final = "drops, as bars"
_ALWAYS: Final = {"calls", "cut off by a fault", "callbacks", "connected", "dials"}
"""What is told also where it is nothing."""
_RIGHT: Final = {"count", "drops", "alone", "calls", "median", "95 %", "callbacks", "allowed", "connected"}
_FAULT: Final = {True: "a fault", False: "no fault", None: "not known"}


def tables(made: JsonObject, begin: Instant, end: Instant) -> list[Table]:
    """The report's tables: the whole, why calls dropped and were refused, what became of the callbacks, the rows."""
    parts = [_whole(made, begin, end)]
    if made["by"]:
        parts.append(_rows(made))
    parts += [_endings(made["endings"]), _refusals(made["refused_by"])]
    parts += [_dials(made), _times(made["time_to"]), _without_talk(made)]
    return [part for part in parts if part.row_count]


def bar(count: int, most: int) -> str:
    """A bar of eighths of a cell; whatever is not nothing is seen."""
    if not count or not most:
        return ""
    eighths = max(1, round(count * BAR * 8 / most))
    if out.options.ascii_only:
        return "#" * max(1, eighths // 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _counted(made: Table, rows: Iterable[tuple[Sequence[str], int]]) -> Table:
    """The rows, each with its count and a bar beside it; those of nothing are left out."""
    rows = [(cells, count) for cells, count in rows if count]
    most = max((count for _, count in rows), default=0)
    for cells, count in rows:
        made.add_row(*cells, str(count), bar(count, most))
    return made


def _table(title: str, *columns: str) -> Table:
    made = table(title, *columns)
    for column in made.columns:
        if column.header in _RIGHT:
            column.justify = "right"
    if columns[-1] in ("", _AS_BARS):
        made.columns[-1].no_wrap = True  # a folded bar would be shorter than it is
    return made


def _whole(made: JsonObject, begin: Instant, end: Instant) -> Table:
    of = "".join(f", {name} {made[name]}" for name in ("queue", "did") if made[name])
    rows = _table(show(f"Calls begun {_span(local(begin), local(end))}{of}"), "", "count", "")
    calls, decided, callbacks, redials = made["calls"], made["decided"]["drops"], made["callbacks"], made["redials"]
    counts = (
        ("calls", calls["all"]),
        ("  under way", calls["under_way"]),
        ("  ended, not judged yet", calls["not_judged"]),
        ("  cut off by a fault", made["drops"]["all"]),
        ("    the caller came back by himself", redials["after_drops"]),
        ("    not called back: refused", decided["refused"]),
        ("    not decided yet", decided["not_yet"]),
        ("callbacks", callbacks["all"]),
        ("  dialled", callbacks["dialled"]),
        ("  connected", callbacks["connected"]),
        ("    and cut off again", callbacks["cut_off_again"]),
        ("  under way", callbacks["under_way"]),
        ("dials", made["dials"]["all"]),
    )
    most = max(count for _, count in counts)
    for name, count in counts:
        if count or name.strip() in _ALWAYS:
            rows.add_row(name, str(count), bar(count, most))
    return rows


def _rows(made: JsonObject) -> Table:
    by = made["by"]
    rows = _table(f"By {by}", by, "calls", "drops", "allowed", "connected", "median", _AS_BARS)
    most = max((row["drops"]["all"] for row in made["rows"]), default=0)
    for row in made["rows"]:
        rows.add_row(
            _period(row, by) if "since" in row else show(row[by]),
            str(row["calls"]["all"]),
            str(row["drops"]["all"]),
            str(row["decided"]["drops"]["allowed"]),
            str(row["callbacks"]["connected"]),
            duration(row["time_to"]["dial"]["median_ms"]),
            bar(row["drops"]["all"], most),
        )
    return rows


def _endings(endings: Sequence[JsonObject]) -> Table:
    rows = _table("How the calls ended", "", "by", "confidence", "evidence", "count", "")
    return _counted(
        rows,
        (
            (
                (
                    _FAULT[one["technical"]],
                    party_in_words(one["party"]),
                    show(one["confidence"]),
                    show(one["evidence"] or None),
                ),
                one["count"],
            )
            for one in endings
        ),
    )


def _refusals(refused: Sequence[JsonObject]) -> Table:
    """Of the drops; an ordinary goodbye is refused, too, and tells nobody anything."""
    rows = _table("Drops that are not called back", "condition", "why", "alone", "drops", "")
    most = max((one["drops"] for one in refused), default=0)
    for one in sorted(refused, key=lambda one: -one["drops"]):
        if one["drops"]:
            rows.add_row(one["code"], one["words"], str(one["alone"]), str(one["drops"]), bar(one["drops"], most))
    return rows


def _dials(made: JsonObject) -> Table:
    rows = _table("Dials", "outcome", "Q.850 cause", "count", "")
    return _counted(rows, (((one["words"], show(one["cause"])), one["count"]) for one in made["causes"]))


def _times(time_to: JsonObject) -> Table:
    rows = _table("From the loss until … (nearest rank)", "", "median", "95 %", "callbacks")
    for name, words in TIMES.items():
        time = time_to[name]
        if time["callbacks"]:
            rows.add_row(words, duration(time["median_ms"]), duration(time["p95_ms"]), str(time["callbacks"]))
    return rows


def _without_talk(made: JsonObject) -> Table:
    rows = _table("Callbacks that connected nobody", "state", "why", "count", "")
    found = ((one["state"], DOORS.get(one["why"], one["why"]), one["count"]) for one in made["without_talk"])
    return _counted(rows, (((state, show(why)), count) for state, why, count in found))


def duration(ms: int | None) -> str:
    """A time as people say it; a dash for none."""
    if ms is None:
        return "–"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    if ms < 3_600_000:
        return f"{ms // 60_000} min {ms % 60_000 // 1000} s"
    return f"{ms // 3_600_000} h {ms % 3_600_000 // 60_000} min"


def _span(begin: datetime, end: datetime) -> str:
    """From and until, with the zone of each where a change of the clocks lies between."""
    same = begin.utcoffset() == end.utcoffset()
    until = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{begin:%Y-%m-%d %H:%M}{'' if same else ' ' + _zone(begin)} to {until} {_zone(end)}"


def _zone(at: datetime) -> str:
    name, offset = at.tzname() or "", f"UTC{at:%z}"
    offset = f"{offset[:6]}:{offset[6:]}"
    if name == "UTC":
        return name
    return offset if name.startswith(("+", "-")) else f"{name} ({offset})"


def _period(row: JsonObject, by: str) -> str:
    begin = datetime.fromisoformat(row["since"]).astimezone()
    end = datetime.fromisoformat(row["until"]).astimezone()
    if by == "day":
        return f"{begin:%Y-%m-%d %a}"
    return f"{begin:%Y-%m-%d %H:%M}–{end:%H:%M}"

"""``oddzwon report``: the numbers of a shift, for the supervisor who looks, and for programs and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Final, TypeAlias

import typer

from oddzwon.cli.calls import settings_of
from oddzwon.cli.output import Json, err, out, print_json, told
from oddzwon.cli.report_table import tables
from oddzwon.cli.spreadsheet import Csv, one_of_them, print_csv
from oddzwon.cli.times import instant, next_day, next_hour
from oddzwon.config import Settings
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.events import Instant
from oddzwon.domain.lawfulness import Code
from oddzwon.domain.number import Number, mask, parse
from oddzwon.domain.report import DOORS, OUTCOMES, REFUSED_BECAUSE, TIMES, Tally, nearest_rank
from oddzwon.log.queries import Queries
from oddzwon.log.report_queries import Apart, Bucket, Shift, tallies
from oddzwon.log.times import iso
from oddzwon.log.vocabulary import ENDING_PARTIES

JsonObject: TypeAlias = dict[str, Any]
SHIFT_MS: Final = 8 * 3_600_000
MOST_PERIODS: Final = 1_000
FAR_AHEAD: Final = 32_503_680_000_000
"""The year 3000: what lies behind it no calendar need show."""


class By(StrEnum):
    """What the rows beside the whole are for."""

    HOUR = "hour"
    DAY = "day"
    QUEUE = "queue"
    DID = "did"


def report(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option(help="Calls begun since: ISO 8601, 8h ago, 06:00, today, yesterday; else 8 h before --until."),
    ] = None,
    until: Annotated[str, typer.Option(help="Calls begun before this; as for --since.")] = "now",
    queue: Annotated[str | None, typer.Option(help="Only calls of this queue.")] = None,
    did: Annotated[str | None, typer.Option(help="Only calls of this DID.")] = None,
    by: Annotated[By | None, typer.Option(help="Also a row for each hour, day, queue or DID.")] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """The numbers of a shift: calls, drops and their causes, decisions, dials, talks, and the time to them."""
    one_of_them(as_json=as_json, as_csv=as_csv)
    with told(as_json=as_json):
        settings = settings_of(context)
        begin, end = _period(since, until)
        number = _did(settings, did) if did else None
        apart = Apart(by.value) if by in (By.QUEUE, By.DID) else Apart.PERIOD
        shift = Shift(_periods(begin, end, by), queue, number, apart)
        with Queries(settings.log.path, mask) as queries:
            found = queries.ask(lambda db: tallies(db, shift))
    made = _report(shift, by, found)
    if as_json:
        print_json(made)
    elif as_csv:
        _print_csv(made)
    else:
        for part in tables(made, begin, end):
            out.print(part)
            out.print()
    if not made["calls"]["all"] and (queue or number) and not as_json:
        err.print("no call of this queue or DID began in that time; without --queue and --did all calls are counted")


# --- which calls -------------------------------------------------------------------------------------------------


def _period(since: str | None, until: str) -> tuple[Instant, Instant]:
    end = min(instant(until, "--until"), FAR_AHEAD)
    begin = max(0, instant(since, "--since") if since is not None else end - SHIFT_MS)  # no call is older than 1970
    if begin >= end:
        ends = "now" if until == "now" else f"--until {until!r}"
        msg = f"--since {since!r} is not before {ends}: give an earlier --since or a later --until"
        raise typer.BadParameter(msg)
    return begin, end


def _periods(begin: Instant, end: Instant, by: By | None) -> list[tuple[Instant, Instant]]:
    """The hours or days of the time, by the clock on the wall; the first and the last may be cut short."""
    if by not in (By.HOUR, By.DAY):
        return [(begin, end)]
    following = next_hour if by is By.HOUR else next_day
    periods: list[tuple[Instant, Instant]] = []
    while begin < end:
        upto = min(following(begin), end)
        periods.append((begin, upto))
        begin = upto
        if len(periods) > MOST_PERIODS:
            msg = f"--by {by.value}: more than {MOST_PERIODS} rows; give a shorter time, or --by day"
            raise typer.BadParameter(msg)
    return periods


def _did(settings: Settings, raw: str) -> str:
    region = parse(settings.dids[0].number, "ZZ")
    number = parse(raw, (region.region if isinstance(region, Number) else None) or "ZZ")
    if not isinstance(number, Number):
        msg = f"--did: not a telephone number; for example {settings.dids[0].number}"
        raise typer.BadParameter(msg)
    return number.e164


# --- the numbers -------------------------------------------------------------------------------------------------


def _report(shift: Shift, by: By | None, found: Mapping[Bucket, Tally]) -> JsonObject:
    whole = Tally()
    for one in found.values():
        whole.add(one)
    head = {
        "since": iso(shift.periods[0][0]),
        "until": iso(shift.periods[-1][1]),
        "by": by and by.value,
        "queue": shift.queue,
        "did": shift.did,
    }
    rows = [{**_place(shift, bucket), **numbers(found[bucket])} for bucket in sorted(found, key=_in_order)]
    return {**head, **numbers(whole), "rows": rows if by else None}


def _in_order(bucket: Bucket) -> tuple[bool, Any]:
    return bucket is None, bucket or 0  # calls without a queue come last


def _place(shift: Shift, bucket: Bucket) -> JsonObject:
    if isinstance(bucket, int):
        begin, end = shift.periods[bucket]
        return {"since": iso(begin), "until": iso(end)}
    return {shift.apart.value: bucket}


def numbers(tally: Tally) -> JsonObject:
    """The tally as the command's JSON has it (``command-line.md``); what may be counted is there also where it is 0."""
    states = {state.value: tally.callbacks[state] for state in CallbackState}
    over = tally.without_talk
    return {
        "calls": {
            "all": sum(tally.calls[name] for name in ("judged", "not_judged", "under_way")),
            **{name: tally.calls[name] for name in ("judged", "not_judged", "under_way")},
        },
        "drops": {"all": tally.calls["drops"], **{party: _drops_of(tally, party) for party in ENDING_PARTIES}},
        "endings": [
            {"party": party, "technical": technical, "confidence": sure, "evidence": fact, "count": count}
            for (party, technical, sure, fact), count in sorted(tally.endings.items(), key=_faults_first)
        ],
        "decided": {
            of: {word: tally.decided[of, word] for word in ("allowed", "refused", "not_yet")}
            for of in ("calls", "drops")
        },
        "refused_by": [
            {
                "code": code.value,
                "words": REFUSED_BECAUSE[code],
                **{of: tally.refused[code, of] for of in ("calls", "drops", "alone", "unknown")},
            }
            for code in Code
        ],
        "callbacks": {
            "all": sum(states.values()),
            "under_way": sum(count for state, count in states.items() if not CallbackState(state).final),
            "dialled": tally.dialled,
            "connected": states["connected"] + states["completed"],
            "cut_off_again": tally.cut_off_again,
        },
        "states": states,
        "dials": {"all": tally.dials.total(), **{word: _dials_of(tally, word) for word in OUTCOMES}},
        "causes": [
            {"outcome": word, "cause": cause, "words": OUTCOMES[word], "count": count}
            for (word, cause), count in sorted(tally.dials.items(), key=_by_outcome)
        ],
        "without_talk": [
            {"state": state, "why": why, "count": count}
            for (state, why), count in sorted(over.items(), key=lambda one: (one[0][0], -one[1], one[0][1]))
        ],
        "cancelled_by": {door: over[CallbackState.CANCELLED.value, door] for door in DOORS},
        "redials": {
            "after_drops": tally.calls["redials"],
            "before_the_decision": tally.refused[Code.REDIALLED, "drops"],
            "cancelled_callbacks": over[CallbackState.CANCELLED.value, "redial"],
        },
        "time_to": {name: _time(tally.times[name]) for name in TIMES},
    }


def _drops_of(tally: Tally, party: str) -> int:
    return sum(count for (who, technical, _, _), count in tally.endings.items() if technical and who == party)


def _dials_of(tally: Tally, outcome: str) -> int:
    return sum(count for (word, _), count in tally.dials.items() if word == outcome)


def _faults_first(one: tuple[tuple[str, bool | None, str | None, str], int]) -> tuple[object, ...]:
    (party, technical, confidence, fact), count = one
    return not technical, technical is None, -count, party, confidence or "", fact


def _by_outcome(one: tuple[tuple[str, int | None], int]) -> tuple[int, int]:
    (word, cause), _ = one
    return list(OUTCOMES).index(word), -1 if cause is None else cause


def _time(spans: list[int]) -> JsonObject:
    """Median and 95th percentile by nearest rank: each is a time that a customer did wait."""
    return {"callbacks": len(spans), "median_ms": nearest_rank(spans, 50), "p95_ms": nearest_rank(spans, 95)}


# --- for spreadsheets --------------------------------------------------------------------------------------------

_COUNTED: Final = ("calls", "drops", "callbacks", "states", "dials", "cancelled_by", "redials")


def _fixed(made: JsonObject) -> Iterator[tuple[str, str, int | None]]:
    """The numbers that every report has, in the order of the JSON: section, name, value."""
    for section in _COUNTED[:2]:
        yield from ((section, name, value) for name, value in made[section].items())
    for of, words in made["decided"].items():
        yield from ((f"decided_{of}", word, value) for word, value in words.items())
    for of in ("drops", "calls"):
        yield from ((f"refused_{of}", one["code"], one[of]) for one in made["refused_by"])
    for section in _COUNTED[2:]:
        yield from ((section, name, value) for name, value in made[section].items())
    for name, time in made["time_to"].items():
        yield from ((f"time_to_{name}", what, value) for what, value in time.items())


def _told(made: JsonObject) -> Iterator[tuple[str, str, int]]:
    """What is there only if it happened: verdicts with their evidence, causes of dials, reasons."""
    fault = {True: "a fault", False: "no fault", None: "not known whether a fault"}
    for one in made["endings"]:
        sure = f", {one['confidence']} confidence" if one["confidence"] else ""
        yield "endings", f"{one['party']}, {fault[one['technical']]}{sure}: {one['evidence']}", one["count"]
    for one in made["causes"]:
        yield "causes", f"{one['outcome']}, cause {one['cause'] if one['cause'] is not None else '-'}", one["count"]
    for one in made["without_talk"]:
        yield "without_talk", f"{one['state']}: {one['why']}", one["count"]


def _print_csv(made: JsonObject) -> None:
    """A row for each number; with ``--by`` a row for each hour, day, queue or DID, and a column for each number."""
    if made["rows"] is None:
        shift = (("shift", name, made[name]) for name in ("since", "until", "queue", "did"))
        print_csv(("section", "name", "value"), chain(shift, _fixed(made), _told(made)))
        return
    place = ("since", "until") if made["by"] in (By.HOUR, By.DAY) else (made["by"],)
    rows = ((*(row[name] for name in place), *(value for _, _, value in _fixed(row))) for row in made["rows"])
    print_csv((*place, *(f"{section}_{name}" for section, name, _ in _fixed(made))), rows)

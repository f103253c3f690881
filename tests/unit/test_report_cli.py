"""``oddzwon report`` as a supervisor, a program and a spreadsheet meet it."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import time_machine
from tests.unit.shifts import DIDS, FAULTS, HOUR, OTHERS, PATHS, T0, Plan, counted, write
from typer.testing import CliRunner, Result

from oddzwon.cli import app, output
from oddzwon.cli.report_table import bar, duration
from oddzwon.cli.times import instant, next_day, next_hour
from oddzwon.config import load
from oddzwon.config_template import template
from oddzwon.domain.report import DOORS, OUTCOMES
from oddzwon.log.call_log import CallLog
from oddzwon.log.callback_queries import which
from oddzwon.log.connection import open_for_writing
from oddzwon.log.times import iso

NOW = "2025-10-09T16:53:20Z"
"""Eight hours after T0."""


@pytest.fixture(autouse=True)
def in_warsaw(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator's clock on the wall: two hours before UTC in October, one from the 26th on."""
    monkeypatch.setattr(output.out, "width", 240)
    monkeypatch.setenv("TZ", "Europe/Warsaw")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def plan(at: int, fate: Any = OTHERS[0], path: Any = None, queue: str | None = "support", **rest: Any) -> Plan:
    failed = frozenset() if path is not None or fate is None else frozenset({"NO_TECH_EVIDENCE"})
    given = {"did": DIDS[0], "ended": True, "failed": failed, "unknown": frozenset(), "redialled": False, **rest}
    return Plan(at=at, queue=queue, fate=fate, path=path, **given)


CONNECTED = next(path for path in PATHS if path.state == "completed" and not path.cut_off_again)
NO_AGENT = next(path for path in PATHS if path.over == "no agent is free")
BUSY = next(path for path in PATHS if path.outcomes == (("busy", 17), ("no_answer", 19)))
SHIFT = [
    plan(T0),
    plan(T0 + 1, FAULTS[1], CONNECTED),
    plan(T0 + HOUR, FAULTS[2], NO_AGENT, did=DIDS[1]),
    plan(T0 + 2 * HOUR, FAULTS[0], failed=frozenset({"CLIR", "NO_NOTICE"}), redialled=True),
    plan(T0 + 3 * HOUR, FAULTS[0], BUSY, queue="=cmd|'/c calc'!A1"),
    plan(T0 + 4 * HOUR, None, queue=None),
    plan(T0 + 5 * HOUR, None, queue=None, ended=False),
    plan(T0 + 8 * HOUR, FAULTS[0], CONNECTED),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("shift"), SHIFT)


def installed(folder: Path, wanted: Sequence[Plan]) -> Path:
    """A configuration in the folder, and a log with these calls."""
    path = folder / "oddzwon.toml"
    text = template().replace('secret_file = "/etc/oddzwon/ami.secret"', "").replace('# secret = ""', 'secret = "lab"')
    path.write_text(text.replace("/var/lib/oddzwon", str(folder)), encoding="utf-8")
    asyncio.run(write(load(path).log.path, wanted))
    return path


def run(config: Path, *args: object) -> Result:
    with time_machine.travel(NOW, tick=False):
        return CliRunner().invoke(app, ["--config", str(config), "report", *map(str, args)])


def shown(config: Path, *args: object) -> dict[str, Any]:
    result = run(config, *args, "--json")
    assert result.exit_code == 0, result.output
    made: dict[str, Any] = json.loads(result.stdout)
    return made


# --- json --------------------------------------------------------------------------------------------------------


def test_the_last_eight_hours_as_one_object(config: Path) -> None:
    made = shown(config)
    assert list(made) == [
        *("since", "until", "by", "queue", "did", "calls", "drops", "endings", "decided", "refused_by", "callbacks"),
        *("states", "dials", "causes", "without_talk", "cancelled_by", "redials", "time_to", "rows"),
    ]
    assert (made["since"], made["until"]) == ("2025-10-09T08:53:20.000Z", "2025-10-09T16:53:20.000Z")
    assert (made["by"], made["queue"], made["did"], made["rows"]) == (None, None, None, None)
    plain = counted(SHIFT[:-1])
    for name in ("calls", "drops", "decided", "callbacks", "states", "redials", "time_to"):
        assert made[name] == plain[name], name
    assert made["calls"] == {"all": 7, "judged": 5, "not_judged": 1, "under_way": 1}
    assert made["endings"][0] == {
        "party": "network",
        "technical": True,
        "confidence": "high",
        "evidence": "rtp_timeout on the caller's leg",
        "count": 2,
    }
    assert made["endings"][-1]["technical"] is False
    assert [one["code"] for one in made["refused_by"] if one["drops"]] == ["CLIR", "NO_NOTICE"]
    assert list(made["dials"]) == ["all", *OUTCOMES]
    assert list(made["cancelled_by"]) == list(DOORS)
    assert made["without_talk"] == [
        {"state": "lapsed", "why": "no agent is free", "count": 1},
        {"state": "unanswered", "why": "rang, no answer", "count": 1},
    ]
    assert "+48" not in json.dumps(made)


def test_only_a_queue_and_only_a_did(config: Path) -> None:
    support = shown(config, "--queue", "support")
    assert (support["queue"], support["calls"]["all"], support["drops"]["all"]) == ("support", 4, 3)
    cs = shown(config, "--did", "+420 221 234 567")
    assert (cs["did"], cs["calls"]["all"], cs["drops"]["all"]) == (DIDS[1], 1, 1)
    nobodys = run(config, "--queue", "suport")
    assert (nobodys.exit_code, "no call of this queue" in nobodys.stderr) == (0, True)
    assert shown(config, "--queue", "suport")["calls"]["all"] == 0


def test_rows_add_up_to_the_whole(config: Path) -> None:
    all_places: dict[str, list[str | None]] = {
        "hour": [*(f"2025-10-09T{h:02d}:00:00.000Z" for h in range(9, 17))],
        "day": [],
        "queue": ["=cmd|'/c calc'!A1", "support", None],
        "did": [*sorted(DIDS)],
    }
    for by, places in all_places.items():
        made = shown(config, "--by", by)
        assert made["by"] == by
        for of, name in (
            ("calls", "all"),
            ("drops", "all"),
            ("callbacks", "all"),
            ("dials", "all"),
            ("redials", "after_drops"),
        ):
            assert sum(row[of][name] for row in made["rows"]) == made[of][name], (by, of)
        if by in ("queue", "did"):
            assert [row[by] for row in made["rows"]] == places
        else:
            assert [row["since"] for row in made["rows"]] == ["2025-10-09T08:53:20.000Z", *places]
            assert made["rows"][-1]["until"] == "2025-10-09T16:53:20.000Z"


def test_an_empty_shift_is_no_error(config: Path) -> None:
    args = ("--since", "2025-01-01", "--until", "2025-01-02")
    made = shown(config, *args)
    assert (made["calls"]["all"], made["endings"], made["time_to"]["dial"]["median_ms"]) == (0, [], None)
    table = run(config, *args)
    assert table.exit_code == 0
    assert "Calls begun 2025-01-01 00:00 to 2025-01-02 00:00 CET (UTC+01:00)" in table.stdout
    assert "cut off by a fault" in table.stdout
    assert run(config, *args, "--csv").exit_code == 0


# --- csv ---------------------------------------------------------------------------------------------------------


def rows_of(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    text = result.stdout_bytes.decode()  # the runner's text has no CR
    assert text.count("\r\n") == text.count("\n")  # RFC 4180
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_a_row_for_each_number(config: Path) -> None:
    rows = rows_of(run(config, "--csv"))
    assert rows[0] == ["section", "name", "value"]
    assert {len(row) for row in rows} == {3}
    found = {(section, name): value for section, name, value in rows}
    made = shown(config)
    assert found["shift", "since"] == made["since"]
    for section in ("calls", "drops", "callbacks", "states", "dials", "cancelled_by", "redials"):
        for name, value in made[section].items():
            assert found[section, name] == str(value)
    assert found["refused_drops", "CLIR"] == "1"
    assert found["decided_drops", "allowed"] == "3"
    assert found["time_to_connected", "p95_ms"] == str(made["time_to"]["connected"]["p95_ms"])
    assert found["without_talk", "lapsed: no agent is free"] == "1"
    assert found["causes", "busy, cause 17"] == "1"
    assert found["endings", "network, a fault, high confidence: rtp_timeout on the caller's leg"] == "2"


def test_a_row_for_each_hour_and_a_column_for_each_number(config: Path) -> None:
    header, *rows = rows_of(run(config, "--csv", "--by", "hour"))
    assert header[:4] == ["since", "until", "calls_all", "calls_judged"]
    assert len(header) == len(set(header))
    assert {len(row) for row in rows} == {len(header)}
    assert [row[0] for row in rows] == [row["since"] for row in shown(config, "--by", "hour")["rows"]]
    drops = header.index("drops_all")
    assert sum(int(row[drops]) for row in rows) == 4
    median = header.index("time_to_dial_median_ms")
    assert "" in {row[median] for row in rows}


def test_no_text_is_taken_for_a_formula(config: Path) -> None:
    for args in (("--csv", "--by", "queue"), ("--csv", "--by", "did"), ("--csv", "--queue", "=cmd|'/c calc'!A1")):
        for row in rows_of(run(config, *args)):
            assert [cell for cell in row if cell.startswith(("=", "+", "@", "-"))] == []
    assert "'=cmd|'/c calc'!A1" in [row[0] for row in rows_of(run(config, "--csv", "--by", "queue"))]
    assert "'+48221234567" in [row[0] for row in rows_of(run(config, "--csv", "--by", "did"))]


# --- table -------------------------------------------------------------------------------------------------------


def test_the_table_says_it_in_words_with_bars_and_names_its_zone(config: Path) -> None:
    result = run(config, "--by", "hour")
    assert result.exit_code == 0
    for words in (
        "Calls begun 2025-10-09 10:53 to 18:53 CEST (UTC+02:00)",
        "2025-10-09 13:00–14:00",
        "the caller's network  medium",
        "CLIR       the number was withheld",
        "his telephone is dialled   2.5 s",
        "no agent is free",
        "the caller came back by himself",
        "█",
    ):
        assert words in result.stdout, words
    assert "+48" not in result.output


def test_a_queue_named_like_markup_is_shown_as_it_is(config: Path) -> None:
    table = run(config, "--queue", "[bold]x[/]")
    assert table.exit_code == 0
    assert "queue [bold]x[/]" in table.stdout


def test_no_bar_is_folded_on_a_narrow_screen(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.out, "width", 80)
    result = run(config, "--by", "hour")
    assert [line for line in result.stdout.splitlines() if line.strip() and not line.strip(" █▏▎▍▌▋▊▉")] == []
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(("count", "most"), [(0, 0), (0, 5), (1, 1_000_000), (5, 5), (3, 5)])
def test_a_bar_is_seen_if_there_is_anything(count: int, most: int) -> None:
    assert bool(bar(count, most).strip()) == bool(count)
    assert len(bar(count, most)) <= 24


def test_a_duration_as_people_say_it() -> None:
    assert [duration(ms) for ms in (None, 0, 59_949, 60_000, 754_000)] == [
        "–",
        "0.0 s",
        "59.9 s",
        "1 min 0 s",
        "12 min 34 s",
    ]


# --- times -------------------------------------------------------------------------------------------------------


@time_machine.travel("2025-10-27T05:30:00Z", tick=False)  # 06:30 in Warsaw, the day after the clocks went back
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2025-10-27T05:30:00.000Z"),
        ("8h", "2025-10-26T21:30:00.000Z"),
        ("today", "2025-10-26T23:00:00.000Z"),
        ("yesterday", "2025-10-25T22:00:00.000Z"),
        ("06:00", "2025-10-27T05:00:00.000Z"),
        ("6:05", "2025-10-27T05:05:00.000Z"),
        ("2025-10-26", "2025-10-25T22:00:00.000Z"),
        ("2025-10-26T14:00", "2025-10-26T13:00:00.000Z"),
        ("2025-10-26T14:00+02:00", "2025-10-26T12:00:00.000Z"),
        ("2025-10-26T14:00Z", "2025-10-26T14:00:00.000Z"),
    ],
)
def test_times_as_people_give_them(text: str, meant: str) -> None:
    assert iso(instant(text)) == meant


def test_the_day_the_clocks_go_back_has_25_hours() -> None:
    begin = instant("2025-10-26T00:00")
    assert next_day(begin) - begin == 25 * HOUR
    hours = [begin]
    while hours[-1] < next_day(begin):
        hours.append(next_hour(hours[-1]))
    assert len(hours) == 26
    assert {b - a for a, b in itertools.pairwise(hours)} == {HOUR}
    assert next_hour(begin + 61_001) == begin + HOUR


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--since", "last week"), "--since 'last week': neither ISO 8601"),
        (("--until", "25:00"), "--until '25:00': neither ISO 8601"),
        (("--since", "2025-13-01"), "--since '2025-13-01'"),
        (("--since", "today", "--until", "yesterday"), "give an earlier --since or a later --until"),
        (("--since", "2099-01-01"), "is not before now"),
        (("--since", "12:00", "--until", "12:00"), "is not before --until '12:00'"),
        (("--since", "99d", "--by", "hour"), "more than 1000 rows"),
        (("--did", "reception"), "--did: not a telephone number; for example +48221234567"),
        (("--csv", "--json"), "choose one"),
        (("--by", "week"), "week"),
    ],
)
def test_bad_usage_says_what_to_do(config: Path, args: tuple[str, ...], words: str) -> None:
    result = run(config, *args)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "999999d"])
def test_a_time_far_away_is_no_crash(config: Path, text: str) -> None:
    for args in (("--since", text), ("--until", text), ("--since", text, "--by", "day"), ("--until", text, "--csv")):
        result = run(config, *args)
        assert result.exit_code in (0, 2), args
        assert result.exception is None or isinstance(result.exception, SystemExit)


# --- callbacks list ----------------------------------------------------------------------------------------------


def listed(config: Path, *args: object) -> Result:
    with time_machine.travel("2025-10-09T09:00:00Z", tick=False):
        return CliRunner().invoke(app, ["--config", str(config), "callbacks", "list", *map(str, args)])


def test_a_line_for_each_callback_says_where_it_stands_and_why(config: Path) -> None:
    result = listed(config)
    assert result.exit_code == 0
    _, header, *lines = result.stdout.splitlines()
    assert header.split() == [
        "id",
        "lost",
        "waits",
        "number",
        "queue",
        "agent",
        "state",
        "why",
        "dials",
        "last",
        "dial",
        "for",
        "call",
    ]
    assert len(lines) == 4
    line = next(line for line in lines if "unanswered" in line)
    for words in (
        "2025-10-09T11:53:20.500Z",
        "=cmd|'/c calc'!A1",
        "PJSIP/agent1",
        "no_answer",
        "unanswered, 19 no answer",
    ):
        assert words in line
    assert "no agent is free" in next(line for line in lines if "lapsed" in line)
    assert "+4860000" not in result.stdout


def test_only_a_state_only_since_and_newest_first(config: Path) -> None:
    def found(*args: object) -> list[tuple[str, str]]:
        return [(one["state"], one["lost_at"][11:16]) for one in json.loads(listed(config, *args, "--json").stdout)]

    everything = [("completed", "16:53"), ("unanswered", "11:53"), ("lapsed", "09:53"), ("completed", "08:53")]
    assert found() == everything
    assert found("--limit", 2) == everything[:2]
    assert found("--state", "completed") == [everything[0], everything[3]]
    assert found("--state", "completed", "--limit", 1) == everything[:1]
    assert found("--since", "2025-10-09T11:00Z") == everything[:2]
    assert found("--since", "2025-10-09T11:00Z", "--state", "completed") == everything[:1]
    assert found("--open") == []
    assert found("--open", "--state", "ringing") == []


def test_callbacks_for_a_spreadsheet(config: Path) -> None:
    header, *rows = rows_of(listed(config, "--csv"))
    assert header[:3] == ["id", "call", "lost_at"]
    assert [row[header.index("last_cause")] for row in rows] == ["16", "19", "", "16"]
    assert [row[header.index("dials")] for row in rows] == ["1", "2", "0", "1"]
    assert {row[header.index("did")] for row in rows} == {"'+48221234567", "'+420221234567"}
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+"))] == []


@pytest.mark.parametrize("args", [("--state", "asleep"), ("--since", "soon"), ("--csv", "--json")])
def test_bad_usage_of_the_list(config: Path, args: tuple[str, ...]) -> None:
    assert listed(config, *args).exit_code == 2


def test_who_waits_is_told_for_how_long(tmp_path: Path) -> None:
    waiting = next(path for path in PATHS if path.state == "waiting" and path.steps)
    config = installed(tmp_path, [plan(T0, FAULTS[0], waiting)])
    (line,) = [line for line in listed(config, "--open").stdout.splitlines() if "cb_" in line]
    shown = CliRunner().invoke(app, ["--config", str(config), "callbacks", "show", line.split()[0]])
    assert shown.exit_code == 0
    for words in (
        "lost_at     2025-10-09T08:53:20.500Z",
        "queue       support",
        "agent       PJSIP/agent1",
        "no agent is free",
    ):
        assert words in shown.stdout
    assert "channel" not in shown.stdout  # no dial, no table of dials
    assert "6 min 39 s" in line  # lost at 08:53:20.5, and it is nine
    assert "no agent is free" in line


def test_no_list_walks_a_table(tmp_path: Path) -> None:
    db = open_for_writing(tmp_path / "log.db", 1_000)
    for only_open, state, since in itertools.product((False, True), (None, "lapsed"), (None, 1)):
        where, values = which(only_open=only_open, state=state, since=since)
        asked = f"SELECT b.id FROM callback AS b WHERE {where} ORDER BY b.created_at DESC, b.id DESC LIMIT 5"
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {asked}", values)]
        walks = "INDEX callback_by_creation" in " ".join(step for step in steps if step.startswith("SCAN"))
        assert walks is (where == "1"), (where, steps)  # the newest of all: from its end, no further than the limit
        # those under way are few, and sorted; all others come in order
        assert ("USE TEMP B-TREE FOR ORDER BY" in steps) <= only_open, (where, steps)
    db.close()


def test_a_log_that_is_not_there(tmp_path: Path, config: Path) -> None:
    other = tmp_path / "oddzwon.toml"
    other.write_text(config.read_text(encoding="utf-8").replace(str(config.parent), str(tmp_path)), encoding="utf-8")
    result = run(other, "--json")
    assert (result.exit_code, "there is no call log" in json.loads(result.stdout)["error"]) == (1, True)
    assert "there is no call log" in run(other, "--csv").stderr


async def test_also_while_the_service_writes(config: Path) -> None:
    settings = await asyncio.to_thread(load, config)
    async with await CallLog.open(settings.log.path):
        result = await asyncio.to_thread(run, config, "--json")
    assert result.exit_code == 0

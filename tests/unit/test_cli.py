"""The command line: exit statuses, JSON and nothing else, masked numbers, the real command in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import time_machine
from tests.unit.test_control import SECRET, opened_board, running_callback, write_settings
from tests.unit.test_log_call_log import T0, Story, committed, dropped
from typer.testing import CliRunner, Result

import oddzwon
from oddzwon.bootstrap.service import number_secret
from oddzwon.cli import app, main, output
from oddzwon.config import ConfigError, Settings, load
from oddzwon.config_template import template
from oddzwon.control import ControlServer
from oddzwon.domain.rights import number_key
from oddzwon.log.call_log import CallLog
from oddzwon.log.records import Attestation, Ending, Evidence, Fact, NewCall, Party

NUMBER, MASKED = "+48600100200", "+48600•••200"
OTHER = "+420600100200"
PROCESS_S = 30.0


@pytest.fixture(autouse=True)
def a_wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of a table is broken."""
    monkeypatch.setattr(output.out, "width", 240)


@dataclass(frozen=True, slots=True)
class Installed:
    """A configuration with a log in which one call dropped, was decided, and is being called back."""

    config: Path
    settings: Settings
    story: Story
    other: str


@pytest.fixture
async def installed(tmp_path: Path) -> Installed:
    config = await asyncio.to_thread(write_settings, tmp_path)
    settings = await asyncio.to_thread(load, config)
    async with await CallLog.open(settings.log.path) as log:
        story = await committed(log)
        other = await dropped(log, "2.1", T0 + 60_000, Party(OTHER, number_key(OTHER, SECRET)))
    return Installed(config, settings, story, other)


def run(*args: object, config: Path | None = None, env: dict[str, str] | None = None) -> Result:
    given = ["--config", str(config)] if config else []
    return CliRunner().invoke(app, [*given, *map(str, args)], env=env)


async def ran(installed: Installed, *args: object) -> Result:
    """In a thread, as another process would: the service's loop goes on."""
    return await asyncio.to_thread(run, *args, config=installed.config)


def only_json(result: Result) -> Any:
    """The one document on stdout."""
    return json.loads(result.stdout)


# --- calls -------------------------------------------------------------------------------------------------------

FIELDS = [
    *("id", "pbx", "direction", "started_at", "ended_at", "lost_at", "did", "language", "number", "stage"),
    *("menu_key", "queue", "agent", "notices", "recordings", "ending", "decision", "callback", "resumes"),
]


async def test_calls_list_newest_first_and_masked(installed: Installed) -> None:
    result = await ran(installed, "calls", "list", "--json")
    assert result.exit_code == 0
    calls = only_json(result)
    assert [installed.other, installed.story.call] == [c["id"] for c in calls]
    assert [c["number"] for c in calls] == ["+420600•••200", MASKED]
    assert [name for name in calls[0] if name in FIELDS] == FIELDS
    assert NUMBER not in result.output
    table = await ran(installed, "calls", "list")
    assert table.exit_code == 0
    assert installed.story.call in table.stdout
    assert MASKED in table.stdout
    assert NUMBER not in table.output


async def test_calls_show(installed: Installed) -> None:
    result = await ran(installed, "calls", "show", installed.story.call, "--json")
    call = only_json(result)
    assert (0, installed.story.call, MASKED) == (result.exit_code, call["id"], call["number"])
    assert True is call["decision"]["allowed"]
    assert installed.story.callback == call["callback"]["id"]
    assert [a["n"] for a in call["callback"]["attempts"]] == [1]
    assert call["started_at"] == "2025-10-09T08:53:20.000Z"
    table = await ran(installed, "calls", "show", installed.story.call)
    for words in ("may be called back", "Said to the caller", "REC_OBJECT", "quality", "NO_BALANCING_TEST", MASKED):
        assert words in table.stdout
    assert NUMBER not in table.output


async def test_calls_of_one_number(installed: Installed) -> None:
    for written in (OTHER, "+420 600 100 200", "00420600100200"):
        result = await ran(installed, "calls", "list", "--json", "--number", written)
        assert [installed.other] == [c["id"] for c in only_json(result)]
    nobodys = await ran(installed, "calls", "list", "--json", "--number", "600 999 888")
    assert only_json(nobodys) == []


@time_machine.travel("2025-10-09T09:53:20Z", tick=False)
async def test_calls_since(installed: Installed) -> None:
    """T0 is 08:53:20; the other call began a minute later."""
    both, second = [installed.other, installed.story.call], [installed.other]
    for since, expected in {
        "2025-10-09T08:53:20Z": both,
        "2025-10-09T08:53:21Z": second,
        "2025-10-09T10:53:21+02:00": second,
        "2025-10-10": [],
        "60m": both,
        "59m": second,
        "1h": both,
        "7d": both,
        "0m": [],
    }.items():
        result = await ran(installed, "calls", "list", "--json", "--since", since)
        assert expected == [c["id"] for c in only_json(result)], since


async def test_calls_limit(installed: Installed) -> None:
    assert [installed.other] == [
        c["id"] for c in only_json(await ran(installed, "calls", "list", "--json", "--limit", 1))
    ]


async def test_callbacks(installed: Installed) -> None:
    story = installed.story
    for args in (("list",), ("list", "--open")):
        (found,) = only_json(await ran(installed, "callbacks", *args, "--json"))
        assert (story.callback, "dialling", MASKED) == (found["id"], found["state"], found["number"])
    shown = only_json(await ran(installed, "callbacks", "show", story.callback, "--json"))
    assert story.channel == shown["attempts"][0]["channel_id"]
    table = await ran(installed, "callbacks", "show", story.callback)
    assert "History" in table.stdout
    assert story.callback in (await ran(installed, "callbacks", "list")).stdout


# --- revealing ---------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def service(installed: Installed) -> AsyncIterator[ControlServer]:
    """The service's log and socket, opened as bootstrap opens them."""
    async with opened_board(installed.settings) as board:
        server = ControlServer(installed.settings.log.socket, board)
        await server.start()
        yield server
        await server.close()


def accesses(installed: Installed) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(installed.settings.log.path)) as db:
        return db.execute("SELECT what, reason FROM access ORDER BY id").fetchall()


@pytest.mark.parametrize("command", [("calls", "list"), ("calls", "show", "CALL")])
async def test_whole_numbers_only_through_the_service_with_a_reason(
    installed: Installed, command: tuple[str, ...]
) -> None:
    args = [installed.story.call if a == "CALL" else a for a in command]
    reveal = [*args, "--json", "--reveal", "--reason", "complaint 7"]
    without = await ran(installed, *reveal)
    assert without.exit_code == 1
    assert "is `oddzwon serve` running?" in only_json(without)["error"]
    assert NUMBER not in without.output
    async with service(installed):
        unreasoned = await ran(installed, *args, "--json", "--reveal")
        assert (unreasoned.exit_code, only_json(unreasoned)) == (1, {"error": "numbers are shown only with a reason"})
        shown = await ran(installed, *reveal)
    assert shown.exit_code == 0
    assert f'"number": "{NUMBER}"' in shown.stdout
    what, reason = (await asyncio.to_thread(accesses, installed))[-1]
    assert what.startswith(" ".join(command[:2]))
    assert reason == "complaint 7"


async def test_cancel(installed: Installed) -> None:
    alone = await ran(installed, "callbacks", "cancel", installed.story.callback, "--json")
    assert alone.exit_code == 1
    assert "does not answer" in only_json(alone)["error"]
    fresh = installed.settings.model_copy(
        update={"log": installed.settings.log.model_copy(update={"path": installed.config.with_name("fresh.db")})}
    )
    async with opened_board(fresh) as board:
        callback = await running_callback(board)
        work = asyncio.create_task(callback.run())
        server = ControlServer(fresh.log.socket, board)
        await server.start()
        unknown = await ran(installed, "callbacks", "cancel", "cb_none", "--json")
        done = await ran(installed, "callbacks", "cancel", callback.id, "--json")
        await asyncio.wait_for(work, 5)
        await server.close()
    assert (unknown.exit_code, "no callback 'cb_none'" in only_json(unknown)["error"]) == (1, True)
    assert (0, {"cancelled": callback.id}) == (done.exit_code, only_json(done))
    assert callback.state.state == "cancelled"


async def test_off_and_on(installed: Installed) -> None:
    alone = await ran(installed, "callbacks", "off", "--json")
    assert (alone.exit_code, "does not answer" in only_json(alone)["error"]) == (1, True)
    async with service(installed):
        off = await ran(installed, "callbacks", "off", "--reason", "calls we did not make", "--json")
        again = await ran(installed, "callbacks", "off")
        shown = await ran(installed, "callbacks", "list")
        wrong = await ran(installed, "callbacks", "on", "--reason", "call 600 100 200", "--json")
        listed = await ran(installed, "callbacks", "list", "--json")
        on = await ran(installed, "callbacks", "on", "--json")
    assert off.exit_code == again.exit_code == shown.exit_code == on.exit_code == 0
    stands = only_json(off)
    assert list(stands) == ["state", "since", "by", "reason"]
    assert (stands["state"], stands["reason"]) == ("off", "calls we did not make")
    in_words = f"callbacks are off since {stands['since']} by {stands['by']}: calls we did not make"
    assert in_words in again.stderr
    assert in_words in shown.stderr
    assert (wrong.exit_code, "telephone number" in only_json(wrong)["error"]) == (1, True)
    assert isinstance(only_json(listed), list)
    assert only_json(on)["state"] == "on"
    assert "callbacks are off" not in (await ran(installed, "callbacks", "list")).stderr


# --- the evidence, the journal, and judging it anew ----------------------------------------------------------------

CALLER = "the caller's"
"""Stands for the id of the caller's leg."""
GOODBYE: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("HangupRequested", CALLER, {}),
    ("LegEnded", CALLER, {"cause": 16}),
)


async def judged(log: CallLog, leg: str, party: str, *events: tuple[str, str | None, dict[str, Any]]) -> str:
    """A call with this journal, whose verdict was once this party's, without a fault."""
    at = T0 + 600_000
    call = await log.arrive(NewCall("lab", "inbound", leg, leg, at))
    facts = [Fact(at + 9_000 + n, kind, leg if of == CALLER else of, data) for n, (kind, of, data) in enumerate(events)]
    ending = Ending(party, False, "high", "talking", "old rules", at + 10_000, (Evidence("bye", "caller", at + 9_000),))
    await log.conclude(call, ending, facts, ended_at=at + 9_001, lost_at=at + 9_001)
    return call


async def attested(installed: Installed) -> tuple[str, str]:
    """A call attested after its verdict, and one judged anew for it."""
    async with await CallLog.open(installed.settings.log.path) as log:
        calls = [await judged(log, leg, "caller", *GOODBYE) for leg in ("7.1", "7.2")]
        for call in calls:
            await log.attest(call, Attestation(T0 + 700_000, "console", "anna", "pbx", "all of us heard it"))
        seen, against = (Evidence("the agent says so", "agent", T0),), (Evidence("bye", "caller", T0),)
        await log.settle(
            calls[1], Ending("pbx", True, "medium", "talking", "new rules", T0 + 700_001, seen, against, n=2)
        )
    return calls[0], calls[1]


async def test_evidence_for_and_against_in_words(installed: Installed) -> None:
    first, second = await attested(installed)
    table = (await ran(installed, "calls", "show", first)).stdout
    for words in (
        "Ended by the caller: no fault, high confidence (rules old rules)",
        "against  the agent says that it was cut off: pbx (console)",
        "all of us heard it",
    ):
        assert words in table
    assert "Judged before" not in table
    table = (await ran(installed, "calls", "show", second)).stdout
    for words in (
        "Ended by Asterisk's own end: a fault, medium confidence (rules new rules)",
        "decided  the agent says so",
        "against  bye",
        "Judged before, and anew after an attestation",
        "Ended by the caller: no fault, high confidence (rules old rules)",
    ):
        assert words in table
    shown = only_json(await ran(installed, "calls", "show", second, "--json"))
    assert "journal" not in shown
    assert [one["rules"] for one in (shown["ending"], shown["earlier"][0]["ending"])] == ["new rules", "old rules"]


async def test_the_journal_in_words(installed: Installed) -> None:
    async with await CallLog.open(installed.settings.log.path) as log:
        call = await judged(log, "7.1", "caller", ("Telepathy", None, {"with": "whom"}), *GOODBYE)
    shown = only_json(await ran(installed, "calls", "show", call, "--journal", "--json"))
    assert list(shown)[-1] == "journal"
    assert [one["after_end_ms"] for one in shown["journal"]] == [-1, 0, 1]
    assert shown["journal"][0] == {
        "at": "2025-10-09T09:03:29.000Z",
        "after_end_ms": -1,
        "fact": "Telepathy",
        "leg": None,
        "words": "(unreadable: Telepathy: no kind of event that this version knows)",
        "data": {"with": "whom"},
    }
    assert [one["words"] for one in shown["journal"][1:]] == [
        "The peer of the caller's leg asked to end it.",
        "The caller's leg was gone, Q.850 cause 16.",
    ]
    table = (await ran(installed, "calls", "show", call, "--journal")).stdout
    assert "+0.001 s" in table
    assert "The caller's leg was gone, Q.850 cause 16." in table
    assert only_json(await ran(installed, "calls", "show", installed.other, "--journal", "--json"))["journal"] == []


def content(installed: Installed) -> dict[str, list[Any]]:
    with contextlib.closing(sqlite3.connect(installed.settings.log.path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


async def test_rejudge_shows_the_differences_and_changes_nothing(installed: Installed) -> None:
    async with await CallLog.open(installed.settings.log.path) as log:
        same = await judged(log, "7.1", "caller", *GOODBYE)
        differs = await judged(log, "7.2", "network", *GOODBYE)
        unreadable = await judged(log, "7.3", "caller", ("Telepathy", None, {}))
        await log.arrive(NewCall("lab", "inbound", "9.9", "9.9", T0 + 600_000))  # not judged: no part of it
    before = await asyncio.to_thread(content, installed)

    result = await ran(installed, "calls", "rejudge", "--since", "2025-10-09T09:00Z", "--json")
    told = only_json(result)
    assert result.exit_code == 1  # because of the journal that cannot be read
    assert (told["same"], told["differs"], told["unreadable"]) == (1, 1, 1)
    assert {one["call"]: one["outcome"] for one in told["calls"]} == {differs: "differs", unreadable: "unreadable"}
    one = next(one for one in told["calls"] if one["call"] == differs)
    assert one["was"] == {"party": "network", "technical": False, "confidence": "high", "rules": "old rules"}
    assert one["would_be"] == {"party": "caller", "technical": False, "confidence": "high", "rules": told["rules"]}
    assert one["why"] == {"fact": "bye", "leg": "caller", "at": "2025-10-09T09:03:29.000Z"}
    bad = next(one for one in told["calls"] if one["call"] == unreadable)
    assert (bad["would_be"], bad["error"]) == (None, "Telepathy: no kind of event that this version knows")

    named = await ran(installed, "calls", "rejudge", differs, same, "--json")
    assert (named.exit_code, [one["call"] for one in only_json(named)["calls"]]) == (0, [differs])
    everyone = only_json(await ran(installed, "calls", "rejudge", differs, same, "--all", "--json"))
    assert {one["call"]: one["outcome"] for one in everyone["calls"]} == {differs: "differs", same: "same"}
    nowhere = await ran(installed, "calls", "rejudge", same, "call_none", "--json")
    assert (nowhere.exit_code, only_json(nowhere)["calls"][0]["call"]) == (1, "call_none")

    table = await ran(installed, "calls", "rejudge", "--since", "2025-10-09T09:00Z")
    for words in (
        differs,
        "Ended by the caller's network: no fault, high confidence (rules old rules)",
        "Telepathy",
        "3 calls: 1 as they were judged, 1 would be judged otherwise, 1 cannot be judged. Nothing was changed.",
    ):
        assert words in table.stdout
    assert same not in table.stdout
    assert await asyncio.to_thread(content, installed) == before


async def test_rejudge_goes_through_a_long_log(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.cli.journals.AT_ONCE", 2)
    async with await CallLog.open(installed.settings.log.path) as log:
        calls = [await judged(log, f"7.{n}", "caller") for n in range(5)]
    told = only_json(await ran(installed, "calls", "rejudge", "--since", "2025-10-09T09:00Z", "--all", "--json"))
    assert [one["call"] for one in told["calls"]] == sorted(calls)


async def test_drop(installed: Installed) -> None:
    args = ("drop", installed.other, "--by", "anna", "--reason", "we all heard it")
    alone = await ran(installed, *args, "--json")
    assert (alone.exit_code, "does not answer" in only_json(alone)["error"]) == (1, True)
    async with service(installed):
        unknown = await ran(installed, "drop", "call_none", "--by", "anna", "--reason", "x", "--json")
        number = await ran(installed, *args[:-1], "he is 600 100 200", "--json")
        done = await ran(installed, *args, "--fault", "pbx", "--json")
        in_words = await ran(installed, *args)
    assert (unknown.exit_code, "no call 'call_none'" in only_json(unknown)["error"]) == (1, True)
    assert (number.exit_code, "telephone number" in only_json(number)["error"]) == (1, True)
    answer = only_json(done)
    assert list(answer) == ["attested", "live", "changed", "lapsed", "ending"]
    assert (done.exit_code, answer["attested"], answer["lapsed"]) == (0, installed.other, True)
    assert in_words.exit_code == 0
    assert "attested" in in_words.stdout
    shown = only_json(await ran(installed, "calls", "show", installed.other, "--json"))
    assert [one["by"] for one in shown["attestations"]] == ["anna", "anna"]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("calls", "show", "call_none"), "no call 'call_none'"),
        (("callbacks", "show", "cb_none"), "no callback 'cb_none'"),
    ],
)
async def test_what_is_not_there(installed: Installed, args: tuple[str, ...], says: str) -> None:
    plain = await ran(installed, *args)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert says in plain.stderr
    as_json = await ran(installed, *args, "--json")
    assert (as_json.exit_code, as_json.stderr) == (1, "")
    assert says in only_json(as_json)["error"]


COMMANDS = [
    ("calls", "list"),
    ("calls", "show", "x"),
    ("calls", "rejudge"),
    ("drop", "x", "--by", "anna", "--reason", "y"),
    ("callbacks", "list"),
    ("callbacks", "show", "x"),
    ("callbacks", "cancel", "x"),
    ("callbacks", "off"),
    ("callbacks", "on"),
    ("prompts", "list"),
    ("prompts", "build"),
    ("prompts", "show", "abcdef"),
    ("prompts", "listen", "--language", "pl"),
    ("report",),
    ("check",),
    ("serve",),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_settings_are_told_by_every_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = tmp_path / "none.toml"
    result = run(*command, "--json", config=nowhere)
    assert (result.exit_code, result.stderr) == (1, "")
    assert {"error": f"{nowhere}: no such file; `oddzwon init` writes a commented one"} == only_json(result)
    broken = write_settings(tmp_path)
    broken.write_text(broken.read_text(encoding="utf-8") + "\nfoo = 1\n", encoding="utf-8")
    plain = run(*command, config=broken)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert "foo" in plain.stderr
    assert "Traceback" not in plain.stderr


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c[0].startswith("call") and not {"cancel", "off", "on"} & {*c}]
)
def test_no_log_yet(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--json", config=write_settings(tmp_path))
    assert result.exit_code == 1
    assert "oddzwon.db" in only_json(result)["error"]
    assert not (tmp_path / "oddzwon.db").exists()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_log_that_is_none(tmp_path: Path, content: bytes) -> None:
    config = write_settings(tmp_path)
    (tmp_path / "oddzwon.db").write_bytes(content)
    result = run("calls", "list", "--json", config=config)
    assert result.exit_code == 1
    assert set(only_json(result)) == {"error"}


@pytest.mark.parametrize(
    "args",
    [
        ("calls", "list", "--since", "last week"),
        ("calls", "list", "--since", "9x"),
        ("calls", "list", "--number", "hello"),
        ("calls", "list", "--number", "112"),
        ("calls", "list", "--limit", "0"),
        ("calls", "list", "--limit", "many"),
        ("calls", "list", "--nonsense"),
        ("calls", "show"),
        ("calls", "rejudge", "--since", "last week"),
        ("drop", "x", "--by", "anna"),
        ("drop", "x", "--reason", "y"),
        ("drop", "--by", "anna", "--reason", "y"),
        ("drop", "x", "--by", "anna", "--reason", "y", "--fault", "weather"),
        ("nonsense",),
    ],
)
async def test_bad_usage(installed: Installed, args: tuple[str, ...]) -> None:
    result = await ran(installed, *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00Z",
        "999999d",
    ],
)
async def test_a_time_far_away_is_no_crash(installed: Installed, text: str) -> None:
    result = await ran(installed, "calls", "list", "--json", "--since", text)
    assert result.exit_code in (0, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "args",
    [
        ("calls", "list", "--since", "last week"),
        ("calls", "list", "--number", "hello"),
        ("calls", "list", "--nonsense"),
        ("calls", "show"),
        ("nonsense",),
    ],
)
def test_bad_usage_as_json(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.argv", ["oddzwon", "--config", str(installed.config), *args, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (2, "")
    assert set(json.loads(told.out)) == {"error"}


# --- init, prompts, check, version -------------------------------------------------------------------------------


def test_init_writes_what_loads_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    made = run("init", path, "--json")
    assert (0, {"written": str(path)}) == (made.exit_code, only_json(made))
    assert template() == path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o007 == 0
    path.write_text("mine", encoding="utf-8")
    again = run("init", path, "--json")
    assert again.exit_code == 1
    assert "exists already" in only_json(again)["error"]
    plain = run("init", path)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert "exists already" in plain.stderr
    assert path.read_text(encoding="utf-8") == "mine"


def test_init_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert run("init", tmp_path / "link.toml").exit_code == 1
    assert not (tmp_path / "elsewhere.toml").exists()


def test_init_in_no_folder(tmp_path: Path) -> None:
    result = run("init", tmp_path / "none" / "x.toml", "--json")
    assert result.exit_code == 1
    assert "No such file" in only_json(result)["error"]


def test_prompts_list_of_nothing_built(tmp_path: Path) -> None:
    assert only_json(run("prompts", "list", "--json", config=write_settings(tmp_path))) == []


def test_check_as_json_and_as_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.bootstrap.checks.CONNECT_S", 0.2)
    config = write_settings(tmp_path)
    text = config.read_text(encoding="utf-8").replace("# port = 5038", "port = 1").replace("# port = 4573", "port = 1")
    config.write_text(text, encoding="utf-8")
    result = run("check", "--json", config=config)
    assert result.exit_code == 1
    lines = only_json(result)
    assert {"check", "ok", "found", "to_do"} == set(lines[0])
    assert {"settings", "prompts", "call log", "FastAGI", "AMI"} <= {line["check"] for line in lines}
    assert all(line["to_do"] for line in lines if not line["ok"])
    table = run("check", config=config)
    assert table.exit_code == 1
    assert "nobody answers on 127.0.0.1:1: start `oddzwon serve`" in table.stdout


def test_version() -> None:
    result = run("--version")
    assert (0, f"oddzwon {oddzwon.__version__}\n") == (result.exit_code, result.stdout)


def test_the_configuration_named_in_the_environment(tmp_path: Path) -> None:
    config = write_settings(tmp_path)
    assert only_json(run("prompts", "list", "--json", env={"ODDZWON_CONFIG": str(config)})) == []


def test_the_registers_key_is_made_once_and_privately(tmp_path: Path) -> None:
    path = tmp_path / "number.key"
    made = number_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (32, made) == (len(made), number_secret(path))
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match=r"log\.key_file: .*shorter than .*put the backup"):
        number_secret(path)
    with pytest.raises(ConfigError, match=r"log\.key_file: .*No such file"):
        number_secret(tmp_path / "none" / "number.key")


# --- the real command --------------------------------------------------------------------------------------------


def command(*args: object) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("oddzwon")
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    argv = [str(script), *map(str, args)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=PROCESS_S, check=False)


async def test_a_terminal_without_our_signs_shows_the_rest_and_json_is_utf_8(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    table = await asyncio.to_thread(command, "--config", installed.config, "calls", "list")
    assert (table.returncode, table.stderr) == (0, "")
    assert MASKED.replace("•", "?") in table.stdout
    told = await asyncio.to_thread(command, "--config", installed.config, "calls", "list", "--json")
    assert json.loads(told.stdout)[1]["number"] == MASKED


def test_in_a_pipe_an_id_can_be_copied(installed: Installed) -> None:
    done = command("--config", installed.config, "callbacks", "list")
    assert done.returncode == 0
    assert {installed.story.callback, installed.story.call} <= set(done.stdout.split())


def test_the_command_itself(installed: Installed) -> None:
    done = command("--config", installed.config, "calls", "show", installed.story.call, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["number"] == MASKED
    refused = command("--config", installed.config, "calls", "show", "call_none", "--json")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert {"error"} == set(json.loads(refused.stdout))
    usage = command("calls", "list", "--nonsense")
    assert (usage.returncode, usage.stdout) == (2, "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_serve_starts_without_asterisk_and_ends_cleanly(tmp_path: Path) -> None:
    """SIGTERM while nobody answers on the manager's port: an orderly end, the socket gone, nothing personal said."""
    config = write_settings(tmp_path)
    text = config.read_text(encoding="utf-8")
    text = text.replace("# port = 5038", "port = 1").replace("# port = 4573", f"port = {free_port()}")
    config.write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "oddzwon", "--config", str(config), "serve", "--pid-file", str(tmp_path / "pid")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        began = process.stderr.readline()
        while "ami_down" not in began:  # that Asterisk is away: by then everything else is open
            assert process.poll() is None, began
            began += process.stderr.readline()
        assert command("--config", config, "serve", "--json").returncode == 1  # the address is taken
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=PROCESS_S)
    assert (process.returncode, stdout) == (0, "")
    assert "Traceback" not in stderr
    assert all(json.loads(line) for line in (began + stderr).splitlines())
    assert not (tmp_path / "oddzwon.sock").exists()
    assert not (tmp_path / "pid").exists()

"""The operator's command is run as documented, and whatever it does, it harms nobody: real programs, run for real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.test_control import write_settings

from oddzwon.callflow import alarm_command
from oddzwon.callflow.alarm_command import AlarmCommand
from oddzwon.callflow.alarms import Alarm
from oddzwon.config import ConfigError, load

LONG_S, SHORT_S = 60.0, 2.0
"""What no program here needs, and what all of them need even on a busy machine."""
TOLD = """#!{python}
import json, os, sys
with open({book!r}, "a") as book:
    known = {{key: value for key, value in os.environ.items() if key.startswith("ODDZWON_")}}
    book.write(json.dumps([known, sys.argv[1:], sys.stdin.read(), os.getpgid(0) == os.getpid()]) + "\\n")
print("nobody reads this")
"""


def program(folder: Path, text: str) -> str:
    """A program of the operator's, ready to be run."""
    path = folder / "tell-me"
    path.write_text(text.format(python=sys.executable, book=str(folder / "book")), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def book(folder: Path) -> list[Any]:
    """What the program wrote down."""
    return [json.loads(line) for line in (folder / "book").read_text(encoding="utf-8").splitlines()]


def alarm(condition: str, *, over: bool = False, text: str = "look at it") -> Alarm:
    return Alarm(condition, over, text, 1_760_000_000_123)


async def test_it_is_told_in_order_with_everything_that_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("ODDZWON_")]:
        monkeypatch.delenv(name)
    async with AlarmCommand([program(tmp_path, TOLD), "one argument", "$HOME; rm"], "pbx7", LONG_S) as command:
        command.tell(alarm("ami-lost"))
        command.tell(alarm("ami-lost", over=True, text="two\nlines\0and a NUL"))
    known = {"ODDZWON_ALARM": "ami-lost", "ODDZWON_PBX": "pbx7", "ODDZWON_AT": "2025-10-09T08:53:20.123Z"}
    words = ["one argument", "$HOME; rm"]
    assert book(tmp_path) == [
        [known | {"ODDZWON_ALARM_STATE": "raised", "ODDZWON_ALARM_TEXT": "look at it"}, words, "", True],
        [known | {"ODDZWON_ALARM_STATE": "over", "ODDZWON_ALARM_TEXT": "two lines and a NUL"}, words, "", True],
    ]


async def test_one_at_a_time(tmp_path: Path) -> None:
    text = "#!/bin/sh\nmkdir {book}.lock || echo 2 >> {book}\nsleep 0.02\nrmdir {book}.lock\necho 1 >> {book}\n"
    async with AlarmCommand([program(tmp_path, text)], "lab", LONG_S) as command:
        for n in range(10):
            command.tell(alarm(f"condition-{n}"))
    assert book(tmp_path) == [1] * 10


async def test_what_hangs_is_killed_with_all_that_it_started_and_the_next_is_told(tmp_path: Path) -> None:
    hangs = (
        "#!/bin/sh\nmkdir {book}.first || {{ echo 1 >> {book}; exit; }}\nsleep 1000 &\necho $! > {book}.child\nwait\n"
    )
    with capture_logs() as logged:
        async with AlarmCommand([program(tmp_path, hangs)], "lab", SHORT_S) as command:
            command.tell(alarm("ami-lost"))
            command.tell(alarm("log-full"))
            child = await _appears(tmp_path / "book.child")
            await _appears(tmp_path / "book")
    assert [(line["event"], line["condition"]) for line in logged] == [
        ("alarm command killed: it took too long", "ami-lost")
    ]
    await _ends(int(child))


async def _appears(path: Path) -> str:
    while not (text := _read(path)):  # noqa: ASYNC110 - a file tells nobody that it is there
        await asyncio.sleep(0.01)
    return text


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


async def _ends(pid: int) -> None:
    """Until the process, told to die, has died; on a busy machine that takes its moment."""
    async with asyncio.timeout(30.0):
        while _runs(pid):  # noqa: ASYNC110 - not our child: nobody tells us of its end
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        ("#!/bin/sh\nexit 3\n", 0o755, ("alarm command failed", 3)),
        ("#!/bin/sh\nkill -9 $$\n", 0o755, ("alarm command failed", -signal.SIGKILL)),
        ("#!/no/such/shell\n", 0o755, ("alarm command not run", None)),
        ("no program at all", 0o644, ("alarm command not run", None)),
        (None, 0, ("alarm command not run", None)),
    ],
)
async def test_its_failure_is_a_line_in_the_log(
    tmp_path: Path, text: str | None, mode: int, complaint: tuple[str, int | None]
) -> None:
    path = tmp_path / "tell-me"
    if text is not None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    with capture_logs() as logged:
        async with AlarmCommand([str(path)], "lab", LONG_S) as command:
            command.tell(alarm("ami-lost"))
    assert [(line["log_level"], line["event"], line.get("status")) for line in logged] == [("warning", *complaint)]


async def test_too_many_are_given_up_with_a_line_each(tmp_path: Path) -> None:
    command = AlarmCommand([program(tmp_path, "#!/bin/sh\necho 1 >> {book}\n")], "lab", LONG_S)
    with capture_logs() as logged:
        for n in range(alarm_command.WAITING + 2):
            command.tell(alarm(f"condition-{n}"))
        async with command:
            pass
    assert [line["condition"] for line in logged] == [f"condition-{alarm_command.WAITING + n}" for n in range(2)]
    assert len(book(tmp_path)) == alarm_command.WAITING


async def test_a_long_text_is_cut(tmp_path: Path) -> None:
    async with AlarmCommand([program(tmp_path, TOLD)], "lab", LONG_S) as command:
        command.tell(alarm("ami-lost", text="word " * 100_000))
    assert len(book(tmp_path)[0][0]["ODDZWON_ALARM_TEXT"]) == alarm_command.TEXT_MAX


async def test_the_end_of_the_service_waits_for_a_hanging_one_no_longer_than_allowed(tmp_path: Path) -> None:
    hangs = "#!/bin/sh\necho $$ > {book}\nexec sleep 1000\n"
    with capture_logs() as logged:
        async with AlarmCommand([program(tmp_path, hangs)], "lab", SHORT_S) as command:
            for n in range(5):
                command.tell(alarm(f"condition-{n}"))
            pid = await _appears(tmp_path / "book")
    await _ends(int(pid))
    assert [line["condition"] for line in logged] == [f"condition-{n}" for n in range(5)]


def settings_with(folder: Path, command: str) -> Path:
    path = write_settings(folder)
    text = path.read_text(encoding="utf-8").replace('# command = ["/usr/local/bin/tell-me"]', f"command = {command}")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["[]", '["tell-me"]', '["./tell-me"]', '["mail -s x"]', '["/bin/sh", "a\\u0000b"]'])
def test_a_command_must_name_its_program_by_an_absolute_path(tmp_path: Path, command: str) -> None:
    with pytest.raises(ConfigError, match=r"alarms\.command"):
        load(settings_with(tmp_path, command))

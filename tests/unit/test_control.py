"""The service's socket: real, private to its user, and in nobody's way whatever is sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import socket
import sqlite3
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_log_call_log import PARTY, decided, dropped

from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.translate import WANTED
from oddzwon.bootstrap.choices import choices_from
from oddzwon.bootstrap.service import ami_settings
from oddzwon.callflow.agents import Agents
from oddzwon.callflow.alarms import Alarms
from oddzwon.callflow.callbacks import Callbacks, Dropped
from oddzwon.callflow.calls import Calls
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.pace import Pace
from oddzwon.callflow.storms import Storms
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.clock import SystemClock
from oddzwon.config import Settings, load
from oddzwon.config_template import template
from oddzwon.control import ControlError, ControlServer, ask_service
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import Stop
from oddzwon.domain.events import Direction
from oddzwon.domain.number import Number, parse
from oddzwon.domain.rights import number_key
from oddzwon.log.call_log import CallLog
from oddzwon.log.records import Party
from oddzwon.log.times import iso
from oddzwon.prompts.library import PromptLibrary

PATIENCE_S = 5.0
SECRET = bytes(range(32))
ME = pwd.getpwuid(os.getuid()).pw_name


def write_settings(folder: Path) -> Path:
    """The template with everything in ``folder``."""
    text = template().replace('secret_file = "/etc/oddzwon/ami.secret"', "").replace('# secret = ""', 'secret = "lab"')
    for there in ("/var/lib/oddzwon", "/run/oddzwon"):
        text = text.replace(there, str(folder))
    path = folder / "oddzwon.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "number.key").write_bytes(SECRET)
    return path


@contextlib.asynccontextmanager
async def opened_board(settings: Settings) -> AsyncIterator[Switchboard]:
    """Every room as bootstrap opens it, with no Asterisk there."""
    ami = AmiClient(ami_settings(settings), WANTED)
    prompts = await asyncio.to_thread(PromptLibrary.open, settings.prompts.directory)
    choices, clock = await asyncio.to_thread(choices_from, settings), SystemClock()
    async with await CallLog.open(settings.log.path) as log:
        calls = Calls()
        yield Switchboard(
            choices=choices,
            log=log,
            prompts=prompts,
            ami=ami,
            clock=clock,
            alarms=Alarms(),
            number_key=partial(number_key, secret=SECRET),
            calls=calls,
            agents=Agents(ami, lambda caller: calls.place_in_queue(caller, clock.now())),
            callbacks=Callbacks(),
            pace=Pace(choices.channels, choices.dials_per_minute, clock.monotonic),
            storms=Storms(choices.storm, clock),
        )


async def running_callback(board: Switchboard, state: CallbackState = CallbackState.WAITING) -> CallbackRun:
    """A callback that a positive decision in the log has made, under way in the service."""
    call = await dropped(board.log, "9.1")
    made = await decided(board.log, call)
    row = await board.log.call(call)
    assert row is not None
    number = parse(PARTY.number, "PL")
    assert isinstance(number, Number)
    line, choice = board.choices.line_for("+48221234567"), board.choices.menu["1"]
    now = board.now()
    drop = Dropped(row, line, number, Party(PARTY.number, PARTY.number_key), choice)
    run = CallbackRun(board, made, drop, Callback(made, now + 900_000, state=state, limits=board.choices.limits))
    board.callbacks.add(run)
    return run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        yield board


@pytest.fixture
async def server(settings: Settings, board: Switchboard) -> AsyncIterator[Path]:
    server = ControlServer(settings.log.socket, board)
    await server.start()
    yield settings.log.socket
    await server.close()


async def send(path: Path, data: bytes, *, end: bool = True) -> bytes:
    """What the service answers to these bytes, until it closes."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def ask(path: Path, **request: Any) -> dict[str, Any]:
    """As the command line asks, from another thread."""
    return await asyncio.to_thread(ask_service, path, request)


async def test_status(server: Path, board: Switchboard) -> None:
    quiet = {"calls": 0, "callbacks": 0, "asterisk": False, "alarms": [], "callbacks_off": None}
    assert quiet == await ask(server, command="status")
    board.calls.receive("1.1", "1.1", board.now(), Direction.INBOUND, None)
    board.alarms.raise_("ami-lost", "")
    await running_callback(board)
    expected = quiet | {"calls": 1, "callbacks": 1, "alarms": ["ami-lost"]}
    assert expected == await ask(server, command="status")


async def test_only_its_own_user_may_ask(server: Path) -> None:
    mode = (await asyncio.to_thread(server.stat)).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_the_umask_is_left_as_it_was(server: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177


# --- cancel ------------------------------------------------------------------------------------------------------


async def test_a_callback_under_way_is_stopped_and_that_is_logged(server: Path, board: Switchboard) -> None:
    run = await running_callback(board)
    work = asyncio.create_task(run.run())
    assert await ask(server, command="cancel", callback=run.id, by="anna", reason="he wrote") == {"done": True}
    await asyncio.wait_for(work, PATIENCE_S)
    assert CallbackState.CANCELLED is run.state.state
    assert None is board.callbacks.by_id(run.id)
    assert [c for c in await board.log.open_callbacks() if c.id == run.id] == []
    assert last_word(board, run.id) == ("cancelled", f"cancelled (console) by {ME}: he wrote")
    with pytest.raises(ControlError, match=r"no callback 'cb_.*is under way; `oddzwon callbacks list` shows those"):
        await ask(server, command="cancel", callback=run.id)


def last_word(board: Switchboard, callback: str) -> tuple[str, str]:
    """The last line of the callback's history."""
    sql = "SELECT state, why FROM callback_event WHERE callback = ? ORDER BY seq DESC LIMIT 1"
    with contextlib.closing(sqlite3.connect(board.log.path)) as db:
        found: tuple[str, str] = db.execute(sql, (callback,)).fetchone()
    return found


@pytest.mark.parametrize("reason", ["he is +48 600 100 200", "two\nlines", "\x1b[2J", "x" * 501])
async def test_a_reason_that_does_not_belong_in_the_log_cancels_nothing(
    server: Path, board: Switchboard, reason: str
) -> None:
    run = await running_callback(board)
    with pytest.raises(ControlError, match="--reason"):
        await ask(server, command="cancel", callback=run.id, reason=reason)
    with pytest.raises(ControlError, match="--reason"):
        await ask(server, command="off", reason=reason)
    assert (run.state.state, board.switch.off) == (CallbackState.WAITING, False)


async def test_what_is_not_written_is_not_said_to_be_cancelled(server: Path, board: Switchboard) -> None:
    """After a restart the customer would be called back, though the operator was told that he would not."""
    run = await running_callback(board)
    work = asyncio.create_task(run.run())
    with contextlib.closing(sqlite3.connect(board.log.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")  # another process holds the log
        with pytest.raises(ControlError, match="stopped, but this is not written: a restart of the service would go"):
            await ask(server, command="cancel", callback=run.id)
        db.execute("ROLLBACK")
    await asyncio.wait_for(work, PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while last_word(board, run.id)[0] != "cancelled":  # noqa: ASYNC110 - a row tells nobody that it is there
            await asyncio.sleep(0.02)


async def test_what_was_over_by_itself_is_not_said_to_be_cancelled(server: Path, board: Switchboard) -> None:
    """The window's end was taken before the operator's word."""
    run = await running_callback(board)
    run.stop(Stop.EXPIRED)
    asking = asyncio.create_task(ask(server, command="cancel", callback=run.id))
    async with asyncio.timeout(PATIENCE_S):
        while run._events.qsize() < 2:  # noqa: ASYNC110 - both words, in their order
            await asyncio.sleep(0.01)
    work = asyncio.create_task(run.run())
    with pytest.raises(ControlError, match=f"'{run.id}' was over before: lapsed"):
        await asking
    await work


async def test_what_does_not_stop_is_not_said_to_be_cancelled(
    server: Path, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddzwon.callflow.cancelling.STOPPED_WITHIN_S", 0.05)
    run = await running_callback(board)  # nobody drives it
    with pytest.raises(ControlError, match=f"did not stop: `oddzwon callbacks show {run.id}` tells"):
        await ask(server, command="cancel", callback=run.id)


async def test_two_who_talk_are_not_parted(server: Path, board: Switchboard) -> None:
    run = await running_callback(board, CallbackState.CONNECTED)
    with pytest.raises(ControlError, match="talking already"):
        await ask(server, command="cancel", callback=run.id)
    assert CallbackState.CONNECTED is run.state.state


# --- off and on --------------------------------------------------------------------------------------------------


async def test_off_and_on(server: Path, board: Switchboard) -> None:
    off = await ask(server, command="off", by="anna", reason="calls we did not make")
    assert board.switch.word is not None
    since = iso(board.switch.word.at)
    assert off == {"state": "off", "since": since, "by": ME, "reason": "calls we did not make"}
    assert (await ask(server, command="status"))["callbacks_off"] == off
    assert await ask(server, command="off", reason="again") == off
    on = await ask(server, command="on")
    assert (on["state"], on["by"], on["reason"]) == ("on", ME, "")
    assert (await ask(server, command="status"))["callbacks_off"] is None


async def test_on_where_it_was_never_off(server: Path) -> None:
    assert await ask(server, command="on") == {"state": "on", "since": None, "by": None, "reason": None}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are the tester's alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


ASKS_AS_ANOTHER = """
import os, socket, sys
os.setgid(54321); os.setuid(54321)
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(b'{"command": "off", "by": "root", "uid": 0}\\n')
    print(s.makefile().readline())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_who_asks_is_told_by_the_kernel_and_not_by_him(board: Switchboard, open_folder: Path) -> None:
    """A user without a name here, let in by the operator, who says that he is root."""
    path = open_folder / "oddzwon.sock"
    server = ControlServer(path, board)
    await server.start()
    await asyncio.to_thread(path.chmod, 0o666)
    asking = await asyncio.create_subprocess_exec(sys.executable, "-c", ASKS_AS_ANOTHER, path, stdout=PIPE)
    answer, _ = await asking.communicate()
    await server.close()
    assert json.loads(answer)["by"] == "uid 54321"


# --- reveal ------------------------------------------------------------------------------------------------------


def accesses(settings: Settings) -> list[tuple[str, str, str]]:
    with contextlib.closing(sqlite3.connect(settings.log.path)) as db:
        return db.execute("SELECT by, what, reason FROM access ORDER BY id").fetchall()


async def test_who_sees_whole_numbers_is_logged_first(server: Path, settings: Settings) -> None:
    request = {"command": "reveal", "by": "somebody else", "what": "calls list", "reason": "complaint 7"}
    assert await ask(server, **request) == {"done": True}
    assert await asyncio.to_thread(accesses, settings) == [(ME, "calls list", "complaint 7")]


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
async def test_nobody_sees_them_without_a_reason(server: Path, settings: Settings, reason: str) -> None:
    with pytest.raises(ControlError, match="only with a reason"):
        await ask(server, command="reveal", by="anna", what="calls list", reason=reason)
    assert await asyncio.to_thread(accesses, settings) == []


async def test_null_is_no_reason(server: Path) -> None:
    with pytest.raises(ControlError, match="only with a reason"):
        await ask(server, command="reveal", by="anna", what="calls list", reason=None)


# --- whatever is sent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"hello\n",
        b"\x00\xff\xfe\n",
        b"[]\n",
        b'"command"\n',
        b"null\n",
        b"12\n",
        b"{}\n",
        b'{"comand": "status"}\n',
        b"NaN\n",
        b"9" * 5_000 + b"\n",
    ],
)
async def test_garbage_is_told_what_is_expected(server: Path, data: bytes) -> None:
    answer = json.loads(await send(server, data))
    assert answer == {"error": 'expected one JSON object with "command"'}
    assert "calls" in await ask(server, command="status")


@pytest.mark.parametrize("command", ["reboot", "", None, ["status"], {"status": 1}, 7])
async def test_an_unknown_command_is_refused(server: Path, command: object) -> None:
    with pytest.raises(ControlError, match="unknown command"):
        await ask(server, command=command)


async def test_a_line_nested_too_deep(server: Path) -> None:
    assert b"error" in await send(server, b"[" * 60_000 + b"\n")


async def test_a_line_without_end_is_cut_off(server: Path) -> None:
    assert await send(server, b"x" * 200_000, end=False) == b""
    assert "calls" in await ask(server, command="status")


@pytest.mark.parametrize("what", [b'"cancel", "callback": "\\ud800"', b'"\\ud800"'])
async def test_half_a_character_is_answered_all_the_same(server: Path, what: bytes) -> None:
    assert b"\\ud800" in await send(server, b'{"command": ' + what + b"}\n")


async def test_who_says_nothing_is_hung_up_on_and_keeps_nobody_waiting(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddzwon.control._PATIENCE_S", 0.2)
    silent = asyncio.create_task(send(server, b"", end=False))
    await asyncio.sleep(0)
    assert "calls" in await ask(server, command="status")
    assert await silent == b""


async def test_many_at_once(server: Path) -> None:
    answers = await asyncio.gather(*(send(server, b'{"command": "status"}\n') for _ in range(50)))
    assert sum(b'"calls": 0' in answer for answer in answers) == 50


# --- start and end -----------------------------------------------------------------------------------------------


async def test_a_second_service_is_refused_and_the_first_goes_on(server: Path, board: Switchboard) -> None:
    with pytest.raises(ControlError, match=r"log\.socket: .*another oddzwon serves there; stop it first"):
        await ControlServer(server, board).start()
    assert "calls" in await ask(server, command="status")


async def test_what_a_killed_service_left_behind_is_replaced(settings: Settings, board: Switchboard) -> None:
    path = settings.log.socket
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.exists()
    with pytest.raises(ControlError, match="does not answer; is `oddzwon serve` running"):
        await ask(path, command="status")
    server = ControlServer(path, board)
    await server.start()
    assert "calls" in await ask(path, command="status")
    await server.close()
    assert not path.exists()
    await server.close()


async def test_without_a_service_the_command_line_says_so(settings: Settings) -> None:
    with pytest.raises(ControlError, match=r"oddzwon\.sock: the service does not answer"):
        await ask(settings.log.socket, command="status")


async def test_a_service_that_closes_without_a_word(settings: Settings) -> None:
    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(mute, str(settings.log.socket)):
        with pytest.raises(ControlError, match="does not answer"):
            await ask(settings.log.socket, command="status")


async def test_a_path_that_no_socket_can_have(tmp_path: Path, board: Switchboard) -> None:
    with pytest.raises(ControlError, match=r"log\.socket: .*longer than 107 bytes; choose a shorter path"):
        await ControlServer(tmp_path / ("ż" * 60), board).start()


async def test_a_folder_that_is_not_there(tmp_path: Path, board: Switchboard) -> None:
    with pytest.raises(OSError, match="No such file"):
        await ControlServer(tmp_path / "none" / "x.sock", board).start()

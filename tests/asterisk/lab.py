"""A lab of the tests' own: Asterisk and the service as ``docker/lab`` starts them, the command line, and the log."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from tests.asterisk.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
UP_S = 600.0
"""The first start of all builds the images."""
POLL_S = 0.1
AMI, AMI_ELSEWHERE = 5038, 5039
"""Where the manager interface is, and where the service does not look for it."""
ENGINE = f'set -e; source "{ROOT}/docker/engine.sh"; use_engine; '


class LabError(Exception):
    """The lab, or the command line, did not do what was asked; the message holds their words."""


class Lab:
    """The lab on ``net``, such as 127.0.100. ``expected_pid`` is the service's, unless a test has ended it."""

    def __init__(self, net: str) -> None:
        self.net = net
        self.asterisk = f"{net}.1"
        self.state = ROOT / f".lab-{net}"
        self.config = self.state / "oddzwon.toml"
        self.log = self.state / "oddzwon.log"
        self.recordings = self.state / "recordings"
        self.expected_pid: int | None = None
        self._template: Path | None = None

    # --- up and down ------------------------------------------------------------------------------------------------

    def command(self, word: str) -> None:
        """``docker/lab WORD``, waited for; raises LabError."""
        done = subprocess.run(
            [ROOT / "docker/lab", word], env=self._env(), capture_output=True, text=True, timeout=UP_S, check=False
        )
        if done.returncode:
            msg = f"docker/lab {word} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise LabError(msg)

    async def up(self, *, failpoint: str | None = None) -> None:
        """Start what is down, while the peers go on; ``failpoint`` is where the service will kill itself."""
        if self.service_pid is not None and self._asterisk_runs():  # docker/lab would look for a second or two
            self.expected_pid = self.service_pid
            return
        env = self._env() | ({"ODDZWON_FAILPOINT": failpoint} if failpoint else {})
        status, _, words = await _run([str(ROOT / "docker/lab"), "up"], env, UP_S)
        if status:
            msg = f"docker/lab up ended with {status}:\n{words}"
            raise LabError(msg)
        self.expected_pid = self.service_pid

    @property
    def service_pid(self) -> int | None:
        """The service's process, as its pid file names it; None: it is not running."""
        try:
            pid = int((self.state / "oddzwon.pid").read_text())
            running = str(self.config) in Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except (OSError, ValueError):
            return None
        return pid if running else None

    def _asterisk_runs(self) -> bool:
        try:
            return _runs(int((self.state / "asterisk.pid").read_text()))
        except (OSError, ValueError):
            return False

    async def signal_service(self, number: signal.Signals) -> None:
        """Send the signal and wait until the process is gone."""
        pid = self.service_pid
        if pid is None:
            msg = "the service is not running: there is nothing to signal"
            raise LabError(msg)
        self.expected_pid = None
        os.kill(pid, number)
        await self.service_gone()

    async def service_gone(self, within: float = PATIENCE_S) -> None:
        """Until the service's process has ended, as the test means it to; raises TimeoutError."""
        self.expected_pid = None
        async with asyncio.timeout(within):
            while self.service_pid is not None:  # noqa: ASYNC110 - a process that is not our child tells nobody of its end
                await asyncio.sleep(POLL_S)

    async def forget_calls(self) -> None:
        """The service goes on with an empty log; its key stays."""
        await self.signal_service(signal.SIGTERM)
        for file in self.state.glob("oddzwon.db*"):
            file.unlink()
        await self.up()

    @asynccontextmanager
    async def settings(self, *changes: tuple[str, str]) -> AsyncIterator[None]:
        """The service runs with other settings meanwhile: each change replaces a text of docker/lab.toml.in by another.

        Calls and callbacks under way go on as after any restart. Prompts that the change asks for are built.
        """
        text = (ROOT / "docker/lab.toml.in").read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"docker/lab.toml.in holds {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        self._template = self.state / "settings.in"
        self._template.write_text(text)
        try:
            await self.restart_service()
            yield
        finally:
            self._template = None
            await self.restart_service()

    async def restart_service(self) -> None:
        """SIGTERM and a new start."""
        if self.service_pid is not None:
            await self.signal_service(signal.SIGTERM)
        await self.up()

    # --- Asterisk ---------------------------------------------------------------------------------------------------

    async def rasterisk(self, command: str) -> str:
        """``asterisk -rx COMMAND`` in the lab's container; returns its words. Raises LabError."""
        asterisk = ["/usr/sbin/asterisk", "-C", str(self.state / "asterisk/etc/asterisk.conf"), "-rx", command]
        return await self._in_engine('"$ENGINE" exec "$@"', self._container, *asterisk)

    async def ami_moves(self, port: int) -> None:
        """New manager connections are taken on this port from now on; those that stand go on."""
        await asyncio.to_thread(self._set_ami_port, port)
        await self.rasterisk("manager reload")

    async def ami_goes(self) -> None:
        """The service's manager connection is cut and cannot be made again; FastAGI and the observer's go on."""
        await self.ami_moves(AMI_ELSEWHERE)
        sessions = (line.split() for line in (await self.rasterisk("manager show connected")).splitlines())
        # user, address, start, elapsed, file descriptor
        for session in [words[4] for words in sessions if words and words[0] == "oddzwon"]:
            await self.rasterisk(f"manager kick session {session}")

    async def ami_returns(self, within: float = PATIENCE_S) -> None:
        """The manager is back where it was; returns once the service is connected, after its back-off."""
        size = self.log_size()
        await self.ami_moves(AMI)
        await self.says('"event": "ami_up"', since=size, within=within)

    async def kill_asterisk(self, number: signal.Signals = signal.SIGKILL) -> None:
        """SIGKILL, as a crash or the kernel's out-of-memory killer does it, or SIGTERM; returns once it is gone."""
        pid = int((self.state / "asterisk.pid").read_text())
        os.kill(pid, number)
        async with asyncio.timeout(20.0):
            while _runs(pid):  # noqa: ASYNC110 - a process that is not our child tells nobody of its end
                await asyncio.sleep(POLL_S)

    async def restart_asterisk(self, *, ami_port: int) -> None:
        """The container of the dead Asterisk starts again, with its manager on this port; returns once it is booted."""
        await asyncio.to_thread(self._set_ami_port, ami_port)
        run = '"$ENGINE" start "$1" >/dev/null; "$ENGINE" inspect --format "{{.State.Pid}}" "$1"'
        pid = await self._in_engine(run, self._container)
        (self.state / "asterisk.pid").write_text(pid)
        async with asyncio.timeout(20.0):
            while not await self._booted():  # noqa: ASYNC110 - before it is booted there is nobody to tell us
                await asyncio.sleep(POLL_S)

    async def _booted(self) -> bool:
        try:
            return "fully booted" in await self.rasterisk("core waitfullybooted")
        except LabError:  # its control socket is not there yet
            return False

    @property
    def _container(self) -> str:
        return f"oddzwon-asterisk-{self.net.replace('.', '-')}"

    def _set_ami_port(self, port: int) -> None:
        file = self.state / "asterisk/etc/manager.conf"
        found = re.subn(r"(?m)^port = \d+$", f"port = {port}", file.read_text())
        assert found[1] == 1, f"{file} names no port, or several"
        file.write_text(found[0])

    async def _in_engine(self, script: str, *words: str) -> str:
        status, out, complaint = await _run(
            ["bash", "-c", ENGINE + script, "lab", *words], dict(os.environ), PATIENCE_S
        )
        if status:
            msg = f"{' '.join(words)} ended with {status}:\n{out}{complaint}"
            raise LabError(msg)
        return out

    def _env(self) -> dict[str, str]:
        own = {} if self._template is None else {"LAB_SETTINGS": str(self._template)}
        return os.environ | {"LAB_NET": self.net, "LAB_PROMPTS": "short"} | own

    # --- the command line -------------------------------------------------------------------------------------------

    async def oddzwon(self, *words: str) -> Any:
        """``oddzwon WORDS`` of this lab, which must succeed; returns its JSON. Raises LabError."""
        program = str(ROOT / ".venv/bin/oddzwon")
        status, out, words_ = await _run([program, "--config", str(self.config), *words], dict(os.environ), PATIENCE_S)
        if status:
            msg = f"oddzwon {' '.join(words)} ended with {status}:\n{out}{words_}"
            raise LabError(msg)
        return json.loads(out)

    async def call(self, call: str) -> dict[str, Any]:
        """``calls show CALL --json``."""
        shown: dict[str, Any] = await self.oddzwon("calls", "show", call, "--json")
        return shown

    # --- the log, read-only -----------------------------------------------------------------------------------------

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query, seen beside the service by a reader that cannot write."""
        with closing(sqlite3.connect(f"file:{self.state / 'oddzwon.db'}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return db.execute(sql, values).fetchall()

    async def until(self, sql: str, *values: object, within: float = PATIENCE_S) -> sqlite3.Row:
        """Until the query has a row; returns the first. Raises TimeoutError with the query in its message."""
        end = time.monotonic() + within
        while True:
            rows = self.read(sql, *values)
            if rows:
                return rows[0]
            if time.monotonic() > end:
                msg = f"not within {within} s: {sql} {values}"
                raise TimeoutError(msg)
            await asyncio.sleep(POLL_S)

    def log_lines(self, offset: int) -> str:
        """What the service has written since its log had ``offset`` bytes."""
        try:
            return self.log.read_bytes()[offset:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    async def says(self, words: str, *, since: int, within: float = PATIENCE_S) -> None:
        """Until the service has written these words into its log after ``since`` bytes; raises TimeoutError."""
        async with asyncio.timeout(within):
            while words not in self.log_lines(since):  # noqa: ASYNC110 - a file tells nobody that it grew
                await asyncio.sleep(POLL_S)

    def log_size(self) -> int:
        """The length of the service's log in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0


def _runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _run(argv: Sequence[str], env: dict[str, str], within: float) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(within):
            out, words = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode(), words.decode()

"""``oddzwon check``: each line is ok or says what to do, against a manager on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.protocol.conftest import HOST, AmiPeer, AmiWire
from tests.unit.test_control import write_settings

from oddzwon.bootstrap.checks import NEEDED_ACTIONS, run_checks
from oddzwon.bootstrap.choices import choices_from
from oddzwon.bootstrap.findings import Result
from oddzwon.config import ConfigError, Settings, load
from oddzwon.log.call_log import CallLog
from oddzwon.log.records import Switched

PATIENCE_S = 10.0


class Asterisk:
    """A manager that answers what the checks ask; what is wrong with it is set by the test."""

    def __init__(self) -> None:
        self.refuses_login = False
        self.allowed: tuple[str, ...] = NEEDED_ACTIONS
        self.contexts = {"oddzwon-inbound", "oddzwon-callback", "oddzwon-callback-agent", "oddzwon-moved"}
        self.extensions_of_moved: tuple[str, ...] = ()
        self.rtp_timeout = "30"
        self.redirect_method = "user"
        self.queues: dict[str, tuple[str, ...]] = {"support": ("PJSIP/agent1",)}

    async def serve(self, wire: AmiWire) -> None:
        if self.refuses_login:
            await wire.greet()
            await wire.respond(await wire.action(), "Message: Authentication failed", response="Error")
            return
        await wire.log_in()
        while action := await wire.action():
            answer: Callable[[AmiWire, dict[str, list[str]]], object] = getattr(self, action["Action"][0])
            reply = answer(wire, action)
            assert asyncio.iscoroutine(reply)
            await reply

    async def ListCommands(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        await wire.respond(action, *(f"{name}: does it  (Priv: call,all)" for name in self.allowed))

    async def ShowDialPlan(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        if action["Context"][0] not in self.contexts:
            await wire.respond(action, "Message: Did not find context", response="Error")
            return
        await wire.respond(action, "EventList: start")
        for extension in self.extensions_of_moved if action["Context"][0] == "oddzwon-moved" else ("s",):
            await wire.event("ListDialplan", f"ActionID: {action['ActionID'][0]}", f"Exten: {extension}")
        await self._end(wire, action, "ShowDialPlanComplete")

    async def Getvar(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        known = {"rtp_timeout": self.rtp_timeout, "redirect_method": self.redirect_method}
        (variable,) = action["Variable"]
        value = known[variable.removeprefix("PJSIP_ENDPOINT(carrier,").removesuffix(")")]
        await wire.respond(action, f"Variable: {variable}", f"Value: {value}")

    async def QueueStatus(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        queue, mine = action["Queue"][0], f"ActionID: {action['ActionID'][0]}"
        await wire.respond(action, "EventList: start")
        if queue in self.queues:
            await wire.event("QueueParams", f"Queue: {queue}", mine)
            for member in self.queues[queue]:
                await wire.event("QueueMember", f"Queue: {queue}", f"Location: {member}", mine)
        await self._end(wire, action, "QueueStatusComplete")

    async def Ping(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        await wire.respond(action, "Ping: Pong")

    async def Logoff(self, wire: AmiWire, action: dict[str, list[str]]) -> None:  # noqa: N802 - Asterisk's name
        await wire.respond(action, response="Goodbye")

    async def _end(self, wire: AmiWire, action: dict[str, list[str]], name: str) -> None:
        await wire.event(name, f"ActionID: {action['ActionID'][0]}", "EventList: Complete", "ListItems: 1")


@pytest.fixture
def asterisk() -> Asterisk:
    return Asterisk()


@pytest.fixture
async def settings(tmp_path: Path, asterisk: Asterisk) -> AsyncIterator[Settings]:
    """The template's settings with an Asterisk and a FastAGI server that listen."""
    peer = AmiPeer()
    await peer.start()

    async def serve() -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await asterisk.serve(await peer.accept())

    serving = asyncio.create_task(serve())
    async with await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0) as fastagi:
        port: int = fastagi.sockets[0].getsockname()[1]
        given = await asyncio.to_thread(load, write_settings(tmp_path))
        yield given.model_copy(
            update={
                "ami": given.ami.model_copy(update={"port": peer.port}),
                "fastagi": given.fastagi.model_copy(update={"port": port}),
            }
        )
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await peer.close()


async def checked(settings: Settings) -> dict[str, Result]:
    """The results by name; run in a thread with a loop of its own, as the command line runs them."""

    def run() -> list[Result]:
        return asyncio.run(run_checks(settings))

    async with asyncio.timeout(PATIENCE_S):
        return {result.name: result for result in await asyncio.to_thread(run)}


async def test_a_fresh_installation(settings: Settings) -> None:
    """All is well but what only the operator can do: speak the prompts and name his balancing test."""
    results = await checked(settings)
    assert sorted(name for name, r in results.items() if not r.ok) == ["balancing test", "prompts"]
    assert results["prompts"].to_do == "run `oddzwon prompts build`"
    assert "callbacks.balancing_test" in results["balancing test"].to_do
    policy = choices_from(settings).policy_for(settings.dids[0].preset)
    assert results["policies"].found == f"{policy.name} {policy.digest()[:12]}"
    assert results["queues"].found == "support"
    assert "rtp_timeout 30 s" in results["trunk"].found
    assert results["call log"].found.endswith("will be made when the service starts")
    assert (results["callbacks"].ok, results["callbacks"].found) == (True, "on")


async def test_callbacks_that_are_off_are_something_to_do(settings: Settings) -> None:
    async with await CallLog.open(settings.log.path) as log:
        await log.turn_switch(Switched(1_760_000_000_000, off=True, by="anna", reason="calls we did not make"))
    result = (await checked(settings))["callbacks"]
    assert not result.ok
    assert result.found == "off since 2025-10-09T08:53:20.000Z by anna: calls we did not make"
    assert "`oddzwon callbacks on`" in result.to_do


BROKEN: dict[str, tuple[Callable[[Asterisk], None], str, str, str]] = {
    "login": (lambda a: setattr(a, "refuses_login", True), "AMI", "refused|credentials|login", "oddzwon_manager_login"),
    "rights": (
        lambda a: setattr(a, "allowed", NEEDED_ACTIONS[1:]),
        "AMI rights",
        "not allowed: Originate",
        "write=call,agent,originate,reporting",
    ),
    "no contexts": (
        lambda a: a.contexts.clear(),
        "dialplan",
        "context oddzwon-inbound is not there",
        "#include extensions_oddzwon.conf",
    ),
    "half the contexts": (
        lambda a: a.contexts.discard("oddzwon-callback"),
        "dialplan",
        "context oddzwon-callback is not there",
        "dialplan reload",
    ),
    "no rtp_timeout": (
        lambda a: setattr(a, "rtp_timeout", "0"),
        "trunk",
        "rtp_timeout of endpoint",
        "rtp_timeout = 30",
    ),
    "no trunk": (lambda a: setattr(a, "rtp_timeout", ""), "trunk", "no such endpoint", "rtp_timeout = 30"),
    "302 to any URI": (
        lambda a: setattr(a, "redirect_method", "uri_pjsip"),
        "302",
        "redirect_method of endpoint carrier: uri_pjsip",
        "redirect_method = user",
    ),
    "302 into the dialplan": (
        lambda a: setattr(a, "extensions_of_moved", ("_X.",)),
        "302",
        "context oddzwon-moved has extensions",
        "take them out",
    ),
    "no queue": (lambda a: a.queues.clear(), "queues", "queue support is not there", "queues.conf"),
    "an empty queue": (lambda a: a.queues.update(support=()), "queues", "has no members", "add its agents"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_wrong_with_asterisk_is_said_with_what_to_do(
    settings: Settings, asterisk: Asterisk, name: str
) -> None:
    breaks, check, found, to_do = BROKEN[name]
    breaks(asterisk)
    result = (await checked(settings))[check]
    assert not result.ok
    assert any(word in result.found for word in found.split("|")), result.found
    assert to_do in result.to_do
    assert "lab" not in result.found  # the secret


async def test_nobody_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.bootstrap.checks.CONNECT_S", 0.3)
    nobody = {"port": 1}
    away = settings.model_copy(
        update={
            "ami": settings.ami.model_copy(update=nobody),
            "fastagi": settings.fastagi.model_copy(update=nobody),
        }
    )
    results = await checked(away)
    assert results["FastAGI"].found == "nobody answers on 127.0.0.1:1"
    assert results["FastAGI"].to_do == "start `oddzwon serve`"
    assert not results["AMI"].ok
    assert "127.0.0.1:1" in results["AMI"].found
    assert "manager_oddzwon.conf" in results["AMI"].to_do


async def test_nobody_there_leaves_no_noise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio logs what nobody waited for, with a traceback, on the administrator's screen."""
    monkeypatch.setattr("oddzwon.bootstrap.checks.CONNECT_S", 0.3)
    await checked(settings.model_copy(update={"ami": settings.ami.model_copy(update={"port": 1})}))
    gc.collect()
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio"] == []


async def test_the_log(settings: Settings) -> None:
    async with await CallLog.open(settings.log.path):
        pass
    assert (await checked(settings))["call log"].found.endswith("newest call none yet")


async def test_a_folder_that_is_not_there(settings: Settings) -> None:
    log = settings.log.model_copy(update={"path": settings.log.path.parent / "none" / "oddzwon.db"})
    result = (await checked(settings.model_copy(update={"log": log})))["call log"]
    assert (result.ok, result.to_do) == (False, "create it for the service's user")


@pytest.mark.parametrize(("mode", "ok"), [(0o2770, True), (0o2771, False), (0o777, False), (None, False)])
async def test_where_recordings_lie(settings: Settings, tmp_path: Path, mode: int | None, ok: bool) -> None:
    folder = tmp_path / "recordings"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    there = {"enabled": True, "directory": folder, "key_file": tmp_path / "recordings.key"}
    recording = settings.recording.model_copy(update=there)
    result = (await checked(settings.model_copy(update={"recording": recording})))["recording"]
    assert ok == result.ok
    assert ok == (result.to_do == "")


@pytest.mark.parametrize(
    ("content", "ok"),
    [
        (None, False),
        ('"ANSWER","1795300137.347783","1.1","1.1","PJSIP/a-1",""\n', True),
        ('"ANSWER","2026-11-21 22:00:00","1.1","1.1","PJSIP/a-1",""\n', False),
        ('"ANSWER","1795300137.347783","1.1","1.1","PJSIP/a-1",""\nx\n', False),
    ],
)
async def test_what_asterisk_keeps(settings: Settings, tmp_path: Path, content: str | None, ok: bool) -> None:
    path = tmp_path / "oddzwon.csv"
    if content is not None:
        path.write_text(content)
    missed = settings.missed.model_copy(update={"cel": path})
    result = (await checked(settings.model_copy(update={"missed": missed})))["CEL"]
    assert ok == result.ok
    assert ok == (result.to_do == "")


@pytest.mark.parametrize(("mode", "ok"), [(0o2770, True), (0o777, False), (None, False)])
async def test_where_the_stand_in_writes(settings: Settings, tmp_path: Path, mode: int | None, ok: bool) -> None:
    folder = tmp_path / "missed"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    missed = settings.missed.model_copy(update={"spool": folder})
    result = (await checked(settings.model_copy(update={"missed": missed})))["spool"]
    assert ok == result.ok
    assert ok == (result.to_do == "")


async def test_settings_that_the_law_does_not_know(settings: Settings) -> None:
    callbacks = settings.callbacks.model_copy(update={"countries": ("Poland",)})
    with pytest.raises(ConfigError, match=r"callbacks\.countries"):
        await checked(settings.model_copy(update={"callbacks": callbacks}))


@pytest.mark.parametrize(
    ("mode", "ok", "words"),
    [
        (None, False, "No such file"),
        (0o644, False, "no file that can be run"),
        (0o757, False, "can be changed by everybody"),
        (0o755, True, "1 arguments"),
    ],
)
async def test_the_alarm_command(settings: Settings, tmp_path: Path, mode: int | None, ok: bool, words: str) -> None:
    program = tmp_path / "tell-me"
    if mode is not None:
        program.write_text("#!/bin/sh\n")
        program.chmod(mode)
    told = settings.alarms.model_copy(update={"command": (str(program), "duty")})
    result = (await checked(settings.model_copy(update={"alarms": told})))["alarm command"]
    assert (result.ok, words in result.found) == (ok, True)
    assert ok is not bool(result.to_do)

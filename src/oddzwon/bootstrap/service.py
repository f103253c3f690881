"""The service: every room opened, run until it is told to stop, and closed in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog

from oddzwon.asterisk.ami import AmiClient, AmiSettings
from oddzwon.asterisk.errors import AmiAuthenticationError
from oddzwon.asterisk.fastagi import FastAgiServer
from oddzwon.asterisk.translate import WANTED
from oddzwon.bootstrap.choices import choices_from
from oddzwon.bootstrap.speaking import library_for, note_stale
from oddzwon.callflow import attestation
from oddzwon.callflow.agent_leg import agent_leg
from oddzwon.callflow.agents import Agents
from oddzwon.callflow.alarm_command import AlarmCommand
from oddzwon.callflow.alarms import Alarms
from oddzwon.callflow.callback import callback
from oddzwon.callflow.callbacks import Callbacks
from oddzwon.callflow.calls import Calls
from oddzwon.callflow.cancelling import cancel_by_phone
from oddzwon.callflow.contract import contract
from oddzwon.callflow.held_agent import hold
from oddzwon.callflow.inbound import inbound
from oddzwon.callflow.nightly import nightly
from oddzwon.callflow.pace import Pace
from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.callflow.storms import Storms
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.watch import Watch
from oddzwon.clock import SystemClock
from oddzwon.config import ConfigError, Settings
from oddzwon.control import ControlServer
from oddzwon.domain.rights import MIN_SECRET_BYTES, number_key
from oddzwon.log.call_log import CallLog
from oddzwon.recordings.errors import KeyFileError
from oddzwon.recordings.keyring import KeyRing

_log = structlog.get_logger(__name__)

FLOWS_END_S = 10.0
"""How long SIGTERM lets calls finish what they hear; after that the dialplan takes them to the queue."""


async def serve(settings: Settings, pid_file: Path | None = None) -> None:
    """Serve calls until SIGTERM or SIGINT. ``pid_file`` is written once calls can be taken, and removed at the end.

    Raises ConfigError, LogError, OSError (an address is taken) or AmiAuthenticationError.
    """
    os.umask(0o027)  # what the service writes is nobody else's to read, its group (Asterisk) excepted
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _open(settings) as (board, watch, fastagi):
        connection = asyncio.create_task(board.ami.run(), name="ami")
        watching = asyncio.create_task(watch.run(), name="watch")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        ready = asyncio.create_task(_ready(watch, pid_file), name="ready")
        board.spawn(nightly(board), "nightly")
        board.spawn(board.storms.watch(board), "storms")
        try:
            await asyncio.wait({connection, watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            _log.info("stopping", calls=len(board.calls))
            board.stopping = True
            await asyncio.gather(*(run.break_off() for run in board.callbacks))
            await fastagi.close(grace=FLOWS_END_S)
            await _written(board)
            await board.prompts.close()
        finally:
            for task in (ready, stopping, watching):
                task.cancel()
            await board.ami.close()
            results = await asyncio.gather(connection, watching, stopping, ready, return_exceptions=True)
            if pid_file is not None:
                await asyncio.to_thread(pid_file.unlink, missing_ok=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _ready(watch: Watch, pid_file: Path | None) -> None:
    await watch.ready.wait()
    _log.info("ready")
    if pid_file is not None:
        await asyncio.to_thread(pid_file.write_text, f"{os.getpid()}\n", encoding="ascii")


async def _written(board: Switchboard) -> None:
    """Let verdicts and seals that are being made come to their end; callbacks under way go on after the next start."""
    until = board.clock.monotonic() + FLOWS_END_S
    while (left := until - board.clock.monotonic()) > 0:
        endings = {task for task in board.tasks if task.get_name().startswith(("aftermath-", "sealing-"))}
        if not endings:
            break
        await asyncio.wait(endings, timeout=left)
    rest = list(board.tasks)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@contextlib.asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[tuple[Switchboard, Watch, FastAgiServer]]:
    """Every room, in the order in which they lean on each other."""
    async with contextlib.AsyncExitStack() as stack:
        choices = choices_from(settings)
        secret = await asyncio.to_thread(number_secret, settings.log.key_file)
        log = await stack.enter_async_context(await CallLog.open(settings.log.path))
        prompts = await asyncio.to_thread(library_for, settings)
        ami = AmiClient(ami_settings(settings), WANTED)
        clock, calls = SystemClock(), Calls()
        board = Switchboard(
            choices=choices,
            log=log,
            prompts=prompts,
            ami=ami,
            clock=clock,
            alarms=await _alarms(stack, settings),
            number_key=partial(number_key, secret=secret),
            calls=calls,
            agents=Agents(
                ami,
                lambda caller: calls.place_in_queue(caller, clock.now()),
                choices.same_agent_wait_s,
                clock.monotonic,
            ),
            callbacks=Callbacks(),
            pace=Pace(choices.channels, choices.dials_per_minute, clock.monotonic),
            storms=Storms(choices.storm, clock),
            keys=await _recording_keys(settings, log),
        )
        await _keep_policies(board)
        await board.switch.load(board)
        note_stale(board.prompts, board.alarms)
        fastagi = FastAgiServer(
            settings.fastagi.host,
            settings.fastagi.port,
            {
                "inbound": lambda agi: inbound(agi, board),
                "callback": lambda agi: callback(agi, board),
                "attest": lambda agi: attestation.by_phone(agi, board),
                "agent": lambda agi: agent_leg(agi, board),
                "hold": lambda agi: hold(agi, board),
                "cancel": lambda agi: cancel_by_phone(agi, board),
                "contract": lambda agi: contract(agi, board),
            },
            max_sessions=settings.fastagi.max_sessions,
        )
        await fastagi.start()
        stack.push_async_callback(fastagi.close)
        control = ControlServer(settings.log.socket, board)
        await control.start()
        stack.push_async_callback(control.close)
        yield board, Watch(board), fastagi


async def _alarms(stack: contextlib.AsyncExitStack, settings: Settings) -> Alarms:
    """The alarms, and the operator's command if he has one; it is told until every other room is closed."""
    chosen = settings.alarms
    if chosen.command is None:
        alarms = Alarms(settle_s=chosen.settle_s)
    else:
        command = AlarmCommand(chosen.command, settings.pbx, chosen.command_timeout_s)
        alarms = Alarms((await stack.enter_async_context(command)).tell, settle_s=chosen.settle_s)
    stack.callback(alarms.close)
    return alarms


async def _keep_policies(board: Switchboard) -> None:
    """What a decision's hash stands for is in the log before anything is decided. Raises LogError."""
    for policy in board.choices.policies.values():
        await board.log.keep_policy(policy.digest(), policy.as_json(), board.now())


async def _recording_keys(settings: Settings, log: CallLog) -> RecordingKeys | None:
    """The operator's keys for recordings; made with a first key if there is none. Raises ConfigError, LogError."""
    path = settings.recording.key_file
    if not settings.recording.enabled or path is None:
        return None
    try:
        return RecordingKeys(await asyncio.to_thread(KeyRing.open, path, tuple(await log.wrapping_keys())))
    except KeyFileError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        msg = f"recording.key_file: {path}: {error.strerror}; let the service's user read and write it"
        raise ConfigError(msg) from error


def ami_settings(settings: Settings) -> AmiSettings:
    """How to reach Asterisk's manager. Raises ConfigError if the secret cannot be read."""
    a = settings.ami
    return AmiSettings(
        host=a.host,
        port=a.port,
        username=a.username,
        secret=settings.ami_secret(),
        action_timeout=a.action_timeout_s,
        ping_interval=a.ping_interval_s,
    )


def number_secret(path: Path) -> bytes:
    """The key of the objection register's hash; made, readable by the service only, if it is not there yet.

    Raises ConfigError. Whoever loses this file loses the register: the same number would have another hash.
    """
    try:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
        secret = path.read_bytes()
    except OSError as error:
        msg = f"log.key_file: {path}: {error.strerror}; let the service's user read and write it"
        raise ConfigError(msg) from error
    if len(secret) < MIN_SECRET_BYTES:
        msg = f"log.key_file: {path}: shorter than {MIN_SECRET_BYTES} bytes; put the backup of the key in its place"
        raise ConfigError(msg)
    return secret


__all__ = ["AmiAuthenticationError", "ami_settings", "number_secret", "serve"]

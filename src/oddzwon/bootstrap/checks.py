"""``oddzwon check``: is everything there that calls and lawful callbacks need? Each result is ok or says what to do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from oddzwon.asterisk import variables
from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.ami_notices import AmiConnected
from oddzwon.asterisk.cel import BLOCK, CelUnreadable, read_tail
from oddzwon.asterisk.errors import AmiAuthenticationError, AmiError
from oddzwon.asterisk.spool import DAMAGED
from oddzwon.bootstrap.callback_checks import answer_check, redirection
from oddzwon.bootstrap.choices import choices_from
from oddzwon.bootstrap.findings import Result
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.bootstrap.recording_checks import recording_checks
from oddzwon.bootstrap.service import ami_settings
from oddzwon.callflow.switchboard import Choices
from oddzwon.config import Settings
from oddzwon.domain.number import mask
from oddzwon.log.errors import LogError
from oddzwon.log.queries import Queries
from oddzwon.log.times import iso
from oddzwon.prompts.build import plan_of
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.rendering import where

CONNECT_S = 5.0
NEEDED_ACTIONS = ("Originate", "Hangup", "QueueStatus", "CoreShowChannels", "MixMonitorMute", "StopMixMonitor")
"""Manager actions that the service sends."""


SHOWN_OF_HASH = 12


class CheckError(Exception):
    """The checks themselves could not be run."""


async def run_checks(settings: Settings) -> list[Result]:
    """Every check, in the order in which an administrator would mend them; raises ConfigError for the settings."""
    choices = choices_from(settings)
    results = [Result("settings", True, f"{len(choices.lines)} DIDs, {len(choices.menu)} menu keys")]
    results.append(await asyncio.to_thread(_prompts, settings))
    results.append(await asyncio.to_thread(_log, settings))
    results.append(_balancing_test(choices))
    results.append(_policies(choices))
    results.append(await asyncio.to_thread(_switch, settings))
    results += await asyncio.to_thread(recording_checks, settings, time.time_ns() // 1_000_000)
    results.append(await asyncio.to_thread(_cel, choices))
    results.append(await asyncio.to_thread(_spool, choices))
    results.append(await asyncio.to_thread(_alarm_command, settings))
    results.append(await _fastagi(settings))
    results += await _asterisk(settings, choices)
    return results


def _prompts(settings: Settings) -> Result:
    try:
        wanted = plan_of(prompt_plan(settings))
        library = PromptLibrary.open(
            settings.prompts.directory,
            short=settings.prompts.short,
            wanted={text.slot: text.version for text in wanted},
        )
    except PromptError as error:
        return Result("prompts", False, str(error), "run `oddzwon prompts build`")
    there = {prompt.slot for prompt in library.prompts}
    missing = sorted(where(slot) for slot in library.stale if slot not in there)
    other = sorted(where(slot) for slot in library.stale if slot in there)
    if missing or other or library.damaged:
        found = f"{len(missing)} missing, {len(other)} built with another text, {len(library.damaged)} damaged"
        first = next(iter((*missing, *other)), None)
        return Result("prompts", False, found + (f": {first}" if first else ""), "run `oddzwon prompts build`")
    return Result("prompts", True, f"{len(wanted)} prompts in {', '.join(settings.languages())}")


def _log(settings: Settings) -> Result:
    path = settings.log.path
    if not path.exists():
        if os.access(path.parent, os.W_OK):
            return Result("call log", True, f"{path} will be made when the service starts")
        return Result("call log", False, f"{path.parent} cannot be written", "create it for the service's user")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return Result("call log", False, f"{path} cannot be written", "make file and folder the service's user's")
    try:
        with Queries(path, mask) as queries:
            newest = queries.call_list(limit=1)
    except LogError as error:
        return Result("call log", False, str(error), "then run this again")
    return Result("call log", True, f"{path}, newest call {newest[0]['started_at'] if newest else 'none yet'}")


def _balancing_test(choices: Choices) -> Result:
    test = choices.policy.balancing_test
    if test is None:
        to_do = "document it with counsel, then set callbacks.balancing_test = { id = …, date = … }"
        return Result("balancing test", False, "none named, so callbacks are off", to_do)
    return Result("balancing test", True, f"{test.id} of {test.date}")


def _switch(settings: Settings) -> Result:
    if not settings.log.path.exists():
        return Result("callbacks", True, "on")
    try:
        with Queries(settings.log.path, mask) as queries:
            word = queries.switched()
    except LogError:
        return Result("callbacks", False, "on or off: the call log does not tell", "mend the call log")
    if word is None or not word.off:
        return Result("callbacks", True, "on")
    found = f"off since {iso(word.at)} by {word.by}" + (f": {word.reason}" if word.reason else "")
    return Result("callbacks", False, found, "`oddzwon callbacks on`, once the reason is gone")


def _policies(choices: Choices) -> Result:
    """The beginning of each policy's hash, as ``calls show`` tells it of a decision."""
    policies = {choices.policy_for(line.preset) for line in choices.lines.values()}
    found = sorted(f"{policy.name} {policy.digest()[:SHOWN_OF_HASH]}" for policy in policies)
    return Result("policies", True, ", ".join(found))


def _cel(choices: Choices) -> Result:
    if choices.cel is None:
        return Result("CEL", True, "missed.cel is not set: what ends while nobody listens stays unknown")
    try:
        tail = read_tail(choices.cel, 0, limit=BLOCK)
    except CelUnreadable as error:
        return Result("CEL", False, str(error), "include cel_custom_oddzwon.conf; events and rights: its README")
    found = f"{len(tail.moments)} of its last lines can be read, {tail.bad} cannot"
    return Result("CEL", not tail.bad, found, "leave dateformat out of cel.conf" if tail.bad else "")


def _spool(choices: Choices) -> Result:
    folder = choices.spool
    if folder is None:
        return Result("spool", True, "missed.spool is not set: calls of the stand-in do not enter the log")
    to_do = f"make {folder}: owner asterisk, group oddzwon, mode 2770"
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Result("spool", False, f"{folder} is no folder that can be changed", to_do)
    if folder.stat().st_mode & 0o007:
        return Result("spool", False, f"{folder} is open to everybody", f"chmod 2770 {folder}")
    damaged = folder / DAMAGED
    if damaged.is_dir() and any(damaged.iterdir()):
        return Result("spool", False, f"{damaged} holds files that could not be read", "look at them, then remove them")
    return Result("spool", True, f"{folder}")


def _alarm_command(settings: Settings) -> Result:
    name, command = "alarm command", settings.alarms.command
    if command is None:
        return Result(name, True, "alarms.command is not set: alarms are told to the log alone")
    program = Path(command[0])
    try:
        mode = program.stat().st_mode
    except OSError as error:
        return Result(name, False, f"{program}: {error.strerror}", "alarms.command begins with a program's path")
    if not stat.S_ISREG(mode) or not os.access(program, os.X_OK):
        return Result(name, False, f"{program} is no file that can be run", f"chmod +x {program}")
    if mode & stat.S_IWOTH:
        return Result(name, False, f"{program} can be changed by everybody", f"chmod o-w {program}")
    return Result(name, True, f"{program}, {len(command) - 1} arguments")


async def _fastagi(settings: Settings) -> Result:
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return Result("FastAGI", False, f"nobody answers on {host}:{port}", "start `oddzwon serve`")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Result("FastAGI", True, f"{host}:{port}")


async def _asterisk(settings: Settings, choices: Choices) -> list[Result]:
    """What only Asterisk itself can tell, by its manager interface."""
    try:
        async with _manager(settings) as ami:
            checks: tuple[Callable[[], Awaitable[Result]], ...] = (
                lambda: _rights(ami),
                lambda: _dialplan(ami),
                lambda: _rtp_timeout(ami, settings.trunk_endpoint),
                lambda: _queues(ami, choices),
                lambda: redirection(ami, settings.trunk_endpoint),
                lambda: answer_check(ami, choices),
            )
            results = [Result("AMI", True, f"{settings.ami.host}:{settings.ami.port} as {settings.ami.username}")]
            for one in checks:
                results.append(await one())
            return results
    except AmiAuthenticationError as error:
        return [Result("AMI", False, str(error), "compare with oddzwon_manager_login.conf, then `manager reload`")]
    except (AmiError, TimeoutError) as error:
        found = str(error) or f"no answer from {settings.ami.host}:{settings.ami.port} within {CONNECT_S:g} s"
        return [Result("AMI", False, found, "is Asterisk running, and manager_oddzwon.conf included?")]


@contextlib.asynccontextmanager
async def _manager(settings: Settings) -> AsyncIterator[AmiClient]:
    ami = AmiClient(ami_settings(settings), frozenset())
    running = asyncio.create_task(ami.run())
    connected = asyncio.create_task(_connected(ami))
    try:
        await asyncio.wait({connected, running}, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        if not connected.done():
            raise TimeoutError
        yield ami
    finally:
        connected.cancel()
        await ami.close()
        await asyncio.gather(running, connected, return_exceptions=True)


async def _connected(ami: AmiClient) -> None:
    """Return when the first connection stands."""
    async for notice in ami.notices:
        if isinstance(notice, AmiConnected):
            return


async def _rights(ami: AmiClient) -> Result:
    answer = await ami.action("ListCommands")
    missing = [action for action in NEEDED_ACTIONS if action not in answer.fields]
    if missing:
        to_do = "give the user write=call,agent,originate,reporting, as manager_oddzwon.conf does"
        return Result("AMI rights", False, f"not allowed: {', '.join(missing)}", to_do)
    return Result("AMI rights", True, "originate, hang up, queues, channels, recording")


async def _dialplan(ami: AmiClient) -> Result:
    for context in (variables.INBOUND_CONTEXT, variables.CALLBACK_CONTEXT, variables.HOLD_CONTEXT):
        try:
            await ami.action_list("ShowDialPlan", {"Context": context})
        except AmiError:
            to_do = "#include extensions_oddzwon.conf, then `dialplan reload`"
            return Result("dialplan", False, f"context {context} is not there", to_do)
    return Result("dialplan", True, "oddzwon's contexts are included")


async def _rtp_timeout(ami: AmiClient, endpoint: str) -> Result:
    answer = await ami.action("Getvar", {"Variable": f"PJSIP_ENDPOINT({endpoint},rtp_timeout)"})
    value = answer.fields.get("Value", "")
    if not value.isdigit() or int(value) == 0:
        found = f"rtp_timeout of endpoint {endpoint}: {value or 'no such endpoint'}"
        to_do = "set rtp_timeout = 30 and rtp_timeout_hold = 300 on the trunk: without it a lost caller is not noticed"
        return Result("trunk", False, found, to_do)
    return Result("trunk", True, f"endpoint {endpoint}, rtp_timeout {value} s")


async def _queues(ami: AmiClient, choices: Choices) -> Result:
    for choice in choices.menu.values():
        events = await ami.action_list("QueueStatus", {"Queue": choice.queue})
        if not any(e.name == "QueueParams" and e.fields.get("Queue") == choice.queue for e in events):
            to_do = "add it to queues.conf, or name another queue in the menu"
            return Result("queues", False, f"queue {choice.queue} is not there", to_do)
        if not any(e.name == "QueueMember" for e in events):
            return Result("queues", False, f"queue {choice.queue} has no members", "add its agents")
    return Result("queues", True, ", ".join(dict.fromkeys(c.queue for c in choices.menu.values())))

"""What every flow stands on: the rooms it may use and the operator's choices, in plain values. Bootstrap wires it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from oddzwon.asterisk.ami import AmiClient
from oddzwon.callflow.alarms import Alarms
from oddzwon.clock import Clock
from oddzwon.domain.callback import Limits
from oddzwon.domain.events import Instant
from oddzwon.domain.number import Number, parse
from oddzwon.domain.policy import Policy
from oddzwon.domain.recording import Mode, RecordingRules, Regime, Retention
from oddzwon.log.call_log import CallLog
from oddzwon.prompts.library import PromptLibrary

if TYPE_CHECKING:
    from oddzwon.callflow.agents import Agents
    from oddzwon.callflow.callbacks import Callbacks
    from oddzwon.callflow.calls import Calls

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a key of the menu leads to. ``retention`` None: the regime's default."""

    key: str
    queue: str
    regime: Regime
    retention: Retention | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A DID: its language, its jurisdiction, and the region that national numbers are read in."""

    number: str
    language: str
    preset: str
    region: str
    rules: RecordingRules


@dataclass(frozen=True, slots=True)
class Choices:
    """The operator's choices. Durations in milliseconds where the name says so, else in seconds."""

    pbx: str
    lines: Mapping[str, Line]
    menu: Mapping[str, Choice]
    default_key: str
    menu_wait_ms: int
    menu_rounds: int
    recordings: Path | None
    quality_mode: Mode | None
    recording_test: str | None
    agents_consented: bool
    quality_retention: Retention
    policy: Policy
    limits: Limits
    grace_ms: int
    ring_limit_ms: int
    key_wait_ms: int
    trunk: str
    agent_ring_s: int
    priority: int
    greeting_values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    cel: Path | None = None
    spool: Path | None = None

    def line_for(self, did: str) -> Line:
        """The line that was called; a DID that is not configured is served like the first one."""
        found = self.lines.get(did)
        if found is None:
            number = parse(did, next(iter(self.lines.values())).region)
            found = self.lines.get(number.e164) if isinstance(number, Number) else None
        return found or next(iter(self.lines.values()))


@dataclass(slots=True)
class Switchboard:
    """The rooms, opened. ``number_key`` is the objection register's keyed hash of a number."""

    choices: Choices
    log: CallLog
    prompts: PromptLibrary
    ami: AmiClient
    clock: Clock
    alarms: Alarms
    number_key: Callable[[str], str]
    calls: Calls
    agents: Agents
    callbacks: Callbacks
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    spool_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopping: bool = False
    """Set when the service is told to stop: nobody is called any more."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run ``work`` beside the calls; its failure is an alarm, never silence."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # the message could quote a number: type and task only
            _log.critical("task failed", task=task.get_name(), error=type(error).__name__, exc_info=None)
            kind = task.get_name().partition("-")[0]
            self.alarms.raise_(f"task-{kind}", "an internal fault: report it with the log around this line")

    def now(self) -> Instant:
        """UTC in milliseconds."""
        return self.clock.now()

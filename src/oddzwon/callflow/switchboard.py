"""What every flow stands on: the rooms it may use and the operator's choices, in plain values. Bootstrap wires it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from oddzwon.asterisk.ami import AmiClient
from oddzwon.callflow.alarms import Alarms
from oddzwon.callflow.switch import CallbackSwitch
from oddzwon.clock import Clock
from oddzwon.domain.callback import Limits
from oddzwon.domain.caps import Caps
from oddzwon.domain.events import Instant, LegId
from oddzwon.domain.language import LanguageRules
from oddzwon.domain.number import Number, parse
from oddzwon.domain.policy import Policy
from oddzwon.domain.recording import Mode, RecordingRules, Regime, Retention
from oddzwon.domain.storm import Rule as StormRule
from oddzwon.log.call_log import CallLog
from oddzwon.prompts.library import PromptLibrary

if TYPE_CHECKING:
    from oddzwon.callflow.agents import Agents
    from oddzwon.callflow.callbacks import Callbacks
    from oddzwon.callflow.calls import Calls
    from oddzwon.callflow.keypad import Keypad
    from oddzwon.callflow.pace import Pace
    from oddzwon.callflow.recording_keys import RecordingKeys
    from oddzwon.callflow.storms import Storms

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
    """A DID: its jurisdiction, the region that national numbers are read in, and the language of the call.

    The language is the DID's own until the call goes on in another: then the call's line is another one.
    """

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
    policies: Mapping[str, Policy]
    limits: Limits
    grace_ms: int
    ring_limit_ms: int
    key_wait_ms: int
    trunk: str
    agent_ring_s: int
    priority: int
    greeting_values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What the callback's greeting holds, by each language that a caller can get to."""
    language: LanguageRules = field(default_factory=LanguageRules)
    layer1_skippable: bool = False
    contract: Choice | None = None
    """What a contract segment is recorded under; it has no key of the menu. None: there is no such segment."""
    min_free_bytes: int = 200_000_000
    agent_consent_ms: int = 43_200_000
    agent_first: bool = True
    """Whether an agent is on the line before the customer's telephone rings."""
    same_agent_wait_s: float = 5.0
    agent_display: str = "Callback {time}"
    cancel_code: str = "*#4"
    """The keys with which an agent who holds the line cancels the callback."""
    channels: int = 10
    """Channels of the trunk that callbacks may use at once."""
    dials_per_minute: int = 60
    amd: bool = False
    """Whether Asterisk's AMD tells a person from a machine, rather than his key 1."""
    caps: Caps = field(default_factory=Caps)
    storm: StormRule = field(default_factory=StormRule)
    """How many drops, in how short a time, are one storm."""
    cel: Path | None = None
    spool: Path | None = None

    @property
    def policy(self) -> Policy:
        """The operator's own values, the same whatever the jurisdiction: windows, bounds, the balancing test."""
        return self.policies["eu"]

    def policy_for(self, preset: str | None) -> Policy:
        """The policy that calls to numbers of this jurisdiction's preset are decided by."""
        return self.policies.get(preset or "", self.policy)

    def line_for(self, did: str, language: str | None = None) -> Line:
        """The line that was called; a DID that is not configured is served like the first one.

        ``language`` is that of the call, where it has been found; one that is not spoken any more is the DID's.
        """
        line = self._line_of(did)
        if language is None or language not in self.greeting_values:
            return line
        return replace(line, language=language)

    def _line_of(self, did: str) -> Line:
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
    pace: Pace
    """The room for one more dial."""
    storms: Storms
    switch: CallbackSwitch = field(default_factory=CallbackSwitch)
    """Whether callbacks may be dialled at all."""
    cap_over: asyncio.TimerHandle | None = None
    """Ends the alarm that a cap was reached."""
    keys: RecordingKeys | None = None
    """The operator's keys for recordings; None: nothing is recorded."""
    asked: dict[LegId, Keypad] = field(default_factory=dict)
    """The keys of the agents' legs that are being asked for their consent."""
    sealing: set[str] = field(default_factory=set)
    """The recordings that are being sealed at the moment, a few of them at once."""
    to_delete: dict[str, str] = field(default_factory=dict)
    """Recordings that must go and have not gone yet, each with the reason: never sealed, and tried again."""
    sealing_turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
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

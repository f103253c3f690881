"""One callback, from its positive decision to its end: the domain's commands, each written before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.dialstring import UnsafeDialString, caller_id, trunk_dial_string
from oddzwon.asterisk.errors import AmiFateUnknown, AmiNotSent
from oddzwon.callflow import failpoints
from oddzwon.callflow.callbacks import Dropped
from oddzwon.callflow.dialfacts import gate_for, standing_of
from oddzwon.callflow.hangup import hang_up_until_gone
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain import callback as machine
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import (
    AskGate,
    AttemptEnded,
    AttemptState,
    CallbackCommand,
    CallbackEvent,
    CloseAttempt,
    Dial,
    Due,
    FateHidden,
    GateClosed,
    GateHeld,
    GateOpen,
    HangUp,
    NeverSent,
    ReleaseAgent,
    Stop,
    StopAsked,
    TryAt,
    TryWhenAgentFrees,
)
from oddzwon.domain.events import Instant, LegId
from oddzwon.domain.hangup_cause import Q850, AttemptOutcome, attempt_outcome
from oddzwon.domain.lawfulness import Code, Gate, GateOutcome
from oddzwon.log.errors import LogError, LogRefused, LogUnavailable
from oddzwon.log.records import Condition
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.spoken import spoken_time
from oddzwon.prompts.texts import Language, PromptKey

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 2.0
"""While no agent is free the queue is asked again this often, should an event of Asterisk's be missed."""
WRITE_AGAIN_S = 1.0
ORIGINATE_MARGIN_MS = 1_000
"""A refused Originate that made no channel is believed after this: where there was one, its Hangup tells more."""


class CallbackRun:
    """A callback under way. Events are taken one by one; nothing is acted on that is not written."""

    def __init__(self, board: Switchboard, callback_id: str, dropped: Dropped, state: Callback) -> None:
        self.id = callback_id
        self.drop = dropped.call
        self.line = dropped.line
        self.number = dropped.number
        self.party = dropped.party
        self.choice = dropped.choice
        self.claim = dropped.claim
        self.state = state
        self.attempt_id: str | None = None
        self.channel_id: LegId | None = None
        self._stop_asked = False
        self._gone = asyncio.Event()
        self._moved = asyncio.Event()
        self._originated_at = float("-inf")
        self.asking = False
        """Whether an Originate is under way whose answer has not come."""
        self._board = board
        self._events: asyncio.Queue[CallbackEvent] = asyncio.Queue()
        self._causes: tuple[int | None, int | None] = (None, None)
        self._dial_status: str | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._greeting: asyncio.Task[Prompt] | None = None

    # --- what the watch and the flow tell ----------------------------------------------------------------------

    def post(self, event: CallbackEvent) -> None:
        """Take an event; it is handled after those before it."""
        self._events.put_nowait(event)

    def causes(self, cause: int | None, tech_cause: int | None) -> None:
        """What the attempt's channel said of why it ends; the first word counts."""
        if self._causes == (None, None):
            self._causes = (cause, tech_cause)

    def dial_status(self, status: str) -> None:
        """DIALSTATUS of the attempt."""
        self._dial_status = status

    def channel_gone(self, at: Instant, cause: int | None) -> None:
        """The attempt's channel is gone."""
        self._gone.set()
        said, tech = self._causes
        outcome = attempt_outcome(said if said is not None else cause, tech, self._dial_status)
        if outcome in (AttemptOutcome.ANSWERED, AttemptOutcome.CANCELLED):
            # before an answer this is our own ring limit; after one the outcome is not asked
            outcome = AttemptOutcome.NO_ANSWER
        ringing = self.state.state in (CallbackState.DIALLING, CallbackState.RINGING)
        if ringing and (outcome.trunk_fault or outcome is AttemptOutcome.FAILED):
            self._board.alarms.raise_("trunk-refused", f"a callback could not be dialled ({outcome}): is the trunk up?")
        # a plain BYE says 0 in queue, playback and AGI, and 16 when bridged: the same thing (Q.850)
        shown = said or cause
        self.post(AttemptEnded(at, outcome, Q850.NORMAL_CLEARING if shown == 0 else shown))

    def originate_refused(self, attempt: str, at: Instant) -> None:
        """Asterisk could not make the call; where it had made a channel, its end says why and comes first."""

        def believed() -> None:
            if self.attempt_id == attempt and self.state.state is CallbackState.DIALLING:
                self.channel_gone(at, None)

        self._later(ORIGINATE_MARGIN_MS / 1000, believed)

    async def greeting(self) -> Prompt:
        """Who calls and why, with the time of the loss as the customer's clock showed it; spoken once, ahead."""
        if self._greeting is None:
            self._greeting = asyncio.create_task(self._speak_greeting(), name="greeting")
        return await asyncio.shield(self._greeting)

    async def _speak_greeting(self) -> Prompt:
        lost_at = self.drop.lost_at if self.drop.lost_at is not None else self.drop.started_at
        local = datetime.fromtimestamp(lost_at / 1000, tz=UTC).astimezone()
        language = Language(self.line.language)
        values = dict(self._board.choices.greeting_values[self.line.language])
        values["TIME"] = spoken_time(local, language)
        return await self._board.prompts.speak(PromptKey.CALLBACK, language, values, self.line.number)

    def due_at(self, at: Instant) -> None:
        """Try at that time, or at once if it is over."""
        self._later((at - self._board.now()) / 1000, lambda: self.post(Due(self._board.now())))

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the callback is final."""
        board = self._board
        self._later((self.state.lapse_at - board.now()) / 1000, lambda: self.stop(Stop.EXPIRED))
        try:
            while not self.state.state.final:
                await self._take(await self._events.get())
                self._moved.set()
        finally:
            for timer in self._timers:
                timer.cancel()
            board.agents.release(self.id)
            board.agents.withdraw(self.drop.id)
            board.callbacks.forget(self)

    async def _prepare_greeting(self) -> None:
        try:
            await self.greeting()
        except Exception as error:  # the flow meets it again, and hangs up without a word
            _log.warning("greeting not ready", callback=self.id, error=type(error).__name__)

    async def _take(self, event: CallbackEvent) -> None:
        if isinstance(event, Due) and self._board.stopping:
            return  # it goes on after the next start
        before = self.state
        after, commands = machine.advance(before, event)
        if after == before and not commands:
            return
        dial = next((c for c in commands if isinstance(c, Dial)), None)
        if dial is not None and isinstance(event, GateOpen):
            await self._dial(dial, after)
            return
        self.state = after
        for command in commands:
            if isinstance(command, HangUp):  # not to ring needs nobody's leave, and no disk
                self._hang_up(command.why)
        if after.state is CallbackState.RESERVING:
            # no phone hangs on this one: it is in the log before the attempt that follows, by the writer's order
            self._board.spawn(self._write(before, after, event, commands), f"reserving-{self.id}")
        else:
            await self._write(before, after, event, commands)
        _log.info("callback", id=self.id, state=after.state.value)
        for command in commands:
            await self._perform(command)

    async def _write(
        self, before: Callback, after: Callback, event: CallbackEvent, commands: tuple[CallbackCommand, ...]
    ) -> None:
        log, at = self._board.log, event.at
        close = next((c for c in commands if isinstance(c, CloseAttempt)), None)
        why = close.why if close else _why(event)
        try:
            if self.attempt_id is not None and close is not None:
                await log.attempt_state(
                    self.attempt_id,
                    close.state,
                    at=at,
                    cause=close.cause,
                    never_existed=close.never_existed,
                    callback_state=after.state,
                    why=why,
                )
            elif self.attempt_id is not None and after.state.value in _SHARED and after.state is not before.state:
                await log.attempt_state(self.attempt_id, after.state.value, at=at, callback_state=after.state, why=why)
            elif after.state is not before.state:
                await log.callback_state(self.id, after.state, at=at, why=why)
        except LogUnavailable as error:
            # the phone rings or has stopped already: act on, and write it as soon as that is possible
            self._board.alarms.raise_("callback-not-written", str(error))
            if after.state.final:
                self._board.spawn(self._write_again(before, after, event, commands), f"write-{self.id}")
        except LogError as error:
            self._board.alarms.raise_("callback-not-written", str(error))
        else:
            self._board.alarms.clear("callback-not-written")

    async def _write_again(
        self, before: Callback, after: Callback, event: CallbackEvent, commands: tuple[CallbackCommand, ...]
    ) -> None:
        """A callback that is over must not stand in the log as one under way: it would refuse every later one."""
        await asyncio.sleep(WRITE_AGAIN_S)
        await self._write(before, after, event, commands)

    async def _perform(self, command: CallbackCommand) -> None:
        match command:
            case AskGate():
                await self._ask_gate()
            case ReleaseAgent():
                self._board.agents.release(self.id)
            case TryAt(at=at):
                self.due_at(at)
            case TryWhenAgentFrees():
                self._board.spawn(self._when_agent_frees(), f"agent-for-{self.id}")

    async def _ask_gate(self) -> None:
        board = self._board
        agent = await board.agents.reserve(self.id, self.claim)
        standing = await standing_of(board, self)  # after it: others may have been waited for
        self._gate = gate_for(board, self, standing, agent is not None)
        if self._gate.outcome is GateOutcome.OPEN and agent is not None:
            self.post(GateOpen(board.now(), agent))
            return
        board.agents.release(self.id)
        if self._gate.outcome is GateOutcome.HELD:
            self.post(GateHeld(board.now()))
        else:
            self.post(GateClosed(board.now(), self._gate.refusals))

    _gate: Gate

    async def _dial(self, dial: Dial, after: Callback) -> None:
        """Commit the attempt with the gate's results; only then let the Originate leave, once."""
        board = self._board
        conditions = [Condition(c.code.value, c.passed, c.evidence) for c in self._gate.conditions]
        try:
            row = await board.log.commit_attempt(self.id, dial.n, at=board.now(), conditions=conditions)
        except LogRefused as error:
            _log.warning("attempt refused by the log", callback=self.id, rule=error.rule)
            board.agents.release(self.id)
            code = Code.OBJECTED if error.rule == "attempt-objected" else Code.ATTEMPTS
            self.post(GateClosed(board.now(), (code,)))
            return
        except LogError as error:
            board.alarms.raise_("callback-not-written", str(error))
            board.agents.release(self.id)
            self.post(GateHeld(board.now()))
            return
        self.state, self.attempt_id, self.channel_id = after, row.id, row.channel_id
        self._causes, self._dial_status = (None, None), None
        self._gone.clear()
        board.callbacks.dialled(self)
        _log.info("attempt committed", callback=self.id, attempt=row.id, n=dial.n)
        failpoints.crash_at(failpoints.ATTEMPT_COMMITTED)
        if self._stop_asked or board.stopping:
            self._gone.set()
            self.post(NeverSent(board.now()))  # who stopped it is heard next; no phone rings meanwhile
            return
        await self._originate(row.id, row.channel_id)

    async def _originate(self, attempt: str, channel_id: str) -> None:
        board = self._board
        try:
            asking = board.ami.action("Originate", self._order(attempt, channel_id), action_id=attempt)
            self.asking = True
            answer = await failpoints.crash_before_answer(failpoints.ORIGINATE_SENT, asking)
        except (AmiNotSent, UnsafeDialString) as error:
            _log.warning("originate not sent", callback=self.id, reason=type(error).__name__)
            self.post(NeverSent(board.now()))
            return
        except AmiFateUnknown:
            # looked up when the connection is back; never sent again. If it was never lost, the channel would have told
            board.alarms.raise_("originate-fate-unknown", "Asterisk did not answer an Originate; see its log")
            self._later(board.choices.ring_limit_ms / 1000 + ORIGINATE_MARGIN_MS / 1000, self._fate_hidden(attempt))
            return
        finally:
            self.asking = False
            self._originated_at = board.clock.monotonic()
        board.alarms.clear("originate-fate-unknown")
        board.spawn(self._prepare_greeting(), f"greeting-{self.id}")  # while it rings
        if not answer.success:
            board.alarms.raise_("originate-refused", f"Asterisk refused an Originate: {answer.message}")
            self.post(AttemptEnded(board.now(), AttemptOutcome.FAILED))
            return
        board.alarms.clear("originate-refused")
        try:
            await board.log.attempt_state(attempt, AttemptState.DIALLING, at=board.now())
        except LogError as error:
            board.alarms.raise_("callback-not-written", str(error))

    def _fate_hidden(self, attempt: str) -> Callable[[], None]:
        def nothing_was_heard() -> None:
            if self.attempt_id == attempt and self.state.state is CallbackState.DIALLING:
                self.post(FateHidden(self._board.now()))

        return nothing_was_heard

    def _order(self, attempt: str, channel_id: str) -> tuple[tuple[str, str], ...]:
        """The Originate's fields; raises UnsafeDialString for anything but a validated number and our own DID."""
        choices = self._board.choices
        return (
            ("Channel", trunk_dial_string(choices.trunk, self.number.e164)),
            ("Context", variables.CALLBACK_CONTEXT),
            ("Exten", "s"),
            ("Priority", "1"),
            ("Timeout", str(choices.ring_limit_ms)),
            ("CallerID", caller_id(self.line.number)),
            ("Async", "true"),
            ("ChannelId", channel_id),
            ("Variable", f"{variables.ATTEMPT}={attempt}"),
        )

    def _hang_up(self, why: str) -> None:
        if self.channel_id is None:
            return
        live = self._board.calls.of_leg(self.channel_id)
        if live is not None:
            self._board.calls.hung_up_by_us(live, self._board.now(), why)
        self._board.spawn(self._until_gone(), f"hangup-{self.id}")

    async def _until_gone(self) -> None:
        if self.channel_id is not None:
            await hang_up_until_gone(self._board, self.channel_id, self._gone, self._originated_at)

    async def break_off(self) -> None:
        """The service stops: who answered now would hear nobody. The dial counts; the rest follows after the start."""
        if self.state.state in (CallbackState.DIALLING, CallbackState.RINGING) and self.channel_id is not None:
            await self._until_gone()
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_AGAIN_S):
                    while self.state.state in (CallbackState.DIALLING, CallbackState.RINGING):
                        self._moved.clear()
                        await self._moved.wait()

    async def _when_agent_frees(self) -> None:
        await self._board.agents.change(self.claim, LOOK_AGAIN_S)
        self.post(Due(self._board.now()))

    @property
    def over(self) -> bool:
        """Whether the callback is final."""
        return self.state.state.final

    @property
    def connected(self) -> bool:
        """Whether customer and agent are talking."""
        return self.state.state is CallbackState.CONNECTED

    def stop(self, reason: Stop) -> None:
        """Stop at once, even while it rings."""
        self._stop_asked = True
        self.post(StopAsked(self._board.now(), reason))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), what)
        self._timers.add(timer)


_SHARED = frozenset({CallbackState.RINGING.value, CallbackState.ANSWERED.value, CallbackState.CONNECTED.value})
"""States that a callback and its attempt reach by the same event."""


def _why(event: CallbackEvent) -> str:
    match event:
        case StopAsked(reason=reason):
            return reason.value
        case GateClosed(refusals=refusals):
            return " ".join(code.value for code in refusals)
        case GateHeld():
            return "no agent is free"
    return ""

"""One callback, from its positive decision to its end: the domain's commands, each written before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import structlog

from oddzwon.callflow import failpoints
from oddzwon.callflow.attempt import Attempt, Called
from oddzwon.callflow.callbacks import Dropped
from oddzwon.callflow.capped import cap_reached
from oddzwon.callflow.dialfacts import gate_for, ring_gate_for
from oddzwon.callflow.held_agent import HeldAgent
from oddzwon.callflow.progress import Progress
from oddzwon.callflow.spoken_ahead import SpokenAhead
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain import callback as machine
from oddzwon.domain.callback import FINAL, Callback, CallbackState
from oddzwon.domain.callback_events import (
    AgentGone,
    AgentHolds,
    AgentTalks,
    AskGate,
    CallbackCommand,
    CallbackEvent,
    Dial,
    Due,
    FateHidden,
    GateClosed,
    GateHeld,
    GateOpen,
    HangUp,
    NeverSent,
    ReleaseAgent,
    RingAgent,
    Stop,
    StopAsked,
    TryAt,
    TryWhenRoom,
)
from oddzwon.domain.events import Instant, LegId
from oddzwon.domain.lawfulness import Code, Gate, GateOutcome
from oddzwon.log.errors import LogError, LogRefused
from oddzwon.log.records import Condition
from oddzwon.prompts.library import Prompt

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 2.0
"""While no agent is free the queue is asked again this often, should an event of Asterisk's be missed."""
BROKEN_OFF_S = 1.0
"""Longest wait, when the service stops, for a dial that was broken off to be in the log."""
RINGS_ON_S = 1.0
"""While it rings the conditions of the dial gate are read again this often (legal.md section A, marked D)."""


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
        self.attempt: Attempt | None = None
        self.held: HeldAgent | None = None
        self._board = board
        self._stop_asked = False
        self._moved = asyncio.Event()
        self.finished = asyncio.Event()
        """Set once the callback is over, and the log says so if it could."""
        self._events: asyncio.Queue[CallbackEvent] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._ahead = SpokenAhead(board, dropped)
        self._progress = Progress(board, callback_id, state.state)

    # --- what the watch and the flow tell ----------------------------------------------------------------------

    def post(self, event: CallbackEvent) -> None:
        """Take an event; it is handled after those before it."""
        self._events.put_nowait(event)

    @property
    def channel_id(self) -> LegId | None:
        """The channel of the latest attempt."""
        return self.attempt.channel_id if self.attempt is not None else None

    @property
    def attempt_id(self) -> str | None:
        """The latest attempt."""
        return self.attempt.id if self.attempt is not None else None

    def take_up(self, attempt: str, channel_id: LegId) -> Attempt:
        """The latest attempt is this one, which the log holds."""
        called = Called(self.id, self.number, self.line.number)
        self.attempt = Attempt(self._board, called, (attempt, channel_id), self.post)
        self._board.callbacks.dialled(self)
        return self.attempt

    def agent_gone(self, held: HeldAgent, event: AgentGone) -> None:
        """The agent did not come to hold the line, or left it."""
        self._board.agents.pass_over(held.agent)
        if held is self.held:
            self.post(event)

    async def greeting(self) -> Prompt:
        """Who calls and why. Raises PromptError."""
        return await self._ahead.greeting()

    async def whisper(self) -> Prompt:
        """What the agent hears: that it is a callback, and for which call. Raises PromptError."""
        return await self._ahead.whisper()

    def due_at(self, at: Instant) -> None:
        """Try at that time, or at once if it is over."""
        self._later((at - self._board.now()) / 1000, lambda: self.post(Due(self._board.now())))

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the callback is final."""
        board = self._board
        left_s = (self.state.lapse_at - board.now()) / 1000
        self._later(left_s, lambda: self.stop(Stop.EXPIRED, self._progress.expired()))
        if board.switch.off:
            self.stop(Stop.OFF)
        try:
            while not self.state.state.final:
                await self._take(await self._events.get())
                self._moved.set()
        except Exception:
            await self._give_up()
            raise
        finally:
            for timer in self._timers:
                timer.cancel()
            self._release_agent()
            board.agents.withdraw(self.drop.id)
            board.callbacks.forget(self)
            self.finished.set()

    async def _give_up(self) -> None:
        """An internal fault: nobody rings on, and the log does not show it as under way for ever."""
        before = self.state
        self.state, commands = machine.advance(before, FateHidden(self._board.now()))
        if not self.state.state.final:
            self.state = replace(before, state=CallbackState.FAILED)
        if self.attempt is not None and not self.attempt.is_gone and before.state is not CallbackState.CONNECTED:
            self.attempt.hang_up("an internal fault")
        with suppress(Exception):
            await self._progress.note(self.state, FateHidden(self._board.now()), commands, self.attempt_id)

    async def _take(self, event: CallbackEvent) -> None:
        if isinstance(event, Due) and self._board.stopping:
            return  # it goes on after the next start
        if isinstance(event, AgentHolds | AgentGone) and not self._of_this_agent(event):
            return
        before = self.state
        after, commands = machine.advance(before, event)
        if after == before and not commands:
            return
        dial = next((c for c in commands if isinstance(c, Dial)), None)
        if dial is not None:
            await self._dial(dial, after)
            return
        self.state = after
        for command in commands:
            if isinstance(command, HangUp) and self.attempt is not None:
                self.attempt.hang_up(command.why)  # not to ring needs nobody's leave, and no disk
        await self._progress.note(after, event, commands, self.attempt_id)
        if after.state is not before.state and (step := _STEP_OF.get(after.state)):
            await failpoints.reached(step)
        for command in commands:
            await self._perform(command)

    # --- what is done -------------------------------------------------------------------------------------------

    async def _perform(self, command: CallbackCommand) -> None:
        match command:
            case AskGate():
                await self._ask_gate()
            case RingAgent(agent=agent):
                self._ring(agent)
            case ReleaseAgent():
                self._release_agent()
            case AgentTalks():
                self._board.agents.release(self.id)
            case TryAt(at=at):
                self.due_at(at)
            case TryWhenRoom():
                self._board.spawn(self._when_room(), f"room-for-{self.id}")

    def _of_this_agent(self, event: AgentHolds | AgentGone) -> bool:
        """Whether it is said of the agent who is rung or held now, and not of one before him."""
        if not event.leg:
            return True
        mine = self.held is not None and self.held.leg == event.leg
        return mine and (isinstance(event, AgentGone) or self._agent_is_there)

    @property
    def _agent_is_there(self) -> bool:
        return self.held is not None and not self.held.over

    def _ring(self, agent: str) -> None:
        if self._board.stopping:
            return
        if (full := self._board.pace.full(self.id)) is not None:  # he would pick up for a dial that cannot leave
            self.post(GateHeld(self._board.now(), full))
            return
        self._board.pace.promise(self.id)
        self._board.agents.withdraw(self.drop.id)  # he has his: those behind in the line need not wait
        self.held = HeldAgent(self._board, self, agent)
        self._board.spawn(self.held.ring(), f"agent-for-{self.id}")

    def _release_agent(self) -> None:
        self._board.pace.break_promise(self.id)
        if self.held is not None:
            self.held.release()
            self.held = None
        self._board.agents.release(self.id)

    async def _ask_gate(self) -> None:
        """May the customer be dialled now, and is there somebody to talk with him? The first look also finds whom."""
        board, holds = self._board, self.state.agent_holds
        if board.stopping:
            return  # it goes on after the next start
        if holds and not self._agent_is_there:
            self.post(GateHeld(board.now(), "the agent has left"))
            return
        if board.switch.off:
            self.stop(Stop.OFF)
            return
        if (held_up := await self._held_up(holds=holds)) is not None:
            self.post(GateHeld(board.now(), held_up))
            return
        agent = self.held.agent if holds and self.held is not None else await board.agents.reserve(self.id, self.claim)
        # the facts are read after it: others may have been waited for
        self._gate = await gate_for(board, self, agent_free=agent is not None, agent_holds=holds)
        await failpoints.reached(failpoints.RESERVING)
        if self._gate.outcome is GateOutcome.OPEN and agent is not None:
            self.post(GateOpen(board.now(), agent))
        elif self._gate.outcome is GateOutcome.HELD:
            self.post(GateHeld(board.now()))
        elif self._gate.not_known:
            self.post(GateHeld(board.now(), f"not known: {' '.join(code.value for code in self._gate.not_known)}"))
        elif self._gate.cap is not None:
            self._capped(self._gate.cap)
        else:
            self.post(GateClosed(board.now(), self._gate.refusals))

    async def _held_up(self, *, holds: bool) -> str | None:
        """What the dial has to wait for, whoever may be there to talk; None: for nothing."""
        if self._progress.unwritten:
            return "the log cannot be written"
        if self.attempt is not None and not self.attempt.is_gone:
            return "the last dial is not over yet"
        if holds or self._ahead.mute or not self.state.agent_first:
            if not await self._ahead.can_greet():
                return "the greeting cannot be spoken"
        else:
            self._ahead.prepare()  # while the agent's telephone rings
        return self._board.pace.full(self.id)

    def _capped(self, cap: str) -> None:
        cap_reached(self._board, cap)
        self.stop(Stop.CAP, cap)

    _gate: Gate

    async def _dial(self, dial: Dial, after: Callback) -> None:
        """Commit the attempt with the gate's results; only then let the Originate leave, once."""
        board = self._board
        await board.pace.turn(self.id)
        if after.agent_first and not self._agent_is_there:
            self.post(GateHeld(board.now(), "the agent has left"))
            return
        if (full := board.pace.full(self.id)) is not None:
            self.post(GateHeld(board.now(), full))
            return
        board.pace.take(self.id)
        await self._progress.reserved(board.now())
        conditions = [Condition(c.code.value, c.passed, c.evidence) for c in self._gate.conditions]
        try:
            row = await board.log.commit_attempt(
                self.id, dial.n, at=board.now(), conditions=conditions, caps=board.choices.caps
            )
        except LogRefused as error:
            _log.warning("attempt refused by the log", callback=self.id, rule=error.rule)
            board.pace.give_back(self.id)
            if error.rule == "attempt-cap":
                self._capped(str(error))
                return
            code = Code.OBJECTED if error.rule == "attempt-objected" else Code.ATTEMPTS
            self.post(GateClosed(board.now(), (code,)))
            return
        except LogError as error:
            board.alarms.raise_("callback-not-written", str(error))
            board.pace.give_back(self.id)
            self.post(GateHeld(board.now(), "the log cannot be written"))
            return
        self.state = after
        self._progress.dialled()
        attempt = self.take_up(row.id, row.channel_id)
        _log.info("attempt committed", callback=self.id, attempt=row.id, n=dial.n)
        await failpoints.reached(failpoints.ATTEMPT_COMMITTED)
        if self._stop_asked or board.stopping or (after.agent_first and not self._agent_is_there):
            attempt.gone_unseen()
            await self._take(NeverSent(board.now()))  # before who stopped it is heard: no phone has rung
            return
        board.spawn(self._while_it_rings(attempt), f"ringing-{self.id}")
        await attempt.originate()

    async def _while_it_rings(self, attempt: Attempt) -> None:
        """Whoever registers an objection or a restriction by another door stops it, also while it rings."""
        while self.attempt is attempt and self.state.state in _NOT_ANSWERED:
            gate = await ring_gate_for(self._board, self)
            if gate.outcome is GateOutcome.CLOSED and self.state.state in _NOT_ANSWERED:
                certain = (c.code for c in gate.conditions if c.passed is False)  # not known is not: he has objected
                reason = next((_STOP_OF[code] for code in certain if code in _STOP_OF), Stop.CANCELLED)
                unknown = [c.code.value for c in gate.conditions if c.passed is None]
                self.stop(reason, f"not known while it rings: {' '.join(unknown)}" if unknown else "")
                return
            await asyncio.sleep(RINGS_ON_S)

    async def break_off(self) -> None:
        """The service stops: who answered now would hear nobody. The dial counts; the rest follows after the start."""
        if self.state.state is CallbackState.RESERVING:
            self._release_agent()
        if self.state.state in _NOT_ANSWERED and self.attempt is not None:
            await self.attempt.until_gone()
            with suppress(TimeoutError):
                async with asyncio.timeout(BROKEN_OFF_S):
                    while self.state.state in _NOT_ANSWERED:
                        self._moved.clear()
                        await self._moved.wait()

    async def _when_room(self) -> None:
        if self._board.pace.full() is not None:
            await self._board.pace.change(LOOK_AGAIN_S)
        else:
            await self._board.agents.change(self.claim, LOOK_AGAIN_S)
        self.post(Due(self._board.now()))

    @property
    def over(self) -> bool:
        """Whether the callback is final."""
        return self.state.state.final

    @property
    def unwritten(self) -> bool:
        """Whether its last step is not in the log."""
        return self._progress.unwritten

    @property
    def connected(self) -> bool:
        """Whether customer and agent are talking."""
        return self.state.state is CallbackState.CONNECTED

    def stop(self, reason: Stop, why: str = "") -> None:
        """Stop at once, even while it rings. ``why`` tells the log more than the reason does."""
        self._stop_asked = True
        self.post(StopAsked(self._board.now(), reason, why))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), what)
        self._timers.add(timer)


_NOT_ANSWERED: Final = frozenset({CallbackState.DIALLING, CallbackState.RINGING})
_STOP_OF: Final[Mapping[Code, Stop]] = MappingProxyType(
    {
        Code.OBJECTED: Stop.OBJECTION,
        Code.RESTRICTED: Stop.RESTRICTION,
        Code.REDIALLED: Stop.REDIAL,
        Code.TOO_LATE: Stop.EXPIRED,
    }
)
_STEP_OF: Final[Mapping[CallbackState, str]] = MappingProxyType(
    {
        CallbackState.RINGING: failpoints.RINGING,
        CallbackState.ANSWERED: failpoints.ANSWER_COMMITTED,
        CallbackState.CONNECTED: failpoints.BRIDGED,
    }
    | dict.fromkeys(FINAL, failpoints.CLOSED)
)

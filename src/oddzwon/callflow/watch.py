"""The loop: Asterisk's events to the domain, and the domain's commands back.

Events are taken one by one in Asterisk's order. Nothing here waits for a call: what takes time runs beside the loop.
"""

from __future__ import annotations

import asyncio

import structlog

from oddzwon.asterisk.ami_notices import AmiConnected, AmiDisconnected
from oddzwon.asterisk.facts import (
    Arrival,
    DialOutcome,
    DialStarted,
    EveryCall,
    FeatureUsed,
    KeyHeard,
    LegState,
    MemberChanged,
    MemberGone,
    OfCall,
    OriginateAnswer,
    StoodIn,
    Translated,
    Unreadable,
)
from oddzwon.asterisk.lists import ChannelState
from oddzwon.asterisk.translate import translate
from oddzwon.callflow import agent_leg, attestation, contract, freespace, recorders, recording, sealing
from oddzwon.callflow.aftermath import after_call
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.strays import Strays
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.takeover import SWEEP_MS, look_into_end, look_into_spool, reconcile, sweep, take_over
from oddzwon.domain.call import CallCommand, Connected, Judge, Phase, SettleDue, WaitToSettle
from oddzwon.domain.callback_events import Answered, Bridged, Ringing
from oddzwon.domain.events import (
    BridgeEntered,
    CallEvent,
    Direction,
    HangupRequested,
    Instant,
    LegEnded,
    LegId,
    Oddity,
    Stage,
)
from oddzwon.log.errors import LogError

_log = structlog.get_logger(__name__)

_TRIES = 3


class Watch:
    """Keeps every call and callback in step with Asterisk. ``ready`` is set once the first connection was taken in."""

    def __init__(self, board: Switchboard) -> None:
        self.ready = asyncio.Event()
        self._board = board
        self._seen_before = False
        self._sealing: asyncio.Task[None] | None = None
        self._strays = Strays(board)

    async def run(self) -> None:
        """Until the connection is closed for good."""
        self._board.spawn(self._sweep(), "sweep")
        self._board.spawn(self._space(), "space")
        async for notice in self._board.ami.notices:
            match notice:
                case AmiConnected():
                    await self._connected(notice)
                case AmiDisconnected(reason=reason):
                    self._board.alarms.raise_("ami-lost", f"the connection to Asterisk's manager is lost: {reason}")
                case _:
                    translated = translate(notice)
                    if translated is not None:
                        self._guarded(translated)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_MS / 1000)
            await sweep(self._board, self)
            if self._sealing is None or self._sealing.done():  # hours of sealing hold up no other sweep
                self._sealing = self._board.spawn(sealing.seal_left_over(self._board), "sealing-left-over")

    async def _space(self) -> None:
        """While anything is recorded, the space for it is watched; when it is nearly gone, recording stops."""
        while True:
            await asyncio.sleep(freespace.LOOKED_AT_S)
            running = [live for live in self._board.calls if live.recordings.running]
            if running and not await freespace.room_to_go_on(self._board):
                await asyncio.gather(*(recorders.stop_all(self._board, live, "disk full") for live in running))

    async def _connected(self, notice: AmiConnected) -> None:
        board = self._board
        board.alarms.clear("ami-lost")
        await agent_leg.out_of_sight(board)
        for _ in range(_TRIES):
            if self._seen_before and await reconcile(board, self, notice):
                break
            if not self._seen_before and await take_over(board, self, notice):
                self._seen_before = True
                await attestation.review(board)
                self._sealing = board.spawn(sealing.after_start(board), "sealing-left-over")
                break
        self.ready.set()

    def _guarded(self, fact: Translated) -> None:
        """One bad event never harms another call: it is an alarm, and the loop goes on."""
        try:
            self.handle(fact)
        except Exception as error:
            _log.critical("event failed", fact=type(fact).__name__, error=type(error).__name__)
            self._board.alarms.raise_("event-failed", "an internal fault: report it with the log around this line")

    def handle(self, fact: Translated) -> None:
        """One fact from Asterisk."""
        match fact:
            case OfCall(linked=linked, event=event):
                self._of_call(linked, event)
            case Arrival(linked=linked, leg=leg, did=did, at=at):
                self._board.calls.receive(linked, leg, at, Direction.INBOUND, did)
            case LegState(leg=leg, state=state, at=at):
                run = self._board.callbacks.by_channel(leg)
                if run is not None and run.attempt is not None and state in (ChannelState.RINGING, ChannelState.UP):
                    self._board.alarms.clear("trunk-refused")
                    if state == ChannelState.UP:
                        run.attempt.answered()
                    else:
                        run.attempt.rang()
                    run.post(Ringing(at) if state == ChannelState.RINGING else Answered(at))
            case DialStarted(leg=leg, dialled=dialled):
                run = self._board.callbacks.by_channel(leg)
                if run is not None:  # whoever comes after it in the line may be dialled
                    self._board.agents.withdraw(run.drop.id)
                elif self._board.callbacks.held(leg) is None:
                    self._strays.began(leg, dialled)
            case DialOutcome(leg=leg, status=status, forward=forward):
                run = self._board.callbacks.by_channel(leg)
                if run is not None and run.attempt is not None:
                    run.attempt.dial_status(status)
                if run is not None or self._board.callbacks.held(leg) is not None:
                    self._strays.led_to(forward)
            case OriginateAnswer(action_id=asked, success=False, at=at):
                self._not_originated(asked, at)
            case MemberChanged(queue=queue, interface=interface):
                self._board.agents.member_changed(queue, interface)
            case MemberGone(interface=interface):
                self._board.spawn(agent_leg.logged_out(self._board, interface), "agent-logout")
            case KeyHeard():
                self._key(fact)
            case FeatureUsed():
                self._feature(fact)
            case StoodIn(linked=linked, leg=leg):
                _log.warning("the dialplan stood in for the service", leg=leg)
                self._board.spawn(look_into_spool(self._board, self), "spool")
            case Unreadable(linked=linked, leg=leg, event=name):
                live = self._board.calls.with_leg(linked, leg)
                if live is not None:
                    self.odd(live, f"a {name} could not be read")
            case EveryCall(event=event):
                for live in self._board.calls:
                    self.deliver(live, event)

    def _not_originated(self, asked: str, at: Instant) -> None:
        if (held := self._board.callbacks.held(asked)) is not None:
            held.refused(at)
        for run in self._board.callbacks:
            if run.attempt is not None and run.attempt.id == asked:
                run.attempt.refused(at)

    def _key(self, heard: KeyHeard) -> None:
        now = self._board.clock.monotonic()
        lasted = None if heard.lasted_ms is None else heard.lasted_ms / 1000
        if (held := self._board.callbacks.held(heard.leg)) is not None:
            held.heard(heard.key)
        if heard.leg in self._board.asked:
            self._board.asked[heard.leg].heard(heard.key, now, lasted)
        live = self._board.calls.of_leg(heard.leg)
        if live is None:
            return
        press = live.keypad.heard(heard.key, now, lasted)
        if (press is None or not press.served) and recording.objects_late(live, heard.key):
            live.recordings.objected = True  # now, so that nothing begins before the objection is written
            if press is not None:
                press.served = True
            late = recorders.object_to_recording(self._board, live, "key 7, before the talk")
            self._board.spawn(late, f"objection-{live.call.leg}")

    def _of_call(self, linked: str, event: CallEvent) -> None:
        leg = getattr(event, "leg", "")
        if isinstance(event, LegEnded):
            self._strays.ended(leg)
        run = self._board.callbacks.by_channel(leg)
        if run is not None and run.attempt is not None:
            if isinstance(event, HangupRequested):
                run.attempt.causes(event.cause, event.tech_cause)
            elif isinstance(event, LegEnded):
                run.attempt.channel_gone(event.at, event.cause)
        if (held := self._board.callbacks.held(leg)) is not None:
            if isinstance(event, BridgeEntered):
                held.bridged()
            elif isinstance(event, LegEnded):
                held.gone(event.at)
        for entangled in self._board.calls.entangled(linked, leg):
            self.odd(entangled, "its Linkedid joins two calls")
        live = self._board.calls.find(linked, event)
        if live is None:
            return
        if isinstance(event, BridgeEntered) and leg == live.call.leg:
            for waiting in self._board.calls.waiting_for(live, event.bridge):
                self.deliver(live, waiting)
        if not isinstance(event, LegEnded) or not look_into_end(self._board, self, live, event):
            self.deliver(live, event)

    def odd(self, live: LiveCall, what: str) -> None:
        """Note, once, that something about the call cannot be: nothing is certain of it any more."""
        if not any(isinstance(known, Oddity) and known.what == what for known in live.call.journal):
            _log.warning("odd call", call=live.id, what=what)
            self.deliver(live, Oddity(self._board.now(), None, what))

    def deliver(self, live: LiveCall, event: CallEvent | SettleDue) -> None:
        """Take the event into the call, and do what follows from it."""
        before = live.call.stage
        commands = live.advance(event)
        if live.call.stage is not before and live.call.phase is Phase.LIVE and live.id is not None:
            self._board.spawn(self._note_stage(live.id, live.call.stage), "stage")
        if not isinstance(event, SettleDue) and recorders.follows(live, event):
            self._board.spawn(recorders.follow(self._board, live, event), f"recording-{live.call.leg}")
        for command in commands:
            self._perform(live, command)

    def _perform(self, live: LiveCall, command: CallCommand) -> None:
        board = self._board
        match command:
            case WaitToSettle(wait_ms=wait_ms):
                loop = asyncio.get_running_loop()
                loop.call_later(wait_ms / 1000, lambda: self.deliver(live, SettleDue(board.now())))
            case Judge():
                board.spawn(after_call(board, live), f"aftermath-{live.call.leg}")
            case Connected(agent=agent, at=at):
                run = board.callbacks.by_channel(live.call.leg)
                if run is not None:
                    run.post(Bridged(at))
                board.spawn(self._note_talk(live, agent), f"talk-{live.call.leg}")

    async def _note_stage(self, call: str, stage: Stage) -> None:
        """Kept while the call lives, so that a crash of ours does not forget how far it had got."""
        try:
            await self._board.log.change_call(call, stage=stage)
        except LogError as error:
            self._board.alarms.raise_("log-unwritable", str(error))

    async def _note_talk(self, live: LiveCall, agent: str | None) -> None:
        """Kept while the call lives, so that a crash of ours forgets neither the agent nor that he is recorded."""
        if live.id is None:
            return
        try:
            await self._board.log.change_call(live.id, agent=agent, queue=live.call.queue)
            await recorders.bridged(self._board, live)
        except LogError as error:
            self._board.alarms.raise_("log-unwritable", str(error))

    async def _pause(self, live: LiveCall, agent: LegId) -> None:
        """The agent hears what came of it, and without a sound nothing did: he is about to be told card data."""
        done = await recorders.pause_or_resume(self._board, live)
        await contract.tell(self._board, agent, contract.TAKEN if done else contract.REFUSED)

    def _feature(self, used: FeatureUsed) -> None:
        live = self._board.calls.with_leg(used.linked, used.leg)
        if live is None:
            return
        if used.feature == "objection":
            work = recorders.object_to_recording(self._board, live, "feature code")
        elif used.feature == "pause" and used.leg != live.call.leg:
            # not by the caller: he must not switch on again what the agent has paused
            work = self._pause(live, used.leg)
        elif used.feature == "attest" and used.leg != live.call.leg:
            agent = live.call.agents.get(used.leg)
            work = attestation.in_the_call(self._board, live, agent.agent if agent else used.leg, used.at)
        else:
            return
        self._board.spawn(work, f"feature-{used.feature}-{live.call.leg}")

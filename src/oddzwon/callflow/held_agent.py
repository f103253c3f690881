"""The agent who holds the line for a callback: rung first, told what it is about, there before the customer is rung.

His leg is his own until the customer's joins it (Asterisk's application Bridge, run by the customer's channel). While
he waits his session with us is open: when this service dies, Asterisk lets him go by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.dialstring import UnsafeDialString, agent_dial_string, shown_to_agent
from oddzwon.asterisk.errors import AgiHangup, AmiError, AmiFateUnknown
from oddzwon.callflow import failpoints
from oddzwon.callflow.agent_leg import ask_about
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.hangup import hang_up_until_gone
from oddzwon.callflow.spoken_ahead import local_time
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback_events import AgentGone, AgentHolds, Stop, cancelled_why
from oddzwon.domain.events import AgentAnswered, Instant, LegId
from oddzwon.log.ids import channel_id
from oddzwon.prompts.errors import PromptError

if TYPE_CHECKING:
    from oddzwon.callflow.dialling import CallbackRun

_log = structlog.get_logger(__name__)

RING_MARGIN_S: Final = 2.0
"""So long after his ringing limit an agent's leg of which nothing was heard is given up."""
READY_S: Final = 30.0
"""Longest wait for an agent to answer the question about the recording."""
RINGING_TONE: Final = ("425/1000", "0/4000")
"""What he hears while the customer is dialled (ITU-T E.180: the ringing tone of most of Europe)."""


class HeldAgent:
    """An agent's leg for one callback, from its Originate until it is bridged or gone.

    ``channel`` is Asterisk's name for it once he has answered; ``asking``: the Originate's answer has not come.
    """

    def __init__(self, board: Switchboard, run: CallbackRun, agent: str) -> None:
        self.agent = agent
        self.leg: LegId = channel_id(board.choices.pbx, f"{run.id}-agent-{secrets.token_hex(4)}")
        self.channel: str | None = None
        self.asking = False
        self._board = board
        self._run = run
        self._over = asyncio.Event()
        self._gone = asyncio.Event()
        self._session_over = asyncio.Event()
        self._asked = asyncio.Event()
        self._asked.set()
        self._released = False
        self._keys = ""
        self._originated_at = float("-inf")
        self._customer: asyncio.Queue[tuple[LiveCall | None, asyncio.Event]] = asyncio.Queue()

    @property
    def over(self) -> bool:
        """Whether he holds the line no more: let go, gone, or talking."""
        return self._over.is_set()

    async def ring(self) -> None:
        """Have his telephone ring; it shows that it is a callback, and to whom."""
        await failpoints.reached(failpoints.RESERVING_COMMITTED)
        board = self._board
        if self.over:  # let go before his turn came
            self._gone.set()
            return
        board.callbacks.hold(self)
        self._asked.clear()
        limit = board.choices.agent_ring_s
        asyncio.get_running_loop().call_later(limit + RING_MARGIN_S, self._not_answered)
        try:
            asking = board.ami.action("Originate", self._order(), action_id=self.leg)
            self.asking = True
            answer = await failpoints.crash_before_answer(failpoints.AGENT_ORIGINATE_SENT, asking)
        except AmiFateUnknown:
            return  # he answers, or his time runs out
        except UnsafeDialString as error:
            board.alarms.raise_("agent-not-dialable", f"an agent could not be rung for a callback: {error}")
            self.gone(board.now(), "not rung")
            return
        except AmiError as error:
            _log.warning("agent not rung", callback=self._run.id, reason=type(error).__name__)
            self.gone(board.now(), "not rung")
            return
        finally:
            self.asking = False
            self._asked.set()
            self._originated_at = board.clock.monotonic()
        if not answer.success:
            _log.warning("agent not rung", callback=self._run.id, reason=answer.message)
            self.gone(board.now(), "not rung")
            return
        board.alarms.clear("agent-not-dialable")

    def _order(self) -> tuple[tuple[str, str], ...]:
        """The Originate's fields; raises UnsafeDialString for what is not one device, or a name that is none."""
        board, run = self._board, self._run
        channel = agent_dial_string(self.agent)
        order = [
            ("Channel", channel),
            ("Context", variables.HOLD_CONTEXT),
            ("Exten", "s"),
            ("Priority", "1"),
            ("Timeout", str(board.choices.agent_ring_s * 1000)),
            (
                "CallerID",
                shown_to_agent(board.choices.agent_display, local_time(run.drop).strftime("%H:%M"), run.number.e164),
            ),
            ("Async", "true"),
            ("ChannelId", self.leg),
            ("Variable", f"{variables.FORWARD_CONTEXT}={variables.MOVED_CONTEXT}"),  # he himself, or nobody
        ]
        if channel.startswith("Local/"):
            order.append(("OtherChannelId", f"{self.leg}-2"))
        if channel.startswith("PJSIP/"):
            order.append(("Variable", f"{variables.HEADER_CALL}={run.drop.id}"))
        return tuple(order)

    # --- what the watch tells ----------------------------------------------------------------------------------

    def heard(self, key: str) -> None:
        """A key of his while he waits: the operator's code for it cancels the callback."""
        code = self._board.choices.cancel_code
        self._keys = (self._keys + key)[-len(code) :]
        if code and self._keys == code and not self.over:
            self._run.stop(Stop.CANCELLED, cancelled_why("code", self.agent))

    def gone(self, at: Instant, why: str = "") -> None:
        """His leg is gone, or there never was one."""
        self._gone.set()
        self._board.callbacks.let_go(self)
        if self._over.is_set():
            return
        self._over.set()
        self._run.agent_gone(self, AgentGone(at, why or ("hung up" if self.channel else "did not answer"), self.leg))

    def refused(self, at: Instant) -> None:
        """Asterisk could not make his leg, or it ended before he answered."""
        if self.channel is None:
            self.gone(at)

    def bridged(self) -> None:
        """He is in a bridge: with the customer, as nobody else knows of him."""
        self._over.set()

    def _not_answered(self) -> None:
        if self.channel is None and not self._over.is_set():
            self.release()
            self._run.agent_gone(self, AgentGone(self._board.now(), "did not answer", self.leg))

    # --- what is done ------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Let him go, whether his telephone rings or he holds the line; who talks by now talks on."""
        if self._over.is_set():
            return
        self._over.set()  # his flow hangs up, also while Asterisk's manager cannot be reached
        self._released = True
        self._board.spawn(self._until_gone(), f"release-{self._run.id}")

    async def _until_gone(self) -> None:
        await self._asked.wait()  # a Hangup that comes too soon is forgotten, and he rings on
        await hang_up_until_gone(self._board, self.leg, self._gone, self._originated_at)

    async def ready_for(self, live: LiveCall, *, ask: bool) -> str | None:
        """The customer wants to go on: the agent's tone ends, and he is asked about the recording if he has a say.

        Returns his channel to bridge with; None: he is not there any more, or was let go since he did not answer.
        """
        done = asyncio.Event()
        self._customer.put_nowait((live if ask else None, done))
        awaited = {asyncio.create_task(e.wait()) for e in (self._over, self._session_over, done)}
        await asyncio.wait(awaited, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in awaited:
            task.cancel()
        if self.over or not done.is_set():
            self.release()  # not to be left on the line while another talks
            return None
        self._board.calls.joined(live, self.leg)
        live.advance(AgentAnswered(self._board.now(), self.leg, self.agent))
        return self.channel

    def session_is_over(self) -> None:
        """His session with us has ended: nothing can be said to him any more, whatever the manager tells of his leg."""
        self._session_over.set()

    # --- his own flow ------------------------------------------------------------------------------------------

    async def serve(self, agi: AgiSession) -> None:
        """What he hears from his answer until the customer is there, or will not be."""
        self.channel = agi.env.get("agi_channel", "")
        await failpoints.reached(failpoints.AGENT_ANSWERED)
        await self._whisper(agi)
        if not self.over:
            await failpoints.reached(failpoints.AGENT_HELD)
            await agi.exec("Playtones", *RINGING_TONE)
        if not self.over:  # Asterisk's event of his end may come before its answer here
            self._run.post(AgentHolds(self._board.now(), self.leg))
            await self._hold(agi)
        if self._released:
            await agi.hangup()

    async def _whisper(self, agi: AgiSession) -> None:
        """That it is a callback, and for which call; an agent who hears nothing still sees it on his telephone."""
        try:
            prompt = await self._run.whisper()
        except PromptError as error:
            self._board.alarms.raise_("agent-whisper", str(error))
            return
        self._board.alarms.clear("agent-whisper")
        await agi.stream_file(str(prompt.path))

    async def _hold(self, agi: AgiSession) -> None:
        while not self.over:
            over = asyncio.create_task(self._over.wait())
            customer = asyncio.create_task(self._customer.get())
            await asyncio.wait({over, customer}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            if not customer.done():
                customer.cancel()
                return
            live, done = customer.result()
            await agi.exec("StopPlaytones")
            if live is not None:
                await ask_about(agi, self._board, live)
            done.set()


async def hold(agi: AgiSession, board: Switchboard) -> None:
    """Serve the agent who answered; one whom nobody waits for any more is let go."""
    held = board.callbacks.held(agi.uniqueid)
    if held is None or held.over:
        await agi.hangup()
        return
    try:
        await held.serve(agi)
    except AgiHangup:
        _log.debug("agent gone", leg=agi.uniqueid)
    finally:
        held.session_is_over()
    # a session that breaks off tells nothing: with Asterisk alive the leg's end does, else the reconnection

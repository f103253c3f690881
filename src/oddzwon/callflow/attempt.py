"""One dial of a callback: committed before it leaves, sent once, and what was said of how it came out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.dialstring import UnsafeDialString, caller_id, trunk_dial_string
from oddzwon.asterisk.errors import AmiFateUnknown, AmiNotSent
from oddzwon.callflow import failpoints
from oddzwon.callflow.hangup import hang_up_until_gone
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback_events import AttemptEnded, AttemptState, CallbackEvent, FateHidden, NeverSent
from oddzwon.domain.events import Instant, LegId
from oddzwon.domain.hangup_cause import Q850, AttemptOutcome, attempt_outcome
from oddzwon.domain.number import Number
from oddzwon.log.errors import LogError

_log = structlog.get_logger(__name__)

ORIGINATE_MARGIN_MS: Final = 1_000
"""A refused Originate that made no channel is believed after this: where there was one, its Hangup tells more."""


@dataclass(frozen=True, slots=True)
class Called:
    """Who is dialled, and the DID that he is shown: the number that he had called."""

    callback: str
    number: Number
    did: str


class Attempt:
    """A dial that the log holds. ``id`` is its row's, ``channel_id`` its own channel's. It posts what becomes of it.

    ``asking``: its Originate is under way, and the answer has not come.
    """

    def __init__(
        self, board: Switchboard, called: Called, row: tuple[str, LegId], post: Callable[[CallbackEvent], None]
    ) -> None:
        self.id, self.channel_id = row
        self.asking = False
        self._board = board
        self._called = called
        self._post = post
        self._gone = asyncio.Event()
        self._asked = asyncio.Event()
        self._asked.set()
        self._rang = self._answered = False
        self._originated_at = float("-inf")
        self._causes: tuple[int | None, int | None] = (None, None)
        self._dial_status: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether its channel is known to be gone, or never to have been."""
        return self._gone.is_set()

    # --- what the watch tells ----------------------------------------------------------------------------------

    def causes(self, cause: int | None, tech_cause: int | None) -> None:
        """What the channel said of why it ends; the first word counts."""
        if self._causes == (None, None):
            self._causes = (cause, tech_cause)

    def dial_status(self, status: str) -> None:
        """DIALSTATUS of the dial."""
        self._dial_status = status

    def rang(self) -> None:
        """The telephone rings: there is a channel, and its end will be told."""
        self._rang = True

    def answered(self) -> None:
        """Somebody, or something, has answered: from now on no cause is the trunk's refusal."""
        self._answered = True

    def channel_gone(self, at: Instant, cause: int | None) -> None:
        """The channel is gone, or there never was one."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._board.pace.give_back(self._called.callback)
        said, tech = self._causes
        outcome = attempt_outcome(said if said is not None else cause, tech, self._dial_status)
        if outcome in (AttemptOutcome.ANSWERED, AttemptOutcome.CANCELLED):
            # before an answer this is our own ring limit; after one the outcome is not asked
            outcome = AttemptOutcome.NO_ANSWER
        if not self._answered and (outcome.trunk_fault or outcome is AttemptOutcome.FAILED):
            self._board.alarms.raise_("trunk-refused", f"a callback could not be dialled ({outcome}): is the trunk up?")
        # a plain BYE says 0 in queue, playback and AGI, and 16 when bridged: the same thing (Q.850)
        shown = said or cause
        self._post(AttemptEnded(at, outcome, Q850.NORMAL_CLEARING if shown == 0 else shown))

    def gone_unseen(self) -> None:
        """Asterisk knows its channel no more: the end of a dial that was broken off came while we were blind."""
        self._gone.set()
        self._board.pace.give_back(self._called.callback)

    def refused(self, at: Instant) -> None:
        """Asterisk could not make the call; where it had made a channel, its end says why and comes first."""
        self._later(ORIGINATE_MARGIN_MS, lambda: None if self._answered else self.channel_gone(at, None))

    # --- what is done --------------------------------------------------------------------------------------------

    async def originate(self) -> None:
        """Send the Originate, once: never again, whatever is heard of it."""
        board = self._board
        self._asked.clear()
        try:
            asking = board.ami.action("Originate", self._order(), action_id=self.id)
            self.asking = True
            answer = await failpoints.crash_before_answer(failpoints.ORIGINATE_SENT, asking)
        except (AmiNotSent, UnsafeDialString) as error:
            _log.warning("originate not sent", attempt=self.id, reason=type(error).__name__)
            self.never_sent()
            return
        except AmiFateUnknown:
            # looked up when the connection is back; never sent again. If it was never lost, the channel would have told
            board.alarms.raise_("originate-fate-unknown", "Asterisk did not answer an Originate; see its log")
            self._later(board.choices.ring_limit_ms + ORIGINATE_MARGIN_MS, self._nothing_was_heard)
            return
        finally:
            self.asking = False
            self._asked.set()
            self._originated_at = board.clock.monotonic()
        board.alarms.clear("originate-fate-unknown")
        if not answer.success:
            board.alarms.raise_("originate-refused", f"Asterisk refused an Originate: {answer.message}")
            self._gone.set()
            board.pace.give_back(self._called.callback)
            self._post(AttemptEnded(board.now(), AttemptOutcome.FAILED))
            return
        board.alarms.clear("originate-refused")
        await failpoints.reached(failpoints.ORIGINATE_ANSWERED)
        try:
            await board.log.attempt_state(self.id, AttemptState.DIALLING, at=board.now())
        except LogError as error:
            board.alarms.raise_("callback-not-written", str(error))
        await failpoints.reached(failpoints.DIALLING_COMMITTED)

    def never_sent(self) -> None:
        """The Originate provably has not left, and will not: no phone rings."""
        self._gone.set()
        self._board.pace.give_back(self._called.callback)
        self._post(NeverSent(self._board.now()))

    def _nothing_was_heard(self) -> None:
        if not (self._gone.is_set() or self._rang or self._answered):
            self.gone_unseen()
            self._post(FateHidden(self._board.now()))

    def _order(self) -> tuple[tuple[str, str], ...]:
        """The Originate's fields; raises UnsafeDialString for anything but a validated number and our own DID."""
        choices = self._board.choices
        return (
            ("Channel", trunk_dial_string(choices.trunk, self._called.number.e164)),
            ("Context", variables.CALLBACK_CONTEXT),
            ("Exten", "s"),
            ("Priority", "1"),
            ("Timeout", str(choices.ring_limit_ms)),
            ("CallerID", caller_id(self._called.did)),
            ("Async", "true"),
            ("ChannelId", self.channel_id),
            ("Variable", f"{variables.ATTEMPT}={self.id}"),
            # a 302 names whom it likes: it is not followed, for the number we may call is this one alone
            ("Variable", f"{variables.FORWARD_CONTEXT}={variables.MOVED_CONTEXT}"),
        )

    def hang_up(self, why: str) -> None:
        """End the dial at once, ringing or answered."""
        live = self._board.calls.of_leg(self.channel_id)
        if live is not None:
            self._board.calls.hung_up_by_us(live, self._board.now(), why)
        self._board.spawn(self.until_gone(), f"hangup-{self.id}")

    async def until_gone(self) -> None:
        """Hang up until the channel is gone; not before its Originate is answered (:mod:`oddzwon.callflow.hangup`)."""
        await self._asked.wait()
        await hang_up_until_gone(self._board, self.channel_id, self._gone, self._originated_at)

    def _later(self, ms: int, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(ms / 1000, what)

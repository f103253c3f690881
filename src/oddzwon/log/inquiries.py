"""The reading part of the call log's interface: questions that the service asks while calls go on.

They run in a thread and on a read-only connection of their own; what was acknowledged before is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import TypeVar

from oddzwon.domain.caps import Caps, DialCounts, prefix_of
from oddzwon.domain.events import Instant
from oddzwon.log import reading
from oddzwon.log.fates import fates
from oddzwon.log.reader import Reader
from oddzwon.log.records import (
    AttemptRow,
    Attestation,
    CallRow,
    Counts,
    Drop,
    Ending,
    Fact,
    OpenCallback,
    Receipt,
    Standing,
    Switched,
    Unjudged,
)

T = TypeVar("T")


class Inquiries:
    """What :class:`~oddzwon.log.call_log.CallLog` answers. Every method raises LogError when it cannot."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def _read(self, query: Callable[[Connection], T]) -> T:
        return await self._reader.run(query)

    async def call(self, call: str) -> CallRow | None:
        """The call with this id."""
        return await self._read(lambda db: reading.call(db, call))

    async def call_of_leg(self, pbx: str, leg: str) -> CallRow | None:
        """The call whose caller leg is this Uniqueid; the newest, should a PBX have used it twice."""
        return await self._read(lambda db: reading.call_of_leg(db, pbx, leg))

    async def open_calls(self, pbx: str | None = None) -> tuple[CallRow, ...]:
        """Calls without an end, oldest first; ``pbx`` limits them to one."""
        return await self._read(lambda db: reading.open_calls(db, pbx))

    async def unjudged_calls(self) -> tuple[Unjudged, ...]:
        """Calls without verdict or (inbound ones) without decision, oldest first; the open ones are among them."""
        return await self._read(reading.unjudged_calls)

    async def receipts(self, call: str) -> tuple[Receipt, ...]:
        """What was played in the call, in order."""
        return await self._read(lambda db: reading.receipts(db, call))

    async def complete_notice(self, call: str, prompt: str = "L1") -> bool:
        """Whether a complete receipt of this prompt stands in the call; by default of layer 1."""
        return await self._read(lambda db: reading.complete_notice(db, call, prompt))

    async def facts(self, call: str) -> tuple[Fact, ...]:
        """The call's journal, in order."""
        return await self._read(lambda db: reading.facts(db, call))

    async def ending(self, call: str) -> Ending | None:
        """The latest verdict on the call's ending."""
        return await self._read(lambda db: reading.ending(db, call))

    async def decided(self, call: str) -> bool:
        """Whether nothing is left to decide on this call: its latest verdict has a decision, or it has its callback."""
        return await self._read(lambda db: reading.decided(db, call))

    async def attestations(self, call: str) -> tuple[Attestation, ...]:
        """What was attested of this call, in order."""
        return await self._read(lambda db: reading.attestations(db, call))

    async def attested_since(self, pbx: str, since: Instant) -> tuple[CallRow, ...]:
        """The PBX's ended calls that were attested since then, and after their latest verdict; oldest first."""
        return await self._read(lambda db: reading.attested_since(db, pbx, since))

    async def latest_of_agent(self, pbx: str, agent: str, since: Instant) -> CallRow | None:
        """The call that this agent (an interface) had last, among those ended at or after ``since``."""
        return await self._read(lambda db: reading.latest_of_agent(db, pbx, agent, since))

    async def open_callbacks(self) -> tuple[OpenCallback, ...]:
        """Every callback that is not final, oldest first."""
        return await self._read(reading.open_callbacks)

    async def open_callback_for(self, number_key: str) -> OpenCallback | None:
        """The one callback to this number that is not final: DUPLICATE, and what a redial cancels."""
        return await self._read(lambda db: reading.open_callback_for(db, number_key))

    async def attempts(self, callback: str) -> tuple[AttemptRow, ...]:
        """The callback's attempts, in order."""
        return await self._read(lambda db: reading.attempts(db, callback))

    async def counts(self, callback: str) -> Counts:
        """Dials and answers of one callback."""
        return await self._read(lambda db: reading.counts(db, callback))

    async def counts_for(self, number_key: str, since: Instant) -> Counts:
        """Dials and answers of every callback to this number since then, final ones included."""
        return await self._read(lambda db: reading.counts_for(db, number_key, since))

    async def earlier_counts(self, call: str) -> Counts:
        """Dials and answers of the callbacks of every call that this one resumes, however far back."""
        return await self._read(lambda db: reading.earlier_counts(db, call))

    async def dial_counts(self, number: str, caps: Caps, now: Instant) -> DialCounts:
        """The dials that one more to this number (E.164) would be held against at ``now``.

        A look ahead: what counts is asked again by :meth:`CallLog.commit_attempt`, where nothing can come between.
        """
        prefix = prefix_of(number, caps.prefix_digits)
        return await self._read(lambda db: reading.dial_counts(db, number, prefix, now))

    async def switched(self) -> Switched | None:
        """The latest turn of the kill switch; None: it was never turned, callbacks are on."""
        return await self._read(reading.switched)

    async def fates(self, calls: Sequence[str]) -> dict[str, str]:
        """What became of these dropped calls: see :func:`oddzwon.log.fates.fates`."""
        return await self._read(lambda db: fates(db, calls))

    async def callback_of(self, call: str) -> str | None:
        """The id of the callback for this dropped call: there is at most one."""
        return await self._read(lambda db: reading.callback_of(db, call))

    async def standing(self, number_key: str, call: str, lost_at: Instant) -> Standing:
        """What stands for or against calling this number back after ``call`` was lost at ``lost_at``, of one moment."""
        return await self._read(lambda db: reading.standing(db, number_key, call, lost_at))

    async def objected(self, number_key: str, scope: str) -> bool:
        """Whether an objection of this scope stands in the register."""
        return await self._read(lambda db: reading.objected(db, number_key, scope))

    async def objected_in_call(self, call: str, scope: str) -> bool:
        """Whether an objection of this scope was made in this very call and stands."""
        return await self._read(lambda db: reading.objected_in_call(db, call, scope))

    async def restricted(self, number_key: str) -> bool:
        """Whether a restriction stands."""
        return await self._read(lambda db: reading.restricted(db, number_key))

    async def inbound_after(self, number_key: str, instant: Instant, *, other_than: str | None = None) -> str | None:
        """The first inbound call of this number begun after ``instant``: REDIALLED. ``other_than`` is passed over."""
        return await self._read(lambda db: reading.inbound_after(db, number_key, instant, other_than))

    async def recent_drop_for(self, number_key: str, since: Instant) -> Drop | None:
        """The number's latest inbound call that was cut off with ``lost_at`` ≥ ``since``: what a redial resumes."""
        return await self._read(lambda db: reading.recent_drop_for(db, number_key, since))

"""The call log's one narrow interface: its writing part; the reading part and the recordings' are inherited.

Each write is one transaction, acknowledged only when it is on the disk. Write, then act (design, rule 2.1): a method
that has returned is durable; one that raised has written nothing. A write that was handed over is carried out even if
the task that awaits it is cancelled.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.caps import Caps
from oddzwon.domain.events import Instant
from oddzwon.log import writing
from oddzwon.log.ids import Entropy
from oddzwon.log.reader import Reader
from oddzwon.log.recording_log import RecordingLog
from oddzwon.log.records import (
    AttemptRow,
    Attestation,
    Condition,
    Decision,
    Ending,
    Fact,
    NewCall,
    Party,
    Receipt,
    Switched,
)
from oddzwon.log.writer import Writer


class CallLog(RecordingLog):
    """The call log of one file. Open it with :meth:`open`, as an async context manager or with :meth:`close`.

    Every method raises a :class:`~oddzwon.log.errors.LogError`; those that write raise
    :class:`~oddzwon.log.errors.LogRefused` when the schema refuses the row, with the rule's name.
    """

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        busy_timeout_ms: int = 2_000,
        queue_limit: int = 10_000,
        entropy: Entropy = secrets.token_bytes,
    ) -> CallLog:
        """Open or create the log at ``path`` and bring its schema up to date.

        ``busy_timeout_ms``: how long to wait for another process's lock. ``queue_limit``: writes that may wait.
        Raises LogTooNew, LogCorrupt, LogLocked, LogReadOnly, LogFull or LogUnavailable.
        """
        writer = await Writer.open(path, busy_timeout_ms=busy_timeout_ms, queue_limit=queue_limit)
        try:
            reader = await Reader.open(path, busy_timeout_ms=busy_timeout_ms)
        except BaseException:
            await writer.close()
            raise
        return cls(writer, reader, entropy)

    @property
    def path(self) -> Path:
        """The file."""
        return self._writer.path

    async def close(self) -> None:
        """Write all that was handed over, then close. Later calls raise LogClosed; a second close does nothing."""
        await self._reader.close()
        await self._writer.close()

    async def __aenter__(self) -> CallLog:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- the call -------------------------------------------------------------------------------------------------

    async def arrive(self, new: NewCall, *, attempt: str | None = None) -> str:
        """Log a call that has arrived; returns its id. ``attempt``: the attempt whose call this is, tied at once.

        Refused: ``leg-logged-once`` when the same leg of the same PBX is there already.
        """
        call = self._id("call", new.started_at)
        await self._write(lambda db: writing.arrive(db, call, new, attempt))
        return call

    async def change_call(
        self,
        call: str,
        *,
        stage: str | None = None,
        language: str | None = None,
        menu_key: str | None = None,
        queue: str | None = None,
        agent: str | None = None,
        preset: str | None = None,
        resumes: str | None = None,
        party: Party | None = None,
    ) -> None:
        """Note how far the call has got; None leaves a field as it is. A known party cannot become another."""
        columns = {
            "stage": stage,
            "language": language,
            "menu_key": menu_key,
            "queue": queue,
            "agent": agent,
            "preset": preset,
            "resumes": resumes,
        }
        await self._write(lambda db: writing.change_call(db, call, columns, party))

    async def receipt(self, call: str, receipt: Receipt) -> int:
        """Log what was played; returns the receipt's id, which a recording names as its announcement."""
        return await self._write(lambda db: writing.receipt(db, call, receipt))

    async def journal(self, call: str, facts: Sequence[Fact]) -> None:
        """Append facts to the call's journal, in the given order."""
        await self._write(lambda db: writing.journal(db, call, facts))

    async def end_call(
        self,
        call: str,
        *,
        ended_at: Instant,
        lost_at: Instant,
        stage: str | None = None,
        queue: str | None = None,
        agent: str | None = None,
        menu_key: str | None = None,
        lost_boot: BootInstant | None = None,
    ) -> None:
        """Log the caller leg's hang-up, once. ``lost_at``: its last inbound media, else its hang-up.

        ``lost_boot``: the same moment by the clock since boot, where it is known.

        Refused: ``call-ends-once`` when another end is already there.
        """
        columns = {"stage": stage, "queue": queue, "agent": agent, "menu_key": menu_key}
        await self._write(lambda db: writing.end_call(db, call, ended_at, lost_at, columns, lost_boot=lost_boot))

    async def conclude(
        self,
        call: str,
        ending: Ending,
        journal: Sequence[Fact] = (),
        *,
        ended_at: Instant,
        lost_at: Instant,
        queue: str | None = None,
        agent: str | None = None,
        menu_key: str | None = None,
        lost_boot: BootInstant | None = None,
    ) -> str | None:
        """:meth:`end_call` and :meth:`settle` in one transaction; returns the drop's id if it was a fault."""
        made = self._id("end", ending.at)
        drop = self._id("drop", ending.at) if ending.technical else None
        columns = {"stage": ending.stage, "queue": queue, "agent": agent, "menu_key": menu_key}

        def both(db: Connection) -> None:
            writing.end_call(db, call, ended_at, lost_at, columns, lost_boot=lost_boot)
            writing.settle(db, call, ending, made=made, facts=journal, drop=drop)

        await self._write(both)
        return drop

    async def record_access(self, *, by: str, what: str, reason: str, at: Instant) -> None:
        """Log that whole numbers were shown: to whom, of what, and why. Refused: ``access-needs-a-reason``."""
        await self._write(lambda db: writing.record_access(db, by, what, reason, at))

    async def attest(self, call: str, word: Attestation, fact: Fact | None = None) -> None:
        """Log somebody's word that the call was cut off; ``fact`` is its line in the journal of a call that has ended.

        Refused: ``attestation-only-for-inbound``, ``attestation-needs-a-person``, ``attestation-needs-a-reason``.
        """
        await self._write(lambda db: writing.attest(db, call, word, fact))

    async def settle(self, call: str, ending: Ending, journal: Sequence[Fact] = ()) -> str | None:
        """Log a verdict on a call's ending with its evidence; returns the drop's id if it was a fault.

        A call has one drop: a later verdict (``ending.n``) that finds one there leaves it as it is. Refused:
        ``ending-again-needs-attestation``.
        """
        drop = self._id("drop", ending.at) if ending.technical else None
        made = self._id("end", ending.at)
        await self._write(lambda db: writing.settle(db, call, ending, made=made, facts=journal, drop=drop))
        return drop

    # --- the callback ---------------------------------------------------------------------------------------------

    async def keep_policy(self, digest: str, values: str, at: Instant) -> None:
        """Keep a policy's values (JSON) under its hash, once, so that a decision's ``policy`` can be read for ever."""
        await self._write(lambda db: writing.keep_policy(db, digest, values, at))

    async def decide(self, call: str, decision: Decision) -> str | None:
        """Log the decision and, if it is positive, the callback (state ``waiting``); returns the callback's id.

        Both or neither are written. Refused among others: ``one-open-callback-per-number`` when another callback
        to that number was made meanwhile, ``callback-objected`` when an objection came: decide again on new facts.
        """
        made = self._id("dec", decision.at)
        callback = self._id("cb", decision.at) if decision.allowed else None
        await self._write(lambda db: writing.decide(db, call, made, decision, callback))
        return callback

    async def callback_state(self, callback: str, state: str, *, at: Instant, why: str = "") -> None:
        """Move the callback on and log when and why (words, no numbers). A final state cannot be left."""
        await self._write(lambda db: writing.callback_state(db, callback, state, at, why))

    async def commit_attempt(
        self,
        callback: str,
        n: int,
        *,
        at: Instant,
        conditions: Sequence[Condition],
        callback_state: str = "dialling",
        caps: Caps | None = None,
    ) -> AttemptRow:
        """Log the attempt (state ``committed``) with the dial gate's results, before its Originate leaves.

        The ChannelId comes from the attempt's key. Refused: ``attempt-gate`` unless every condition of DIAL_CODES
        is there and passed, ``attempt-number-once``, ``one-open-attempt-per-callback``, ``attempt-after-lost``
        when an earlier one is ``lost`` and its channel not proven never to have existed, ``attempt-objected``,
        ``attempt-cap`` when one more dial would pass one of ``caps``: the error's text names it.
        """
        made = self._id("att", at)
        return await self._write(
            lambda db: writing.commit_attempt(
                db, callback, n, made=made, at=at, conditions=conditions, state=callback_state, caps=caps
            )
        )

    async def link_attempt_call(self, attempt: str, call: str) -> None:
        """Tie the attempt to its own call (direction callback), once its channel has entered the flow."""
        await self._write(lambda db: writing.link_attempt_call(db, attempt, call))

    async def attempt_state(
        self,
        attempt: str,
        state: str,
        *,
        at: Instant,
        cause: int | None = None,
        never_existed: bool = False,
        callback_state: str | None = None,
        why: str = "",
    ) -> None:
        """Move the attempt on, and its callback too if ``callback_state`` is given, in one transaction.

        ``cause`` is Q.850. ``never_existed``: it is proven that the channel never was (only with ``lost``).
        """
        await self._write(
            lambda db: writing.attempt_state(
                db,
                attempt,
                state,
                at=at,
                cause=cause,
                never_existed=never_existed,
                callback_to=callback_state,
                why=why,
            )
        )

    async def turn_switch(self, turned: Switched) -> None:
        """Log that callbacks were turned off, or on again. Refused: ``switch-…``."""
        await self._write(lambda db: writing.turn_switch(db, turned))

    # --- the registers --------------------------------------------------------------------------------------------

    async def record_objection(
        self, *, number_key: str | None, scope: str, at: Instant, channel: str, call: str | None = None
    ) -> None:
        """Register an objection (Art. 21). A withheld number has no key: the mark on ``call`` still counts."""
        await self._write(lambda db: writing.record_objection(db, number_key, scope, at=at, channel=channel, call=call))

    async def withdraw_objection(
        self, *, number_key: str | None, scope: str, at: Instant, call: str | None = None
    ) -> int:
        """Withdraw every standing objection of the number, or the mark on the call; returns how many."""
        return await self._write(lambda db: writing.withdraw_objection(db, number_key, scope, at, call))

    async def restrict(self, *, number_key: str, at: Instant) -> None:
        """Register a restriction (Art. 18)."""
        await self._write(lambda db: writing.restrict(db, number_key, at))

    async def lift_restriction(self, *, number_key: str, at: Instant) -> int:
        """Lift every standing restriction of the number; returns how many."""
        return await self._write(lambda db: writing.lift_restriction(db, number_key, at))

"""The recordings' part of the call log's interface: the consent, the file, its key, and what became of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TypeVar

from oddzwon.domain.events import Instant
from oddzwon.log import recording_reading as reading
from oddzwon.log import recording_writing as writing
from oddzwon.log.ids import Entropy, new_id
from oddzwon.log.inquiries import Inquiries
from oddzwon.log.reader import Reader
from oddzwon.log.recording_records import (
    AgentConsent,
    ConsentRow,
    Hold,
    NewRecording,
    RecordingRow,
    Seal,
    Sealed,
    Wrapped,
)
from oddzwon.log.writer import Operation, Writer

T = TypeVar("T")


class RecordingLog(Inquiries):
    """What :class:`~oddzwon.log.call_log.CallLog` knows of recordings. Errors as there."""

    def __init__(self, writer: Writer, reader: Reader, entropy: Entropy = secrets.token_bytes) -> None:
        super().__init__(reader)
        self._writer = writer
        self._entropy = entropy

    def _id(self, prefix: str, at: Instant) -> str:
        return new_id(prefix, at, self._entropy)

    async def _write(self, operation: Operation[T], *, erases: bool = False) -> T:
        return await self._writer.run(operation, erases=erases)

    # --- in the call ----------------------------------------------------------------------------------------------

    async def arm_recording(self, call: str, recording: NewRecording) -> str:
        """Log a recording before MixMonitor is started; returns its id.

        Refused (``recording-…``) unless the announcement was complete, of this call, before the start, of the
        regime's kind, not answered with key 7, and for REC_CONSENT answered with key 1; where the preset is ``de``
        unless the caller was asked and the agent's consent stands (legal.md sections C and F).
        """
        made = self._id("rec", recording.started_at)
        await self._write(lambda db: writing.arm_recording(db, made, call, recording))
        return made

    async def recording_state(self, recording: str, state: str, *, at: Instant, why: str = "") -> None:
        """One of RECORDING_OPEN, RECORDING_CLOSED or RECORDING_FINAL, with when and why (words, no numbers).

        What is deleted stays so. Refused: ``recording-held`` when a hold stands, ``recording-deleted-with-its-key``
        for what is sealed: that is :meth:`destroy_recording`.
        """
        await self._write(lambda db: writing.recording_state(db, recording, state, at, why))

    async def recording_mix(self, recording: str, mix: str) -> None:
        """Note the MixMonitorID that Asterisk gave."""
        await self._write(lambda db: writing.recording_mix(db, recording, mix))

    async def record_agent_consent(self, consent: AgentConsent) -> int:
        """Log an agent's answer; returns the id that a recording names. Refused: ``consent-…``."""
        return await self._write(lambda db: writing.agent_consent(db, consent))

    async def consent_on_file(self, reference: str, at: Instant) -> int:
        """The id of the operator's word, by this ``reference``, that every agent's consent is on file."""
        return await self._write(lambda db: writing.consent_on_file(db, reference, at))

    async def end_agent_consent(self, agent: str, at: Instant) -> int:
        """Log that an agent's answers count no longer, by his logout; returns 1 if any did."""
        return await self._write(lambda db: writing.end_agent_consent(db, agent, at))

    async def end_agent_consents(self, at: Instant) -> int:
        """Log that no agent's answer counts any longer: who has logged out was not seen; returns how many agents'."""
        return await self._write(lambda db: writing.end_agent_consents(db, at))

    async def agent_consent(self, agent: str, version: str, sha256: str, at: Instant) -> ConsentRow | None:
        """The agent's latest answer to this very question, yes or no, if it counts at ``at``; None: ask him.

        ``version`` is that of the question's text, ``sha256`` of its audio: another purpose is another question.
        """
        return await self._read(lambda db: reading.agent_consent(db, agent, version, sha256, at))

    # --- at rest --------------------------------------------------------------------------------------------------

    async def seal_recording(self, recording: str, seal: Seal, wrapped: Wrapped, at: Instant) -> None:
        """Log the sealed file and its wrapped key, both or neither. The file must stand on the disk before.

        Refused: ``seal-needs-a-finished-recording``, ``recording-key-once`` (sealed already, or destroyed).
        """
        await self._write(lambda db: writing.seal_recording(db, recording, seal, wrapped, at))

    async def destroy_recording(self, recording: str, at: Instant, why: str) -> tuple[str, ...]:
        """Destroy the recording's key and mark it deleted; returns the files that are now to be removed.

        The key is gone from the database's bytes, too: overwritten, and the journal emptied; should somebody read
        an old state at this very moment, then as soon as he has ended. Refused: ``recording-key-held``.
        """
        return await self._write(lambda db: writing.destroy_recording(db, recording, at, why), erases=True)

    async def rewrap(self, recordings: Sequence[tuple[str, Wrapped, Wrapped]]) -> int:
        """Put each recording's new wrapping (the third) in place of its old one; returns how many were."""
        return await self._write(lambda db: writing.rewrap(db, recordings), erases=True)

    async def hold(self, recording: str, hold: Hold, at: Instant) -> None:
        """Keep the recording whatever its retention says. Refused: ``hold-…``, among them one on what is deleted."""
        await self._write(lambda db: writing.hold(db, recording, hold, at))

    async def release(self, recording: str, *, reference: str | None, by: str, why: str, at: Instant) -> int:
        """End the recording's hold of this reference (None: every one); returns how many stood."""
        return await self._write(lambda db: writing.release(db, recording, reference, by=by, why=why, at=at))

    # --- questions ------------------------------------------------------------------------------------------------

    async def recording(self, recording: str) -> RecordingRow | None:
        """The recording with this id."""
        return await self._read(lambda db: reading.recording(db, recording))

    async def recordings(self, call: str) -> tuple[RecordingRow, ...]:
        """The call's recordings, oldest first."""
        return await self._read(lambda db: reading.recordings(db, call))

    async def unsealed_recordings(self, pbx: str) -> tuple[RecordingRow, ...]:
        """The PBX's recordings that are open, or finished and not sealed; oldest first."""
        return await self._read(lambda db: reading.unsealed_recordings(db, pbx))

    async def sealed(self, recording: str) -> Sealed | None:
        """The recording's seal and wrapped key; None: it is not sealed."""
        return await self._read(lambda db: reading.sealed(db, recording))

    async def holds(self, recording: str) -> tuple[str, ...]:
        """The references of the holds that stand on the recording."""
        return await self._read(lambda db: reading.holds(db, recording))

    async def recording_restricted(self, recording: str) -> bool:
        """Whether a restriction (Art. 18) stands for the person in the recording."""
        return await self._read(lambda db: reading.recording_restricted(db, recording))

    async def wrapped_otherwise(
        self, key_id: str, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[tuple[str, Wrapped], ...]:
        """At most ``limit`` recordings whose key is wrapped with another key than this, with that wrapping.

        By the wrapping key's id and the recording's, from behind the pair ``after``.
        """
        return await self._read(lambda db: reading.wrapped_otherwise(db, key_id, limit, after))

    async def count_wrapped_otherwise(self, key_id: str) -> int:
        """How many recordings' keys are wrapped with another key than this; goes through all of them."""
        return await self._read(lambda db: reading.count_wrapped_otherwise(db, key_id))

    async def wrapping_keys(self) -> frozenset[str]:
        """The ids of the operator's keys that wrap any recording's."""
        return await self._read(reading.wrapping_keys)

    async def files_to_remove(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that should be gone: plain files of sealed recordings, files of deleted ones."""
        return await self._read(lambda db: reading.files_to_remove(db, names))

"""The operator's keys in the running service: what seals a recording's key into the log, opens it, and renews them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from oddzwon.domain.events import Instant
from oddzwon.log.call_log import CallLog
from oddzwon.log.recording_records import Seal, Wrapped
from oddzwon.recordings.keyring import KeyRing
from oddzwon.recordings.sealing import SealedFile

BATCH: Final = 500
"""Keys wrapped anew in one transaction: calls wait no longer than for that."""


class RecordingKeys:
    """The key ring, and what must not happen at once: a key is committed by the ring it was wrapped with."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._lock = asyncio.Lock()

    async def commit(self, log: CallLog, recording: str, sealed: SealedFile, at: Instant) -> None:
        """Log the sealed file with its key, wrapped; raises LogError. After it the plain file may go."""
        seal = Seal(sealed.name, sealed.plain_sha256, sealed.sealed_sha256, sealed.plain_bytes, sealed.duration_ms)
        # a key wrapped before the ring is renewed and committed after the old keys were dropped could never be opened
        async with self._lock:
            wrapped = Wrapped(*self._ring.wrap(recording, sealed.key))
            await log.seal_recording(recording, seal, wrapped, at)

    def unwrap(self, recording: str, wrapped: Wrapped) -> bytes:
        """A recording's own key; raises KeyNotThere."""
        return self._ring.unwrap(recording, wrapped.key_id, wrapped.blob)

    async def renew(self, log: CallLog) -> int:
        """Put a new key in front of the file; returns how many recordings' keys are to be wrapped anew.

        A renewal that was broken off (the file holds several keys) is gone on with instead. The file is read again
        first: keys that somebody has put back since the start stay in it. Raises KeyFileError, KeyNotThere (one is
        missing that wraps recordings, or that we have wrapped with: nothing changes), OSError, LogError.
        """
        async with self._lock:
            self._ring = await asyncio.to_thread(self._ring.read_again, await log.wrapping_keys())
            if len(self._ring.keys) == 1:
                self._ring = await asyncio.to_thread(self._ring.renewed)
        return await log.count_wrapped_otherwise(self._ring.newest.id)

    async def rewrap_some(self, log: CallLog) -> int:
        """Wrap the next :data:`BATCH` keys anew; returns how many there were. At 0 the old keys have left the file.

        Raises KeyNotThere (then none leaves it), OSError, LogError.
        """
        batch = await log.wrapped_otherwise(self._ring.newest.id, BATCH)
        if batch:
            await log.rewrap(await asyncio.to_thread(self._rewrapped, batch))
        else:
            async with self._lock:
                self._ring = await asyncio.to_thread(self._ring.newest_only)
        return len(batch)

    def _rewrapped(self, batch: Sequence[tuple[str, Wrapped]]) -> list[tuple[str, Wrapped, Wrapped]]:
        return [(name, old, Wrapped(*self._ring.wrap(name, self.unwrap(name, old)))) for name, old in batch]

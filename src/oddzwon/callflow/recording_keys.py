"""The operator's keys in the running service: what seals a recording's key into the log, opens it, and renews them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from oddzwon.domain.events import Instant
from oddzwon.log.call_log import CallLog
from oddzwon.log.recording_records import Seal, Wrapped
from oddzwon.recordings.errors import KeyNotThere
from oddzwon.recordings.keyring import KeyRing
from oddzwon.recordings.sealing import SealedFile

_log = structlog.get_logger(__name__)

BATCH: Final = 500
"""Keys wrapped anew in one transaction: calls wait no longer than for that."""
_BEGINNING: Final = ("", "")


class RecordingKeys:
    """The key ring, and what must not happen at once: a key is committed by the ring it was wrapped with."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._lock = asyncio.Lock()
        self._behind = _BEGINNING
        self._stuck: set[str] = set()

    @property
    def stuck(self) -> tuple[str, ...]:
        """The recordings whose keys could not be wrapped anew since :meth:`renew`: their wrapping does not open."""
        return tuple(sorted(self._stuck))

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

        A renewal that was broken off before anything was wrapped (several keys, and the first one wraps nothing) is
        gone on with instead. The file is read again first: keys that somebody has put back since the start stay in it.
        Raises KeyFileError, KeyNotThere (one is missing that wraps recordings, or that we have wrapped with: nothing
        changes), OSError, LogError.
        """
        async with self._lock:
            used = await log.wrapping_keys()
            self._ring = await asyncio.to_thread(self._ring.read_again, used)
            if len(self._ring.keys) == 1 or self._ring.newest.id in used:
                self._ring = await asyncio.to_thread(self._ring.renewed)
            self._behind, self._stuck = _BEGINNING, set()
        return await log.count_wrapped_otherwise(self._ring.newest.id)

    async def rewrap_some(self, log: CallLog) -> int:
        """Wrap the next :data:`BATCH` keys anew; returns how many were looked at. At 0 the old keys have left the file.

        One whose wrapping does not open is passed over (:attr:`stuck`), and the key that it names stays in the file.
        Raises OSError, LogError.
        """
        batch = await log.wrapped_otherwise(self._ring.newest.id, BATCH, self._behind)
        if batch:
            await log.rewrap(await asyncio.to_thread(self._rewrapped, batch))
            recording, old = batch[-1]
            self._behind = (old.key_id, recording)
        else:
            async with self._lock:
                used = await log.wrapping_keys()
                self._ring = await asyncio.to_thread(self._ring.without_unused, used)
        return len(batch)

    def _rewrapped(self, batch: Sequence[tuple[str, Wrapped]]) -> list[tuple[str, Wrapped, Wrapped]]:
        made = []
        for name, old in batch:
            try:
                made.append((name, old, Wrapped(*self._ring.wrap(name, self.unwrap(name, old)))))
            except KeyNotThere as error:
                self._stuck.add(name)
                _log.warning("recording's key not wrapped anew", recording=name, reason=str(error))
        return made

"""What the log knows of the recordings' files, for who looks into their folder: `check` and the nightly run."""

from __future__ import annotations

from collections.abc import Sequence

from oddzwon.log import recording_reading as reading
from oddzwon.log.queries import Queries
from oddzwon.log.recording_records import RecordingRow


class RecordingFiles(Queries):
    """:class:`~oddzwon.log.queries.Queries` with questions about files. Each raises LogError."""

    def files_of(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that are a recording's file or sealed file; one that failed has none."""
        return self.ask(lambda db: reading.files_of(db, names))

    def files_to_remove(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that should be gone: plain files of sealed recordings, files of deleted ones."""
        return self.ask(lambda db: reading.files_to_remove(db, names))

    def finished(self, after: str, limit: int) -> tuple[RecordingRow, ...]:
        """Finished recordings, sealed or not, by id, at most ``limit`` from behind the id ``after``."""
        return self.ask(lambda db: reading.finished_recordings(db, after, limit))

    def recording(self, recording: str) -> RecordingRow | None:
        """The recording with this id."""
        return self.ask(lambda db: reading.recording(db, recording))

    def holds_due(self, today: str) -> tuple[str, ...]:
        """The recordings with a standing hold whose review date is ``today`` (an ISO date) or was before."""
        return self.ask(lambda db: reading.holds_due(db, today))

    def wrapping_keys(self) -> frozenset[str]:
        """The ids of the operator's keys that wrap any recording's."""
        return self.ask(reading.wrapping_keys)

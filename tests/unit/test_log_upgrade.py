"""A log of the second release that holds recordings, brought up to the third schema: none is lost, each has an end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from tests.unit.test_log_rules import T0

from oddzwon.log import CallLog, Hold, LogTooOld, Seal, Wrapped
from oddzwon.log.connection import open_for_reading, open_for_writing
from oddzwon.log.schema import _first, _second, migrate

SECOND = Migrations("oddzwon.log")
SECOND(name="0001_first")(_first)
SECOND(name="0002_attestation")(_second)

STATES = ("finished", "armed", "recording", "paused", "deleted", "failed")
LIVE = "recording"
"""The call of the recording in this state had not ended when the old service was stopped."""


def old_log(path: Path) -> None:
    """As the second release wrote it: a call with its announcement for each state that a recording can be in."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, SECOND)
        db.execute("PRAGMA foreign_keys = ON")
        for n, state in enumerate(STATES):
            ended = None if state == LIVE else T0 + 1_000
            db.execute(
                "INSERT INTO call (id, pbx, direction, linked, leg, started_at, ended_at, lost_at, stage, preset)"
                " VALUES (?, 'lab', 'inbound', ?, ?, ?, ?, ?, 'talking', 'pl')",
                (f"call_{n}", f"l{n}", f"leg-{n}", T0 + n, ended, ended),
            )
            db.execute(
                "INSERT INTO notice_receipt VALUES (?, ?, 'REC_OBJECT', 'v', ?, 'pl', 9, 9, NULL, 1, ?)",
                (n + 1, f"call_{n}", "0" * 64, T0 + n),
            )
            db.execute(
                "INSERT INTO recording VALUES (?, ?, 'quality', ?, ?, ?, ?, ?, NULL)",
                (f"rec_{n}", f"call_{n}", state, T0 + n + 1, n + 1, T0 + 99_000, f"{n}.wav"),
            )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    old_log(path)
    return path


def test_every_recording_is_kept_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        before = db.execute("SELECT * FROM recording ORDER BY id").fetchall()
    with pytest.raises(LogTooOld, match="0003_recordings_at_rest"):
        open_for_reading(path, 50)
    with closing(open_for_writing(path, 1_000)) as db:
        after = db.execute("SELECT * FROM recording ORDER BY id").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    # on the caller's channel, without an id or an agent's consent, and not sealed
    assert after == [(*row, None, "caller", None, None, 0) for row in before]


async def test_what_is_not_sealed_is_found_and_can_be(path: Path) -> None:
    async with await CallLog.open(path) as log:
        left = await log.unsealed_recordings("lab")
        found = [(row.id, row.state, row.prompt, row.why, row.ended_at is None) for row in left]
        assert found == [
            (f"rec_{n}", state, "REC_OBJECT", None, state == LIVE)
            for n, state in enumerate(STATES)
            if state not in ("deleted", "failed")
        ]
        seal = Seal("0.sealed", "2" * 64, "3" * 64, 48_044, 1_500)
        await log.seal_recording("rec_0", seal, Wrapped("k1", bytes(72)), T0 + 2_000)
        await log.recording_state("rec_2", "finished", at=T0 + 2_000, why="the call is over")
        await log.hold("rec_2", Hold("anna", "C 12/26", "Dr. Nowak", "2027-05-31"), T0 + 3_000)
        assert await log.destroy_recording("rec_0", T0 + 4_000, "retention") == ("0.wav", "0.sealed")
        assert await log.files_to_remove([f"{n}.wav" for n in range(6)]) == {"0.wav", "4.wav"}
        assert [row.id for row in await log.unsealed_recordings("lab")] == ["rec_1", "rec_2", "rec_3"]

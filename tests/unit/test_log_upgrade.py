"""Logs of earlier releases, brought up to date: recordings of the second one, dials of the third one. None is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from tests.unit.test_log_rules import T0

from oddzwon.domain.caps import Caps, DialCounts
from oddzwon.log import CallLog, Condition, Hold, LogRefused, LogTooOld, Seal, Wrapped
from oddzwon.log import vocabulary as v
from oddzwon.log.connection import open_for_reading, open_for_writing
from oddzwon.log.schema import _first, _second, _third, migrate

SECOND = Migrations("oddzwon.log")
SECOND(name="0001_first")(_first)
SECOND(name="0002_attestation")(_second)
THIRD = Migrations("oddzwon.log")
THIRD(name="0001_first")(_first)
THIRD(name="0002_attestation")(_second)
THIRD(name="0003_recordings_at_rest")(_third)

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


def dialled_log(path: Path) -> None:
    """As the third release wrote it: a call that dropped, called back once in vain."""
    at, codes = T0 + 2_000, v.DECISION_CODES
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, THIRD)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("BEGIN")
        db.execute("INSERT INTO party VALUES (1, '+48600100200', ?)", ("a" * 64,))
        db.execute(
            "INSERT INTO call (id, pbx, direction, linked, leg, party, started_at, ended_at, lost_at, stage)"
            " VALUES ('call_0', 'lab', 'inbound', 'l', 'leg', 1, ?, ?, ?, 'talking')",
            (T0, T0 + 1_000, T0 + 1_000),
        )
        db.execute(
            "INSERT INTO notice_receipt VALUES (1, 'call_0', 'L1', 'v', ?, 'pl', 9, 9, NULL, 1, ?)", ("0" * 64, T0)
        )
        db.execute("INSERT INTO ending VALUES ('end_0', 'call_0', 'network', 1, 'high', 'talking', 'r', ?, 1)", (at,))
        db.execute("INSERT INTO call_drop VALUES ('drop_0', 'call_0', 'end_0', 1)")
        for seq, code in enumerate(codes, start=1):
            db.execute("INSERT INTO decision_condition VALUES ('dec_0', ?, ?, 1, '')", (seq, code))
        db.execute("INSERT INTO decision VALUES ('dec_0', 'call_0', 1, 'p', ?, 1)", (at,))
        db.execute("INSERT INTO callback VALUES ('cb_0', 'drop_0', 'dec_0', 'call_0', 1, 1, 'waiting', ?)", (at,))
        for seq, code in enumerate(v.DIAL_CODES, start=1):
            db.execute("INSERT INTO attempt_condition VALUES ('att_0', ?, ?, 1, '')", (seq, code))
        db.execute("INSERT INTO attempt VALUES ('att_0', 'cb_0', 1, 'ch', NULL, 'committed', ?, NULL, NULL, 0)", (at,))
        db.execute("COMMIT")


async def test_dials_of_the_third_release_count_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    dialled_log(path)
    with pytest.raises(LogTooOld, match="0004_switch_and_caps"):
        open_for_reading(path, 50)
    caps, gate = Caps(per_number_day=2), tuple(Condition(code, True, "seen") for code in v.DIAL_CODES)
    async with await CallLog.open(path) as log:
        assert await log.switched() is None
        assert await log.dial_counts("+48600100200", caps, T0 + 3_000) == DialCounts(1, 0, 1, 1)
        await log.attempt_state("att_0", "unanswered", at=T0 + 3_000, cause=19, callback_state="waiting")
        second = await log.commit_attempt("cb_0", 2, at=T0 + 4_000, conditions=gate, caps=caps)
        await log.attempt_state(second.id, "unanswered", at=T0 + 5_000)
        with pytest.raises(LogRefused, match="2 of 2 dials to the number"):
            await log.commit_attempt("cb_0", 3, at=T0 + 6_000, conditions=gate, caps=caps)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT prefix FROM attempt ORDER BY n").fetchall() == [(None,), ("486001",)]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []

"""What is left to seal, and what cannot be: earlier versions' files, empty ones that are held, hours of backlog."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_call_log import receipt
from tests.unit.test_recorders import FRAME, Manager, call_of, over, recorded, state

from oddzwon.bootstrap.service import ami_settings
from oddzwon.callflow import sealing, watch
from oddzwon.callflow.at_rest import release_recording
from oddzwon.callflow.recorders import object_to_recording
from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.watch import Watch
from oddzwon.config import Settings, load
from oddzwon.log import Hold, NewRecording
from oddzwon.recordings.keyring import KeyRing

HOLD = Hold("anna", "C 12/26", "Dr. Nowak", "2099-05-31")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "recordings").mkdir()
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings, tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        board.ami = asterisk = Manager(ami_settings(settings), frozenset())
        asterisk.says, asterisk.asked = {}, []
        board.choices = replace(board.choices, recordings=tmp_path / "recordings", min_free_bytes=1)
        board.keys = RecordingKeys(await asyncio.to_thread(KeyRing.open, tmp_path / "recordings.key"))
        yield board


def mono(file: Path, samples: int) -> None:
    """As Asterisk wrote it for the second release."""
    with wave.open(str(file), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(8_000)
        made.writeframes(b"\x01\x02" * samples)


@pytest.mark.parametrize(("samples", "becomes"), [(0, "deleted"), (1, "finished")])
async def test_an_earlier_versions_file(board: Switchboard, tmp_path: Path, samples: int, becomes: str) -> None:
    """Mono, with a header before any sample: where nobody was bridged it is not empty, and holds nothing."""
    live = await call_of(board)
    assert live.id is not None
    at = board.now()
    announced = await board.log.receipt(live.id, receipt("REC_OBJECT", at=at))
    row = await board.log.arm_recording(live.id, NewRecording("quality", announced, at, at + 9_000, "old.wav"))
    file = tmp_path / "recordings" / "old.wav"
    await asyncio.to_thread(mono, file, samples)
    await over(board, live)
    await sealing.after_start(board)
    found = await board.log.recording(row)
    assert found is not None
    assert found.state == becomes
    assert (found.sealed_file is not None) == (becomes == "finished")
    assert not file.exists()


async def test_an_empty_one_that_is_held_has_an_end(board: Switchboard) -> None:
    live = await call_of(board)
    recording = await recorded(board, live, sound=b"")
    await board.log.hold(recording.id, HOLD, board.now())
    await over(board, live)
    await sealing.seal_left_over(board)
    row = await board.log.recording(recording.id)
    assert row is not None
    assert (row.state, row.why) == ("failed", "nothing was written; it is held")
    assert board.alarms.standing == frozenset()
    assert await board.log.unsealed_recordings(board.choices.pbx) == ()


async def test_a_hold_alone_had_kept_it(board: Switchboard) -> None:
    """The caller had objected; a restart of ours lies between, so that only the log knows."""
    live = await call_of(board)
    recording = await recorded(board, live, sound=100 * FRAME)
    for reference in ("C 12/26", "C 13/26"):
        await board.log.hold(recording.id, replace(HOLD, reference=reference), board.now())
    await object_to_recording(board, live, "feature code")
    await over(board, live)
    await sealing.seal_left_over(board)
    assert await board.log.sealed(recording.id) is not None
    board.to_delete.clear()
    assert await release_recording(board, recording.id, reference="C 12/26", by="anna", reason="over") == 1
    assert await state(board, recording) == "finished"
    assert await release_recording(board, recording.id, reference="", by="anna", reason="over") == 0
    assert await state(board, recording) == "deleted"
    assert await asyncio.to_thread(lambda: list(recording.path.parent.iterdir())) == []


async def test_a_backlog_holds_up_no_other_sweep(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade every old recording is sealed, one after the other; calls are looked after meanwhile."""
    swept, begun, sealed = asyncio.Semaphore(0), 0, asyncio.Event()

    async def sweep(_board: Switchboard, _watch: Watch) -> None:
        swept.release()

    async def backlog(_board: Switchboard) -> None:
        nonlocal begun
        begun += 1
        await sealed.wait()

    monkeypatch.setattr(watch, "SWEEP_MS", 1)
    monkeypatch.setattr(watch, "sweep", sweep)
    monkeypatch.setattr(sealing, "seal_left_over", backlog)
    sweeping = board.spawn(Watch(board)._sweep(), "sweep")
    for _ in range(5):
        await asyncio.wait_for(swept.acquire(), 5.0)
    assert begun == 1
    sealed.set()
    while begun < 2:
        await asyncio.wait_for(swept.acquire(), 5.0)
    sweeping.cancel()

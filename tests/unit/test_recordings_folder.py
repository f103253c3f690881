"""The recordings' folder against the log: by `check`, by night, and after a crash."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_recordings import finished_and_sealed, recorded

from oddzwon.bootstrap.recording_checks import recording_checks
from oddzwon.callflow import nightly
from oddzwon.callflow.at_rest import open_recording
from oddzwon.callflow.nightly import look_through, next_night, tidy
from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.callflow.sealing import after_start
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load
from oddzwon.domain.bootclock import BootInstant
from oddzwon.log import CallLog, Condition, Decision, Ending, Hold
from oddzwon.recordings.files import remove
from oddzwon.recordings.folder import Orphans, wrong_with
from oddzwon.recordings.keyring import KeyRing
from oddzwon.recordings.sealing import seal, unseal
from oddzwon.recordings.wav import header

T0 = 1_760_000_000_000
NOW = T0 + 10 * 3_600_000


# --- the folder itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (0o2770, None),
        (0o2771, "open to everybody"),
        (0o777, "open to everybody"),
        (0o770, "chmod 2770"),
        (0o2750, "2750"),
    ],
)
def test_who_may_write_there(tmp_path: Path, mode: int, says: str | None) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    folder.chmod(mode)
    found = wrong_with(folder)
    assert (found is None) == (says is None)
    assert (says or "") in (found or "")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    for one in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        assert f"{one} is no folder: make it, group oddzwon, mode 2770" == wrong_with(one)


# --- files and rows -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    folder.chmod(0o2770)
    return folder


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    settings = load(write_settings(tmp_path))
    update = {"enabled": True, "directory": folder, "key_file": tmp_path / "recordings.key"}
    return settings.model_copy(update={"recording": settings.recording.model_copy(update=update)})


@dataclass
class FakeClock:
    """A wall clock that is set by hand; waiting moves it."""

    at: int = NOW
    waited: list[float] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000

    def since_boot(self) -> BootInstant:
        return BootInstant("boot", self.at - NOW)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.at += int(seconds * 1000)
        self.on_wait()
        await asyncio.sleep(0)


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        board.clock = FakeClock()
        yield board


async def put(folder: Path, *names: str, age_s: float = 0) -> None:
    def write() -> None:
        for name in names:
            (folder / name).write_bytes(b"x" * 64)
            os.utime(folder / name, (NOW / 1000 - age_s,) * 2)

    await asyncio.to_thread(write)


async def there(folder: Path) -> list[str]:
    return await asyncio.to_thread(lambda: sorted(one.name for one in folder.iterdir()))


async def ended(log: CallLog, name: str, leg: str, at: int = T0 + 1_000) -> str:
    """A recording whose call is over and judged, and that is not sealed."""
    call, recording = await recorded(log, name, leg)
    await log.recording_state(recording, "finished", at=at)
    await log.conclude(call, Ending("caller", False, "high", "talking", "r", at), ended_at=at, lost_at=at)
    await log.decide(call, Decision(False, "p", at, (Condition("STAGE", False, "ended"),)))
    return recording


async def lines(settings: Settings, now: int = NOW) -> dict[str, Any]:
    return {one.name: one for one in await asyncio.to_thread(recording_checks, settings, now)}


async def test_all_is_well(board: Switchboard, folder: Path, settings: Settings) -> None:
    await finished_and_sealed(board.log, "sealed")
    await recorded(board.log, "live", "2.1")
    await ended(board.log, "waiting", "3.1", NOW - 60_000)
    await put(folder, "sealed.sealed", "live.raw", "waiting.raw", "waiting.sealed.part")
    await put(folder, "waiting.sealed")  # sealed just now, not committed yet
    assert Orphans() == await look_through(board)
    assert board.alarms.standing == set()
    assert await there(folder) == ["live.raw", "sealed.sealed", "waiting.raw", "waiting.sealed", "waiting.sealed.part"]
    found = (await lines(settings))["recordings"]
    assert (found.ok, found.to_do) == (True, "")


async def test_files_without_a_row_and_rows_without_a_file(
    board: Switchboard, folder: Path, settings: Settings
) -> None:
    gone, _ = await finished_and_sealed(board.log, "gone")
    late = await ended(board.log, "late", "2.1")
    lost = await ended(board.log, "lost", "3.1")
    deleted, _ = await finished_and_sealed(board.log, "erased", "4.1")
    await board.log.destroy_recording(deleted, T0, "erasure")
    await put(folder, "stranger.wav", "stranger.sealed", "late.raw", "notes.txt")
    found = await look_through(board)
    assert found == Orphans(
        ("notes.txt", "stranger.sealed", "stranger.wav"), tuple(sorted((gone, lost))), (), (), (late,)
    )
    assert board.alarms.standing == {"recording-orphans"}
    line = (await lines(settings))["recordings"]
    assert not line.ok
    assert "3 of no recording (notes.txt)" in line.found
    assert f"1 not sealed ({late})" in line.found
    for name in ("stranger.wav", "stranger.sealed", "notes.txt"):
        await asyncio.to_thread((folder / name).unlink)
    await put(folder, "gone.sealed", "lost.raw")
    assert await look_through(board) == Orphans(unsealed=tuple(sorted((late, lost))))


async def test_a_folder_and_a_link_that_look_broken_off(board: Switchboard, folder: Path) -> None:
    """Asterisk's user may write here too: what he puts under such a name keeps nothing else from being tidied."""
    await finished_and_sealed(board.log, "sealed")
    await put(folder, "sealed.sealed", "sealed.raw", "old.part", age_s=3_600)
    (folder / "0.part").mkdir()
    (folder / "loop.part").symlink_to("loop.part")
    found = await look_through(board)
    assert found == Orphans(strangers=("0.part", "loop.part"))
    assert await there(folder) == ["0.part", "loop.part", "sealed.sealed"]


async def test_a_name_is_shown_as_a_terminal_may_see_it(board: Switchboard, folder: Path, settings: Settings) -> None:
    """Whoever else writes into the folder chose it."""
    await put(folder, "\x1b]0;taken over\x07.wav")
    await look_through(board)
    assert board.alarms.standing == {"recording-orphans"}
    found = (await lines(settings))["recordings"].found
    assert "\x1b" not in found
    assert r"'\x1b]0;taken over\x07.wav'" in found
    assert "\udcff" not in str(Orphans(strangers=(os.fsdecode(b"\xff.wav"),)))


async def test_a_hold_whose_day_has_come(board: Switchboard, settings: Settings) -> None:
    held = await ended(board.log, "held", "1.1")
    await board.log.hold(held, Hold("anna", "C 12/26", "Dr. Nowak", "2025-10-10"), T0)
    clock = cast("FakeClock", board.clock)
    clock.at = int(datetime(2025, 10, 9, 23, 59, tzinfo=UTC).timestamp() * 1000)
    await look_through(board)
    assert "hold-review" not in board.alarms.standing
    assert "recording holds" not in await lines(settings, clock.at)
    clock.at += 60_000
    await look_through(board)
    assert "hold-review" in board.alarms.standing
    line = (await lines(settings, clock.at))["recording holds"]
    assert (line.ok, held in line.found) == (False, True)
    await board.log.release(held, reference=None, by="anna", why="settled", at=clock.at)
    await look_through(board)
    assert "hold-review" not in board.alarms.standing


async def test_one_that_cannot_be_removed_keeps_no_other(board: Switchboard, folder: Path) -> None:
    for n, name in enumerate(("a", "b")):
        await finished_and_sealed(board.log, name, f"{n}.1")
    await put(folder, "a.sealed", "b.sealed", "b.raw")
    (folder / "a.raw").mkdir()
    assert await tidy(board, folder) == ("b.raw",)
    assert await look_through(board) == Orphans(left=("a.raw",))


async def test_what_a_crash_left_goes_and_nothing_else(board: Switchboard, folder: Path, settings: Settings) -> None:
    """Killed between commit and unlink, between destroying and unlink, and while it wrote."""
    await finished_and_sealed(board.log, "sealed")
    erased, _ = await finished_and_sealed(board.log, "erased", "2.1")
    await board.log.destroy_recording(erased, T0, "objection")
    await ended(board.log, "waiting", "3.1", NOW - 60_000)
    await put(folder, "sealed.raw", "sealed.sealed", "erased.raw", "erased.sealed", "waiting.raw", "mine.wav")
    await put(folder, "waiting.sealed.part", age_s=601)
    await put(folder, "other.sealed.part", age_s=500)
    before = (await lines(settings))["recordings"]
    assert "3 to be removed (sealed.raw)" in before.found or "3 to be removed (erased.raw)" in before.found
    assert "1 broken off (waiting.sealed.part)" in before.found
    removed = await tidy(board, folder)
    assert removed == ("erased.raw", "erased.sealed", "sealed.raw", "waiting.sealed.part")
    assert await there(folder) == ["mine.wav", "other.sealed.part", "sealed.sealed", "waiting.raw"]
    assert (await look_through(board)).strangers == ("mine.wav",)


STEPS = ("begun", "sealed", "committed", "removed")


@pytest.mark.parametrize("killed_at", [*STEPS, "never"])
async def test_killed_between_any_two_steps(
    board: Switchboard, folder: Path, settings: Settings, killed_at: str
) -> None:
    """Whatever the last life of the service got done, the next start finishes: one sealed file, and the same sound."""
    assert settings.recording.key_file is not None
    board.keys = RecordingKeys(await asyncio.to_thread(KeyRing.open, settings.recording.key_file))
    board.choices = replace(board.choices, pbx="lab")
    recording = await ended(board.log, "ab", "1.1")
    plain, sound = folder / "ab.raw", os.urandom(400_000)
    await asyncio.to_thread(plain.write_bytes, sound)
    for step in STEPS:
        if step == "begun":
            await put(folder, "ab.sealed.part")
        elif step == "sealed":
            made = await asyncio.to_thread(seal, plain, recording)
        elif step == "committed":
            await board.keys.commit(board.log, recording, made, T0)
        else:
            await asyncio.to_thread(remove, plain)
        if step == killed_at:
            break
    await after_start(board)
    assert board.alarms.standing == set()
    assert await there(folder) == ["ab.sealed"]
    opened = await open_recording(board, recording, by="anna", reason="test")
    out = folder.parent / "out.wav"
    plain_hash, sealed_hash = opened.seal.plain_sha256, opened.seal.sealed_sha256
    give_back = partial(unseal, plain_sha256=plain_hash, sealed_sha256=sealed_hash)
    await asyncio.to_thread(give_back, opened.path, opened.key, recording, out)
    assert await asyncio.to_thread(out.read_bytes) == header(100_000) + sound
    assert Orphans() == await look_through(board)


async def test_more_files_than_one_page(board: Switchboard, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.recordings.folder._PAGE", 3)
    for n in range(7):
        await finished_and_sealed(board.log, f"r{n}", f"{n}.1")
    await put(folder, *(f"r{n}.{kind}" for n in range(7) for kind in ("raw", "sealed")))
    assert len(await tidy(board, folder)) == 7
    assert Orphans() == await look_through(board)
    await asyncio.to_thread((folder / "r5.sealed").unlink)
    assert len((await look_through(board)).missing) == 1


async def test_a_folder_that_cannot_be_read(board: Switchboard, folder: Path, settings: Settings) -> None:
    await asyncio.to_thread(folder.rmdir)
    assert Orphans() == await look_through(board)
    assert board.alarms.standing == {"recordings-unreadable"}
    assert list(await lines(settings)) == ["recording", "recording keys"]
    await asyncio.to_thread(folder.mkdir)
    await look_through(board)
    assert board.alarms.standing == set()


async def test_nothing_is_looked_at_where_nothing_is_recorded(board: Switchboard, settings: Settings) -> None:
    board.choices = replace(board.choices, recordings=None)
    assert Orphans() == await look_through(board)
    off = settings.model_copy(update={"recording": settings.recording.model_copy(update={"enabled": False})})
    assert {name: (one.ok, one.found) for name, one in (await lines(off)).items()} == {"recording": (True, "off")}


# --- the keys' line of `check` ----------------------------------------------------------------------------------------


async def test_the_keys(board: Switchboard, settings: Settings) -> None:
    path = settings.recording.key_file
    assert path is not None

    async def line() -> tuple[bool, str]:
        found = (await lines(settings))["recording keys"]
        return found.ok, f"{found.found}: {found.to_do}"

    assert await line() == (True, f"{path} will be made when the service starts: ")
    ring = await asyncio.to_thread(KeyRing.open, path)
    assert await line() == (True, f"{path}: ")
    await asyncio.to_thread(path.chmod, 0o640)
    assert (await line())[0] is False
    assert "chmod 600" in (await line())[1]
    await asyncio.to_thread(path.chmod, 0o600)
    await asyncio.to_thread(ring.renewed)
    assert "2 keys: finish with `oddzwon recordings rekey`" in (await line())[1]
    await finished_and_sealed(board.log)  # wrapped with k1, which nobody has
    lacking = f"{path} lacks k1, with which recordings' keys are wrapped: "
    assert await line() == (
        False,
        lacking + "put the file's copy in its place, or add that line to it, and restart the service",
    )
    await asyncio.to_thread(path.unlink)
    assert await line() == (False, f"{path} is not there: put its copy in its place")


async def test_the_key_beside_what_it_opens(settings: Settings, folder: Path) -> None:
    recording = settings.recording.model_copy(update={"key_file": folder / "deep" / "recordings.key"})
    found = (await lines(settings.model_copy(update={"recording": recording})))["recording keys"]
    assert (found.ok, "lies beside the recordings" in found.found) == (False, True)


# --- by night -------------------------------------------------------------------------------------------------------


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("Europe/Warsaw", "2026-11-21T20:00", "2026-11-22T02:00"),
        ("Europe/Warsaw", "2026-11-22T01:59:59.999", "2026-11-22T02:00"),
        ("Europe/Warsaw", "2026-11-22T02:00", "2026-11-23T02:00"),
        ("Europe/Warsaw", "2026-03-28T20:00", "2026-03-29T01:00"),  # summer time began an hour before
        ("Europe/Warsaw", "2026-03-29T01:00", "2026-03-30T01:00"),
        ("Europe/Warsaw", "2026-10-24T20:00", "2026-10-25T02:00"),  # and ended
        ("Europe/Warsaw", "2026-12-31T23:30", "2027-01-01T02:00"),
        ("America/New_York", "2026-11-21T20:00", "2026-11-22T08:00"),
        ("UTC", "2026-11-21T20:00", "2026-11-22T03:00"),
    ],
)
def test_three_by_the_local_clock(monkeypatch: pytest.MonkeyPatch, zone: str, now: str, due: str) -> None:

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert next_night(utc(now)) == utc(due)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_every_night_once(board: Switchboard, folder: Path) -> None:
    clock = cast("FakeClock", board.clock)
    first, second = next_night(NOW), next_night(next_night(NOW))
    await put(folder, "stranger.wav")
    looked: list[int] = []
    over = asyncio.Event()
    raise_ = board.alarms.raise_

    def heard(condition: str, what_to_do: str) -> None:
        looked.append(clock.at)
        raise_(condition, what_to_do)
        if len(looked) == 2:
            over.set()

    board.alarms.raise_ = heard  # type: ignore[method-assign]
    work = asyncio.create_task(nightly.nightly(board, clock.sleep))
    await asyncio.wait_for(over.wait(), 10)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert looked == [first, second]
    assert max(clock.waited) <= nightly.LOOK_AGAIN_S
    assert board.alarms.standing == {"recording-orphans"}


async def test_the_clock_is_set_while_we_wait(board: Switchboard, folder: Path) -> None:
    """Forward by a day: the night that was leapt over is made up for at once."""
    clock = cast("FakeClock", board.clock)
    await put(folder, "stranger.wav")
    over = asyncio.Event()
    waited: list[int] = []

    def heard(condition: str, what_to_do: str) -> None:
        waited.append(len(clock.waited))
        over.set()

    board.alarms.raise_ = heard  # type: ignore[method-assign]

    def jump() -> None:
        if len(clock.waited) == 3:
            clock.at += 24 * 3_600_000

    clock.on_wait = jump
    work = asyncio.create_task(nightly.nightly(board, clock.sleep))
    await asyncio.wait_for(over.wait(), 10)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert waited[0] == 3


async def test_the_folder_is_left_alone_in_a_log_that_is_shut(board: Switchboard, folder: Path) -> None:
    await put(folder, "stranger.wav")
    await board.log.close()
    assert Orphans() == await look_through(board)
    assert board.alarms.standing == {"recordings-unreadable"}
    assert await there(folder) == ["stranger.wav"]

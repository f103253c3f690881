"""Recordings in the call and after it where something goes wrong: a real log and folder, a manager that refuses."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_call_log import PARTY, receipt, verdict

from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.ami_wire import AmiResponse
from oddzwon.asterisk.errors import AmiNotSent
from oddzwon.bootstrap.service import ami_settings
from oddzwon.callflow import freespace, recorders, sealing
from oddzwon.callflow.agent_leg import agent_of
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.live_recordings import LiveRecording
from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import load
from oddzwon.domain.events import BridgeLeft, Direction, HandedOver, Parked, Unparked
from oddzwon.domain.recording import Regime
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log import Hold, NewRecording
from oddzwon.log.errors import LogUnavailable
from oddzwon.log.records import NewCall
from oddzwon.recordings.keyring import KeyRing
from oddzwon.recordings.sealing import SealedFile, seal, unseal

LEG, AGENT = "leg-1", "leg-2"
FRAME = b"\x01\x00\x02\x00"
"""A sample of the caller's, 1, and one of the agent's, 2."""
ANNOUNCED = {Regime.QUALITY: "REC_OBJECT", Regime.CONTRACT: "REC_ANNOUNCE", Regime.LEGAL: "REC_ANNOUNCE"}


class Manager(AmiClient):
    """Asterisk's manager as far as recordings ask it: ``says`` is what it answers to an action, None: it is away."""

    says: dict[str, str | None]
    asked: list[tuple[str, Mapping[str, str]]]

    async def action(self, name: str, fields: Any = (), **_how: Any) -> AmiResponse:
        """Success, or the refusal that the test has put there."""
        self.asked.append((name, dict(fields)))
        message = self.says.get(name, "")
        if message is None:
            raise AmiNotSent("the manager is away")
        return AmiResponse(message == "", message, {})


@asynccontextmanager
async def recording_board(folder: Path, asterisk: type[Manager] = Manager) -> AsyncIterator[Switchboard]:
    """A board that records into ``folder``/recordings, with a manager that answers as the test says."""
    (folder / "recordings").mkdir()
    settings = await asyncio.to_thread(lambda: load(write_settings(folder)))
    async with opened_board(settings) as board:
        manager = asterisk(ami_settings(settings), frozenset())
        manager.says, manager.asked = {}, []
        board.ami = manager
        board.choices = replace(board.choices, recordings=folder / "recordings", min_free_bytes=1)
        board.keys = RecordingKeys(await asyncio.to_thread(KeyRing.open, folder / "recordings.key"))
        yield board


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with recording_board(tmp_path) as board:
        yield board


def manager(board: Switchboard) -> Manager:
    assert isinstance(board.ami, Manager)
    return board.ami


async def call_of(board: Switchboard) -> LiveCall:
    at = board.now()
    live = board.calls.receive(LEG, LEG, at, Direction.INBOUND, "+48221234567")
    live.id = await board.log.arrive(NewCall(board.choices.pbx, "inbound", LEG, LEG, at, PARTY))
    return live


async def recorded(
    board: Switchboard,
    live: LiveCall,
    regime: Regime = Regime.QUALITY,
    *,
    sound: bytes | None = 100 * FRAME,
    bridged: bool = True,
) -> LiveRecording:
    """A recording under way, with this in its file; None: there is no file."""
    assert live.id is not None
    assert board.choices.recordings is not None
    at = board.now()
    prompt = ANNOUNCED[regime]
    row = await board.log.receipt(live.id, receipt(prompt, at=at))
    file = f"{regime.value}{len(live.recordings.all)}.raw"
    new = NewRecording(regime.value, row, at, at + 90_000, file, "ref", LEG, mix="0x1")
    made = LiveRecording(
        await board.log.arm_recording(live.id, new), board.choices.recordings / file, regime, prompt, LEG, "0x1"
    )
    live.recordings.all.append(made)
    if sound is not None:
        await asyncio.to_thread(made.path.write_bytes, sound)
    if bridged:
        await recorders.note(board, made, "recording", "bridged")
    return made


async def over(board: Switchboard, live: LiveCall) -> None:
    """The call has ended and is judged."""
    assert live.id is not None
    at = board.now()
    await board.log.conclude(live.id, replace(verdict(False), at=at), ended_at=at, lost_at=at)
    board.calls.forget(live)


async def state(board: Switchboard, recording: LiveRecording) -> str:
    row = await board.log.recording(recording.id)
    assert row is not None
    return row.state


# --- in the call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["Permission denied", None])
async def test_a_pause_that_is_refused_is_an_alarm_and_no_pause(board: Switchboard, refusal: str | None) -> None:
    live = await call_of(board)
    recording = await recorded(board, live)
    manager(board).says["MixMonitorMute"] = refusal
    assert await recorders.pause_or_resume(board, live) is False
    assert board.alarms.standing == {"recording-pause-failed"}
    assert (recording.paused, await state(board, recording)) == (False, "recording")
    manager(board).says["MixMonitorMute"] = ""
    assert await recorders.pause_or_resume(board, live) is True
    assert board.alarms.standing == frozenset()
    assert (recording.paused, await state(board, recording)) == (True, "paused")
    asked = manager(board).asked[-1][1]
    assert asked == {"Channel": LEG, "MixMonitorID": "0x1", "Direction": "both", "State": "1"}


async def test_a_leg_that_is_gone_needs_no_pause(board: Switchboard) -> None:
    live = await call_of(board)
    await recorded(board, live)
    manager(board).says["MixMonitorMute"] = "No such channel"
    assert await recorders.pause_or_resume(board, live) is True
    assert board.alarms.standing == frozenset()


async def test_a_leg_that_is_ending_needs_none_either(board: Switchboard) -> None:
    """Its hang-up handler was first: to be sure that nothing is written, it is stopped once more."""
    live = await call_of(board)
    recording = await recorded(board, live)
    manager(board).says |= {
        "MixMonitorMute": "Cannot set mute flag",
        "StopMixMonitor": "Could not stop monitoring channel",
    }
    assert await recorders.pause_or_resume(board, live) is True
    assert [name for name, _ in manager(board).asked] == ["MixMonitorMute", "StopMixMonitor"]
    assert recording.over
    assert board.alarms.standing == frozenset()


async def test_a_pause_is_the_segments_while_one_runs(board: Switchboard) -> None:
    live = await call_of(board)
    whole, segment = await recorded(board, live), await recorded(board, live, Regime.CONTRACT)
    segment.segment = True
    assert await recorders.set_aside(board, live, True, "contract segment")
    await recorders.pause_or_resume(board, live)
    assert (whole.paused, segment.paused) == (False, True)
    assert await recorders.end_segment(board, live, "the agent's code") is segment
    # what was silent for it goes on; what the agent had paused himself would not
    assert (whole.muted, await state(board, whole), await state(board, segment)) == (False, "recording", "finished")


async def test_an_objection_deletes_what_it_reaches(board: Switchboard) -> None:
    live = await call_of(board)
    quality = await recorded(board, live)
    kept = [await recorded(board, live, regime) for regime in (Regime.CONTRACT, Regime.LEGAL)]
    await recorders.object_to_recording(board, live, "feature code")
    assert await state(board, quality) == "deleted"
    assert not quality.path.exists()
    for recording in kept:
        assert await state(board, recording) == "recording"
        assert recording.path.exists()
    assert live.id is not None
    assert await board.log.objected_in_call(live.id, "recording")


async def test_an_objection_is_obeyed_though_the_manager_is_away(board: Switchboard) -> None:
    """What Asterisk still writes goes into a file without a name."""
    live = await call_of(board)
    quality = await recorded(board, live)
    manager(board).says["StopMixMonitor"] = None
    await recorders.object_to_recording(board, live, "feature code")
    assert await state(board, quality) == "deleted"
    assert not quality.path.exists()


async def test_a_hold_stands_above_the_objection(board: Switchboard) -> None:
    live = await call_of(board)
    quality = await recorded(board, live)
    await board.log.hold(quality.id, Hold("anna", "C 12/26", "Dr. Nowak", "2027-05-31"), board.now())
    await recorders.object_to_recording(board, live, "feature code")
    assert board.alarms.standing == {"recording-not-deleted"}
    assert quality.path.exists()
    assert quality.over  # no word more


async def test_a_stop_that_is_refused_leaves_the_segment_running(board: Switchboard) -> None:
    live = await call_of(board)
    segment = await recorded(board, live, Regime.CONTRACT)
    segment.segment = True
    manager(board).says["StopMixMonitor"] = "Permission denied"
    assert await recorders.end_segment(board, live, "the agent's code") is None
    assert board.alarms.standing == {"recording-stop-failed"}
    assert live.recordings.segment is segment


async def test_what_moves_a_recording(board: Switchboard) -> None:
    live = await call_of(board)
    whole, segment = await recorded(board, live), await recorded(board, live, Regime.CONTRACT)
    segment.segment, segment.by = True, AGENT
    assert not recorders.follows(live, BridgeLeft(1, LEG, "b"))
    assert not recorders.follows(live, HandedOver(1, "leg-3"))
    assert recorders.follows(live, HandedOver(1, AGENT))
    await recorders.follow(board, live, HandedOver(1, AGENT))
    assert live.recordings.segment is None
    assert recorders.follows(live, Parked(2, LEG))
    await recorders.follow(board, live, Parked(2, LEG))
    assert (whole.muted, await state(board, whole)) == (True, "paused")
    await recorders.follow(board, live, Unparked(3, LEG))
    assert (whole.muted, await state(board, whole)) == (False, "recording")


async def test_space(board: Switchboard) -> None:
    folder = board.choices.recordings
    assert folder is not None
    free = await freespace.free_bytes(board)
    assert free is not None
    half = replace(board.choices, min_free_bytes=free + free // 2)
    board.choices = half
    assert not await freespace.room_left(board)
    assert board.alarms.standing == {"recording-no-space"}
    assert await freespace.room_to_go_on(board)  # those that run may, and the alarm stands
    assert board.alarms.standing == {"recording-no-space"}
    board.choices = replace(half, min_free_bytes=3 * free)
    assert not await freespace.room_to_go_on(board)
    board.choices = replace(half, min_free_bytes=1)
    assert await freespace.room_left(board)
    assert board.alarms.standing == frozenset()
    board.choices = replace(half, recordings=folder / "gone", min_free_bytes=1)
    assert not await freespace.room_left(board)


@pytest.mark.parametrize(
    ("channel", "agent"),
    [
        ("PJSIP/agent1-0000001a", "PJSIP/agent1"),
        ("PJSIP/48600100200-0000001a", "PJSIP/48600100200"),
        ("Local/48600100200@outbound-0000001a;1", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_whose_consent_it_is(channel: str, agent: str | None) -> None:
    """Two agents must not become one, as they would where a number is left out of the name."""
    assert agent_of(channel) == agent


def frames_of(file: Path) -> bytes:
    with wave.open(str(file)) as heard:
        return bytes(heard.readframes(1_000))


# --- after it ----------------------------------------------------------------------------------------------------


async def test_sealed_when_the_call_is_over(board: Switchboard, tmp_path: Path) -> None:
    live = await call_of(board)
    recording = await recorded(board, live)
    await over(board, live)
    await sealing.seal_when_closed(board, recording.id)
    assert manager(board).asked[-1] == ("StopMixMonitor", {"Channel": LEG, "MixMonitorID": "0x1"})
    assert not recording.path.exists()
    sealed = await board.log.sealed(recording.id)
    assert sealed is not None
    assert sealed.wrapped is not None
    assert board.keys is not None
    out = tmp_path / "heard.wav"
    await asyncio.to_thread(
        unseal,
        recording.path.with_name(sealed.seal.file),
        board.keys.unwrap(recording.id, sealed.wrapped),
        recording.id,
        out,
        plain_sha256=sealed.seal.plain_sha256,
        sealed_sha256=sealed.seal.sealed_sha256,
    )
    assert await asyncio.to_thread(frames_of, out) == 100 * FRAME


async def test_nothing_is_sealed_before_asterisk_has_closed_it(board: Switchboard) -> None:
    live = await call_of(board)
    recording = await recorded(board, live)
    await over(board, live)
    for refusal in (None, "Permission denied"):
        manager(board).says["StopMixMonitor"] = refusal
        await sealing.seal_left_over(board)
        assert await state(board, recording) == "recording"
        assert recording.path.exists()
    manager(board).says["StopMixMonitor"] = "No such channel"
    await sealing.seal_left_over(board)
    assert await board.log.sealed(recording.id) is not None


async def test_a_call_that_lives_is_not_sealed(board: Switchboard) -> None:
    live = await call_of(board)
    recording = await recorded(board, live)
    await sealing.after_start(board)
    assert (await state(board, recording), manager(board).asked) == ("recording", [])


@pytest.mark.parametrize("bridged", [False, True])
async def test_an_empty_file(board: Switchboard, bridged: bool) -> None:
    """Nobody talked: nothing to keep. They did, and nothing was written (Asterisk died): its history says so."""
    live = await call_of(board)
    recording = await recorded(board, live, sound=b"", bridged=bridged)
    await over(board, live)
    await sealing.seal_when_closed(board, recording.id)
    row = await board.log.recording(recording.id)
    assert row is not None
    assert (row.state, row.why) == ("deleted", "nothing was written" if bridged else "nobody was bridged")
    assert not recording.path.exists()
    assert board.alarms.standing == frozenset()


@pytest.mark.parametrize("mount_point", [True, False])
async def test_a_folder_that_is_away_is_waited_for(board: Switchboard, tmp_path: Path, mount_point: bool) -> None:
    """A disk that is not mounted yet: nothing is given up, and what lies there in the clear is sealed afterwards."""
    live = await call_of(board)
    recording = await recorded(board, live)
    await over(board, live)
    folder, away = recording.path.parent, tmp_path / "away"
    folder.rename(away)
    if mount_point:
        folder.mkdir()
    await sealing.after_start(board)
    assert "recording-missing" in board.alarms.standing
    if mount_point:
        folder.rmdir()
    away.rename(folder)
    await sealing.after_start(board)
    assert await board.log.sealed(recording.id) is not None
    assert not recording.path.exists()
    assert board.alarms.standing == frozenset()


async def test_an_objection_that_the_log_does_not_take_is_not_forgotten(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when he objects: once it is not, the objection is written, and nothing of it was ever sealed."""
    live = await call_of(board)
    recording = await recorded(board, live)
    assert live.id is not None

    async def full(*_words: object, **_more: object) -> None:
        raise LogUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(board.log, "destroy_recording", full)
        patched.setattr(board.log, "record_objection", full)
        await recorders.object_to_recording(board, live, "feature code")
    assert board.alarms.standing == {"objection-not-written", "recording-not-deleted"}
    await sealing.seal_when_closed(board, recording.id)
    assert await board.log.sealed(recording.id) is None
    assert await state(board, recording) == "deleted"
    assert not recording.path.exists()
    assert live.recordings.unwritten == "feature code"
    await recorders.write_objection(board, live, live.id, live.recordings.unwritten)
    assert await board.log.objected_in_call(live.id, ObjectionScope.RECORDING)
    assert board.alarms.standing == frozenset()


async def test_killed_between_the_objection_and_the_deletion(board: Switchboard) -> None:
    live = await call_of(board)
    recording = await recorded(board, live)
    assert live.id is not None
    await recorders.write_objection(board, live, live.id, "feature code")  # and no more, this life
    await over(board, live)
    await sealing.after_start(board)
    assert await state(board, recording) == "deleted"
    assert not recording.path.exists()


async def test_what_is_held_is_sealed_and_goes_when_it_is_released(board: Switchboard) -> None:
    """Art. 17(3)(e): a hold stands against the objection, but nothing lies there in the clear meanwhile."""
    live = await call_of(board)
    recording = await recorded(board, live)
    await board.log.hold(recording.id, Hold("a", "case 1", "b", "2099-01-01"), board.now())
    await recorders.object_to_recording(board, live, "feature code")
    await over(board, live)
    await sealing.seal_when_closed(board, recording.id)
    assert await board.log.sealed(recording.id) is not None
    assert not recording.path.exists()
    await board.log.release(recording.id, reference=None, by="a", why="over", at=board.now())
    await sealing.seal_left_over(board)
    assert await state(board, recording) == "deleted"
    assert await asyncio.to_thread(lambda: list(recording.path.parent.iterdir())) == []
    assert board.alarms.standing == frozenset()


async def test_an_objection_leaves_what_it_does_not_reach(board: Switchboard) -> None:
    live = await call_of(board)
    contract = await recorded(board, live, Regime.CONTRACT)
    assert live.id is not None
    await recorders.write_objection(board, live, live.id, "feature code")
    await over(board, live)
    await sealing.after_start(board)
    assert await board.log.sealed(contract.id) is not None


async def test_a_file_that_cannot_be_removed_keeps_no_other_recording_running(board: Switchboard) -> None:
    live = await call_of(board)
    first, second = await recorded(board, live), await recorded(board, live)
    await asyncio.to_thread(first.path.unlink)
    await asyncio.to_thread(first.path.mkdir)
    await recorders.object_to_recording(board, live, "feature code")
    assert [await state(board, one) for one in (first, second)] == ["deleted", "deleted"]
    assert not second.path.exists()
    assert live.id is not None
    assert await board.log.objected_in_call(live.id, ObjectionScope.RECORDING)
    # not removed is not removed, but nothing knows it as a recording any more: the night's comparison names it
    assert board.alarms.standing == frozenset()


@pytest.mark.parametrize("paused", [True, False])
async def test_after_a_restart_a_segment_still_ends(board: Switchboard, paused: bool) -> None:
    """What was set aside for the segment goes on after it; what the agent had paused stays silent."""
    live = await call_of(board)
    await recorded(board, live)
    if paused:
        await recorders.pause_or_resume(board, live)
    await recorders.set_aside(board, live, True, "contract segment")
    await recorded(board, live, Regime.CONTRACT)
    row = await board.log.call(live.id or "")
    assert row is not None
    again = await known_call(board, row)
    await recorders.end_segment(board, again, "the agent's code")
    assert [one.muted for one in again.recordings] == [paused]
    assert manager(board).asked[-1][1]["State"] == ("1" if paused else "0")


async def test_deleted_while_it_is_sealed(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objection comes between the sealed file and its commit: neither file is left, and no key."""
    live = await call_of(board)
    recording = await recorded(board, live)
    await over(board, live)
    loop = asyncio.get_running_loop()

    def deleted_meanwhile(source: Path, name: str, *, side: str = "caller") -> SealedFile:
        made = seal(source, name, side=side)
        asyncio.run_coroutine_threadsafe(
            board.log.destroy_recording(recording.id, board.now(), "objection"), loop
        ).result()
        return made

    monkeypatch.setattr(sealing, "seal", deleted_meanwhile)
    await sealing.seal_when_closed(board, recording.id)
    assert await state(board, recording) == "deleted"
    assert await board.log.sealed(recording.id) is None
    await sealing.after_start(board)
    assert await asyncio.to_thread(lambda: list(recording.path.parent.iterdir())) == []

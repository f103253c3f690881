"""After the call: what was recorded is finished, sealed, and its plain file removed; a crash leaves nothing half.

The order (:mod:`oddzwon.recordings.sealing`): Asterisk has closed the file; the recording is finished; the sealed file
stands on the disk; its wrapped key and its seal are committed; the plain file goes. Whatever is found undone at the
next start, or a minute later after a failure, is done then.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from oddzwon.callflow import failpoints
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.nightly import tidy
from oddzwon.callflow.recorders import delete_for_good, stop_mix
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.recording import Regime, objection_reaches
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError, LogRefused
from oddzwon.log.recording_records import RecordingRow
from oddzwon.recordings import wav
from oddzwon.recordings.errors import RecordingsError
from oddzwon.recordings.files import remove
from oddzwon.recordings.sealing import seal

_log = structlog.get_logger(__name__)


async def finish(board: Switchboard, live: LiveCall) -> None:
    """The call is over, and judged: seal what was recorded of it."""
    for recording in live.recordings.all:
        if not recording.deleted:
            board.spawn(seal_when_closed(board, recording.id), f"sealing-{recording.id}")


async def after_start(board: Switchboard) -> None:
    """What a crash has left: plain files of what is sealed or deleted go, and what is not sealed is."""
    folder = board.choices.recordings
    if folder is None:
        return
    try:
        await tidy(board, folder)
    except (OSError, LogError) as error:
        board.alarms.raise_("recordings-unreadable", f"left-over files could not be looked for: {error}")
    else:
        board.alarms.clear("recordings-unreadable")
    await seal_left_over(board)


async def seal_left_over(board: Switchboard) -> None:
    """Whatever is unsealed though its call is over, and whatever must go: at the start, and once a minute."""
    for recording in tuple(board.to_delete):
        await delete_for_good(board, recording)
    try:
        rows = await board.log.unsealed_recordings(board.choices.pbx)
    except LogError as error:
        board.alarms.raise_("recording-not-sealed", str(error))
        return
    for row in rows:
        if row.ended_at is not None and board.calls.of_leg(row.call_leg) is None:
            await seal_when_closed(board, row.id)


async def seal_when_closed(board: Switchboard, recording: str) -> None:
    """Finish and seal the recording, if its file is closed; a failure is an alarm, and tried again by the sweep."""
    if recording in board.sealing:
        return
    board.sealing.add(recording)
    try:
        async with board.sealing_turn:
            row = await board.log.recording(recording)
            if row is not None and row.sealed_file is None and row.state not in ("deleted", "failed"):
                await _seal(board, row)
    except (LogError, RecordingsError, OSError) as error:
        board.alarms.raise_("recording-not-sealed", f"recording {recording} is not sealed yet: {error}")
    finally:
        board.sealing.discard(recording)


async def _seal(board: Switchboard, row: RecordingRow) -> None:
    folder, keys = board.choices.recordings, board.keys
    if folder is None or keys is None:
        return  # recording has been switched off since: what is left waits for its folder and its key
    if not await _closed(board, row):
        return
    if await objected(board, row) and not row.held:  # what is held is kept sealed, and goes when it is released
        await delete_for_good(board, row.id)
        return
    plain = folder / row.file
    size = await asyncio.to_thread(_size, plain)
    if size is None or size < _least(plain):
        await _nothing_recorded(board, row, plain, size)
        return
    if row.state != "finished":
        await board.log.recording_state(row.id, "finished", at=board.now(), why="the call is over")
    failpoints.crash_at(failpoints.RECORDING_FINISHED)
    made = await asyncio.to_thread(seal, plain, row.id, side=row.side)
    failpoints.crash_at(failpoints.RECORDING_SEALED)
    try:
        await keys.commit(board.log, row.id, made, board.now())
    except LogRefused:
        # it was deleted in this very moment: what has been sealed goes as well
        await asyncio.to_thread(remove, folder / made.name)
        raise
    failpoints.crash_at(failpoints.SEAL_COMMITTED)
    await asyncio.to_thread(remove, plain)
    board.alarms.clear("recording-not-sealed")
    board.alarms.clear("recording-missing")
    _log.info("recording sealed", call=row.call, recording=row.id, bytes=made.plain_bytes)


async def objected(board: Switchboard, row: RecordingRow) -> bool:
    """Whether it must go instead: the caller objected, and a crash or a full log kept it from being deleted at once."""
    if row.id not in board.to_delete:
        reached = objection_reaches(Regime(row.regime), row.prompt)
        if not reached or not await board.log.objected_in_call(row.call, ObjectionScope.RECORDING):
            return False
        board.to_delete[row.id] = "the caller objected"
    return True


async def _closed(board: Switchboard, row: RecordingRow) -> bool:
    """Whether Asterisk writes no more: it is told to stop, and answers when the file is closed, or the channel gone."""
    if row.state == "finished" or row.leg is None:  # an earlier version's has no channel, and its call is over
        return True
    return await stop_mix(board, row.id, row.leg, row.mix)


def _least(plain: Path) -> int:
    """How many bytes hold at least one sample: an earlier version's mono .wav has its header before any."""
    return wav.HEADER_BYTES + 1 if plain.suffix == ".wav" else wav.FRAME_BYTES


async def _nothing_recorded(board: Switchboard, row: RecordingRow, plain: Path, size: int | None) -> None:
    """Nobody was bridged, so that the file is empty; or nothing could be written; or it is not there at the moment."""
    if size is not None and row.held:
        # a hold keeps the row, not the attempts to destroy it: nothing is there to be kept or sealed
        await board.log.recording_state(row.id, "failed", at=board.now(), why="nothing was written; it is held")
        await asyncio.to_thread(remove, plain)
    elif row.state == "armed" and (size is not None or row.mix is None):  # without its id MixMonitor had not begun
        await board.log.destroy_recording(row.id, board.now(), "nobody was bridged")
        await asyncio.to_thread(remove, plain)
    elif size is None:
        # not given up: the folder may be a disk that is away, and what lies there is not to be forgotten in the clear
        board.alarms.raise_(
            "recording-missing",
            f"the file of recording {row.id} is not there: is recording.directory the folder, and Asterisk's to write?",
        )
    else:
        # Asterisk died before it had written its first second, or there was no space for it: that has its own alarm
        _log.warning("nothing was written of a recording", call=row.call, recording=row.id)
        await board.log.destroy_recording(row.id, board.now(), "nothing was written")
        await asyncio.to_thread(remove, plain)


def _size(file: Path) -> int | None:
    """Its length; None: nothing is there. What is no regular file has one as well, and is refused when it is read."""
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return None

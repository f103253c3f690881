"""What the service does by night: at three by the local clock it compares the recordings' folder with the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.events import Instant
from oddzwon.domain.number import mask
from oddzwon.log.errors import LogError
from oddzwon.log.recording_files import RecordingFiles
from oddzwon.recordings.files import remove
from oddzwon.recordings.folder import Orphans, examine, pages, stale_parts

_log = structlog.get_logger(__name__)

HOUR: Final = 3
LOOK_AGAIN_S: Final = 600.0
"""The wall clock may be set while we wait: it is looked at again so often."""


async def nightly(board: Switchboard, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Every night at :data:`HOUR`, until it is cancelled. ``sleep`` waits that many seconds."""
    while True:
        due = next_night(board.now())
        while (wait_s := (due - board.now()) / 1000) > 0:
            await sleep(min(wait_s, LOOK_AGAIN_S))
        await look_through(board)


def next_night(now: Instant) -> Instant:
    """The next time at which it is :data:`HOUR` by the local clock."""
    local = datetime.fromtimestamp(now / 1000, UTC).astimezone()
    # without its offset: where summer time begins or ends in between, the hour is that of the day itself
    night = local.replace(hour=HOUR, minute=0, second=0, microsecond=0, tzinfo=None)
    due = int(night.astimezone().timestamp() * 1000)
    return due if due > now else int((night + timedelta(days=1)).astimezone().timestamp() * 1000)


async def look_through(board: Switchboard) -> Orphans:
    """Remove what a crash has left in the recordings' folder; what does not agree with the log then is an alarm.

    So is a hold whose day has come, on which somebody wanted to ask whether it is still needed.
    """
    folder = board.choices.recordings
    if folder is None:
        return Orphans()
    try:
        await tidy(board, folder)
        orphans, due = await asyncio.to_thread(_examined, board.log.path, folder, board.now())
    except (OSError, LogError) as error:
        board.alarms.raise_("recordings-unreadable", f"the recordings could not be compared with the log: {error}")
        return Orphans()
    board.alarms.clear("recordings-unreadable")
    if orphans:
        board.alarms.raise_("recording-orphans", f"{orphans}: see `oddzwon check`")
    else:
        board.alarms.clear("recording-orphans")
    if due:
        board.alarms.raise_("hold-review", f"{len(due)} held recordings ({due[0]}): are they needed still?")
    else:
        board.alarms.clear("hold-review")
    return orphans


async def tidy(board: Switchboard, folder: Path) -> tuple[str, ...]:
    """Remove plain files of what is sealed, files of what is deleted, and files that a crash broke off.

    Returns their names; one that cannot be removed is left to the comparison with the log. Raises OSError (the folder
    cannot be read), LogError.
    """
    gone: set[str] = set()
    found = pages(folder)
    while names := await asyncio.to_thread(next, found, None):
        gone |= await board.log.files_to_remove(names)
        gone |= set(await asyncio.to_thread(stale_parts, folder, names, board.now()))
    removed = []
    for name in sorted(gone):
        try:
            await asyncio.to_thread(remove, folder / name)
        except OSError as error:
            _log.warning("left-over file not removed", file=name, reason=error.strerror)
            continue
        removed.append(name)
        _log.info("left-over file removed", file=name)
    return tuple(removed)


def _examined(log: Path, folder: Path, now: Instant) -> tuple[Orphans, tuple[str, ...]]:
    with RecordingFiles(log, mask) as files:
        return examine(folder, files, now), files.holds_due(day(now))


def day(at: Instant) -> str:
    """The date, in UTC, as a hold's review date is written."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()

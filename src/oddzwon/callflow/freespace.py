"""Space for recordings: none begins without it, and those that run stop before it is gone. Never the call."""

from __future__ import annotations

import asyncio
import shutil
from typing import Final

from oddzwon.callflow.switchboard import Switchboard

LOOKED_AT_S: Final = 5.0
"""How often the space is looked at while anything is recorded: 100 recordings take 16 MB in that time."""


async def room_left(board: Switchboard) -> bool:
    """Whether a recording may begin: its folder is there, and has the free space that the operator wants kept."""
    free = await free_bytes(board)
    return _told(board, free, free is not None and free >= board.choices.min_free_bytes)


async def room_to_go_on(board: Switchboard) -> bool:
    """Whether those that run may go on: half of what a new one needs is left."""
    free = await free_bytes(board)
    if free is not None and free >= board.choices.min_free_bytes // 2:
        return free < board.choices.min_free_bytes or _told(board, free, True)
    return _told(board, free, False)


async def free_bytes(board: Switchboard) -> int | None:
    """Free space in the recordings' folder; None: nothing is to be recorded, or the folder is not there."""
    folder = board.choices.recordings
    if folder is None:
        return None
    try:
        return (await asyncio.to_thread(shutil.disk_usage, folder)).free
    except OSError:
        return None


def _told(board: Switchboard, free: int | None, enough: bool) -> bool:
    if enough:
        board.alarms.clear("recording-no-space")
    else:
        left = "its folder is not there" if free is None else f"{free // 1_000_000} MB are free"
        wanted = board.choices.min_free_bytes // 1_000_000
        board.alarms.raise_(
            "recording-no-space", f"nothing is recorded: {left}, recording.min_free_mb wants {wanted}; make room"
        )
    return enough

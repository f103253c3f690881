"""Where a cap keeps a callback from being dialled: the operator is told, once, and once when it is over."""

from __future__ import annotations

import asyncio
from typing import Final

from oddzwon.callflow.switchboard import Switchboard

OVER_S: Final = 3_600.0
"""A cap that was reached is over when none was for so long: the next dial passing tells nothing of the one before."""


def cap_reached(board: Switchboard, cap: str) -> None:
    """Raise the alarm; ``cap`` names the cap and its count, without a number."""
    board.alarms.raise_(
        "callback-cap", f"callbacks are not dialled: {cap}. Fraud on your trunk, or a cap too low? See callbacks.caps"
    )
    if board.cap_over is not None:
        board.cap_over.cancel()
    board.cap_over = asyncio.get_running_loop().call_later(OVER_S, board.alarms.clear, "callback-cap")

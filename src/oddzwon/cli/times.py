"""Times as they are given on the command line."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final

import typer

from oddzwon.domain.events import Instant

_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])")
_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def instant(text: str) -> Instant:
    """The instant that ``--since`` names: ISO 8601, or so long ago; raises typer.BadParameter."""
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time_ns() // 1_000_000 - int(ago[1]) * _MS[ago[2]]
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        msg = f"--since {text!r}: neither ISO 8601 nor 30m, 2h, 7d; for example 2026-11-21T08:00Z"
        raise typer.BadParameter(msg) from error

"""Times as they are given on the command line, and periods of them by the clock on the wall."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as of_day
from typing import Final

import typer

from oddzwon.domain.events import Instant

_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])")
_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TODAY: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def instant(text: str, option: str = "--since") -> Instant:
    """The instant that ``option`` names; raises typer.BadParameter.

    ISO 8601 (without an offset: local time), so long ago (``8h``), a time of today (``06:00``), or the midnight at
    which ``today`` or ``yesterday`` began, both local.
    """
    ago, of_today = _AGO.fullmatch(text), _TODAY.fullmatch(text)
    if ago:
        return now() - int(ago[1]) * _MS[ago[2]]
    if text == "now":
        return now()
    if of_today:
        return _local(_day(0), of_day(int(of_today[1]), int(of_today[2])))
    if text in _DAYS_AGO:
        return _local(_day(_DAYS_AGO[text]))
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        msg = (
            f"{option} {text!r}: neither ISO 8601 (2026-11-21T08:00Z), nor so long ago (30m, 8h, 7d), nor a time of"
            " today (06:00), nor today, yesterday or now"
        )
        raise typer.BadParameter(msg) from error


def local(at: Instant) -> datetime:
    """The instant as the clock on the wall shows it."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone()


def next_hour(at: Instant) -> Instant:
    """The next full hour by the clock on the wall."""
    shown = local(at)
    return at - at % 1000 - (shown.minute * 60 + shown.second) * 1000 + 3_600_000


def next_day(at: Instant) -> Instant:
    """The next midnight by the clock on the wall; the day before it may have 23 or 25 hours."""
    return _local(local(at).date() + timedelta(days=1))


def _day(ago: int) -> date:
    return local(now()).date() - timedelta(days=ago)


def _local(day: date, at: of_day = of_day()) -> Instant:
    # a naive time is taken as local, with that day's own offset: not with today's
    return int(datetime.combine(day, at).astimezone().timestamp() * 1000)

"""Asterisk's channel event log (CEL, cel_custom) as a durable journal: what happened while nobody listened to AMI.

The file is the one that ``cel_custom_oddzwon.conf`` makes Asterisk write: kind, time, Uniqueid, Linkedid, channel,
extra. Only its end is read, never more than a bound. What cannot be read is counted and passed over.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from oddzwon.asterisk import names
from oddzwon.asterisk.facts import OfCall
from oddzwon.domain.events import (
    AgentAnswered,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    HangupRecorded,
    HungUpBy,
    Instant,
    LegId,
)

RECORD: Final = "cel"
BLOCK: Final = 65_536
LIMIT: Final = 16 * 2**20
"""Bytes that are read at the most: some 60,000 lines, of about 5,000 calls."""
LINE_LIMIT: Final = 8_192
DISORDER_MS: Final = 5_000
"""Lines stand in the order of writing, not quite in that of their times."""
LEFT_BEFORE_MS: Final = 2_000
"""A leg that left a bridge so shortly before its hang-up left it for that."""


class CelUnreadable(Exception):
    """The file cannot be read, or holds nothing that could be; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class CelTail:
    """The end of the file. ``facts`` in the order in which they tell the story, ``moments`` the times of all records.

    ``bad`` lines could not be read. ``whole`` False: the bound was reached before ``since``.
    """

    facts: tuple[OfCall, ...] = ()
    moments: tuple[Instant, ...] = ()
    bad: int = 0
    whole: bool = True

    def last_before(self, at: Instant) -> Instant | None:
        """When something was last recorded before ``at``."""
        return max((moment for moment in self.moments if moment < at), default=None)


@dataclass(frozen=True, slots=True)
class _Line:
    """``micros``: UTC in microseconds; two legs leave a bridge within one millisecond."""

    kind: str
    micros: int
    leg: LegId
    linked: str
    channel: str
    extra: Mapping[str, Any]

    @property
    def at(self) -> Instant:
        return self.micros // 1000


def read_tail(path: Path, since: Instant, *, limit: int = LIMIT) -> CelTail:
    """What the file says from ``since`` on; raises CelUnreadable. Blocking: for a thread.

    Where the file was rotated since, its predecessor (``….1``) is read as well.
    """
    try:
        raw, reach = _tail(path, since, limit)
        older = path.with_name(f"{path.name}.1")
        if reach is _Reach.BEGINNING and older.exists():
            before, reach = _tail(older, since, limit - len(raw))
            raw = before + raw
    except OSError as error:
        msg = f"{path}: {error.strerror or error}; let Asterisk write it, and the service's user read it"
        raise CelUnreadable(msg) from error
    lines, bad, moments = [], 0, []
    for line in _lines(raw):
        if line is None:
            bad += 1
            continue
        moments.append(line.at)
        if line.at >= since:
            lines.append(line)
    if bad and not moments:
        msg = f"{path}: no line of it can be read: is it cel_custom_oddzwon.conf's, with no dateformat in cel.conf?"
        raise CelUnreadable(msg)
    return CelTail(tuple(_facts(lines)), tuple(moments), bad, reach is not _Reach.BOUND)


class _Reach(Enum):
    """What stopped the reading backwards."""

    SINCE = auto()
    BEGINNING = auto()
    BOUND = auto()


def _tail(path: Path, since: Instant, limit: int) -> tuple[bytes, _Reach]:
    """The file's last whole lines, back to ``since`` if there are so many."""
    blocks: list[bytes] = []
    with path.open("rb") as file:
        start = end = file.seek(0, 2)
        while start > 0:
            if end - start >= limit:
                return _from_line(b"".join(blocks)), _Reach.BOUND
            size = min(BLOCK, start)
            start -= size
            file.seek(start)
            blocks.insert(0, file.read(size))
            first = next((line for line in _lines(_from_line(blocks[0])) if line is not None), None)
            if start and first is not None and first.at < since - DISORDER_MS:
                return _from_line(b"".join(blocks)), _Reach.SINCE
    return b"".join(blocks), _Reach.BEGINNING


def _from_line(raw: bytes) -> bytes:
    """Without the line that began before."""
    return raw[raw.find(b"\n") + 1 :]


def _lines(raw: bytes) -> Iterator[_Line | None]:
    """Each line, None for one that cannot be read; one that is still being written is left out."""
    for line in BytesIO(raw):
        if line.endswith(b"\n") and line.strip():
            yield _line(line)


def _line(raw: bytes) -> _Line | None:
    if len(raw) > LINE_LIMIT:
        return None
    try:
        (cells,) = csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True)
        kind, time, leg, linked, channel, extra = cells
        held = json.loads(extra) if extra else {}
        if not leg or not linked or not isinstance(held, dict):
            return None
        return _Line(kind, _micros(time), leg, linked, channel, held)
    except (ValueError, csv.Error, RecursionError):
        return None


def _micros(time: str) -> int:
    """Seconds with microseconds, as CEL has them without a ``dateformat``; a local time would be ambiguous."""
    seconds, _, fraction = time.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) == 10 and (fraction or "0").isdigit()):
        raise ValueError(time)
    return int(seconds) * 1_000_000 + int((fraction + "000000")[:6])


def _facts(lines: Iterable[_Line]) -> Iterator[OfCall]:
    """The lines in the domain's words, a leg's hang-up where the leg left its bridge.

    Measured on 22.10.1: the order of two legs' HANGUP lines tells nothing, that of their BRIDGE_EXIT lines who began.
    """
    left: dict[LegId, int] = {}
    placed: list[tuple[int, OfCall]] = []
    for line in sorted(lines, key=lambda line: line.micros):
        place = line.micros
        if line.kind == "BRIDGE_EXIT":
            left[line.leg] = place
        elif line.kind == "HANGUP" and place - left.get(line.leg, 0) <= LEFT_BEFORE_MS * 1000:
            place = left[line.leg]
        event = _event(line)
        if event is not None:
            placed.append((place, OfCall(line.linked, event)))
    return (fact for _, fact in sorted(placed, key=lambda one: one[0]))


def _event(line: _Line) -> CallEvent | None:
    match line.kind:
        case "ANSWER":
            return AgentAnswered(line.at, line.leg, names.device(line.channel))
        case "BRIDGE_ENTER":
            return BridgeEntered(line.at, line.leg, str(line.extra.get("bridge_id", "")))
        case "BRIDGE_EXIT":
            return BridgeLeft(line.at, line.leg, str(line.extra.get("bridge_id", "")))
        case "HANGUP":
            by = hung_up_by(str(line.extra.get("hangupsource", "")), line.channel)
            return HangupRecorded(line.at, line.leg, cause_of(line.extra.get("hangupcause")), by, RECORD)
    return None


def hung_up_by(source: str, channel: str) -> HungUpBy:
    """Whom ``CHANNEL(hangupsource)`` names, seen from the channel that ended."""
    if not source:
        return HungUpBy.NOBODY
    if source.startswith("dialplan/"):
        return HungUpBy.DIALPLAN
    return HungUpBy.ITSELF if source == channel else HungUpBy.ANOTHER


def cause_of(value: object) -> int | None:
    """A Q.850 cause; None where there is none that could be."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 127 else None

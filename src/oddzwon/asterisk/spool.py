"""The spool: what asterisk-config's stand-in script writes while the service is away, a file for each call and leg.

Every file is whole from the moment it has its name (written beside it, then renamed). One that cannot be read is moved
into ``damaged/``: never deleted, and never tried again. All functions block: for a thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oddzwon.asterisk.cel import cause_of, hung_up_by
from oddzwon.asterisk.facts import OfCall
from oddzwon.domain.events import HangupRecorded, Instant, LegId, Role

RECORD: Final = "spool"
VERSION: Final = 1
CALL, LEG = ".call.json", ".leg.json"
DAMAGED: Final = "damaged"
FILES_AT_ONCE: Final = 5_000
SIZE_LIMIT: Final = 16_384
HALF_WRITTEN_S: Final = 3_600
"""A file that has had no name of its own for so long is left from a script that was killed."""

_SHOWN: Final[Mapping[str, str]] = {
    "": "",
    "shown": "sip:shown@shown.example",
    "anonymous": "sip:anonymous@anonymous.invalid",
}
"""The script keeps of the From header only whether there was one, and whether it asked for anonymity."""


class SpoolUnreadable(Exception):
    """The folder cannot be read or changed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Played:
    """The static notice as it was played: ``sha256`` of the 8 kHz file that lay there, ``finished`` as Asterisk said.

    ``played_ms`` is counted from Asterisk's sample count; ``at`` is when the playing ended.
    """

    sha256: str
    played_ms: int
    finished: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class SpooledCall:
    """A call that the script served. ``number`` None: not shown, or not the caller's own, and so not kept.

    ``presentation``, ``privacy``, ``from_uri`` and ``diverted`` are what :mod:`oddzwon.domain.number` judges from.
    """

    file: str
    linked: str
    leg: LegId
    did: str
    started_at: Instant
    presentation: str
    privacy: str
    from_uri: str
    diverted: bool | None
    number: str | None
    queue: str
    notice: Played | None


@dataclass(frozen=True, slots=True)
class SpooledLeg:
    """The end of a leg, as its hangup handler saw it."""

    file: str
    role: Role
    leg: LegId
    fact: OfCall


@dataclass(frozen=True, slots=True)
class Spooled:
    """What lies in the spool, oldest first. ``damaged`` files were moved aside just now."""

    calls: tuple[SpooledCall, ...] = ()
    legs: tuple[SpooledLeg, ...] = ()
    damaged: int = 0


def read_spool(folder: Path) -> Spooled:
    """Read at most FILES_AT_ONCE files, the oldest; raises SpoolUnreadable."""
    calls: list[SpooledCall] = []
    legs: list[SpooledLeg] = []
    damaged = 0
    for path in _files(folder):
        try:
            data = _json(path)
            if path.name.endswith(CALL):
                calls.append(_call(path.name, data))
            elif path.name.endswith(LEG):
                legs.append(_leg(path.name, data))
            else:
                raise ValueError(path.name)
        except FileNotFoundError:
            continue  # the script has just put a newer one in its place
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            _set_aside(folder, path)
            damaged += 1
    return Spooled(tuple(calls), tuple(legs), damaged)


def remove(folder: Path, file: str) -> None:
    """The file's content is in the log; raises SpoolUnreadable."""
    try:
        (folder / file).unlink(missing_ok=True)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _files(folder: Path) -> list[Path]:
    now = time.time()
    found: list[tuple[float, Path]] = []
    try:
        for path in folder.iterdir():
            if path.is_dir():
                continue
            written = path.lstat().st_mtime
            if not path.name.startswith(".") or now - written > HALF_WRITTEN_S:
                found.append((written, path))
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [path for _, path in sorted(found)[:FILES_AT_ONCE]]


def _set_aside(folder: Path, path: Path) -> None:
    aside = folder / DAMAGED
    try:
        aside.mkdir(mode=0o770, exist_ok=True)
        path.replace(aside / path.name.lstrip("."))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: OSError) -> SpoolUnreadable:
    return SpoolUnreadable(f"{folder}: {error.strerror or error}; make it: group oddzwon, mode 2770")


def _json(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        raw = file.read(SIZE_LIMIT + 1)
    if len(raw) > SIZE_LIMIT:
        raise ValueError(path.name)
    data = json.loads(raw)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(path.name)
    return data


def _call(file: str, data: Mapping[str, Any]) -> SpooledCall:
    number, diverted = data["number"], data["diverted"]
    if (number is not None and not isinstance(number, str)) or diverted not in (True, False, None):
        raise ValueError(file)
    return SpooledCall(
        file,
        _text(data["linkedid"]),
        _text(data["uniqueid"]),
        _text(data["did"], may_be_empty=True),
        _instant(data["started_at"]),
        _text(data["presentation"], may_be_empty=True),
        _text(data["privacy"], may_be_empty=True),
        _SHOWN[data["from"]],
        diverted,
        number,
        _text(data["queue"], may_be_empty=True),
        _played(data["notice"]),
    )


def _played(data: Any) -> Played | None:
    if data is None:
        return None
    rate, samples = data["rate"], data["samples"]
    if rate not in (8_000, 16_000) or not isinstance(samples, int) or samples < 0:
        raise ValueError(rate)
    return Played(_text(data["sha256"]), samples * 1000 // rate, data["finished"] is True, _instant(data["at"]))


def _leg(file: str, data: Mapping[str, Any]) -> SpooledLeg:
    by = hung_up_by(_text(data["source"], may_be_empty=True), _text(data["channel"]))
    leg = _text(data["uniqueid"])
    event = HangupRecorded(_instant(data["at"]), leg, cause_of(data["cause"]), by, RECORD)
    return SpooledLeg(file, Role(data["role"]), leg, OfCall(_text(data["linkedid"]), event))


def _text(value: Any, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > 255 or not (value or may_be_empty):
        raise ValueError(value)
    return value


def _instant(value: Any) -> Instant:
    if not isinstance(value, int) or not 946_684_800_000 <= value < 4_102_444_800_000:
        raise ValueError(value)
    return value

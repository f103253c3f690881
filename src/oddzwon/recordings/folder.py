"""The recordings' folder: may the right ones write there, and is each file one that the log knows?

Asterisk writes into it, the service reads and removes: both are in its group, and nobody else looks in. Blocking.
"""

from __future__ import annotations

import grp
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from oddzwon.recordings.files import PART
from oddzwon.recordings.sealing import SEALED

MODE: Final = 0o2770
"""Owner and group all, others nothing; what is made inside gets the folder's group."""
WRITTEN_BY_ASTERISK: Final = (".raw", ".wav")
STALE_S: Final = 600
"""Nothing is written this long without a byte: older than this, an unfinished file is a crash's."""
UNSEALED_MS: Final = 3_600_000
"""An hour after its call, a recording that is still not sealed is worth a look."""
_PAGE: Final = 1_000


def wrong_with(folder: Path) -> str | None:
    """What is wrong with the folder, and what to do, in one sentence; None: nothing. Raises OSError."""
    if not folder.is_dir():
        return f"{folder} is no folder: make it, group oddzwon, mode 2770"
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o007:
        return f"{folder} is open to everybody (mode {mode:o}): chmod 2770 {folder}"
    if mode & MODE != MODE:
        return f"{folder} has mode {mode:o}, so that Asterisk or the service cannot write there: chmod 2770 {folder}"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"{folder} (group {_group(found.st_gid)}) cannot be changed by this user: be in its group"
    return None


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


class Finished(Protocol):
    """What is looked at of a finished recording."""

    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def sealed_file(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def ended_at(self) -> int | None: ...


class OnRecord(Protocol):
    """What the log says of files; :class:`oddzwon.log.recording_files.RecordingFiles` says it."""

    def files_of(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that are a recording's file or sealed file; one that failed has none."""
        ...

    def files_to_remove(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the names that should be gone."""
        ...

    def finished(self, after: str, limit: int) -> Sequence[Finished]:
        """Finished recordings by id, at most ``limit`` from behind the id ``after``."""
        ...

    def recording(self, recording: str) -> Finished | None:
        """The recording with this id."""
        ...


@dataclass(frozen=True, slots=True)
class Orphans:
    """Where folder and log do not agree.

    ``strangers``: files that belong to no recording. ``missing``: ids of recordings whose file is gone. ``left``: files
    that should be gone, of sealed or deleted recordings. ``broken_off``: files that somebody stopped writing.
    ``unsealed``: ids of recordings that have not been sealed an hour after their call.
    """

    strangers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    broken_off: tuple[str, ...] = ()
    unsealed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any((self.strangers, self.missing, self.left, self.broken_off, self.unsealed))

    def __str__(self) -> str:
        """How many of each, with one to begin with; file names and ids hold nothing personal."""
        kinds = {
            "of no recording": self.strangers,
            "of a recording, gone": self.missing,
            "to be removed": self.left,
            "broken off": self.broken_off,
            "not sealed": self.unsealed,
        }
        return "; ".join(f"{len(found)} {kind} ({_shown(found[0])})" for kind, found in kinds.items() if found)


def _shown(name: str) -> str:
    """A name as a terminal may be given it: whoever else writes into the folder chose it."""
    return name if name.isascii() and name.isprintable() else ascii(name)


def examine(folder: Path, log: OnRecord, now_ms: int) -> Orphans:
    """Compare the folder with the log; safe while the service records and seals. Raises OSError, LogError."""
    strangers: list[str] = []
    left: list[str] = []
    broken_off: list[str] = []
    for page in pages(folder):
        broken_off += stale_parts(folder, page, now_ms)
        whole = [name for name in page if not name.endswith(PART) or not _is_file(folder / name)]
        to_remove = log.files_to_remove(whole)
        left += to_remove
        known = log.files_of([*whole, *_written_for(whole)])
        strangers += [n for n in whole if n not in known and n not in to_remove and not known & {*_written_for([n])}]
    missing, unsealed = _rows_without(folder, log, now_ms)
    return Orphans(
        tuple(sorted(strangers)),
        tuple(missing),
        # what the service removed meanwhile is none
        tuple(name for name in sorted(left) if (folder / name).exists()),
        tuple(sorted(broken_off)),
        tuple(unsealed),
    )


def pages(folder: Path) -> Iterator[list[str]]:
    """The names in the folder, a bounded number at a time: it may hold a million. Raises OSError."""
    with os.scandir(folder) as entries:
        while page := [entry.name for entry in itertools.islice(entries, _PAGE)]:
            yield page


def stale_parts(folder: Path, names: Sequence[str], now_ms: int) -> list[str]:
    """Those of the names that a crash left unfinished: nothing was written into them for long."""
    return [name for name in names if name.endswith(PART) and _is_stale(folder / name, now_ms)]


def _written_for(names: Sequence[str]) -> list[str]:
    """What Asterisk wrote for these sealed files: one that is sealed just now stands before its commit."""
    stems = [name.removesuffix(SEALED) for name in names if name.endswith(SEALED)]
    return [stem + suffix for stem in stems for suffix in WRITTEN_BY_ASTERISK]


def _is_file(path: Path) -> bool:
    """Whether nobody has put a folder or a link there: what is gone meanwhile is none of these."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True


def _is_stale(file: Path, now_ms: int) -> bool:
    try:
        found = file.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and now_ms / 1000 - found.st_mtime > STALE_S


def _rows_without(folder: Path, log: OnRecord, now_ms: int) -> tuple[list[str], list[str]]:
    missing: list[str] = []
    unsealed: list[str] = []
    after = ""
    while page := log.finished(after, _PAGE):
        after = page[-1].id
        missing += [row.id for row in page if _is_gone(folder, row) and _is_gone(folder, log.recording(row.id))]
        unsealed += [row.id for row in page if _is_late(row, now_ms) and not _is_gone(folder, row)]
    return missing, unsealed


def _is_gone(folder: Path, row: Finished | None) -> bool:
    """Whether a recording that should have a file has none."""
    return row is not None and row.state == "finished" and not (folder / (row.sealed_file or row.file)).exists()


def _is_late(row: Finished, now_ms: int) -> bool:
    return row.sealed_file is None and row.ended_at is not None and now_ms - row.ended_at > UNSEALED_MS

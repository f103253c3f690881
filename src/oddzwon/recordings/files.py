"""Files that appear whole or not at all, and are on the disk when we say so. Blocking."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from oddzwon.recordings.errors import NotARegularFile

PART: Final = ".part"
"""What is still being written; whoever finds one that nobody writes may remove it."""


def unfinished(target: Path) -> Path:
    """Where the file is written until it is whole."""
    return target.with_name(target.name + PART)


@contextmanager
def written_whole(target: Path, mode: int, *, ours: bool = True) -> Iterator[BinaryIO]:
    """A file that stands under its name, synced, once the block is left; after an error it does not.

    ``ours``: nobody else writes such names here, and what lies under the name for the unfinished one is a crash's.
    """
    part = unfinished(target)
    if ours:
        part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        sync_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def kept_if_whole(out: Path) -> Iterator[BinaryIO]:
    """As :func:`written_whole`, for its owner only, and never in another file's place."""
    os.close(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # the name is ours from here on
    try:
        with written_whole(out, 0o600, ours=False) as file:
            yield file
    except BaseException:
        with suppress(OSError):
            out.unlink()
        raise


@contextmanager
def regular_file(path: Path) -> Iterator[BinaryIO]:
    """A file to read that somebody else's user has made: never what a link points to, nor a pipe that nobody fills.

    Raises NotARegularFile, OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotARegularFile(f"{path.name} is no regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotARegularFile(f"{path.name} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in the folder lasts."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(file: Path) -> None:
    """Remove a file, and make that last: after a power failure it is still gone. A missing one is none the worse."""
    file.unlink(missing_ok=True)
    sync_folder(file.parent)

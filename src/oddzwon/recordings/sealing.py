"""Sealing a recording, and giving it back: files in, files out; blocking, in bounded memory.

The steps around it, in an order that a crash at any point leaves whole: :func:`seal` (the sealed file stands, synced,
under its final name), then its wrapped key and its seal in one commit of the log, then the plain file is removed
(:func:`~oddzwon.recordings.files.remove`). Whoever finds a plain file without a commit seals it anew: the name is the
same, the key another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from oddzwon.recordings import wav
from oddzwon.recordings.errors import CannotMask, SealBroken, SealFailed
from oddzwon.recordings.files import kept_if_whole, regular_file, written_whole
from oddzwon.recordings.secretstream import CHUNK, OpeningStream, SealingStream, new_key

SEALED: Final = ".sealed"


class Side(StrEnum):
    """The channels of what unsealing gives, left and right."""

    CALLER = "caller"
    AGENT = "agent"

    @property
    def channel(self) -> int:
        """Its place in a frame."""
        return 0 if self is Side.CALLER else 1

    @property
    def other(self) -> Side:
        """The other one."""
        return Side.AGENT if self is Side.CALLER else Side.CALLER


@dataclass(frozen=True, slots=True)
class SealedFile:
    """What :func:`seal` made. ``key`` opens it: to be wrapped at once, and never written anywhere as it is.

    ``plain_sha256`` and ``plain_bytes`` are those of the WAV file that unsealing gives.
    """

    name: str
    key: bytes = field(repr=False)
    plain_sha256: str
    sealed_sha256: str
    plain_bytes: int
    duration_ms: int


def sealed_name(file: str) -> str:
    """The name of the sealed file of a recording that Asterisk wrote as ``file``."""
    return str(Path(file).with_suffix(SEALED))


def seal(source: Path, recording: str, *, side: str = Side.CALLER) -> SealedFile:
    """Seal what Asterisk has written and closed, beside it; the plain file stays.

    A ``.raw`` file becomes a stereo WAV; ``side`` tells whose channel MixMonitor hung on, and so which half is the
    caller's. Anything else (mono ``.wav`` files of earlier versions) is sealed as it is. Raises SealFailed, OSError.
    """
    target = source.with_name(sealed_name(source.name))
    key = new_key()
    plain = _Digest()
    with regular_file(source) as file, written_whole(target, 0o640) as made:
        before = os.fstat(file.fileno())
        stream = SealingStream(made, key, recording)
        for data in _plain_of(file, before.st_size, raw=source.suffix == ".raw", swap=side == Side.AGENT):
            plain.take(data)
            stream.write(data)
        after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise SealFailed(f"{source.name}: somebody still writes into it")
        sealed_sha256 = stream.close()
    return SealedFile(target.name, key, plain.sha256, sealed_sha256, plain.size, plain.duration_ms)


def unseal(
    sealed: Path,
    key: bytes,
    recording: str,
    out: Path,
    *,
    plain_sha256: str,
    sealed_sha256: str,
    only: Side | None = None,
) -> None:
    """Write the recording's WAV file to ``out`` (mode 0600); nothing is kept unless all of it proved authentic.

    ``only``: this side, the other one is silence. The hashes are those of the log. Raises SealBroken, CannotMask,
    FileExistsError (``out`` is never overwritten) and other OSErrors.
    """
    plain = _Digest()
    with regular_file(sealed) as file, kept_if_whole(out) as made:
        stream = OpeningStream(file, key, recording)
        mask = None if only is None else _Mask(only.other.channel)
        for data in stream.chunks():
            plain.take(data)
            made.write(data if mask is None else mask.over(data))
        if (plain.sha256, stream.sha256) != (plain_sha256, sealed_sha256):
            raise SealBroken(f"{sealed.name}: not the file that the log tells of")


# --- the plain data ---------------------------------------------------------------------------------------------------


def _plain_of(file: BinaryIO, size: int, *, raw: bool, swap: bool) -> Iterator[bytes]:
    """The WAV file in pieces: exactly ``size`` bytes of the source, of a raw one whole frames only."""
    left = size - size % wav.FRAME_BYTES if raw else size
    if raw:
        yield wav.header(left // wav.FRAME_BYTES)
    while left:
        data = file.read(min(left, CHUNK))
        if not data:
            raise SealFailed("it became shorter while it was read")
        left -= len(data)
        # a regular file's read is short at its end only: pieces are whole frames
        yield wav.swapped(data) if raw and swap else data


@dataclass(slots=True)
class _Digest:
    """Hash, size and duration of the plain data that went by."""

    size: int = 0
    _start: bytes = b""
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def take(self, data: bytes) -> None:
        if len(self._start) < wav.HEADER_BYTES:
            self._start += data[: wav.HEADER_BYTES - len(self._start)]
        self.size += len(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def duration_ms(self) -> int:
        """By the number of samples, not by the header's: a crash leaves that one behind."""
        form = wav.format_of(self._start)
        return 0 if form is None else (self.size - form.data_at) * 1000 // form.bytes_per_second


class _Mask:
    """Silences one channel of a stereo WAV file that comes in chunks."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._begun = False
        self._rest = b""

    def over(self, data: bytes) -> bytes:
        head = b""
        if not self._begun:
            self._begun = True
            form = wav.format_of(data)
            if form is None or form.channels != wav.CHANNELS:
                raise CannotMask("this recording has both sides in one channel: none of them can be given alone")
            head, data = data[: form.data_at], data[form.data_at :]
        data = self._rest + data
        whole = len(data) - len(data) % wav.FRAME_BYTES
        self._rest = data[whole:]
        return head + wav.silenced(data[:whole], self._channel)

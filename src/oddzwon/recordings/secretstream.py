"""The authenticated stream inside a sealed file: libsodium's secretstream, XChaCha20-Poly1305, in chunks of 64 KiB.

A thin layer over PyNaCl: one object that writes, one that reads, each over an open binary file, both hashing what lies
on the disk. The form is told in ``sealing.md``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from oddzwon.recordings.errors import SealBroken

MAGIC: Final = b"ODDZWREC"
VERSION: Final = 1
CHUNK: Final = 65_536
"""Plain bytes of each chunk; only the last may have less."""
KEY_BYTES: Final = sodium.crypto_secretstream_xchacha20poly1305_KEYBYTES
_MORE: Final = sodium.crypto_secretstream_xchacha20poly1305_ABYTES
_START: Final = struct.Struct(">8sBI")
_STREAM_HEADER: Final = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_MESSAGE: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_FINAL: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL


def new_key() -> bytes:
    """A random key for one file."""
    return bytes(sodium.crypto_secretstream_xchacha20poly1305_keygen())


class SealingStream:
    """Encrypts what is written into ``file``; :meth:`close` writes the last chunk, without which nothing is whole."""

    def __init__(self, file: BinaryIO, key: bytes, recording: str) -> None:
        self._file = file
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        self._waiting = bytearray()
        self._sha256 = hashlib.sha256()
        start = _START.pack(MAGIC, VERSION, CHUNK)
        self._bound: bytes | None = start + recording.encode()
        self._put(start + sodium.crypto_secretstream_xchacha20poly1305_init_push(self._state, key))

    def write(self, plain: bytes) -> None:
        """Take more of the plain data; what makes a whole chunk goes to the file. Raises OSError."""
        self._waiting += plain
        while len(self._waiting) > CHUNK:  # not >=: the last chunk must know that it is the last
            self._push(bytes(self._waiting[:CHUNK]), _MESSAGE)
            del self._waiting[:CHUNK]

    def close(self) -> str:
        """Write the last chunk; returns the SHA-256 of the whole sealed file. Raises OSError."""
        self._push(bytes(self._waiting), _FINAL)
        return self._sha256.hexdigest()

    def _push(self, plain: bytes, tag: int) -> None:
        bound, self._bound = self._bound, None
        self._put(sodium.crypto_secretstream_xchacha20poly1305_push(self._state, plain, bound, tag))

    def _put(self, sealed: bytes) -> None:
        self._sha256.update(sealed)
        self._file.write(sealed)


class OpeningStream:
    """Decrypts ``file`` chunk by chunk. What :meth:`chunks` gave counts only once it has come to its end."""

    def __init__(self, file: BinaryIO, key: bytes, recording: str) -> None:
        self._file = file
        self._key = key
        self._recording = recording
        self._sha256 = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        """The plain data, in order.

        Raises SealBroken where the file is cut, changed, goes on behind its end, or is not sealed with this key for
        this recording; OSError.
        """
        start = self._get(_START.size + _STREAM_HEADER)
        if len(start) < _START.size + _STREAM_HEADER:
            raise SealBroken("too short to be a sealed recording")
        magic, version, size = _START.unpack_from(start)
        if magic != MAGIC:
            raise SealBroken("not a sealed recording")
        if version != VERSION or size != CHUNK:
            raise SealBroken(f"sealed in form {version}, chunks of {size}: this version knows form {VERSION} only")
        state = sodium.crypto_secretstream_xchacha20poly1305_state()
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, start[_START.size :], self._key)
        bound: bytes | None = start[: _START.size] + self._recording.encode()
        tag = _MESSAGE
        while tag != _FINAL:
            sealed = self._get(CHUNK + _MORE)
            if len(sealed) < _MORE:
                raise SealBroken("cut off: its last chunk is missing")
            try:
                plain, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, sealed, bound)
            except CryptoError as error:
                raise SealBroken("changed, cut off, or another recording's") from error
            bound = None
            yield plain
        if self._file.read(1):
            raise SealBroken("something stands behind its end")

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read so far."""
        return self._sha256.hexdigest()

    def _get(self, size: int) -> bytes:
        sealed = self._file.read(size)
        self._sha256.update(sealed)
        return sealed

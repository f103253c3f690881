"""The operator's keys, in a file of their own: what every recording's own key is wrapped with.

The file: a line for each key, ``<id> <base64 of 32 bytes>``, the newest first; ``#`` begins a comment. Wrapping is
XChaCha20-Poly1305 (libsodium) with a random nonce, bound to the recording's id: told in ``sealing.md``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from oddzwon.recordings.errors import KeyFileError, KeyNotThere
from oddzwon.recordings.files import unfinished, written_whole

KEY_BYTES: Final = sodium.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
_NONCE_BYTES: Final = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_BOUND_TO: Final = b"oddzwon recording key 1\0"
_ID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
_FILE_MAX: Final = 1_000_000
_HEADING: Final = (
    "# oddzwon: the keys that recordings' own keys are wrapped with, the newest first.",
    "# Without this file no recording can be heard again; with it all of them can. Keep a copy, away from them.",
)


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """One of the operator's keys."""

    id: str
    secret: bytes = field(repr=False)


class KeyRing:
    """The keys of one file, the newest first. It is read once; a new state is a new ring. Methods do not block,
    except those that say so."""

    def __init__(self, path: Path, keys: tuple[WrappingKey, ...], comments: tuple[str, ...] = _HEADING) -> None:
        self.path = path
        self.keys = keys
        self._comments = comments

    @classmethod
    def open(cls, path: Path, needed: Collection[str] = ()) -> KeyRing:
        """Read the file (blocking); made with a new key, mode 0600, if it is not there and nothing needs it.

        ``needed``: the ids of keys by which recordings are wrapped. Raises KeyFileError: it is open to others, is no
        such file, or is missing although recordings need it: a new one would not open them.
        """
        try:
            ring = cls.read(path)
        except FileNotFoundError:
            pass
        else:
            unfinished(ring.path).unlink(missing_ok=True)  # a crash of a rekey left keys in it
            return ring
        if needed:
            raise KeyFileError(
                f"recording.key_file: {path} is not there, and recordings are wrapped with its keys "
                f"{', '.join(sorted(needed))}: put its copy in its place"
            )
        made = cls(path, (_new_key(),))
        made._write()
        return made

    @classmethod
    def read(cls, path: Path) -> KeyRing:
        """Read an existing file (blocking); where it is a link, its target is the file from then on.

        Raises KeyFileError, FileNotFoundError.
        """
        try:
            path = path.resolve()  # a new state takes the place of the file itself, wherever the operator keeps it
            descriptor = os.open(path, os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(_FILE_MAX)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise KeyFileError(f"recording.key_file: {path}: {error.strerror}") from error
        if mode & 0o077:
            raise KeyFileError(f"recording.key_file: {path} is open to others than its owner: chmod 600 {path}")
        try:
            lines = [line.strip() for line in content.decode("ascii").splitlines()]
        except UnicodeDecodeError as error:
            raise KeyFileError(f"recording.key_file: {path} is no file of keys: put its copy in its place") from error
        keys = tuple(_parsed(path, n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#"))
        if not keys:
            raise KeyFileError(f"recording.key_file: {path} holds no key: put its copy in its place, or remove it")
        if len({key.id for key in keys}) < len(keys):
            raise KeyFileError(f"recording.key_file: {path} names a key twice: put its copy in its place")
        return cls(path, keys, tuple(line for line in lines if line.startswith("#")))

    @property
    def newest(self) -> WrappingKey:
        """The key that wraps from now on."""
        return self.keys[0]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all its keys."""
        return frozenset(key.id for key in self.keys)

    def wrap(self, recording: str, secret: bytes) -> tuple[str, bytes]:
        """Encrypt a recording's key with the newest key, for this recording only: that key's id, and the wrapping."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret, _BOUND_TO + recording.encode(), nonce, self.newest.secret
        )
        return self.newest.id, nonce + sealed

    def unwrap(self, recording: str, key_id: str, wrapped: bytes) -> bytes:
        """A recording's key. Raises KeyNotThere: no such key here, or the wrapping is not this recording's."""
        key = next((key for key in self.keys if key.id == key_id), None)
        if key is None:
            raise KeyNotThere(f"recording.key_file: {self.path} has no key {key_id}: put its copy in its place")
        try:
            return bytes(
                sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
                    wrapped[_NONCE_BYTES:], _BOUND_TO + recording.encode(), wrapped[:_NONCE_BYTES], key.secret
                )
            )
        except (CryptoError, ValueError, TypeError) as error:
            raise KeyNotThere(f"the wrapped key of recording {recording} was changed, or is another's") from error

    def read_again(self, needed: Collection[str]) -> KeyRing:
        """The ring as the file is now (blocking). Raises KeyFileError, KeyNotThere: a key is missing that was in this
        ring, or that is ``needed``."""
        try:
            ring = KeyRing.read(self.path)
        except FileNotFoundError:
            raise KeyFileError(f"recording.key_file: {self.path} is gone: put its copy in its place") from None
        missing = sorted((self.ids | {*needed}) - ring.ids)
        if missing:
            lost = ", ".join(missing)
            raise KeyNotThere(f"recording.key_file: {self.path} lacks {lost}: put its copy in its place")
        return ring

    def renewed(self) -> KeyRing:
        """The ring with a new key in front of the others, written to the file (blocking). Raises OSError."""
        ring = KeyRing(self.path, (_new_key(), *self.keys), self._comments)
        ring._write()
        return ring

    def without_unused(self, used: Collection[str]) -> KeyRing:
        """The ring without those of its old keys that wrap nothing, written to the file (blocking). Raises OSError."""
        kept = tuple(key for key in self.keys[1:] if key.id in used)
        ring = KeyRing(self.path, (self.newest, *kept), self._comments)
        ring._write()
        return ring

    def _write(self) -> None:
        lines = [*self._comments, *(f"{key.id} {base64.b64encode(key.secret).decode()}" for key in self.keys)]
        with written_whole(self.path, 0o600) as file:
            file.write(("\n".join(lines) + "\n").encode())


def _new_key() -> WrappingKey:
    return WrappingKey(secrets.token_hex(8), secrets.token_bytes(KEY_BYTES))


def _parsed(path: Path, n: int, line: str) -> WrappingKey:
    name, _, encoded = line.partition(" ")
    try:
        secret = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        secret = b""
    if not _ID.fullmatch(name) or len(secret) != KEY_BYTES:
        raise KeyFileError(
            f"recording.key_file: {path}, line {n}: not an id and {KEY_BYTES} bytes in base64; put its copy there"
        )
    return WrappingKey(name, secret)

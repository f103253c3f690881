"""The operator's keys: a file that is never half, never open to others, and that no recording is lost with."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings as sodium
from tests.unit.test_log_recordings import on_disk, recorded

from oddzwon.callflow import recording_keys
from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.log import CallLog, Wrapped
from oddzwon.recordings.errors import KeyFileError, KeyNotThere
from oddzwon.recordings.keyring import KeyRing, WrappingKey
from oddzwon.recordings.sealing import SealedFile

T0 = 1_760_000_000_000
MADE = SealedFile("ab.sealed", b"k" * 32, "2" * 64, "3" * 64, 48_044, 1_500)


def text(*keys: tuple[str, bytes]) -> str:
    return "".join(f"{name} {base64.b64encode(secret).decode()}\n" for name, secret in keys)


def written(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings.key"


# --- the file -------------------------------------------------------------------------------------------------------


def test_it_is_made_once_and_for_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    ring = KeyRing.open(path)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.open(path).keys == ring.keys == KeyRing.read(path).keys
    assert [len(key.secret) for key in ring.keys] == [32]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.read_text().startswith("# oddzwon: ")
    assert ring.newest.secret not in repr(ring.newest).encode()


def test_a_new_file_is_no_substitute_for_a_lost_one(path: Path) -> None:
    with pytest.raises(
        KeyFileError, match=r"is not there, and recordings are wrapped with its keys k1, k2: put its copy"
    ):
        KeyRing.open(path, ("k2", "k1"))
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        KeyRing.read(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o010])
def test_open_to_others(path: Path, mode: int) -> None:
    written(path, text(("k1", bytes(32))), mode)
    with pytest.raises(KeyFileError, match="open to others than its owner: chmod 600"):
        KeyRing.open(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "holds no key"),
        ("# nothing\n\n", "holds no key"),
        (text(("k1", bytes(31))), r"line 1: not an id and 32 bytes"),
        (text(("k1", bytes(33))), r"line 1"),
        ("# ok\n" + text(("k1", bytes(32))) + "k2\n", r"line 3"),
        ("k1 " + "A" * 44 + "\n", r"line 1"),
        ("k1 no-base64!\n", r"line 1"),
        (text(("k 1", bytes(32))), r"line 1"),
        (text(("k/1", bytes(32))), r"line 1"),
        (text(("k1", bytes(32)), ("k1", b"x" * 32)), "names a key twice"),
        (b"\xff\xfe\x00", "no file of keys"),
        (bytes(range(64, 96)) + b"\x80", "no file of keys"),
    ],
)
def test_what_is_no_file_of_keys(path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(KeyFileError, match=says) as refused:
        KeyRing.open(written(path, content))
    assert str(path) in str(refused.value)


def test_a_folder_is_none_either(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match=r"recording\.key_file"):
        KeyRing.open(path)


def test_comments_stay_and_the_newest_is_first(path: Path) -> None:
    written(path, "# ours, see the safe\n" + text(("k1", b"1" * 32)))
    both = KeyRing.open(path).renewed()
    assert [key.id for key in both.keys][1:] == ["k1"]
    assert KeyRing.open(path).keys == both.keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert both.without_unused({"k1"}).keys == both.keys
    alone = both.without_unused(())
    assert KeyRing.open(path).keys == alone.keys == both.keys[:1]
    assert path.read_text().startswith("# ours, see the safe\n")
    assert base64.b64encode(b"1" * 32) not in path.read_bytes()


def test_a_failed_write_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing.open(path)
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        ring.renewed()
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


# --- wrapping -------------------------------------------------------------------------------------------------------

RING = KeyRing(Path("/nowhere"), (WrappingKey("new", b"n" * 32), WrappingKey("old", b"o" * 32)))


@given(secret=st.binary(min_size=32, max_size=32), recording=st.text(max_size=40))
def test_wrapped_and_back(secret: bytes, recording: str) -> None:
    key_id, blob = RING.wrap(recording, secret)
    assert key_id == "new"
    assert secret not in blob
    assert RING.unwrap(recording, key_id, blob) == secret
    assert RING.wrap(recording, secret) != (key_id, blob)


@given(at=st.integers(0, 71), bit=st.integers(0, 7))
def test_a_wrapping_that_was_changed(at: int, bit: int) -> None:
    key_id, blob = RING.wrap("rec_1", b"s" * 32)
    changed = bytearray(blob)
    changed[at] ^= 1 << bit
    with pytest.raises(KeyNotThere, match="rec_1 was changed"):
        RING.unwrap("rec_1", key_id, bytes(changed))


def test_another_recordings_wrapping_another_key_and_none(path: Path) -> None:
    key_id, blob = RING.wrap("rec_1", b"s" * 32)
    with pytest.raises(KeyNotThere, match="another's"):
        RING.unwrap("rec_2", key_id, blob)
    with pytest.raises(KeyNotThere, match="another's"):
        RING.unwrap("rec_1", "old", blob)
    with pytest.raises(KeyNotThere, match="another's"):
        RING.unwrap("rec_1", key_id, b"short")
    with pytest.raises(KeyNotThere, match=r"has no key lost: put its copy in its place"):
        RING.unwrap("rec_1", "lost", blob)


def test_a_stranger_can_unwrap_it() -> None:
    """Nothing of ours: libsodium's own function, and what sealing.md says."""
    _, blob = RING.wrap("rec_1", b"s" * 32)
    bound = b"oddzwon recording key 1\0rec_1"
    opened = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(blob[24:], bound, blob[:24], b"n" * 32)
    assert opened == b"s" * 32


# --- renewed while the service runs ---------------------------------------------------------------------------------


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(tmp_path / "log.db") as log:
        yield log


async def sealed(log: CallLog, keys: RecordingKeys, n: int) -> tuple[str, bytes]:
    _, recording = await recorded(log, f"r{n}", f"{n}.1")
    await log.recording_state(recording, "finished", at=T0)
    secret = bytes([n]) * 32
    await keys.commit(log, recording, replace(MADE, name=f"r{n}.sealed", key=secret), T0 + 1)
    return recording, secret


async def opened(log: CallLog, keys: RecordingKeys, recording: str) -> bytes:
    found = await log.sealed(recording)
    assert found is not None
    assert found.wrapped is not None
    return keys.unwrap(recording, found.wrapped)


async def ring(path: Path) -> KeyRing:
    return await asyncio.to_thread(KeyRing.open, path)


async def renewed(log: CallLog, keys: RecordingKeys) -> list[int]:
    """How many were left at first, and how many each step took."""
    steps = [await keys.renew(log)]
    while done := await keys.rewrap_some(log):
        steps.append(done)
    return steps


async def test_every_recording_survives_a_new_key(log: CallLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_keys, "BATCH", 3)
    keys = RecordingKeys(await ring(path))
    old = (await ring(path)).newest
    made = [await sealed(log, keys, n) for n in range(1, 8)]
    await log.destroy_recording(made[0][0], T0 + 9, "erasure")
    assert await renewed(log, keys) == [6, 3, 3]
    now = await ring(path)
    assert [key.id for key in now.keys] != [old.id]
    assert len(now.keys) == 1
    assert await log.wrapping_keys() == now.ids
    for recording, secret in made[1:]:
        assert await opened(log, RecordingKeys(now), recording) == secret
    after = await log.sealed(made[0][0])
    assert after is not None
    assert after.wrapped is None


async def test_broken_off_it_is_finished_by_the_next_run(
    log: CallLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two steps: file and log are whole, new recordings are sealed, and another run ends it."""
    monkeypatch.setattr(recording_keys, "BATCH", 2)
    first = RecordingKeys(await ring(path))
    made = [await sealed(log, first, n) for n in range(1, 6)]
    assert await first.renew(log) == 5
    assert await first.rewrap_some(log) == 2
    second = RecordingKeys(await ring(path))  # the next life of the service
    both = await ring(path)
    assert len(both.keys) == 2
    made.append(await sealed(log, second, 6))
    for recording, secret in made:
        assert await opened(log, second, recording) == secret
    assert await renewed(log, second) == [6, 2, 2, 2]
    alone = (await ring(path)).keys
    assert len(alone) == 1
    assert alone[0] not in both.keys
    for recording, secret in made:
        assert await opened(log, second, recording) == secret


async def test_broken_off_before_anything_was_wrapped(log: CallLog, path: Path) -> None:
    """The new key is in the file and wraps nothing yet: it is taken."""
    first = RecordingKeys(await ring(path))
    await sealed(log, first, 1)
    await first.renew(log)
    both = await ring(path)
    assert await renewed(log, RecordingKeys(both)) == [1, 1]
    assert (await ring(path)).keys == both.keys[:1]


async def test_one_wrapping_that_does_not_open_keeps_no_other(
    log: CallLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged row: it is named, the others are wrapped anew, and the key that it names stays in the file."""
    monkeypatch.setattr(recording_keys, "BATCH", 2)
    keys = RecordingKeys(await ring(path))
    old = (await ring(path)).newest
    made = [await sealed(log, keys, n) for n in range(1, 6)]
    damaged = made[0][0]
    found = await log.sealed(damaged)
    assert found is not None
    assert found.wrapped is not None
    await log.rewrap([(damaged, found.wrapped, Wrapped(old.id, bytes(72)))])
    for _ in range(2):  # and again, with another new key
        assert await renewed(log, keys) == [5, 2, 2, 1]
        assert keys.stuck == (damaged,)
        now = await ring(path)
        assert (len(now.keys), now.keys[1]) == (2, old)
        for recording, secret in made[1:]:
            assert await opened(log, RecordingKeys(now), recording) == secret
        assert await log.wrapping_keys() == now.ids


def test_a_file_that_is_linked_to_stays_where_it_is(path: Path, tmp_path: Path) -> None:
    """The operator's vault is mounted elsewhere: what is renewed is its file, not the link."""
    (tmp_path / "vault").mkdir()
    vault = tmp_path / "vault" / "keys"
    before = KeyRing.open(vault)
    path.symlink_to(vault)
    after = KeyRing.open(path).renewed()
    assert path.is_symlink()
    assert KeyRing.read(vault).keys == after.keys != before.keys


def test_what_a_crash_left_of_a_new_state_goes(path: Path) -> None:
    """Keys of the operator's, in the clear."""
    KeyRing.open(path)
    left = path.with_name(path.name + ".part")
    left.write_bytes(path.read_bytes())
    KeyRing.open(path)
    assert not left.exists()


async def test_what_is_sealed_meanwhile_is_not_lost(log: CallLog, path: Path) -> None:
    keys = RecordingKeys(await ring(path))
    before = [await sealed(log, keys, n) for n in range(1, 4)]
    work = [asyncio.create_task(sealed(log, keys, n)) for n in range(4, 30)]
    await renewed(log, keys)
    during = await asyncio.gather(*work)
    await renewed(log, keys)
    only = RecordingKeys(await ring(path))
    for recording, secret in [*before, *during]:
        assert await opened(log, only, recording) == secret


async def test_a_key_that_is_missing_keeps_the_old_ones(log: CallLog, path: Path) -> None:
    """One recording is wrapped with a key that nobody has: nothing leaves the file until it is put back."""
    keys = RecordingKeys(await ring(path))
    recording, _ = await sealed(log, keys, 1)
    found = await log.sealed(recording)
    assert found is not None
    assert found.wrapped is not None
    await log.rewrap([(recording, found.wrapped, Wrapped("lost", found.wrapped.blob))])
    with pytest.raises(KeyNotThere, match="lacks lost: put its copy in its place"):
        await keys.renew(log)
    assert len((await ring(path)).keys) == 1


async def test_a_key_that_was_put_back_since_the_start_stays(log: CallLog, path: Path) -> None:
    """What `check` advises: the lost line is added to the file, and the service has not been restarted since."""
    recording, secret = await sealed(log, RecordingKeys(await ring(path)), 1)
    copy = await asyncio.to_thread(path.read_text)
    await asyncio.to_thread(path.unlink)
    keys = RecordingKeys(await ring(path))  # a new file: the service runs without the old key
    with pytest.raises(KeyNotThere):
        await keys.renew(log)
    line = copy.splitlines()[-1]
    await asyncio.to_thread(lambda: path.write_text(f"{path.read_text()}{line}\n"))
    await renewed(log, keys)
    assert await opened(log, RecordingKeys(await ring(path)), recording) == secret


async def test_a_key_file_that_was_exchanged_or_is_gone_is_not_written_over(log: CallLog, path: Path) -> None:
    keys = RecordingKeys(await ring(path))
    other = f"other {base64.b64encode(bytes(32)).decode()}\n"
    await asyncio.to_thread(path.write_text, other)
    with pytest.raises(KeyNotThere, match="lacks"):
        await keys.renew(log)
    assert await asyncio.to_thread(path.read_text) == other
    await asyncio.to_thread(path.unlink)
    with pytest.raises(KeyFileError, match="is gone"):
        await keys.renew(log)
    assert not await asyncio.to_thread(path.exists)


async def test_the_plain_key_is_written_nowhere(log: CallLog, path: Path, tmp_path: Path) -> None:
    secret = os.urandom(32)
    keys = RecordingKeys(await ring(path))
    _, recording = await recorded(log)
    await log.recording_state(recording, "finished", at=T0)
    await keys.commit(log, recording, replace(MADE, key=secret), T0 + 1)
    assert secret not in on_disk(tmp_path / "log.db")
    assert await opened(log, keys, recording) == secret

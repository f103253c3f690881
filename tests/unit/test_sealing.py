"""Sealed recordings: whatever was recorded comes back to the byte, and nothing else ever does."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import tracemalloc
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings as sodium

from oddzwon.recordings import wav
from oddzwon.recordings.errors import CannotMask, NotARegularFile, SealBroken, SealFailed
from oddzwon.recordings.sealing import SealedFile, Side, seal, sealed_name, unseal
from oddzwon.recordings.secretstream import CHUNK, SealingStream

REC = "rec_01m7zvs30779zm0czmvx3z"
SIZES = st.one_of(
    st.integers(0, 3_000),
    st.sampled_from([n * CHUNK + more for n in (1, 2) for more in (-48, -45, -44, -43, -40, -4, -1, 0, 1, 4)]),
)


def sealed(folder: Path, recorded: bytes, name: str = "ab12.raw", side: str = "caller") -> SealedFile:
    (folder / name).write_bytes(recorded)
    return seal(folder / name, REC, side=side)


def opened(folder: Path, made: SealedFile, *, only: Side | None = None, recording: str = REC) -> bytes:
    out = folder / "out.wav"
    out.unlink(missing_ok=True)
    unseal(
        folder / made.name,
        made.key,
        recording,
        out,
        plain_sha256=made.plain_sha256,
        sealed_sha256=made.sealed_sha256,
        only=only,
    )
    return out.read_bytes()


def frames(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<hh", *pair) for pair in pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


# --- back to the byte ---------------------------------------------------------------------------------------------


@given(size=SIZES, side=st.sampled_from(Side), seed=st.integers(0, 2**32))
def test_what_was_recorded_comes_back(folder: Path, size: int, side: Side, seed: int) -> None:
    recorded = hashlib.shake_128(str(seed).encode()).digest(size)
    made = sealed(folder, recorded, side=side)
    whole = recorded[: size - size % 4]
    samples = [whole[n : n + 2] for n in range(0, len(whole), 2)]
    if side is Side.AGENT:  # MixMonitor hung on the agent's channel: what it wrote first is the agent
        samples = [samples[n ^ 1] for n in range(len(samples))]
    back = opened(folder, made)
    assert back[wav.HEADER_BYTES :] == b"".join(samples)
    assert (hashlib.sha256(back).hexdigest(), len(back)) == (made.plain_sha256, made.plain_bytes)
    assert made.duration_ms == size // 4 // 8
    assert hashlib.sha256((folder / made.name).read_bytes()).hexdigest() == made.sealed_sha256
    with wave.open(str(folder / "out.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8_000)
        assert file.getnframes() == size // 4


def test_a_mono_file_of_an_earlier_version_stays_as_it_is(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "old.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(os.urandom(16_000 * 3))
    recorded = (tmp_path / "old.wav").read_bytes()
    made = seal(tmp_path / "old.wav", REC)
    assert (made.name, made.duration_ms, made.plain_bytes) == ("old.sealed", 3_000, len(recorded))
    assert opened(tmp_path, made) == recorded
    with pytest.raises(CannotMask, match="both sides in one channel"):
        opened(tmp_path, made, only=Side.CALLER)
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("recorded", [b"", b"RIFF", b"no sound at all" * 9])
def test_what_is_no_sound_is_kept_as_it_is(tmp_path: Path, recorded: bytes) -> None:
    made = sealed(tmp_path, recorded, "odd.wav")
    assert opened(tmp_path, made) == recorded
    assert made.duration_ms == 0


@pytest.mark.parametrize(("only", "left", "right"), [(None, 1, 1), (Side.CALLER, 1, 0), (Side.AGENT, 0, 1)])
def test_one_side_alone(tmp_path: Path, only: Side | None, left: int, right: int) -> None:
    pairs = [(n % 30_000 + 1, -(n % 29_999) - 1) for n in range(CHUNK // 2)]  # over several chunks
    made = sealed(tmp_path, frames(*pairs))
    back = opened(tmp_path, made, only=only)[wav.HEADER_BYTES :]
    assert back == frames(*((a * left, b * right) for a, b in pairs))


def test_a_recording_too_long_for_its_header() -> None:
    long = wav.header(2**31)
    assert (len(long), long[4:8], long[40:44]) == (44, b"\xff\xff\xff\xff", b"\xff\xff\xff\xff")


# --- nothing else -------------------------------------------------------------------------------------------------

RECORDED = hashlib.shake_128(b"recorded").digest(2 * CHUNK + 1_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SealedFile, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    made = sealed(folder, RECORDED)
    return folder, made, (folder / made.name).read_bytes()


def refused(folder: Path, made: SealedFile, content: bytes, recording: str = REC) -> None:
    """The hashes are right on purpose: the stream itself must refuse what was changed."""
    (folder / "changed.sealed").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(SealBroken):
        unseal(
            folder / "changed.sealed",
            made.key,
            recording,
            folder / "no.wav",
            plain_sha256=made.plain_sha256,
            sealed_sha256=digest,
        )
    assert not list(folder.glob("no.wav*"))


@given(data=st.data())
def test_a_flipped_bit_anywhere(whole: tuple[Path, SealedFile, bytes], data: st.DataObject) -> None:
    folder, made, content = whole
    at = data.draw(st.one_of(st.integers(0, 80), st.integers(0, len(content) - 1)))
    changed = bytearray(content)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    refused(folder, made, bytes(changed))


@given(data=st.data())
def test_cut_off_anywhere(whole: tuple[Path, SealedFile, bytes], data: st.DataObject) -> None:
    folder, made, content = whole
    borders = [0, 13, 37, 37 + CHUNK + 17, 37 + 2 * (CHUNK + 17)]
    cut = data.draw(st.one_of(st.sampled_from(borders), st.integers(0, len(content) - 1)))
    refused(folder, made, content[:cut])


def test_chunks_in_another_order_left_out_or_added(whole: tuple[Path, SealedFile, bytes]) -> None:
    folder, made, content = whole
    head, one, two, last = (
        content[:37],
        content[37 : 37 + CHUNK + 17],
        content[37 + CHUNK + 17 : 37 + 2 * (CHUNK + 17)],
        content[37 + 2 * (CHUNK + 17) :],
    )
    for changed in (
        head + two + one + last,
        head + one + last,
        head + two + last,
        head + one + one + two + last,
        head + last,
        content + b"\0",
        content + last,
    ):
        refused(folder, made, changed)


def test_another_recordings_file_and_another_key(whole: tuple[Path, SealedFile, bytes], tmp_path: Path) -> None:
    folder, made, content = whole
    refused(folder, made, content, "rec_another")
    other = sealed(tmp_path, RECORDED)
    assert (other.plain_sha256, other.duration_ms) == (made.plain_sha256, made.duration_ms)
    assert other.key != made.key
    refused(folder, made, (tmp_path / other.name).read_bytes())


@pytest.mark.parametrize("which", ["plain_sha256", "sealed_sha256"])
def test_a_file_that_is_not_the_logs(whole: tuple[Path, SealedFile, bytes], tmp_path: Path, which: str) -> None:
    folder, made, _ = whole
    plain, ours = ("0" * 64 if which == name else getattr(made, name) for name in ("plain_sha256", "sealed_sha256"))
    with pytest.raises(SealBroken, match=r"ab12\.sealed: not the file that the log tells of"):
        unseal(folder / made.name, made.key, REC, tmp_path / "no.wav", plain_sha256=plain, sealed_sha256=ours)
    assert list(tmp_path.iterdir()) == []


def test_a_later_form_is_named(whole: tuple[Path, SealedFile, bytes], tmp_path: Path) -> None:
    _, made, content = whole
    (tmp_path / made.name).write_bytes(content[:8] + b"\2" + content[9:])
    with pytest.raises(SealBroken, match="sealed in form 2"):
        opened(tmp_path, made)


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_names_and_modes(tmp_path: Path) -> None:
    before = os.umask(0o027)
    made = sealed(tmp_path, RECORDED)
    opened(tmp_path, made)
    os.umask(before)
    assert made.name == sealed_name("ab12.raw") == "ab12.sealed"
    assert stat.S_IMODE((tmp_path / made.name).stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "out.wav").stat().st_mode) == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"ab12.raw", "ab12.sealed", "out.wav"}
    assert RECORDED[5_000:5_032] not in (tmp_path / made.name).read_bytes()
    assert made.key not in (tmp_path / made.name).read_bytes()
    assert repr(made.key) not in repr(made)


@pytest.mark.parametrize("there", ["out.wav", "out.wav.part"])
def test_no_file_of_somebody_elses_is_overwritten(tmp_path: Path, there: str) -> None:
    made = sealed(tmp_path, RECORDED)
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError):
        unseal(
            tmp_path / made.name,
            made.key,
            REC,
            tmp_path / "out.wav",
            plain_sha256=made.plain_sha256,
            sealed_sha256=made.sealed_sha256,
        )
    assert (tmp_path / there).read_text() == "mine"
    assert {one.name for one in tmp_path.iterdir()} == {"ab12.raw", "ab12.sealed", there}


@pytest.mark.parametrize("change", ["longer", "shorter"])
def test_what_is_still_written_is_not_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    source = tmp_path / "ab12.raw"

    def meanwhile(self: SealingStream, plain: bytes) -> None:
        os.truncate(source, 9_000_000 if change == "longer" else 1_000)
        write(self, plain)

    write = SealingStream.write
    monkeypatch.setattr(SealingStream, "write", meanwhile)
    with pytest.raises(SealFailed):
        sealed(tmp_path, RECORDED)
    assert [one.name for one in tmp_path.iterdir()] == ["ab12.raw"]


@pytest.mark.parametrize("kind", ["link", "loop", "folder", "pipe"])
def test_what_is_no_file_is_not_sealed(tmp_path: Path, kind: str) -> None:
    """Whoever else may write to the folder cannot have the service read its own key file, or wait for ever."""
    secret = tmp_path / "recordings.key"
    secret.write_text("k1 secret")
    source = tmp_path / "ab12.raw"
    match kind:
        case "link":
            source.symlink_to(secret)
        case "loop":
            source.symlink_to(source)
        case "folder":
            source.mkdir()
        case "pipe":
            os.mkfifo(source)
    with pytest.raises(NotARegularFile, match=r"ab12\.raw is no regular file"):
        seal(source, REC)
    assert not source.with_suffix(".sealed").exists()


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_plain_file_and_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    places: dict[str, tuple[object, str]] = {
        "write": (SealingStream, "_put"),
        "fsync": (os, "fsync"),
        "replace": (Path, "replace"),
    }
    monkeypatch.setattr(*places[step], no_space)
    with pytest.raises(OSError, match="No space"):
        sealed(tmp_path, RECORDED)
    assert [one.name for one in tmp_path.iterdir()] == ["ab12.raw"]


def test_after_a_crash_it_is_sealed_anew(tmp_path: Path) -> None:
    """Killed while it wrote, and killed before the commit: the next one stands alone, under the same name."""
    first = sealed(tmp_path, RECORDED)
    (tmp_path / "ab12.sealed.part").write_bytes(b"half")
    again = seal(tmp_path / "ab12.raw", REC)
    assert {one.name for one in tmp_path.iterdir()} == {"ab12.raw", "ab12.sealed"}
    assert opened(tmp_path, again)[wav.HEADER_BYTES :] == RECORDED
    with pytest.raises(SealBroken):
        opened(tmp_path, first)


def test_a_long_recording_takes_no_more_memory(tmp_path: Path) -> None:
    (tmp_path / "long.raw").touch()
    os.truncate(tmp_path / "long.raw", 40_000_000)

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    made: list[SealedFile] = []
    assert peak(lambda: made.append(seal(tmp_path / "long.raw", REC, side="agent"))) < 2_000_000
    out = tmp_path / "out.wav"
    (one,) = made

    def open_it() -> None:
        plain, ours = one.plain_sha256, one.sealed_sha256
        file = tmp_path / one.name
        unseal(file, one.key, REC, out, plain_sha256=plain, sealed_sha256=ours, only=Side.CALLER)

    assert peak(open_it) < 2_000_000


# --- a stranger, with sealing.md and libsodium --------------------------------------------------------------------


def test_a_stranger_can_open_it(whole: tuple[Path, SealedFile, bytes]) -> None:
    """Nothing of ours: the bytes, libsodium's own functions, and what the page says."""
    _, made, content = whole
    assert content[:8] == b"ODDZWREC"
    assert (content[8], int.from_bytes(content[9:13], "big")) == (1, 65_536)
    state = sodium.crypto_secretstream_xchacha20poly1305_state()
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, content[13:37], made.key)
    rest, plain, bound = content[37:], b"", content[:13] + REC.encode("ascii")
    while rest:
        chunk, rest = rest[: 65_536 + 17], rest[65_536 + 17 :]
        data, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(state, chunk, bound)
        plain, bound = plain + data, b""
        assert tag == (0 if rest else 3)
    assert plain[44:] == RECORDED
    assert hashlib.sha256(plain).hexdigest() == made.plain_sha256

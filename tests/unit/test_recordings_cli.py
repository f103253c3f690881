"""`oddzwon recordings`: heard only with a name and a reason, held, released, re-keyed; through the real socket."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.test_cli import only_json, run
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_recordings import recorded
from tests.unit.test_log_rules import OTHER
from typer.testing import Result

from oddzwon.callflow.recording_keys import RecordingKeys
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import load
from oddzwon.control import ControlError, ControlServer, ask_service
from oddzwon.log import Wrapped
from oddzwon.recordings.files import remove
from oddzwon.recordings.keyring import KeyRing
from oddzwon.recordings.sealing import seal

T0 = 1_760_000_000_000
SAMPLES = b"\x01\x02\x03\x04" * 8_000
RECORDING = """[recording]
enabled = true
directory = "{folder}/recordings"
key_file = "{folder}/recordings.key"
"""


@dataclass
class Running:
    """A service with one call recorded and sealed, its settings and its socket."""

    board: Switchboard
    config: Path
    folder: Path
    call: str
    recording: str

    async def ran(self, *args: object) -> Result:
        return await asyncio.to_thread(run, *args, config=self.config)

    async def said(self, *args: object) -> tuple[int, str]:
        """Exit status, and the error or the document as text."""
        result = await self.ran(*args, "--json")
        found = only_json(result)
        return result.exit_code, str(found.get("error", found)) if isinstance(found, dict) else str(found)

    def accesses(self) -> list[tuple[str, str, str]]:
        with contextlib.closing(sqlite3.connect(self.board.log.path)) as db:
            return db.execute("SELECT by, what, reason FROM access ORDER BY id").fetchall()


async def sealed(board: Switchboard, folder: Path, name: str, leg: str) -> tuple[str, str]:
    call, recording = await recorded(board.log, name, leg, OTHER)
    plain = folder / f"{name}.raw"
    await asyncio.to_thread(plain.write_bytes, SAMPLES)
    await board.log.recording_state(recording, "finished", at=T0 + 1_000, why="the call is over")
    made = await asyncio.to_thread(seal, plain, recording)
    assert board.keys is not None
    await board.keys.commit(board.log, recording, made, T0 + 2_000)
    await asyncio.to_thread(remove, plain)
    return call, recording


def configured(tmp_path: Path) -> tuple[Path, Path]:
    config, folder = write_settings(tmp_path), tmp_path / "recordings"
    text = config.read_text(encoding="utf-8")
    assert "[recording]\n" in text
    config.write_text(text.replace("[recording]\n", RECORDING.format(folder=tmp_path), 1), encoding="utf-8")
    folder.mkdir()
    folder.chmod(0o2770)
    return config, folder


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    config, folder = await asyncio.to_thread(configured, tmp_path)
    settings = await asyncio.to_thread(load, config)
    async with opened_board(settings) as board:
        assert settings.recording.key_file is not None
        board.keys = RecordingKeys(await asyncio.to_thread(KeyRing.open, settings.recording.key_file))
        call, recording = await sealed(board, folder, "ab", "1.1")
        server = ControlServer(settings.log.socket, board)
        await server.start()
        yield Running(board, config, folder, call, recording)
        await server.close()


# --- list -----------------------------------------------------------------------------------------------------------


async def test_list(running: Running) -> None:
    _, other = await sealed(running.board, running.folder, "cd", "2.1")
    result = await running.ran("recordings", "list", "--json")
    assert result.exit_code == 0
    found = only_json(result)
    assert [one["id"] for one in found] == sorted((running.recording, other), reverse=True)
    assert {(one["state"], one["seconds"], one["side"]) for one in found} == {("sealed", 1.0, "caller")}
    of_call = only_json(await running.ran("recordings", "list", "--json", "--call", running.call))
    assert [(one["id"], one["file"]) for one in of_call] == [(running.recording, "ab.sealed")]
    assert only_json(await running.ran("recordings", "list", "--json", "--since", "1h")) == []
    assert len(only_json(await running.ran("recordings", "list", "--json", "--limit", "1"))) == 1
    table = await running.ran("recordings", "list")
    assert running.recording in table.stdout
    assert OTHER.number not in table.output


async def test_a_calls_recordings_and_what_became_of_them(running: Running) -> None:
    shown = (await running.ran("calls", "show", running.call)).stdout
    assert "ab.sealed" in shown
    assert [line.split()[2] for line in shown.splitlines() if line.split()[1:2] == [running.recording]] == [
        "armed",
        "finished",
        "sealed",
    ]
    assert "the call is over" in shown


# --- unseal ---------------------------------------------------------------------------------------------------------


def unseal(running: Running, out: Path, *more: str, reason: str = "complaint 7") -> list[str]:
    asked = ["recordings", "unseal", running.recording, "--by", "anna", "--reason", reason]
    return [*asked, "--out", str(out), *more]


async def test_it_is_heard_with_a_reason_and_that_is_written(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    result = await running.ran(*unseal(running, out))
    assert result.exit_code == 0, result.output
    with wave.open(str(out)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8_000, 8_000)
        assert file.readframes(8_000) == SAMPLES
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert running.accesses() == [("anna", f"recording {running.recording}", "complaint 7")]
    assert sorted(one.name for one in running.folder.iterdir()) == ["ab.sealed"]


@pytest.mark.parametrize(("side", "sample"), [("caller", b"\x01\x02\0\0"), ("agent", b"\0\0\x03\x04")])
async def test_one_side(running: Running, tmp_path: Path, side: str, sample: bytes) -> None:
    out = tmp_path / "heard.wav"
    result = await running.ran(*unseal(running, out, "--side", side, "--json"))
    assert only_json(result) == {"unsealed": running.recording, "file": str(out), "side": side}
    with wave.open(str(out)) as file:
        assert file.readframes(8_000) == sample * 8_000
    assert [what for _, what, _ in running.accesses()] == [f"recording {running.recording}, the {side} only"]


async def refused(running: Running, out: Path, says: str, *args: str, written: int = 0) -> None:
    before = await asyncio.to_thread(lambda: out.read_bytes() if out.exists() else None)
    status, error = await running.said(*args)
    assert status == 1
    assert says in error
    assert len(running.accesses()) == written
    assert await asyncio.to_thread(lambda: out.read_bytes() if out.exists() else None) == before


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("", "--reason is empty"),
        ("  ", "--reason is empty"),
        ("call to +48 600 100 200", "looks like a telephone number"),
        ("two\nlines", "one line"),
        ("x" * 501, "longer than 500"),
    ],
)
async def test_not_without_a_reason(running: Running, tmp_path: Path, reason: str, says: str) -> None:
    out = tmp_path / "heard.wav"
    await refused(running, out, says, *unseal(running, out, reason=reason))


async def test_not_under_a_restriction(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    await running.board.log.restrict(number_key=OTHER.number_key, at=T0)
    await refused(running, out, "restricted (Art. 18", *unseal(running, out))
    await running.board.log.lift_restriction(number_key=OTHER.number_key, at=T0 + 1)
    assert (await running.ran(*unseal(running, out))).exit_code == 0


async def test_not_once_it_is_erased_though_a_copy_lies_there(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    await running.board.log.destroy_recording(running.recording, T0 + 9_000, "erasure")
    assert (running.folder / "ab.sealed").exists()
    await refused(running, out, "its key is destroyed", *unseal(running, out))


async def test_not_before_it_is_sealed_and_not_what_is_not_there(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    _, live = await recorded(running.board.log, "live", "3.1")
    args = unseal(running, out)
    await refused(running, out, "not sealed yet: it is armed", *[live if a == running.recording else a for a in args])
    await running.board.log.recording_state(live, "failed", at=T0, why="MixMonitor was refused")
    asked = [live if a == running.recording else a for a in args]
    await refused(running, out, "was never made: MixMonitor was refused", *asked)
    await refused(running, out, "no recording 'rec_x'", *["rec_x" if a == running.recording else a for a in args])


async def test_no_file_is_overwritten(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    out.write_text("mine")
    await refused(running, out, "exists already: name another file", *unseal(running, out))


async def test_a_file_that_was_exchanged_or_cut(running: Running, tmp_path: Path) -> None:
    """The access stands written: who asked did ask."""
    out, file = tmp_path / "heard.wav", running.folder / "ab.sealed"
    content = file.read_bytes()
    await sealed(running.board, running.folder, "cd", "2.1")
    exchanged = (running.folder / "cd.sealed").read_bytes()
    for n, wrong in enumerate((content[:-1], exchanged, content + b"x", b""), 1):
        file.write_bytes(wrong)
        await refused(running, out, "", *unseal(running, out), written=n)
        assert not out.exists()
    file.write_bytes(content)
    assert (await running.ran(*unseal(running, out))).exit_code == 0


async def test_without_its_key_file_or_its_sealed_file(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    running.board.keys = RecordingKeys(await asyncio.to_thread(KeyRing.open, tmp_path / "another.key"))
    await refused(running, out, "put its copy in its place", *unseal(running, out))
    running.board.keys = None
    await refused(running, out, "recording.enabled is false", *unseal(running, out))
    await running.board.log.close()
    await refused(running, out, "closed", *unseal(running, out))


async def test_its_sealed_file_is_gone(running: Running, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    (running.folder / "ab.sealed").unlink()
    await refused(running, out, "ab.sealed", *unseal(running, out), written=1)
    assert not out.exists()


async def test_the_socket_itself_asks_for_all_of_it(running: Running) -> None:
    path = running.config.parent / "oddzwon.sock"
    for asked in (
        {"command": "unseal"},
        {"command": "unseal", "recording": running.recording, "by": "anna"},
        {"command": "unseal", "recording": running.recording, "by": None, "reason": "x"},
        {"command": "unseal", "recording": running.recording, "by": "anna", "reason": "x", "side": "both"},
        {"command": "unseal", "recording": [], "by": "anna", "reason": "x"},
    ):
        with pytest.raises(ControlError):
            await asyncio.to_thread(ask_service, path, asked)
    assert running.accesses() == []


# --- hold and release -----------------------------------------------------------------------------------------------

HOLD = ("--by", "anna", "--reference", "C 12/26", "--approver", "Dr. Nowak", "--review-on", "2099-05-31")


async def test_hold_and_release(running: Running) -> None:
    rec = running.recording
    assert await running.said("recordings", "hold", rec, *HOLD) == (0, str({"held": rec}))
    listed = (await running.ran("recordings", "list")).stdout
    assert "C 12/26" in listed
    assert "2099-05-31" in listed  # its review
    (shown,) = only_json(await running.ran("recordings", "list", "--json"))
    assert (shown["held"], shown["holds"][0]["approver"], shown["state"]) == (True, "Dr. Nowak", "sealed")
    with pytest.raises(Exception, match="recording-key-held"):
        await running.board.log.destroy_recording(rec, T0 + 9_000, "retention")
    status, error = await running.said("recordings", "hold", rec, *HOLD)
    assert (status, "it is held under this reference already" in error) == (1, True)
    second = [word if word != "C 12/26" else "C 13/26" for word in HOLD]
    assert (await running.ran("recordings", "hold", rec, *second)).exit_code == 0
    release = ("recordings", "release", rec, "--by", "anna", "--reason", "settled")
    status, error = await running.said(*release)
    assert (status, "2 holds stand; name one of them with --reference" in error) == (1, True)
    status, error = await running.said(*release, "--reference", "C 99")
    assert (status, "no hold stands under 'C 99'" in error) == (1, True)
    assert await running.said(*release, "--reference", "C 12/26") == (0, str({"released": rec, "holds": 1}))
    assert await running.said(*release) == (0, str({"released": rec, "holds": 0}))
    status, error = await running.said(*release)
    assert (status, "no hold stands" in error) == (1, True)
    await running.board.log.destroy_recording(rec, T0 + 9_000, "retention")
    status, error = await running.said("recordings", "hold", rec, *HOLD)
    assert (status, "nothing is left to hold" in error) == (1, True)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--review-on", "soon", "not a date such as"),
        ("--review-on", "2020-01-01", "a day to come"),
        ("--review-on", "20990531x", "not a date"),
        ("--reference", " ", "--reference is empty"),
        ("--approver", "", "--approver is empty"),
        ("--by", "", "--by is empty"),
        ("--reference", "+48600100200", "telephone number"),
    ],
)
async def test_what_is_no_hold(running: Running, option: str, value: str, says: str) -> None:
    args = list(HOLD)
    args[args.index(option) + 1] = value
    status, error = await running.said("recordings", "hold", running.recording, *args)
    assert (status, says in error) == (1, True)
    assert await running.board.log.holds(running.recording) == ()


# --- rekey ------------------------------------------------------------------------------------------------------------


async def test_rekey(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.callflow.recording_keys.BATCH", 2)
    for n in range(4):
        await sealed(running.board, running.folder, f"more{n}", f"{n + 2}.1")
    file = tmp_path / "recordings.key"
    before = await asyncio.to_thread(KeyRing.read, file)
    assert only_json(await running.ran("recordings", "rekey", "--json")) == {"rewrapped": 5, "not_rewrapped": []}
    after = await asyncio.to_thread(KeyRing.read, file)
    assert await running.board.log.wrapping_keys() == after.ids
    assert (len(after.ids), after.ids & before.ids) == (1, frozenset())
    assert (await running.ran(*unseal(running, tmp_path / "heard.wav"))).exit_code == 0
    people = await running.ran("recordings", "rekey")
    assert "5 recordings are wrapped with the new key" in people.output


async def test_rekey_names_what_it_could_not_wrap(running: Running) -> None:
    """A wrapped key that was damaged in the log."""
    found = await running.board.log.sealed(running.recording)
    assert found is not None
    assert found.wrapped is not None
    damaged = Wrapped(found.wrapped.key_id, bytes(72))
    await running.board.log.rewrap([(running.recording, found.wrapped, damaged)])
    shown = {"rewrapped": 0, "not_rewrapped": [running.recording]}
    assert only_json(await running.ran("recordings", "rekey", "--json")) == shown
    people = await running.ran("recordings", "rekey")
    assert running.recording in people.output


async def test_rekey_where_nothing_is_recorded(running: Running) -> None:
    running.board.keys = None
    status, error = await running.said("recordings", "rekey")
    assert (status, "recording.enabled is false" in error) == (1, True)


@pytest.mark.parametrize(
    "args",
    [
        ("unseal", "rec_1", "--by", "a", "--reason", "b", "--out", "x.wav"),
        ("hold", "rec_1", *HOLD),
        ("release", "rec_1", "--by", "a", "--reason", "b"),
        ("rekey",),
    ],
)
async def test_without_the_service(tmp_path: Path, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = await asyncio.to_thread(write_settings, tmp_path)
    result = await asyncio.to_thread(run, "recordings", *args, "--json", config=config)
    assert result.exit_code == 1
    assert "is `oddzwon serve` running?" in only_json(result)["error"]
    assert not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize(
    "args", [("unseal", "rec_1"), ("unseal", "rec_1", "--by", "a", "--out", "x"), ("hold", "rec_1"), ("release",)]
)
def test_bad_usage(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert run("recordings", *args, config=write_settings(tmp_path)).exit_code == 2

"""The second try of `make test`: what noise broke passes, what is broken does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.asterisk import second_try

pytestmark = pytest.mark.thorough

PASSES = "def test_passes():\n    pass\n"
FAILS = "def test_fails():\n    assert False\n"
FAILS_ONCE = """
import pathlib

def test_fails_once():
    mark = pathlib.Path(__file__ + ".failed")
    first = not mark.exists()
    mark.touch()
    assert not first
"""
ERRS_ONCE = """
import pathlib, pytest

@pytest.fixture(scope="module")
def lab():
    mark = pathlib.Path(__file__ + ".failed")
    first = not mark.exists()
    mark.touch()
    if first:
        raise OSError
    return 1

def test_of_a_lab(lab):
    assert lab
"""


def tried(folder: Path, **tests: str) -> int:
    """The exit status of a run of these files."""
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text)
    return second_try.run([str(folder)], folder / "cache", folder / "accounts.json")


def test_nothing_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, a=PASSES) == 0
    assert "second try" not in capfd.readouterr().out


def test_what_fails_once_is_named_and_passes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, a=PASSES, b=FAILS_ONCE, c=ERRS_ONCE) == 0
    said = capfd.readouterr().out
    _, needed = said.split("needed a second try:")
    assert [line.rpartition("::")[2] for line in needed.split()] == ["test_fails_once", "test_of_a_lab"]
    assert "2 passed" in said  # the one that had passed is not run again


def test_what_fails_twice_has_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, a=FAILS, b=FAILS_ONCE) == 1
    _, said = capfd.readouterr().out.split("failed twice:")
    twice, needed = said.split("needed a second try:")
    assert [line.rpartition("::")[2] for line in (*twice.split(), *needed.split())] == ["test_fails", "test_fails_once"]


def test_too_many_are_not_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = {f"n{n}": FAILS_ONCE for n in range(second_try.MOST + 1)}
    assert tried(tmp_path, **many) == 1
    assert "none of them is tried again" in capfd.readouterr().out
    assert len([*tmp_path.glob("*.failed")]) == second_try.MOST + 1


def test_a_run_that_could_not_begin_has_failed(tmp_path: Path) -> None:
    assert second_try.run([str(tmp_path / "nothing")], tmp_path / "cache") not in (0, 1)


def test_who_was_rung_twice_was_rung_twice(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the failpoint matrix counts is no noise: a second try would only hide it."""
    one = {"mode": "agent first", "fault": "AMI cut", "step": "ringing", "invites_of_one": 2, "connected": 1}
    counts = json.dumps({"in_all": "…", "accounts": [one]})
    accounts = f"import pathlib\npathlib.Path({str(tmp_path / 'accounts.json')!r}).write_text({counts!r})\n"
    assert tried(tmp_path, a=accounts + FAILS_ONCE) == pytest.ExitCode.TESTS_FAILED
    said = capfd.readouterr().out
    assert "agent first, AMI cut at ringing" in said
    assert "second try" not in said

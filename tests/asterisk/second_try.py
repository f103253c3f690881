"""How `make test` runs the real Asterisk: several labs at once, then what failed once more, alone and one by one.

What fails twice has failed, and so has a run in which more failed than noise explains. What needed the second try is
named at the end, so that it is seen: a test that is named again and again is mended, or the product is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
MOST: Final = 12
"""So many of some hundred tests may fail by the machine's noise; more is a fault."""
AT_ONCE: Final = ("-n", "3", "--dist", "loadfile", "--cache-clear", "--durations", "20")
ALONE: Final = ("-n", "0", "--last-failed", "--last-failed-no-failures", "none")


def run(tests: Sequence[str], cache: Path, accounts: Path = ROOT / ".cache/at-most-once.json") -> int:
    """Both tries of these files or folders; returns pytest's exit status, 0 where nothing failed twice.

    ``cache`` is a folder of this run's own: what failed is read from it. ``accounts`` is what the failpoint matrix has
    counted in this run.
    """
    accounts.unlink(missing_ok=True)
    status = _pytest(AT_ONCE, tests, cache)
    if status != pytest.ExitCode.TESTS_FAILED:
        return status
    failed = _failed(cache)
    if twice := rung_twice(accounts):
        _say("somebody was rung or connected twice: no noise excuses that, and nothing is tried again", twice)
        return status
    if len(failed) > MOST:
        _say(f"{len(failed)} failed: more than {MOST}, so none of them is tried again", failed)
        return status
    _say(f"{len(failed)} failed: each is tried once more, alone", failed)
    status = _pytest(ALONE, tests, cache)
    if status == pytest.ExitCode.OK:
        _say("needed a second try:", failed)
    elif status == pytest.ExitCode.TESTS_FAILED:
        twice = _failed(cache)
        _say("failed twice:", twice)
        _say("needed a second try:", [test for test in failed if test not in twice])
    return status


def _pytest(how: Sequence[str], tests: Sequence[str], cache: Path) -> int:
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-o", f"cache_dir={cache}", *how, *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def rung_twice(accounts: Path) -> list[str]:
    """The crash points at which an attempt had more than one INVITE, or a drop more than one talk."""
    found = json.loads(accounts.read_text())["accounts"] if accounts.exists() else []
    return [
        f"{one['mode']}, {one['fault']} at {one['step']}"
        for one in found
        if one["invites_of_one"] > 1 or one["connected"] > 1
    ]


def _failed(cache: Path) -> list[str]:
    return sorted(json.loads((cache / "v/cache/lastfailed").read_text()))


def _say(words: str, tests: Sequence[str]) -> None:
    if tests:
        print(f"\n{words}", *tests, sep="\n  ", flush=True)  # noqa: T201 - a program's own words


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:] or ["tests/asterisk"], ROOT / ".cache/pytest-asterisk"))

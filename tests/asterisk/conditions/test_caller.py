"""The caller's number: shown or hidden, his own or not; a hidden one is found nowhere afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.asterisk.conditions.case import Asked
from tests.asterisk.conditions.cases_caller import CASES, HIDDEN
from tests.asterisk.conditions.verdicts import check, complaints
from tests.asterisk.endings.case import Run
from tests.asterisk.lab import Lab

pytestmark = pytest.mark.asterisk


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_condition(case: Asked, played: Run) -> None:
    check(case, played)


def test_nobody_complained(played: Run) -> None:
    assert complaints(played) == []


def files_of(lab: Lab) -> dict[Path, bytes]:
    """All that the service and Asterisk have written: the database with its journal, logs, CEL, CDR, the spool."""
    return {
        path: path.read_bytes()
        for path in lab.state.rglob("*")
        if path.is_file() and lab.state / "prompts" not in path.parents and path.suffix not in (".wav", ".raw")
    }


def test_a_hidden_number_is_nowhere(played: Run, lab: Lab) -> None:
    """Not in a byte of any file, though the network delivered it in one header or another."""
    files = files_of(lab)
    hidden = {played.outcomes[case.id].number for case in HIDDEN if case.id in played.outcomes}
    shown = {played.outcomes[case.id].number for case in CASES if case.id in played.outcomes} - hidden
    found = {
        (number, str(path.relative_to(lab.state)))
        for number in hidden
        for path, held in files.items()
        if number.removeprefix("+48").encode() in held
    }
    assert found == set()
    database = b"".join(held for path, held in files.items() if path.name.startswith("oddzwon.db"))
    assert [number for number in shown if number.encode() not in database] == [], "the search finds what is there"
    assert {path.name for path in files} >= {"oddzwon.db", "oddzwon.log", "oddzwon.csv"}


def test_a_hidden_number_has_no_row(played: Run, lab: Lab) -> None:
    calls = {played.outcomes[case.id].shown["id"] for case in HIDDEN if case.id in played.outcomes}
    rows = lab.read("SELECT id, party, presentation FROM call")
    assert {row["presentation"] for row in rows if row["id"] in calls} <= {"withheld", "unknown"}
    assert {row["party"] for row in rows if row["id"] in calls} <= {None}

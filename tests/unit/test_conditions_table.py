"""The table of conditions has a row for every case and no other, in the cases' order, and can be found."""

from __future__ import annotations

from collections import Counter

from tests.asterisk.conditions.case import PASSED
from tests.asterisk.conditions.catalogue import CASES
from tests.asterisk.conditions.table import ROOT, TABLE, names
from tests.asterisk.kept_table import line

from oddzwon.domain.lawfulness import Code

ELSEWHERE = {
    Code.NOT_INBOUND,
    Code.TOO_LATE,
    Code.ATTEMPTS,
    Code.PURPOSE,
    Code.RESTRICTED,
    Code.NO_AGENT,
    Code.NO_BALANCING_TEST,
}
"""What no caller alone can show: the page says where it is played."""


def test_every_case_has_a_row_and_every_row_a_case() -> None:
    assert list(TABLE.read()) == names()


def test_no_two_cases_are_confused() -> None:
    assert [name for name, count in Counter(names()).items() if count > 1] == []
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
    assert [number for number, count in Counter(c.number for c in CASES if c.number).items() if count > 1] == []


def test_every_condition_is_played_or_named_as_played_elsewhere() -> None:
    """Refusing and passing."""
    refused = {code for case in CASES for code, passed, _ in case.conditions if passed is not True}
    passed = {code for case in CASES for code, passed, _ in case.conditions if passed is True}
    assert list(PASSED) == list(Code)
    assert passed == set(Code)
    assert set(Code) - {case.about for case in CASES} == ELSEWHERE
    assert {case.about for case in CASES} <= refused | {Code.NO_NOTICE}
    page = TABLE.page.read_text(encoding="utf-8")
    assert [code for code in ELSEWHERE if f"`{code}`" not in page] == []


def test_the_rows_say_what_the_cases_ask_for() -> None:
    words = {True: "passed", False: "refused", None: "unknown"}
    for case in CASES:
        row = TABLE.read()[case.name]
        wanted = {code: (words[passed], evidence) for code, passed, evidence in case.conditions}[case.about]
        assert (row[1], row[2], row[3]) == (f"`{case.about}`", *wanted)
        assert row[5] == ("yes" if case.expected.called_back else "no")


def test_the_table_is_written_as_it_is_read() -> None:
    lines = TABLE.page.read_text(encoding="utf-8").splitlines()
    assert [line(row) for row in TABLE.read().values()] == lines[-len(TABLE.read()) :]


def test_the_readme_leads_to_it() -> None:
    assert f"]({TABLE.page.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")

"""The table of endings has a row for every case and no other, in the cases' order, and can be found."""

from __future__ import annotations

from collections import Counter

from tests.asterisk.endings.catalogue import CASES
from tests.asterisk.endings.table import ROOT, TABLE, names
from tests.asterisk.kept_table import line


def test_every_case_has_a_row_and_every_row_a_case() -> None:
    assert list(TABLE.read()) == names()


def test_no_two_cases_are_confused() -> None:
    assert [name for name, count in Counter(names()).items() if count > 1] == []
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []


def test_the_table_is_written_as_it_is_read() -> None:
    lines = TABLE.page.read_text(encoding="utf-8").splitlines()
    assert [line(row) for row in TABLE.read().values()] == lines[-len(TABLE.read()) :]


def test_the_readme_leads_to_it() -> None:
    assert f"]({TABLE.page.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")

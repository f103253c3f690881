"""The table at the end of a run: how many crash points were tried, and what was counted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest

from tests.asterisk.failpoints.account import KEY, Account
from tests.asterisk.kept_table import WRITE

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "src/oddzwon/callflow/at-most-once.md"
COUNTED: Final = re.compile(r"(?s)(?<=<!-- counted -->\n).*?(?=<!-- /counted -->)")
"""The part of the page that a run with ``ODDZWON_WRITE_TABLE=1`` writes anew."""
JSON: Final = ROOT / ".cache/at-most-once.json"
"""Every account of the last run."""
HEAD: Final = (
    "first called, fault",
    "crash points",
    "attempts",
    "INVITEs",
    "of one attempt",
    "connected",
    "of one drop",
    "lost",
    "of them proven never sent",
)


def accounts_in(reports: Iterable[pytest.TestReport]) -> list[Account]:
    """The accounts that the reports carry."""
    kept = (value for report in reports for key, value in report.user_properties if key == KEY)
    return [Account(**json.loads(str(value))) for value in kept]


def sentence(accounts: Sequence[Account]) -> str:
    """All of it in one sentence."""
    every = _row("", accounts)
    return (
        f"{every[1]} crash points: {every[3]} INVITEs for {every[2]} attempts, at most {every[4]} for one; "
        f"{every[5]} callbacks connected, at most {every[6]} for one drop; "
        f"{every[7]} attempts lost, {every[8]} of them proven never sent"
    )


def table(accounts: Sequence[Account]) -> str:
    """One line for each mode and fault, and one for all."""
    kinds = dict.fromkeys((account.mode, account.fault) for account in accounts)
    rows = [
        _row(f"{mode}, {fault}", [one for one in accounts if (one.mode, one.fault) == (mode, fault)])
        for mode, fault in kinds
    ]
    lines = [HEAD, tuple("---" for _ in HEAD), *rows, _row("all", accounts)]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _row(name: str, accounts: Sequence[Account]) -> tuple[str | int, ...]:
    return (
        name,
        len(accounts),
        sum(one.attempts for one in accounts),
        sum(one.invites for one in accounts),
        max(one.invites_of_one for one in accounts),
        sum(one.connected for one in accounts),
        max(one.connected for one in accounts),
        sum(one.lost for one in accounts),
        sum(one.never_existed for one in accounts),
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it, keep it, and write it into the page if asked to."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.getreports(word)]
    accounts = accounts_in(report for report in reports if isinstance(report, pytest.TestReport))
    if not accounts:
        return
    terminalreporter.section("at most once")
    terminalreporter.write(table(accounts))
    terminalreporter.line(sentence(accounts))
    JSON.parent.mkdir(exist_ok=True)
    kept = {"in_all": sentence(accounts), "accounts": [asdict(one) for one in accounts]}
    JSON.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if os.environ.get(WRITE):
        PAGE.write_text(COUNTED.sub(lambda _: table(accounts), PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""What the documentation says of each step and fault."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict
from typing import Final

import pytest

from tests.asterisk.failpoints.account import KEY, Account
from tests.asterisk.failpoints.tally import PAGE

HEAD: Final = ("step", "service killed", "AMI cut", "Asterisk killed")


def ends(mode: str) -> dict[tuple[str, str], frozenset[str]]:
    """How a callback may end by the page's table for the mode (``agent first``), by step and fault."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n### {mode.capitalize()}\n")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in re.split(r"\n##", rest)[0].splitlines()
        if line.startswith("| `")
    ]
    return {
        (row[0].replace("`", ""), fault): frozenset(re.findall(r"`(\w+)`", cell))
        for row in rows
        for fault, cell in zip(HEAD[1:], row[1:], strict=True)
    }


def keep(request: pytest.FixtureRequest, account: Account, may_end: Collection[str] | None = None) -> None:
    """Put the account into the test's report, for the table at the end of the run.

    Raises AssertionError where the callback ended otherwise than ``may_end``, or than the page says.
    """
    request.node.user_properties.append((KEY, json.dumps(asdict(account))))
    assert account.state in (may_end or ends(account.mode)[account.step, account.fault]), account

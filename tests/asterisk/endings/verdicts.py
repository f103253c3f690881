"""Is a played case as the paper wants it, and as the table tells it? If not: all that is known of its call."""

from __future__ import annotations

import subprocess

import pytest

from tests.asterisk.endings.case import Case, Outcome, Run, Verdict
from tests.asterisk.endings.table import TABLE, row_of
from tests.asterisk.kept_table import is_writing
from tests.asterisk.lab import ROOT, Lab


def check(case: Case, played: Run, lab: Lab) -> None:
    """Fails with the expected verdict, the given one, both rows and the journal in words."""
    outcome = played.outcomes[case.id]
    wrong = [outcome.trouble] if outcome.trouble else []
    if outcome.verdict is None:
        wrong.append("no verdict was given")
    else:
        wrong += _unexpected(case, outcome.verdict)
        fresh = row_of(case.name, outcome.said, outcome.verdict, races=case.races)
        stale = None if wrong and is_writing() else TABLE.hold_against(fresh)  # no wrong row is written
        wrong += [stale] if stale else []
    if wrong:
        pytest.fail("\n".join([f"{case.name} ({case.row})", *wrong, _journal(outcome, lab)]), pytrace=False)


def _unexpected(case: Case, got: Verdict) -> list[str]:
    wanted = case.expected
    fits = (
        got.party in wanted.parties
        and got.technical is wanted.technical
        and got.confidence in wanted.confidence
        and got.stage in wanted.stages
        and got.called_back is wanted.called_back
    )
    return [] if fits else [f"expected: {wanted}", f"verdict:  {got}"]


def _journal(outcome: Outcome, lab: Lab) -> str:
    """The verdict's reasons and the journal, in the command line's words."""
    if outcome.call is None:
        return f"Asterisk said: {outcome.said or 'nothing'}"
    done = subprocess.run(
        [ROOT / ".venv/bin/oddzwon", "--config", lab.config, "calls", "show", outcome.call, "--journal"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return f"Asterisk said: {outcome.said}\n{done.stdout}{done.stderr}"

"""Agent first, every step from the customer's answer to the end, and every fault: never twice, never unwritten."""

from __future__ import annotations

import pytest

from oddzwon.callflow import failpoints as at
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.faults import FAULTS, Fault
from tests.asterisk.failpoints.foretold import keep
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.failpoints.trial import BEFORE_THE_ANSWER, tried

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost", "originate-fate-unknown")]

MODE = "agent first"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", [step for step in at.STEPS if step not in (*BEFORE_THE_ANSWER, at.HANGUP_SENT)])
async def test_a_fault(drop: Drop, gate: Gate, step: str, fault: Fault, request: pytest.FixtureRequest) -> None:
    keep(request, await tried(drop, gate, MODE, step, fault))

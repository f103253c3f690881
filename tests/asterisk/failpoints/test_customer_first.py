"""Customer first, the steps that differ from agent first, and every fault: never twice, never unwritten."""

from __future__ import annotations

import pytest

from oddzwon.callflow import failpoints as at
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.faults import FAULTS, Fault
from tests.asterisk.failpoints.foretold import keep
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.failpoints.trial import tried

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost", "originate-fate-unknown")]

MODE = "customer first"
STEPS = (
    at.RESERVING,
    at.ATTEMPT_COMMITTED,
    at.ORIGINATE_SENT,
    at.ORIGINATE_ANSWERED,
    at.RINGING,
    at.ACCEPTED,
    at.HANDED_OVER,
    at.BRIDGED,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", STEPS)
async def test_a_fault(drop: Drop, gate: Gate, step: str, fault: Fault, request: pytest.FixtureRequest) -> None:
    keep(request, await tried(drop, gate, MODE, step, fault))

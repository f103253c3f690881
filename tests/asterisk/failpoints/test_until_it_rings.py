"""Agent first, every step from the verdict to the ringing, and every fault: never twice, never unwritten."""

from __future__ import annotations

import pytest

from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.faults import FAULTS, Fault
from tests.asterisk.failpoints.foretold import keep
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.failpoints.trial import BEFORE_THE_ANSWER, tried

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost", "originate-fate-unknown")]

MODE = "agent first"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", BEFORE_THE_ANSWER)
async def test_a_fault(drop: Drop, gate: Gate, step: str, fault: Fault, request: pytest.FixtureRequest) -> None:
    keep(request, await tried(drop, gate, MODE, step, fault))

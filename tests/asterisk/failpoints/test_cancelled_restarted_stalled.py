"""Agent first: a fault while the callback is cancelled, an Asterisk that is restarted, one that stands still."""

from __future__ import annotations

import pytest

from oddzwon.callflow import failpoints as at
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.faults import FAULTS, RESTART, STALLS, Fault
from tests.asterisk.failpoints.foretold import keep
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.failpoints.trial import tried, tried_while_stopping

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("ami-lost", "originate-fate-unknown")]

MODE = "agent first"
STOPS = (at.HANGUP_SENT, at.CLOSED)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", STOPS)
async def test_a_fault_while_it_is_cancelled(
    drop: Drop, gate: Gate, step: str, fault: Fault, request: pytest.FixtureRequest
) -> None:
    keep(request, await tried_while_stopping(drop, gate, MODE, step, fault))


@pytest.mark.parametrize("fault", STALLS, ids=lambda fault: fault.name)
async def test_an_originate_that_is_read_late(
    drop: Drop, gate: Gate, fault: Fault, request: pytest.FixtureRequest
) -> None:
    """Asterisk stands still when it leaves: whatever rings afterwards, nothing rings beside it."""
    keep(request, await tried(drop, gate, MODE, at.ATTEMPT_COMMITTED, fault), ("completed", "lost"))


@pytest.mark.parametrize("step", [at.AGENT_HELD, at.RINGING, at.ANSWERED, at.BRIDGED])
async def test_asterisk_is_restarted(drop: Drop, gate: Gate, step: str, request: pytest.FixtureRequest) -> None:
    """By its administrator: it says so, and it ends the calls itself."""
    keep(request, await tried(drop, gate, MODE, step, RESTART), ("completed", "lost", "unanswered", "failed"))

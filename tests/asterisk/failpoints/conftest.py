"""The service tells its steps to the test, in the mode that the module names; its windows are short."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.asterisk.bench import Bench
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.lab import Lab

LISTENER = "ODDZWON_FAILPOINT_SOCKET"
SHORT = (("grace_s = 2.0", "grace_s = 0.5"), ("ring_limit_s = 8.0", "ring_limit_s = 60.0"))
"""However long it takes until all is up again, a telephone that rings has not stopped."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telling(lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """The lab's service tells its steps, in the module's ``MODE``."""
    mode = request.module.MODE.replace(" ", "_")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(LISTENER, str(lab.state / "failpoints.sock"))
        async with lab.settings(*SHORT, ("gap_s = 5.0", f'gap_s = 1.0\nmode = "{mode}"')):
            yield lab
            environment.delenv(LISTENER)


@pytest.fixture
async def gate(telling: Lab) -> AsyncIterator[Gate]:
    """Where the service tells its steps during this test."""
    async with Gate(Path(os.environ[LISTENER])) as gate:
        yield gate


@pytest.fixture
def drop(gate: Gate, bench: Bench, number: str) -> Drop:
    """This test's customer."""
    return Drop(bench, number)

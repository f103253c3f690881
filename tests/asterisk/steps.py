"""Fixtures for modules whose tests share settings of their own, and hold the service at a step of a callback."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.lab import Lab

LISTENER = "ODDZWON_FAILPOINT_SOCKET"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stepwise(lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """The lab's service runs with the module's ``SETTINGS``, and tells its steps to whoever listens."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(LISTENER, str(lab.state / "failpoints.sock"))
        async with lab.settings(*request.module.SETTINGS):
            yield lab
            environment.delenv(LISTENER)


@pytest.fixture
async def steps(stepwise: Lab) -> AsyncIterator[Gate]:
    """Where the service tells its steps during this test; it comes before the bench."""
    async with Gate(Path(os.environ[LISTENER])) as gate:
        yield gate

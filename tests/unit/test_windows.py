"""The windows of a callback over a restart of the service, a boot of the machine, and a wall clock that is set.

With the real log and the dial gate as the service asks it; the clocks are the tests' own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_call_log import PARTY, PASSED, T0, inbound, receipt, verdict

from oddzwon.callflow.aftermath import dropped_from
from oddzwon.callflow.dialfacts import gate_for, lapse_at
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load
from oddzwon.domain.bootclock import BootInstant, noted
from oddzwon.domain.callback import Callback
from oddzwon.domain.events import Instant
from oddzwon.domain.lawfulness import Code, GateOutcome
from oddzwon.log import Decision

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LOST_AT = T0 + 900
SEEN_AT = LOST_AT + 2 * SECOND
FIRST_DIAL, LAPSE = 120 * SECOND, 15 * MINUTE


@dataclass(frozen=True)
class Clocks:
    """The machine's two clocks, so long after its boot."""

    wall: Instant
    boot: str = "first"
    up: int = 10 * HOUR

    def now(self) -> Instant:
        return self.wall

    def monotonic(self) -> float:
        return self.up / 1_000

    def since_boot(self) -> BootInstant:
        return BootInstant(self.boot, self.up)

    def later(self, ms: int, *, stepped: int = 0, booted: bool = False) -> Clocks:
        """The clocks so much later; the wall clock was set by ``stepped`` meanwhile."""
        up = MINUTE if booted else self.up + ms
        return Clocks(self.wall + ms + stepped, "second" if booted else self.boot, up)


SEEN = Clocks(SEEN_AT)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@asynccontextmanager
async def service(settings: Settings, clocks: Clocks) -> AsyncIterator[Switchboard]:
    """One life of the service, by these clocks."""
    async with opened_board(settings) as board:
        board.clock = clocks
        yield board


async def lost(board: Switchboard) -> str:
    """A talk that was cut off, seen two seconds after, and decided; returns the call's id."""
    call = await inbound(board.log, "9.1", T0, replace(PARTY, number_key=board.number_key(PARTY.number)))
    await board.log.receipt(call, receipt("L1"))
    await board.log.change_call(call, menu_key="1", queue="support")
    seen = noted(LOST_AT, board.now(), board.clock.since_boot())
    await board.log.conclude(call, verdict(), ended_at=T0 + SECOND, lost_at=LOST_AT, lost_boot=seen)
    assert await board.log.decide(call, Decision(True, "p" * 64, board.now(), PASSED))
    return call


async def gate(board: Switchboard, call: str, dials: int) -> tuple[GateOutcome, bool | None, str, int]:
    """What the dial gate says of the next dial: its outcome, TOO_LATE with its evidence, and what is left of all."""
    row = await board.log.call(call)
    assert row is not None
    dropped = dropped_from(board, await known_call(board, row), row)
    assert dropped is not None
    until = lapse_at(board, row)
    run = CallbackRun(board, "cb", dropped, Callback("cb", until, dials=dials, limits=board.choices.limits))
    found = await gate_for(board, run, agent_free=True, agent_holds=True)
    late = next(c for c in found.conditions if c.code is Code.TOO_LATE)
    assert [code for code in found.refusals if code is not Code.TOO_LATE] == []
    return found.outcome, late.passed, late.evidence, until - board.now()


AGE = SEEN_AT - LOST_AT
CASES: dict[str, tuple[Clocks, int, bool | None, int]] = {
    # the clocks of the next life, the dials before it, whether the next one is in time, what is left of the right
    "at once": (SEEN.later(0), 0, True, LAPSE - AGE),
    "the last moment of a first dial": (SEEN.later(FIRST_DIAL - AGE), 0, True, LAPSE - FIRST_DIAL),
    "a moment after it": (SEEN.later(FIRST_DIAL - AGE + 1), 0, False, LAPSE - FIRST_DIAL - 1),
    "a second dial then": (SEEN.later(FIRST_DIAL), 1, True, LAPSE - FIRST_DIAL - AGE),
    "a second dial too late": (SEEN.later(LAPSE), 1, False, -AGE),
    "set back by an hour, in time": (SEEN.later(MINUTE, stepped=-HOUR), 0, True, LAPSE - MINUTE - AGE),
    "set back by an hour, a first dial late": (
        SEEN.later(FIRST_DIAL, stepped=-HOUR),
        0,
        False,
        LAPSE - FIRST_DIAL - AGE,
    ),
    "set back by an hour, a second dial": (SEEN.later(FIRST_DIAL, stepped=-HOUR), 1, True, LAPSE - FIRST_DIAL - AGE),
    "set back by an hour, all late": (SEEN.later(LAPSE, stepped=-HOUR), 1, False, -AGE),
    "set back to the very loss": (
        SEEN.later(FIRST_DIAL, stepped=-FIRST_DIAL - AGE),
        0,
        False,
        LAPSE - FIRST_DIAL - AGE,
    ),
    "set forward by an hour": (SEEN.later(MINUTE, stepped=HOUR), 0, False, LAPSE - HOUR - MINUTE - AGE),
    "set forward by a second": (SEEN.later(MINUTE, stepped=SECOND), 0, True, LAPSE - MINUTE - SECOND - AGE),
    "booted, in time": (SEEN.later(MINUTE, booted=True), 0, True, LAPSE - MINUTE - AGE),
    "booted, late": (SEEN.later(FIRST_DIAL, booted=True), 0, False, LAPSE - FIRST_DIAL - AGE),
    "booted and set back by an hour": (SEEN.later(MINUTE, stepped=-HOUR, booted=True), 0, None, 0),
    "booted and set forward by an hour": (
        SEEN.later(MINUTE, stepped=HOUR, booted=True),
        0,
        False,
        LAPSE - HOUR - MINUTE - AGE,
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_over_a_restart(settings: Settings, case: str) -> None:
    clocks, dials, passed, left = CASES[case]
    async with service(settings, SEEN) as board:
        call = await lost(board)
    async with service(settings, clocks) as board:
        outcome, found, evidence, until = await gate(board, call, dials)
    assert (found, until) == (passed, left), evidence
    assert (outcome is GateOutcome.OPEN) == (passed is True)


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][0].boot == SEEN.boot])
async def test_in_one_life(settings: Settings, case: str) -> None:
    """Nothing else is asked of the clocks while the service runs on; a boot ends it."""
    clocks, dials, passed, _ = CASES[case]
    async with service(settings, SEEN) as board:
        call = await lost(board)
        board.clock = clocks
        outcome, found, evidence, _ = await gate(board, call, dials)
    assert found == passed, evidence
    assert (outcome is GateOutcome.OPEN) == (passed is True)


async def test_a_loss_that_an_older_version_wrote_down(settings: Settings) -> None:
    """Without the clock since boot the wall clock alone tells, as before: what it puts ahead is refused."""
    async with service(settings, SEEN) as board:
        call = await inbound(board.log, "9.1", T0, replace(PARTY, number_key=board.number_key(PARTY.number)))
        await board.log.receipt(call, receipt("L1"))
        await board.log.conclude(call, verdict(), ended_at=T0 + SECOND, lost_at=LOST_AT)
    for stepped, passed in ((0, True), (FIRST_DIAL, False), (-HOUR, None)):
        async with service(settings, SEEN.later(SECOND, stepped=stepped)) as board:
            assert (await gate(board, call, 0))[1] is passed

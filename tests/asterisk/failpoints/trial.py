"""One crash point tried: a drop, a fault at one step of its callback, everything up again, and the account of it."""

from __future__ import annotations

from oddzwon.callflow import failpoints as at
from tests.asterisk.failpoints.account import Account, reckon
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.faults import Fault
from tests.asterisk.failpoints.gate import Gate

STEPS = tuple(at.STEPS)
BEFORE_THE_ANSWER = STEPS[: STEPS.index(at.ANSWERED)]
"""At these his telephone has not been answered: it rings through the fault, if it rings."""


async def tried(drop: Drop, gate: Gate, mode: str, step: str, fault: Fault) -> Account:
    """The callback is on its way to the talk, or at its end where ``step`` is the last."""
    gate.hold(step)
    if step not in BEFORE_THE_ANSWER:
        drop.may_answer.set()
    if step == at.CLOSED:
        drop.may_hang_up.set()
    await drop.happens()
    await gate.reached()
    await fault.strikes(drop, gate)
    drop.may_answer.set()
    drop.may_hang_up.set()
    return await reckon(drop, await drop.is_over(), mode=mode, step=step, fault=fault.name)


async def tried_while_stopping(drop: Drop, gate: Gate, mode: str, step: str, fault: Fault) -> Account:
    """The supervisor cancels the callback while the customer's telephone rings; it is never answered."""
    gate.hold(step)
    await drop.happens()
    ringing = await drop.bench.carrier.called(drop.number)
    await ringing.ringing()
    callback = await drop.bench.lab.until(
        "SELECT b.id FROM callback AS b JOIN call AS c ON c.id = b.call JOIN party AS p ON p.id = c.party"
        " WHERE p.number = ? AND b.state = 'ringing'",
        drop.number,
    )
    await drop.bench.lab.oddzwon("callbacks", "cancel", callback["id"], "--json")
    await gate.reached()
    await fault.strikes(drop, gate)
    account = await reckon(drop, await drop.is_over(), mode=mode, step=f"{step}, cancelled", fault=fault.name)
    assert account.connected == 0
    return account

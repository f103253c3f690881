"""The facts that the decision and the dial gate ask for, read anew each time; what cannot be read is unknown (None)."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.bootclock import Age
from oddzwon.domain.events import Instant
from oddzwon.domain.lawfulness import DialFacts, Gate, dial_gate, ring_gate
from oddzwon.log.errors import LogError
from oddzwon.log.records import CallRow, Standing

if TYPE_CHECKING:
    from oddzwon.callflow.dialling import CallbackRun

T = TypeVar("T")


async def known(board: Switchboard, question: Awaitable[T]) -> T | None:
    """The log's answer, or None when it cannot be read: an unknown, and so a refusal."""
    try:
        answer = await question
    except LogError as error:
        board.alarms.raise_("log-unreadable", str(error))
        return None
    board.alarms.clear("log-unreadable")
    return answer


async def standing_of(board: Switchboard, run: CallbackRun) -> Standing | None:
    """What stands for or against this callback now; None: not known."""
    if run.drop.lost_at is None:
        return None
    return await known(board, board.log.standing(run.party.number_key, run.drop.id, run.drop.lost_at))


def lapse_at(board: Switchboard, row: CallRow) -> Instant:
    """When every right to call back for this drop ends, on the wall clock as it stands now, whatever was done to it.

    Now, where nobody can tell how long ago the loss is.
    """
    now, lapse_ms = board.now(), board.choices.policy.lapse_ms
    if row.lost_at is None:
        return now
    age = Age(now - row.lost_at, board.clock.since_boot().since(row.lost_boot)).ms
    return now if age is None else now + lapse_ms - age


async def ring_gate_for(board: Switchboard, run: CallbackRun) -> Gate:
    """Whether a dial that rings may go on ringing; who would talk is told by events, and not asked here."""
    facts = await _facts(board, run)
    return ring_gate(replace(facts, agent_free=True), board.choices.policy_for(run.line.preset), board.now())


async def gate_for(board: Switchboard, run: CallbackRun, *, agent_free: bool, agent_holds: bool) -> Gate:
    """The dial gate's answer for the next INVITE of this callback."""
    caps, now = board.choices.caps, board.now()
    counts = await known(board, board.log.dial_counts(run.number.e164, caps, now))
    facts = replace(await _facts(board, run), agent_free=agent_free, agent_holds=agent_holds)
    return dial_gate(facts, board.choices.policy_for(run.line.preset), now, caps, counts)


async def _facts(board: Switchboard, run: CallbackRun) -> DialFacts:
    """What both gates ask, but for the agent."""
    standing = await standing_of(board, run)
    return DialFacts(
        lost_at=run.drop.lost_at,
        steady_age_ms=board.clock.since_boot().since(run.drop.lost_boot),
        dials=run.state.dials,
        answers=run.state.answers,
        earlier_dials=0,  # each drop is an interruption of its own, with its own bounds
        earlier_answers=0,
        objected=standing.objected if standing else None,
        objected_in_call=standing.objected_in_call if standing else None,
        restricted=standing.restricted if standing else None,
        redialled=standing.redialled if standing else None,
    )

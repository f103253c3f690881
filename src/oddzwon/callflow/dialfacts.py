"""The facts that the decision and the dial gate ask for, read anew each time; what cannot be read is unknown (None)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.lawfulness import DialFacts, Gate, dial_gate
from oddzwon.log.errors import LogError
from oddzwon.log.records import Standing

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


def gate_for(board: Switchboard, run: CallbackRun, standing: Standing | None, agent_free: bool) -> Gate:
    """The dial gate's answer for the next INVITE of this callback."""
    facts = DialFacts(
        lost_at=run.drop.lost_at,
        dials=run.state.dials,
        answers=run.state.answers,
        earlier_dials=0,  # each drop is an interruption of its own, with its own bounds
        earlier_answers=0,
        objected=standing.objected if standing else None,
        objected_in_call=standing.objected_in_call if standing else None,
        restricted=standing.restricted if standing else None,
        redialled=standing.redialled if standing else None,
        agent_free=agent_free,
    )
    return dial_gate(facts, board.choices.policy, board.now())

"""The facts that the decision and the dial gate ask for, read anew each time; what cannot be read is unknown (None)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.lawfulness import DialFacts, Gate, dial_gate
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError

if TYPE_CHECKING:
    from oddzwon.callflow.dialling import CallbackRun

T = TypeVar("T")


async def known(board: Switchboard, question: Awaitable[T]) -> T | None:
    """The log's answer, or None when it cannot be read: an unknown, and so a refusal."""
    try:
        return await question
    except LogError as error:
        board.alarms.raise_("log-unreadable", str(error))
        return None


async def redialled(board: Switchboard, number_key: str, lost_at: int, drop: str) -> bool | None:
    """Whether an inbound call of the number began after ``lost_at``."""
    try:
        return await board.log.inbound_after(number_key, lost_at, other_than=drop) is not None
    except LogError as error:
        board.alarms.raise_("log-unreadable", str(error))
        return None


async def gate_for(board: Switchboard, run: CallbackRun, agent_free: bool) -> Gate:
    """The dial gate's answer for the next INVITE of this callback."""
    key, drop = run.party.number_key, run.drop
    lost_at = drop.lost_at
    facts = DialFacts(
        lost_at=lost_at,
        dials=run.state.dials,
        answers=run.state.answers,
        earlier_dials=0,  # each drop is an interruption of its own, with its own bounds
        earlier_answers=0,
        objected=await known(board, board.log.objected(key, ObjectionScope.CALLBACK)),
        objected_in_call=await known(board, board.log.objected_in_call(drop.id, ObjectionScope.CALLBACK)),
        restricted=await known(board, board.log.restricted(key)),
        redialled=None if lost_at is None else await redialled(board, key, lost_at, drop.id),
        agent_free=agent_free,
    )
    return dial_gate(facts, board.choices.policy, board.now())

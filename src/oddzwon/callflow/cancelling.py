"""Somebody cancels a callback: an agent by a code from his telephone, or the operator at the console.

Done is said once the callback is over and the log says so: a crash right after must not bring it back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.callflow.agent_leg import agent_of
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.callback_events import Stop, cancelled_why

_log = structlog.get_logger(__name__)

STOPPED_WITHIN_S: Final = 3.0
"""Longest wait for a callback to be over, and in the log, before it is said that it is not."""


class NotCancelled(Exception):
    """The callback was not cancelled, or that is not written; the message says which, and what to do."""


async def cancel(run: CallbackRun, why: str) -> None:
    """Stop it, and see it written. Raises NotCancelled."""
    if run.connected:
        msg = f"callback {run.id!r}: customer and agent are talking already"
        raise NotCancelled(msg)
    run.stop(Stop.CANCELLED, why)
    with suppress(TimeoutError):
        async with asyncio.timeout(STOPPED_WITHIN_S):
            await run.finished.wait()
    if not run.over:
        msg = f"callback {run.id!r} did not stop: `oddzwon callbacks show {run.id}` tells where it stands"
    elif run.unwritten:
        msg = f"callback {run.id!r} is stopped, but this is not written: a restart of the service would go on with it"
    elif run.state.state is not CallbackState.CANCELLED:
        msg = f"callback {run.id!r} was over before: {run.state.state.value}"
    else:
        return
    raise NotCancelled(msg)


async def cancel_by_phone(agi: AgiSession, board: Switchboard) -> None:
    """The dialplan gives the agent the tone of confirmation only if we say that his callback is cancelled."""
    agent = agent_of(agi.env.get("agi_channel", ""))
    run = _callback_of(board, agent) if agent is not None else None
    if run is None or agent is None:
        _log.info("no callback of this agent to cancel", leg=agi.uniqueid)
        return
    try:
        await cancel(run, cancelled_why("phone", agent))
    except NotCancelled as error:
        _log.warning("callback not cancelled", callback=run.id, reason=str(error))
    else:
        await agi.set_variable(variables.DONE, "1")


def _callback_of(board: Switchboard, agent: str) -> CallbackRun | None:
    """The callback that he is rung or promised for, else the latest of the calls that he had; not one that talks."""
    waiting = [run for run in board.callbacks if not run.connected]
    his = [run for run in waiting if board.agents.promised_to(run.id) == agent]
    his = his or [run for run in waiting if run.drop.agent == agent]
    return max(his, key=lambda run: run.drop.ended_at or run.drop.started_at, default=None)

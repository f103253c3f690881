"""The script of an inbound call, read top to bottom: layer 1, menu, recording announcement, queue."""

from __future__ import annotations

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.dialstring import UnsafeDialString, agent_dial_string
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.agent_leg import asks_agent
from oddzwon.callflow.arrival import receive
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.language import offer_before_layer1
from oddzwon.callflow.menu import menu
from oddzwon.callflow.notices import layer1, short_notice
from oddzwon.callflow.recording import announce_and_arm, objected_before
from oddzwon.callflow.switchboard import Choice, Switchboard
from oddzwon.callflow.talk import Talk
from oddzwon.domain.events import Stage
from oddzwon.log.errors import LogError

_log = structlog.get_logger(__name__)


async def inbound(agi: AgiSession, board: Switchboard) -> None:
    """Serve one inbound call until the dialplan takes it to the queue, or the caller is gone."""
    live, line = await receive(agi, board)
    try:
        talk = Talk(agi, live, board)
        await talk.speak(line.language)
        resumed = _choice_resumed(live, board)
        if resumed is None:
            await offer_before_layer1(talk)
            await layer1(talk)
            choice = await menu(talk)
        else:
            await short_notice(talk)
            choice = resumed
        await _chosen(talk, choice)
        talk.reach(Stage.ANNOUNCEMENT)
        carried = await objected_before(board, live.resumes.call.id if live.resumes else None)
        await announce_and_arm(talk, choice, talk.line, carried_objection=carried)
        await hand_over(talk, choice, agent=_same_agent(live), cut_off_before=resumed is not None)
    except AgiHangup:
        live.gone_at = board.now()
        _log.debug("caller gone during the flow", call=live.id)
    finally:
        live.keypad.listening = False
        live.flow_over.set()


def _choice_resumed(live: LiveCall, board: Switchboard) -> Choice | None:
    """The choice of the call that this one resumes, if he was fully informed then and had chosen."""
    drop = live.resumes
    if drop is None or not drop.layer1 or drop.call.menu_key is None:
        return None
    return board.choices.menu.get(drop.call.menu_key)


async def _chosen(talk: Talk, choice: Choice) -> None:
    live, board = talk.live, talk.board
    live.choice = choice
    if live.id is None:
        return
    try:
        await board.log.change_call(live.id, menu_key=choice.key, queue=choice.queue, stage=live.call.stage.value)
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))


def _same_agent(live: LiveCall) -> str | None:
    return live.resumes.call.agent if live.resumes else None


async def hand_over(
    talk: Talk,
    choice: Choice,
    *,
    agent: str | None,
    cut_off_before: bool,
    holder: str | None = None,
    held: str | None = None,
) -> None:
    """Tell the dialplan where the call goes; the last command says that our part is done.

    ``agent`` is dialled first if he is free and promised to nobody, unless it is to the callback ``holder``.
    ``held`` is the channel of one who is on the line already.
    """
    agi, board = talk.agi, talk.board
    await agi.set_variable(variables.QUEUE, choice.queue)
    if held is not None:
        await agi.set_variable(variables.HELD, held)
    if asks_agent(talk):
        await agi.set_variable(variables.ASK_AGENT, "1")
    if cut_off_before:
        await agi.set_variable(variables.PRIORITY, str(board.choices.priority))
        if agent is not None and await board.agents.is_free(choice.queue, agent, holder=holder):
            try:
                await agi.set_variable(variables.AGENT, agent_dial_string(agent))
                await agi.set_variable(variables.AGENT_RING, str(board.choices.agent_ring_s))
            except UnsafeDialString as error:
                _log.warning("same agent not dialled", call=talk.live.id, reason=str(error))
    await agi.set_variable(variables.DONE, "1")

"""The script of an inbound call, read top to bottom: layer 1, menu, recording announcement, queue."""

from __future__ import annotations

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.dialstring import UnsafeDialString, agent_dial_string
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.arrival import receive
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.recording import announce_and_arm
from oddzwon.callflow.switchboard import Choice, Line, Switchboard
from oddzwon.callflow.talk import ANY_KEY, Talk
from oddzwon.domain.events import Stage, StageReached
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.prompts.rendering import MENU_VARIANT
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)


async def inbound(agi: AgiSession, board: Switchboard) -> None:
    """Serve one inbound call until the dialplan takes it to the queue, or the caller is gone."""
    live, line = await receive(agi, board)
    try:
        talk = Talk(agi, live, board, line.language)
        resumed = _choice_resumed(live, board)
        if resumed is None:
            await _layer1(talk)
            choice = await _menu(talk)
        else:
            await _short_notice(talk)
            choice = resumed
        await _chosen(talk, choice)
        reach(live, Stage.ANNOUNCEMENT, board)
        await announce_and_arm(talk, choice, line)
        await hand_over(talk, choice, line, agent=_same_agent(live), cut_off_before=resumed is not None)
    except AgiHangup:
        live.gone_at = board.now()
        _log.debug("caller gone during the flow", call=live.id)
    finally:
        live.flow_over.set()


def reach(live: LiveCall, stage: Stage, board: Switchboard) -> None:
    """The flow goes on to its next part."""
    live.advance(StageReached(board.now(), live.call.leg, stage))


async def _layer1(talk: Talk) -> None:
    # no key stops it: what is pressed meanwhile is served when the menu comes
    reach(talk.live, Stage.NOTICE, talk.board)
    await talk.say(PromptKey.L1)


def _choice_resumed(live: LiveCall, board: Switchboard) -> Choice | None:
    """The choice of the call that this one resumes, if he was fully informed then and had chosen."""
    drop = live.resumes
    if drop is None or not drop.layer1 or drop.call.menu_key is None:
        return None
    return board.choices.menu.get(drop.call.menu_key)


async def _short_notice(talk: Talk) -> None:
    reach(talk.live, Stage.NOTICE, talk.board)
    said = await talk.say(PromptKey.SHORT, keys="9")
    if said.key == "9":
        await talk.say(PromptKey.L2, keys=ANY_KEY)


async def _menu(talk: Talk) -> Choice:
    """The caller's choice; who stays silent, or presses what is no key of the menu, is asked again, then defaulted."""
    choices = talk.board.choices
    reach(talk.live, Stage.MENU, talk.board)
    rounds = 0
    while rounds < choices.menu_rounds:
        key = talk.live.keys.popleft() if talk.live.keys else None
        if key is None:
            said = await talk.say(PromptKey.MENU_OPTION, MENU_VARIANT, keys=ANY_KEY)
            key = said.key or await talk.listen(choices.menu_wait_ms)
        if key is not None and key in choices.menu:
            return choices.menu[key]
        if key == "9":
            key_after = (await talk.say(PromptKey.L2, keys=ANY_KEY)).key
            if key_after is not None and key_after != "9":
                talk.live.keys.append(key_after)
        elif key == "8":
            await _toggle_objection(talk)
        elif key not in ("0", "#"):
            rounds += 1
    return choices.menu[choices.default_key]


async def _toggle_objection(talk: Talk) -> None:
    """Key 8: no callback for this number; pressed again, the objection is withdrawn. Confirmed aloud, once written."""
    live, board = talk.live, talk.board
    number_key = live.party.number_key if live.party else None
    objecting = not live.objected
    live.objected = True  # while in doubt, and if it cannot be written, nobody calls back
    try:
        if objecting:
            await board.log.record_objection(
                number_key=number_key, scope=ObjectionScope.CALLBACK, at=board.now(), channel="key 8", call=live.id
            )
            board.callbacks.objected(number_key)
        else:
            await board.log.withdraw_objection(
                number_key=number_key, scope=ObjectionScope.CALLBACK, at=board.now(), call=live.id
            )
            live.objected = False
    except LogError as error:
        board.alarms.raise_("objection-not-written", str(error))
        return
    board.alarms.clear("objection-not-written")
    await talk.say(PromptKey.OBJECTED if objecting else PromptKey.OBJECTION_UNDONE)


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
    talk: Talk, choice: Choice, line: Line, *, agent: str | None, cut_off_before: bool, holder: str | None = None
) -> None:
    """Tell the dialplan where the call goes; the last command says that our part is done.

    ``agent`` is dialled first if he is free and promised to nobody, unless it is to the callback ``holder``.
    """
    agi, board = talk.agi, talk.board
    await agi.set_variable(variables.CHANNEL_LANGUAGE, line.language)
    await agi.set_variable(variables.QUEUE, choice.queue)
    if cut_off_before:
        await agi.set_variable(variables.PRIORITY, str(board.choices.priority))
        if agent is not None and await board.agents.is_free(choice.queue, agent, holder=holder):
            try:
                await agi.set_variable(variables.AGENT, agent_dial_string(agent))
                await agi.set_variable(variables.AGENT_RING, str(board.choices.agent_ring_s))
            except UnsafeDialString as error:
                _log.warning("same agent not dialled", call=talk.live.id, reason=str(error))
    await agi.set_variable(variables.DONE, "1")

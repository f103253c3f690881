"""The script of a callback once somebody has answered: who calls and why, a key to go on, the announcement, talk."""

from __future__ import annotations

from dataclasses import replace

import structlog

from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.arrival import row_of
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.inbound import hand_over
from oddzwon.callflow.objection import OBJECT, confirmed, toggle_objection
from oddzwon.callflow.recording import announce_and_arm, objected_before
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.talk import NOTHING_SAID, Said, Talk
from oddzwon.domain.callback_events import Accepted, Answered, Objected, WrongPerson
from oddzwon.domain.events import Direction, Stage
from oddzwon.domain.number import Presentation
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

GREETING_KEYS = "138"


async def callback(agi: AgiSession, board: Switchboard) -> None:
    """Serve the customer who answered our call; nothing but who calls and why is said before his key 1."""
    run = board.callbacks.by_channel(agi.uniqueid)
    if run is None or run.over:
        _log.warning("this callback is over, or unknown", leg=agi.uniqueid)
        await agi.hangup()
        return
    run.post(Answered(board.now()))
    live = await _receive(agi, run, board)
    try:
        talk = Talk(agi, live, board)
        await talk.speak(run.line.language)
        talk.reach(Stage.NOTICE)
        said = await _greet(talk, run)
        if said.key == "1":
            run.post(Accepted(board.now()))
            await _go_on(talk, run)
        elif said.key == "3":
            run.post(WrongPerson(board.now()))
            await talk.say(PromptKey.WRONG_PERSON)
            await agi.hangup()
        elif said.key == "8":
            await _object(talk, run)
            await agi.hangup()
        else:
            await agi.hangup()  # silence, or a machine: no message
    except AgiHangup:
        live.gone_at = board.now()
        _log.debug("customer gone during the flow", call=live.id)
    finally:
        live.keypad.listening = False
        live.flow_over.set()


async def _receive(agi: AgiSession, run: CallbackRun, board: Switchboard) -> LiveCall:
    """The callback's own call, in the log like any other, tied to its attempt and to the call that dropped."""
    live = board.calls.receive(agi.uniqueid, agi.uniqueid, board.now(), Direction.CALLBACK, run.line.number)
    live.flow_started = live.keypad.listening = True
    live.line, live.number, live.party = run.line, run.number, run.party
    live.presentation, live.diverted = Presentation.ALLOWED, False
    live.choice = run.choice
    new = replace(row_of(live, run.line, board), resumes=run.drop.id)
    try:
        live.id = await board.log.arrive(new, attempt=run.attempt_id)
    except LogError as error:
        live.flow_over.set()
        board.alarms.raise_("log-unwritable", str(error))
        await agi.hangup()  # what cannot be written is not done
        raise
    return live


async def _greet(talk: Talk, run: CallbackRun) -> Said:
    try:
        prompt = await run.greeting()
    except PromptError as error:
        talk.board.alarms.raise_("callback-greeting", str(error))
        return NOTHING_SAID
    return await talk.play(prompt, keys=GREETING_KEYS, wait_ms=talk.board.choices.key_wait_ms)


async def _go_on(talk: Talk, run: CallbackRun) -> None:
    talk.reach(Stage.ANNOUNCEMENT)
    carried = await objected_before(talk.board, run.drop.id)
    await announce_and_arm(talk, run.choice, run.line, carried_objection=carried)
    await talk.say(PromptKey.CONNECTING)
    # his agent stays promised until the two are bridged; the queue would choose without regard to promises
    agent = talk.board.agents.promised_to(run.id)
    await hand_over(talk, run.choice, agent=agent, cut_off_before=True, holder=run.id)


async def _object(talk: Talk, run: CallbackRun) -> None:
    """Key 8: no call to this number any more; the callback is over, also if he takes it back at once."""
    board = talk.board
    talk.live.objected = True  # whatever becomes of the write
    try:
        await board.log.record_objection(
            number_key=run.party.number_key,
            scope=ObjectionScope.CALLBACK,
            at=board.now(),
            channel="key 8 in a callback",
            call=talk.live.id,
        )
    except LogError as error:
        board.alarms.raise_("objection-not-written", str(error))
        run.post(Objected(board.now()))
        return
    run.post(Objected(board.now()))
    if await confirmed(talk, PromptKey.OBJECTED, OBJECT, wait_ms=board.choices.menu_wait_ms) == OBJECT:
        await toggle_objection(talk, "")

"""The script of a callback once somebody has answered: who calls and why, a key to go on, the announcement, talk."""

from __future__ import annotations

from dataclasses import replace

import structlog

from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow import failpoints
from oddzwon.callflow.agent_leg import asks_agent
from oddzwon.callflow.answering_machine import listen
from oddzwon.callflow.arrival import row_of
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.held_agent import RINGING_TONE, HeldAgent
from oddzwon.callflow.inbound import hand_over
from oddzwon.callflow.objection import OBJECT, confirmed, toggle_objection
from oddzwon.callflow.recording import announce_and_arm, objected_before
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.talk import NOTHING_SAID, Said, Talk
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.callback_events import Accepted, Answered, Machine, Objected, WrongPerson
from oddzwon.domain.events import Direction, Stage
from oddzwon.domain.number import Presentation
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

GREETING_KEYS = "138"
_DIALLED = frozenset({CallbackState.DIALLING, CallbackState.RINGING, CallbackState.ANSWERED})
FIND_KEY_MS = 2_000
"""Where AMD has heard a person he need not press 1; so long he has after the greeting for 3 or 8."""


async def callback(agi: AgiSession, board: Switchboard) -> None:
    """Serve the customer who answered our call; nothing but who calls and why is said before his key 1."""
    run = board.callbacks.by_channel(agi.uniqueid)
    if run is None or run.state.state not in _DIALLED:
        # also one whose dial was given up in this very moment: it is being hung up, and another may follow
        _log.warning("this callback is over, or unknown", leg=agi.uniqueid)
        await agi.hangup()
        return
    run.post(Answered(board.now()))
    await failpoints.reached(failpoints.ANSWERED)
    live = await _receive(agi, run, board)
    await failpoints.reached(failpoints.CALLBACK_CALL_COMMITTED)
    try:
        talk = Talk(agi, live, board)
        await talk.speak(run.line.language)
        if board.choices.amd and not await _is_a_person(talk, run):
            await agi.hangup()  # a machine: not even who calls is said to it
            return
        talk.reach(Stage.NOTICE)
        said = await _greet(talk, run)
        if run.over:  # it was stopped meanwhile; we can hang up also while the manager cannot be reached
            await agi.hangup()
            return
        if said.key == "1" or _goes_on_without_key(talk, said):
            run.post(Accepted(board.now()))
            await failpoints.reached(failpoints.ACCEPTED)
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
    choices = talk.board.choices
    return await talk.play(prompt, keys=GREETING_KEYS, wait_ms=FIND_KEY_MS if choices.amd else choices.key_wait_ms)


async def _is_a_person(talk: Talk, run: CallbackRun) -> bool:
    """Whether AMD takes who answered for a person; what it said goes into the callback's history either way."""
    board = talk.board
    listened = await listen(talk.agi, board)
    talk.live.keypad.forget()  # what was pressed before anybody was told what the keys mean
    if not listened.person:
        run.post(Machine(board.now(), str(listened)))
        return False
    try:
        await board.log.callback_state(run.id, CallbackState.ANSWERED, at=board.now(), why=str(listened))
    except LogError as error:
        # stopped in this very moment, or the log cannot be written: the callback's own end says which
        _log.warning("what AMD said is not written", callback=run.id, error=type(error).__name__)
    return True


def _goes_on_without_key(talk: Talk, said: Said) -> bool:
    """Whether a person, by AMD, has heard who calls and why, and objects to nothing."""
    return talk.board.choices.amd and said.key is None and said.receipt is not None and said.receipt.complete


async def _go_on(talk: Talk, run: CallbackRun) -> None:
    talk.reach(Stage.ANNOUNCEMENT)
    carried = await objected_before(talk.board, run.drop.id)
    await announce_and_arm(talk, run.choice, run.line, carried_objection=carried)
    await failpoints.reached(failpoints.RECORDING_ARMED)
    await talk.say(PromptKey.CONNECTING)
    await _still_wanted(talk, run)
    held = await _fetch(talk, run.held) if run.held is not None else None
    # his agent stays promised until the two are bridged; the queue would choose without regard to promises
    agent = talk.board.agents.promised_to(run.id)
    await failpoints.reached(failpoints.HANDED_OVER)
    await _still_wanted(talk, run)
    await hand_over(talk, run.choice, agent=agent, cut_off_before=True, holder=run.id, held=held)


async def _fetch(talk: Talk, held: HeldAgent) -> str | None:
    """The channel of the agent who holds the line; while he is asked about the recording the customer hears it ring."""
    ask = asks_agent(talk)
    if ask:
        await talk.agi.exec("Playtones", *RINGING_TONE)
    channel = await held.ready_for(talk.live, ask=ask)
    if ask:
        await talk.agi.exec("StopPlaytones")
    return channel


async def _still_wanted(talk: Talk, run: CallbackRun) -> None:
    """Nobody is connected on a callback that was stopped. Raises AgiHangup when it was."""
    if run.over:
        await talk.agi.hangup()
        await talk.agi.channel_status()  # raises: the session is over


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

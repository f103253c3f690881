"""A call arrives: what the network says of the caller, the row in the log, and whether he comes back after a drop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialfacts import known
from oddzwon.callflow.switchboard import Line, Switchboard
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.events import Direction, Stage
from oddzwon.domain.number import NotANumber, Number, NumberFault, Presentation, diverted, parse, presentation
from oddzwon.log.errors import LogError
from oddzwon.log.records import Drop, NewCall, Party

ENDING_S = 1.5
"""Longest wait for the verdict on a call that has just ended."""

_log = structlog.get_logger(__name__)


async def receive(agi: AgiSession, board: Switchboard) -> tuple[LiveCall, Line]:
    """The arriving call with what is known of its caller, written to the log; raises AgiHangup when he is gone.

    His keys count from now on, whatever is played.

    A number that was withheld is neither used nor stored, whatever identity the network delivers beside it.
    """
    did = agi.env.get("agi_arg_1") or agi.env.get("agi_dnid") or ""
    linked = await agi.get_variable(variables.LINKED_ID) or agi.uniqueid
    line = board.choices.line_for(did)
    live = board.calls.receive(linked, agi.uniqueid, board.now(), Direction.INBOUND, line.number)
    live.flow_started = live.keypad.listening = True
    live.line = line
    try:
        await _who_calls(agi, live, line, board)
        if live.party is not None:
            await _comes_back(live, board)
        live.line = line = line_in_language(live, line, board)
        await _into_the_log(live, line, board)
    except BaseException:
        live.keypad.listening = False
        live.flow_over.set()
        raise
    return live, line


async def _who_calls(agi: AgiSession, live: LiveCall, line: Line, board: Switchboard) -> None:
    live.presentation = presentation(
        await agi.get_variable(variables.CALLER_PRESENTATION),
        await agi.get_full_variable(variables.every_line_of(variables.HEADER_PRIVACY)),
        await agi.get_variable(variables.HEADER_FROM),
        await agi.get_full_variable(variables.every_line_of(variables.HEADER_PARTY)),
    )
    live.diverted = diverted(
        await agi.get_variable(variables.HEADER_DIVERSION),
        await agi.get_variable(variables.HEADER_HISTORY),
        await agi.get_variable(variables.REDIRECTING_FROM),
    )
    if live.presentation is not Presentation.ALLOWED:
        return
    raw = await agi.get_variable(variables.CALLER_NUMBER) or ""
    live.number = parse(raw, line.region) if raw else NotANumber(NumberFault.EMPTY)
    if isinstance(live.number, Number):
        live.party = Party(live.number.e164, board.number_key(live.number.e164))


async def _into_the_log(live: LiveCall, line: Line, board: Switchboard) -> None:
    try:
        live.id = await board.log.arrive(row_of(live, line, board))
    except LogError as error:
        # open for service, closed for data: he is served, but neither recorded nor called back
        board.alarms.raise_("log-unwritable", str(error))
    else:
        board.alarms.clear("log-unwritable")
        resumes = live.resumes.call.id if live.resumes else None
        _log.info("call arrived", call=live.id, leg=live.call.leg, resumes=resumes)
    if live.party is not None:
        # once more, in the log or not: a callback may have passed its gate in between
        board.callbacks.redialled(live.party.number_key)


def line_in_language(live: LiveCall, line: Line, board: Switchboard) -> Line:
    """The line in the language that the call begins in: that of the call that it resumes, or by the order."""
    rules = board.choices.language
    region = live.number.region if isinstance(live.number, Number) else None
    found = rules.of_return(live.resumes.call.language if live.resumes else None)
    return board.choices.line_for(line.number, found or rules.of_call(line.language, region))


def row_of(live: LiveCall, line: Line, board: Switchboard) -> NewCall:
    """The arrived call as the log takes it."""
    call = live.call
    return NewCall(
        pbx=board.choices.pbx,
        direction=call.direction,
        linked=live.linked,
        leg=call.leg,
        started_at=call.started_at,
        party=live.party,
        did=line.number,
        language=line.language,
        preset=line.preset,
        presentation=live.presentation,
        diverted=live.diverted,
        resumes=live.resumes.call.id if live.resumes else None,
        stage=Stage.ARRIVING,
    )


async def _comes_back(live: LiveCall, board: Switchboard) -> None:
    """Whether he was cut off a moment ago: then he is served first, and a callback to him stops, even a ringing one."""
    assert live.party is not None  # noqa: S101 - the caller of this function has seen to it
    key = live.party.number_key
    board.callbacks.redialled(key)
    await _judged(board.calls.ending_of(key))
    since = live.call.started_at - board.choices.policy.lapse_ms
    drop = await known(board, board.log.recent_drop_for(key, since))
    if drop is not None and not await _resumed_already(drop, board):
        live.resumes = drop


async def _judged(ending: LiveCall | None) -> None:
    """He may be back before his last call's ending is in the log: what he resumes is known a moment later."""
    if ending is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await ending.judged.wait()


async def _resumed_already(drop: Drop, board: Switchboard) -> bool:
    """Whether he has talked again since, or came back himself and was not cut off: then this is a new call."""
    if drop.callback_state in _TALKED_AGAIN:
        return True
    if drop.resumed_by is None:
        return False
    later = await known(board, board.log.call(drop.resumed_by))
    return later is not None and later.direction == Direction.INBOUND


_TALKED_AGAIN = frozenset({CallbackState.CONNECTED, CallbackState.COMPLETED})
"""After these the interrupted matter has been resumed: the next call is a new one, with the whole notice."""

"""From a settled call to its verdict, its decision and, where it is lawful, its callback. Written, then acted on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from oddzwon.callflow import failpoints, sealing
from oddzwon.callflow.arrival import row_of
from oddzwon.callflow.callbacks import Dropped
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialfacts import known
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.recorders import write_objection
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.talk import logged_receipt
from oddzwon.domain.bootclock import noted
from oddzwon.domain.callback import Callback
from oddzwon.domain.callback_events import Due
from oddzwon.domain.ending import Ending, judge
from oddzwon.domain.events import Direction, Instant
from oddzwon.domain.lawfulness import CallFacts, Decision, Purpose, certain_refusals, decide
from oddzwon.domain.notice import NoticeReceipt, ResumedCall, layer1_known
from oddzwon.domain.number import Number
from oddzwon.domain.precedence import Claim, place_of
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log import records
from oddzwon.log.errors import LogError, LogRefused, LogUnavailable
from oddzwon.log.records import CallRow

_log = structlog.get_logger(__name__)

WRITE_TRIES = 30
DECIDE_TRIES = 3
WRITE_AGAIN_S = 1.0
DECIDED_WITHIN_S = 5.0
"""How long after the grace a decision may still be on its way (design section 7)."""
T = TypeVar("T")
FLOW_LASTS_S = 2.0
"""Longest wait, after the caller is gone, for his flow to write its last receipt."""


async def after_call(board: Switchboard, live: LiveCall) -> None:
    """Everything that follows a call's end, once."""
    try:
        await _flow_over(live)
        ending = judge(live.call.as_journal())
        live.lost_boot = noted(ending.lost_at, board.now(), board.clock.since_boot())
        if live.id is None or live.unlogged:
            await persistently(board, lambda: _log_late(board, live))
        assert live.id is not None  # noqa: S101 - _log_late has raised otherwise
        if live.recordings.unwritten is not None:
            await write_objection(board, live, live.id, live.recordings.unwritten)
        # the writer keeps the order: while the ending is on its way to the disk, the decision's facts are read
        written = asyncio.create_task(_concluded(board, live, live.id, ending))
        try:
            await decide_call(board, live, live.id, ending, written)
        finally:
            await written
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))
    finally:
        live.judged.set()
        board.calls.forget(live)


async def persistently(board: Switchboard, write: Callable[[], Awaitable[T]]) -> T:
    """Write, again and again while the log cannot be written at the moment; raises LogError when patience is over."""
    for _ in range(WRITE_TRIES):
        try:
            return await write()
        except LogUnavailable as error:
            board.alarms.raise_("log-unwritable", str(error))
            await asyncio.sleep(WRITE_AGAIN_S)
    return await write()


async def _concluded(board: Switchboard, live: LiveCall, call: str, ending: Ending) -> bool:
    """Write the ending, then what became of the recordings; False: the call was judged before."""
    try:
        written = await persistently(board, lambda: _write_ending(board, live, call, ending))
    finally:
        live.judged.set()
    if written:
        await failpoints.reached(failpoints.ENDING_COMMITTED)
        await sealing.finish(board, live)
    return written


async def _flow_over(live: LiveCall) -> None:
    if not live.flow_started:
        return
    try:
        async with asyncio.timeout(FLOW_LASTS_S):
            await live.flow_over.wait()
    except TimeoutError:
        _log.warning("the flow outlives its call", call=live.id)


async def _log_late(board: Switchboard, live: LiveCall) -> None:
    """A call that our flow did not serve, or that the log could not take when it arrived, with what he had heard.

    Raises LogError when the log still cannot be written: then nothing is known of this call, and nothing follows.
    """
    line = live.line or board.choices.line_for(live.call.did or "")
    live.line = line
    if live.id is None:
        live.id = await board.log.arrive(row_of(live, line, board))
    while live.unlogged:
        await board.log.receipt(live.id, logged_receipt(live.unlogged[0]))
        live.unlogged.pop(0)
    board.alarms.clear("log-unwritable")


async def _write_ending(board: Switchboard, live: LiveCall, call: str, ending: Ending) -> bool:
    state = live.call
    ended_at = max(state.started_at, state.ended_at if state.ended_at is not None else board.now())
    try:
        await board.log.conclude(
            call,
            ending_row(ending, state.stage, board.now()),
            journal=tuple(records.Fact.of(event) for event in state.journal),
            ended_at=ended_at,
            lost_at=max(state.started_at, min(ending.lost_at, ended_at)),
            queue=state.queue or (live.choice.queue if live.choice else None),
            agent=state.agent,
            menu_key=live.choice.key if live.choice else None,
            lost_boot=live.lost_boot,
        )
    except LogRefused as error:
        # judged already, by another life of this service: once is enough
        _log.warning("ending refused by the log", call=call, rule=error.rule)
        return False
    _log.info("call ended", call=call, party=ending.party.value, technical=ending.technical, stage=state.stage.value)
    return True


def ending_row(ending: Ending, stage: str, at: Instant, n: int = 1) -> records.Ending:
    """The verdict as the log takes it; ``n`` counts the verdicts on the call."""
    return records.Ending(
        party=ending.party,
        technical=ending.technical,
        confidence=ending.confidence,
        stage=stage,
        rule=ending.rules,
        at=at,
        evidence=tuple(records.Evidence(e.fact, e.leg, e.at) for e in ending.evidence),
        against=tuple(records.Evidence(e.fact, e.leg, e.at) for e in ending.against),
        n=n,
    )


async def decide_call(board: Switchboard, live: LiveCall, call: str, ending: Ending, written: Awaitable[bool]) -> None:
    """The decision: at once where a refusal is certain, else after the grace, when all is read anew.

    ``written`` tells whether the ending is in the log; a call that was judged before is not decided again. A drop keeps
    its place among the callbacks from now on, so that none that comes after it takes its agent meanwhile.
    """
    begun = False
    if ending.technical:
        if live.call.direction is Direction.INBOUND:
            board.storms.dropped(call, ending.lost_at)
        board.agents.claim(_claim(board, live, call), board.choices.grace_ms / 1000 + DECIDED_WITHIN_S)
    try:
        begun = await _decide(board, live, call, ending, written)
    finally:
        if not begun:
            board.agents.withdraw(call)


def _claim(board: Switchboard, live: LiveCall, call: str) -> Claim:
    choice = live.choice or board.choices.menu[board.choices.default_key]
    return Claim(place_of(live.call.stage, live.call.started_at, call), choice.queue, live.call.agent)


async def _decide(board: Switchboard, live: LiveCall, call: str, ending: Ending, written: Awaitable[bool]) -> bool:
    """Whether a callback has begun."""
    policy = board.choices.policy_for(live.line.preset if live.line else None)
    facts = await _facts(board, live, call, ending)
    if not certain_refusals(facts, policy) and board.choices.grace_ms:
        await asyncio.sleep(board.choices.grace_ms / 1000)
        facts = await _facts(board, live, call, ending)
    refused = 0
    for _ in range(WRITE_TRIES):
        try:
            callback = await _write_decision(board, call, decide(facts, policy, board.now()))
        except LogRefused as error:
            refused += 1
            if refused > DECIDE_TRIES or not await written:
                break
            # an objection, or another callback to the number, came in this very moment: decide on what is true now
            _log.info("decision refused by the log", call=call, rule=error.rule)
            facts = await _facts(board, live, call, ending)
            continue
        except LogUnavailable as error:
            board.alarms.raise_("log-unwritable", str(error))
            await asyncio.sleep(WRITE_AGAIN_S)
            facts = await _facts(board, live, call, ending)
            continue
        if callback is None:
            return False
        await failpoints.reached(failpoints.DECISION_COMMITTED)
        return await begin(board, live, call, callback)
    if await written:  # else it was judged before, by another life of this service
        board.alarms.raise_("decision-refused", "the log refuses a decision again and again: report it")
    return False


async def _write_decision(board: Switchboard, call: str, decision: Decision) -> str | None:
    row = records.Decision(
        allowed=decision.allowed,
        policy=decision.policy,
        at=decision.at,
        conditions=tuple(records.Condition(c.code.value, c.passed, c.evidence) for c in decision.conditions),
    )
    callback = await board.log.decide(call, row)
    _log.info(
        "decision",
        call=call,
        allowed=decision.allowed,
        refusals=[c.value for c in decision.refusals],
        callback=callback,
    )
    return callback


async def _facts(board: Switchboard, live: LiveCall, call: str, ending: Ending) -> CallFacts:
    log, party = board.log, live.party
    standing = objected_in_call = None
    if party is not None:
        standing = await known(board, log.standing(party.number_key, call, ending.lost_at))
        objected_in_call = standing.objected_in_call if standing else None
    else:
        objected_in_call = await known(board, log.objected_in_call(call, ObjectionScope.CALLBACK))
    return CallFacts(
        direction=live.call.direction,
        technical=ending.technical,
        confidence=ending.confidence,
        stage=live.call.stage,
        presentation=live.presentation,
        diverted=live.diverted,
        number=live.number,
        lost_at=ending.lost_at,
        steady_age_ms=board.clock.since_boot().since(live.lost_boot),
        call_had_callback=False,  # a call is decided on once, and only a decision makes its callback
        other_callback_open=standing.callback_open is not None if standing else None,
        other_callback=standing.callback_open if standing else None,
        earlier_dials=0,  # each drop is an interruption of its own, with its own bounds
        earlier_answers=0,
        purpose=Purpose.RESUME,
        objected=standing.objected if standing else None,
        objected_in_call=True if live.objected else objected_in_call,
        restricted=standing.restricted if standing else None,
        redialled=standing.redialled if standing else None,
        notice_known=await _notice_known(board, live),
    )


async def _notice_known(board: Switchboard, live: LiveCall) -> bool | None:
    resumed = None
    if live.resumes is not None:
        rows = await known(board, board.log.receipts(live.resumes.call.id))
        heard = None if rows is None else tuple(receipt_of(row) for row in rows)
        resumed = ResumedCall(heard, live.resumes.call.lost_at)
    return layer1_known(live.receipts, resumed, board.choices.policy.lapse_ms)


def receipt_of(row: records.Receipt) -> NoticeReceipt:
    """The receipt as the domain reads it."""
    return NoticeReceipt(
        row.prompt, row.version, row.sha256, row.language, row.played_ms, row.full_ms, row.key, row.complete, row.at
    )


def dropped_from(board: Switchboard, live: LiveCall, row: CallRow) -> Dropped | None:
    """What a callback for this call resumes; None without a number: it was erased."""
    if live.party is None or live.line is None or not isinstance(live.number, Number):
        return None
    choice = live.choice or board.choices.menu[board.choices.default_key]
    return Dropped(row, live.line, live.number, live.party, choice)


async def begin(board: Switchboard, live: LiveCall, call: str, callback: str) -> bool:
    """Start the callback that the log now holds; False: nobody is left to be called."""
    row = await board.log.call(call)  # its number is gone if it was erased in this very moment
    if board.callbacks.by_id(callback) is not None:
        return True  # the log showed it to a takeover meanwhile
    dropped = None if row is None else dropped_from(board, live, row)
    if row is None or row.lost_at is None or dropped is None:
        return False
    lapse_at = row.lost_at + board.choices.policy.lapse_ms
    state = Callback(callback, lapse_at, agent_first=board.choices.agent_first, limits=board.choices.limits)
    run = CallbackRun(board, callback, dropped, state)
    board.callbacks.add(run)
    run.post(Due(board.now()))
    board.spawn(run.run(), f"callback-{callback}")
    return True

"""Callbacks that were under way when we were not looking: looked up at Asterisk, and gone on with (at most once)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from oddzwon.asterisk.lists import Channel, ChannelState
from oddzwon.callflow.aftermath import dropped_from
from oddzwon.callflow.dialfacts import lapse_at
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import AgentGone, Answered, FateHidden, Ringing
from oddzwon.domain.events import Instant, LegId, Stage
from oddzwon.domain.precedence import Place, place_of
from oddzwon.log.ids import channel_id
from oddzwon.log.records import AttemptRow, OpenCallback
from oddzwon.log.vocabulary import ATTEMPT_OPEN

_log = structlog.get_logger(__name__)


async def go_on_with_callbacks(board: Switchboard, living: Mapping[LegId, Channel]) -> None:
    """After our own start: every callback that the log shows as open. Raises LogError and AmiError."""
    for callback in sorted(await board.log.open_callbacks(), key=_place):
        if callback.call.pbx == board.choices.pbx and board.callbacks.by_id(callback.id) is None:
            await _take(board, callback, living)
    await _hang_up_what_is_left(board, living)


def seen_again(board: Switchboard, dialled: Iterable[CallbackRun], living: Mapping[LegId, Channel]) -> None:
    """The connection is back: what became of the dials that were under way, and then of the agents."""
    for run in dialled:
        if not run.over and run.state.state not in (CallbackState.WAITING, CallbackState.RESERVING):
            _follow(run, living, board.now())
        elif run.attempt is not None and run.attempt.channel_id not in living:
            run.attempt.gone_unseen()
    # after it: an attempt whose fate is hidden ends lost, whatever became of its agent
    for held in board.callbacks.agents:
        if held.leg not in living and not held.asking:
            held.gone(board.now())


def _follow(run: CallbackRun, living: Mapping[LegId, Channel], at: Instant) -> None:
    channel = living.get(run.channel_id or "")
    if channel is None:
        if run.attempt is not None:
            run.attempt.gone_unseen()
        run.post(FateHidden(at))
    elif channel.state is ChannelState.RINGING:
        run.post(Ringing(at))
    elif channel.state is ChannelState.UP:
        if run.attempt is not None:
            run.attempt.answered()
        run.post(Answered(at))


async def _hang_up_what_is_left(board: Switchboard, living: Mapping[LegId, Channel]) -> None:
    """Telephones that an earlier life of ours had ring, and that nobody waits for any more: an agent's, a customer's
    whose callback is over.

    Who held the line was let go by Asterisk itself when our session broke off; who is bridged talks on.
    """
    for leg, channel in living.items():
        ours = leg.startswith(channel_id(board.choices.pbx, ""))
        followed = board.callbacks.by_channel(leg) is not None or board.callbacks.held(leg) is not None
        if ours and not channel.bridge and not followed:
            await board.ami.action("Hangup", {"Channel": leg})


def _break_off(run: CallbackRun, row: OpenCallback, living: Mapping[LegId, Channel]) -> None:
    """A dial that was over in the log, and whose telephone rings on since we died: no other leaves before it stops."""
    for attempt in row.attempts:
        if attempt.channel_id in living:
            run.take_up(attempt.id, attempt.channel_id).hang_up("broken off before")


def _place(row: OpenCallback) -> Place:
    """Who comes first asks for an agent first."""
    return place_of(Stage(row.call.stage), row.call.started_at, row.call.id)


async def _take(board: Switchboard, row: OpenCallback, living: Mapping[LegId, Channel]) -> None:
    """Go on with a callback: its attempt is looked up, never sent again."""
    dropped = dropped_from(board, await known_call(board, row.call), row.call)
    if dropped is None:
        await board.log.callback_state(row.id, CallbackState.CANCELLED, at=board.now(), why="the number was erased")
        return
    if board.callbacks.by_id(row.id) is not None:
        return  # its call was judged by this very takeover, and it has begun meanwhile
    under_way = next((a for a in row.attempts if a.state in ATTEMPT_OPEN), None)
    state = Callback(
        row.id,
        lapse_at(board, row.call),
        state=_state(row, under_way),
        dials=len(row.attempts),
        answers=sum(1 for a in row.attempts if a.answered_at is not None),
        agent_first=board.choices.agent_first,
        limits=board.choices.limits,
    )
    run = CallbackRun(board, row.id, dropped, state)
    at = board.now()
    if under_way is not None:
        attempt = run.take_up(under_way.id, under_way.channel_id)
        board.pace.hold(row.id)
        if under_way.answered_at is not None:
            attempt.answered()
        _follow(run, living, at)
        run.post(AgentGone(at, "the service was restarted"))  # with it ended what he listened to
    else:
        _break_off(run, row, living)
        last = max((attempt.at for attempt in row.attempts), default=None)
        # a clock set back since the last dial makes nobody wait longer than the gap
        run.due_at(at if last is None else min(last, at) + board.choices.limits.gap_ms)
    _log.info("callback taken over", callback=row.id, state=state.state.value, attempt=run.attempt_id)
    board.callbacks.add(run)
    board.spawn(run.run(), f"callback-{row.id}")


def _state(row: OpenCallback, under_way: AttemptRow | None) -> CallbackState:
    """Where the machine goes on: with its attempt, or waiting, since nothing else survives a restart."""
    if under_way is None:
        return CallbackState.WAITING
    if under_way.state in ("committed", "dialling"):
        return CallbackState.DIALLING
    return CallbackState(under_way.state)

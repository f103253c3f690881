"""What was under way when we were not looking: after our own restart, and after a lost connection to Asterisk.

An attempt is looked up at Asterisk, never sent again (at most once). A call that ended meanwhile is judged from what
is known; what is not known is ``unknown``, and unknown is never called back.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from oddzwon.asterisk.ami_notices import AmiConnected
from oddzwon.asterisk.errors import AmiError
from oddzwon.asterisk.lists import Channel, ChannelState, channels
from oddzwon.callflow.aftermath import decide_call, dropped_from, receipt_of
from oddzwon.callflow.calls import LiveCall, LiveRecording
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.call import Call, Phase
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import Answered, FateHidden, Ringing
from oddzwon.domain.ending import Ending, Party
from oddzwon.domain.events import BridgeEntered, Direction, Instant, LegEnded, LegId, OutOfSight, PbxRestarted, Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.number import Presentation, parse
from oddzwon.log import records
from oddzwon.log.errors import LogError
from oddzwon.log.records import AttemptRow, CallRow, Drop, OpenCallback
from oddzwon.log.vocabulary import ATTEMPT_OPEN

if TYPE_CHECKING:
    from oddzwon.callflow.watch import Watch

_log = structlog.get_logger(__name__)

SWEEP_MS = 60_000
"""How old a call must be, and how often it is looked for."""


async def take_over(board: Switchboard, watch: Watch) -> bool:
    """Go on, after our own start, with the callbacks and calls that the log shows as open; False: try it again.

    A call that began while Asterisk's events could not be heard is known already by its flow: it is reconciled.
    """
    try:
        served = tuple(board.calls)
        living = await _living(board)
        _reconcile_calls(watch, served, living, board.now(), 0)
        for row in await board.log.open_calls(board.choices.pbx):
            if board.calls.of_leg(row.leg) is None:
                await _take_call(board, watch, row, living)
        for unjudged in await board.log.unjudged_calls():
            if unjudged.call.pbx == board.choices.pbx and unjudged.ending is not None:
                await _decide_late(board, unjudged.call, unjudged.ending)
        for callback in await board.log.open_callbacks():
            if callback.call.pbx == board.choices.pbx and board.callbacks.by_id(callback.id) is None:
                await _take_callback(board, callback, living)
    except (LogError, AmiError) as error:
        board.alarms.raise_("takeover-failed", f"open calls and callbacks are not gone on with: {error}")
        return False
    board.alarms.clear("takeover-failed")
    return True


async def reconcile(board: Switchboard, watch: Watch, notice: AmiConnected) -> bool:
    """The connection is back: what ended meanwhile, and what lives on? False: it must be tried again."""
    gap_ms = int((notice.gap_s or 0) * 1000)
    up_since = board.now() - int((notice.uptime_s or 0) * 1000) - 1_000  # Asterisk tells whole seconds
    served = tuple(board.calls)
    # an Originate that was sent on the new connection tells of itself
    dialled = tuple(run for run in board.callbacks if run.channel_id is not None and not run.asking)
    try:
        living = await _living(board)
    except AmiError as error:
        _log.warning("reconciliation failed", reason=type(error).__name__)
        return False
    if notice.restarted:
        for live in served:
            # a call may have come in before this connection stood: it lives
            if live.call.leg not in living and live.call.started_at < up_since:
                watch.deliver(live, PbxRestarted(board.now(), gap_ms))
    _reconcile_calls(watch, served, living, board.now(), gap_ms)
    for run in dialled:
        if run.state.state is not CallbackState.WAITING:
            _follow(run, living, board.now())
    return True


def _reconcile_calls(
    watch: Watch, served: tuple[LiveCall, ...], living: dict[LegId, Channel], at: Instant, gap_ms: int
) -> None:
    for live in served:
        watch.deliver(live, OutOfSight(at, gap_ms))
        if live.call.leg not in living:
            watch.deliver(live, LegEnded(live.gone_at or at, live.call.leg, None))
        else:
            _tell_bridge(watch, live, living, at)


def _tell_bridge(watch: Watch, live: LiveCall, living: dict[LegId, Channel], at: Instant) -> None:
    """With whom he talks now, should that have begun while we could not see."""
    bridge = living[live.call.leg].bridge
    if bridge:
        for leg, other in living.items():
            if other.bridge == bridge:
                watch.deliver(live, BridgeEntered(at, leg, bridge))


def _follow(run: CallbackRun, living: dict[LegId, Channel], at: int) -> None:
    channel = living.get(run.channel_id or "")
    if channel is None:
        run.post(FateHidden(at))
    elif channel.state is ChannelState.RINGING:
        run.post(Ringing(at))
    elif channel.state is ChannelState.UP:
        run.post(Answered(at))


async def sweep(board: Switchboard, watch: Watch) -> None:
    """End the calls whose channel is gone without a word that we could believe: none stays open for ever."""
    old = board.calls.before(board.now() - SWEEP_MS)
    if not old or not board.ami.connected:
        return
    try:
        living = await _living(board)
    except AmiError as error:
        _log.warning("sweep failed", reason=type(error).__name__)
        return
    for live in old:
        if live.call.phase is not Phase.LIVE or live.call.leg in living:
            live.missing = False
        elif live.missing:
            watch.deliver(live, OutOfSight(board.now(), SWEEP_MS))
            watch.deliver(live, LegEnded(board.now(), live.call.leg, None))
        else:
            live.missing = True  # its Hangup may be on its way: the list is ahead of the events


async def _living(board: Switchboard) -> dict[LegId, Channel]:
    """Every channel of Asterisk by its Uniqueid."""
    return channels(await board.ami.action_list("CoreShowChannels"))


async def _decide_late(board: Switchboard, row: CallRow, written: records.Ending) -> None:
    """A crash came between the verdict and the decision: decide now, on what the log holds and within the window."""
    live = await _known_call(board, row)
    ending = Ending(
        Party(written.party),
        written.technical,
        Confidence(written.confidence) if written.confidence else None,
        (),
        row.lost_at if row.lost_at is not None else row.started_at,
        written.rule,
    )
    in_the_log: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    in_the_log.set_result(True)
    board.spawn(decide_call(board, live, row.id, ending, in_the_log), f"aftermath-{row.leg}")


async def _take_call(board: Switchboard, watch: Watch, row: CallRow, living: dict[LegId, Channel]) -> None:
    """A call that began under an earlier life of ours: followed if it lives, else ended without our having seen how."""
    live = await _known_call(board, row)
    board.calls.adopt(live)
    at = board.now()
    watch.deliver(live, OutOfSight(at, max(0, at - row.started_at)))
    if row.leg in living:
        _tell_bridge(watch, live, living, at)
    else:
        watch.deliver(live, LegEnded(at, row.leg, None))


async def _known_call(board: Switchboard, row: CallRow) -> LiveCall:
    """The call with all that the log knows of it: what he heard, what he resumes, what was recorded."""
    live = _from_row(board, row)
    live.receipts.extend(receipt_of(r) for r in await board.log.receipts(row.id))
    if row.resumes is not None and live.party is not None and (before := await board.log.call(row.resumes)):
        live.resumes = Drop(before, await board.log.complete_notice(before.id), None, None, row.id)
    folder = board.choices.recordings
    if folder is not None:
        live.recordings.extend(
            LiveRecording(r.id, str(folder / r.file), paused=r.state == "paused", deleted=r.state == "deleted")
            for r in await board.log.recordings(row.id)
        )
    return live


def _from_row(board: Switchboard, row: CallRow) -> LiveCall:
    """The call as the log knows it."""
    call = Call(
        leg=row.leg,
        direction=Direction(row.direction),
        started_at=row.started_at,
        did=row.did,
        stage=Stage(row.stage),
        queue=row.queue,
        agent=row.agent,
        connected_at=row.started_at if row.stage == Stage.TALKING else None,
    )
    line = board.choices.line_for(row.did or "")
    live = LiveCall(row.linked, call, id=row.id, line=line, choice=board.choices.menu.get(row.menu_key or ""))
    live.presentation = Presentation(row.presentation) if row.presentation else None
    live.diverted = row.diverted
    if row.number is not None and row.number_key is not None:
        live.party = records.Party(row.number, row.number_key)
        live.number = parse(row.number, line.region)
    live.flow_started = True
    live.flow_over.set()
    return live


async def _take_callback(board: Switchboard, row: OpenCallback, living: dict[LegId, Channel]) -> None:
    """Go on with a callback: its attempt is looked up, never sent again."""
    dropped = dropped_from(board, await _known_call(board, row.call), row.call)
    if dropped is None:
        await board.log.callback_state(row.id, CallbackState.CANCELLED, at=board.now(), why="the number was erased")
        return
    lapse_at = (row.call.lost_at or row.created_at) + board.choices.policy.lapse_ms
    under_way = next((a for a in row.attempts if a.state in ATTEMPT_OPEN), None)
    state = Callback(
        row.id,
        lapse_at,
        state=_state(row, under_way),
        dials=len(row.attempts),
        answers=sum(1 for a in row.attempts if a.answered_at is not None),
        limits=board.choices.limits,
    )
    run = CallbackRun(board, row.id, dropped, state)
    at = board.now()
    if under_way is not None:
        run.attempt_id, run.channel_id = under_way.id, under_way.channel_id
        _follow(run, living, at)
    else:
        last = max((attempt.at for attempt in row.attempts), default=None)
        run.due_at(at if last is None else last + board.choices.limits.gap_ms)
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

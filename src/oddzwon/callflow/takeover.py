"""What was under way when we were not looking: after our own restart, and after a lost connection to Asterisk.

An attempt is looked up at Asterisk, never sent again (at most once). A call that ended meanwhile is judged from the
durable records (:mod:`oddzwon.callflow.missed`); what they do not tell is ``unknown``, and never called back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from oddzwon.asterisk.ami_notices import AmiConnected
from oddzwon.asterisk.errors import AmiError
from oddzwon.asterisk.lists import Channel, ChannelState, channels
from oddzwon.asterisk.spool import Spooled
from oddzwon.callflow.aftermath import decide_call
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.missed import Missed, enter_spooled, look, read_spooled, tidy
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.resumption import go_on_with_callbacks, seen_again
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.call import Phase
from oddzwon.domain.ending import Ending, Party
from oddzwon.domain.events import (
    AgentAnswered,
    AgentGaveUp,
    AgentRinging,
    BridgeEntered,
    CallEvent,
    HangupRecorded,
    HangupRequested,
    Instant,
    LegEnded,
    LegId,
    OutOfSight,
    PbxRestarted,
    ShuttingDown,
    SoftHangupRequested,
    WeHungUp,
)
from oddzwon.domain.hangup_cause import Confidence, SoftHangup
from oddzwon.log import records
from oddzwon.log.errors import LogError
from oddzwon.log.records import CallRow

if TYPE_CHECKING:
    from oddzwon.callflow.watch import Watch

_log = structlog.get_logger(__name__)

SWEEP_MS = 60_000
"""How old a call must be, and how often it is looked for."""
RECORDED_WITHIN_S = 1.0
"""How long after a channel is gone its end may still be on its way into Asterisk's own records."""


async def take_over(board: Switchboard, watch: Watch, notice: AmiConnected) -> bool:
    """Go on, after our own start, with the callbacks and calls that the log shows as open; False: try it again.

    A call that began while Asterisk's events could not be heard is known already by its flow: it is reconciled.
    """
    try:
        found = await _found(board)
        await _catch_up(board, watch, found, served=tuple(board.calls), boot=_boot(board, notice))
        for unjudged in await board.log.unjudged_calls():
            if unjudged.call.pbx == board.choices.pbx and unjudged.ending is not None:
                await _decide_late(board, unjudged.call, unjudged.ending)
        living = await _living(board)
        await go_on_with_callbacks(board, living)
    except (LogError, AmiError) as error:
        board.alarms.raise_("takeover-failed", f"open calls and callbacks are not gone on with: {error}")
        return False
    board.alarms.clear("takeover-failed")
    return True


async def reconcile(board: Switchboard, watch: Watch, notice: AmiConnected) -> bool:
    """The connection is back: what ended meanwhile, and what lives on? False: it must be tried again."""
    gap_ms = int((notice.gap_s or 0) * 1000)
    boot = _boot(board, notice) if notice.restarted else None
    # an Originate that was sent on the new connection tells of itself
    dialled = [run for run in board.callbacks.with_channels if run.attempt is not None and not run.attempt.asking]
    try:
        found = await _found(board)
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))
        found = _Found()  # the stand-in's calls wait for the next sweep; those that we follow do not
    try:
        living = await _catch_up(board, watch, found, served=tuple(board.calls), boot=boot, gap_ms=gap_ms)
    except AmiError as error:
        _log.warning("reconciliation failed", reason=type(error).__name__)
        return False
    seen_again(board, dialled, living)
    return True


def _boot(board: Switchboard, notice: AmiConnected) -> Instant | None:
    """When Asterisk began, at the earliest; None: it does not say."""
    if notice.uptime_s is None:
        return None
    return board.now() - int(notice.uptime_s * 1000) - 1_000  # it tells whole seconds


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in the spool, and the calls that are open in the log and were followed by nobody until now."""

    spooled: Spooled = field(default_factory=Spooled)
    calls: tuple[LiveCall, ...] = ()


async def _found(board: Switchboard) -> _Found:
    """Take the stand-in's calls into the log, and follow what is open there. Raises LogError."""
    spooled = await read_spooled(board)
    await enter_spooled(board, spooled.calls)
    calls = [
        await known_call(board, row)
        for row in await board.log.open_calls(board.choices.pbx)
        if board.calls.of_leg(row.leg) is None
    ]
    for live in calls:
        board.calls.adopt(live)
    return _Found(spooled, tuple(calls))


@dataclass(frozen=True, slots=True)
class _Sight:
    """What we see now, ``at``: Asterisk's channels, and what the records tell of before; ``boot``: it began then."""

    at: Instant
    living: dict[LegId, Channel]
    missed: Missed
    boot: Instant | None = None


async def _catch_up(
    board: Switchboard,
    watch: Watch,
    found: _Found,
    *,
    served: tuple[LiveCall, ...],
    boot: Instant | None = None,
    gap_ms: int | None = None,
) -> dict[LegId, Channel]:
    """Bring calls up to date by the durable records and Asterisk's channels: ``served``, and those found just now.

    ``boot``: Asterisk began then; what is gone and began before may have died with it. ``gap_ms`` None: since each call
    began. Returns the living channels. Raises AmiError.
    """
    living = await _living(board)
    at = board.now()
    lost = {live.call.leg: live.call.started_at if gap_ms is None else at - gap_ms for live in served}
    lost |= {live.call.leg: live.call.started_at for live in found.calls}
    sight = _Sight(at, living, await look(board, lost, found.spooled), boot)
    every = dict.fromkeys((*served, *found.calls))
    unsure = tuple(live for live in every if not _bring_up_to_date(watch, live, sight, at - lost[live.call.leg]))
    if unsure:
        board.spawn(_look_again(board, watch, {live: lost[live.call.leg] for live in unsure}), "look-again")
    if found.spooled.legs:
        board.spawn(_tidy_when_judged(board, tuple(board.calls), found.spooled), "spool")
    return living


def _bring_up_to_date(watch: Watch, live: LiveCall, sight: _Sight, gap_ms: int) -> bool:
    """Tell the call what it missed in the last ``gap_ms``, and then how it stands now.

    False: its leg is gone, and nothing tells how yet.
    """
    at, leg, boot = sight.at, live.call.leg, sight.boot
    story, gone = sight.missed.story(leg), leg not in sight.living
    if gone and boot is not None and live.call.started_at < boot and sight.missed.outlived(leg, boot):
        for event in story:
            if not isinstance(event, HangupRecorded):
                watch.deliver(live, event)
        last = sight.missed.cel.last_before(boot)  # it lived then, though we may have heard from it later
        watch.deliver(live, PbxRestarted(at, gap_ms if last is None else max(0, min(gap_ms, at - last))))
        return True
    watch.deliver(live, OutOfSight(at, gap_ms))
    for event in story:
        watch.deliver(live, event)
    if not gone:
        _tell_agents(watch, live, sight.living, at)
        return True
    end = sight.missed.end(leg)
    if end is not None:
        watch.deliver(live, LegEnded(end.at, leg, None))
    return end is not None


async def _look_again(
    board: Switchboard, watch: Watch, lost: Mapping[LiveCall, Instant], end: LegEnded | None = None
) -> None:
    """Of legs that are gone, and nothing told how: it may have been under way, as their own last events may.

    What ends in the moment of our return is recorded a moment later; a file tells nobody when that is. ``end`` is what
    Asterisk has told of a leg's end, if it has.
    """
    gone_by = board.now()
    await asyncio.sleep(RECORDED_WITHIN_S)
    waiting = {live.call.leg: since for live, since in lost.items() if live.call.phase is Phase.LIVE}
    spooled = await read_spooled(board)
    missed = await look(board, waiting, spooled)
    for live in lost:
        leg = live.call.leg
        if leg not in waiting or live.call.phase is not Phase.LIVE:
            continue
        for event in missed.story(leg):
            watch.deliver(live, event)
        recorded = missed.end(leg)
        at = recorded.at if recorded is not None else live.gone_at or gone_by
        watch.deliver(live, end or LegEnded(at, leg, None))
    await _tidy_when_judged(board, tuple(lost), spooled)


def look_into_end(board: Switchboard, watch: Watch, live: LiveCall, end: LegEnded) -> bool:
    """Whether the end of a leg, which came just after we could see again, waits for the records.

    Who asked for it did so while we could not see; the events tell no more than that the leg is gone.
    """
    journal = live.call.journal
    blind = next((event for event in reversed(journal) if isinstance(event, OutOfSight)), None)
    if blind is None or end.at - blind.at > RECORDED_WITHIN_S * 1000:
        return False
    if live.call.phase is not Phase.LIVE or any(_tells_why(event) for event in journal[journal.index(blind) :]):
        return False
    board.spawn(_look_again(board, watch, {live: blind.at - blind.gap_ms}, end), "look-again")
    return True


def _tells_why(event: CallEvent) -> bool:
    if isinstance(event, SoftHangupRequested):
        return event.flag not in (SoftHangup.ASYNCGOTO, SoftHangup.APPUNLOAD)  # the latter is in every end
    return isinstance(event, HangupRequested | HangupRecorded | WeHungUp | ShuttingDown)


def _tell_agents(watch: Watch, live: LiveCall, living: dict[LegId, Channel], at: Instant) -> None:
    """Whose phone rings for him, and with whom he talks now, should that have begun while we could not see."""
    mine = living[live.call.leg]
    for leg in tuple(live.call.agents):
        if leg not in living:
            watch.deliver(live, AgentGaveUp(at, leg))
    for leg, other in living.items():
        beside = bool(mine.bridge) and other.bridge == mine.bridge
        if leg != live.call.leg and leg not in live.call.agents:
            if other.linked == mine.linked and other.state is ChannelState.RINGING:
                watch.deliver(live, AgentRinging(at, leg, other.device))
            elif beside and other.device:
                watch.deliver(live, AgentAnswered(at, leg, other.device))
        if beside and live.call.bridges.get(leg) != mine.bridge:
            watch.deliver(live, BridgeEntered(at, leg, mine.bridge))


async def _tidy_when_judged(board: Switchboard, lives: tuple[LiveCall, ...], spooled: Spooled) -> None:
    """The files of ended legs go when the log has the verdicts that they helped to find."""
    for live in lives:
        if live.call.phase is not Phase.LIVE:
            await live.judged.wait()
    try:
        await tidy(board, spooled)
    except LogError as error:
        _log.warning("the spool is tidied later", reason=type(error).__name__)


async def sweep(board: Switchboard, watch: Watch) -> None:
    """End the calls whose channel is gone without a word that we could believe: none stays open for ever."""
    if not board.ami.connected:
        return
    await look_into_spool(board, watch)
    old = board.calls.before(board.now() - SWEEP_MS)
    if not old:
        return
    try:
        living = await _living(board)
    except AmiError as error:
        _log.warning("sweep failed", reason=type(error).__name__)
        return
    lost = []
    for live in old:
        if live.call.phase is not Phase.LIVE or live.call.leg in living:
            live.missing = False
        elif live.missing:
            lost.append(live)
        else:
            live.missing = True  # its Hangup may be on its way: the list is ahead of the events
    if lost:
        since = board.now() - 2 * SWEEP_MS
        missed = await look(board, {live.call.leg: since for live in lost}, Spooled())
        for live in lost:
            if not _bring_up_to_date(watch, live, _Sight(board.now(), living, missed), SWEEP_MS):
                watch.deliver(live, LegEnded(board.now(), live.call.leg, None))


async def look_into_spool(board: Switchboard, watch: Watch) -> None:
    """Take in what the stand-in has written while we were there: it was asked to help out for a moment."""
    try:
        found = await _found(board)
        if found.calls:
            await _catch_up(board, watch, found, served=())
        elif found.spooled.legs:
            await tidy(board, found.spooled)
    except (LogError, AmiError) as error:
        _log.warning("the spool is read later", reason=type(error).__name__)


async def _living(board: Switchboard) -> dict[LegId, Channel]:
    """Every channel of Asterisk by its Uniqueid."""
    return channels(await board.ami.action_list("CoreShowChannels"))


async def _decide_late(board: Switchboard, row: CallRow, written: records.Ending) -> None:
    """A crash came between the verdict and the decision: decide now, on what the log holds and within the window."""
    live = await known_call(board, row)
    ending = Ending(
        Party(written.party),
        written.technical,
        Confidence(written.confidence) if written.confidence else None,
        (),
        row.lost_at if row.lost_at is not None else row.started_at,
        rules=written.rule,
    )
    in_the_log: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    in_the_log.set_result(True)
    board.spawn(decide_call(board, live, row.id, ending, in_the_log), f"aftermath-{row.leg}")

"""The MixMonitors of a call: started once the row is committed, muted, stopped. Whatever they do is in the log.

Who may be recorded is decided by :mod:`oddzwon.callflow.recording` and :mod:`oddzwon.callflow.contract`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.ami_wire import AmiResponse
from oddzwon.asterisk.errors import AgiCommandFailed, AgiInvalidCommand, AmiError
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.freespace import room_left
from oddzwon.callflow.live_recordings import Grounds, LiveRecording
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.events import BridgeLeft, CallEvent, HandedOver, LegEnded, LegId, Parked, Unparked
from oddzwon.domain.recording import Regime, delete_after, objection_reaches
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.log.recording_records import NewRecording
from oddzwon.recordings.files import remove

_log = structlog.get_logger(__name__)

NO_CHANNEL: Final = "No such channel"
SHUTTING_DOWN: Final = "Asterisk is shutting down"
"""What it answers to every action while it waits for its last call (main/manager.c)."""
NOTHING_TO_MUTE: Final = frozenset({NO_CHANNEL, "Cannot set mute flag", "Could not find MixMonitor with ID"})
"""What it answers to MixMonitorMute there; the hang-up handler of a leg that is ending may have been first."""
STOPPED_ALREADY: Final = frozenset({NO_CHANNEL, "Could not stop monitoring channel"})
"""What Asterisk answers to StopMixMonitor where nothing runs (apps/app_mixmonitor.c, manager_stop_mixmonitor)."""
AGENTS_CODE: Final = "agent's code"
"""Why a recording is silent that the agent has paused; it stands in its history, and is read there after a restart."""
_ALLOWED: Final = "are `call` among the manager user's rights, and is app_mixmonitor loaded?"


async def start(
    agi: AgiSession,
    board: Switchboard,
    live: LiveCall,
    grounds: Grounds,
    *,
    side: str = "caller",
    by: LegId | None = None,
    segment: bool = False,
) -> LiveRecording | None:
    """Commit the recording's row, then start MixMonitor on the session's channel; None: nothing is recorded.

    It writes only while that channel is bridged. ``side`` tells whose channel it is: caller or agent.
    """
    folder = board.choices.recordings
    if folder is None or live.id is None or not await room_left(board):
        return None
    at, file = board.now(), f"{secrets.token_hex(16)}.raw"
    new = NewRecording(
        regime=grounds.regime.value,
        announcement=grounds.announcement,
        started_at=at,
        delete_after=delete_after(at, grounds.retention),
        file=file,
        reference=grounds.reference,
        leg=agi.uniqueid,
        side=side,
        agent_consent=grounds.agent_consent,
    )
    try:
        row = await board.log.arm_recording(live.id, new)
    except LogError as error:
        board.alarms.raise_("recording-not-logged", str(error))
        return None
    board.alarms.clear("recording-not-logged")
    made = LiveRecording(row, folder / file, grounds.regime, grounds.prompt, agi.uniqueid, by=by, segment=segment)
    live.recordings.all.append(made)
    return made if await _begin(agi, board, made) else None


async def _begin(agi: AgiSession, board: Switchboard, made: LiveRecording) -> bool:
    try:
        # D: both sides apart; b: only while bridged; i: the id by which this one is stopped and muted
        await agi.exec("MixMonitor", str(made.path), f"bDi({variables.MIX})")
    except (AgiCommandFailed, AgiInvalidCommand) as error:
        board.alarms.raise_("recording-not-started", f"{error}; is app_mixmonitor loaded?")
        made.over = True
        await note(board, made, "failed", "MixMonitor was refused")
        return False
    board.alarms.clear("recording-not-started")
    made.mix = await agi.get_variable(variables.MIX)
    if made.mix:
        try:
            await board.log.recording_mix(made.id, made.mix)
        except LogError as error:  # known as long as we live, and that is nearly always enough
            board.alarms.raise_("recording-not-logged", str(error))
    return True


async def note(board: Switchboard, recording: LiveRecording, state: str, why: str) -> bool:
    """Write the recording's state and the reason for it; False: the log did not take it, which is an alarm."""
    try:
        await board.log.recording_state(recording.id, state, at=board.now(), why=why)
    except LogError as error:
        board.alarms.raise_("recording-not-logged", str(error))
        return False
    return True


async def bridged(board: Switchboard, live: LiveCall) -> None:
    """The caller and an agent hear each other: what was armed is recording from now on."""
    for recording in live.recordings:
        if not recording.muted:
            await note(board, recording, "recording", "bridged")


async def stop(board: Switchboard, recording: LiveRecording) -> bool:
    """Stop its MixMonitor. True: Asterisk writes no more, and has closed the file."""
    stopped = await stop_mix(board, recording.id, recording.leg, recording.mix)
    recording.over = recording.over or stopped
    return stopped


async def stop_mix(board: Switchboard, recording: str, leg: LegId, mix: str | None) -> bool:
    """Stop the MixMonitor ``mix`` on this channel (None: the first one). True: its file is closed."""
    try:
        answer = await board.ami.action("StopMixMonitor", _which(leg, mix))
    except AmiError as error:
        _log.warning("recording not stopped", recording=recording, reason=type(error).__name__)
        return False
    if answer.success or answer.message in STOPPED_ALREADY:
        board.alarms.clear("recording-stop-failed")
        return True
    if answer.message == SHUTTING_DOWN:
        _log.warning("recording not stopped", recording=recording, reason=answer.message)
        return False  # its file is closed when Asterisk has ended, and looked for then
    board.alarms.raise_("recording-stop-failed", f"StopMixMonitor was refused ({answer.message}): {_ALLOWED}")
    return False


def _which(leg: LegId, mix: str | None) -> dict[str, str]:
    return {"Channel": leg} | ({"MixMonitorID": mix} if mix else {})


# --- silence -----------------------------------------------------------------------------------------------------


async def pause_or_resume(board: Switchboard, live: LiveCall) -> bool:
    """Card data: silence, both sides, until the code is dialled again; False: it could not be done.

    Not so where the law demands the recording: it goes on, and that is False.
    """
    async with live.recordings.lock:
        heard = live.recordings.heard
        done = [await _pause(board, one, not one.paused) for one in heard if one.regime is not Regime.LEGAL]
    return len(done) == len(heard) and all(done)


async def _pause(board: Switchboard, recording: LiveRecording, on: bool) -> bool:
    before, recording.paused = recording.paused, on
    if await _mute(board, recording, AGENTS_CODE):
        return True
    recording.paused = before
    return False


async def set_aside(board: Switchboard, live: LiveCall, on: bool, why: str) -> bool:
    """Silence in all but the contract segment, or the end of it; False: one of them could not be silenced."""
    done = []
    for recording in live.recordings:
        if not recording.segment:
            before, recording.set_aside = recording.set_aside, on
            done.append(await _mute(board, recording, why))
            if not done[-1]:
                recording.set_aside = before
    return all(done)


async def _mute(board: Switchboard, recording: LiveRecording, why: str) -> bool:
    """Make Asterisk write silence, or sound again, as the recording's flags say."""
    fields = _which(recording.leg, recording.mix) | {"Direction": "both", "State": "1" if recording.muted else "0"}
    try:
        answer: AmiResponse | None = await board.ami.action("MixMonitorMute", fields)
    except AmiError:
        answer = None
    if answer is not None and answer.message in NOTHING_TO_MUTE and await stop(board, recording):
        return True  # nothing is written any more, and that is silence too
    if answer is None or not answer.success:
        board.alarms.raise_("recording-pause-failed", f"MixMonitorMute was not done: {_ALLOWED}")
        return False
    board.alarms.clear("recording-pause-failed")
    if recording.paused and why != AGENTS_CODE:
        why = f"{AGENTS_CODE}, {why}"  # both are known again after a restart
    await note(board, recording, "paused" if recording.muted else "recording", why)
    return True


# --- the end -----------------------------------------------------------------------------------------------------


async def object_to_recording(board: Switchboard, live: LiveCall, door: str) -> None:
    """The caller objects now: written down, stopped at once, what his objection reaches deleted (legal.md section C).

    What cannot be done now is done by the sweep: of a call with an objection in the log nothing is sealed that it
    reaches.
    A recording that rests on a legal obligation, or on a contract and was announced, goes on: its history says so.
    """
    recordings = live.recordings
    recordings.objected = True
    recordings.awaiting = None
    if live.id is not None:
        await write_objection(board, live, live.id, door)
    async with recordings.lock:
        for recording in list(recordings.all):
            if not objection_reaches(recording.regime, recording.prompt):
                await _not_reached(board, recording)
            elif not recording.deleted:
                await _delete(board, recording, f"the caller objected: {door}")
        if recordings.segment is None:
            await set_aside(board, live, False, "contract segment over")


async def write_objection(board: Switchboard, live: LiveCall, call: str, door: str) -> None:
    """Commit the objection to this call's recordings; what the log does not take is kept until it does."""
    try:
        await board.log.record_objection(
            number_key=None, scope=ObjectionScope.RECORDING, at=board.now(), channel=door, call=call
        )
    except LogError as error:
        live.recordings.unwritten = door
        board.alarms.raise_("objection-not-written", str(error))
    else:
        live.recordings.unwritten = None
        board.alarms.clear("objection-not-written")


async def _not_reached(board: Switchboard, recording: LiveRecording) -> None:
    _log.info("objection does not reach the recording", recording=recording.id, regime=recording.regime.value)
    if not recording.over:
        state = "paused" if recording.muted else "recording"
        await note(board, recording, state, f"an objection does not reach the regime {recording.regime.value}")


async def _delete(board: Switchboard, recording: LiveRecording, why: str) -> None:
    """What was recorded is gone, and what Asterisk still writes goes into a file without a name."""
    if not recording.over:
        await stop(board, recording)
    recording.over = recording.deleted = True
    board.to_delete[recording.id] = why
    await delete_for_good(board, recording.id)


async def delete_for_good(board: Switchboard, recording: str) -> None:
    """Destroy its key and its file; what cannot be done is an alarm, and tried again by the sweep."""
    folder = board.choices.recordings
    if folder is None:
        return  # recording was switched off since: what must go waits for its folder
    try:
        files = await board.log.destroy_recording(recording, board.now(), board.to_delete[recording])
        why = board.to_delete.pop(recording)
        for file in files:
            await asyncio.to_thread(remove, folder / file)
    except (LogError, OSError) as error:
        board.alarms.raise_("recording-not-deleted", f"recording {recording}: {error}")
        return
    board.alarms.clear("recording-not-deleted")
    _log.info("recording deleted", recording=recording, why=why)


async def end_segment(board: Switchboard, live: LiveCall, why: str) -> LiveRecording | None:
    """The contract segment is over, and what was set aside for it goes on; returns it, None: there was none.

    The caller of this function holds the lock.
    """
    segment = live.recordings.segment
    if segment is None or not await stop(board, segment):
        return None
    await note(board, segment, "finished", why)
    await set_aside(board, live, False, "contract segment over")
    return segment


async def stop_all(board: Switchboard, live: LiveCall, why: str) -> None:
    """Nothing more of this call is recorded; what was, stays."""
    async with live.recordings.lock:
        live.recordings.awaiting = None
        for recording in list(live.recordings):
            if await stop(board, recording):
                await note(board, recording, "finished", why)
                _log.warning("recording stopped", call=live.id, recording=recording.id, why=why)


def follows(live: LiveCall, event: CallEvent) -> bool:
    """Whether the event means something to the call's recordings: then :func:`follow` it."""
    if isinstance(event, Parked | Unparked):
        return event.leg == live.call.leg and live.recordings.running
    return isinstance(event, BridgeLeft | HandedOver | LegEnded) and _takes_segment(live, event.leg)


def _takes_segment(live: LiveCall, leg: LegId) -> bool:
    segment = live.recordings.segment
    return segment is not None and leg != live.call.leg and segment.by in (None, leg)


async def follow(board: Switchboard, live: LiveCall, event: CallEvent) -> None:
    """Who waits in a parking lot is not talking; a contract segment ends with the agent who asked for it."""
    async with live.recordings.lock:
        if isinstance(event, Parked):
            await set_aside(board, live, True, "parked")
        elif isinstance(event, Unparked):
            await set_aside(board, live, False, "fetched")
        else:
            await end_segment(board, live, "its agent has left")

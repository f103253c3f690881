"""The recording gate: the announcement of this choice's regime, its receipt, the row, and only then MixMonitor."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path

import structlog

from oddzwon.asterisk.errors import AgiCommandFailed, AgiInvalidCommand, AmiError
from oddzwon.callflow.calls import LiveCall, LiveRecording
from oddzwon.callflow.dialfacts import known
from oddzwon.callflow.switchboard import Choice, Line, Switchboard
from oddzwon.callflow.talk import Said, Talk
from oddzwon.domain.events import OutOfSight, PbxRestarted
from oddzwon.domain.notice import NoticeReceipt, PromptKind
from oddzwon.domain.recording import (
    Mode,
    RecordingPermission,
    RecordingRules,
    Regime,
    Retention,
    announcement_for,
    delete_after,
    may_record,
    mode_for,
    retention_for,
)
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.log.records import NewRecording
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)


def variant_of(choice: Choice, line: Line) -> str:
    """The name under which the announcement of this choice is built: one for each key and jurisdiction."""
    return f"key{choice.key}_{line.preset}"


async def announce_and_arm(talk: Talk, choice: Choice, line: Line, *, carried_objection: bool = False) -> None:
    """Announce what this choice records, and arm the recording if that is allowed; the call goes on either way.

    ``carried_objection``: the caller objected to being recorded in the call that this one resumes.
    """
    board, live = talk.board, talk.live
    mode = recording_mode(board, choice, line)
    prompt = announcement_for(choice.regime, mode)
    if prompt is None or carried_objection:
        return
    said = await _announce(talk, prompt, variant_of(choice, line))
    permission = await _permission(talk, choice, line, mode, said)
    _log.info("recording gate", call=live.id, allowed=permission.allowed, verdict=permission.verdict.value)
    if permission.allowed and said.row is not None and said.receipt is not None:
        armed = await _arm(talk, choice, permission, said.row)
        if armed and mode is Mode.KEYPRESS:
            await talk.say(PromptKey.RECORDED)
    elif said.receipt is not None and said.receipt.key == "7":
        await talk.say(PromptKey.NOT_RECORDED)


def recording_mode(board: Switchboard, choice: Choice, line: Line) -> Mode | None:
    """How this choice's recording is brought about on this line; None: nothing is recorded."""
    choices = board.choices
    if choices.recordings is None:
        return None
    chosen = choices.quality_mode if choice.regime is Regime.QUALITY else None
    return mode_for(
        line.rules,
        choice.regime,
        balancing_test=choices.recording_test,
        chosen=chosen,
        language=line.language,
    )


def recording_retention_of(choice: Choice, rules: RecordingRules, quality: Retention) -> Retention:
    """How long this choice's recordings are kept; ``quality`` is the operator's period for quality recordings.

    :raises RetentionError: a quality recording kept for more than 90 days.
    """
    chosen = choice.retention
    if chosen is None and choice.regime is Regime.QUALITY:
        chosen = quality
    return retention_for(rules, choice.regime, chosen)


async def _announce(talk: Talk, prompt: PromptKind, variant: str) -> Said:
    key = PromptKey(prompt.value)
    if prompt is PromptKind.REC_CONSENT:
        return await talk.ask(key, variant, keys="1", wait_ms=talk.board.choices.key_wait_ms)
    if prompt is PromptKind.REC_OBJECT:
        return await talk.say(key, variant, keys="7")
    return await talk.say(key, variant)


async def _permission(talk: Talk, choice: Choice, line: Line, mode: Mode | None, said: Said) -> RecordingPermission:
    board = talk.board
    return may_record(
        line.rules,
        choice.regime,
        mode,
        said.receipt,
        (),
        retention=recording_retention_of(choice, line.rules, board.choices.quality_retention),
        balancing_test=board.choices.recording_test,
        reference=choice.reference,
        objected=await _objected(board, talk.live),
        agent_consented=board.choices.agents_consented,
    )


async def _objected(board: Switchboard, live: LiveCall) -> bool | None:
    """Whether an objection to recording stands for this caller; None: the register could not be read."""
    if live.party is None:
        return False
    return await known(board, board.log.objected(live.party.number_key, ObjectionScope.RECORDING))


async def _arm(talk: Talk, choice: Choice, permission: RecordingPermission, announcement: int) -> bool:
    """Commit the recording's row, then start MixMonitor: only while bridged. False: nothing is recorded."""
    board, live = talk.board, talk.live
    folder = board.choices.recordings
    if folder is None or live.id is None:
        return False
    started_at = board.now()
    name = f"{secrets.token_hex(16)}.wav"
    try:
        row = await board.log.arm_recording(
            live.id,
            NewRecording(
                regime=choice.regime.value,
                announcement=announcement,
                started_at=started_at,
                delete_after=delete_after(started_at, permission.retention),
                file=name,
                reference=choice.reference,
            ),
        )
    except LogError as error:
        board.alarms.raise_("recording-not-logged", str(error))
        return False
    board.alarms.clear("recording-not-logged")
    live.recordings.append(LiveRecording(row, str(folder / name)))
    try:
        await talk.agi.exec("MixMonitor", str(folder / name), "b")
    except (AgiCommandFailed, AgiInvalidCommand) as error:
        board.alarms.raise_("recording-not-started", f"{error}; is app_mixmonitor loaded, and {folder} writable to it?")
        await board.log.recording_state(row, "failed")
        live.recordings.pop()
        return False
    board.alarms.clear("recording-not-started")
    return True


async def stop_and_delete(board: Switchboard, live: LiveCall, why: str) -> None:
    """The caller objects now: stop at once, delete this call's files, log it (legal.md section C)."""
    with suppress(AmiError):  # a channel that is gone records nothing any more
        await board.ami.action("StopMixMonitor", {"Channel": live.call.leg})
    for recording in live.recordings:
        if recording.deleted:
            continue
        recording.deleted = True
        await asyncio.to_thread(Path(recording.path).unlink, missing_ok=True)
        await board.log.recording_state(recording.id, "deleted")
        _log.info("recording deleted", call=live.id, recording=recording.id, why=why)
    if live.id is not None:
        await board.log.record_objection(
            number_key=None,
            scope=ObjectionScope.RECORDING,
            at=board.now(),
            channel=why,
            call=live.id,
        )


async def pause_or_resume(board: Switchboard, live: LiveCall) -> None:
    """Card data: silence in the recording until the code is dialled again."""
    for recording in live.recordings:
        if recording.deleted:
            continue
        state = "0" if recording.paused else "1"
        answer = await board.ami.action(
            "MixMonitorMute", {"Channel": live.call.leg, "Direction": "both", "State": state}
        )
        if not answer.success:
            board.alarms.raise_("recording-pause-failed", "MixMonitorMute was refused: is its manager right `call`?")
            continue
        recording.paused = not recording.paused
        await board.log.recording_state(recording.id, "paused" if recording.paused else "recording")


async def finish(board: Switchboard, live: LiveCall) -> None:
    """The call is over: what was never bridged has no file worth keeping; what we did not see is kept."""
    blind = any(isinstance(event, OutOfSight | PbxRestarted) for event in live.call.journal)
    for recording in live.recordings:
        if recording.deleted:
            continue
        if live.call.connected_at is None and not blind:
            await asyncio.to_thread(Path(recording.path).unlink, missing_ok=True)
            await board.log.recording_state(recording.id, "deleted")
        else:
            await board.log.recording_state(recording.id, "finished")


def objected_to_recording(receipts: tuple[NoticeReceipt, ...]) -> bool:
    """Whether key 7 was pressed at an announcement: it carries over to a callback, a consent does not."""
    return any(r.prompt == PromptKind.REC_OBJECT and r.key == "7" for r in receipts)

"""The recording gate: the announcement of this choice's regime, its receipt, and what may be recorded after it.

Where the agent consents as well and has not done so yet, the recording waits for him (:mod:`agent_leg`); else it is
armed here, and writes only while the caller is bridged.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from oddzwon.callflow import failpoints
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.dialfacts import known
from oddzwon.callflow.freespace import room_left
from oddzwon.callflow.live_recordings import Grounds
from oddzwon.callflow.recorders import object_to_recording, start
from oddzwon.callflow.switchboard import Choice, Line, Switchboard
from oddzwon.callflow.talk import Said, Talk
from oddzwon.domain.events import Direction
from oddzwon.domain.notice import PromptKind
from oddzwon.domain.recording import (
    Mode,
    RecordingPermission,
    RecordingRules,
    Regime,
    Retention,
    announcement_for,
    may_record,
    mode_for,
    objection_reaches,
    retention_for,
)
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogError
from oddzwon.log.records import Receipt
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

NOT_ME = "7"
"""The key that REC_OBJECT names. It counts whenever it is pressed before the talk: an objection needs no question."""
CONSENTS_ON_FILE = "recording.agents_consented"
"""What the log names where the operator's setting says that every agent's consent is on file."""


def variant_of(choice: Choice, line: Line) -> str:
    """The name under which the announcement of this choice is built: one for each key and jurisdiction."""
    return f"{f'key{choice.key}' if choice.key else 'contract'}_{line.preset}"


async def announce_and_arm(talk: Talk, choice: Choice, line: Line, *, carried_objection: bool = False) -> None:
    """Announce what this choice records, and arm the recording if that is allowed; the call goes on either way.

    ``carried_objection``: the caller objected to being recorded in the call that this one resumes. It does not reach
    what the law demands (Art. 21 GDPR).
    """
    board, live = talk.board, talk.live
    mode = recording_mode(board, choice, line)
    prompt = announcement_for(choice.regime, mode)
    carried = carried_objection and choice.regime is not Regime.LEGAL
    if prompt is None or carried or not await room_left(board):
        return
    said = await announce(talk, prompt, variant_of(choice, line))
    if live.call.direction is Direction.CALLBACK:
        await failpoints.reached(failpoints.ANNOUNCED)
    if prompt is PromptKind.REC_OBJECT and not live.recordings.objected:
        await _key_7(talk, said)
    grounds = await grounds_for(board, live, choice, line, said)
    armed = grounds is not None and await _arm(talk, line, grounds)
    if armed and mode is Mode.KEYPRESS and live.recordings.awaiting is None:  # else it is not certain yet
        await talk.say(PromptKey.RECORDED)
    elif live.recordings.objected:
        await talk.say(PromptKey.NOT_RECORDED)


async def _key_7(talk: Talk, said: Said) -> None:
    """The caller's objection, if he pressed the key at the announcement, or before it."""
    if said.key == NOT_ME:
        await object_to_recording(talk.board, talk.live, "key 7, at the announcement")
    elif await talk.waiting(NOT_ME) is not None:
        await object_to_recording(talk.board, talk.live, "key 7, pressed ahead")


async def _arm(talk: Talk, line: Line, grounds: Grounds) -> bool:
    """Begin the recording, or let it wait for the agent; False: it cannot, or the caller has objected meanwhile.

    Who objects while MixMonitor is being started waits for the lock, and finds a recording that can be stopped.
    """
    recordings = talk.live.recordings
    async with recordings.lock:
        if recordings.objected and objection_reaches(grounds.regime, grounds.prompt):
            return False
        if consents_asked(talk.board, line):
            recordings.awaiting = grounds
            return True
        return await start(talk.agi, talk.board, talk.live, grounds) is not None


def objects_late(live: LiveCall, key: str) -> bool:
    """Whether this key is the caller's objection to what was announced to him, pressed before he talks to anybody."""
    announced = any(receipt.prompt == PromptKind.REC_OBJECT for receipt in live.receipts)
    return key == NOT_ME and announced and live.call.connected_at is None and not live.recordings.objected


def consents_asked(board: Switchboard, line: Line) -> bool:
    """Whether agents are asked for their consent to recordings on this line (§ 201 StGB: both sides)."""
    return line.rules.agent_too and not board.choices.agents_consented


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


async def announce(talk: Talk, prompt: PromptKind, variant: str) -> Said:
    """Say the announcement of a recording, and hear the caller's answer to it."""
    key = PromptKey(prompt.value)
    if prompt is PromptKind.REC_CONSENT:
        return await talk.ask(key, variant, keys="1", wait_ms=talk.board.choices.key_wait_ms)
    if prompt is PromptKind.REC_OBJECT:
        return await talk.say(key, variant, keys=NOT_ME)
    return await talk.say(key, variant)


async def _permission(
    board: Switchboard, live: LiveCall, choice: Choice, line: Line, said: Said
) -> RecordingPermission:
    """Whether what was announced may be recorded now."""
    permission = may_record(
        line.rules,
        choice.regime,
        recording_mode(board, choice, line),
        said.receipt,
        (),
        retention=recording_retention_of(choice, line.rules, board.choices.quality_retention),
        balancing_test=board.choices.recording_test,
        reference=choice.reference,
        objected=True if live.recordings.objected else await _objected(board, live),
        # whose consent is not on file is asked when he has answered; without it nothing is recorded then
        agent_consented=True,
    )
    _log.info(
        "recording gate",
        call=live.id,
        regime=choice.regime.value,
        allowed=permission.allowed,
        verdict=permission.verdict.value,
    )
    return permission


async def _objected(board: Switchboard, live: LiveCall) -> bool | None:
    """Whether an objection to recording stands for this caller; None: the register could not be read."""
    if live.party is None:
        return False
    return await known(board, board.log.objected(live.party.number_key, ObjectionScope.RECORDING))


async def grounds_for(board: Switchboard, live: LiveCall, choice: Choice, line: Line, said: Said) -> Grounds | None:
    """What the recording that was announced rests on; None: it may not begin, or that could not be written down."""
    permission = await _permission(board, live, choice, line, said)
    if not permission.allowed or said.row is None or said.receipt is None:
        return None
    consent: int | None = None
    if line.rules.agent_too and board.choices.agents_consented:
        try:
            consent = await board.log.consent_on_file(CONSENTS_ON_FILE, board.now())
        except LogError as error:
            board.alarms.raise_("recording-not-logged", str(error))
            return None
    return Grounds(
        choice.regime, said.row, said.receipt.prompt, permission.retention, choice.reference, agent_consent=consent
    )


def _said_no(receipts: Iterable[Receipt]) -> bool:
    """Whether key 7 was pressed at an announcement: it stands on the receipt, also where the log took no objection."""
    return any(r.prompt == PromptKind.REC_OBJECT and r.key == NOT_ME for r in receipts)


async def objected_before(board: Switchboard, resumed: str | None) -> bool:
    """Whether the caller objected to being recorded in the call ``resumed``, or in one that it resumed itself.

    An objection carries over to whatever goes on with the call, a consent does not. In doubt he did.
    """
    seen: set[str] = set()
    while resumed is not None and resumed not in seen:
        seen.add(resumed)
        if await known(board, board.log.objected_in_call(resumed, ObjectionScope.RECORDING)) is not False:
            return True
        receipts = await known(board, board.log.receipts(resumed))
        if receipts is None or _said_no(receipts):
            return True
        row = await known(board, board.log.call(resumed))
        resumed = row.resumes if row is not None else None
    return False

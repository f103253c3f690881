"""The contract segment: what is said while a contract is made, recorded for itself (legal.md section C).

The agent dials its code; Asterisk runs this on the caller's channel, who hears the segment's own announcement to its
end (or is asked, where the jurisdiction wants his key), while the agent hears music. Then a recording of its own
begins, with its own receipt, reference and retention; whatever was recorded before is silent meanwhile, and is never
re-labelled. The same code ends it. The agent is told by a sound: one when it begins or ends, another when it does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup, AmiError
from oddzwon.callflow.agent_leg import question, standing_consent
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.freespace import room_left
from oddzwon.callflow.live_recordings import Grounds
from oddzwon.callflow.recorders import end_segment, note, set_aside, start
from oddzwon.callflow.recording import (
    announce,
    consents_asked,
    grounds_for,
    recording_mode,
    recording_retention_of,
    variant_of,
)
from oddzwon.callflow.sealing import seal_when_closed
from oddzwon.callflow.switchboard import Choice, Line, Switchboard
from oddzwon.callflow.talk import Talk
from oddzwon.domain.events import LegId
from oddzwon.domain.recording import Regime, announcement_for
from oddzwon.prompts.errors import PromptError

_log = structlog.get_logger(__name__)

SAME_CODE_S: Final = 1.0
"""Who dials the code once more during the announcement does not mean its end: Asterisk brings it right after."""
TAKEN: Final = "taken"
REFUSED: Final = "refused"


async def contract(agi: AgiSession, board: Switchboard) -> None:
    """Begin the segment, or end the one that runs; the caller's channel stays in its bridge."""
    live = board.calls.of_leg(agi.uniqueid)
    if live is None or live.id is None:
        return
    agent = agent_beside(live)
    try:
        done = await _turn(agi, board, live, agent)
    except AgiHangup:
        _log.debug("caller gone during the segment's announcement", call=live.id)
        return
    if agent is not None:
        await tell(board, agent, TAKEN if done else REFUSED)


def agent_beside(live: LiveCall) -> LegId | None:
    """The agent's leg that is bridged with the caller."""
    bridges = live.call.bridges
    mine = bridges.get(live.call.leg)
    return next((leg for leg, bridge in bridges.items() if bridge == mine and leg != live.call.leg), None)


async def _turn(agi: AgiSession, board: Switchboard, live: LiveCall, agent: LegId | None) -> bool:
    recordings = live.recordings
    async with recordings.lock:
        if recordings.segment is not None:
            just_begun = board.clock.monotonic() - recordings.segment_began < SAME_CODE_S
            return just_begun or await _end(board, live)
        if any(recording.regime is Regime.LEGAL for recording in recordings):
            _log.info("no contract segment: the law demands the recording that runs", call=live.id)
            return False  # it would be silent meanwhile, and has a retention of its own
        # silent while it is announced: what the two say then belongs to neither recording
        if not await set_aside(board, live, True, "contract segment"):
            await set_aside(board, live, False, "no contract segment")
            return False
    begun = None
    try:
        grounds = await _grounds(agi, board, live, agent)
        async with recordings.lock:
            if grounds is not None and not recordings.objected and agent == agent_beside(live):
                begun = await start(agi, board, live, grounds, by=agent, segment=True)
            if begun is not None:
                recordings.segment_began = board.clock.monotonic()
                await note(board, begun, "recording", "contract segment")
    finally:
        if begun is None:
            async with recordings.lock:
                await set_aside(board, live, False, "no contract segment")
    return begun is not None


async def _end(board: Switchboard, live: LiveCall) -> bool:
    ended = await end_segment(board, live, "the agent's code")
    if ended is not None:
        board.spawn(seal_when_closed(board, ended.id), f"sealing-{ended.id}")
    return ended is not None


async def _grounds(agi: AgiSession, board: Switchboard, live: LiveCall, agent: LegId | None) -> Grounds | None:
    """Announce the segment; None: it may not be recorded, and nothing was said where that was certain before."""
    choice, line = board.choices.contract, live.line
    if choice is None or line is None or agent is None or live.recordings.objected:
        return None
    if live.choice is not None and live.choice.regime is Regime.CONTRACT and live.recordings.running:
        _log.info("no contract segment: the whole call is one", call=live.id)
        return None
    consent = None
    if consents_asked(board, line):
        consent = await _agents_consent(board, live, agent, choice, line)
        if consent is None:
            return None
    if not await room_left(board):
        return None
    grounds = await _announced(Talk(agi, live, board), choice, line)
    return grounds if grounds is None or consent is None else replace(grounds, agent_consent=consent)


async def _agents_consent(board: Switchboard, live: LiveCall, agent: LegId, choice: Choice, line: Line) -> int | None:
    """The id of his answer to the segment's own question; None: it was no yes, or does not stand."""
    known = live.call.agents.get(agent)
    if known is None:
        return None
    try:
        asked = question(board, line, choice)
    except PromptError as error:
        board.alarms.raise_("agent-consent", f"no contract segment: {error}")
        return None
    consent, _ = await standing_consent(board, known.agent, asked)
    return consent


async def _announced(talk: Talk, choice: Choice, line: Line) -> Grounds | None:
    board, live = talk.board, talk.live
    prompt = announcement_for(choice.regime, recording_mode(board, choice, line))
    if prompt is None or recording_retention_of(choice, line.rules, board.choices.quality_retention).is_zero:
        return None
    live.keypad.listening = True
    try:
        said = await announce(talk, prompt, variant_of(choice, line))
    finally:
        live.keypad.listening = False
    return await grounds_for(board, live, choice, line, said)


async def tell(board: Switchboard, leg: LegId, sign: str) -> None:
    """Let the agent alone hear what came of his code: a channel of its own whispers it to his leg."""
    fields = [
        ("Channel", f"Local/{sign}@{variables.SIGN_CONTEXT}/n"),
        ("Context", variables.WHISPER_CONTEXT),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Async", "true"),
        ("Variable", f"{variables.LEG}={leg}"),
    ]
    try:
        answer = await board.ami.action("Originate", fields)
    except AmiError as error:
        _log.warning("the agent could not be told", leg=leg, sign=sign, reason=type(error).__name__)
    else:
        if not answer.success:
            _log.warning("the agent could not be told", leg=leg, sign=sign, reason=answer.message)

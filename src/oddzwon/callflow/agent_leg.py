"""The agent's leg, answered and not bridged yet: where the jurisdiction demands it, he is asked as well.

His answer counts for this very question, until he leaves a queue or may have left one unseen, for a shift at most. The
recording hangs on his own channel, so that nothing can be recorded without his yes, and whoever the call is transferred
to leaves it behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from oddzwon.asterisk import names, variables
from oddzwon.asterisk.agi_results import PlaybackEnd
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.keypad import Keypad
from oddzwon.callflow.live_recordings import Grounds
from oddzwon.callflow.recorders import start
from oddzwon.callflow.recording import consents_asked, variant_of
from oddzwon.callflow.switchboard import Choice, Line, Switchboard
from oddzwon.callflow.talk import Talk, plays_wideband, receipt_of_playing
from oddzwon.domain.call import Phase
from oddzwon.domain.notice import NoticeReceipt
from oddzwon.domain.recording import HEARD_MS, Regime
from oddzwon.log.errors import LogError
from oddzwon.log.recording_records import AgentConsent
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

ASKED_AGAIN: Final = 3
"""How often the question is begun anew that a key has cut off before it could be heard."""


def asks_agent(talk: Talk) -> bool:
    """Whether the agent has a say in a recording of this call: one that waits for him, or a contract segment."""
    segment = talk.board.choices.contract is not None and talk.board.choices.recordings is not None
    return consents_asked(talk.board, talk.line) and (talk.live.recordings.awaiting is not None or segment)


async def agent_leg(agi: AgiSession, board: Switchboard) -> None:
    """The agent has answered: ask him, unless he has said it before, and begin what the caller has agreed to."""
    linked = await agi.get_variable(variables.LINKED_ID) or agi.uniqueid
    live = board.calls.with_leg(linked, agi.uniqueid)
    if live is not None:
        await ask_about(agi, board, live)


async def ask_about(agi: AgiSession, board: Switchboard, live: LiveCall) -> None:
    """Ask the agent, on his own leg, what he has a say in before he is bridged into this call."""
    if live.line is None or live.call.phase is not Phase.LIVE:
        return
    grounds = live.recordings.awaiting
    consent: int | None = None
    try:
        if grounds is not None and live.choice is not None:
            consent = await _consent_of(agi, board, live.line, live.choice)
        if (segment := _segment_of(live, board)) is not None:
            await _consent_of(agi, board, live.line, segment)
    except AgiHangup:
        _log.debug("agent gone before he was bridged", call=live.id)
        return
    if consent is None or grounds is None:
        return
    async with live.recordings.lock:
        # an objection may have come while he was asked
        if live.recordings.awaiting is grounds and live.call.phase is Phase.LIVE:
            await _begin(agi, board, live, replace(grounds, agent_consent=consent))


def _segment_of(live: LiveCall, board: Switchboard) -> Choice | None:
    """The contract segment, if he may dial its code in this call: another purpose, and so another question."""
    whole = live.choice is not None and live.choice.regime is Regime.CONTRACT
    return None if whole else board.choices.contract


async def _begin(agi: AgiSession, board: Switchboard, live: LiveCall, grounds: Grounds) -> None:
    try:
        await start(agi, board, live, grounds, side="agent")
    except AgiHangup:
        _log.debug("agent gone before he was bridged", call=live.id)


def question(board: Switchboard, line: Line, choice: Choice) -> Prompt:
    """What an agent is asked before this choice's recording: it names the purpose. Raises PromptError."""
    return board.prompts.lookup(PromptKey.REC_CONSENT_AGENT, line.language, variant_of(choice, line), line.number)


async def standing_consent(board: Switchboard, agent: str, asked: Prompt) -> tuple[int | None, bool]:
    """The id of the agent's consent to this question that counts now (None: there is none); whether he is to be asked.

    While Asterisk's events are not heard, nobody knows who has logged out: then no earlier answer counts.
    """
    if not board.ami.connected:
        return None, True
    try:
        row = await board.log.agent_consent(agent, asked.version, asked.sha256, board.now())
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))
        return None, False
    if row is None:
        return None, True
    return (row.id if row.agreed else None), False


async def _consent_of(agi: AgiSession, board: Switchboard, line: Line, choice: Choice) -> int | None:
    agent = agent_of(agi.env.get("agi_channel", ""))
    if agent is None:
        _log.warning("agent not asked: his channel's name is not his alone", leg=agi.uniqueid)
        return None
    try:
        prompt = question(board, line, choice)
    except PromptError as error:
        board.alarms.raise_("agent-consent", f"an agent could not be asked, nothing is recorded: {error}")
        return None
    consent, ask = await standing_consent(board, agent, prompt)
    if not ask:
        return consent
    made = await _ask(agi, board, prompt)
    if made is None:
        board.alarms.raise_("agent-consent", "an agent could not hear the question to its end, nothing is recorded")
        return None
    return await _answered(board, agent, made)


def agent_of(channel: str) -> str | None:
    """The interface that the channel was made for; None: its name holds a number, and is kept as no one's."""
    stem = channel.rpartition("-")[0]
    return stem if stem and names.interface(stem) == stem else None


async def _ask(agi: AgiSession, board: Switchboard, prompt: Prompt) -> NoticeReceipt | None:
    """Play the question; key 1 during it, or in the time for an answer, is a yes; None: he was not asked in full.

    The key counts if it began when the question could be heard already. Raises AgiHangup.
    """
    keypad = board.asked[agi.uniqueid] = Keypad(listening=True)
    try:
        return await _ask_by_key(agi, board, prompt, keypad)
    finally:
        del board.asked[agi.uniqueid]


async def _ask_by_key(agi: AgiSession, board: Switchboard, prompt: Prompt, keypad: Keypad) -> NoticeReceipt | None:
    rate = 16_000 if await plays_wideband(agi) else 8_000
    heard_ms = min(HEARD_MS, prompt.full_ms)
    for _ in range(ASKED_AGAIN):
        keypad.forget()
        began = board.clock.monotonic()
        playback = await agi.stream_file(str(prompt.path), "1", sample_rate_hz=rate)
        key = playback.key
        if key is None:
            break
        press = keypad.told(key, board.clock.monotonic())
        if press is not None and not await press.too_soon(began, playback.played_ms, heard_ms, sure=True):
            break
    else:
        return None  # nobody can have heard what he would consent to
    if playback.ended is PlaybackEnd.FINISHED:
        key = await _answer(agi, board, keypad, began + heard_ms / 1000)
    made = receipt_of_playing(prompt, playback, key, board.now())
    if playback.ended is PlaybackEnd.HANGUP:
        await agi.channel_status()  # raises the hang-up that the playback has seen
    return made if made.complete else None


async def _answer(agi: AgiSession, board: Switchboard, keypad: Keypad, since: float) -> str | None:
    """Key 1 within the time for an answer, pressed after ``since``; other keys are passed over."""
    until = board.clock.monotonic() + board.choices.key_wait_ms / 1000
    while (left := until - board.clock.monotonic()) > 0:
        key = await agi.wait_for_digit(max(1, round(left * 1000)))
        if key is None:
            return None
        press = keypad.told(key, board.clock.monotonic())
        if key == "1" and press is not None:
            began = await press.beginning()
            if began is not None and began >= since:
                return key
    return None


async def _answered(board: Switchboard, agent: str, made: NoticeReceipt) -> int | None:
    """Commit his answer; returns its id if it is a yes."""
    agreed = made.key == "1"
    consent = AgentConsent(
        agent=agent,
        prompt=made.prompt,
        version=made.version,
        sha256=made.sha256,
        language=made.language,
        played_ms=made.played_ms,
        full_ms=made.full_ms,
        key=made.key,
        agreed=agreed,
        at=made.at,
        until=made.at + board.choices.agent_consent_ms,
    )
    try:
        row = await board.log.record_agent_consent(consent)
    except LogError as error:
        board.alarms.raise_("agent-consent", f"an agent's answer was not written, nothing is recorded: {error}")
        return None
    board.alarms.clear("agent-consent")
    _log.info("agent asked", consent=row, agreed=agreed)
    return row if agreed else None


async def logged_out(board: Switchboard, interface: str) -> None:
    """He has left a queue: at his next login he is asked again."""
    try:
        await board.log.end_agent_consent(interface, board.now())
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))


async def out_of_sight(board: Switchboard) -> None:
    """For a time Asterisk's events were not heard, so that any agent may have logged out: all are asked again."""
    try:
        await board.log.end_agent_consents(board.now())
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))

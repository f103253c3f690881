"""What the durable records tell of the time when we did not listen: Asterisk's CEL and the stand-in's spool.

Their facts go into a call's journal like any others, between the moment when we lost sight of it and its end. A call
that the stand-in served enters the log from its spool file, and is then taken over like every open call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from oddzwon.asterisk.cel import CelTail, CelUnreadable, read_tail
from oddzwon.asterisk.facts import OfCall
from oddzwon.asterisk.spool import Spooled, SpooledCall, SpoolUnreadable, read_spool, remove
from oddzwon.callflow.arrival import row_of
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.talk import logged_receipt
from oddzwon.domain.call import Call, Phase
from oddzwon.domain.events import (
    AgentAnswered,
    CallEvent,
    Direction,
    HangupRecorded,
    HungUpBy,
    Instant,
    LegEnded,
    LegId,
    Stage,
)
from oddzwon.domain.hangup_cause import is_plain
from oddzwon.domain.notice import Ended, NoticeReceipt, PromptKind, receipt
from oddzwon.domain.number import NotANumber, Number, NumberFault, Presentation, diverted, parse, presentation
from oddzwon.log.errors import LogRefused
from oddzwon.log.records import Party
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

OVERLAP_MS = 2_000
"""A hang-up may be recorded so long before the last word that we heard, and its event be lost."""
STOPPING_MS = 2_000
"""Asterisk, when it is stopped, ends its calls so shortly before its last record."""


@dataclass(slots=True)
class Missed:
    """What the records tell, by the caller's leg. ``cel`` also tells when Asterisk last lived."""

    cel: CelTail = field(default_factory=CelTail)
    stories: dict[LegId, list[CallEvent]] = field(default_factory=dict)

    def story(self, leg: LegId) -> tuple[CallEvent, ...]:
        """The facts about the call of this caller's leg, in the order in which they tell it."""
        return tuple(self.stories.get(leg, ()))

    def end(self, leg: LegId) -> HangupRecorded | None:
        """The recorded end of the leg itself."""
        ends = (e for e in self.stories.get(leg, ()) if isinstance(e, HangupRecorded) and e.leg == leg)
        return next(ends, None)

    def outlived(self, leg: LegId, boot: Instant) -> bool:
        """Whether the leg was up when Asterisk went down before ``boot``, as far as the records tell.

        An Asterisk that is stopped in good order records its calls' ends, by nobody, among its last words.
        """
        end = self.end(leg)
        if end is None:
            return True
        last = self.cel.last_before(boot)
        by_nobody = end.by is HungUpBy.NOBODY and is_plain(end.cause)
        return by_nobody and last is not None and 0 <= last - end.at <= STOPPING_MS


async def look(board: Switchboard, lost: Mapping[LegId, Instant], spooled: Spooled) -> Missed:
    """What the records tell of calls that we follow; raises nothing: what cannot be read is an alarm.

    ``lost``: since when each was out of sight, by its caller's leg.
    """
    if not lost:
        return Missed()
    cel = await _cel(board, min(lost.values()) - OVERLAP_MS)
    hung = {fact.event.leg for fact in cel.facts if isinstance(fact.event, HangupRecorded)}
    by_handlers = [leg.fact for leg in spooled.legs if leg.leg not in hung]
    missed = Missed(cel)
    for fact in (*cel.facts, *by_handlers):
        live = board.calls.find(fact.linked, fact.event)
        if live is not None and live.call.leg in lost and _news(live, fact, lost[live.call.leg]):
            missed.stories.setdefault(live.call.leg, []).append(fact.event)
    return missed


def _news(live: LiveCall, fact: OfCall, since: Instant) -> bool:
    """Whether the call does not know it yet."""
    match fact.event:
        case HangupRecorded(leg=leg):
            return not any(isinstance(known, LegEnded) and known.leg == leg for known in live.call.journal)
        case AgentAnswered(leg=leg) if leg == live.call.leg:
            return False
    return fact.event.at >= since


async def _cel(board: Switchboard, since: Instant) -> CelTail:
    path = board.choices.cel
    if path is None:
        return CelTail()
    try:
        tail = await asyncio.to_thread(read_tail, path, since)
    except CelUnreadable as error:
        board.alarms.raise_("cel-unreadable", str(error))
        return CelTail()
    board.alarms.clear("cel-unreadable")
    if tail.bad or not tail.whole:
        _log.warning("not all of CEL could be read", bad_lines=tail.bad, reaches_back=tail.whole)
    return tail


# --- the spool ------------------------------------------------------------------------------------------------------


async def read_spooled(board: Switchboard) -> Spooled:
    """What lies in the spool; raises nothing: what cannot be read is an alarm."""
    folder = board.choices.spool
    if folder is None:
        return Spooled()
    try:
        spooled = await asyncio.to_thread(read_spool, folder)
    except SpoolUnreadable as error:
        board.alarms.raise_("spool-unreadable", str(error))
        return Spooled()
    board.alarms.clear("spool-unreadable")
    if spooled.damaged:
        aside = f"{spooled.damaged} files of the stand-in cannot be read and lie in {folder}/damaged: look at them"
        board.alarms.raise_("spool-damaged", aside)
    return spooled


async def enter_spooled(board: Switchboard, calls: Iterable[SpooledCall]) -> None:
    """Commit what the stand-in wrote of its calls; a file goes when its content is in the log. Raises LogError."""
    async with board.spool_lock:
        for call in calls:
            live = board.calls.of_leg(call.leg)
            if live is not None and live.id is None:
                if live.call.phase is not Phase.LIVE:
                    continue  # it is on its way into the log: the next sweep finds it there
                await _complete(board, live, call)
            else:
                await _enter(board, live, call)
            await _removed(board, call.file)


async def _complete(board: Switchboard, live: LiveCall, call: SpooledCall) -> None:
    """A call that we see, and that our flow did not serve: who calls, and what he was told."""
    live.flow_started = True  # its ending waits for us
    live.flow_over.clear()
    try:
        line = live.line = board.choices.line_for(call.did)
        _who_calls(board, live, call)
        live.id = await board.log.arrive(row_of(live, line, board))
        await _told(board, live, live.id, call)
    finally:
        live.flow_over.set()
    if live.party is not None:
        board.callbacks.redialled(live.party.number_key)


async def _enter(board: Switchboard, live: LiveCall | None, call: SpooledCall) -> None:
    """A call that is in the log already, or comes into it now."""
    row = await board.log.call_of_leg(board.choices.pbx, call.leg)
    if row is not None:
        if row.ended_at is None:
            await _told(board, live, row.id, call)
        return
    line = board.choices.line_for(call.did)
    made = LiveCall(call.linked, Call(call.leg, Direction.INBOUND, call.started_at, line.number), line=line)
    _who_calls(board, made, call)
    try:
        made.id = await board.log.arrive(row_of(made, line, board))
    except LogRefused as error:
        _log.warning("a spooled call was refused by the log", leg=call.leg, rule=error.rule)
        return
    _log.info("call found in the spool", call=made.id, leg=call.leg)
    await _told(board, None, made.id, call)
    if made.party is not None:
        board.callbacks.redialled(made.party.number_key)


def _who_calls(board: Switchboard, live: LiveCall, call: SpooledCall) -> None:
    """The same rules as for a call that we serve; the stand-in has kept no number that they could forbid."""
    line = live.line or board.choices.line_for(call.did)
    live.presentation = presentation(call.presentation, call.privacy, call.from_uri)
    live.diverted = diverted("yes" if call.diverted else None, None, None if call.diverted is None else "")
    if live.presentation is not Presentation.ALLOWED:
        return
    live.number = parse(call.number, line.region) if call.number else NotANumber(NumberFault.EMPTY)
    if isinstance(live.number, Number):
        live.party = Party(live.number.e164, board.number_key(live.number.e164))


async def _told(board: Switchboard, live: LiveCall | None, call: str, spooled: SpooledCall) -> None:
    """What he heard, and that he then went on to the queue."""
    made = _receipt(board, spooled)
    if made is not None and all(made.at != kept.at for kept in await board.log.receipts(call)):
        await board.log.receipt(call, logged_receipt(made))
        if live is not None:
            live.receipts.append(made)
    if made is not None and made.complete:
        await board.log.change_call(call, stage=Stage.QUEUED, queue=spooled.queue or None)


def _receipt(board: Switchboard, call: SpooledCall) -> NoticeReceipt | None:
    """The static notice's receipt, by the very audio that was played; None where it is not one of ours."""
    if call.notice is None:
        return None
    edition = board.prompts.edition_of_audio(PromptKey.STATIC, call.notice.sha256)
    if edition is None:
        _log.warning("the stand-in played a notice that was not built here", leg=call.leg)
        return None
    return receipt(
        PromptKind.STATIC,
        version=edition.version,
        sha256=edition.sha256,
        language=edition.language,
        played_ms=call.notice.played_ms,
        full_ms=edition.duration_ms,
        ended=Ended.FINISHED if call.notice.finished else Ended.HANGUP,
        key=None,
        at=call.notice.at,
    )


async def tidy(board: Switchboard, spooled: Spooled) -> None:
    """Remove the files of legs whose call is judged, or none of ours. Raises LogError."""
    for leg in spooled.legs:
        found = [await board.log.call_of_leg(board.choices.pbx, one) for one in {leg.fact.linked, leg.leg}]
        rows = [row for row in found if row is not None]
        followed = board.calls.find(leg.fact.linked, leg.fact.event) is not None
        if all(row.ended_at is not None for row in rows) if rows else not followed:
            await _removed(board, leg.file)


async def _removed(board: Switchboard, file: str) -> None:
    folder = board.choices.spool
    assert folder is not None  # noqa: S101 - nothing is spooled without one
    try:
        await asyncio.to_thread(remove, folder, file)
    except SpoolUnreadable as error:
        board.alarms.raise_("spool-unreadable", str(error))

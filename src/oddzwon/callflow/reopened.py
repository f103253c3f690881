"""A call of an earlier life of ours, as the log knows it."""

from __future__ import annotations

from oddzwon.callflow.aftermath import receipt_of
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.live_recordings import LiveRecording
from oddzwon.callflow.recorders import AGENTS_CODE
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.call import Call
from oddzwon.domain.events import Attested, Direction, Fault, Stage
from oddzwon.domain.number import Presentation, parse
from oddzwon.domain.recording import Regime
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log import records
from oddzwon.log.records import CallRow, Drop
from oddzwon.log.vocabulary import RECORDING_OPEN


async def known_call(board: Switchboard, row: CallRow) -> LiveCall:
    """The call with all that the log knows of it: what he heard, what he resumes, what was recorded."""
    live = _from_row(board, row)
    live.receipts.extend(receipt_of(r) for r in await board.log.receipts(row.id))
    if row.resumes is not None and live.party is not None and (before := await board.log.call(row.resumes)):
        live.resumes = Drop(before, await board.log.complete_notice(before.id), None, None, row.id)
    await _recordings(board, live, row)
    for word in await board.log.attestations(row.id):
        live.advance(Attested(word.at, Fault(word.fault) if word.fault else None, word.door))
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
    line = board.choices.line_for(row.did or "", row.language)
    live = LiveCall(row.linked, call, id=row.id, line=line, choice=board.choices.menu.get(row.menu_key or ""))
    live.presentation = Presentation(row.presentation) if row.presentation else None
    live.diverted = row.diverted
    live.lost_boot = row.lost_boot
    if row.number is not None and row.number_key is not None:
        live.party = records.Party(row.number, row.number_key)
        live.number = parse(row.number, line.region)
    live.flow_started = True
    live.flow_over.set()
    return live


async def _recordings(board: Switchboard, live: LiveCall, row: CallRow) -> None:
    """What is recorded of it: the MixMonitors run on, whatever becomes of us."""
    folder = board.choices.recordings
    if folder is None:
        return
    live.recordings.objected = bool(await board.log.objected_in_call(row.id, ObjectionScope.RECORDING))
    whole = live.choice.regime if live.choice is not None else None
    for r in await board.log.recordings(row.id):
        regime = Regime(r.regime)
        live.recordings.all.append(
            LiveRecording(
                r.id,
                folder / r.file,
                regime,
                r.prompt,
                r.leg or row.leg,
                r.mix,
                segment=regime is Regime.CONTRACT and whole is not Regime.CONTRACT,
                paused=r.state == "paused" and (r.why is None or AGENTS_CODE in r.why),
                set_aside=r.state == "paused" and r.why is not None and r.why != AGENTS_CODE,
                over=r.state not in RECORDING_OPEN,
                deleted=r.state == "deleted",
            )
        )

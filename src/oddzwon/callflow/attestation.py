"""The agent's word that a call was cut off: by a code in the call, from his phone after it, or on the command line.

A call that is up takes the word into its journal and is judged with it when it ends. For one that has ended the word is
committed first; then it is judged anew on its journal and the word, and decided anew where the verdict differs. Its one
callback stays its one callback: a call that has it is not decided again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.callflow.aftermath import decide_call, ending_row, persistently
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.reopened import known_call
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.attestation import wrong_with
from oddzwon.domain.call import Phase
from oddzwon.domain.ending import Ending, judge
from oddzwon.domain.events import Attested, Direction, Fault, Instant
from oddzwon.domain.journal import Journal, UnreadableFact
from oddzwon.log import records
from oddzwon.log.errors import LogError, LogRefused
from oddzwon.log.records import CallRow

_log = structlog.get_logger(__name__)

JUDGED_WITHIN_S: Final = 5.0
"""Longest wait for the first verdict on a call that has just ended (design section 7)."""
JUDGED_ANEW_WITHIN_S: Final = 3.0
"""Longest wait, for whoever attests, until the new verdict is known; it comes later where a decision is on its way."""


class NotAttestable(Exception):
    """The word was not taken; the message says why, and what would do."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said, by whom and by which door: ``code``, ``phone`` or ``console``."""

    door: str
    by: str
    fault: Fault | None = None
    reason: str = ""

    def at(self, at: Instant) -> tuple[records.Attestation, Attested]:
        """The same as a row of the log, and as a fact for the journal."""
        word = records.Attestation(at, self.door, self.by, self.fault.value if self.fault else None, self.reason)
        return word, Attested(at, self.fault, self.door)


@dataclass(frozen=True, slots=True)
class Taken:
    """The word was taken. ``live``: the call is still up, and will be judged with it.

    ``changed`` tells whether the verdict, ``ending``, is another now (None: the call is not judged anew yet).
    ``lapsed``: the right to call back was over before.
    """

    call: str
    live: bool
    changed: bool | None
    ending: records.Ending | None
    lapsed: bool


async def in_the_call(board: Switchboard, live: LiveCall, agent: str, at: Instant) -> None:
    """The agent has dialled the code while he talks."""
    try:
        await _attest(board, live, live.id, Said("code", agent), at)
    except (NotAttestable, LogError) as error:
        _not_taken(board, live.id, error)


async def by_phone(agi: AgiSession, board: Switchboard) -> None:
    """An agent has dialled the code from his phone: the word is on the call that he had last.

    The dialplan gives him the tone of confirmation only if we say that it is in the log.
    """
    agent = agi.env.get("agi_channel", "").rpartition("-")[0]
    call: str | None = None
    try:
        live, call = await _last_of(board, agent)
        await _attest(board, live, call, Said("phone", agent), board.now())
    except (NotAttestable, LogError) as error:
        _not_taken(board, call, error)
    else:
        await agi.set_variable(variables.DONE, "1")


async def by_console(board: Switchboard, call: str, said: Said) -> Taken:
    """Somebody attests on the command line; raises NotAttestable and LogError."""
    wrong = wrong_with(said.by, said.reason)
    if wrong is not None:
        raise NotAttestable(wrong)
    live = next((one for one in board.calls if one.id == call), None)
    taken = await _attest(board, live, call, said, board.now())
    _log.info("attested on the command line", call=call, changed=taken.changed)
    return taken


async def review(board: Switchboard) -> None:
    """After a start: judge those calls anew whose attestation a crash may have left without what follows from it."""
    try:
        since = board.now() - board.choices.policy.lapse_ms
        for row in await board.log.attested_since(board.choices.pbx, since):
            _judge_anew_beside(board, row)
    except LogError as error:
        board.alarms.raise_("takeover-failed", f"attestations are not gone on with: {error}")


async def _last_of(board: Switchboard, agent: str) -> tuple[LiveCall | None, str | None]:
    """The agent's latest call that ended while it may still be called back; raises NotAttestable."""
    since = board.now() - board.choices.policy.lapse_ms
    ended = [live for live in board.calls if live.call.agent == agent and live.call.phase is not Phase.LIVE]
    row = await board.log.latest_of_agent(board.choices.pbx, agent, since)
    if ended:
        live = max(ended, key=lambda one: one.call.ended_at or 0)
        if row is None or row.ended_at is None or row.ended_at <= (live.call.ended_at or 0):
            return live, live.id
    if row is None:
        msg = "no call of this agent has ended within the time for a callback"
        raise NotAttestable(msg)
    return None, row.id


async def _attest(board: Switchboard, live: LiveCall | None, call: str | None, said: Said, at: Instant) -> Taken:
    """Take the word: into the journal of a call that is up, else into the log, and judge anew."""
    if live is not None and live.call.phase is Phase.LIVE:
        return await _of_living(board, live, said, at)
    if live is not None:
        await _first_verdict(live)
        call = live.id
    row = await board.log.call(call) if call is not None else None
    if row is None:
        msg = f"no call {call or ''!r} in the log; `oddzwon calls list` shows them"
        raise NotAttestable(msg)
    _only_inbound(row.id, row.direction)
    ending = await board.log.ending(row.id)
    if ending is None:
        msg = f"call {row.id} is not judged yet; try again in a moment"
        raise NotAttestable(msg)
    # now, not when it was said: a verdict that is older than the word did not know it (nor if the clock stepped back)
    word, event = said.at(max(board.now(), ending.at))
    await board.log.attest(row.id, word, records.Fact.of(event))
    board.alarms.clear("attestation-not-written")
    _log.info("attested", call=row.id, door=said.door, fault=word.fault)
    judged = _judge_anew_beside(board, row)
    lost_at = row.lost_at if row.lost_at is not None else row.started_at
    return Taken(
        row.id,
        live=False,
        changed=await _within(judged, JUDGED_ANEW_WITHIN_S),
        ending=await board.log.ending(row.id),
        lapsed=board.now() - lost_at > board.choices.policy.lapse_ms,
    )


async def _of_living(board: Switchboard, live: LiveCall, said: Said, at: Instant) -> Taken:
    _only_inbound(live.id, live.call.direction)
    word, event = said.at(at)
    live.advance(event)  # at once: it keeps its place among the events that Asterisk sends
    if live.id is None:
        msg = "the call is not in the log; its journal has the word"
        raise NotAttestable(msg)
    # by our clock, as the verdict will be, which knows this word
    await board.log.attest(live.id, replace(word, at=board.now()))
    board.alarms.clear("attestation-not-written")
    _log.info("attested", call=live.id, door=said.door, fault=word.fault)
    return Taken(live.id, live=True, changed=None, ending=None, lapsed=False)


def _only_inbound(call: str | None, direction: str) -> None:
    if direction != Direction.INBOUND:
        msg = f"call {call} is a callback of ours: one that drops is not called back again"
        raise NotAttestable(msg)


async def _first_verdict(live: LiveCall) -> None:
    try:
        async with asyncio.timeout(JUDGED_WITHIN_S):
            await live.judged.wait()
    except TimeoutError as error:
        msg = f"call {live.id} is not judged yet; try again in a moment"
        raise NotAttestable(msg) from error


async def _within(judged: asyncio.Future[bool | None], seconds: float) -> bool | None:
    await asyncio.wait({judged}, timeout=seconds)
    return judged.result() if judged.done() else None


def _not_taken(board: Switchboard, call: str | None, error: Exception) -> None:
    _log.warning("attestation not taken", call=call, reason=str(error))
    if isinstance(error, LogError):
        board.alarms.raise_("attestation-not-written", str(error))


# --- what follows ------------------------------------------------------------------------------------------------


def _judge_anew_beside(board: Switchboard, row: CallRow) -> asyncio.Future[bool | None]:
    """Judge anew beside whoever asked; the result tells whether the verdict is another (None: it could not be told).

    Named as every aftermath: it waits for those of this call that are under way, and the service's end waits for it.
    """
    name = f"aftermath-{row.leg}"
    under_way = [task for task in board.tasks if task.get_name() == name]
    judged: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
    board.spawn(_judge_anew(board, row, under_way, judged), name)
    return judged


async def _judge_anew(
    board: Switchboard, row: CallRow, under_way: Collection[asyncio.Task[None]], judged: asyncio.Future[bool | None]
) -> None:
    try:
        if under_way:
            await asyncio.wait(under_way)
        ending = await _new_verdict(board, row)
        judged.set_result(ending is not None)
        if ending is not None and not await board.log.decided(row.id):
            await _decide_anew(board, row, ending)
    except UnreadableFact as error:
        board.alarms.raise_("journal-unreadable", f"call {row.id} keeps its verdict: {error}")
    except LogRefused as error:
        board.alarms.raise_("attestation-not-written", f"call {row.id} keeps its verdict: {error}")
    except LogError as error:
        board.alarms.raise_("log-unwritable", str(error))
    finally:
        if not judged.done():
            judged.set_result(None)


async def _new_verdict(board: Switchboard, row: CallRow) -> Ending | None:
    """The verdict on all that is known by now, written; None: it is the one that stands."""
    known_at = board.now()  # a word that is said from here on may be news for this verdict
    before = await board.log.ending(row.id)
    words = await board.log.attestations(row.id)
    facts = await board.log.facts(row.id)
    events = tuple(fact.event() for fact in facts)
    ending = judge(Journal(row.leg, row.started_at, row.ended_at, events))
    if before is None or _verdict(before) == _verdict(ending):
        return None
    # later than every word that it knows, though the clock may have stepped back: one word, one verdict
    at = max(known_at, before.at, *(word.at + 1 for word in words))
    made = ending_row(ending, row.stage, at, before.n + 1)
    await persistently(board, lambda: board.log.settle(row.id, made))
    _log.info("call judged anew", call=row.id, party=ending.party.value, technical=ending.technical, n=made.n)
    return ending


def _verdict(ending: records.Ending | Ending) -> tuple[str, bool | None, str | None]:
    confidence = ending.confidence
    return str(ending.party), ending.technical, None if confidence is None else str(confidence)


async def _decide_anew(board: Switchboard, row: CallRow, ending: Ending) -> None:
    live = await known_call(board, row)
    # the loss stays where the log has it: the time for a callback does not begin anew with a new verdict
    lost_at = row.lost_at if row.lost_at is not None else row.started_at
    in_the_log: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    in_the_log.set_result(True)
    await decide_call(board, live, row.id, replace(ending, lost_at=lost_at), in_the_log)

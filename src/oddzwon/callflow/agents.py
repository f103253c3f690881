"""Who is free to talk, as the queue says it now, who is promised to a callback, and whose turn it is.

Callers who wait in the queue have their places in the same line: Asterisk gives them their agents, but a callback takes
none that falls to a caller before it (it would be quicker: a queue looks for a free agent once a second at best).

Never more callbacks under way than free agents (legal.md section A, NO_AGENT): a promise holds an agent for one
callback from the dial gate until the two were bridged or the callback ended.

A claim keeps a place in the line (:mod:`oddzwon.domain.precedence`): from the verdict until the customer is dialled, or
will not be. Callbacks behind it leave it an agent, and those of the same outage let it be dialled first. Each claim is
made for a few seconds, and made again while it is meant; so none can stand in the way of others for ever, whatever
becomes of its callback.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.errors import AmiError
from oddzwon.asterisk.lists import QueueNow, Waiting, queue_now
from oddzwon.domain.precedence import Claim, Place, share_out

_log = structlog.get_logger(__name__)

WAITS_S = 5.0
"""How long a callback's claim stands after it has asked for an agent, and how long it lets others go first.

While nobody is free it asks again every 2 s.
"""
PASSED_OVER_S = 15.0
"""An agent who is away from his desk is not rung by one waiting callback after the other: others are asked first."""
SAME_OUTAGE_S = 2.0
"""Claims made so close together belong to one outage: calls lost at once settle within a second of each other."""


@dataclass(slots=True, eq=False)
class _Standing:
    """A claim in the line, made at ``since`` on the loop's clock; ``holder`` is the callback once it has a promise.

    ``news`` is set when something has changed since it asked, ``in_vain`` counts how often it asked and got nobody.
    ``moved`` are the agents who became free, busy or no longer promised since it asked: the answer may be older.
    ``wanted_since``: when it first could have had another agent than the preferred.
    """

    claim: Claim
    since: float
    lapse: asyncio.TimerHandle
    holder: str | None = None
    in_vain: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    moved: set[str] = field(default_factory=set)
    wanted_since: float | None = None

    def same_outage(self, other: _Standing) -> bool:
        """Whether both were lost at once."""
        return abs(self.since - other.since) <= SAME_OUTAGE_S


@dataclass(slots=True)
class _Asked:
    """The questions about one queue: how many have begun, and what the last one was answered."""

    begun: int = 0
    answer: QueueNow | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Agents:
    """The free members of the queues, less those promised, and the line of the callbacks that want one.

    ``place_of`` tells the place of a caller in a queue, None if he wants no agent (one rings for him already).
    ``same_agent_wait_s``: how long the preferred agent is waited for who is only busy at the moment.
    """

    def __init__(
        self,
        ami: AmiClient,
        place_of: Callable[[Waiting], Place | None],
        same_agent_wait_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ami = ami
        self._place_of = place_of
        self._same_agent_wait_s = same_agent_wait_s
        self._monotonic = monotonic
        self._promised: dict[str, str] = {}
        self._over_until: dict[str, float] = {}
        self._line: dict[str, _Standing] = {}
        self._line_moved = asyncio.Event()
        self._asked: dict[str, _Asked] = {}

    async def queue(self, queue: str) -> QueueNow | None:
        """The queue as it is now; None: Asterisk could not be asked.

        Those who ask while an answer is on its way share the next question: after an outage hundreds ask at once.
        """
        asked = self._asked.setdefault(queue, _Asked())
        mine = asked.begun + 1  # a question that begins from now on
        async with asked.turn:
            if asked.begun < mine:
                asked.begun, asked.answer = mine, None
                asked.answer = await self._status(queue)
            return asked.answer

    async def _status(self, queue: str) -> QueueNow | None:
        try:
            events = await self._ami.action_list("QueueStatus", {"Queue": queue})
        except AmiError as error:
            _log.warning("agents unknown", queue=queue, error=type(error).__name__)
            return None
        return queue_now(events, queue)

    # --- the line ---------------------------------------------------------------------------------------------------

    def claim(self, claim: Claim, lasts_s: float) -> None:
        """Keep the claim's place for ``lasts_s`` seconds from now; one that stands already keeps its moment."""
        self._stand(claim, lasts_s)

    def withdraw(self, call: str) -> None:
        """The call's place is given up, if it has one: the customer is dialled, or will not be."""
        standing = self._line.pop(call, None)
        if standing is None:
            return
        standing.lapse.cancel()
        self._line_moves()
        if standing.holder is None:
            self._tell_waiting()  # an agent was left for it

    def _stand(self, claim: Claim, lasts_s: float) -> _Standing:
        loop = asyncio.get_running_loop()
        call = claim.place.call
        lapse = loop.call_later(lasts_s, self.withdraw, call)
        standing = self._line.get(call)
        if standing is None:
            standing = self._line[call] = _Standing(claim, loop.time(), lapse)
            return standing
        standing.lapse.cancel()
        standing.claim, standing.lapse = claim, lapse
        return standing

    def _earlier(self, claim: Claim) -> list[_Standing]:
        return [other for other in self._line.values() if other.claim.place < claim.place]

    def _line_moves(self) -> None:
        moved, self._line_moved = self._line_moved, asyncio.Event()
        moved.set()

    def _agent_moves(self, agent: str) -> None:
        for standing in self._line.values():
            standing.moved.add(agent)

    def _tell_waiting(self, queue: str | None = None) -> None:
        for standing in self._line.values():
            if queue is None or standing.claim.queue == queue:
                standing.news.set()

    # --- promises ---------------------------------------------------------------------------------------------------

    async def reserve(self, callback: str, claim: Claim) -> str | None:
        """Promise a free member of the claim's queue to the callback: the preferred if free, else the queue's next.

        Those of the same outage who come first, and for whom somebody is free too, are dialled before this returns.
        None: nobody is free, nobody could be asked, those who are free fall to earlier claims or to callers who have
        waited longer, or the preferred is waited for. The claim stands for :data:`WAITS_S` more, or until withdrawn.
        """
        patience = asyncio.get_running_loop().time() + WAITS_S
        while True:
            mine = self._stand(claim, WAITS_S)
            mine.news.clear()
            mine.moved.clear()
            queues = await self._queues_for(claim)
            in_time = asyncio.get_running_loop().time() < patience
            if in_time and any(mine.moved.intersection(queue.free) for queue in queues.values()):
                continue  # they may talk by now: a promise ends where a talk begins
            # nothing is awaited from here to the promise: two callbacks cannot be promised the same agent
            taken = (
                {agent for holder, agent in self._promised.items() if holder != callback}
                | mine.moved
                | self._passed_over()
            )
            left = {name: [agent for agent in queue.free if agent not in taken] for name, queue in queues.items()}
            earlier = self._earlier(claim)
            before = [*(other.claim for other in earlier if other.holder is None), *self._callers(queues)]
            shares = share_out([*before, claim], left)
            agent = shares.get(claim.place)
            if agent is None or self._preferred_is_near(mine, agent, queues.get(claim.queue)):
                mine.in_vain += 1
                self._line_moves()
                return None
            first = [o for o in earlier if o.same_outage(mine) and (o.holder is not None or o.claim.place in shares)]
            if not first or asyncio.get_running_loop().time() >= patience:
                self._promised[callback] = agent
                mine.holder = callback
                return agent
            await self._others_go(first, patience)

    def _callers(self, queues: dict[str, QueueNow]) -> Iterable[Claim]:
        """What those who wait in the queues want: any agent of their queue."""
        for name, queue in queues.items():
            for caller in queue.waiting:
                place = self._place_of(caller)
                if place is not None:
                    yield Claim(place, name)

    def _preferred_is_near(self, mine: _Standing, agent: str, queue: QueueNow | None) -> bool:
        """Whether the preferred, not free yet, is to be waited for rather than another taken."""
        preferred = mine.claim.preferred
        if preferred is None or agent == preferred or queue is None or not queue.soon_free(preferred):
            return False
        now = self._monotonic()
        if mine.wanted_since is None:
            mine.wanted_since = now
            asyncio.get_running_loop().call_later(self._same_agent_wait_s, mine.news.set)
        return now - mine.wanted_since < self._same_agent_wait_s

    async def _others_go(self, first: list[_Standing], patience: float) -> None:
        """Until each of these has left the line, or has asked in vain, or the loop's clock shows ``patience``."""
        asked = [(other, other.in_vain) for other in first]
        for other in first:
            other.news.set()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(patience):
                while any(self._line.get(o.claim.place.call) is o and o.in_vain == n for o, n in asked):
                    await self._line_moved.wait()

    async def _queues_for(self, claim: Claim) -> dict[str, QueueNow]:
        """The claim's queue and those that earlier claims want; without a queue that did not answer.

        An agent may be a member of several queues.
        """
        names = sorted({claim.queue, *(earlier.claim.queue for earlier in self._earlier(claim))})
        answers = await asyncio.gather(*(self.queue(name) for name in names))
        return {name: queue for name, queue in zip(names, answers, strict=True) if queue is not None}

    def pass_over(self, agent: str) -> None:
        """He did not take a callback's ringing, or left it: for :data:`PASSED_OVER_S` no callback rings him."""
        self._over_until[agent] = self._monotonic() + PASSED_OVER_S

    def _passed_over(self) -> set[str]:
        now = self._monotonic()
        self._over_until = {agent: until for agent, until in self._over_until.items() if until > now}
        return set(self._over_until)

    def promised_to(self, callback: str) -> str | None:
        """The agent held for the callback."""
        return self._promised.get(callback)

    def release(self, callback: str) -> None:
        """The agent held for the callback is free for others."""
        agent = self._promised.pop(callback, None)
        if agent is None:
            return
        self._agent_moves(agent)
        for call in [call for call, standing in self._line.items() if standing.holder == callback]:
            self.withdraw(call)
        self._tell_waiting()

    async def is_free(self, queue: str, agent: str | None, *, holder: str | None = None) -> bool:
        """Whether this very agent is free, and promised to nobody but the callback ``holder``."""
        if agent is None or self._held_for_another(agent, holder):
            return False
        now = await self.queue(queue)
        return now is not None and agent in now.free and not self._held_for_another(agent, holder)

    def _held_for_another(self, agent: str, holder: str | None) -> bool:
        return any(held == agent for callback, held in self._promised.items() if callback != holder)

    # --- who waits for one ------------------------------------------------------------------------------------------

    def member_changed(self, queue: str, agent: str) -> None:
        """The agent, a member of the queue, became free or busy: whoever waits for one looks again."""
        self._agent_moves(agent)
        self._tell_waiting(queue)

    async def change(self, claim: Claim, timeout_s: float) -> None:
        """Return when something changed for the claim since it asked, or after ``timeout_s`` seconds."""
        waiting = self._line.get(claim.place.call) or self._stand(claim, WAITS_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await waiting.news.wait()

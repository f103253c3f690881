"""Who is free to talk, as the queue says it now, who is promised to a callback, and whose turn it is.

Never more callbacks under way than free agents (legal.md section A, NO_AGENT): a promise holds an agent for one
callback from the dial gate until the two were bridged or the callback ended.

A claim keeps a place in the line (:mod:`oddzwon.domain.precedence`): from the verdict until the customer is dialled, or
will not be. Callbacks behind it leave it an agent, and those of the same outage let it be dialled first. Each claim is
made for a few seconds, and made again while it is meant; so none can stand in the way of others for ever, whatever
becomes of its callback.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from oddzwon.asterisk.ami import AmiClient
from oddzwon.asterisk.errors import AmiError
from oddzwon.asterisk.lists import free_members
from oddzwon.domain.precedence import Claim, share_out

_log = structlog.get_logger(__name__)

WAITS_S = 5.0
"""How long a callback's claim stands after it has asked for an agent, and how long it lets others go first.

While nobody is free it asks again every 2 s.
"""
SAME_OUTAGE_S = 2.0
"""Claims made so close together belong to one outage: calls lost at once settle within a second of each other."""


@dataclass(slots=True, eq=False)
class _Standing:
    """A claim in the line, made at ``since`` on the loop's clock; ``holder`` is the callback once it has a promise.

    ``news`` is set when something has changed since it asked, ``in_vain`` counts how often it asked and got nobody.
    ``moved`` are the agents who became free, busy or no longer promised since it asked: the answer may be older.
    """

    claim: Claim
    since: float
    lapse: asyncio.TimerHandle
    holder: str | None = None
    in_vain: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    moved: set[str] = field(default_factory=set)

    def same_outage(self, other: _Standing) -> bool:
        """Whether both were lost at once."""
        return abs(self.since - other.since) <= SAME_OUTAGE_S


class Agents:
    """The free members of the queues, less those promised, and the line of the callbacks that want one."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami
        self._promised: dict[str, str] = {}
        self._line: dict[str, _Standing] = {}
        self._line_moved = asyncio.Event()

    async def free(self, queue: str) -> tuple[str, ...] | None:
        """Interfaces of the free members, in the queue's own order; None: Asterisk could not be asked."""
        try:
            events = await self._ami.action_list("QueueStatus", {"Queue": queue})
        except AmiError as error:
            _log.warning("agents unknown", queue=queue, error=type(error).__name__)
            return None
        return free_members(events, queue)

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
        None: nobody is free, nobody could be asked, or those who are free fall to earlier claims. The claim stands for
        :data:`WAITS_S` more, or until it is withdrawn.
        """
        patience = asyncio.get_running_loop().time() + WAITS_S
        while True:
            mine = self._stand(claim, WAITS_S)
            mine.news.clear()
            mine.moved.clear()
            free = await self._free_for(claim)
            in_time = asyncio.get_running_loop().time() < patience
            if in_time and any(mine.moved.intersection(members) for members in free.values()):
                continue  # they may talk by now: a promise ends where a talk begins
            # nothing is awaited from here to the promise: two callbacks cannot be promised the same agent
            taken = {agent for holder, agent in self._promised.items() if holder != callback} | mine.moved
            left = {queue: [agent for agent in members if agent not in taken] for queue, members in free.items()}
            earlier = self._earlier(claim)
            shares = share_out([*(other.claim for other in earlier if other.holder is None), claim], left)
            agent = shares.get(claim.place)
            if agent is None:
                mine.in_vain += 1
                self._line_moves()
                return None
            first = [o for o in earlier if o.same_outage(mine) and (o.holder is not None or o.claim.place in shares)]
            if not first or asyncio.get_running_loop().time() >= patience:
                self._promised[callback] = agent
                mine.holder = callback
                return agent
            await self._others_go(first, patience)

    async def _others_go(self, first: list[_Standing], patience: float) -> None:
        """Until each of these has left the line, or has asked in vain, or the loop's clock shows ``patience``."""
        asked = [(other, other.in_vain) for other in first]
        for other in first:
            other.news.set()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(patience):
                while any(self._line.get(o.claim.place.call) is o and o.in_vain == n for o, n in asked):
                    await self._line_moved.wait()

    async def _free_for(self, claim: Claim) -> dict[str, tuple[str, ...]]:
        """The free members of the claim's queue and of those that earlier claims want; without a queue not answered.

        An agent may be a member of several queues.
        """
        queues = sorted({claim.queue, *(earlier.claim.queue for earlier in self._earlier(claim))})
        answers = await asyncio.gather(*(self.free(queue) for queue in queues))
        return {queue: members for queue, members in zip(queues, answers, strict=True) if members is not None}

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
        members = await self.free(queue)
        return members is not None and agent in members and not self._held_for_another(agent, holder)

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

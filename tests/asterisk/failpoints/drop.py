"""One talk that is cut off, and what the telephones live through until its callback is over, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from tests.asterisk.bench import FINAL, Bench
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg

FAULT = "Q.850;cause=38"
COMMITTED = """
    SELECT count(*) AS attempts FROM attempt AS a
    JOIN callback AS b ON b.id = a.callback
    JOIN decision AS d ON d.id = b.decision AND d.allowed = 1
    JOIN call AS c ON c.id = b.call
    JOIN party AS p ON p.id = c.party
    WHERE p.number = ?"""
"""The attempts to a number that rest on a positive decision: what must be in the log before a telephone rings."""
JUDGED = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM call WHERE id NOT IN (SELECT call FROM ending))"


@dataclass(slots=True)
class Drop:
    """The customer of ``number`` is cut off, and answers every callback, presses 1, talks and hangs up.

    ``committed`` is, for each INVITE that he got, how many attempts the log held at this very moment. ``met`` are his
    legs that reached an agent. He answers once ``may_answer`` is set, and hangs up once ``may_hang_up`` is.
    """

    bench: Bench
    number: str
    committed: list[int] = field(default_factory=list)
    met: list[Leg] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    may_hang_up: asyncio.Event = field(default_factory=asyncio.Event)
    cut_short: set[Leg] = field(default_factory=set)
    """Legs that stood when Asterisk was killed: nobody is left to end them."""

    async def happens(self) -> None:
        """The talk, and the carrier's BYE that says it was a fault."""
        self.bench.carrier.scripts[self.number] = self._customer
        caller, agent = await self.bench.talks(self.number)
        await caller.bye(FAULT)
        await agent.ended()

    async def _customer(self, leg: Leg) -> None:
        # first of all, before anything is answered: what does the log hold?
        self.committed.append(int(self.bench.lab.read(COMMITTED, self.number)[0]["attempts"]))
        leg.ring()
        if not await unless_over(leg, self.may_answer.wait()) or leg.vanished:
            return
        leg.answer()
        if await unless_over(leg, leg.heard.until_sounding(5)):
            await leg.press("1")
            if await unless_over(leg, leg.heard.until_tone(self.bench.agents[0].period, 5)):
                self.met.append(leg)
                if await unless_over(leg, self.may_hang_up.wait()):
                    await leg.bye()

    @property
    def legs(self) -> list[Leg]:
        """Every leg that Asterisk has made to a telephone, since the test began."""
        peers = (self.bench.carrier, *self.bench.agents)
        return [leg for peer in peers for leg in peer.invites]

    def asterisk_died(self) -> None:
        """Every call is cut without a word."""
        for leg in self.legs:
            if not leg.is_over:
                leg.vanish()
                self.cut_short.add(leg)

    async def is_over(self) -> str:
        """Until the callback is final and Asterisk has hung up on every telephone; returns the dropped call's id."""
        lab, call = self.bench.lab, await self.bench.logged(self.number)
        await lab.until(
            f"SELECT 1 FROM callback WHERE call = ?1 AND state IN {FINAL}"
            " UNION SELECT 1 FROM decision WHERE call = ?1 AND allowed = 0",
            call,
            within=2 * PATIENCE_S,
        )
        for leg in self.legs:
            if leg not in self.cut_short:
                await leg.ended()
        await self.bench.observer.until_quiet()
        await lab.until(JUDGED)  # else the next test's first step could be this one's last
        return call


async def unless_over(leg: Leg, happening: Awaitable[object]) -> bool:
    """Whether it happens before the leg is over."""
    work = asyncio.ensure_future(happening)
    over = asyncio.ensure_future(leg.ended(4 * PATIENCE_S))
    try:
        await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
        return work.done() and not leg.is_over
    finally:
        work.cancel()
        over.cancel()
        await asyncio.gather(work, over, return_exceptions=True)

"""A caller of whom the network says anything at all: whose channel may show no number, or another one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.asterisk.bench import PL
from tests.asterisk.endings.scene import Scene
from tests.asterisk.observer import named
from tests.asterisk.sip_leg import Leg

FAULT = "Q.850;cause=38"


@dataclass(slots=True, eq=False)
class Stranger(Scene):
    """``number`` is what he would be called back by; ``rings`` makes his telephone ring until it is set."""

    rings: asyncio.Event | None = None

    async def dials(self, did: str = PL, **how: Any) -> Leg:
        """As in :class:`Scene`, whoever the channel says is calling; one case after another."""
        async with self.hand.dialling:
            mark = self.bench.observer.mark()
            self._caller = await self._invites(did, **how)
            await self._channel_after(mark, did)
        return self._caller

    async def leaves_in_notice(self, *reasons: str) -> None:
        """As in :class:`Scene`: nobody else dials before his channel is known."""
        async with self.hand.dialling:
            mark = self.bench.observer.mark()
            caller = self._caller = await self._invites(PL)
            await caller.answered()
            await caller.hears_audio()
            await caller.bye(*reasons)
            await self._channel_after(mark, PL)

    async def redials(self) -> Leg:
        """Another call of his; the case goes on with the one before."""
        async with self.hand.dialling:
            mark = self.bench.observer.mark()
            again = await self._invites(PL)
            await self.bench.observer.wait_for(named("Newchannel", Exten=PL), since=mark)
        await again.answered()
        return again

    async def _invites(self, did: str, **how: Any) -> Leg:
        return await self.bench.carrier.invite(f"{did}@{self.bench.lab.asterisk}", from_number=self.number, **how)

    async def _channel_after(self, mark: int, did: str) -> None:
        seen = await self.bench.observer.wait_for(named("Newchannel", Exten=did), since=mark)
        self._leg, self.channel = seen["Uniqueid"], seen["Channel"]

    def filled(self, text: str) -> str:
        """The text with ``{number}`` and ``{national}`` (of a Polish number) put in."""
        return text.format(number=self.number, national=self.number.removeprefix("+48"))

    async def is_cut_off(self, did: str = PL, sender: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """He waits in the queue, and the carrier says that its network failed."""
        how: dict[str, Any] = {"headers": [(name, self.filled(value)) for name, value in headers]}
        if sender:
            how["from_header"] = self.filled(sender)
        caller = await self.queued(did=did, **how)
        await caller.bye(FAULT)

    async def is_called_back(self, leg: Leg) -> None:
        """He is called back once; he refuses, so that nobody need talk."""
        self.reached += 1
        if self.rings is not None:
            leg.ring()
            await self.rings.wait()
        leg.refuse(603, "Decline")

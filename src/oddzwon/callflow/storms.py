"""The storm, as the operator hears of it: one alarm for a failure that cuts off many calls, and one when it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from oddzwon.callflow.dialfacts import known
from oddzwon.clock import Clock
from oddzwon.domain.events import Instant
from oddzwon.domain.storm import Begins, Over, Rule, Storm, dropped, looked_at

if TYPE_CHECKING:
    from oddzwon.callflow.switchboard import Switchboard

LOOK_S = 2.0
"""How often the weather is looked at: soon enough for the operator, late enough to see most of an outage at once."""


class Storms:
    """The drops of the last minute, and the storm that they make."""

    def __init__(self, rule: Rule, clock: Clock) -> None:
        self._storm = Storm(rule)
        self._clock = clock

    def dropped(self, call: str, lost_at: Instant) -> None:
        """An inbound call was cut off by a fault."""
        self._storm = dropped(self._storm, call, lost_at, self._clock.now())

    async def watch(self, board: Switchboard) -> None:
        """Until cancelled. What waited for a callback when the service ended belongs to a storm that goes on."""
        for callback in await known(board, board.log.open_callbacks()) or ():
            if callback.call.lost_at is not None:
                self.dropped(callback.call.id, callback.call.lost_at)
        while True:
            await self.look(board)
            await asyncio.sleep(LOOK_S)

    async def look(self, board: Switchboard) -> None:
        """Has a storm begun, or is it over?"""
        if not (asks := self._storm.asks) and not self._storm.rages:
            return
        fates = await known(board, board.log.fates(asks))
        if fates is None:
            return
        self._storm, news = looked_at(self._storm, board.now(), fates)
        match news:
            case Begins(drops=drops, pending=pending):
                board.alarms.raise_("storm", _begins(drops, pending, self._storm.rule))
            case Over(drops=drops, fates=counted):
                became = ", ".join(f"{n} {fate.replace('_', ' ')}" for fate, n in counted)
                board.alarms.clear("storm", f"of {drops} calls that were cut off: {became}", at_once=True)


def _begins(drops: int, pending: int, rule: Rule) -> str:
    return (
        f"{drops} calls were cut off within {rule.within_ms / 1000:g} s, {pending} of them wait for their callback: "
        "are the trunk, the network and Asterisk up?"
    )

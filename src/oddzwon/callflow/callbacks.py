"""The callbacks under way, as the flows, the watch and the control socket find them, and what each resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.domain.callback_events import Stop
from oddzwon.domain.events import LegId, Stage
from oddzwon.domain.number import Number
from oddzwon.domain.precedence import Claim, place_of
from oddzwon.log.records import CallRow, Party

if TYPE_CHECKING:
    from oddzwon.callflow.dialling import CallbackRun
    from oddzwon.callflow.held_agent import HeldAgent

CHANNEL_LASTS_S = 120.0
"""How long the channels of a callback that is over are still known; its longest ringing is a minute."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a callback resumes: the call that dropped and everything its continuation needs."""

    call: CallRow
    line: Line
    number: Number
    party: Party
    choice: Choice

    @property
    def claim(self) -> Claim:
        """The callback's place among others, and the agent it wants: of the chosen queue, the same one first."""
        place = place_of(Stage(self.call.stage), self.call.started_at, self.call.id)
        return Claim(place, self.choice.queue, self.call.agent)


class Callbacks:
    """The callbacks under way, found by their id, by the number's key, and by the channel of their attempt."""

    def __init__(self) -> None:
        self._runs: dict[str, CallbackRun] = {}
        self._by_channel: dict[LegId, CallbackRun] = {}
        self._held: dict[LegId, HeldAgent] = {}

    def __iter__(self) -> Iterator[CallbackRun]:
        return iter(tuple(self._runs.values()))

    def add(self, run: CallbackRun) -> None:
        """A callback begins, or goes on after a restart."""
        self._runs[run.id] = run
        self.dialled(run)

    def dialled(self, run: CallbackRun) -> None:
        """The run has a new attempt, with its own channel; an earlier one may end late, and means nothing now."""
        self._drop_channels(run)
        if run.channel_id is not None:
            self._by_channel[run.channel_id] = run

    def forget(self, run: CallbackRun) -> None:
        """The callback is final. Its channel may not be gone yet: who answers now is hung up on."""
        self._runs.pop(run.id, None)
        asyncio.get_running_loop().call_later(CHANNEL_LASTS_S, self._forget_channels, run)

    def _forget_channels(self, run: CallbackRun) -> None:
        self._drop_channels(run)
        if run.attempt is not None:
            run.attempt.gone_unseen()  # had its end been missed, its place on the trunk would be taken for ever

    def _drop_channels(self, run: CallbackRun) -> None:
        for channel in [c for c, r in self._by_channel.items() if r is run]:
            del self._by_channel[channel]

    def by_id(self, callback: str) -> CallbackRun | None:
        """The callback with this id, if it is under way."""
        return self._runs.get(callback)

    @property
    def with_channels(self) -> frozenset[CallbackRun]:
        """Every callback whose latest attempt's channel is still known, those that are over included."""
        return frozenset(self._by_channel.values())

    def by_channel(self, leg: LegId) -> CallbackRun | None:
        """The callback whose latest attempt has this channel."""
        return self._by_channel.get(leg)

    def hold(self, held: HeldAgent) -> None:
        """An agent's leg is on its way."""
        self._held[held.leg] = held

    def let_go(self, held: HeldAgent) -> None:
        """The agent's leg is gone."""
        self._held.pop(held.leg, None)

    def held(self, leg: LegId) -> HeldAgent | None:
        """The agent whose leg this is, if he is rung or held for a callback."""
        return self._held.get(leg)

    @property
    def agents(self) -> tuple[HeldAgent, ...]:
        """Every agent who is rung or held, or was a moment ago."""
        return tuple(self._held.values())

    def redialled(self, number_key: str) -> None:
        """The customer comes back by himself: his callback stops, even while it rings."""
        self._stop(number_key, Stop.REDIAL)

    def objected(self, number_key: str | None) -> None:
        """The customer objected by another door: his callback stops."""
        if number_key is not None:
            self._stop(number_key, Stop.OBJECTION)

    def _stop(self, number_key: str, reason: Stop) -> None:
        for run in self._runs.values():
            if run.party.number_key == number_key:
                run.stop(reason)

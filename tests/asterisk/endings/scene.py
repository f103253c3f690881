"""One case on the stage: its caller, the agents who pick up for him, and the steps that bring the call to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.asterisk.bench import PL, Bench
from tests.asterisk.endings.hand import Hand
from tests.asterisk.listening import Ear
from tests.asterisk.observer import Seen, Wanted, named
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg, Script
from tests.asterisk.sip_peer import Peer
from tests.asterisk.sip_scripts import answers, rings

REPORT_S = 1.0
"""The lab's rtcpinterval."""
SUPPORT, SALES = "1", "2"
"""The lab menu's keys; all agents are in both queues."""


@dataclass(slots=True, eq=False)
class Scene:
    """A caller of his own number. ``phone`` is what an agent's phone does when it rings for him.

    ``agents`` are the agents' legs that rang for him, in order; ``channel`` is the caller's, by Asterisk's name.
    ``reached`` counts the callbacks that he answered and in which he heard us.
    """

    bench: Bench
    hand: Hand
    number: str
    since: int = 0
    phone: Script = field(default_factory=lambda: answers(0.2))
    agents: list[Leg] = field(default_factory=list)
    channel: str = ""
    reached: int = 0
    _caller: Leg | None = None
    _leg: str | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def caller(self) -> Leg:
        """The caller's leg, once he has dialled."""
        assert self._caller is not None, "nobody has dialled yet"
        return self._caller

    @property
    def leg(self) -> str:
        """Uniqueid of the caller's channel."""
        assert self._leg is not None, "the caller's channel was not seen yet"
        return self._leg

    @property
    def consults(self) -> str:
        """The number that an agent shows who calls another one about this case."""
        return "9" + self.number[-6:]

    @property
    def legs(self) -> list[Leg]:
        """Every leg that the case has had so far."""
        return [*([self._caller] if self._caller is not None else []), *self.agents]

    @property
    def known_leg(self) -> str | None:
        """Uniqueid of the caller's channel; None: Asterisk has not shown one."""
        return self._leg

    def begin(self) -> None:
        """What was seen before is of no concern: the fewer events are looked at, the less the observer falls behind."""
        self.since = self.bench.observer.mark()

    # --- how far the call gets --------------------------------------------------------------------------------------

    async def dials(self, did: str = PL, **how: Any) -> Leg:
        """The INVITE is out and Asterisk has made a channel of it; ``how`` goes to :meth:`Peer.invite`."""
        self._caller = await self.bench.carrier.invite(
            f"{did}@{self.bench.lab.asterisk}", from_number=self.number, **how
        )
        await self._channel_seen(did)
        return self._caller

    async def _channel_seen(self, did: str = PL) -> None:
        seen = await self.bench.observer.wait_for(
            named("Newchannel", CallerIDNum=self.number, Exten=did), PATIENCE_S, since=self.since
        )
        self._leg, self.channel = seen["Uniqueid"], seen["Channel"]

    async def in_notice(self) -> Leg:
        """The caller hears the notice, or did a moment ago."""
        await self.dials()
        await self.caller.answered()
        await self.caller.hears_audio()
        return self.caller

    async def leaves_in_notice(self, *reasons: str) -> None:
        """The caller hangs up, with these Reason headers, as soon as he hears a word.

        Of so short a prompt a busy observer would tell too late.
        """
        caller = self._caller = await self.bench.carrier.invite(
            f"{PL}@{self.bench.lab.asterisk}", from_number=self.number
        )
        await caller.answered()
        await caller.hears_audio()
        await caller.bye(*reasons)
        await self._channel_seen()

    async def in_menu(self) -> Leg:
        """The caller hears the menu."""
        if self._caller is None:
            await self.dials()
        await self.caller.answered()
        await Ear(self.bench.lab, self.caller).meets("MENU_OPTION")
        return self.caller

    async def in_announcement(self) -> Leg:
        """The caller hears that he is about to be recorded."""
        await self.in_menu()
        await self.caller.press(SUPPORT)
        await Ear(self.bench.lab, self.caller).meets("REC_OBJECT")
        return self.caller

    async def queued(self, *, patience_s: int | None = None, **how: Any) -> Leg:
        """The caller waits in the queue and hears music; no agent is dear enough for him, so that no phone rings.

        In a queue of its own: Asterisk serves as many of the first in line as there are free agents, and those who wait
        for ever would keep the others from their turn.

        ``patience_s``: the queue lets him go after so many seconds; ``how`` as in :meth:`dials`.
        """
        await self.dials(**how)
        await self.in_menu()
        if patience_s is not None:
            await self.hand.sets(self.channel, "ODDZWON_QUEUE_TIMEOUT", str(patience_s))
        await self.hand.sets(self.channel, "QUEUE_MIN_PENALTY", "99")
        await self.caller.press(SALES)
        await self.sees(named("QueueCallerJoin"))
        await self.caller.hears_audio()
        return self.caller

    async def connecting(self) -> tuple[Leg, Leg]:
        """An agent's phone rings for the caller, and nobody takes the call."""
        self.phone = rings()
        await self.in_menu()
        await self.caller.press(SUPPORT)
        agent = await self.rung()
        await agent.ringing()
        return self.caller, agent

    async def talks(self, **how: Any) -> tuple[Leg, Leg]:
        """Caller and agent hear each other, and Asterisk has reported his media twice; ``how`` as in :meth:`dials`."""
        await self.dials(**how)
        await self.in_menu()
        await self.caller.press(SUPPORT)
        agent = await self.answered_by()
        await self.reports(2)
        return self.caller, agent

    async def answered_by(self, n: int = 1) -> Leg:
        """The ``n``-th agent's leg that rang for the caller, once the two hear each other."""
        agent = await self.rung(n)
        await agent.answered()
        await asyncio.gather(agent.hears(self.caller), self.caller.hears(agent))
        return agent

    def other(self, agent: Leg) -> Peer:
        """Another agent's phone than this leg's."""
        phones = self.bench.agents
        return phones[(phones.index(agent.peer) + 1) % len(phones)]

    def name(self, phone: Peer) -> str:
        """The extension of the agent whose phone it is."""
        return f"agent{self.bench.agents.index(phone) + 1}"

    async def hands_over(self, agent: Leg) -> Leg:
        """The agent transfers the caller to another one without a word; returns the other one's leg."""
        await agent.refer(self.name(self.other(agent)))
        taken = await self.answered_by(len(self.agents) + 1)
        await agent.transferred()
        await agent.bye()
        return taken

    async def hands_over_after_a_word(self, agent: Leg) -> Leg:
        """The agent holds the caller, calls another one, then joins the two; returns the other one's leg."""
        await agent.hold()
        other = self.other(agent)
        consulted = await agent.peer.invite(f"{self.name(other)}@{self.bench.lab.asterisk}", from_number=self.consults)
        asked = await self.rung(len(self.agents) + 1)
        await asked.answered()
        await consulted.answered()
        await asyncio.gather(asked.hears(consulted), consulted.hears(asked))  # else Asterisk has no bridge to join yet
        await agent.refer_to(consulted)
        await asyncio.gather(asked.hears(self.caller), self.caller.hears(asked))
        return asked

    async def parks(self, agent: Leg) -> str:
        """The agent parks the caller; returns where."""
        mark = self.bench.observer.mark()
        await agent.refer("700")
        parked = await self.bench.observer.wait_for(
            named("ParkedCall", ParkeeUniqueid=self.leg), PATIENCE_S, since=mark
        )
        await agent.bye()
        return parked["ParkingSpace"]

    # --- what is waited for -----------------------------------------------------------------------------------------

    async def rung(self, n: int = 1, within: float = PATIENCE_S) -> Leg:
        """The ``n``-th agent's leg that rang for the caller; raises TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.agents) < n:
                self._news.clear()
                await self._news.wait()
        return self.agents[n - 1]

    async def sees(self, wanted: Wanted, within: float = PATIENCE_S, *, since: int | None = None) -> Seen:
        """The first such event of the caller's own channel; raises TimeoutError."""
        return await self.bench.observer.wait_for(
            lambda seen: seen["Uniqueid"] == self._leg and wanted(seen),
            within,
            since=self.since if since is None else since,
        )

    async def agents_channel(self) -> Seen:
        """The event by which the agent whom the caller talks with came into their bridge."""
        return await self.of_call(lambda seen: seen.name == "BridgeEnter" and seen["Uniqueid"] != self.leg)

    async def of_call(self, wanted: Wanted, within: float = PATIENCE_S, *, since: int | None = None) -> Seen:
        """The first such event of any channel of the call; raises TimeoutError."""
        return await self.bench.observer.wait_for(
            lambda seen: seen["Linkedid"] == self._leg and wanted(seen),
            within,
            since=self.since if since is None else since,
        )

    async def over(self, within: float = PATIENCE_S) -> None:
        """Until the caller's channel is gone; raises TimeoutError."""
        await self.sees(named("Hangup"), within)

    async def falls_silent(self, leg: Leg, seconds: int, channel: str | None = None) -> None:
        """No audio from the leg for so many reports, one a second; ``channel`` is its Uniqueid, else the caller's.

        It stops in the middle between two reports: at a report it would be chance whether that one still moved on.
        """
        await self.reports(1, leg=channel)
        await asyncio.sleep(REPORT_S / 2)
        leg.stop_rtp()
        await self.reports(seconds, still=True, leg=channel)

    async def reports(self, count: int, *, still: bool = False, leg: str | None = None) -> None:
        """Until Asterisk has sent ``count`` more RTCP reports on a leg, the caller's if none is named.

        ``still``: reports that show no progress.
        """
        last: str | None = None
        while count:
            report = await self.bench.observer.wait_for(
                named("RTCPSent", Uniqueid=leg or self.leg), PATIENCE_S, since=self.bench.observer.mark()
            )
            sequence = report["Report0HighestSequence"]
            count -= not still or sequence == last
            last = sequence

    # --- what the agents' phones do ---------------------------------------------------------------------------------

    async def takes(self, leg: Leg) -> None:
        """An agent's phone rings for this caller."""
        self.agents.append(leg)
        self._news.set()
        await self.phone(leg)

    async def is_called_back(self, leg: Leg) -> None:
        """The caller is called back: he answers and says that it was not him, so that nobody need talk again."""
        leg.ring()
        await asyncio.sleep(0.2)
        leg.answer()
        await leg.hears_audio()
        self.reached += 1
        await leg.press("3")

"""The demo's play: what caller, customer and agent do. Each step waits for the fact that calls for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.asterisk.demo_ears import DemoEars
from tests.asterisk.demo_events import played
from tests.asterisk.demo_phones import Phone, Place, Word
from tests.asterisk.demo_timeline import Line, Turn, Who
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer, Seen, Wanted, named

LISTENS_S = 3
"""How long people listen to a prompt before they press, in Asterisk's RTCP reports (one a second)."""
TALKS_S = 4
PROMPT_S = 30.0
"""The longest that one prompt may take (layer 1 is bound to 20 s)."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language's run: the DID that speaks it, a caller of that country, and what the people say."""

    code: str
    did: str
    caller: str
    caller_says: str
    agent_says: str


TONGUES = {
    tongue.code: tongue
    for tongue in (
        Tongue(
            "pl", "+48221234567", "+48600100200",
            "Dzień dobry, dzwonię w sprawie mojego zamówienia. Kiedy zostanie wysłane?",
            "Dzień dobry, już sprawdzam. Paczka wyjdzie od nas jutro rano.",
        ),
        Tongue(
            "cs", "+420221234567", "+420601123456",
            "Dobrý den, volám kvůli své objednávce. Kdy ji odešlete?",
            "Dobrý den, hned se podívám. Balík odejde zítra ráno.",
        ),
        Tongue(
            "de", "+4930221234567", "+4915123456789",
            "Guten Tag, ich rufe wegen meiner Bestellung an. Wann wird sie verschickt?",
            "Guten Tag, ich sehe gleich nach. Das Paket geht morgen früh hinaus.",
        ),
        Tongue(
            "en", "+442071234567", "+447400123456",
            "Hello, I am calling about my order. When will it be sent?",
            "Hello, let me have a look. The parcel leaves us tomorrow morning.",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Met:
    """A talk as the observer saw it: the two legs that stood in one bridge, by Uniqueid."""

    bridge: str
    customer: str
    agent: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the play leaves to be proven: the leg of the caller (Uniqueid), and both talks."""

    caller_leg: str
    first: Met
    second: Met


class Cast:
    """The phones: the caller behind the carrier, the same customer when he is called back, and agent1."""

    def __init__(self, lab: Lab, tongue: Tongue, folder: Path) -> None:
        carrier, agent = f"{lab.net}.2", f"{lab.net}.11"
        self.tongue = tongue
        self._prompts = lab.state / "prompts"
        self.caller = Phone(
            "the caller", "demo_caller", Place(carrier, 5070, 20000, lab.asterisk), folder / "caller",
            {"did": tongue.did, "number": tongue.caller},
        )  # fmt: skip
        self.customer = Phone(
            "the carrier", "demo_customer", Place(carrier, 5060, 24000, lab.asterisk), folder / "carrier",
            {"ring_ms": "1500"},
        )  # fmt: skip
        self.agent = Phone(
            "agent1", "answers", Place(agent, 5060, 28000, lab.asterisk), folder / "agent1", {"ring_ms": "800"}
        )

    def ears(self) -> DemoEars:
        """What the customer's two telephones hear."""
        return DemoEars(self._prompts, {"inbound": self.caller, "callback": self.customer})

    async def close(self) -> None:
        """End every phone."""
        for phone in (self.caller, self.customer, self.agent):
            await phone.close()


class Play:
    """One run, seen by one observer that was logged in before it began."""

    def __init__(self, cast: Cast, observer: Observer, tell: Callable[[Line], None]) -> None:
        self._cast = cast
        self._tell = tell
        self._observer = observer
        self._read = observer.mark()

    async def perform(self) -> Told:
        """From the agent's log-in to the customer's own good-bye. Raises TimeoutError with what did not come."""
        tongue = self._cast.tongue
        await self._cast.agent.start(tongue.code, tongue.agent_says)
        await self._cast.customer.start(tongue.code, tongue.caller_says)
        await self._next(
            "agent1 is reachable", named("ContactStatus", EndpointName="agent1", ContactStatus="Reachable")
        )
        await self._cast.caller.start(tongue.code, tongue.caller_says)
        caller = await self._next("the caller's INVITE is there", _arrives(tongue.caller))
        await self._cast.caller.until(Word.ANSWERED)
        await self._hear("MENU_OPTION")
        await self._listen(caller, LISTENS_S)
        await self._cast.caller.press("1")
        first = await self._until_talk(self._cast.caller, caller)
        await self._listen(caller, TALKS_S)
        killed = self._cast.caller.pid
        status = await self._cast.caller.vanish()
        how = f"gone: the caller's sipp, process {killed}, ended with {status}: no BYE, no more RTP"
        self._tell(Line(time.time(), Who.NETWORK, how, Turn.CUSTOMER_CUT))
        attempt = await self._next("the service dials the customer", _dials_out, within=30.0)
        await self._cast.customer.until(Word.ANSWERED)
        await self._hear("CALLBACK")
        await self._listen(attempt, LISTENS_S)
        await self._cast.customer.press("1")
        second = await self._until_talk(self._cast.customer, attempt)
        await self._listen(attempt, TALKS_S)
        await self._cast.customer.hang_up()
        await self._next("the callback's leg ends", named("Hangup", Uniqueid=attempt["Uniqueid"]))
        return Told(caller["Uniqueid"], first, second)

    async def _until_talk(self, phone: Phone, leg: Seen) -> Met:
        """Consents where he is asked to; until both people stand in one bridge."""

        def asked(seen: Seen) -> bool:
            file = played(seen)
            return file is not None and file.name.startswith("REC_CONSENT")

        since = self._read

        def met(seen: Seen) -> bool:
            # who is joined takes over the older leg's Linkedid: on a callback that is the agent's
            full = seen.name == "BridgeEnter" and seen["BridgeNumChannels"] == "2"
            inside = named("BridgeEnter", BridgeUniqueid=seen["BridgeUniqueid"]) if full else None
            return inside is not None and leg["Uniqueid"] in {
                one["Uniqueid"] for one in self._observer.among(inside, since=since)
            }

        seen = await self._next("customer and agent1 are bridged", lambda one: met(one) or asked(one), within=45.0)
        if asked(seen):
            await self._listen(leg, LISTENS_S)
            await phone.press("1")
            seen = await self._next("customer and agent1 are bridged", met, within=45.0)
        bridge = seen["BridgeUniqueid"]
        inside = self._observer.among(named("BridgeEnter", BridgeUniqueid=bridge), since=since)
        ids = [one["Uniqueid"] for one in inside if one["Uniqueid"] != leg["Uniqueid"]]
        return Met(bridge, leg["Uniqueid"], ids[0])

    async def _hear(self, prompt: str) -> None:
        def heard(seen: Seen) -> bool:
            file = played(seen)
            return file is not None and file.name.startswith(prompt)

        await self._next(f"the prompt {prompt} is played", heard, within=PROMPT_S)

    async def _listen(self, leg: Seen, reports: int) -> None:
        """So many of Asterisk's RTCP reports on this leg (one a second) in which its sound has gone on."""
        highest = -1
        while reports:
            report = await self._next("RTP flows", named("RTCPSent", Channel=leg["Channel"]), within=5.0)
            now = int(report["Report0HighestSequence"] or -1)
            reports -= now > highest >= 0
            highest = now

    async def _next(self, what: str, wanted: Wanted, within: float = 15.0) -> Seen:
        """The next wanted event after the last one that was taken."""
        try:
            seen = await self._observer.wait_for(wanted, within, since=self._read)
        except TimeoutError as error:
            raise TimeoutError(f"waited {within:.0f} s in vain until {what}") from error
        self._read = self._observer.seen.index(seen, self._read) + 1
        return seen


def _arrives(number: str) -> Wanted:
    def wanted(seen: Seen) -> bool:
        new = seen.name == "Newchannel" and seen["Channel"].startswith("PJSIP/carrier-")
        return new and seen["CallerIDNum"] == number

    return wanted


def _dials_out(seen: Seen) -> bool:
    """A channel to the carrier that bears an id of the service's own (ChannelId of the Originate)."""
    new = seen.name == "Newchannel" and seen["Channel"].startswith("PJSIP/carrier-")
    return new and seen["Uniqueid"].startswith("oddzwon-")

"""What the independent observer saw, said in words: AMI events as lines of the timeline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from oddzwon.domain.number import mask
from tests.asterisk.demo_timeline import Line, Turn, Who
from tests.asterisk.observer import Seen

_AGENT = re.compile(r"PJSIP/(agent[0-9]+)-")
_CARRIER = "PJSIP/carrier-"
_SOFT = {"1": "device: no RTP came in for so long", "32": "explicit"}


class Teller:
    """One run's events; ``texts`` are the built prompts' words by the name of their file."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._outbound: set[str] = set()
        self._gone: set[str] = set()
        self._tellers: dict[str, Callable[[Seen], Iterator[Line]]] = {
            "Newchannel": self._newchannel,
            "Newstate": self._newstate,
            "AGIExecStart": self._says,
            "DTMFEnd": self._key,
            "QueueCallerJoin": self._queued,
            "BridgeEnter": self._bridged,
            "HangupRequest": self._bye,
            "SoftHangupRequest": self._given_up,
            "Hangup": self._gone_leg,
        }

    def lines(self, seen: Seen) -> Iterator[Line]:
        """The event's lines: none, for what would not interest anybody."""
        teller = self._tellers.get(seen.name)
        if teller is not None:
            yield from teller(seen)

    def _newchannel(self, seen: Seen) -> Iterator[Line]:
        if not seen["Channel"].startswith(_CARRIER):
            return
        if seen["Uniqueid"].startswith("oddzwon-"):
            self._outbound.add(seen["Channel"])
            yield Line(when(seen), Who.ODDZWON, f"dials through the carrier, as channel {seen['Uniqueid']}")
        else:
            what = f"{mask(seen['CallerIDNum'])} dials {seen['Exten']}"
            yield Line(when(seen), Who.CUSTOMER, what, Turn.CUSTOMER_RINGS)

    def _newstate(self, seen: Seen) -> Iterator[Line]:
        state, agent = seen["ChannelStateDesc"], _AGENT.match(seen["Channel"])
        if agent:
            if state == "Ringing":
                yield Line(when(seen), Who.AGENT, f"{agent[1]} rings", Turn.AGENT_RINGS)
            elif state == "Up":
                yield Line(when(seen), Who.AGENT, f"{agent[1]} answers", Turn.AGENT_UP)
        elif seen["Channel"] in self._outbound:
            if state == "Ringing":
                yield Line(when(seen), Who.CUSTOMER, "the telephone rings", Turn.CUSTOMER_RINGS)
            elif state == "Up":
                yield Line(when(seen), Who.CUSTOMER, "answers", Turn.CUSTOMER_UP)
        elif seen["Channel"].startswith(_CARRIER) and state == "Up":
            yield Line(when(seen), Who.ASTERISK, "answers for the company", Turn.CUSTOMER_UP)

    def _says(self, seen: Seen) -> Iterator[Line]:
        prompt = played(seen)
        if prompt is not None:
            yield Line(when(seen), Who.ODDZWON, f"says {prompt.name.split('-')[0]}: “{self._words(prompt)}”")

    def _words(self, prompt: Path) -> str:
        known = self._texts.get(prompt.name)
        if known is not None:
            return known
        description = prompt.with_name(prompt.name + ".json")  # spoken during this call, described beside its audio
        text = json.loads(description.read_text())["text"] if description.exists() else "…"
        return str(text)

    def _key(self, seen: Seen) -> Iterator[Line]:
        if seen["Direction"] == "Received" and seen["Channel"].startswith(_CARRIER):
            yield Line(when(seen), Who.CUSTOMER, f"presses {seen['Digit']}")

    def _queued(self, seen: Seen) -> Iterator[Line]:
        yield Line(when(seen), Who.CUSTOMER, f"waits in the queue {seen['Queue']}, position {seen['Position']}")

    def _bridged(self, seen: Seen) -> Iterator[Line]:
        if seen["BridgeNumChannels"] == "2":
            yield Line(when(seen), Who.ASTERISK, "customer and agent are bridged: they talk", Turn.BRIDGED)

    def _bye(self, seen: Seen) -> Iterator[Line]:
        who = Who.AGENT if _AGENT.match(seen["Channel"]) else Who.CUSTOMER
        yield Line(when(seen), who, "hangs up (BYE)", Turn.APART)

    def _given_up(self, seen: Seen) -> Iterator[Line]:
        why = _SOFT.get(seen["Cause"])
        if why is not None and seen["Channel"] not in self._gone:
            self._gone.add(seen["Channel"])
            leg = "agent's" if _AGENT.match(seen["Channel"]) else "customer's"
            yield Line(when(seen), Who.ASTERISK, f"gives the {leg} leg up ({why})", Turn.APART)

    def _gone_leg(self, seen: Seen) -> Iterator[Line]:
        agent = _AGENT.match(seen["Channel"])
        who, turn = (Who.AGENT, Turn.AGENT_GONE) if agent else (Who.CUSTOMER, Turn.CUSTOMER_GONE)
        yield Line(when(seen), who, f"leg ended, cause {seen['Cause']} ({seen['Cause-txt']})", turn)


def when(seen: Seen) -> float:
    """Asterisk's own time of the event, in seconds since the epoch (``timestampevents``)."""
    return float(seen["Timestamp"])


def played(seen: Seen) -> Path | None:
    """The file, without extension, that STREAM FILE was told to play; None: another event, or silence."""
    if seen.name != "AGIExecStart" or not seen["Command"].startswith("STREAM FILE "):
        return None
    file = seen["Command"].removeprefix("STREAM FILE ").lstrip('"').split('"')[0].split(" ")[0]
    return Path(file) if "/" in file else None

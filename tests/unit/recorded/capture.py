"""A recorded manager session, heard again through the real parser, translation and register of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from oddzwon.asterisk.ami_wire import AmiEvent, AmiSplitter, event_name, parse_event
from oddzwon.asterisk.facts import Arrival, EveryCall, OfCall, OriginateAnswer, Translated
from oddzwon.asterisk.translate import WANTED, translate
from oddzwon.callflow.calls import Calls, LiveCall
from oddzwon.domain.call import Call, CallCommand, SettleDue
from oddzwon.domain.events import BridgeEntered, CallEvent, Direction

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.ami"))
ENDINGS = sorted(f"endings/{path.stem}" for path in (FOLDER / "endings").glob("*.ami"))
"""Recorded later, each to show how one call ends."""
READ_BYTES = 1_000  # no multiple of anything: messages and their ends are split over reads


def messages(name: str) -> Iterator[bytes]:
    """The complete messages, as the adapter's splitter cuts them from the stream."""
    data = (FOLDER / f"{name}.ami").read_bytes()
    splitter = AmiSplitter(max_message_bytes=65_536)
    for start in range(0, len(data), READ_BYTES):
        yield from splitter.feed(data[start : start + READ_BYTES])


def events(name: str, said: Callable[[str], Iterator[bytes]] = messages) -> list[AmiEvent]:
    """The events that the service asks for, in order; ``said`` gives the messages."""
    wanted = {word.encode() for word in WANTED}
    return [parse_event(m, arrived=0.0) for m in said(name) if event_name(m) in wanted]


def facts(name: str, said: Callable[[str], Iterator[bytes]] = messages) -> list[Translated]:
    """What they mean to us."""
    return [fact for event in events(name, said) if (fact := translate(event)) is not None]


def _said_of(live: LiveCall | None, fact: Translated, calls: Calls) -> tuple[CallEvent, ...]:
    """What the fact says of the call, as the watch finds it."""
    match fact:
        case EveryCall(event=event) if live is not None:
            return (event,)
        case OfCall(linked=linked, event=said) if calls.find(linked, said) is live is not None:
            if isinstance(said, BridgeEntered) and said.leg == live.call.leg:
                return (*calls.waiting_for(live, said.bridge), said)
            return (said,)
    return ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recording's call after its end: its state before the first event, those events, and what was to be done."""

    began: Call
    call: Call
    events: tuple[CallEvent, ...]
    commands: tuple[CallCommand, ...]


def replay(name: str, said: Callable[[str], Iterator[bytes]] = messages) -> Replayed:
    """The recording's one call, followed as the watch follows it: by its leg, else by its Linkedid.

    A callback's call begins where our flow would receive it: when it was answered. A call that never reached the
    dialplan (caller-cancel) begins with its first event.
    """
    calls = Calls()
    live: LiveCall | None = None
    began: Call | None = None
    heard: list[CallEvent] = []
    done: list[CallCommand] = []
    for fact in facts(name, said):
        match fact:
            case Arrival(linked=linked, leg=leg, at=at, did=did):
                live = calls.receive(linked, leg, at, Direction.INBOUND, did)
            case OriginateAnswer(leg=leg, success=True, at=at):
                live = calls.receive(leg, leg, at, Direction.CALLBACK, None)
            case OfCall(linked=linked, event=event) if name == "caller-cancel" and live is None:
                live = calls.receive(linked, linked, event.at, Direction.INBOUND, None)
        began = began or (live.call if live else None)
        for event in _said_of(live, fact, calls):
            heard.append(event)
            done += live.advance(event) if live else ()
    assert live is not None, f"{name}: no call in it"
    assert began is not None
    done += live.advance(SettleDue(live.call.ended_at or 0))
    return Replayed(began, live.call, tuple(heard), tuple(done))

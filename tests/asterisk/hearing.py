"""Calls that are listened to: keys and hang-ups at moments of prompts, and what was heard beside the receipts."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from oddzwon.domain.recording import HEARD_MS
from tests.asterisk.bench import CS, DE, EN, PL, SETTLED_S, Bench
from tests.asterisk.ears import Passage
from tests.asterisk.heard import Told, built_prompts, differences, heard_by, told_by
from tests.asterisk.lab import Lab
from tests.asterisk.listening import Ear
from tests.asterisk.observer import Observer
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_messages import SipError
from tests.asterisk.sip_peer import Peer
from tests.asterisk.sip_scripts import answers

AGENTS: Final = tuple(f"PJSIP/agent{n}" for n in (1, 2, 3, 4))
INTO: Final = 20
"""Frames of 20 ms: so far into a prompt "during" is."""
DIDS: Final = {"pl": PL, "cs": CS, "de": DE, "en": EN}
LISTENED: Final = 5 + HEARD_MS // 20
"""Packets after which a key answers a question: it goes down once that has been heard so long, and a little longer."""
CASE_S: Final = 300.0
AT_ONCE: Final = 8
EVERY_CALL: Final = 1_000


# --- what a case asks for ---------------------------------------------------------------------------------------------


LAST_FRAMES = 3
"""So many packets of 20 ms before a prompt's end are its end."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the caller does at a prompt: once he heard ``frames`` of it, or once it is over; ``keys`` None: hang up."""

    prompt: str
    keys: str | None
    frames: int | None = INTO


def during(prompt: str, keys: str, frames: int = INTO) -> Act:
    """Press in the middle of the prompt."""
    return Act(prompt, keys, frames)


def after(prompt: str, keys: str) -> Act:
    """Press once the prompt is over, in the silence behind it."""
    return Act(prompt, keys, None)


def hang_up(prompt: str, frames: int = INTO) -> Act:
    """Hang up in the middle of the prompt."""
    return Act(prompt, None, frames)


@dataclass(frozen=True, slots=True)
class Case:
    """One call: what the caller does, and what he is told. ``agent``: he talks with one at last.

    ``recorded``: a recording of the talk must be there; else there must be none.
    """

    name: str
    acts: tuple[Act, ...]
    told: tuple[Told, ...]
    language: str = "pl"
    agent: bool = True
    recorded: bool = False
    menu_key: str | None = None

    @property
    def id(self) -> str:
        """The test's id."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name).split())


# --- a caller ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Caller:
    """A person who does what he does because of what he hears. Prompts are met in order.

    ``shown`` is the number that an agent's telephone shows for him.
    """

    bench: Bench
    number: str
    language: str
    leg: Leg
    shown: str
    ear: Ear = field(init=False)

    def __post_init__(self) -> None:
        self.ear = Ear(self.bench.lab, self.leg)

    @classmethod
    async def dials(cls, bench: Bench, number: str, language: str) -> Caller:
        """Dial the language's DID; returns once Asterisk has answered."""
        return cls(bench, number, language, await bench.dial(number, DIDS[language]), number)

    async def begins(self, prompt: str, within: float = PATIENCE_S) -> tuple[int, int]:
        """Until he hears this prompt's opening; returns the number of its first packet and of the one behind its last.

        Raises TimeoutError.
        """
        return await self.ear.meets(prompt, self.language, within)

    async def does(self, act: Act) -> None:
        """At the prompt that the act names; raises TimeoutError."""
        begun, over = await self.begins(act.prompt)
        # nothing may follow a prompt, and an ear may be wrong by a packet: just before its end is its end
        awaited = max(begun, over - LAST_FRAMES) if act.frames is None else begun + act.frames - 1
        async with asyncio.timeout(PATIENCE_S):
            await self.leg.heard.until_packet(awaited)
        if act.keys is None:
            await self.leg.bye()
        else:
            await self.leg.press(act.keys)

    async def talks(self) -> Leg:
        """The leg of the agent who answered; the two have heard each other for half a second."""
        agent = await self.agent()
        await agent.answered()
        await asyncio.gather(agent.hears(self.leg), self.leg.hears(agent))
        await self.leg.hears_audio(frames=25)
        return agent

    async def agent(self, within: float = PATIENCE_S) -> Leg:
        """The agent's leg that rings for this caller, whoever's it is."""
        met = tuple(self.bench.met)
        rings = [
            asyncio.create_task(
                peer.rung_by(self.shown, within, besides=met, caller=self.leg), name=f"{peer.address} rings"
            )
            for peer in self.bench.agents
        ]
        done, pending = await asyncio.wait(rings, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        leg = next(iter(done)).result()
        self.bench.met.append(leg)
        return leg


# --- many calls side by side ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Outcome:
    """What came of a case; ``trouble`` is what went wrong with its script, ``complaints`` are the whole run's."""

    case: Case
    caller: Caller | None = None
    call: dict[str, Any] = field(default_factory=dict)
    heard: list[Passage] = field(default_factory=list)
    trouble: str = ""
    complaints: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Everything that is not as the case asks for; empty: all is well."""
        if self.trouble:
            return [self.trouble, *self.complaints]
        case, call = self.case, self.call
        found = differences(call["notices"], self.heard)
        told = told_by(call)
        if told != list(case.told):
            found.append(f"told was {_words(told)}; it should be {_words(case.told)}")
        for one in call["notices"]:
            if one["complete"] != (
                one["played_ms"] >= one["full_ms"] or (one["key"] is not None and one["played_ms"] > 0)
            ):
                found.append(f"complete is {one['complete']} in {one}")
            if not one["language"] == call["language"] == case.language:
                found.append(f"the call speaks {call['language']}, this prompt {one['language']}: {one}")
        kept = [one for one in call["recordings"] if one["state"] not in ("deleted", "failed")]
        if bool(kept) != case.recorded:
            found.append(f"recorded: {call['recordings']}; it should be {case.recorded}")
        if call["menu_key"] != case.menu_key:
            found.append(f"the key of the menu is {call['menu_key']}; it should be {case.menu_key}")
        return found + self.complaints


def _words(told: Sequence[Told]) -> str:
    return ", ".join(map(str, told)) or "nothing"


def play(
    cases: Sequence[Case], lab: Lab, observer: Observer, numbers: Iterator[str], *changes: tuple[str, str]
) -> dict[str, Outcome]:
    """Every case with a caller of its own, several at once; by the case's id. ``changes``: as :meth:`Lab.settings`."""

    async def run() -> dict[str, Outcome]:
        await lab.up()
        async with lab.settings(*changes) if changes else contextlib.nullcontext():
            return await _play_all(cases, lab, observer, numbers)

    return asyncio.run(run())


async def _play_all(cases: Sequence[Case], lab: Lab, observer: Observer, numbers: Iterator[str]) -> dict[str, Outcome]:
    outcomes = {case.id: Outcome(case) for case in cases}
    assert len(outcomes) == len(cases), "two cases have the same name"
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Peer(f"{lab.net}.2"))
        agents = [
            await stack.enter_async_context(Peer(f"{lab.net}.{10 + n}", period=16, script=answers(0.2)))
            for n in (1, 2, 3, 4)
        ]
        await observer.until_free(AGENTS)
        bench = Bench(lab, observer, carrier, tuple(agents), observer.mark(), lab.log_size())
        at_once, free = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(len(agents))
        async with asyncio.TaskGroup() as group:
            for outcome in outcomes.values():
                group.create_task(_play(outcome, bench, next(numbers), (at_once, free)), name=outcome.case.id)
        await bench.leave()
        await _look(list(outcomes.values()), bench)
    return outcomes


async def _play(
    outcome: Outcome, bench: Bench, number: str, turns: tuple[asyncio.Semaphore, asyncio.Semaphore]
) -> None:
    """One case, to the end of its call; what goes wrong is its own trouble alone."""
    case = outcome.case
    at_once, free = turns
    try:
        # whoever would have to wait for an agent would hear the queue instead
        async with free if case.agent else contextlib.nullcontext(), at_once, asyncio.timeout(CASE_S):
            caller = outcome.caller = await Caller.dials(bench, number, case.language)
            for act in case.acts:
                await caller.does(act)
            if case.agent:
                agent = await caller.talks()
                await caller.leg.bye()
                await agent.ended()
    except (SipError, TimeoutError, AssertionError, OSError):
        outcome.trouble = traceback.format_exc()
        if outcome.caller is not None:
            with contextlib.suppress(SipError, TimeoutError):
                await outcome.caller.leg.release()


async def _look(outcomes: Sequence[Outcome], bench: Bench) -> None:
    """What the log says of each call, once it is decided, and what its caller heard."""
    ids: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.caller is not None:
            call = await bench.logged(outcome.caller.number)
            await bench.lab.until("SELECT 1 FROM decision WHERE call = ?", call, within=SETTLED_S)
            ids[outcome.case.id] = call
    listed = await bench.lab.oddzwon("calls", "list", "--json", "--limit", str(EVERY_CALL))
    calls: dict[str, dict[str, Any]] = {call["id"]: call for call in listed}
    built = await built_prompts(bench.lab)
    for outcome in outcomes:
        outcome.complaints = bench.complaints()
        if outcome.caller is not None:
            outcome.call = calls[ids[outcome.case.id]]
            outcome.heard = await heard_by(outcome.caller.leg, built)

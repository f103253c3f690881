"""Plays the cases of one file side by side in one lab, each with a caller of its own."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias

from tests.asterisk.bench import FINAL, SETTLED_S, Bench
from tests.asterisk.endings.case import Case, Outcome, Run, Verdict
from tests.asterisk.endings.hand import Hand
from tests.asterisk.endings.said import decisive
from tests.asterisk.endings.scene import Scene
from tests.asterisk.lab import Lab, LabError
from tests.asterisk.observer import Observer
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg, Script
from tests.asterisk.sip_messages import SipError
from tests.asterisk.sip_peer import Peer
from tests.asterisk.sip_scripts import answers

AGENTS: Final = tuple(f"PJSIP/agent{n}" for n in (1, 2, 3, 4))
CASE_S: Final = 400.0
"""What a case may take at the very most, session timers included."""
CALLED_BACK_S: Final = 2 * PATIENCE_S
EVERY_CALL: Final = 1_000
Stage: TypeAlias = Callable[[Bench, Hand, str], Scene]
"""Sets the scene of a case for the caller of that number."""


def play(
    cases: Sequence[Case],
    lab: Lab,
    observer: Observer,
    numbers: Iterator[str],
    *,
    stage: Stage = Scene,
    at_once: int = EVERY_CALL,
) -> Run:
    """Every case, to its verdict and beyond: the callback is awaited, or shown never to come.

    ``stage`` sets the scene of each; so many are played at once, and no more talk than there are agents.
    """
    return asyncio.run(_play_all(cases, lab, observer, numbers, stage=stage, at_once=at_once))


async def _play_all(
    cases: Sequence[Case], lab: Lab, observer: Observer, numbers: Iterator[str], *, stage: Stage, at_once: int
) -> Run:
    await lab.up()
    run = Run()
    scenes: dict[str, Scene] = {}
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Peer(f"{lab.net}.2"))
        phone = _picks_up(scenes)
        agents = [
            await stack.enter_async_context(Peer(f"{lab.net}.{10 + n}", period=16, script=phone)) for n in (1, 2, 3, 4)
        ]
        hand = await stack.enter_async_context(Hand(lab.asterisk))
        await observer.until_free(AGENTS)
        bench = Bench(lab, observer, carrier, tuple(agents), observer.mark(), lab.log_size())
        free = asyncio.Semaphore(len(agents))  # more could neither talk nor be called back at once
        room = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            for case in cases:
                number = case.number or next(numbers)
                scene = stage(bench, hand, number)
                scenes[scene.number] = scenes[scene.consults] = scene
                carrier.scripts[number] = scene.is_called_back
                run.outcomes[case.id] = outcome = Outcome(case, number=number)
                group.create_task(_play(outcome, scene, free, room), name=case.id)
        await bench.leave()
        run.complaints = bench.complaints()
        await _take_verdicts(run, [scenes[number] for number in carrier.scripts], bench)
    return run


def _picks_up(scenes: dict[str, Scene]) -> Script:
    """An agent's phone: it does what the case of the caller whom it shows asks for; for a callback it picks up."""

    async def script(leg: Leg) -> None:
        scene = scenes.get(leg.from_number) if leg.holds_for is None else None
        await (scene.takes(leg) if scene is not None else answers(0.2)(leg))

    return script


async def _play(outcome: Outcome, scene: Scene, free: asyncio.Semaphore, room: asyncio.Semaphore) -> None:
    """One case, until nothing more can follow from it; what goes wrong is its own trouble alone."""
    try:
        async with free if outcome.case.agent else contextlib.nullcontext(), room, asyncio.timeout(CASE_S):
            scene.begin()
            await outcome.case.play(scene)
            await scene.over()
            outcome.call = await _decided(scene)
    except (SipError, TimeoutError, AssertionError, OSError, LabError):
        outcome.trouble = traceback.format_exc()
        await _give_up(scene)


async def _give_up(scene: Scene) -> None:
    for leg in scene.legs:
        with contextlib.suppress(SipError, TimeoutError):
            await leg.release()


async def _decided(scene: Scene) -> str:
    """The call's id, once its decision is written and, where there is one, its callback is over."""
    lab = scene.bench.lab
    row = await lab.until("SELECT id FROM call WHERE leg = ?", scene.leg, within=SETTLED_S)
    call = str(row["id"])
    decision = await lab.until("SELECT allowed FROM decision WHERE call = ?", call, within=SETTLED_S)
    if decision["allowed"]:
        over = f"SELECT 1 FROM callback WHERE call = ? AND state IN {FINAL}"
        await lab.until(over, call, within=CALLED_BACK_S)
    return call


async def _take_verdicts(run: Run, scenes: Sequence[Scene], bench: Bench) -> None:
    """What the command line says of each call, what the carrier got, what the observer saw."""
    listed = await bench.lab.oddzwon("calls", "list", "--json", "--limit", str(EVERY_CALL))
    calls: dict[str, dict[str, Any]] = {call["id"]: call for call in listed}
    for outcome, scene in zip(run.outcomes.values(), scenes, strict=True):
        leg = scene.known_leg
        if leg is not None:
            seen = [event for event in bench.observer.seen[scene.since :] if event["Linkedid"] == leg]
            outcome.said = decisive(seen, leg, races=outcome.case.races)
        call = calls.get(outcome.call or "")
        if call is not None and call["ending"] is not None:
            outcome.shown = call
            ending = call["ending"]
            outcome.verdict = Verdict(
                ending["party"], ending["technical"], ending["confidence"], call["stage"], scene.reached > 0
            )
        if scene.reached != len(bench.carrier.invites_to(scene.number)) or scene.reached > 1:
            outcome.trouble += (
                f"INVITEs to the caller: {len(bench.carrier.invites_to(scene.number))}, heard: {scene.reached}"
            )

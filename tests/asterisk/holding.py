"""A callback, agent first, step by step: a drop, the agent whose telephone rings, the line that he holds."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from tests.asterisk.bench import PL, Bench
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import Packet, alaw, sounds_like
from tests.asterisk.sip_leg import Leg, Script

FAULT = "Q.850;cause=38"
SECOND = 50
"""Frames of 20 ms."""
RINGING_TONE_HZ = 425
_TONE_FRAMES = 5
_SAMPLES = {alaw(sample): sample for sample in range(-32_768, 32_768)}
_PURE = 0.9
"""So much of a packet's power is the tone's, less what A-law adds of its own."""


async def dropped(bench: Bench, number: str, did: str = PL, *, then: Script | None = None) -> str:
    """A talk with agent1 that the carrier's network cut off; ``then`` is what his telephone does from now on.

    Returns the call's id.
    """
    caller, agent = await bench.talks(number, did)
    if then is not None:
        bench.agents[0].script = then
    await caller.bye(FAULT)
    await agent.ended()
    return await bench.logged(number)


async def rung(bench: Bench, agent: int = 0, *, within: float = PATIENCE_S) -> Leg:
    """The first leg at the agent's telephone that the test has not met: ringing, answered, or over by now."""
    nth = 1
    while (leg := await bench.agents[agent].called(f"agent{agent + 1}", within, count=nth)) in bench.met:
        nth += 1
    bench.met.append(leg)
    return leg


async def holds(bench: Bench, agent: int = 0) -> Leg:
    """The agent's leg, once he has answered and hears the ringing tone: he waits for the customer."""
    leg = await rung(bench, agent)
    await leg.answered()
    await hears_ringing(leg)
    return leg


async def hears_ringing(leg: Leg, within: float = PATIENCE_S) -> None:
    """Until the ringing tone has come in, however long ago; raises TimeoutError."""
    place = row = 0
    async with asyncio.timeout(within):
        while row < _TONE_FRAMES:
            await leg.heard.until_packet(place)
            row = row + 1 if is_ringing(leg.heard.since(place)[0].payload) else 0
            place += 1


def is_ringing(payload: bytes) -> bool:
    """Whether this packet of alaw is the ringing tone (ITU-T E.180)."""
    samples = [_SAMPLES[code] for code in payload if code in _SAMPLES]
    power = sum(sample * sample for sample in samples)
    turn = 2 * math.pi * RINGING_TONE_HZ / 8_000
    real = sum(sample * math.cos(turn * at) for at, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(turn * at) for at, sample in enumerate(samples))
    return power > 0 and 2 * (real * real + imaginary * imaginary) / (len(samples) * power) >= _PURE


def besides_tone_of(other: Leg, packets: list[Packet]) -> list[Packet]:
    """The packets with sound that are not the other leg's tone."""
    return [p for p in packets if len({*p.payload}) > 2 and not sounds_like(p.payload, other.period)]


async def reaches(bench: Bench, call: str, state: str, *, within: float = PATIENCE_S) -> str:
    """Until the callback of the call is in this state; returns the callback's id."""
    row = await bench.lab.until("SELECT id FROM callback WHERE call = ? AND state = ?", call, state, within=within)
    return str(row["id"])


async def has_been(bench: Bench, call: str, state: str, why: str, *, within: float = PATIENCE_S) -> None:
    """Until the callback's history says so; ``why`` is a GLOB pattern."""
    await bench.lab.until(
        "SELECT 1 FROM callback_event AS e JOIN callback AS b ON b.id = e.callback"
        " WHERE b.call = ? AND e.state = ? AND coalesce(e.why, '') GLOB ?",
        call,
        state,
        why,
        within=within,
    )


def history(bench: Bench, call: str) -> list[tuple[str, str]]:
    """The states of the call's callback, each with the reason that was written beside it."""
    rows = bench.lab.read(
        "SELECT e.state, coalesce(e.why, '') AS why FROM callback_event AS e JOIN callback AS b ON b.id = e.callback"
        " WHERE b.call = ? ORDER BY e.seq",
        call,
    )
    return [(row["state"], row["why"]) for row in rows]


def outcomes(shown: dict[str, Any]) -> list[str]:
    """The states of the attempts of a call as the command line shows it."""
    return [attempt["state"] for attempt in shown["callback"]["attempts"]]


async def talk_and_hang_up(bench: Bench, customer: Leg, agent: Leg) -> None:
    """The two hear each other, and the customer says goodbye."""
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    await customer.bye()
    await agent.ended()

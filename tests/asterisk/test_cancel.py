"""A callback is cancelled: at the console, by the agent who holds the line for it, from his telephone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from oddzwon.callflow import failpoints
from tests.asterisk.bench import Bench
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.holding import dropped, has_been, history, holds, outcomes, reaches, rung, talk_and_hang_up
from tests.asterisk.lab import LabError
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import EndedBy
from tests.asterisk.sip_scripts import answers, refuses, rings

pytestmark = pytest.mark.asterisk

SETTINGS = (
    ("ring_limit_s = 8.0", "ring_limit_s = 60.0"),
    ("agent_ring_s = 5", "agent_ring_s = 60"),
    ("gap_s = 5.0", "gap_s = 60.0"),
)
"""What rings, rings until somebody stops it, and who waits, waits."""
CODE, DIALLED = "*#4", "*%234"
"""The code in a talk, and in a SIP URI, where # must be escaped (RFC 3261 section 25.1)."""
REASON = "the customer wrote a letter"
HIGH, LOW = "high", "low"
"""The tones that say: it is done, it is not."""


async def cancelled_at_the_console(bench: Bench, call: str) -> str:
    """``callbacks cancel`` is done; returns the callback's id."""
    callback = str((await bench.lab.call(call))["callback"]["id"])
    await bench.lab.oddzwon("callbacks", "cancel", callback, "--reason", REASON, "--json")
    return callback


async def dials_the_code(bench: Bench, agent: int) -> str:
    """The agent dials the code; returns whether what he hears before Asterisk hangs up is HIGH or LOW."""
    leg = await bench.agents[agent].invite(f"{DIALLED}@{bench.lab.asterisk}", from_number=f"agent{agent + 1}")
    await leg.answered()
    await leg.hears_audio(frames=10)
    signs = [code & 0x80 for code in leg.heard.last]
    await leg.ended()
    # changes of sign in a frame of 20 ms: about 40 for 1000 Hz, 16 for 400 Hz
    return HIGH if sum(a != b for a, b in pairwise(signs)) > 28 else LOW


async def test_while_the_agent_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """His telephone stops, the customer's never rings; who did it, by which door and why stands in the history."""
    call = await dropped(bench, number, then=rings())
    agent = await rung(bench)
    await agent.ringing()
    await reaches(bench, call, "reserving")
    callback = await cancelled_at_the_console(bench, call)
    gone = await agent.ended()

    shown = await bench.finished(call)
    assert gone.by is EndedBy.THEIR_CANCEL
    assert (shown["callback"]["state"], shown["callback"]["attempts"]) == ("cancelled", [])
    why = history(bench, call)[-1][1]
    assert why.startswith("cancelled (console) by ")
    assert why.endswith(f": {REASON}")
    assert bench.carrier.invites_to(number) == []
    await bench.observer.until_free(["PJSIP/agent1"])
    with pytest.raises(LabError, match="ended with 1"):
        await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")


async def test_while_the_agent_holds_the_line(steps: Gate, bench: Bench, number: str) -> None:
    """He has heard what it is about, the customer is about to be dialled: he is let go, nobody is dialled."""
    steps.hold(failpoints.AGENT_HELD)
    call = await dropped(bench, number)
    agent = await rung(bench)
    await steps.reached(PATIENCE_S)
    await cancelled_at_the_console(bench, call)
    await bench.finished(call)
    steps.release()
    gone = await agent.ended()

    assert gone.by is EndedBy.THEIR_BYE
    assert history(bench, call)[-1][0] == "cancelled"
    assert (await bench.lab.call(call))["callback"]["attempts"] == []
    assert bench.carrier.invites_to(number) == []


async def test_by_the_agent_who_holds_the_line(steps: Gate, bench: Bench, number: str) -> None:
    """His code stops the customer's telephone, and his own line is free."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await reaches(bench, call, "ringing")
    await agent.press(CODE)
    gone, freed = await customer.ended(), await agent.ended()

    shown = await bench.finished(call)
    assert (gone.by, freed.by) == (EndedBy.THEIR_CANCEL, EndedBy.THEIR_BYE)
    assert outcomes(shown) == ["cancelled"]
    assert history(bench, call)[-1] == ("cancelled", "cancelled (code) by PJSIP/agent1")
    assert len(bench.carrier.invites_to(number)) == 1


async def test_another_code_of_the_holding_agent_cancels_nothing(steps: Gate, bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await customer.ringing()
    await agent.press("*#0#4")
    customer.answer()
    await customer.hears_audio()
    await customer.press("1")
    await talk_and_hang_up(bench, customer, agent)
    assert (await bench.finished(call))["callback"]["state"] == "completed"


async def test_from_the_agents_telephone(steps: Gate, bench: Bench, number: str) -> None:
    """The callback of his last call waits for its second dial: he may stop it, and another agent may not."""
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    call = await dropped(bench, number)
    await has_been(bench, call, "waiting", "busy")
    assert await dials_the_code(bench, 1) == LOW
    assert (await bench.lab.call(call))["callback"]["state"] == "waiting"
    assert await dials_the_code(bench, 0) == HIGH

    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "cancelled"
    assert outcomes(shown) == ["unanswered"]
    assert history(bench, call)[-1] == ("cancelled", "cancelled (phone) by PJSIP/agent1")
    assert len(bench.carrier.invites_to(number)) == 1
    # there is none any more
    assert await dials_the_code(bench, 0) == LOW


async def test_not_once_they_talk(steps: Gate, bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number)
    agent = await rung(bench)
    customer = await bench.carrier.called(number)
    callback = await reaches(bench, call, "connected")
    with pytest.raises(LabError, match="ended with 1"):
        await bench.lab.oddzwon("callbacks", "cancel", callback, "--json")
    await talk_and_hang_up(bench, customer, agent)
    assert (await bench.finished(call))["callback"]["state"] == "completed"

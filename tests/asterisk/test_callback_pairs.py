"""Two things at once: an objection, a redial, the end of the window or of the service, while somebody is rung."""

from __future__ import annotations

import asyncio
import signal

import pytest

from oddzwon.callflow import failpoints
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.call_log import CallLog
from tests.asterisk.bench import Bench
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.holding import (
    FAULT,
    dropped,
    history,
    holds,
    outcomes,
    reaches,
    rung,
    talk_and_hang_up,
)
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import EndedBy, Leg
from tests.asterisk.sip_scripts import answers, rings

pytestmark = pytest.mark.asterisk

RINGS_ON = ("ring_limit_s = 8.0", "ring_limit_s = 60.0")
SETTINGS = (RINGS_ON, ("agent_ring_s = 5", "agent_ring_s = 60"))
"""What rings, rings until somebody stops it."""
SOON = ("grace_s = 2.0", "grace_s = 2.0\nfirst_dial_s = 40\nlapse_s = 45")
"""A window that ends while a test looks on."""


async def on_another_line(bench: Bench, number: str) -> tuple[Leg, str]:
    """The number has two calls with us: one hears the full notice, the other has been cut off; its id comes second."""
    caller, agent = await bench.talks(number)
    other = await bench.in_menu(number)
    await other.press("9")
    await bench.prompt("L2")
    bench.agents[0].script = rings()
    await caller.bye(FAULT)
    await agent.ended()
    return other, await bench.logged(number)


# --- an objection -----------------------------------------------------------------------------------------------------


async def test_an_objection_while_the_agent_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    other, call = await on_another_line(bench, number)
    agent = await rung(bench)
    await reaches(bench, call, "reserving")
    await other.press("8")
    gone = await agent.ended()

    shown = await bench.finished(call)
    assert gone.by is EndedBy.THEIR_CANCEL
    assert (shown["callback"]["state"], shown["callback"]["attempts"]) == ("objected", [])
    assert bench.carrier.invites_to(number) == []
    await other.bye()


async def test_an_objection_when_the_agent_has_just_begun_to_hold(steps: Gate, bench: Bench, number: str) -> None:
    """It is read again before the customer is dialled, whoever tells of it."""
    steps.hold(failpoints.AGENT_HELD)
    other, call = await on_another_line(bench, number)
    agent = await rung(bench)
    agent.answer()
    await steps.reached(PATIENCE_S)
    await other.press("8")
    await bench.finished(call)
    steps.release()
    assert (await agent.ended()).by is EndedBy.THEIR_BYE
    assert bench.states(call)[-1] == "objected"
    assert bench.carrier.invites_to(number) == []
    await other.bye()


@pytest.mark.parametrize("register", ["objection", "restriction"])
async def test_what_is_registered_while_it_rings(steps: Gate, bench: Bench, number: str, register: str) -> None:
    """By whatever door it comes into the register: it is read again while the telephone rings (Art. 21, Art. 18)."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    leg = await bench.carrier.called(number)
    await leg.ringing()
    (row,) = bench.lab.read("SELECT number_key FROM party WHERE number = ?", number)
    async with await CallLog.open(bench.lab.state / "oddzwon.db") as log:
        if register == "objection":
            await log.record_objection(
                number_key=row["number_key"], scope=ObjectionScope.CALLBACK, at=1, channel="letter", call=None
            )
        else:
            await log.restrict(number_key=row["number_key"], at=1)
    assert (await leg.ended()).by is EndedBy.THEIR_CANCEL
    assert (await agent.ended()).by is EndedBy.THEIR_BYE
    shown = await bench.finished(call)
    ended, attempt = {"objection": ("objected", "objected"), "restriction": ("cancelled", "cancelled")}[register]
    assert (shown["callback"]["state"], [a["state"] for a in shown["callback"]["attempts"]]) == (ended, [attempt])
    assert history(bench, call)[-1] == (ended, register)


# --- the agent leaves -------------------------------------------------------------------------------------------------


async def test_the_agent_leaves_when_the_attempt_is_about_to_be_sent(steps: Gate, bench: Bench, number: str) -> None:
    """No agent, no dial: the customer's telephone does not ring even for a moment."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    steps.hold(failpoints.ATTEMPT_COMMITTED)
    call = await dropped(bench, number)
    agent = await rung(bench)
    await steps.reached(PATIENCE_S)
    size = bench.lab.log_size()
    await agent.bye()
    await bench.lab.says('"script": "hold"', since=size)
    await bench.observer.until_quiet()
    steps.release()
    other = await rung(bench, 1)
    customer = await bench.carrier.called(number)
    await talk_and_hang_up(bench, customer, other)

    shown = await bench.finished(call)
    assert outcomes(shown) == ["lost", "completed"]  # the first has provably never left
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_agent_hangs_up_while_the_customer_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """Nobody would be there: the customer's telephone stops, and rings again after the gap, with another agent."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    first = await bench.carrier.called(number)
    await first.ringing()
    await reaches(bench, call, "ringing")
    await agent.bye()
    gone = await first.ended()
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    other = await rung(bench, 1)
    customer = await bench.carrier.called(number, count=2)
    await talk_and_hang_up(bench, customer, other)

    shown = await bench.finished(call)
    assert gone.by is EndedBy.THEIR_CANCEL
    assert first.is_answered is False
    assert outcomes(shown) == ["cancelled", "completed"]
    assert len(bench.carrier.invites_to(number)) == 2


async def test_agents_who_leave_use_up_the_dials(steps: Gate, bench: Bench, number: str) -> None:
    """Nobody is rung for ever: with the dials, the callback is over."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    for count, who in ((1, 0), (2, 1)):
        agent = await holds(bench, who)
        ringing = await bench.carrier.called(number, count=count)
        await ringing.ringing()
        await agent.bye()
        assert (await ringing.ended()).by is EndedBy.THEIR_CANCEL
    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "failed"
    assert outcomes(shown) == ["cancelled", "cancelled"]
    assert len(bench.carrier.invites_to(number)) == 2


# --- a redial ---------------------------------------------------------------------------------------------------------


async def test_a_redial_while_the_agent_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """His ring for the callback stops; the redial hears the short notice and rings at the same agent first."""
    call = await dropped(bench, number, then=rings())
    ringing = await rung(bench)
    await reaches(bench, call, "reserving")
    bench.agents[0].script = answers(0.2)
    mark = bench.observer.mark()
    again = await bench.dial(number)
    gone = await ringing.ended()
    await bench.prompt("SHORT", since=mark)
    agent = await bench.answered_by(again)
    await again.bye()
    await agent.ended()

    assert gone.by is EndedBy.THEIR_CANCEL
    shown = await bench.finished(call)
    assert shown["callback"]["attempts"] == []
    assert history(bench, call)[-1] == ("cancelled", "redial")
    second = await bench.judged(await bench.logged(number, nth=2))
    assert (second["resumes"], second["agent"]) == (call, "PJSIP/agent1")
    assert bench.carrier.invites_to(number) == []
    assert all(not peer.invites for peer in bench.agents[1:])


async def test_a_redial_while_the_agent_holds_and_the_customer_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """Who held the line for him is let go, and gets the redial."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    held = await holds(bench)
    ringing = await bench.carrier.called(number)
    await reaches(bench, call, "ringing")
    again = await bench.dial(number)
    gone, freed = await ringing.ended(), await held.ended()
    agent = await bench.answered_by(again)
    await again.bye()
    await agent.ended()

    assert (gone.by, freed.by) == (EndedBy.THEIR_CANCEL, EndedBy.THEIR_BYE)
    shown = await bench.finished(call)
    assert outcomes(shown) == ["cancelled"]
    assert history(bench, call)[-1] == ("cancelled", "redial")
    assert (await bench.judged(await bench.logged(number, nth=2)))["resumes"] == call
    assert len(bench.carrier.invites_to(number)) == 1


async def test_a_redial_when_his_voicemail_has_answered(steps: Gate, bench: Bench, number: str) -> None:
    """Our call and his cross: his line is busy, so a machine takes ours. One conversation comes of it: his."""
    bench.carrier.scripts[number] = answers()
    call = await dropped(bench, number)
    held = await holds(bench)
    machine = await bench.carrier.called(number)
    await reaches(bench, call, "answered")
    again = await bench.dial(number)
    gone, freed = await machine.ended(), await held.ended()
    agent = await bench.answered_by(again)
    await again.bye()
    await agent.ended()

    assert (gone.by, freed.by) == (EndedBy.THEIR_BYE, EndedBy.THEIR_BYE)
    assert history(bench, call)[-1] == ("cancelled", "redial")
    assert outcomes(await bench.finished(call)) == ["cancelled"]
    assert (await bench.judged(await bench.logged(number, nth=2)))["resumes"] == call
    assert len(bench.carrier.invites_to(number)) == 1


async def test_another_call_of_the_number_after_key_1(steps: Gate, bench: Bench, number: str) -> None:
    """The two are about to talk: that goes on. Whoever else calls from the number is served as a call."""
    steps.hold(failpoints.ACCEPTED)
    bench.carrier.scripts[number] = answers(keys="1")
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await steps.reached(PATIENCE_S)
    again = await bench.dial(number)
    await again.hears_audio()
    steps.release()
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    other = await bench.answered_by(again, agent=1)
    await talk_and_hang_up(bench, customer, agent)
    await again.bye()
    await other.ended()

    assert (await bench.finished(call))["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1
    assert (await bench.judged(await bench.logged(number, nth=2)))["ending"]["party"] == "caller"


# --- the end of the window --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["agent", "customer"])
async def test_the_window_ends_while_one_of_them_is_rung(steps: Gate, bench: Bench, number: str, who: str) -> None:
    bench.carrier.scripts[number] = rings()
    async with bench.lab.settings(*SETTINGS, SOON):
        call = await dropped(bench, number, then=rings() if who == "agent" else None)
        agent = await rung(bench)
        customer = await bench.carrier.called(number) if who == "customer" else None
        gone = await agent.ended(2 * PATIENCE_S)
        shown = await bench.finished(call)

    assert history(bench, call)[-1][0] == "lapsed"
    assert shown["decision"]["allowed"] is True
    if customer is None:
        assert gone.by is EndedBy.THEIR_CANCEL
        assert bench.carrier.invites_to(number) == []
    else:
        assert gone.by is EndedBy.THEIR_BYE
        assert (await customer.ended()).by is EndedBy.THEIR_CANCEL
        assert outcomes(shown) == ["cancelled"]
        assert len(bench.carrier.invites_to(number)) == 1


# --- the service stops, or does not hear ------------------------------------------------------------------------------


async def test_the_service_stops_while_the_agent_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """His telephone does not ring on for nobody; the next service goes on with the callback."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number, then=rings())
    agent = await rung(bench)
    await reaches(bench, call, "reserving")
    await bench.lab.signal_service(signal.SIGTERM)
    gone = await agent.ended()
    bench.agents[0].script = answers(0.2)
    await bench.lab.up()
    again = await rung(bench)
    customer = await bench.carrier.called(number)
    await talk_and_hang_up(bench, customer, again)

    assert gone.by is EndedBy.THEIR_CANCEL
    shown = await bench.finished(call)
    assert (shown["callback"]["state"], outcomes(shown)) == ("completed", ["completed"])
    assert len(bench.carrier.invites_to(number)) == 1


async def test_the_service_stops_while_the_customer_is_rung(steps: Gate, bench: Bench, number: str) -> None:
    """Neither of the two is left alone on the line."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await reaches(bench, call, "ringing")
    await bench.lab.signal_service(signal.SIGTERM)
    gone, freed = await customer.ended(), await agent.ended()
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    await bench.lab.up()
    again = await rung(bench)
    second = await bench.carrier.called(number, count=2)
    await talk_and_hang_up(bench, second, again)

    assert (gone.by, freed.by) == (EndedBy.THEIR_CANCEL, EndedBy.THEIR_BYE)
    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert outcomes(shown)[-1] == "completed"
    assert len(bench.carrier.invites_to(number)) == 2


@pytest.mark.complains("ami-lost")
async def test_the_manager_is_away_while_the_agent_holds(steps: Gate, bench: Bench, number: str) -> None:
    """What the service does not hear it does not need: the customer answers, and the two talk."""
    bench.carrier.scripts[number] = rings()
    call = await dropped(bench, number)
    agent = await holds(bench)
    customer = await bench.carrier.called(number)
    await reaches(bench, call, "ringing")
    await bench.lab.ami_goes()
    customer.answer()
    await customer.hears_audio()
    await customer.press("1")
    await asyncio.gather(customer.hears(agent), agent.hears(customer))
    await bench.lab.ami_returns()
    await customer.bye()
    await agent.ended()

    shown = await bench.finished(call)
    assert (shown["callback"]["state"], outcomes(shown)) == ("completed", ["completed"])
    assert len(bench.carrier.invites_to(number)) == 1


@pytest.mark.complains("ami-lost")
async def test_the_manager_is_away_before_the_customer_is_dialled(steps: Gate, bench: Bench, number: str) -> None:
    """The agent holds the line for a dial that cannot leave: he is let go, or it leaves when the manager is back."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    steps.hold(failpoints.AGENT_HELD)
    call = await dropped(bench, number)
    agent = await rung(bench)
    await steps.reached(PATIENCE_S)
    await bench.lab.ami_goes()
    steps.release()
    await agent.ended()
    await bench.lab.ami_returns()
    again = await rung(bench)
    customer = await bench.carrier.called(number)
    await talk_and_hang_up(bench, customer, again)

    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1

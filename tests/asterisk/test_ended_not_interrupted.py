"""Calls that somebody ended, or whose caller may not be called: no callback, and the log says why."""

from __future__ import annotations

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.observer import told
from tests.asterisk.sip_scripts import rings

pytestmark = pytest.mark.asterisk


async def test_the_caller_hangs_up_in_the_menu(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    await caller.bye()

    call = await bench.judged(await bench.logged(number))

    assert call["stage"] == "menu"
    assert (call["ending"]["party"], call["ending"]["technical"]) == ("caller", False)
    assert {"NO_TECH_EVIDENCE", "STAGE"} <= set(call["decision"]["refusals"])
    assert_left_alone(bench, number, call)


async def test_the_caller_hangs_up_in_the_queue(bench: Bench, number: str) -> None:
    for agent in bench.agents:
        agent.script = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await (await bench.agents[0].rung()).ringing()
    await caller.bye()

    call = await bench.judged(await bench.logged(number))

    assert call["stage"] in ("queued", "connecting")
    assert (call["ending"]["party"], call["ending"]["technical"]) == ("caller", False)
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]
    assert_left_alone(bench, number, call)


async def test_the_caller_hangs_up_while_talking(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))

    assert call["stage"] == "talking"
    assert (call["ending"]["party"], call["ending"]["technical"]) == ("caller", False)
    assert call["ending"]["confidence"] == "high"
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]
    assert_left_alone(bench, number, call)


async def test_the_agent_hangs_up(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    await agent.bye()
    await caller.ended()

    call = await bench.judged(await bench.logged(number))

    assert (call["ending"]["party"], call["ending"]["technical"]) == ("agent", False)
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]
    assert_left_alone(bench, number, call)


ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'


@pytest.mark.parametrize("identity", [False, True], ids=["from-only", "identity-and-privacy"])
async def test_a_withheld_number_that_drops(bench: Bench, number: str, identity: bool) -> None:
    asserted = [("P-Asserted-Identity", f"<sip:{number}@carrier.example>"), ("Privacy", "id")] if identity else []
    caller, agent = await bench.talks(number, from_header=ANONYMOUS, headers=asserted)
    caller.vanish()
    await agent.ended()

    arrived = await bench.observer.wait_for(told("OddzwonArrived"), since=bench.since)
    row = await bench.lab.until("SELECT id FROM call WHERE leg = ?", arrived["Uniqueid"])
    call = await bench.judged(row["id"])

    assert call["ending"]["technical"] is True
    assert call["number"] is None
    assert call["decision"]["allowed"] is False
    assert "CLIR" in call["decision"]["refusals"]
    assert not bench.lab.read("SELECT 1 FROM party WHERE number = ?", number)
    assert number.encode() not in bench.lab.log.read_bytes()
    assert_left_alone(bench, number, call)


async def test_a_forwarded_call_that_drops(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(
        number, headers=[("Diversion", "<sip:+48600100999@carrier.example>;reason=no-answer")]
    )
    caller.vanish()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))

    assert call["ending"]["technical"] is True
    assert call["decision"]["refusals"] == ["CLI_NOT_ORIGINATOR"]
    assert_left_alone(bench, number, call)


async def test_key_8_in_the_menu_and_a_drop(bench: Bench, number: str) -> None:
    caller = await bench.in_menu(number)
    await caller.press("8")
    await bench.prompt("OBJECTED")
    mark = bench.observer.mark()
    await bench.prompt("MENU_OPTION", since=mark)
    await caller.press("1")
    agent = await bench.answered_by(caller)
    caller.vanish()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))

    assert call["ending"]["technical"] is True
    assert call["decision"]["refusals"] == ["OBJECTED"]
    assert [n["prompt"] for n in call["notices"]][-2:] == ["MENU_OPTION", "REC_OBJECT"]
    (objection,) = bench.lab.read("SELECT * FROM objection WHERE call = ?", call["id"])
    assert (objection["scope"], objection["withdrawn_at"]) == ("callback", None)
    assert_left_alone(bench, number, call)


def assert_left_alone(bench: Bench, number: str, call: dict[str, object]) -> None:
    """Decided against, no callback, no INVITE at the carrier, no attempt's channel at Asterisk."""
    assert call["callback"] is None
    assert not bench.lab.read("SELECT 1 FROM callback WHERE call = ?", call["id"])
    assert bench.carrier.invites == []
    assert not bench.observer.among(lambda seen: seen["Uniqueid"].startswith("oddzwon-"), since=bench.since)

"""Callers whose numbers and names are none, too long, foreign to ASCII, or an attempt to speak to the service itself."""

from __future__ import annotations

import pytest

from tests.asterisk.bench import PL, Bench
from tests.asterisk.observer import told

pytestmark = pytest.mark.asterisk

FORTY = "+486001002001234567890123456789012345678901"
UNDIALLABLE = {
    "no-digits": "<sip:carrier.example>",
    "three-digits": "<sip:112@carrier.example>",
    "forty-digits": f"<sip:{FORTY}@carrier.example>",
    "letters": "<sip:alice@carrier.example>",
    "line-ends": "<sip:+48600100200%0D%0AHANGUP%0D%0A200%20result=1@carrier.example>",
    "nul-and-quotes": "<sip:+48600%00%22%5C100200@carrier.example>",
    "dial-string": "<sip:+48600100200%26PJSIP%2Fagent1@carrier.example>",
}
NAMES = {
    "unicode": '"Zażółć 🙂 Ďábel"',
    "quotes": '"a \\"quoted\\" \\\\ name"',
    "control-characters": '"tab\there \x01\x7f"',
    "agi-words": '"HANGUP 200 result=-1"',
    "long": f'"{"n" * 400}"',
}


@pytest.mark.parametrize("sender", UNDIALLABLE.values(), ids=UNDIALLABLE.keys())
async def test_a_number_that_nobody_could_dial(bench: Bench, number: str, sender: str) -> None:
    """Served like any caller; cut off, he is not called back, and what he sent is nowhere taken for a number."""
    caller, agent = await bench.talks(number, from_header=sender)
    await caller.bye("Q.850;cause=38")
    await agent.ended()

    arrived = await bench.observer.wait_for(told("OddzwonArrived"), since=bench.since)
    row = await bench.lab.until("SELECT id FROM call WHERE leg = ?", arrived["Uniqueid"])
    call = await bench.judged(row["id"])

    assert call["menu_key"] == "1"
    assert call["ending"]["technical"] is True
    assert call["number"] is None
    assert call["decision"]["allowed"] is False
    assert {"INVALID", "CLIR"} & set(call["decision"]["refusals"])
    assert bench.carrier.invites == []
    assert len(bench.observer.among(told("OddzwonArrived"), since=bench.since)) == 1


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
async def test_a_name_that_is_odd(bench: Bench, number: str, name: str) -> None:
    """The name is nobody's business: the call is served, its number is kept."""
    caller, agent = await bench.talks(number, from_header=f"{name} <sip:{number}@carrier.example>")
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))

    assert call["menu_key"] == "1"
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]


async def test_a_did_with_line_ends_in_it(bench: Bench, number: str) -> None:
    caller = await bench.dial(number, f"{PL}%0D%0AEvent:%20Hangup%0D%0A")
    await bench.prompt("MENU_OPTION")
    await caller.press("1")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["did"] == PL
    assert call["menu_key"] == "1"

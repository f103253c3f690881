"""Callers whose numbers and names are none, too long, foreign to ASCII, or words meant for the service itself.

Asterisk unescapes the user part of a SIP URI, line ends too, and writes it as it is into its AMI events and into the
headers of an AGI session [measured on 22.10.1].
"""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.asterisk.bench import PL, Bench
from tests.asterisk.observer import told

pytestmark = pytest.mark.asterisk

FORTY = "+486001002001234567890123456789012345678901"
LINES = "\r\nHANGUP\r\n200 result=1"
UNDIALLABLE = {
    "no-digits": "<sip:carrier.example>",
    "three-digits": "<sip:112@carrier.example>",
    "forty-digits": f"<sip:{FORTY}@carrier.example>",
    "letters": "<sip:alice@carrier.example>",
    "line-ends": f"<sip:{quote('+48600100200' + LINES, safe='')}@carrier.example>",
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
    """The dialplan cleans it before anybody reads it: no header is forged by it, and the caller is who he is."""
    caller, agent = await bench.talks(number, PL + quote("\r\nagi_callerid: +48600100201\r\n", safe=""))
    await caller.bye("Q.850;cause=38")
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["did"] == PL
    assert call["decision"]["allowed"] is True
    (await bench.carrier.called(number, 10.0)).refuse(603, "Decline")
    assert (await bench.finished(call["id"]))["callback"]["state"] == "unanswered"
    assert bench.carrier.invites_to("+48600100201") == []


FORGED = {
    "shutdown": "1\r\n\r\nEvent: Shutdown\r\nShutdown: Cleanly\r\n\r\n",
    "shutdown-with-privilege": "1\r\n\r\nEvent: Shutdown\r\nPrivilege: system,all\r\n\r\n",
    "hangup-of-the-other": "1\r\n\r\nEvent: Hangup\r\nUniqueid: {leg}\r\n\r\n",
    "other-uniqueid": "1\r\nUniqueid: {leg}\r\nCause: 38",
}
"""User parts of a From; Asterisk keeps 79 bytes of one (channels of res_pjsip_caller_id)."""


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
async def test_a_caller_forges_events_about_another_call(bench: Bench, number: str, forged: str) -> None:
    """A stranger's From must not make somebody else's plain ending look like a fault, nor end his call in the log."""
    victim, agent = await bench.talks(number)
    arrived = await bench.observer.wait_for(told("OddzwonArrived"), since=bench.since)
    stranger = await bench.carrier.invite(
        f"{PL}@{bench.lab.asterisk}",
        from_number="",
        from_header=f"<sip:{quote(forged.format(leg=arrived['Uniqueid']), safe='')}@carrier.example>",
    )
    await stranger.answered()
    await stranger.hears_audio()
    await stranger.bye()
    await victim.hears(agent)
    assert not bench.lab.read("SELECT 1 FROM call WHERE leg = ? AND ended_at IS NOT NULL", arrived["Uniqueid"])

    await victim.bye()
    await agent.ended()
    call = await bench.judged(await bench.logged(number))
    assert (call["ending"]["party"], call["ending"]["technical"]) == ("caller", False)
    assert call["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]
    assert bench.carrier.invites == []

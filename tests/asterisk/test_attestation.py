"""The agent's word that a call was cut off: in the call, from his phone after it, and on the command line."""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise
from typing import Any

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.lab import LabError
from tests.asterisk.observer import Seen, Wanted, told
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_scripts import answers

pytestmark = pytest.mark.asterisk

CODE = "*#2"
DIALLED = "*%232"
"""The code in a SIP URI, where # must be escaped (RFC 3261 section 25.1)."""
HIGH_TONE, LOW_TONE = 40, 16
"""Changes of sign in a frame of 20 ms: of 1000 Hz and of 400 Hz."""


def stands_still() -> Wanted:
    """Asterisk's first report that nothing has come in from the caller since the report before."""
    last: str | None = None

    def wanted(seen: Seen) -> bool:
        nonlocal last
        if seen.name != "RTCPSent" or not seen["Channel"].startswith("PJSIP/carrier"):
            return False
        same = seen["Report0HighestSequence"] == last
        last = seen["Report0HighestSequence"]
        return same

    return wanted


async def low_evidence(bench: Bench, caller: Leg, agent: Leg) -> None:
    """The caller's audio stops, and after a single report of it comes a plain BYE: a fault, but hardly shown."""
    caller.stop_rtp()
    await bench.observer.wait_for(stands_still(), since=bench.observer.mark())
    await caller.bye()
    await agent.ended()


async def agent_says(bench: Bench, agent: int = 0) -> int:
    """The agent dials the code from his phone; returns the pitch of what he hears before Asterisk hangs up."""
    phone = bench.agents[agent]
    leg = await phone.invite(f"{DIALLED}@{bench.lab.asterisk}", from_number=f"agent{agent + 1}")
    await leg.answered()
    await leg.hears_audio(frames=10)
    signs = [code & 0x80 for code in leg.heard.last]
    await leg.ended()
    return sum(a != b for a, b in pairwise(signs))


async def called_back_once(bench: Bench, number: str, call: str) -> dict[str, Any]:
    """The callback goes out, is answered, talks with agent1 and ends; there is no second one."""
    bench.carrier.scripts[number] = answers(0.3, keys="1")
    leg = await bench.carrier.called(number)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(call)
    assert shown["callback"]["state"] == "completed"
    assert len(bench.carrier.invites_to(number)) == 1
    return shown


def said(evidence: list[dict[str, Any]]) -> list[str]:
    """The agent's words among the evidence."""
    return [one["fact"] for one in evidence if one["fact"].startswith("the agent says")]


def close(pitch: int, wanted: int) -> bool:
    return abs(pitch - wanted) <= 2


async def test_the_code_in_the_call_makes_a_weak_sign_sure(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    mark = bench.observer.mark()
    await agent.press(CODE)
    await bench.observer.wait_for(told("OddzwonFeature", Feature="attest"), since=mark)
    await bench.lab.until("SELECT 1 FROM attestation WHERE call = ?", call)
    await caller.hears(agent)  # they go on talking
    await low_evidence(bench, caller, agent)

    shown = await called_back_once(bench, number, call)
    ending = shown["ending"]
    assert (ending["technical"], ending["confidence"]) == (True, "high")
    assert said(ending["evidence"]) == ["the agent says that it was cut off (code)"]
    assert shown["earlier"] == []
    (word,) = shown["attestations"]
    assert (word["door"], word["by"], word["fault"]) == ("code", "PJSIP/agent1", None)


async def test_a_caller_cannot_say_so(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    mark = bench.observer.mark()
    await caller.press(CODE)
    await bench.observer.wait_for(lambda seen: seen.name == "DTMFEnd" and seen["Digit"] == "2", since=mark)
    await agent.hears(caller)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    assert shown["attestations"] == []
    assert (shown["ending"]["party"], shown["ending"]["technical"]) == ("caller", False)


async def test_a_goodbye_stands_against_the_bare_word_and_yields_to_a_named_fault(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await caller.bye()
    await agent.ended()
    before = await bench.judged(call)
    assert before["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]

    bare = await bench.lab.oddzwon("drop", call, "--by", "anna", "--reason", "he was in mid-sentence", "--json")
    assert (bare["attested"], bare["changed"], bare["ending"]["technical"]) == (call, False, False)
    shown = await bench.lab.call(call)
    assert shown["ending"]["evidence"] == before["ending"]["evidence"]
    assert said(shown["ending"]["against"]) == ["the agent says that it was cut off (console)"]
    assert shown["decision"] == before["decision"]
    assert (shown["callback"], shown["earlier"]) == (None, [])

    named = await bench.lab.oddzwon(
        "drop", call, "--by", "anna", "--reason", "his line, he says", "--fault", "caller-line", "--json"
    )
    assert (named["changed"], named["ending"]["party"], named["ending"]["confidence"]) == (True, "network", "medium")
    shown = await called_back_once(bench, number, call)
    assert shown["ending"]["technical"] is True
    assert said(shown["ending"]["evidence"]) == ["the agent says that it was cut off: caller-line (console)"]
    assert [one["fact"] for one in before["ending"]["evidence"]] == [one["fact"] for one in shown["ending"]["against"]][
        : len(before["ending"]["evidence"])
    ]
    (earlier,) = shown["earlier"]
    assert earlier["decision"] == before["decision"]
    assert [one["reason"] for one in shown["attestations"]] == ["he was in mid-sentence", "his line, he says"]

    # a third word cannot make a second callback
    again = await bench.lab.oddzwon("drop", call, "--by", "anna", "--reason", "again", "--fault", "pbx", "--json")
    assert again["attested"] == call
    assert len(bench.lab.read("SELECT 1 FROM callback WHERE call = ?", call)) == 1


async def test_the_code_from_the_agents_phone_after_the_call(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await low_evidence(bench, caller, agent)
    before = await bench.judged(call)
    assert (before["ending"]["technical"], before["ending"]["confidence"]) == (True, "low")
    assert before["decision"]["refusals"] == ["NO_TECH_EVIDENCE"]

    assert close(await agent_says(bench), HIGH_TONE)
    shown = await called_back_once(bench, number, call)
    assert shown["ending"]["confidence"] == "high"
    assert said(shown["ending"]["evidence"]) == ["the agent says that it was cut off (phone)"]
    assert [one["ending"]["confidence"] for one in shown["earlier"]] == ["low"]
    (word,) = shown["attestations"]
    assert (word["door"], word["by"]) == ("phone", "PJSIP/agent1")

    # his last call is the callback now, and that is not called back
    assert close(await agent_says(bench), LOW_TONE)
    assert len(bench.lab.read("SELECT 1 FROM attestation WHERE call = ?", call)) == 1


async def test_an_agent_who_had_no_call_hears_that_nothing_was_taken(bench: Bench) -> None:
    await bench.lab.forget_calls()  # other tests' calls were his, too
    count = len(bench.lab.read("SELECT 1 FROM attestation"))
    assert close(await agent_says(bench, 3), LOW_TONE)
    assert len(bench.lab.read("SELECT 1 FROM attestation")) == count


async def test_an_agent_hears_that_the_service_is_away(bench: Bench) -> None:
    await bench.lab.signal_service(signal.SIGTERM)
    assert close(await agent_says(bench), LOW_TONE)
    await bench.lab.up()


async def test_said_of_a_call_that_is_still_up(bench: Bench, number: str) -> None:
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    answer = await bench.lab.oddzwon(
        "drop", call, "--by", "anna", "--reason", "crackling", "--fault", "agent-line", "--json"
    )
    assert (answer["live"], answer["changed"]) == (True, None)
    await agent.bye()
    await caller.ended()

    shown = await called_back_once(bench, number, call)
    assert (shown["ending"]["party"], shown["ending"]["confidence"]) == ("agent", "medium")
    assert shown["earlier"] == []


async def test_what_was_said_outlives_the_service(bench: Bench, number: str) -> None:
    """Attested in the call, then the service is killed: the word is in the journal of the call that is taken over."""
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await agent.press(CODE)
    await bench.lab.until("SELECT 1 FROM attestation WHERE call = ?", call)
    await bench.lab.signal_service(signal.SIGKILL)
    await bench.lab.up()
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(call)
    assert said([*shown["ending"]["evidence"], *shown["ending"]["against"]]) == [
        "the agent says that it was cut off (code)"
    ]


async def test_what_cannot_be_attested(bench: Bench, number: str) -> None:
    with pytest.raises(LabError, match="no call 'call_none' in the log"):
        await bench.lab.oddzwon("drop", "call_none", "--by", "anna", "--reason", "x", "--json")
    caller, agent = await bench.talks(number)
    call = await bench.logged(number)
    await caller.bye('Q.850;cause=38;text="Network out of order"')
    await agent.ended()
    await called_back_once(bench, number, call)
    own = await bench.logged(number, direction="callback")
    await asyncio.gather(bench.judged(own), bench.judged(call))
    with pytest.raises(LabError, match="is a callback of ours"):
        await bench.lab.oddzwon("drop", own, "--by", "anna", "--reason", "x", "--json")

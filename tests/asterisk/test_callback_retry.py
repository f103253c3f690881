"""How a dial comes out, by the trunk's own words: who is dialled again and when, who is not, and whose fault it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from oddzwon.domain.hangup_cause import AttemptOutcome
from tests.asterisk.bench import Bench
from tests.asterisk.customers import CallbackSeen, called_back, cut_off, seen
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import EndedBy, Leg, Script
from tests.asterisk.sip_scripts import announces, redirects, refuses, rings

pytestmark = pytest.mark.asterisk

SLACK_S = 0.5
"""So much sooner than by the service's clock a gap may look by the peer's."""

OUTCOMES = frozenset(outcome.value for outcome in AttemptOutcome)


@dataclass(frozen=True, slots=True)
class Came:
    """What the carrier makes of each dial, and what the log must say of it. ``attempts`` are their states."""

    script: Script
    outcome: str
    cause: int
    attempts: tuple[str, ...]
    state: str


async def came_out(bench: Bench, number: str, case: Came) -> list[str]:
    """One callback to its end; returns what is not as the case says."""
    bench.carrier.scripts[number] = case.script
    call = await cut_off(bench, number)
    found = await seen(bench, call)
    dials = len(case.attempts)
    ends = [why for _, why in found.history if why in OUTCOMES]
    said = (tuple(found.attempts), found.causes, found.state, ends, len(bench.carrier.invites_to(number)))
    wanted = (case.attempts, [case.cause] * dials, case.state, [case.outcome] * dials, dials)
    return [] if said == wanted else [f"{case.outcome}: {said}, not {wanted}"]


async def all_of(bench: Bench, numbers: Iterator[str], *cases: Came) -> list[str]:
    """The cases side by side, an agent for each."""
    assert len(cases) <= len(bench.agents)
    told = await asyncio.gather(*(came_out(bench, next(numbers), case) for case in cases))
    return [words for one in told for words in one]


TWICE = ("unanswered", "unanswered")
ONCE = ("unanswered",)


async def test_who_is_busy_or_away_is_dialled_again(bench: Bench, number_plan: Iterator[str]) -> None:
    wrong = await all_of(
        bench,
        number_plan,
        Came(refuses(600, "Busy Everywhere"), "busy", 17, TWICE, "unanswered"),
        Came(announces(then=refuses(486, "Busy Here")), "busy", 17, TWICE, "unanswered"),
        Came(refuses(480, "Temporarily Unavailable"), "no_answer", 19, TWICE, "unanswered"),
        Came(refuses(408, "Request Timeout"), "unreachable", 18, TWICE, "unanswered"),
    )
    assert wrong == []


async def test_a_number_that_is_not_his_is_not(bench: Bench, number_plan: Iterator[str]) -> None:
    wrong = await all_of(
        bench,
        number_plan,
        Came(refuses(404, "Not Found"), "wrong_number", 1, ONCE, "unanswered"),
        Came(refuses(410, "Gone"), "wrong_number", 22, ONCE, "unanswered"),
        Came(refuses(484, "Address Incomplete"), "wrong_number", 28, ONCE, "unanswered"),
        Came(refuses(604, "Does Not Exist Anywhere"), "wrong_number", 1, ONCE, "unanswered"),
    )
    assert wrong == []


async def test_nor_who_declines_or_sends_us_on_to_another_number(bench: Bench, number_plan: Iterator[str]) -> None:
    """A 302 is not followed, neither to a number nor into our own dialplan."""
    elsewhere = f"@{bench.lab.net}.2:5060"
    wrong = await all_of(
        bench,
        number_plan,
        Came(refuses(603, "Decline"), "rejected", 21, ONCE, "unanswered"),
        Came(redirects(f"sip:+48600999999{elsewhere}"), "moved", 23, ONCE, "unanswered"),
        Came(redirects(f"sip:+48221234567{elsewhere}"), "moved", 23, ONCE, "unanswered"),
    )
    assert wrong == []
    assert bench.carrier.invites_to("+48600999999") == []
    arrivals = bench.observer.among(lambda event: event["UserEvent"] == "OddzwonArrived", since=bench.since)
    assert len(arrivals) == 3, "the customers' own calls, and none that a 302 sent into our dialplan"


@pytest.mark.complains("dial-redirected")
async def test_a_dial_string_in_a_302_is_hung_up(bench: Bench, number: str, number_plan: Iterator[str]) -> None:
    """Asterisk takes ``PJSIP/…`` in a 302's user part for what to dial, past every dialplan: it rings for a moment."""
    victim = next(number_plan)
    bench.carrier.scripts[victim] = rings()
    bench.carrier.scripts[number] = redirects(f"sip:PJSIP/{victim}%40carrier@{bench.lab.net}.2:5060")
    async with bench.lab.settings(("ring_limit_s = 8.0", f"ring_limit_s = {PATIENCE_S}")):
        call = await cut_off(bench, number)
        stray = await bench.carrier.called(victim)
        gone = await stray.ended(PATIENCE_S / 2)
        found = await seen(bench, call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert (found.state, found.why, found.attempts) == ("unanswered", "moved", ["unanswered"])
    assert len(bench.carrier.invites_to(victim)) == 1


@pytest.mark.complains("trunk-refused")
async def test_the_trunk_refuses(bench: Bench, number_plan: Iterator[str]) -> None:
    """It is the operator's alarm, not the customer's fault: his callback has failed, he is not "unanswered"."""
    size = bench.lab.log_size()
    wrong = await all_of(
        bench,
        number_plan,
        Came(refuses(403, "Forbidden"), "trunk_refused", 21, ("failed",), "failed"),
        Came(refuses(401, "Unauthorized"), "trunk_refused", 21, ("failed",), "failed"),
        Came(refuses(503, "Service Unavailable"), "congestion", 34, ("failed", "failed"), "failed"),
        Came(refuses(500, "Server Internal Error"), "congestion", 38, ("failed", "failed"), "failed"),
    )
    assert wrong == []
    assert '"condition": "trunk-refused"' in bench.lab.log_lines(size)


@pytest.mark.complains("trunk-refused")
async def test_the_trunk_is_full_and_then_it_rings(bench: Bench, number: str) -> None:
    """The refused dial counts; the next one is the customer's, and its outcome is what the callback ends by."""
    bench.carrier.scripts[number] = refuses(503, "Service Unavailable")
    call = await cut_off(bench, number)
    await bench.carrier.called(number)
    size = bench.lab.log_size()
    bench.carrier.scripts[number] = rings()
    await bench.lab.says('"alarm over"', since=size)
    found = await seen(bench, call)

    assert (found.attempts, found.causes) == (["failed", "unanswered"], [34, 19])
    assert (found.state, found.why) == ("unanswered", "no_answer")


async def test_nobody_answers_the_invite_at_all(bench: Bench, number: str) -> None:
    """The carrier's side is off the network: not even 100 Trying comes back, until it is there again."""
    call = await cut_off(bench, number)
    bench.carrier.off = True
    await bench.lab.until(
        "SELECT 1 FROM attempt AS a JOIN callback AS b ON b.id = a.callback WHERE b.call = ?"
        " AND a.state NOT IN ('committed', 'dialling')",
        call,
    )
    bench.carrier.scripts[number] = refuses(603, "Decline")
    bench.carrier.off = False
    found = await seen(bench, call)

    assert (found.attempts, found.causes) == (["unanswered", "unanswered"], [18, 21])
    assert len({a["channel_id"] for a in found.shown["callback"]["attempts"]}) == 2


async def test_answered_and_gone_at_once(bench: Bench, number: str) -> None:
    """The one answer is used up, whoever it was: he is not rung again."""

    async def answers_and_goes(leg: Leg) -> None:
        leg.answer()
        await leg.bye()

    bench.carrier.scripts[number] = answers_and_goes
    found = await seen(bench, await cut_off(bench, number))

    assert (found.state, found.attempts) == ("unanswered", ["unanswered"])
    assert len(bench.carrier.invites_to(number)) == 1


RETRY = """
[callbacks.retry]
busy = 1.0
no_answer = 4.0
unreachable = 0
congestion = 2.0
"""


@pytest.mark.complains("trunk-refused")
async def test_each_outcome_has_its_own_gap(bench: Bench, number_plan: Iterator[str]) -> None:
    """As the operator sets it: soon after busy, later after no answer, never after a phone that is off."""
    numbers = [next(number_plan) for _ in range(4)]
    scripts = (
        refuses(486, "Busy Here"),
        refuses(480, "Temporarily Unavailable"),
        refuses(408, "Request Timeout"),
        refuses(503, "Service Unavailable"),
    )
    bench.carrier.scripts.update(zip(numbers, scripts, strict=True))
    async with bench.lab.settings(("gap_s = 5.0", "gap_s = 60.0"), ("[alarms]\n", f"{RETRY}\n[alarms]\n")):
        found = await asyncio.gather(*(_cut_off_and_seen(bench, number) for number in numbers))
    legs = [bench.carrier.invites_to(number) for number in numbers]

    assert [len(rung) for rung in legs] == [2, 2, 1, 2]
    assert [one.attempts for one in found] == [[*TWICE], [*TWICE], [*ONCE], ["failed", "failed"]]
    for rung, gap in zip(legs, (1.0, 4.0, 0.0, 2.0), strict=True):
        if len(rung) == 2:
            assert rung[1].began - (await rung[0].ended()).at >= gap - SLACK_S


async def _cut_off_and_seen(bench: Bench, number: str) -> CallbackSeen:
    return await seen(bench, await cut_off(bench, number))


async def test_the_end_of_the_window_ends_what_rings(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = rings()
    async with bench.lab.settings(("ring_limit_s = 8.0", "ring_limit_s = 60.0\nfirst_dial_s = 20.0\nlapse_s = 20.0")):
        call = await cut_off(bench, number)
        customer = await called_back(bench, number)
        gone = await customer.leg.ended()
        found = await seen(bench, call)

    assert gone.by is EndedBy.THEIR_CANCEL
    assert (found.state, found.attempts) == ("lapsed", ["cancelled"])


async def test_the_end_of_the_window_ends_what_waits(bench: Bench, number: str) -> None:
    """The next dial would come too late: it lapses at once, and nobody holds a place for it."""
    bench.carrier.scripts[number] = refuses(486, "Busy Here")
    async with bench.lab.settings(("gap_s = 5.0", "gap_s = 60.0\nfirst_dial_s = 20.0\nlapse_s = 20.0")):
        found = await seen(bench, await cut_off(bench, number))

    assert (found.state, found.attempts, found.why) == ("lapsed", ["unanswered"], "busy")
    assert len(bench.carrier.invites_to(number)) == 1

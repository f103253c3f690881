"""Conditions of a callback that ask for other settings, a register, or a service that was away: each whole decision.

What one caller alone can show is played by tests/asterisk/conditions.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from oddzwon.callflow import failpoints
from oddzwon.clock import BOOT
from oddzwon.domain.lawfulness import Code
from oddzwon.log import CallLog
from tests.asterisk.bench import CS, DE, EN, FINAL, PL, SETTLED_S, Bench
from tests.asterisk.conditions.case import PASSED, Found
from tests.asterisk.conditions.stranger import FAULT, Stranger
from tests.asterisk.conditions.verdicts import conditions_of
from tests.asterisk.endings.hand import Hand
from tests.asterisk.observer import told
from tests.asterisk.sip_scripts import answers, refuses

pytestmark = pytest.mark.asterisk

COUNTRIES = 'countries = ["EU_EEA", "GB"]'
TESTED = 'balancing_test = { id = "LAB-CB", date = 2026-01-15 }'
FIRST_DIAL_S = 6.0
TOO_LATE_S = FIRST_DIAL_S + 1.0


@pytest.fixture
async def hand(bench: Bench) -> AsyncIterator[Hand]:
    async with Hand(bench.lab.asterisk) as hand:
        yield hand


def found(shown: dict[str, Any], **differs: Found) -> None:
    """The decision lists every condition, in order, and only these differ from a lawful one's."""
    assert conditions_of(shown) == [(code, *differs.get(code, PASSED[code])) for code in Code]
    refused = [code for code in Code if differs.get(code, PASSED[code])[0] is not True]
    assert (shown["decision"]["allowed"], shown["decision"]["refusals"]) == (not refused, refused)


async def dropped(bench: Bench, number: str, did: str = PL, **how: Any) -> str:
    """A talk that the carrier's network cut off; returns the call's id."""
    caller, agent = await bench.talks(number, did, **how)
    await caller.bye(FAULT)
    await agent.ended()
    return await bench.logged(number)


# --- the operator's settings ------------------------------------------------------------------------------------------


async def test_without_a_balancing_test_nobody_is_called_back(bench: Bench, number: str) -> None:
    async with bench.lab.settings((TESTED, "")):
        shown = await bench.judged(await dropped(bench, number))
    found(
        shown,
        STAGE=(True, "stage talking"),
        NO_BALANCING_TEST=(False, "no test documented"),
    )
    assert shown["decision"]["policy_values"]["balancing_test"] is None
    assert bench.carrier.invites == []


async def test_strict_calls_nobody_back_from_the_queue(
    bench: Bench, hand: Hand, number: str, number_plan: Iterator[str]
) -> None:
    talker = next(number_plan)
    bench.carrier.scripts[talker] = refuses(603, "Decline")
    async with bench.lab.settings((COUNTRIES, f'policy = "strict"\n{COUNTRIES}')):
        bench.numbers.append(number)
        waiting = Stranger(bench, hand, number)
        waiting.begin()
        await waiting.is_cut_off()
        queued = await bench.judged(await bench.logged(number))
        talking = await bench.finished(await dropped(bench, talker))
        names = await bench.lab.oddzwon("check", "--json")
    found(queued, STAGE=(False, "stage queued"))
    found(talking, STAGE=(True, "stage talking"))
    for shown in (queued, talking):
        values = shown["decision"]["policy_values"]
        assert (values["name"], values["stages"]) == ("pl strict", ["connecting", "talking"])
        assert f"pl strict {shown['decision']['policy'][:12]}" in named_policies(names)
    assert [leg.to_number for leg in bench.carrier.invites] == [talker]


def named_policies(check: list[dict[str, Any]]) -> str:
    """What ``check --json`` says of the policies."""
    return next(str(result["found"]) for result in check if result["check"] == "policies")


async def test_each_number_has_the_policy_of_its_jurisdiction(bench: Bench, number_plan: Iterator[str]) -> None:
    """A decision's hash leads to its values: in the log for ever, in `check` for those of today."""
    decided = {}
    for did, preset in ((PL, "pl"), (CS, "cz"), (DE, "de"), (EN, "eu")):
        number = next(number_plan)
        caller = await bench.in_menu(number, did)
        await caller.bye(FAULT)
        decision = (await bench.judged(await bench.logged(number)))["decision"]
        assert decision["refusals"] == ["STAGE"]
        values, digest = decision["policy_values"], decision["policy"]
        assert values["name"] == preset
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(canonical.encode()).hexdigest() == digest
        decided[preset] = digest
    assert len(set(decided.values())) == 4
    today = named_policies(await bench.lab.oddzwon("check", "--json"))
    assert today == ", ".join(sorted(f"{preset} {digest[:12]}" for preset, digest in decided.items()))
    kept = {row["hash"] for row in bench.lab.read("SELECT hash FROM policy")}
    assert kept >= set(decided.values())


# --- the registers ----------------------------------------------------------------------------------------------------


async def test_a_restricted_number_is_not_called_back(bench: Bench, number: str) -> None:
    """Art. 18: registered after his first call, through the log's own room; his second call is cut off."""
    caller = await bench.in_menu(number)
    await caller.bye()
    await bench.judged(await bench.logged(number))
    (row,) = bench.lab.read("SELECT number_key FROM party WHERE number = ?", number)
    async with await CallLog.open(bench.lab.state / "oddzwon.db") as log:
        await log.restrict(number_key=row["number_key"], at=1)
    caller, agent = await bench.talks(number)
    await caller.bye(FAULT)
    await agent.ended()
    shown = await bench.judged(await bench.logged(number, nth=2))
    found(shown, STAGE=(True, "stage talking"), RESTRICTED=(False, "restriction"))
    assert bench.carrier.invites == []


# --- a callback's own call --------------------------------------------------------------------------------------------


async def test_a_callback_that_drops_is_no_inbound_call(bench: Bench, number: str) -> None:
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    call = await dropped(bench, number)
    leg = await bench.carrier.called(number)
    await leg.answered()
    await bench.lab.until("SELECT 1 FROM callback WHERE call = ? AND state = 'connected'", call)
    await leg.bye(FAULT)
    shown = await bench.finished(call)
    found(shown, STAGE=(True, "stage talking"))
    own = await bench.judged(shown["callback"]["attempts"][0]["call"])
    assert own["ending"]["technical"] is True
    results = {code: (passed, evidence) for code, passed, evidence in conditions_of(own)}
    assert list(results) == list(Code)
    assert results[Code.NOT_INBOUND] == (False, "direction callback")
    assert own["decision"]["allowed"] is False
    assert own["callback"] is None
    assert len(bench.carrier.invites_to(number)) == 1


# --- the window -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def soon(bench: Bench) -> AsyncIterator[Bench]:
    """The first dial must leave within a few seconds of the loss."""
    async with bench.lab.settings((COUNTRIES, f"{COUNTRIES}\nfirst_dial_s = {FIRST_DIAL_S}")):
        yield bench


async def test_a_service_that_comes_back_too_late_decides_so(soon: Bench, number: str) -> None:
    bench = soon
    caller, agent = await bench.talks(number)
    await bench.lab.signal_service(signal.SIGKILL)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.observer.until_quiet()
    await asyncio.sleep(TOO_LATE_S)  # the window itself is what the test is about
    await bench.lab.up()
    shown = await bench.judged(await bench.logged(number))
    results = {code: (passed, evidence) for code, passed, evidence in conditions_of(shown)}
    assert results[Code.TOO_LATE] == (False, f"lost … s ago, limit {FIRST_DIAL_S:.1f} s")
    assert shown["decision"]["refusals"] == ["TOO_LATE"]
    assert bench.carrier.invites == []


async def test_a_callback_is_not_begun_after_its_window(soon: Bench, number: str) -> None:
    """Decided in time, then the service died; when it is back the right to a first dial has lapsed."""
    bench = soon
    await bench.lab.signal_service(signal.SIGTERM)
    await bench.lab.up(failpoint=failpoints.DECISION_COMMITTED)
    caller, agent = await bench.talks(number)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.lab.service_gone(SETTLED_S)
    call = await bench.logged(number)
    (row,) = bench.lab.read("SELECT lost_boot, lost_boot_ms FROM call WHERE id = ?", call)
    assert row["lost_boot"] == BOOT, "the loss is noted by the clock of this boot"
    assert row["lost_boot_ms"] > 0
    await asyncio.sleep(TOO_LATE_S)  # the window itself is what the test is about
    await bench.lab.up()
    await bench.lab.until(f"SELECT 1 FROM callback WHERE call = ? AND state IN {FINAL}", call, within=SETTLED_S)
    shown = await bench.lab.call(call)
    assert shown["decision"]["allowed"] is True
    assert (shown["callback"]["state"], shown["callback"]["attempts"]) == ("lapsed", [])
    assert bench.carrier.invites == []


# --- while the service is away ----------------------------------------------------------------------------------------

HIDING = {
    "a second Privacy header": [("Privacy", "none"), ("Privacy", "id")],
    "the older header beside the newer": [("Remote-Party-ID", "<sip:{number}@x>;party=calling;privacy=full")],
}


@pytest.mark.parametrize("how", HIDING)
async def test_the_stand_in_keeps_no_hidden_number(bench: Bench, number: str, how: str) -> None:
    asserted = ("P-Asserted-Identity", f"<sip:{number}@carrier.example>")
    headers = [asserted, *((name, value.format(number=number)) for name, value in HIDING[how])]
    await bench.lab.signal_service(signal.SIGTERM)
    caller = await bench.dial(number, headers=headers)
    await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
    arrived = await bench.observer.wait_for(told("OddzwonArrived"), since=bench.since)
    (spooled,) = (bench.lab.state / "missed").glob(f"{arrived['Uniqueid']}.call.json")
    assert json.loads(spooled.read_text())["number"] is None
    assert number.removeprefix("+48") not in spooled.read_text()
    await bench.lab.up()
    await caller.bye(FAULT)
    row = await bench.lab.until("SELECT id FROM call WHERE leg = ?", arrived["Uniqueid"])
    shown = await bench.judged(row["id"])
    assert shown["number"] is None
    assert {"CLIR", "NO_NOTICE"} <= set(shown["decision"]["refusals"])
    assert bench.carrier.invites == []

"""What nobody saw is read afterwards: Asterisk's CEL, and the spool of the script that stands in for the service."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.asterisk.bench import TIE, Bench
from tests.asterisk.conftest import KeepRow
from tests.asterisk.endings.said import of_call
from tests.asterisk.lab import AMI, AMI_ELSEWHERE, POLL_S
from tests.asterisk.observer import named, told
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_scripts import answers, rings
from tests.asterisk.wire import Wire

pytestmark = pytest.mark.asterisk

FAULT = "Q.850;cause=38"
SECOND = 50
"""Frames of 20 ms."""
SPOOLED_S = PATIENCE_S


def verdict(call: dict[str, Any]) -> tuple[str, bool | None]:
    return call["ending"]["party"], call["ending"]["technical"]


def now() -> str:
    """This moment as the command line writes times."""
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def called_back(bench: Bench, number: str) -> dict[str, Any]:
    """The carrier is called, answers, presses 1, talks with agent1 and hangs up; the call that had dropped."""
    leg = await bench.carrier.called(number)
    await leg.answered()
    agent = await bench.answered_by(leg)
    await leg.bye()
    await agent.ended()
    shown = await bench.finished(await bench.logged(number))
    assert shown["callback"]["state"] == "completed"
    assert len(bench.lab.read(TIE, shown["id"])) == 1
    assert len(bench.carrier.invites_to(number)) == 1
    return shown


def spooled(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.lab.state / "missed").iterdir())


async def spool_is_empty(bench: Bench) -> None:
    """What is in the log does not stay in the spool."""
    async with asyncio.timeout(SPOOLED_S):
        while spooled(bench):  # noqa: ASYNC110 - a folder tells nobody of its files
            await asyncio.sleep(POLL_S)


# --- the manager connection is away ---------------------------------------------------------------------------------


@pytest.mark.complains("ami-lost")
async def test_cut_off_while_ami_is_away(
    bench: Bench, number: str, number_plan: Iterator[str], table_row: KeepRow
) -> None:
    """One was cut off by his carrier's word and is called back, another said goodbye and is not."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    other = next(number_plan)
    caller, agent = await bench.talks(number)
    polite = await bench.in_menu(other)
    await bench.lab.ami_goes()
    try:
        await caller.bye(FAULT)
        await agent.ended()
        await polite.bye()
        await bench.observer.until_quiet()
        over_by = now()
    finally:
        await bench.lab.ami_returns()

    shown = await called_back(bench, number)
    assert verdict(shown) == ("carrier", True)
    assert shown["stage"] == "talking"
    assert shown["ended_at"] <= over_by
    left = await bench.judged(await bench.logged(other))
    assert verdict(left) == ("caller", False)
    assert left["callback"] is None
    await spool_is_empty(bench)
    table_row("AMI cut, BYE with Reason Q.850 38 meanwhile", of_call(bench, shown, recorded=True), shown)
    table_row("AMI cut, BYE in the menu meanwhile", of_call(bench, left, recorded=True), left)


@pytest.mark.complains("ami-lost")
async def test_cut_off_while_ami_is_silent(bench: Bench, number: str, table_row: KeepRow) -> None:
    """The connection is half open: it stands, and nothing comes of it, since something in between forgot it."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    size = bench.lab.log_size()
    await bench.lab.ami_goes()
    try:
        async with Wire(bench.lab.asterisk, AMI, AMI_ELSEWHERE) as wire:
            await bench.lab.says('"event": "ami_up"', since=size, within=SPOOLED_S)
            caller, agent = await bench.talks(number)
            size = bench.lab.log_size()
            wire.hush()
            await caller.bye(FAULT)
            await agent.ended()
            await bench.lab.says("ami-lost", since=size)
            shown = await called_back(bench, number)
    finally:
        await bench.lab.ami_returns()

    assert verdict(shown) == ("carrier", True)
    assert shown["stage"] == "talking"
    table_row("AMI silent, BYE with Reason Q.850 38 meanwhile", of_call(bench, shown, recorded=True), shown)


@pytest.mark.complains("ami-lost")
@pytest.mark.parametrize("side", ["caller", "agent"])
async def test_a_network_that_vanished_while_ami_was_away(
    bench: Bench, number: str, side: str, table_row: KeepRow
) -> None:
    """An rtp_timeout ends both legs alike; whose it was is told by who left the bridge first."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await bench.lab.ami_goes()
    try:
        (caller if side == "caller" else agent).vanish()
        await (agent if side == "caller" else caller).ended()
        await bench.observer.until_quiet()
    finally:
        await bench.lab.ami_returns()

    shown = await called_back(bench, number)
    assert verdict(shown) == ("network" if side == "caller" else "agent", True)
    said = of_call(bench, shown, recorded=True)
    if side == "caller":
        table_row("AMI cut, the caller's RTP stops meanwhile", said, shown)
    else:
        table_row("AMI cut, the agent's RTP stops meanwhile", said, shown)


@pytest.mark.complains("ami-lost")
async def test_connected_and_cut_off_while_ami_was_away(bench: Bench, number: str) -> None:
    """He waited when the connection was lost: that he was talking when he was cut off, and with whom, CEL tells."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    for agent in bench.agents:
        agent.script = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    bench.met.append(await bench.agents[0].rung())
    await bench.lab.ami_goes()
    try:
        for agent in bench.agents:
            agent.script = answers(0.2)
        talking = await bench.observer.wait_for(named("AgentConnect"), 30.0, since=bench.since)
        await caller.hears_audio(frames=SECOND)
        await caller.bye(FAULT)
        await bench.observer.until_quiet()
    finally:
        await bench.lab.ami_returns()

    leg = await bench.carrier.called(number)
    await leg.answered()
    await bench.lab.until("SELECT 1 FROM callback WHERE state = 'connected' AND call = ?", await bench.logged(number))
    await leg.bye()
    shown = await bench.finished(await bench.logged(number))
    assert verdict(shown) == ("carrier", True)
    assert (shown["stage"], shown["agent"]) == ("talking", talking["Interface"])


async def asterisk_knows(bench: Bench) -> None:
    """Until Asterisk has noticed that the dead service's manager session is gone."""
    async with asyncio.timeout(SPOOLED_S):
        asked = "dialplan eval function AMI_CLIENT(oddzwon,sessions)"
        while "Result: 0" not in await bench.lab.rasterisk(asked):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(POLL_S)


# --- the service is away --------------------------------------------------------------------------------------------


@pytest.fixture
async def killed(bench: Bench) -> AsyncIterator[Bench]:
    """The test kills the service; it is up again at the end."""
    yield bench
    await bench.lab.up()


async def test_cut_off_while_the_service_was_dead(
    killed: Bench, number: str, number_plan: Iterator[str], table_row: KeepRow
) -> None:
    """One was cut off by his carrier's word and is called back, another said goodbye and is not."""
    bench = killed
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    other = next(number_plan)
    caller, agent = await bench.talks(number)
    polite = await bench.in_menu(other)
    await polite.press("1")
    second = await bench.answered_by(polite, 1)
    await spool_is_empty(bench)
    await bench.lab.signal_service(signal.SIGKILL)
    await asterisk_knows(bench)
    await polite.bye()
    await second.ended()
    await caller.bye(FAULT)
    await agent.ended()
    await bench.observer.until_quiet()
    written = [name.rpartition(".leg")[2] for name in spooled(bench)]
    assert written == [".json"] * 4, "both legs of both calls are written down"
    over_by = now()
    await bench.lab.up()

    shown = await called_back(bench, number)
    assert verdict(shown) == ("carrier", True)
    assert shown["ended_at"] <= over_by
    assert len(bench.lab.read("SELECT 1 FROM ending WHERE call = ?", shown["id"])) == 1
    left = await bench.judged(await bench.logged(other))
    assert verdict(left) == ("caller", False)
    assert left["callback"] is None
    await spool_is_empty(bench)
    table_row("the service killed, BYE with Reason Q.850 38 meanwhile", of_call(bench, shown, recorded=True), shown)
    table_row("the service killed, BYE meanwhile", of_call(bench, left, recorded=True), left)


async def test_by_the_spool_alone(killed: Bench, number: str) -> None:
    """Without CEL the hangup handlers' own files tell."""
    bench = killed
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    await bench.lab.signal_service(signal.SIGKILL)
    await asterisk_knows(bench)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.observer.until_quiet()
    (bench.lab.state / "asterisk/log/cel-custom/oddzwon.csv").write_bytes(b"")
    await bench.lab.up()

    assert verdict(await called_back(bench, number)) == ("carrier", True)


async def test_served_by_the_stand_in_and_cut_off_in_the_queue(killed: Bench, number: str, table_row: KeepRow) -> None:
    """His drop is found, and refused: the static notice told him nothing of a callback."""
    bench = killed
    for agent in bench.agents:
        agent.script = rings()
    await bench.lab.signal_service(signal.SIGKILL)
    caller = await bench.dial(number)
    stood_in = await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
    ringing = await bench.agents[0].rung()
    assert stood_in["Played"] == "SUCCESS"
    assert caller.heard.sounding > 0
    await caller.bye(FAULT)
    await ringing.ended()
    await bench.observer.until_quiet()
    over_by = now()
    await bench.lab.up()

    shown = await bench.judged(await bench.logged(number))
    (notice,) = shown["notices"]
    assert (notice["prompt"], notice["complete"], notice["language"]) == ("STATIC", True, "pl")
    assert verdict(shown) == ("carrier", True)
    assert shown["stage"] in ("queued", "connecting")
    assert shown["ended_at"] <= over_by
    assert shown["decision"]["allowed"] is False
    assert "NO_NOTICE" in shown["decision"]["refusals"]
    assert "CLIR" not in shown["decision"]["refusals"]
    await spool_is_empty(bench)
    said = of_call(bench, shown, recorded=True)
    table_row("the service killed, a new caller's BYE with Reason Q.850 38 in the queue", said, shown)


async def test_a_withheld_number_is_not_spooled(killed: Bench, number: str) -> None:
    bench = killed
    await spool_is_empty(bench)
    await bench.lab.signal_service(signal.SIGKILL)
    caller = await bench.dial(number, headers=[("Privacy", "id")])
    await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
    (file,) = spooled(bench)
    written = (bench.lab.state / "missed" / file).read_text()
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()
    assert '"number": null' in written
    assert number not in written
    assert (bench.lab.state / "missed").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("how", ["missing", "broken"])
async def test_the_stand_in_cannot_run(killed: Bench, number: str, how: str) -> None:
    """The notice is said all the same, and the call goes on to the queue."""
    bench = killed
    script = bench.lab.state / "asterisk/agi-bin/oddzwon-stand-in"
    whole = script.read_bytes()
    await spool_is_empty(bench)
    await bench.lab.signal_service(signal.SIGKILL)
    if how == "missing":
        script.unlink()
    else:
        script.write_text("#!/usr/bin/env python3\nimport asterisk.not_there\n")
    try:
        caller = await bench.dial(number)
        stood_in = await bench.observer.wait_for(told("OddzwonStandIn"), since=bench.since)
        agent = await bench.answered_by(caller)
        await caller.bye()
        await agent.ended()
        await bench.observer.until_quiet()
    finally:
        script.write_bytes(whole)
        script.chmod(0o755)
    assert stood_in["Played"] == "SUCCESS"
    assert bench.observer.among(named("Newexten", Application="Playback"), since=bench.since)
    assert spooled(bench) == []


async def test_a_call_of_the_stand_in_that_lives_on(killed: Bench, number: str) -> None:
    """It is taken over, without a recording, and its end is seen as any other's."""
    bench = killed
    await bench.lab.signal_service(signal.SIGKILL)
    caller = await bench.dial(number)
    agent = await bench.answered_by(caller)
    await bench.lab.up()
    await caller.hears(agent)
    await caller.bye()
    await agent.ended()

    shown = await bench.judged(await bench.logged(number))
    assert verdict(shown) == ("caller", False)
    assert (shown["stage"], shown["agent"]) == ("talking", "PJSIP/agent1")
    assert shown["recordings"] == []
    await spool_is_empty(bench)


async def test_who_came_back_while_the_service_was_dead_is_not_called(killed: Bench, number: str) -> None:
    """Cut off, and back at once by himself, served by the stand-in: no callback."""
    bench = killed
    bench.carrier.scripts[number] = rings()
    caller, agent = await bench.talks(number)
    await bench.lab.signal_service(signal.SIGKILL)
    await caller.bye(FAULT)
    await agent.ended()
    await bench.observer.until_quiet()  # nobody dials again within the milliseconds of a hang-up handler
    again = await bench.dial(number)
    other = await bench.answered_by(again)
    await bench.lab.up()

    shown = await bench.judged(await bench.logged(number))
    assert verdict(shown) == ("carrier", True)
    assert shown["decision"]["refusals"] == ["REDIALLED"]
    await again.bye()
    await other.ended()
    assert bench.carrier.invites == []


@pytest.mark.complains("spool-damaged")
async def test_a_damaged_file_is_set_aside(killed: Bench, number: str) -> None:
    bench = killed
    await bench.lab.signal_service(signal.SIGTERM)
    folder = bench.lab.state / "missed"
    (folder / "7.call.json").write_text('{"version": 1, "uniqueid"')
    size = bench.lab.log_size()
    await bench.lab.up()
    await bench.lab.says("spool-damaged", since=size)
    assert (folder / "damaged" / "7.call.json").exists()
    (folder / "damaged" / "7.call.json").unlink()
    (folder / "damaged").rmdir()


@pytest.fixture
async def without_fastagi(bench: Bench) -> AsyncIterator[Bench]:
    """The service sees every event, but no call gets through to its flows."""
    file = bench.lab.state / "asterisk/etc/oddzwon_settings.conf"
    whole = file.read_text()
    file.write_text(whole.replace(f"ODDZWON_AGI={bench.lab.asterisk}:4573", f"ODDZWON_AGI={bench.lab.asterisk}:1"))
    await bench.lab.rasterisk("dialplan reload")
    yield bench
    file.write_text(whole)
    await bench.lab.rasterisk("dialplan reload")


async def test_the_stand_in_helps_out_while_the_service_is_there(without_fastagi: Bench, number: str) -> None:
    """Who calls, and what he heard, is taken from the spool while the call goes on; its end is seen."""
    bench = without_fastagi
    for agent in bench.agents:
        agent.script = rings()
    caller = await bench.dial(number)
    ringing = await bench.agents[0].rung()
    call = await bench.logged(number)
    await spool_is_empty(bench)
    await caller.bye(FAULT)
    await ringing.ended()

    shown = await bench.judged(call)
    assert [notice["prompt"] for notice in shown["notices"]] == ["STATIC"]
    assert verdict(shown) == ("carrier", True)
    assert shown["stage"] == "connecting"
    assert shown["decision"]["refusals"] == ["NO_NOTICE"]
    assert spooled(bench) == []


# --- Asterisk is away -----------------------------------------------------------------------------------------------


@pytest.mark.complains("ami-lost")
async def test_ended_before_asterisk_was_killed(
    bench: Bench, number: str, number_plan: Iterator[str], table_row: KeepRow
) -> None:
    """Who had said goodbye before is no victim of the crash; who was still talking is."""
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    polite = next(number_plan)
    caller, agent = await bench.talks(number)
    leaving = await bench.in_menu(polite)
    await bench.lab.ami_goes()
    try:
        await leaving.bye()
        await bench.observer.wait_for(named("Hangup"), since=bench.since)
        await bench.lab.kill_asterisk()
        caller.vanish()
        agent.vanish()
        await bench.lab.restart_asterisk(ami_port=AMI)
        await bench.observer.watch_again()
    except BaseException:
        await bench.lab.ami_returns()
        raise

    shown = await called_back(bench, number)
    assert verdict(shown) == ("pbx", True)
    left = await bench.judged(await bench.logged(polite))
    assert verdict(left) == ("caller", False)
    assert left["callback"] is None
    table_row("AMI cut, BYE in the menu, then Asterisk killed", of_call(bench, left, recorded=True), left)


async def test_both_were_killed(killed: Bench, number: str, table_row: KeepRow) -> None:
    """Nobody was there to see it: an open call from before Asterisk's start was lost with it."""
    bench = killed
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    talked_from = now()
    await bench.lab.signal_service(signal.SIGKILL)
    await bench.lab.kill_asterisk()
    dead_by = now()
    caller.vanish()
    agent.vanish()
    await bench.lab.up()
    await bench.observer.watch_again()

    shown = await called_back(bench, number)
    assert verdict(shown) == ("pbx", True)
    assert shown["ending"]["confidence"] == "high"
    assert shown["stage"] == "talking"
    assert shown["ended_at"] <= dead_by
    assert shown["ended_at"] <= talked_from, "it was last recorded to live when the two were connected"
    table_row("Asterisk and the service killed while talking", of_call(bench, shown, recorded=True), shown)


@pytest.mark.complains("ami-lost")
async def test_asterisk_falls_silent(bench: Bench, number: str) -> None:
    """The connection stands, but nothing comes (its process is stopped); what ends as it wakes up, nobody sees.

    It wakes up to RTP that stood still for too long: by its own clocks the network failed before the BYE was read.
    """
    bench.carrier.scripts[number] = answers(0.2, keys="1")
    caller, agent = await bench.talks(number)
    size = bench.lab.log_size()
    asterisk = int((bench.lab.state / "asterisk.pid").read_text())
    os.kill(asterisk, signal.SIGSTOP)
    try:
        goodbye = asyncio.create_task(caller.bye(FAULT))
        await bench.lab.says("ami-lost", since=size)
    finally:
        os.kill(asterisk, signal.SIGCONT)
    await asyncio.gather(goodbye, return_exceptions=True)  # unanswered for longer than the phone tries
    await agent.ended()

    shown = await called_back(bench, number)
    assert shown["ending"]["technical"] is True


async def phone_rings(bench: Bench) -> bool:
    channels = await bench.lab.rasterisk("core show channels concise")
    return any(line.startswith("PJSIP/agent") and "!Ringing!" in line for line in channels.splitlines())


async def test_a_phone_that_rings_through_a_restart(killed: Bench, number: str) -> None:
    """The call that is taken over is connecting, as it is, whoever's turn it was meanwhile."""
    bench = killed
    for agent in bench.agents:
        agent.script = rings()
    caller = await bench.in_menu(number)
    await caller.press("1")
    await bench.agents[0].rung()
    call = await bench.logged(number)
    await bench.lab.until("SELECT 1 FROM call WHERE id = ? AND stage = 'connecting'", call)
    await bench.lab.signal_service(signal.SIGKILL)
    await bench.lab.up()
    async with asyncio.timeout(SPOOLED_S):
        while True:
            rang = await phone_rings(bench)
            (row,) = bench.lab.read("SELECT stage FROM call WHERE id = ?", call)
            if rang and await phone_rings(bench):
                break
    for agent in bench.agents:
        agent.script = answers(0.2)  # else his callback would wait for one until its window is over
    await caller.bye(FAULT)

    assert row["stage"] == "connecting"
    shown = await bench.judged(call)
    assert shown["stage"] in ("connecting", "queued")
    assert verdict(shown) == ("carrier", True)

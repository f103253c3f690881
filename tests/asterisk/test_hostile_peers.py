"""Strangers at the service's FastAGI port, and a telephone with words of its own: the call goes on unharmed."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.sip_scripts import refuses

pytestmark = pytest.mark.asterisk

BABBLE = {
    "connect-and-close": b"",
    "garbage": bytes(range(256)) * 16,
    "a-megabyte-without-a-newline": b"x" * 1_048_576,
    "half-a-header": b"agi_network: yes\nagi_network_scr",
}


async def visit(host: str, words: bytes) -> None:
    """Connect, speak, close; that the service cuts us off in mid-speech is its right."""
    _, writer = await asyncio.open_connection(host, 4573)
    with contextlib.suppress(ConnectionError):
        writer.write(words)
        await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("words", BABBLE.values(), ids=BABBLE.keys())
async def test_a_stranger_at_the_port(bench: Bench, number: str, words: bytes) -> None:
    caller = await bench.dial(number)
    await bench.prompt("L1")
    await visit(bench.lab.asterisk, words)
    await bench.prompt("MENU_OPTION")
    await asyncio.gather(*(visit(bench.lab.asterisk, words) for _ in range(3)))
    await caller.press("1")
    agent = await bench.answered_by(caller)
    await caller.bye()
    await agent.ended()

    call = await bench.judged(await bench.logged(number))
    assert call["menu_key"] == "1"
    assert [n["prompt"] for n in call["notices"]] == ["L1", "MENU_OPTION", "REC_OBJECT"]
    assert all(n["complete"] for n in call["notices"])
    assert len(call["recordings"]) == 1


async def test_a_stranger_who_says_nothing_and_stays(bench: Bench, number: str) -> None:
    connections = [await asyncio.open_connection(bench.lab.asterisk, 4573) for _ in range(20)]
    try:
        caller, agent = await bench.talks(number)
        await caller.bye()
        await agent.ended()
    finally:
        for _, writer in connections:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    call = await bench.judged(await bench.logged(number))
    assert call["ending"]["party"] == "caller"


async def test_a_telephone_that_refuses_in_odd_words(bench: Bench, number: str) -> None:
    """They would stand among UserEvent's arguments, and a comma, quote or parenthesis forge or swallow the others."""
    bench.agents[0].caller_scripts[number] = refuses(486, 'Busy,Source: me, (as "ever')
    caller = await bench.in_menu(number)
    await caller.press("1")
    told = await bench.observer.wait_for(
        lambda e: e["UserEvent"] == "OddzwonLeg" and e["Channel"].startswith("PJSIP/agent1-"), since=bench.since
    )
    agent = await bench.answered_by(caller, agent=1)
    await caller.bye()
    await agent.ended()
    fields = ("Role", "Cause", "TechCause", "Source")
    assert [told[name] for name in fields] == ["agent", "17", "SIP 486", told["Channel"]]

"""How long from the caller's BYE to the callback's INVITE: the service with grace 0, against a bare AMI Originate.

Both in one run on one Asterisk; only the ratio means anything (design section 8: at most 2).
``.venv/bin/python -m tests.bench.bye_to_invite [ROUNDS]``
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.asterisk.lab import ROOT, Lab
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_peer import Peer, answers

NET = "127.0.120"
DID = "+48221234567"
FAULT = "Q.850;cause=38"


async def main(rounds: int) -> None:
    """Measure and print."""
    lab = Lab(NET)
    await asyncio.to_thread(lab.command, "clean")
    await asyncio.to_thread(lab.command, "up")
    numbers = (f"+48600300{n}" for n in itertools.count(100))
    try:
        await asyncio.to_thread(lab.command, "down")
        os.environ["LAB_NET"] = NET
        await asyncio.to_thread(lab.command, "up-asterisk")
        async with AsyncExitStack() as stack:
            carrier = await stack.enter_async_context(Peer(f"{NET}.2"))
            for n in (1, 2, 3, 4):
                await stack.enter_async_context(Peer(f"{NET}.{10 + n}", period=16, script=answers(0.2)))
            bare = await _bare(lab, carrier, rounds, numbers)
            async with _service(lab):
                served = await _served(lab, carrier, rounds, numbers)
        _print("bare AMI Originate", bare)
        _print("the service, grace 0", served)
        print(f"ratio of the medians: {statistics.median(served) / statistics.median(bare):.2f}")  # noqa: T201 - a bench prints
    finally:
        if "ODDZWON_BENCH_KEEP" not in os.environ:
            await asyncio.to_thread(lab.command, "clean")


def _print(name: str, seconds: list[float]) -> None:
    ms = sorted(s * 1000 for s in seconds)
    p95 = ms[min(len(ms) - 1, round(0.95 * len(ms)))]
    print(f"{name:24} n={len(ms)} median {statistics.median(ms):.1f} ms, 95th percentile {p95:.1f} ms")  # noqa: T201 - a bench prints


async def _bare(lab: Lab, carrier: Peer, rounds: int, numbers: Iterator[str]) -> list[float]:
    """The least a callback can take: Hangup seen, Originate sent; no verdict, no decision, no log."""
    reader, writer = await asyncio.open_connection(lab.asterisk, 5038)
    writer.write(b"Action: Login\r\nUsername: oddzwon\r\nSecret: oddzwon-lab\r\n\r\n")
    found: list[float] = []
    for number in itertools.islice(numbers, rounds):
        caller = await carrier.invite(f"{DID}@{lab.asterisk}", from_number=number)
        await caller.answered()
        await caller.hears_audio()
        watching = asyncio.create_task(_originate_on_hangup(reader, writer, number))
        found.append(await _time(carrier, caller, number))
        await watching
    writer.close()
    return found


async def _originate_on_hangup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: str) -> None:
    while True:
        message = await reader.readuntil(b"\r\n\r\n")
        if message.startswith(b"Event: Hangup\r\n") and b"Channel: PJSIP/carrier" in message:
            break
    writer.write(
        f"Action: Originate\r\nChannel: PJSIP/{number}@carrier\r\nContext: oddzwon-callback\r\nExten: s\r\n"
        f"Priority: 1\r\nCallerID: <{DID}>\r\nAsync: true\r\nTimeout: 5000\r\n\r\n".encode()
    )


async def _time(carrier: Peer, caller: Leg, number: str) -> float:
    """From the BYE to the INVITE, in seconds; the callback is then refused, so that the next round may begin."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    bye = asyncio.create_task(caller.bye(reason=FAULT))
    leg = await carrier.called(number, 20.0)
    took = loop.time() - began
    await bye
    leg.refuse(603, "Decline")
    return took


async def _served(lab: Lab, carrier: Peer, rounds: int, numbers: Iterator[str]) -> list[float]:
    found: list[float] = []
    for number in itertools.islice(numbers, rounds):
        caller = await carrier.invite(f"{DID}@{lab.asterisk}", from_number=number)
        await caller.answered()
        # in the queue by the default key, once the menu has been silent twice, or at once by the key pressed ahead
        await lab.until(
            "SELECT 1 FROM notice_receipt AS r JOIN call AS c ON c.id = r.call JOIN party AS p ON p.id ="
            " c.party WHERE p.number = ? AND r.prompt = 'L1'",
            number,
        )
        await caller.press("1")
        await lab.until(
            "SELECT 1 FROM call AS c JOIN party AS p ON p.id = c.party WHERE p.number = ? AND c.stage = 'talking'",
            number,
        )
        found.append(await _time(carrier, caller, number))
    return found


@asynccontextmanager
async def _service(lab: Lab) -> AsyncIterator[None]:
    """The service of the lab with grace 0, on its own prompts."""
    config = lab.state / "bench.toml"
    text = await asyncio.to_thread(lab.config.read_text, encoding="utf-8")
    await asyncio.to_thread(config.write_text, re.sub(r"grace_s = .*", "grace_s = 0.0", text), encoding="utf-8")
    pid_file = lab.state / "bench.pid"
    with (lab.state / "bench.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(ROOT / ".venv/bin/oddzwon"), "--config", str(config), "serve", "--pid-file", str(pid_file),
            stderr=log, stdout=log,
        )  # fmt: skip
    await _appears(pid_file, process)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _appears(path: Path, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(path.exists):
            if process.returncode is not None:
                msg = f"the service ended with {process.returncode}; see bench.log beside {path}"
                raise RuntimeError(msg)
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))

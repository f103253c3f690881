"""The lab of each xdist worker, a bench for each test; a test that fails shows its calls, the log and the events."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.asterisk.bench import Bench
from tests.asterisk.endings.case import Verdict
from tests.asterisk.endings.table import TABLE, row_of
from tests.asterisk.failpoints.tally import pytest_terminal_summary  # noqa: F401 - a hook of pytest's
from tests.asterisk.lab import ROOT, Lab
from tests.asterisk.observer import Observer
from tests.asterisk.sip_peer import Peer
from tests.asterisk.sip_scripts import answers
from tests.asterisk.steps import steps, stepwise  # noqa: F401 - fixtures

BENCH = pytest.StashKey[Bench]()
KeepRow: TypeAlias = Callable[[str, str, dict[str, Any]], None]
"""What the fixture ``table_row`` gives."""
AGENTS = tuple(f"PJSIP/agent{n}" for n in (1, 2, 3, 4))
EVENTS_SHOWN = 150


def pytest_configure(config: pytest.Config) -> None:
    # pyst2 0.5.1 calls setDaemon, isSet and currentThread, deprecated since Python 3.10
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:asterisk.manager")


@pytest.fixture(scope="session")
def own_net() -> Iterator[str]:
    """A net that no other worker and no other run of these tests has now; held by a lock until the end."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for third in range(100 + worker % 10, 200, 10):
        # the machine's, not this clone's: the loopback addresses are shared by all
        path = Path(tempfile.gettempdir()) / f"oddzwon-tests-127.0.{third}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        with lock:
            if _in_use(f"127.0.{third}.1"):  # by a lab that knows nothing of this lock
                continue
            yield f"127.0.{third}"
        return
    pytest.fail("ten runs of these tests are at work already: let one end first")


def _in_use(address: str) -> bool:
    """Whether somebody has the lab's ports on this address."""
    for port in (4573, 5038):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return True
    return False


@pytest.fixture(scope="session")
def lab(own_net: str) -> Iterator[Lab]:
    """This worker's own lab, fresh, with short prompts; wiped at the end."""
    lab = Lab(own_net)
    lab.command("clean")
    try:
        lab.command("up")
        yield lab
    finally:
        lab.command("clean")


@pytest.fixture(scope="session")
def observer(lab: Lab) -> Iterator[Observer]:
    """pyst2's manager, logged in beside the service."""
    observer = Observer(lab.asterisk)
    observer.watch()
    yield observer
    observer.close()


@pytest.fixture(scope="session")
def number_plan() -> Iterator[str]:
    """Callers' numbers that no test has used yet."""
    return (f"+48600100{n}" for n in itertools.count(200))


@pytest.fixture
def number(number_plan: Iterator[str]) -> str:
    """This test's caller."""
    return next(number_plan)


@pytest.fixture
def table_row() -> KeepRow:
    """Keeps a row of ``endings.md``: ``table_row("case", "what Asterisk said", call)``, the case's name a literal.

    ``call`` is the call as the command line shows it. The test fails where the page says something else.
    """

    def keep(case: str, said: str, call: dict[str, Any]) -> None:
        ending, callback = call["ending"], call["callback"]
        called_back = callback is not None and bool(callback["attempts"])
        verdict = Verdict(ending["party"], ending["technical"], ending["confidence"], call["stage"], called_back)
        stale = TABLE.hold_against(row_of(case, said, verdict))
        if stale is not None:
            pytest.fail(stale)

    return keep


@pytest.fixture
async def bench(lab: Lab, observer: Observer, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The carrier, and four agents who answer after half a second; the service is up, and the agents are free.

    Afterwards every call must have come to its end, and the service must have neither died nor complained.
    """
    await lab.up()
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Peer(f"{lab.net}.2"))
        agents = [
            await stack.enter_async_context(Peer(f"{lab.net}.{10 + n}", period=16, script=answers(0.5)))
            for n in (1, 2, 3, 4)
        ]
        await observer.until_free(AGENTS)
        bench = Bench(lab, observer, carrier, tuple(agents), observer.mark(), lab.log_size())
        request.node.stash[BENCH] = bench
        yield bench
        await bench.leave()
    expected = request.node.get_closest_marker("complains")
    conditions = expected.args if expected else ()
    assert [line for line in bench.complaints() if not any(word in line for word in conditions)] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts what is known of the test's calls beside its failure."""
    report = yield
    bench = item.stash.get(BENCH, None)
    if bench is not None and report.when != "setup" and report.failed:
        for number in bench.numbers:
            report.sections.append((f"calls of {number}", _calls(bench.lab, number)))
        report.sections.append(("the service's log", bench.lab.log_lines(bench.log_from)[-8_000:]))
        seen = bench.observer.seen[bench.since :]
        shown = [str(event) for event in seen if event.name not in ("TestEvent", "VarSet", "Newexten", "RTCPReceived")]
        report.sections.append(("what the observer saw", "\n".join(shown[-EVENTS_SHOWN:])))
    return report


def _calls(lab: Lab, number: str) -> str:
    done = subprocess.run(
        [ROOT / ".venv/bin/oddzwon", "--config", lab.config, "calls", "list", "--json", "--number", number],
        capture_output=True,
        text=True,
        timeout=300,  # a failure that is not told for want of a slow machine's patience helps nobody
        check=False,
    )
    try:
        return json.dumps(json.loads(done.stdout), indent=1, ensure_ascii=False)
    except ValueError:
        return done.stdout + done.stderr

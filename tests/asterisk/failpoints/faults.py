"""What fails while the service is held at a step. Each returns once everything is up again."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.failpoints.gate import Gate
from tests.asterisk.lab import AMI


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by its name in the documentation."""

    name: str
    strikes: Callable[[Drop, Gate], Awaitable[None]]


async def _service_killed(drop: Drop, gate: Gate) -> None:
    """SIGKILL at the step, and a new start."""
    lab = drop.bench.lab
    await lab.signal_service(signal.SIGKILL)
    await lab.up()


async def _ami_cut(drop: Drop, gate: Gate) -> None:
    """The manager connection is cut at the step, the service goes on without it, and it comes back."""
    lab = drop.bench.lab
    await lab.ami_goes()
    gate.release()
    await lab.ami_returns()


async def _asterisk_killed(drop: Drop, gate: Gate) -> None:
    """Asterisk dies at the step by SIGKILL, with every call; the service goes on, and Asterisk comes back."""
    bench, size = drop.bench, drop.bench.lab.log_size()
    await bench.lab.kill_asterisk()
    gate.release()
    await bench.lab.says('"event": "ami_down"', since=size)
    drop.asterisk_died()  # by now its last words have arrived
    await bench.lab.restart_asterisk(ami_port=AMI)
    await bench.observer.watch_again()


async def _asterisk_restarted(drop: Drop, gate: Gate) -> None:
    """The administrator's ``core restart now``: Asterisk ends every call as well as it can, and starts anew."""
    bench, size = drop.bench, drop.bench.lab.log_size()
    await bench.lab.rasterisk("core restart now")
    gate.release()
    await bench.lab.says('"event": "ami_down"', since=size)
    drop.asterisk_died()
    await bench.lab.says('"event": "ami_up"', since=size)
    await bench.observer.watch_again()


FAULTS = (
    Fault("service killed", _service_killed),
    Fault("AMI cut", _ami_cut),
    Fault("Asterisk killed", _asterisk_killed),
)


def _stalled_until(words: str) -> Callable[[Drop, Gate], Awaitable[None]]:
    async def strikes(drop: Drop, gate: Gate) -> None:
        lab, size = drop.bench.lab, drop.bench.lab.log_size()
        pid = int((lab.state / "asterisk.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            gate.release()
            await lab.says(words, since=size)
        finally:
            os.kill(pid, signal.SIGCONT)

    return strikes


RESTART = Fault("Asterisk restarted", _asterisk_restarted)
STALLS = (
    Fault("Asterisk stalled past the time-out", _stalled_until('"condition": "originate-fate-unknown"')),
    Fault("Asterisk stalled, AMI given up", _stalled_until('"event": "ami_down"')),
)
"""Asterisk stands still, as on an overloaded machine, and reads the Originate later than anybody believes in it."""

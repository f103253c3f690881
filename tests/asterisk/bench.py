"""What one test stands on: the lab, the carrier with its callers, four agents, the observer; a call's usual steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.asterisk.lab import Lab
from tests.asterisk.listening import Ear
from tests.asterisk.observer import Observer, plays
from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.sip_leg import Leg
from tests.asterisk.sip_peer import Peer

PL, CS, DE, EN = "+48221234567", "+420221234567", "+4930221234567", "+442071234567"
SETTLED_S = PATIENCE_S
"""For what follows a hang-up: the ending, the decision after the grace, the callback's first dial."""
FINAL = "('completed','unanswered','lapsed','cancelled','objected','wrong_person','lost','failed')"
TIE = """
    SELECT b.id AS callback, d.id AS drop_id, e.id AS ending, c.id AS call, r.id AS resumed_by, a.channel_id
    FROM attempt AS a
    JOIN callback AS b ON b.id = a.callback
    JOIN call_drop AS d ON d.id = b.call_drop AND d.call = b.call
    JOIN ending AS e ON e.id = d.ending AND e.technical = 1
    JOIN call AS c ON c.id = e.call
    JOIN decision AS o ON o.id = b.decision AND o.call = c.id AND o.allowed = 1
    JOIN call AS r ON r.id = a.call AND r.resumes = c.id AND r.direction = 'callback'
    WHERE c.id = ?"""
"""The whole tie by foreign keys alone: attempt, callback, drop, ending, call, decision, and the callback's own call."""


@dataclass(slots=True)
class Bench:
    """``since`` is the observer's mark at the test's beginning, ``log_from`` the length of the service's log then.

    ``numbers`` are the callers so far, ``met`` the agents' legs that a test has been given.
    """

    lab: Lab
    observer: Observer
    carrier: Peer
    agents: tuple[Peer, ...]
    since: int
    log_from: int
    numbers: list[str] = field(default_factory=list)
    met: list[Leg] = field(default_factory=list)

    # --- calls ------------------------------------------------------------------------------------------------------

    async def dial(
        self,
        number: str,
        did: str = PL,
        *,
        headers: Iterable[tuple[str, str]] = (),
        from_header: str | None = None,
    ) -> Leg:
        """A caller dials the DID; returns once Asterisk has answered."""
        self.numbers.append(number)
        leg = await self.carrier.invite(
            f"{did}@{self.lab.asterisk}", from_number=number, headers=headers, from_header=from_header
        )
        await leg.answered()
        return leg

    async def prompt(self, name: str, *, since: int | None = None, within: float = PATIENCE_S) -> None:
        """Until the service plays this prompt to a caller."""
        await self.observer.wait_for(plays(name), within, since=self.since if since is None else since)

    async def in_menu(self, number: str, did: str = PL, **how: Any) -> Leg:
        """A caller who is in the menu, and hears it."""
        leg = await self.dial(number, did, **how)
        await Ear(self.lab, leg).meets("MENU_OPTION")
        return leg

    async def talks(self, number: str, did: str = PL, *, key: str = "1", **how: Any) -> tuple[Leg, Leg]:
        """A caller who pressed the key and talks with agent1; both hear each other."""
        caller = await self.in_menu(number, did, **how)
        await caller.press(key)
        return caller, await self.answered_by(caller)

    async def answered_by(self, caller: Leg, agent: int = 0) -> Leg:
        """The agent's leg, once the caller and he hear each other."""
        leg = await self.agents[agent].rung(besides=self.met, caller=caller)
        self.met.append(leg)
        await leg.answered()
        await asyncio.gather(leg.hears(caller), caller.hears(leg))
        return leg

    # --- what became of them ----------------------------------------------------------------------------------------

    async def logged(self, number: str, *, nth: int = 1, direction: str = "inbound") -> str:
        """The id of the number's n-th call, once it is in the log."""
        row = await self.lab.until(
            "SELECT c.id FROM call AS c JOIN party AS p ON p.id = c.party WHERE p.number = ? AND c.direction = ?"
            " ORDER BY c.started_at, c.id LIMIT 1 OFFSET ?",
            number,
            direction,
            nth - 1,
        )
        return str(row["id"])

    async def judged(self, call: str) -> dict[str, Any]:
        """The call as the command line shows it, once it is decided."""
        await self.lab.until("SELECT 1 FROM decision WHERE call = ?", call, within=SETTLED_S)
        return await self.lab.call(call)

    async def finished(self, call: str, *, within: float = 2 * PATIENCE_S) -> dict[str, Any]:
        """The call as the command line shows it, once its callback is final."""
        await self.lab.until(f"SELECT 1 FROM callback WHERE call = ? AND state IN {FINAL}", call, within=within)
        return await self.lab.call(call)

    def states(self, call: str) -> list[str]:
        """The states that the call's callback went through, in order."""
        rows = self.lab.read(
            "SELECT e.state FROM callback_event AS e JOIN callback AS b ON b.id = e.callback WHERE b.call = ?"
            " ORDER BY e.seq",
            call,
        )
        return [row["state"] for row in rows]

    # --- the end of a test ------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Hang up what is left, and let the lab come to rest, so that no test meets another's calls."""
        for peer in (self.carrier, *self.agents):
            await peer.hang_up()
        await self.observer.until_quiet()
        if self.lab.service_pid is not None:
            await self.lab.until(f"SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM callback WHERE state NOT IN {FINAL})")

    def complaints(self) -> list[str]:
        """What must not happen in any test: the service died unasked or raised an alarm, or a peer was sent rubbish."""
        found = [line for line in self.lab.log_lines(self.log_from).splitlines() if _is_alarm(line)]
        if self.lab.expected_pid is not None and self.lab.service_pid != self.lab.expected_pid:
            found.append(f"the service died: it was {self.lab.expected_pid}, now {self.lab.service_pid}")
        return found + [f"unreadable: {data!r}" for peer in (self.carrier, *self.agents) for data in peer.unreadable]


def _is_alarm(line: str) -> bool:
    return '"level": "critical"' in line or '"level": "error"' in line or line.startswith("Traceback")

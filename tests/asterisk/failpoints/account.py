"""What is counted after a fault: by the telephones on one side, by the log on the other; the two must agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from oddzwon.log.vocabulary import ATTEMPT_OPEN
from tests.asterisk.failpoints.drop import Drop
from tests.asterisk.observer import named

KEY = "at most once"
"""The property under which a test's report carries its account."""
ATTEMPTS = """
    SELECT a.n, a.channel_id, a.state, a.never_existed, a.call FROM attempt AS a JOIN callback AS b ON b.id = a.callback
    WHERE b.call = ? ORDER BY a.n"""


@dataclass(frozen=True, slots=True)
class Account:
    """One fault at one step. ``invites`` are those to the customer, ``agent_invites`` those to agents for the callback.

    ``invites_of_one`` is the most that any one attempt has led to; ``connected`` counts the callbacks in which customer
    and agent heard each other; ``lost`` the attempts that the log shows as lost, ``never_existed`` those of them that
    are proven never to have had a channel.
    """

    mode: str
    step: str
    fault: str
    invites: int
    invites_of_one: int
    agent_invites: int
    attempts: int
    lost: int
    never_existed: int
    connected: int
    state: str


async def reckon(drop: Drop, call: str, *, mode: str, step: str, fault: str) -> Account:
    """Count, and hold the counts against each other; raises AssertionError where at most once was not kept."""
    bench = drop.bench
    callbacks = bench.lab.read("SELECT id, state FROM callback WHERE call = ?", call)
    attempts = bench.lab.read(ATTEMPTS, call)
    decisions = bench.lab.read("SELECT allowed FROM decision WHERE call = ?", call)
    invites = bench.carrier.invites
    assert [leg.to_number for leg in invites] == [drop.number] * len(invites), "a callback of an earlier test rings"

    # never a callback without its committed decision, never an INVITE without its committed attempt
    assert [row["allowed"] for row in decisions] == [1]
    assert len(callbacks) == 1
    assert 0 not in drop.committed, "rung before it was written"
    # never two INVITEs for one attempt: each came while that attempt was the newest
    of_one = Counter(drop.committed)
    assert max(of_one.values(), default=0) <= 1
    channels = [
        len(bench.observer.among(named("Newchannel", Uniqueid=row["channel_id"]), since=bench.since))
        for row in attempts
    ]
    assert max(channels, default=0) <= 1
    assert len(drop.committed) == len(invites) <= len(attempts)
    # another only where the earlier one is proven never to have had a channel
    for row, made in zip(attempts, channels, strict=True):
        if row["never_existed"]:
            assert row["state"] == "lost"
            assert made == 0, "its channel was there"
        elif row["state"] == "lost":
            assert row["n"] == len(attempts), "another attempt followed one whose fate is hidden"
    assert not [row["state"] for row in attempts if row["state"] in ATTEMPT_OPEN]
    # never two at a time; and where Asterisk died with one, nobody has ended it: it may ring on
    for earlier, later in pairwise(invites):
        assert earlier not in drop.cut_short, "Asterisk died with it, and another INVITE followed"
        assert (await earlier.ended()).at < later.began
    # never two connected callbacks for one drop, and the log knows of the one
    assert len(drop.met) <= 1
    assert callbacks[0]["state"] == "completed" or not drop.met
    return Account(
        mode=mode,
        step=step,
        fault=fault,
        invites=len(invites),
        invites_of_one=max(of_one.values(), default=0),
        agent_invites=sum(len(agent.invites) for agent in bench.agents) - 1,  # less the talk that was cut off
        attempts=len(attempts),
        lost=sum(row["state"] == "lost" for row in attempts),
        never_existed=sum(row["never_existed"] for row in attempts),
        connected=len(drop.met),
        state=callbacks[0]["state"],
    )

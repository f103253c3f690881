"""What must be true before the demo may say that it worked: by the log, by the carrier, by the observer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.asterisk.demo_ears import DemoEars
from tests.asterisk.demo_script import Met, Told
from tests.asterisk.ears import Passage
from tests.asterisk.heard import differences
from tests.asterisk.lab import Lab
from tests.asterisk.observer import Observer, named

TIE = """
SELECT c.id AS call, c.leg AS leg, c.direction AS direction, c.agent AS agent,
       e.id AS ending, e.party AS party, e.rule AS rule, d.id AS drop_id, x.id AS decision, x.allowed AS allowed,
       b.id AS callback, b.state AS state, a.id AS attempt, a.n AS n, a.channel_id AS channel_id,
       a.state AS attempt_state, k.id AS callback_call, k.leg AS callback_leg, k.direction AS callback_direction,
       k.resumes AS resumes, k.agent AS callback_agent, k.ended_at AS callback_ended
FROM call AS c
JOIN ending AS e ON e.call = c.id
JOIN call_drop AS d ON d.ending = e.id AND d.call = c.id AND d.technical = e.technical
JOIN decision AS x ON x.call = c.id
JOIN callback AS b ON b.call_drop = d.id AND b.call = d.call AND b.decision = x.id AND b.allowed = x.allowed
LEFT JOIN attempt AS a ON a.callback = b.id
LEFT JOIN call AS k ON k.id = a.call
WHERE c.leg = ?
ORDER BY a.n
"""
"""The tie, along the foreign keys: call, ending, drop, decision, callback, attempt, the callback's own call.

LEFT, so that an attempt too many would show as a row too many.
"""
SETTLED = f"""
SELECT t.callback FROM ({TIE}) AS t
WHERE t.state IN ('completed', 'unanswered', 'lapsed', 'cancelled', 'objected', 'wrong_person', 'lost', 'failed')
  AND (t.callback_call IS NULL OR t.callback_ended IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM recording AS r WHERE r.call IN (t.call, t.callback_call)
                  AND (r.state IN ('armed', 'recording', 'paused') OR (r.state = 'finished' AND r.sealed = 0)))
"""
"""Has a row once the callback is final and nothing more is to be written."""
DIAL_GATE = "SELECT code, passed, evidence FROM attempt_condition WHERE attempt = ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that had to be true, whether it is, and what shows it."""

    what: str
    holds: bool
    shown_by: str


Tie = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Calls:
    """The dropped call and the callback as the command line shows them, each with what was heard in it."""

    dropped: dict[str, Any]
    called_back: dict[str, Any]
    heard_first: list[Passage]
    heard_second: list[Passage]

    def both(self) -> Iterator[tuple[str, dict[str, Any], list[Passage]]]:
        """Each with its name."""
        yield "dropped call", self.dropped, self.heard_first
        yield "callback", self.called_back, self.heard_second


async def calls_of(lab: Lab, row: Tie, ears: DemoEars) -> Calls:
    """Both calls of the tie; raises LabError."""
    dropped, called_back = await lab.call(row["call"]), await lab.call(row["callback_call"])
    heard = [await asyncio.to_thread(ears.all_heard, one["direction"]) for one in (dropped, called_back)]
    return Calls(dropped, called_back, heard[0], heard[1])


def by_ear(calls: Calls) -> Finding:
    """Every receipt was heard as it says, and nothing else was."""
    wrong = [words for _, call, heard in calls.both() for words in differences(call["notices"], heard)]
    count = sum(len(heard) for *_, heard in calls.both())
    shown = f"{count} prompts recognised in the RTP of both calls"
    return Finding("ears: what the receipts say is what was heard", not wrong, "; ".join(wrong) or shown)


def sealed(lab: Lab, calls: Calls) -> Finding:
    """Both talks were recorded, sealed, and are nowhere in the clear."""
    rows = [one for _, call, _ in calls.both() for one in call["recordings"]]
    names = sorted(file.name for file in lab.recordings.iterdir() if file.is_file())
    plain = [name for name in names if name.endswith((".raw", ".wav"))]
    holds = len(rows) >= 2 and all(one["state"] == "sealed" and one["file"] in names for one in rows) and not plain
    shown = f"{len(rows)} recordings, {', '.join(one['state'] for one in rows) or 'none'}; plain files: {len(plain)}"
    return Finding("recordings: of both talks, sealed, none in the clear", holds, shown)


def ties(lab: Lab, told: Told) -> list[Tie]:
    """The rows of :data:`TIE` for the call that was cut off."""
    return [dict(row) for row in lab.read(TIE, told.caller_leg)]


def findings(rows: list[Tie], told: Told, invites: list[tuple[str, int]], observer: Observer) -> list[Finding]:
    """Everything that the demo claims, each held against its source."""
    return [*_by_log(rows), _by_carrier(invites), *_by_observer(rows, told, observer)]


def _by_log(rows: list[Tie]) -> list[Finding]:
    callbacks = {row["callback"] for row in rows}
    one = rows[0] if len(rows) == 1 else None
    bridged = one is not None and {one["state"], one["attempt_state"]} <= {"connected", "completed"}
    linked = one is not None and (
        one["callback_direction"] == "callback"
        and one["callback_leg"] == one["channel_id"]
        and one["resumes"] == one["call"]
    )
    return [
        Finding(
            "log: one callback, one attempt for this drop",
            one is not None,
            f"{len(callbacks)} callback(s), {len(rows)} attempt(s)",
        ),
        Finding(
            "log: the callback's call was bridged",
            bridged,
            f"callback {one['state']}, attempt {one['attempt_state']}" if one else "–",
        ),
        Finding(
            "log: its call hangs on that attempt, resumes this call",
            linked,
            f"{one['callback_call']} resumes {one['resumes']}" if one else "–",
        ),
    ]


def _by_carrier(invites: list[tuple[str, int]]) -> Finding:
    times = Counter(invites)
    shown = f"{len(times)} INVITE(s), {sum(times.values()) - len(times)} retransmission(s), in sipp's message log"
    return Finding("carrier: exactly one INVITE came", len(invites) == 1, shown)


def _by_observer(rows: list[Tie], told: Told, observer: Observer) -> list[Finding]:
    channel = rows[0]["channel_id"] if rows else None
    leg = rows[0]["leg"] if rows else None
    first, second = _inside(observer, told.first), _inside(observer, told.second)
    agents = _agents(observer)
    return [
        Finding(
            "pyst2: the log's caller leg and agent1 in one bridge",
            leg in first and len(first) == 2 and told.first.agent in agents,
            " ↔ ".join(sorted(first)) or "–",
        ),
        Finding(
            "pyst2: the attempt's channel and agent1 in one bridge",
            channel in second and len(second) == 2 and told.second.agent in agents - {told.first.agent},
            " ↔ ".join(sorted(second)) or "–",
        ),
        Finding(
            "pyst2: no other channel was dialled to the carrier",
            _dialled(observer) == {channel},
            ", ".join(sorted(_dialled(observer))) or "none",
        ),
    ]


def _inside(observer: Observer, met: Met) -> set[str]:
    """The Uniqueids that stood in the bridge together: both had come before any left."""
    enter = observer.among(named("BridgeEnter", BridgeUniqueid=met.bridge))
    leave = observer.among(named("BridgeLeave", BridgeUniqueid=met.bridge))
    before = [one for one in enter if not leave or float(one["Timestamp"]) < float(leave[0]["Timestamp"])]
    return {one["Uniqueid"] for one in before}


def _agents(observer: Observer) -> set[str]:
    new = observer.among(named("Newchannel"))
    return {one["Uniqueid"] for one in new if one["Channel"].startswith("PJSIP/agent1-")}


def _dialled(observer: Observer) -> set[str]:
    """Channels to the carrier that no caller had brought: those which did not begin in its inbound context."""
    arrived = {
        one["Uniqueid"]
        for one in observer.among(named("UserEvent", UserEvent="OddzwonArrived"))
    }  # fmt: skip
    new = observer.among(named("Newchannel"))
    return {one["Uniqueid"] for one in new if one["Channel"].startswith("PJSIP/carrier-")} - arrived

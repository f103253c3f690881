"""What Asterisk said of a call's end, in a few words: from the observer's events alone, not from our own judge."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.asterisk.bench import Bench
from tests.asterisk.observer import Seen

ASYNCGOTO = "2"
"""AST_SOFTHANGUP_ASYNCGOTO: moves a channel to another place of the dialplan, ends nothing."""
ABSENT = ("", "0")


def of_call(bench: Bench, call: Mapping[str, Any], *, races: bool = False, recorded: bool = False) -> str:
    """:func:`decisive` of a test's call (as the command line shows it), by what the observer has heard since it began.

    ``recorded``: the service could not listen; what CEL wrote of the caller's leg stands beside it. Empty: nothing.
    """
    ((leg,),) = bench.lab.read("SELECT leg FROM call WHERE id = ?", call["id"])
    heard = decisive([e for e in bench.observer.seen[bench.since :] if e["Linkedid"] == leg], leg, races=races)
    cel = (bench.lab.state / "asterisk/log/cel-custom/oddzwon.csv").read_text(encoding="utf-8")
    written = _hangup_in(cel, leg) if recorded else ""
    return "; ".join(word for word in (heard, written) if word)


def _hangup_in(cel: str, leg: str) -> str:
    """The leg's HANGUP line in a few words; empty: there is none."""
    for kind, _, uniqueid, _, channel, extra in csv.reader(cel.splitlines()):
        if (kind, uniqueid) == ("HANGUP", leg):
            said = json.loads(extra)
            source = str(said["hangupsource"])
            by = "nobody" if not source else "the caller" if source == channel else "another"
            return f"CEL: HANGUP {said['hangupcause']} by {by}"
    return ""


def decisive(events: Sequence[Seen], caller: str, *, races: bool = False) -> str:
    """The first word about the end of the call whose caller's leg this is, with what was seen of media and hold.

    A leg counts while it is the caller's own, or is not alone in a bridge: neither a phone that refused nor one that
    handed the call over has ended it. ``races`` leaves the leg unnamed. Empty: nothing was said.
    """
    bridges: dict[str, str] = {}
    held: set[str] = set()
    reports: dict[str, list[str]] = {}
    for at, event in enumerate(events):
        leg = event["Uniqueid"]
        match event.name:
            case "BridgeEnter":
                bridges[leg] = event["BridgeUniqueid"]
            case "BridgeLeave":
                if bridges.get(leg) == event["BridgeUniqueid"]:  # a leg may enter the next before it leaves the last
                    del bridges[leg]
            case "Hold":
                held.add(leg)
            case "Unhold":
                held.discard(leg)
            case "RTCPSent" if event["Report0HighestSequence"]:
                reports.setdefault(leg, []).append(event["Report0HighestSequence"])
            case "HangupRequest" | "SoftHangupRequest" | "Hangup":
                counts = {caller} | {who for who, where in bridges.items() if list(bridges.values()).count(where) > 1}
                moved = event.name == "SoftHangupRequest" and event["Cause"] == ASYNCGOTO
                if leg not in counts or moved:
                    continue
                who = "either" if races else _who(leg, caller)
                before = [] if races else [*_media(reports, caller, counts), *_holds(held, caller, counts)]
                return "; ".join([f"{who}: {_words(event, events[at:])}", *before])
    return ""


def _who(leg: str, caller: str) -> str:
    return "caller" if leg == caller else "agent"


def _words(event: Seen, rest: Iterable[Seen]) -> str:
    words = _cause(event)
    if event.name == "SoftHangupRequest":
        ends = [e for e in rest if e.name == "Hangup" and e["Uniqueid"] == event["Uniqueid"]]
        words += f", then {_cause(ends[0])}" if ends else ""
    return words


def _cause(event: Seen) -> str:
    fields = [f"{name} {event[name]}" for name in ("Cause", "TechCause") if event[name] not in ABSENT]
    return " ".join([event.name, *fields])


def _media(reports: dict[str, list[str]], caller: str, counts: set[str]) -> list[str]:
    """Whose inbound RTP had stopped advancing from one RTCP report to the next before the end."""
    found = []
    for leg, sequences in sorted(reports.items(), key=lambda item: item[0] != caller):
        if leg not in counts:
            continue
        still = len(sequences) - 1 - _last_change(sequences)
        if still:
            found.append(f"{_who(leg, caller)}'s RTP stood still" + (" for one report" if still == 1 else ""))
    return found


def _last_change(sequences: Sequence[str]) -> int:
    """The index of the report in which the last sequence number came up for the first time."""
    return next((n + 1 for n in reversed(range(len(sequences) - 1)) if sequences[n] != sequences[-1]), 0)


def _holds(held: set[str], caller: str, counts: set[str]) -> list[str]:
    return sorted(f"on hold by the {_who(leg, caller)}" for leg in held & counts)

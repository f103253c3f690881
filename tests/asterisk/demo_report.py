"""What the demo shows when the call is over: the decision, the tie, what was said and recorded, the proof."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from tests.asterisk.demo_proof import DIAL_GATE, Calls, Finding, Tie
from tests.asterisk.ears import Passage
from tests.asterisk.heard import agrees, beside
from tests.asterisk.lab import Lab

Json = dict[str, Any]


def report(console: Console, lab: Lab, row: Tie, calls: Calls, findings: list[Finding]) -> None:
    """Print all of it; ``row`` is the tie."""
    dropped = calls.dropped
    gate = [dict(one) for one in lab.read(DIAL_GATE, row["attempt"])]
    _titled(console, "The decision, with every condition of the law", _conditions(dropped["decision"]["conditions"]))
    _titled(console, "The dial gate: asked again just before the INVITE", _conditions(gate))
    _titled(console, "The tie, by the log's foreign keys", _tie(row, dropped))
    _titled(console, "What was said, by receipt, and what of it came out of the telephone", _receipts(calls))
    _titled(console, "What was recorded, only after it was announced, and sealed", _recordings(calls))
    proof(console, findings)


def proof(console: Console, findings: list[Finding]) -> None:
    """Print what had to be true, and whether it is."""
    table = _table("", "what had to be true", "shown by")
    for finding in findings:
        table.add_row(_mark(finding.holds), finding.what, Text(finding.shown_by))
    _titled(console, "The proof", table)


def _titled(console: Console, title: str, part: Table | Tree) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    console.print(part)


def _conditions(conditions: list[Json]) -> Table:
    table = _table("", "condition", "evidence")
    for one in conditions:
        passed = None if one["passed"] is None else bool(one["passed"])
        table.add_row(_mark(passed), one["code"], Text(one["evidence"]))
    return table


def _tie(row: Tie, dropped: Json) -> Tree:
    ending = dropped["ending"]
    fault = "a fault" if ending["technical"] else "no fault"
    tree = Tree(Text(f"call {row['call']}  {dropped['number']} → {dropped['did']}, agent {row['agent']}"))
    node = tree.add(Text(f"ending {row['ending']}  by {row['party']}, {fault}, confidence {ending['confidence']}"))
    for fact in ending["evidence"]:
        node.add(Text(f"evidence: {fact['fact']}, {fact['at']}", style="dim"))
    node = node.add(Text(f"drop {row['drop_id']}"))
    node = node.add(Text(f"decision {row['decision']}  {'allowed' if row['allowed'] else 'refused'}"))
    node = node.add(Text(f"callback {row['callback']}  {row['state']}"))
    node = node.add(Text(f"attempt {row['attempt']}  no. {row['n']}, {row['attempt_state']}, {row['channel_id']}"))
    node.add(Text(f"call {row['callback_call']}  resumes {row['resumes']}, agent {row['callback_agent']}"))
    return tree


def _receipts(calls: Calls) -> Table:
    table = _table("in the", "prompt", "version", "sha256", "played", "key", "complete", "heard", "")
    for which, call, heard in calls.both():
        for one, passage in beside(call["notices"], heard)[0]:
            played = f"{one['played_ms'] / 1000:.1f} of {one['full_ms'] / 1000:.1f} s"
            sha256 = one["sha256"][:12] + "…"
            cells = (which, one["prompt"], one["version"], sha256, played, one["key"] or "–")
            table.add_row(*cells, _mark(one["complete"]), _from_to(passage), _mark(agrees(one, passage)))
    return table


def _from_to(passage: Passage | None) -> str:
    return f"{passage.from_ms / 1000:.1f} to {passage.to_ms / 1000:.1f} s" if passage is not None else "–"


def _recordings(calls: Calls) -> Table:
    table = _table("in the", "regime", "state", "delete after", "file")
    for which, call, _ in calls.both():
        for one in call["recordings"]:
            talk = f", {one['seconds']:.1f} s of talk" if one.get("seconds") else ""
            table.add_row(which, one["regime"], one["state"], one["delete_after"], f"{one['file']}{talk}")
    return table


def _mark(holds: bool | None) -> Text:
    return Text("?", style="bold yellow") if holds is None else Text("✓", "green") if holds else Text("✗", "bold red")


def _table(*columns: str) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made

"""Receipts beside ears: whether what the log says was played is what came out of the caller's telephone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.asterisk.ears import Built, Passage, built_in, recognise
from tests.asterisk.lab import Lab
from tests.asterisk.sip_leg import Leg

CLOSE_MS: Final = 60
"""How near what Asterisk says it played must be to what came out of it: three frames of 20 ms."""
LEAST_MS: Final = 330
"""What was played for less is not always recognised: a prompt begins with 80 ms of silence, and 200 ms are compared."""


@dataclass(frozen=True, slots=True)
class Told:
    """A prompt as a receipt tells of it: the key, and whether it was cut before its end."""

    prompt: str
    key: str | None = None
    cut: bool = False

    def __str__(self) -> str:
        return f"{self.prompt}{' cut' if self.cut else ''}{f' by key {self.key}' if self.key else ''}"


def cut(prompt: str, key: str | None = None) -> Told:
    """Ended before its end: by this key, or by the caller's hang-up."""
    return Told(prompt, key, cut=True)


def told_by(call: dict[str, Any]) -> list[Told]:
    """What the receipts claim."""
    return [Told(one["prompt"], one["key"], one["played_ms"] < one["full_ms"]) for one in call["notices"]]


async def built_prompts(lab: Lab) -> tuple[Built, ...]:
    """Everything that the lab can say by now, what it spoke during calls included."""
    return await asyncio.to_thread(built_in, lab.state / "prompts")


async def heard_by(leg: Leg, built: Sequence[Built]) -> list[Passage]:
    """The prompts in what the leg heard; beside the loop, which has other legs' audio to send."""
    return await asyncio.to_thread(recognise, list(leg.heard.kept), built)


def beside(
    notices: Sequence[dict[str, Any]], heard: Sequence[Passage]
) -> tuple[list[tuple[dict[str, Any], Passage | None]], list[Passage]]:
    """Each receipt with the passage that it tells of, in order; and the passages that no receipt tells of."""
    pairs: list[tuple[dict[str, Any], Passage | None]] = []
    left = list(heard)
    for notice in notices:
        mine = left[0] if left and left[0].is_of(notice["sha256"]) else None
        if mine is not None and notice["played_ms"] < LEAST_MS and not _close(notice, mine):
            mine = None  # the next receipt's, of the same prompt
        pairs.append((notice, left.pop(0) if mine is not None else None))
    return pairs, left


def _close(notice: dict[str, Any], passage: Passage) -> bool:
    return passage.from_ms <= CLOSE_MS and abs(passage.to_ms - notice["played_ms"]) <= CLOSE_MS


def agrees(notice: dict[str, Any], passage: Passage | None) -> bool:
    """Whether the receipt says what was heard; what was too short to be recognised is taken for true."""
    if passage is None:
        return bool(notice["played_ms"] < LEAST_MS)
    whole = passage.built.full_ms - passage.to_ms <= CLOSE_MS
    return _close(notice, passage) and (whole or notice["key"] is not None or not notice["complete"])


def differences(notices: Sequence[dict[str, Any]], heard: Sequence[Passage]) -> list[str]:
    """Where receipts and ears do not tell the same story; empty: every receipt was heard, and nothing else was."""
    pairs, left = beside(notices, heard)
    found = [
        f"the receipt of {one['language']} {one['prompt']}, {one['played_ms']} of {one['full_ms']} ms, key {one['key']}"
        f"{', complete' if one['complete'] else ''}: heard was {passage or 'nothing of it'}"
        for one, passage in pairs
        if not agrees(one, passage)
    ]
    return found + [f"no receipt of what was heard: {passage}" for passage in left]

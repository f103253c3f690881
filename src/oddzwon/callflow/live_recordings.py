"""What of one call is being recorded: each MixMonitor that runs for it, and what its recording rests on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from oddzwon.domain.events import LegId
from oddzwon.domain.recording import Regime, Retention


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a recording that may begin rests on: its regime, and the announcement that was complete.

    ``announcement`` is the receipt's id in the log, ``prompt`` the announcement's key. ``agent_consent`` is the id of
    the agent's consent, where the jurisdiction demands one.
    """

    regime: Regime
    announcement: int
    prompt: str
    retention: Retention
    reference: str | None = None
    agent_consent: int | None = None


@dataclass(slots=True, eq=False)
class LiveRecording:
    """A recording of a call that is up. ``path`` is where Asterisk writes.

    ``leg`` is the channel on which its MixMonitor runs, ``mix`` that MixMonitor's own id (None: it was not told).
    ``by`` is the agent's leg that asked for a contract segment (None: not known, or no segment). ``paused`` is the
    agent's doing, ``set_aside`` ours, while a contract segment is recorded for itself or the caller is parked.
    ``over``: nothing more is written to the file, which goes if it is ``deleted``.
    """

    id: str
    path: Path
    regime: Regime
    prompt: str
    leg: LegId
    mix: str | None = None
    by: LegId | None = None
    segment: bool = False
    paused: bool = False
    set_aside: bool = False
    over: bool = False
    deleted: bool = False

    @property
    def muted(self) -> bool:
        """Whether silence is recorded."""
        return self.paused or self.set_aside


@dataclass(slots=True, eq=False)
class LiveRecordings:
    """The recordings of one call. ``lock`` is held by whatever changes them: one code is served after the other.

    ``awaiting`` is what the caller has agreed to and the agent not yet. ``objected``: the caller objected in this call;
    ``unwritten``: by which door, where the log did not take it yet.
    ``segment_began`` is when the last contract segment did, on the monotonic clock.
    """

    all: list[LiveRecording] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    awaiting: Grounds | None = None
    objected: bool = False
    unwritten: str | None = None
    segment_began: float = 0.0

    def __iter__(self) -> Iterator[LiveRecording]:
        """Those that are written to, or would be if the people were bridged."""
        return iter([recording for recording in self.all if not recording.over])

    @property
    def running(self) -> bool:
        """Whether there are any of those."""
        return not all(recording.over for recording in self.all)

    @property
    def segment(self) -> LiveRecording | None:
        """The contract segment that runs."""
        return next((recording for recording in self if recording.segment), None)

    @property
    def heard(self) -> list[LiveRecording]:
        """Those that would hear the next word, were they not paused: a segment for itself, else all."""
        segment = self.segment
        return list(self) if segment is None else [segment]

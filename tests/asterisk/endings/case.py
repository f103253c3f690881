"""What a case of the bench is, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from oddzwon.domain.hangup_cause import Confidence

if TYPE_CHECKING:
    from tests.asterisk.endings.scene import Scene

Play: TypeAlias = Callable[["Scene"], Awaitable[None]]
"""Makes the call end; returns when the script is over, the call then ends by itself at the latest."""

LOW, MEDIUM, HIGH = Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH
ON_THE_WAY = frozenset({Stage.QUEUED, Stage.CONNECTING})
"""In the queue, with an agent's phone ringing or not: where both may be, a case does not tell them apart."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The verdict that asterisk.md asks for; where it leaves party or confidence open, any of those named will do."""

    parties: frozenset[Party]
    technical: bool | None
    confidence: frozenset[Confidence | None]
    stages: frozenset[Stage]
    called_back: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One way in which a call ends.

    ``name`` is the table's first column and, without its blanks, the test's id. ``row`` says which row or trap of
    asterisk.md it proves. ``agent``: it needs one of the four, to talk to or to be called back for.
    ``races`` marks an ending that two sides begin at once: whom Asterisk names first is left out of its row.
    ``number`` is the caller's in E.164, where it matters; else he has one that nobody else has.
    """

    name: str
    row: str
    play: Play
    expected: Expected
    agent: bool = True
    races: bool = False
    number: str = ""

    @property
    def id(self) -> str:
        """The test's id."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name).split())


def expects(
    party: Party | frozenset[Party],
    technical: bool | None,
    confidence: Confidence | tuple[Confidence | None, ...] | None,
    stage: Stage | frozenset[Stage] = Stage.TALKING,
    *,
    called_back: bool = False,
) -> Expected:
    """An :class:`Expected`, written short."""
    sure = confidence if isinstance(confidence, tuple) else (confidence,)
    parties = frozenset({party}) if isinstance(party, Party) else party
    stages = frozenset({stage}) if isinstance(stage, Stage) else stage
    return Expected(parties, technical, frozenset(sure), stages, called_back)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the service made of a call. ``called_back``: the carrier got an INVITE for it and answered."""

    party: str
    technical: bool | None
    confidence: str | None
    stage: str
    called_back: bool


@dataclass(slots=True)
class Outcome:
    """What came of a case.

    ``trouble`` holds what went wrong on the way; ``said`` is Asterisk's decisive word; ``shown`` the call as the
    command line shows it. ``number`` was the caller's.
    """

    case: Case
    trouble: str = ""
    call: str | None = None
    verdict: Verdict | None = None
    said: str = ""
    number: str = ""
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """All cases of one file, played. ``complaints``: alarms of the service, and bytes that no peer could read."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

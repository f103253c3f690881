"""What a case of this bench is: a caller cut off, and what each condition of legal.md section A makes of him."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from oddzwon.domain.ending import Party
from oddzwon.domain.events import Stage
from oddzwon.domain.lawfulness import Code
from tests.asterisk.endings.case import HIGH, Case, Expected, Play, expects

Found: TypeAlias = tuple[bool | None, str]
"""Whether the condition passed (None: unknown), and its evidence, with ``…`` where it differs from run to run."""

PASSED: Final[Mapping[Code, Found]] = {
    Code.NOT_INBOUND: (True, "direction inbound"),
    Code.NO_TECH_EVIDENCE: (True, "a fault, confidence high, medium needed"),
    Code.STAGE: (True, "stage queued"),
    Code.CLIR: (True, "number presented"),
    Code.CLI_NOT_ORIGINATOR: (True, "no diversion"),
    Code.INVALID: (True, "possible in its number plan"),
    Code.PREMIUM: (True, "kind mobile"),
    Code.UNKNOWN_RANGE: (True, "range in use"),
    Code.COUNTRY: (True, "country PL allowed"),
    Code.TOO_LATE: (True, "lost … s ago, limit 120.0 s"),
    Code.DUPLICATE: (True, "no other callback"),
    Code.ATTEMPTS: (True, "dials 0 of 2, answers 0 of 1"),
    Code.PURPOSE: (True, "resume the interrupted matter only"),
    Code.OBJECTED: (True, "no objection"),
    Code.RESTRICTED: (True, "no restriction"),
    Code.REDIALLED: (True, "no redial"),
    Code.NO_NOTICE: (True, "notice heard and complete"),
    Code.NO_AGENT: (True, "asked at the dial gate, before every dial"),
    Code.NO_BALANCING_TEST: (True, "test LAB-CB of 2026-01-15"),
}
"""Every condition, in order, as it is found of a mobile caller who was cut off in the lab's queue."""


@dataclass(frozen=True, slots=True)
class Asked(Case):
    """``about`` is the condition that the case is about; ``found`` are all that differ from ``PASSED``."""

    about: Code = Code.CLIR
    found: Mapping[Code, Found] = field(default_factory=dict)

    @property
    def conditions(self) -> list[tuple[Code, bool | None, str]]:
        """What the decision must list."""
        return [(code, *self.found.get(code, PASSED[code])) for code in Code]


def asked(
    about: Code,
    name: str,
    play: Play,
    found: Mapping[Code, Found] | None = None,
    *,
    number: str = "",
    stage: Stage = Stage.QUEUED,
    ends: Expected | None = None,
    agent: bool = False,
) -> Asked:
    """An :class:`Asked`, written short; whom every condition allows is called back, and needs an agent for it.

    ``ends`` is the verdict where it is not a fault by the carrier's own word.
    """
    found = dict(found or {})
    allowed = all(passed is True for passed, _ in found.values())
    if stage is not Stage.QUEUED:
        found.setdefault(Code.STAGE, (True, f"stage {stage}"))
    ends = ends or expects(Party.CARRIER, True, HIGH, stage, called_back=allowed)
    return Asked(name, about, play, ends, agent=agent or allowed, number=number, about=about, found=found)

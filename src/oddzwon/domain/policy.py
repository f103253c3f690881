"""The parameters of the decision on a callback, and the jurisdictions' presets (legal.md sections A and F).

None of them is law: all are our own, marked [P] there, and the operator confirms them with counsel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final

from oddzwon.domain.events import Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.number import EU_EEA, DomainError, NumberPolicy


class PolicyError(DomainError):
    """A parameter of the policy is out of its bounds."""


@dataclass(frozen=True, slots=True)
class BalancingTest:
    """The operator's documented balancing test for callbacks: its id and its date (ISO 8601)."""

    id: str
    date: str

    def __post_init__(self) -> None:
        """Refuse a test that nobody could find again.

        :raises PolicyError: no id, or no date in the form 2026-01-31.
        """
        if not self.id.strip():
            raise PolicyError("the balancing test has no id: name the document, as in LIA-7")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise PolicyError("the balancing test's date is none: write it as 2026-01-31") from None


@dataclass(frozen=True, slots=True)
class Policy:
    """Every parameter of the decision: our own, not law (tag [P] in legal.md); counsel confirms them.

    ``first_dial_ms`` and ``lapse_ms`` count from ``lost_at``: the first dial, and the end of every right to dial.
    Without a ``balancing_test`` there are no callbacks (Art. 25 GDPR: off by default).
    """

    name: str = "eu"
    """The jurisdiction's preset, and whether it is the strict one."""
    min_confidence: Confidence = Confidence.MEDIUM
    stages: frozenset[Stage] = frozenset({Stage.QUEUED, Stage.CONNECTING, Stage.TALKING})
    numbers: NumberPolicy = field(default_factory=NumberPolicy)
    first_dial_ms: int = 120_000
    lapse_ms: int = 15 * 60_000
    max_dials: int = 2
    max_answers: int = 1
    balancing_test: BalancingTest | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that bind nothing.

        :raises PolicyError: naming the parameter.
        """
        if not 0 < self.first_dial_ms <= self.lapse_ms <= 24 * 3_600_000:
            raise PolicyError("first_dial_ms and lapse_ms: above 0, the first not above the second, at most a day")
        if not (1 <= self.max_dials <= 10 and 1 <= self.max_answers <= self.max_dials):
            raise PolicyError("max_dials: 1 to 10; max_answers: 1 to max_dials")

    def as_json(self) -> str:
        """Every value, canonical: equal policies, equal text, on every machine."""
        return json.dumps(asdict(self), default=sorted, sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 over :meth:`as_json`: what a decision carries of its policy."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()

    def at_home_in(self, region: str) -> Policy:
        """The same policy with ``region`` (ISO 3166-1) among the allowed countries."""
        allowed = self.numbers.allowed_countries | {region.upper()}
        return replace(self, numbers=replace(self.numbers, allowed_countries=allowed))

    def strictly(self) -> Policy:
        """The same policy as the preset ``strict`` has it: nobody is called back who had not got to an agent."""
        strict = PRESETS["strict"]
        name = self.name if strict.name in self.name.split() else f"{self.name} {strict.name}"
        return replace(self, name=name, stages=self.stages & strict.stages)


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """What the notices and records name (legal.md section F); None: the operator must fill it in."""

    authority: str | None
    marketing_rule: str


JURISDICTIONS: Final[Mapping[str, Jurisdiction]] = MappingProxyType(
    {
        "eu": Jurisdiction(None, "ePrivacy 13"),
        "pl": Jurisdiction("Prezes UODO", "art. 398 PKE"),
        "cz": Jurisdiction("ÚOOÚ", "§ 96 ZEK"),
        "de": Jurisdiction(None, "§ 7 UWG"),
    }
)

STRICT_STAGES: Final = frozenset({Stage.CONNECTING, Stage.TALKING})

PRESETS: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "eu": Policy("eu"),
        "pl": Policy("pl", numbers=NumberPolicy(EU_EEA | {"PL"})),
        "cz": Policy("cz", numbers=NumberPolicy(EU_EEA | {"CZ"})),
        "de": Policy("de", numbers=NumberPolicy(EU_EEA | {"DE"})),
        "strict": Policy("strict", stages=STRICT_STAGES),
    }
)

"""What is recorded, where, and on what ground."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from oddzwon.config.values import AsteriskPath, BalancingTest, LocalText, Section


class ContractSegment(Section):
    """The part of a call in which a contract is made, recorded for itself when the agent dials its code."""

    reference: str = Field(min_length=1, description="Reference that the contract regime needs.", examples=["ORDERS"])
    purpose: LocalText = Field(description="Why it is recorded, as spoken.", examples=["making a contract"])
    other_channel: LocalText = Field(
        description="Another way to reach you, for those who will not be recorded.", examples=["our shop, or by post"]
    )
    basis: LocalText = Field(description="Legal basis, as spoken in layer 2.", examples=["contract"])
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="How long it is kept; 0: the jurisdiction's default (where that is none, no segment is recorded).",
        examples=[1095],
    )


class Recording(Section):
    """Recording is off until you turn it on (Art. 25 GDPR)."""

    enabled: bool = Field(False, description="Whether anything is recorded at all.")
    directory: AsteriskPath | None = Field(
        None,
        description="Where Asterisk writes recordings (group oddzwon, mode 2770).",
        examples=["/var/lib/oddzwon/recordings"],
    )
    key_file: Path | None = Field(
        None,
        description="The key that the recordings' own keys are wrapped with; made by the service if it is not there.",
        examples=["/var/lib/oddzwon/recordings.key"],
    )
    quality_mode: Literal["keypress", "announce"] | None = Field(
        None,
        description="Quality recordings: ask for key 1, or announce (needs a balancing test, never where the preset "
        "is de). Left out: the jurisdiction's own way.",
        examples=["keypress"],
    )
    quality_retention_days: int = Field(30, ge=1, le=90, description="Retention of quality recordings, in days.")
    balancing_test: BalancingTest | None = Field(None, description="For announced quality recordings.")
    agents_consented: bool = Field(
        False,
        description="Every agent's consent is on file. If not, each is asked by key where the preset is de.",
    )
    agent_consent_hours: float = Field(
        12.0, gt=0, le=24, description="How long an agent's answer counts, unless he leaves a queue sooner; in hours."
    )
    min_free_mb: int = Field(
        200,
        ge=1,
        le=1_000_000,
        description="Least free space for a recording to begin, in MB; below half of it those that run stop.",
    )
    contract: ContractSegment | None = Field(None, description="The contract segment; without it there is none.")

    @model_validator(mode="after")
    def _needs(self) -> Recording:
        if self.enabled and self.directory is None:
            msg = "enabled = true needs a directory"
            raise ValueError(msg)
        if self.enabled and self.key_file is None:
            msg = "enabled = true needs a key_file: recordings are sealed when their call ends"
            raise ValueError(msg)
        return self

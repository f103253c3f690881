"""What is recorded, where, and on what ground."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from oddzwon.config.values import BalancingTest, Section


class Recording(Section):
    """Recording is off until you turn it on (Art. 25 GDPR)."""

    enabled: bool = Field(False, description="Whether anything is recorded at all.")
    directory: Path | None = Field(
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
        description="Every agent's consent is on file; without it nothing is recorded where the preset is de.",
    )

    @model_validator(mode="after")
    def _needs(self) -> Recording:
        if self.enabled and self.directory is None:
            msg = "enabled = true needs a directory"
            raise ValueError(msg)
        if self.enabled and self.key_file is None:
            msg = "enabled = true needs a key_file: recordings are sealed when their call ends"
            raise ValueError(msg)
        return self

"""Whom the operator calls back, when and how."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from oddzwon.config.values import BalancingTest, Section


class Callbacks(Section):
    """The callback after a technical fault; off until the balancing test is named."""

    balancing_test: BalancingTest | None = Field(None, description="Callbacks are off until this is set.")
    policy: Literal["standard", "strict"] = Field("standard", description="strict: only once an agent was ringing.")
    min_confidence: Literal["medium", "high"] = Field("medium", description="How sure the verdict must be.")
    countries: tuple[str, ...] = Field(
        ("EU_EEA",),
        description="Where may be called: EU_EEA or two-letter region codes.",
        examples=[["EU_EEA", "GB"]],
    )
    trunk: str = Field(
        description="Dial string of the trunk; {number} stands for the number in E.164.",
        examples=["PJSIP/{number}@carrier"],
    )
    grace_s: float = Field(3.0, ge=0, le=60, description="Wait before the decision: a phone needs network again.")
    first_dial_s: float = Field(120.0, gt=0, le=600, description="Latest first dial after the loss, in seconds.")
    lapse_s: float = Field(900.0, gt=0, le=3600, description="The right to call back is over after this, in seconds.")
    max_dials: int = Field(2, ge=1, le=3, description="Dials at the most.")
    gap_s: float = Field(30.0, gt=0, le=600, description="Wait between two dials, in seconds.")
    ring_limit_s: float = Field(25.0, ge=1, le=60, description="Longest ringing of one dial, in seconds.")
    key_wait_s: float = Field(6.0, gt=0, le=30, description="Wait for a key after the greeting, in seconds.")
    agent_ring_s: int = Field(10, ge=1, le=60, description="How long the same agent rings before the queue is asked.")
    priority: int = Field(10, ge=0, le=1000, description="Priority in the queue of somebody who was cut off.")

    @field_validator("trunk")
    @classmethod
    def _has_number(cls, value: str) -> str:
        if value.count("{number}") != 1 or not re.fullmatch(r"[A-Za-z0-9_.@/{}-]+", value):
            msg = "must hold {number} once and otherwise only letters, digits and _ . @ / -"
            raise ValueError(msg)
        return value

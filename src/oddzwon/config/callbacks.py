"""Whom the operator calls back, when and how."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from oddzwon.config.values import BalancingTest, Section


class Retry(Section):
    """Seconds until the next dial, by how the last one came out; 0 ends the callback, unset is ``gap_s``.

    Who refuses the call, and a number that is not his, is not dialled again, whatever stands here.
    """

    busy: float | None = Field(None, ge=0, le=600, description="After busy, in seconds.", examples=[20.0])
    no_answer: float | None = Field(None, ge=0, le=600, description="After ringing unanswered.", examples=[60.0])
    unreachable: float | None = Field(None, ge=0, le=600, description="After a phone that is off.", examples=[60.0])
    congestion: float | None = Field(None, ge=0, le=600, description="After a trunk that is full.", examples=[10.0])


class Caps(Section):
    """Bounds against fraud on your own trunk; a dial that would pass one is not made."""

    per_number_day: int = Field(6, ge=1, le=100, description="Dials to one number in 24 hours.")
    per_prefix_hour: int = Field(60, ge=1, le=100_000, description="Dials to one prefix in an hour.")
    prefix_digits: int = Field(6, ge=2, le=12, description="How many digits of the number are its prefix.")
    per_hour: int = Field(600, ge=1, le=1_000_000, description="Dials in an hour.")
    per_day: int = Field(3_000, ge=1, le=10_000_000, description="Dials in 24 hours.")


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
    mode: Literal["agent_first", "customer_first"] = Field(
        "agent_first", description="Who is called first; agent_first: nobody is rung before an agent is on the line."
    )
    same_agent_wait_s: float = Field(
        5.0, ge=0, le=60, description="How long the same agent is waited for, if he is about to be free, in seconds."
    )
    agent_display: str = Field(
        "Callback {time}",
        description="What the agent's telephone shows beside the number; {time} is when the call was cut off.",
    )
    cancel_code: str = Field(
        "*#4", pattern=r"^[0-9*#]{2,6}$", description="The keys with which an agent who holds the line cancels it."
    )
    channels: int = Field(10, ge=1, le=1000, description="Channels of the trunk that callbacks may use at once.")
    dials_per_minute: int = Field(60, ge=1, le=6000, description="Dials in a minute, so that a storm is spread.")
    answer_check: Literal["key", "amd"] = Field(
        "key", description="How a person is told from a machine: his key 1, or Asterisk's AMD (read its risk first)."
    )
    retry: Retry = Field(Retry(), description="Seconds until the next dial, by how the last one came out.")
    caps: Caps = Field(Caps(), description="Bounds against fraud on your own trunk.")
    grace_s: float = Field(3.0, ge=0, le=60, description="Wait before the decision: a phone needs network again.")
    first_dial_s: float = Field(120.0, gt=0, le=600, description="Latest first dial after the loss, in seconds.")
    lapse_s: float = Field(900.0, gt=0, le=3600, description="The right to call back is over after this, in seconds.")
    max_dials: int = Field(2, ge=1, le=3, description="Dials at the most.")
    gap_s: float = Field(30.0, gt=0, le=600, description="Wait between two dials, in seconds.")
    ring_limit_s: float = Field(25.0, ge=1, le=60, description="Longest ringing of one dial, in seconds.")
    key_wait_s: float = Field(6.0, gt=0, le=30, description="Wait for a key after the greeting, in seconds.")
    agent_ring_s: int = Field(10, ge=1, le=60, description="How long the same agent rings before the queue is asked.")
    priority: int = Field(10, ge=0, le=1000, description="Priority in the queue of somebody who was cut off.")

    @field_validator("agent_display")
    @classmethod
    def _shown(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9 .:()/_-]{0,30}", value.replace("{time}", "")) or not value.strip():
            msg = "must be at most 30 letters, digits and . : ( ) / _ - beside {time}, as in Callback {time}"
            raise ValueError(msg)
        return value

    @field_validator("trunk")
    @classmethod
    def _has_number(cls, value: str) -> str:
        if value.count("{number}") != 1 or not re.fullmatch(r"[A-Za-z0-9_.@/{}-]+", value):
            msg = "must hold {number} once and otherwise only letters, digits and _ . @ / -"
            raise ValueError(msg)
        return value

"""Who is told when something is wrong, and what counts as a storm."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from oddzwon.config.values import Section

Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A word of a command line: the kernel ends it at a NUL."""


class Storm(Section):
    """How many calls cut off, in how short a time, are one storm: a single alarm, and a single one when it is over."""

    drops: int = Field(10, ge=2, le=10_000, description="So many calls cut off …")
    within_s: float = Field(60.0, gt=0, le=3600, description="… within so many seconds are a storm.")


class Alarms(Section):
    """The log has every alarm; a command of yours can tell a person."""

    command: tuple[Word, ...] | None = Field(
        None,
        description="Program and arguments, run when an alarm begins and when it is over; no shell.",
        examples=[["/usr/local/bin/tell-me"]],
    )
    command_timeout_s: float = Field(10.0, gt=0, le=300, description="After so many seconds it is killed.")
    settle_s: float = Field(
        30.0, ge=0, le=3600, description="An alarm is over once its cause has been away for so long, in seconds."
    )
    storm: Storm = Field(Storm(), description="When many calls are cut off at once.")

    @field_validator("command")
    @classmethod
    def _names_a_file(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or not value[0].startswith("/")):
            msg = 'must begin with the absolute path of a program; a shell\'s line is ["/bin/sh", "-c", "…"]'
            raise ValueError(msg)
        return value

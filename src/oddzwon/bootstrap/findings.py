"""What a check found: a line of ``oddzwon check``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One line: what was looked at, whether it is well, what was found, what to do about it."""

    name: str
    ok: bool
    found: str
    to_do: str = ""

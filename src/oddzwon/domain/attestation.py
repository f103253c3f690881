"""Somebody's word that a call was cut off: what may stand in it, and how it stands among the evidence."""

from __future__ import annotations

import re
from typing import Final

BY_LONGEST: Final = 100
REASON_LONGEST: Final = 500

_LINE_END: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_LIKE_A_NUMBER: Final = re.compile(r"(?:\d[\W_]*){7,}")
"""Digits with whatever people put between them, but letters."""
_DAY: Final = r"20[2-3]\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_DATE: Final = r"(?:0?[1-9]|[12]\d|3[01])[./](?:0?[1-9]|1[0-2])[./]20[2-3]\d"
_TIME: Final = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
_WHEN: Final = re.compile(rf"(?<![\d:./+-])(?:{_DAY}|{_DATE}|{_TIME}(?:[-–]{_TIME})?)(?![:/-]|\.?\d)")
_BESIDE: Final = 3
"""How many digits may stand beside a day or a time in such a row: more of them could be parts of a number."""


def as_evidence(fault: str | None, door: str) -> str:
    """The word as it stands among the evidence of a verdict; ``fault`` None: he named none."""
    named = f": {fault}" if fault else ""
    return f"the agent says that it was cut off{named} ({door})"


def wrong_with(by: str, reason: str) -> str | None:
    """What is wrong with the words of an attestation, and what would do; None: nothing.

    They stay in the log for as long as the call does, in no erasable table: a telephone number has no place in them.
    """
    for name, text, longest in (("--by", by, BY_LONGEST), ("--reason", reason, REASON_LONGEST)):
        if not text.strip():
            return f"{name} is empty: an attestation needs who says so, and why"
        if wrong := wrong_with_line(name, text, longest):
            return wrong
    return None


def wrong_with_line(name: str, text: str, longest: int) -> str | None:
    """What is wrong with a line that a person wrote for the log, given as the option ``name``; None: nothing."""
    if len(text) > longest:
        return f"{name} is longer than {longest} characters"
    if _LINE_END.search(text):
        return f"{name} holds line ends or control characters: write it in one line"
    if any(_is_a_number(row[0]) for row in _LIKE_A_NUMBER.finditer(text)):
        return f"{name} holds what looks like a telephone number: leave it out, the call knows it"
    return None


def _is_a_number(row: str) -> bool:
    """Whether the row of digits is more than days and times."""
    return len(re.findall(r"\d", _WHEN.sub("", row))) > _BESIDE

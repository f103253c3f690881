"""Somebody's word that a call was cut off: what may stand in it."""

from __future__ import annotations

import re
from typing import Final

BY_LONGEST: Final = 100
REASON_LONGEST: Final = 500

_LINE_END: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_DATE: Final = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_LIKE_A_NUMBER: Final = re.compile(r"(?:\d[ ()./-]{0,2}){7,}")


def wrong_with(by: str, reason: str) -> str | None:
    """What is wrong with the words of an attestation, and what would do; None: nothing.

    They stay in the log for as long as the call does, in no erasable table: a telephone number has no place in them.
    """
    for name, text, longest in (("--by", by, BY_LONGEST), ("--reason", reason, REASON_LONGEST)):
        if not text.strip():
            return f"{name} is empty: an attestation needs who says so, and why"
        if len(text) > longest:
            return f"{name} is longer than {longest} characters"
        if _LINE_END.search(text):
            return f"{name} holds line ends or control characters: write it in one line"
        if _LIKE_A_NUMBER.search(_DATE.sub("on a day", text)):
            return f"{name} holds what looks like a telephone number: leave it out, the call knows it"
    return None

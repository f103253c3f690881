"""Asterisk's AMD in place of the customer's key 1: who answered, a person or a machine? In doubt, a machine.

AMD hears silence and loudness, no words (apps/app_amd.c), and errs both ways: settings.md says what that means. It says
nothing to anybody, and so a person hears nothing either until it has made up its mind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiCommandFailed
from oddzwon.callflow.switchboard import Switchboard

HUMAN: Final = "HUMAN"
LISTENS_S: Final = 30.0
"""Longer than the longest ``total_analysis_time`` of an amd.conf that makes sense; its default is 5 s."""
_WORDS: Final = re.compile(r"[A-Z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class Listened:
    """What AMD made of what it heard: its AMDSTATUS and AMDCAUSE, empty where it said none."""

    status: str
    cause: str

    @property
    def person(self) -> bool:
        """Whether AMD takes it for a person. NOTSURE is none: a message must not be left with a machine."""
        return self.status == HUMAN

    def __str__(self) -> str:
        said = " ".join(word for word in (self.status, self.cause) if word) or "nothing"
        return f"{'a person' if self.person else 'a machine'}, by AMD: {said}"


async def listen(agi: AgiSession, board: Switchboard) -> Listened:
    """Let AMD listen on the answered channel until it has decided. Raises AgiHangup.

    Where Asterisk has no AMD it is an alarm, and nobody is taken for a person.
    """
    try:
        await agi.exec("AMD", timeout=LISTENS_S)
    except AgiCommandFailed as error:
        board.alarms.raise_("amd-missing", f"{error} Load app_amd.so with an amd.conf, or set answer_check to key")
        return Listened("", "")
    board.alarms.clear("amd-missing")
    return Listened(await _said(agi, "AMDSTATUS"), await _said(agi, "AMDCAUSE"))


async def _said(agi: AgiSession, variable: str) -> str:
    said = await agi.get_variable(variable) or ""
    return said if _WORDS.fullmatch(said) else ""

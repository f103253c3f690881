"""What AMD's words mean to a callback: a person only where it says so."""

from __future__ import annotations

import pytest

from oddzwon.callflow.answering_machine import Listened


@pytest.mark.parametrize(
    ("status", "cause", "person", "words"),
    [
        ("HUMAN", "HUMAN-800-800", True, "a person, by AMD: HUMAN HUMAN-800-800"),
        ("MACHINE", "LONGGREETING-1500-1500", False, "a machine, by AMD: MACHINE LONGGREETING-1500-1500"),
        ("NOTSURE", "TOOLONG-4900", False, "a machine, by AMD: NOTSURE TOOLONG-4900"),
        ("HANGUP", "", False, "a machine, by AMD: HANGUP"),
        ("", "", False, "a machine, by AMD: nothing"),
        ("human", "", False, "a machine, by AMD: human"),
    ],
)
def test_only_human_is_a_person(status: str, cause: str, person: bool, words: str) -> None:
    listened = Listened(status, cause)
    assert (listened.person, str(listened)) == (person, words)

"""What is dialled is put together in one place, from what was validated, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.asterisk.dialstring import UnsafeDialString, agent_dial_string, caller_id, trunk_dial_string

TRUNK = "PJSIP/{number}@carrier"
NOT_E164 = [
    "",
    "+",
    "48600100200",
    "+0600100200",
    "+48600",
    "+" + "1" * 16,
    "+48600100200\n",
    "+48600100200\r\nVariable: X=1",
    "+48600100200&PJSIP/agent1",
    "+48600100200,30,g",
    "+48600100200@evil",
    "+48600100200/x",
    " +48600100200",
    "+4860010020٠",  # an Arabic-Indic digit is a digit to str.isdigit
    "+48 600 100 200",
    "tel:+48600100200",
]


def test_what_is_dialled_and_shown() -> None:
    assert trunk_dial_string(TRUNK, "+48600100200") == "PJSIP/+48600100200@carrier"
    assert caller_id("+48221234567") == "<+48221234567>"
    assert agent_dial_string("PJSIP/agent1") == "PJSIP/agent1"


@pytest.mark.parametrize("number", NOT_E164)
@pytest.mark.parametrize("build", [lambda n: trunk_dial_string(TRUNK, n), caller_id])
def test_what_is_no_number_is_neither_dialled_nor_shown_nor_quoted(build: Callable[[str], str], number: str) -> None:
    with pytest.raises(UnsafeDialString) as raised:
        build(number)
    assert len(number) < 4 or number not in str(raised.value)


@pytest.mark.parametrize(
    "interface",
    [
        "",
        "agent1",
        "PJSIP/",
        "PJSIP/agent1&PJSIP/agent2",
        "PJSIP/agent1,30",
        "PJSIP/agent1\n",
        "PJSIP/agent1\r\nX: y",
        "PJSIP/${X}",
        "PJSIP/a b",
        "SHELL/x",
        "Local/x@y/n|",
        "PJSIP/" + "a" * 101,
        "PJSIP/żółw",
    ],
)
def test_an_agent_is_one_device(interface: str) -> None:
    with pytest.raises(UnsafeDialString):
        agent_dial_string(interface)


@pytest.mark.parametrize("interface", ["PJSIP/agent1", "Local/101@agents/n", "SIP/a.b-c_d", "IAX2/x", "DAHDI/1"])
def test_every_kind_of_device(interface: str) -> None:
    assert interface == agent_dial_string(interface)


@given(st.one_of(st.text(), st.from_regex(r"\+[0-9]{1,20}.?", fullmatch=True)))
def test_whatever_passes_is_plain(text: str) -> None:
    try:
        dialled = trunk_dial_string(TRUNK, text)
    except UnsafeDialString:
        return
    assert re.fullmatch(r"PJSIP/\+[1-9][0-9]{6,14}@carrier", dialled)

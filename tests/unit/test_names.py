"""No name of a channel or a queue member is kept with a telephone number in it, whichever way it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from oddzwon.asterisk import names
from oddzwon.asterisk.ami_wire import parse_event
from oddzwon.asterisk.cel import read_tail
from oddzwon.asterisk.lists import channels
from oddzwon.domain.events import AgentAnswered, HangupRecorded, HungUpBy

OUTSIDE = "Local/48600100200@from-internal"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("PJSIP/agent1", "PJSIP/agent1"),
        ("PJSIP/1002003", "PJSIP/1002003"),  # two endpoints of such names are two agents
        (OUTSIDE, "Local/…@from-internal"),
        (f"{OUTSIDE}/n", "Local/…@from-internal/n"),
        ("Local/+48600100200@outbound", "Local/+…@outbound"),
        ("Local/1001@from-queue", "Local/1001@from-queue"),
        ("PJSIP/48600100200@carrier", "PJSIP/…@carrier"),
        ("PJSIP/carrier/sip:+48600100200@sip.example.com", "PJSIP/carrier/sip:+…@sip.example.com"),
        ("DAHDI/g1/48600100200", "DAHDI/g1/…"),
        ("SIP/48600100200", "SIP/…"),
        ("", ""),
    ],
)
def test_an_interface(name: str, kept: str) -> None:
    assert names.interface(name) == kept
    assert names.device(f"{name}-0000001a") == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("PJSIP/carrier-00000012", "PJSIP/carrier-00000012"),
        ("SIP/carrier-00000012", "SIP/carrier-00000012"),  # the serial number is nobody's
        (f"{OUTSIDE}-00000012;2", "Local/…@from-internal-00000012;2"),
        ("DAHDI/i1/48600100200-5", "DAHDI/i1/…-5"),
        ("dialplan/builtin", "dialplan/builtin"),
        ("48600100200", "…"),
        ("", ""),
    ],
)
def test_a_channel(name: str, kept: str) -> None:
    assert names.channel(name) == kept


def test_in_the_records_of_cel(tmp_path: Path) -> None:
    """Who hung up is told by the true names: they are compared before they are forgotten."""
    ours, one = f"{OUTSIDE}-00000003;1", '"1795300137.347783","pbx-1.2","pbx-1.1"'
    extra = f'"{{""hangupcause"":16,""hangupsource"":""{ours}""}}"'
    path = tmp_path / "cel.csv"
    path.write_text(f'"ANSWER",{one},"{ours}",""\n"HANGUP",{one},"{ours}",{extra}\n', encoding="utf-8")
    answered, ended = (fact.event for fact in read_tail(path, 0).facts)
    assert answered == AgentAnswered(1_795_300_137_347, "pbx-1.2", "Local/…@from-internal")
    assert isinstance(ended, HangupRecorded)
    assert ended.by is HungUpBy.ITSELF
    assert "48600" not in repr((answered, ended))


def test_in_the_list_of_channels() -> None:
    """What a call is told of after an outage."""
    said = f"Event: CoreShowChannel\r\nUniqueid: pbx-1.2\r\nChannel: {OUTSIDE}-00000003;1\r\nChannelState: 6"
    assert channels([parse_event(said.encode(), arrived=0.0)])["pbx-1.2"].device == "Local/…@from-internal"

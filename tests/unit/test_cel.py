"""Reading the end of Asterisk's CEL file: lines as Asterisk 22.10.1 wrote them, and whatever else may lie there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.asterisk import cel
from oddzwon.asterisk.cel import CelUnreadable, hung_up_by, read_tail
from oddzwon.domain.events import AgentAnswered, BridgeEntered, BridgeLeft, HangupRecorded, HungUpBy

C, A = "lab-127.0.100-1795300133.15", "lab-127.0.100-1795300136.18"
BRIDGE = '"{""bridge_id"":""5d356ed4"",""bridge_technology"":""simple_bridge""}"'
EXTRA = '"{""hangupcause"":16,""hangupsource"":""PJSIP/agent1-00000003"",""dialstatus"":""""}"'
AGENTS_BYE = "\n".join(
    (
        f'"CHAN_START","1795300133.008869","{C}","{C}","PJSIP/carrier-00000002",""',
        f'"ANSWER","1795300133.010867","{C}","{C}","PJSIP/carrier-00000002",""',
        f'"CHAN_START","1795300136.841899","{A}","{C}","PJSIP/agent1-00000003",""',
        f'"ANSWER","1795300137.347783","{A}","{C}","PJSIP/agent1-00000003",""',
        f'"BRIDGE_ENTER","1795300137.350083","{A}","{C}","PJSIP/agent1-00000003",{BRIDGE}',
        f'"BRIDGE_ENTER","1795300137.350394","{C}","{C}","PJSIP/carrier-00000002",{BRIDGE}',
        f'"BRIDGE_EXIT","1795300137.435308","{A}","{C}","PJSIP/agent1-00000003",{BRIDGE}',
        f'"BRIDGE_EXIT","1795300137.436373","{C}","{C}","PJSIP/carrier-00000002",{BRIDGE}',
        f'"HANGUP","1795300137.437399","{C}","{C}","PJSIP/carrier-00000002",{EXTRA}',
        f'"CHAN_END","1795300137.437399","{C}","{C}","PJSIP/carrier-00000002",""',
        f'"HANGUP","1795300137.438111","{A}","{C}","PJSIP/agent1-00000003",{EXTRA}',
        f'"LINKEDID_END","1795300137.438111","{A}","{C}","PJSIP/agent1-00000003",""',
        "",
    )
)
BEGIN = 1_795_300_133_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "oddzwon.csv"
    path.write_text(AGENTS_BYE)
    return path


def test_a_call_as_it_was_recorded(file: Path) -> None:
    tail = read_tail(file, BEGIN)
    assert [type(fact.event) for fact in tail.facts] == [
        AgentAnswered,
        AgentAnswered,
        BridgeEntered,
        BridgeEntered,
        BridgeLeft,
        HangupRecorded,
        BridgeLeft,
        HangupRecorded,
    ]
    assert {fact.linked for fact in tail.facts} == {C}
    assert tail.facts[1].event == AgentAnswered(1_795_300_137_347, A, "PJSIP/agent1")
    assert (tail.bad, tail.whole, len(tail.moments)) == (0, True, 12)


def test_who_left_the_bridge_first_hung_up_first(file: Path) -> None:
    """The caller's HANGUP line stands before the agent's, who said goodbye."""
    ends = [fact.event for fact in read_tail(file, BEGIN).facts if isinstance(fact.event, HangupRecorded)]
    assert ends == [
        HangupRecorded(1_795_300_137_438, A, 16, HungUpBy.ITSELF, "cel"),
        HangupRecorded(1_795_300_137_437, C, 16, HungUpBy.ANOTHER, "cel"),
    ]


def test_only_what_is_new(file: Path) -> None:
    facts = read_tail(file, 1_795_300_137_437).facts
    assert [type(fact.event) for fact in facts] == [HangupRecorded, HangupRecorded]


@pytest.mark.parametrize(
    ("source", "by"),
    [
        ("PJSIP/carrier-1", HungUpBy.ITSELF),
        ("PJSIP/agent1-2", HungUpBy.ANOTHER),
        ("dialplan/builtin", HungUpBy.DIALPLAN),
        ("", HungUpBy.NOBODY),
    ],
)
def test_who_hung_up(source: str, by: HungUpBy) -> None:
    assert hung_up_by(source, "PJSIP/carrier-1") is by


def test_lines_that_cannot_be_read_are_counted(file: Path) -> None:
    odd = '"HANGUP","2026-11-21 22:00:00","1.1","1.1","x",""\n"HANGUP"\n\xff\xfe\n'
    odd += '"HANGUP","1795300137.5","1.1","1.1","x","['
    file.write_bytes(AGENTS_BYE.encode() + odd.encode("latin-1") + b"\n" + b"x" * 10_000 + b"\n")
    tail = read_tail(file, BEGIN)
    assert tail.bad == 5
    assert len(tail.facts) == 8


def test_a_line_that_is_still_being_written_is_left_for_later(file: Path) -> None:
    file.write_text(AGENTS_BYE + '"HANGUP","1795300138.0')
    assert read_tail(file, BEGIN).bad == 0


def test_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "BLOCK", 512)
    path = tmp_path / "oddzwon.csv"
    lines = [f'"ANSWER","{1_795_000_000 + n}.000000","1.{n}","1.{n}","PJSIP/a-{n}",""\n' for n in range(1_000)]
    path.write_text("".join(lines))
    since = 1_795_000_900_000
    tail = read_tail(path, since)
    assert [fact.event.at for fact in tail.facts] == [since + 1_000 * n for n in range(100)]
    assert len(tail.moments) < 150
    assert tail.last_before(since) == since - 1_000
    bounded = read_tail(path, 0, limit=4_096)
    assert not bounded.whole
    assert 0 < len(bounded.facts) < 200


def test_a_file_that_was_rotated(file: Path) -> None:
    file.rename(file.with_name("oddzwon.csv.1"))
    file.write_text('"CHAN_START","1795300140.000000","1.2","1.2","PJSIP/carrier-00000009",""\n')
    tail = read_tail(file, BEGIN)
    assert len(tail.facts) == 8
    assert tail.moments[-1] == 1_795_300_140_000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CelUnreadable, match="No such file"):
        read_tail(tmp_path / "none.csv", 0)


def test_a_file_of_another_kind_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "Master.csv"
    path.write_text('"ANSWER","2026-11-21 22:00:00","a","b","c","d"\n' * 3)
    with pytest.raises(CelUnreadable, match="dateformat"):
        read_tail(path, 0)


@given(st.binary(max_size=2_000), st.integers(0, 2_000_000_000_000))
def test_whatever_lies_there(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, since: int) -> None:
    path = tmp_path_factory.mktemp("cel") / "oddzwon.csv"
    path.write_bytes(rubbish + b"\n" + AGENTS_BYE.encode())
    tail = read_tail(path, since)
    assert len(tail.facts) <= 8
    assert tail.whole

"""The spool's files: as the stand-in writes them, and damaged in every way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from oddzwon.asterisk.spool import DAMAGED, HALF_WRITTEN_S, SpoolUnreadable, read_spool, remove
from oddzwon.domain.events import HangupRecorded, HungUpBy, Role

AT = 1_795_300_133_000
CALL: dict[str, Any] = {
    "version": 1,
    "uniqueid": "lab-1.1",
    "linkedid": "lab-1.1",
    "did": "+48221234567",
    "queue": "support",
    "started_at": AT,
    "presentation": "allowed_not_screened",
    "privacy": "",
    "from": "shown",
    "diverted": False,
    "number": "+48600100200",
    "notice": {"sha256": "ab", "rate": 16_000, "samples": 16_000, "finished": True, "at": AT + 1_000},
}
LEG: dict[str, Any] = {
    "version": 1,
    "uniqueid": "lab-1.2",
    "linkedid": "lab-1.1",
    "role": "agent",
    "channel": "PJSIP/agent1-2",
    "cause": 38,
    "source": "PJSIP/carrier-1",
    "at": AT,
}


def put(folder: Path, name: str, data: object) -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_call_and_a_leg(tmp_path: Path) -> None:
    put(tmp_path, "1.call.json", CALL)
    put(tmp_path, "2.leg.json", LEG)
    spooled = read_spool(tmp_path)
    (call,), (leg,) = spooled.calls, spooled.legs
    assert (call.leg, call.number, call.file) == ("lab-1.1", "+48600100200", "1.call.json")
    assert call.notice is not None
    assert (call.notice.played_ms, call.notice.finished) == (1_000, True)
    assert leg.role is Role.AGENT
    assert leg.fact.event == HangupRecorded(AT, "lab-1.2", 38, HungUpBy.ANOTHER, "spool")
    assert spooled.damaged == 0
    remove(tmp_path, leg.file)
    assert read_spool(tmp_path).legs == ()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("1.call.json", "{"),
        ("1.call.json", "[" * 9_000),
        ("1.call.json", "x" * 20_000),
        ("1.call.json", "\x00"),
        ("1.call.json", CALL | {"version": 2}),
        ("1.call.json", CALL | {"number": 48600}),
        ("1.call.json", CALL | {"from": "+48600100200"}),
        ("1.call.json", CALL | {"diverted": "no"}),
        ("1.call.json", CALL | {"started_at": 5}),
        ("1.call.json", CALL | {"notice": {"rate": 0, "samples": 1}}),
        ("1.call.json", {k: v for k, v in CALL.items() if k != "privacy"}),
        ("1.leg.json", LEG | {"role": "customer"}),
        ("1.leg.json", LEG | {"uniqueid": ""}),
        ("1.txt", CALL),
    ],
)
def test_what_cannot_be_read_is_moved_aside_once(tmp_path: Path, name: str, data: object) -> None:
    put(tmp_path, name, data)
    put(tmp_path, "2.leg.json", LEG)
    spooled = read_spool(tmp_path)
    assert (len(spooled.calls), len(spooled.legs), spooled.damaged) == (0, 1, 1)
    assert (tmp_path / DAMAGED / name).exists()
    assert read_spool(tmp_path).damaged == 0


def test_a_file_that_is_being_written_is_left_alone_for_a_while(tmp_path: Path) -> None:
    path = put(tmp_path, ".abc", "{")
    assert read_spool(tmp_path).damaged == 0
    long_ago = time.time() - 2 * HALF_WRITTEN_S
    os.utime(path, (long_ago, long_ago))
    assert read_spool(tmp_path).damaged == 1
    assert (tmp_path / DAMAGED / "abc").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnreadable, match="2770"):
        read_spool(tmp_path / "none")

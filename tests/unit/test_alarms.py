"""An alarm is heard once when its condition begins and once when it is over."""

from __future__ import annotations

from structlog.testing import capture_logs

from oddzwon.callflow.alarms import Alarms


def test_once_when_it_begins_and_once_when_it_is_over() -> None:
    alarms = Alarms()
    with capture_logs() as heard:
        for _ in range(3):
            alarms.raise_("ami-lost", "look at Asterisk")
        assert frozenset({"ami-lost"}) == alarms.standing
        alarms.raise_("log-full", "make room")
        for _ in range(2):
            alarms.clear("ami-lost")
        alarms.raise_("ami-lost", "look again")
    assert [(e["log_level"], e["condition"], e.get("what_to_do")) for e in heard] == [
        ("critical", "ami-lost", "look at Asterisk"),
        ("critical", "log-full", "make room"),
        ("warning", "ami-lost", None),
        ("critical", "ami-lost", "look again"),
    ]
    assert frozenset({"ami-lost", "log-full"}) == alarms.standing


def test_what_never_stood_is_not_over() -> None:
    with capture_logs() as heard:
        Alarms().clear("ami-lost")
    assert heard == []


def test_what_stands_cannot_be_changed_from_outside() -> None:
    alarms = Alarms()
    before = alarms.standing
    alarms.raise_("ami-lost", "")
    assert frozenset() == before

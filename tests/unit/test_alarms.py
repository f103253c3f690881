"""An alarm is heard once when its condition begins and once when it is over, however often it comes and goes."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from oddzwon.callflow.alarms import Alarm, Alarms
from oddzwon.clock import SystemClock

NEVER_S = 3_600.0


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


class Frozen(SystemClock):
    """A wall clock that a test moves."""

    at = 1_000

    def now(self) -> int:
        return self.at


def test_who_is_told_hears_the_same_with_the_time_and_what_became_of_it() -> None:
    told: list[Alarm] = []
    clock = Frozen()
    alarms = Alarms(told.append, clock=clock)
    alarms.raise_("ami-lost", "look at Asterisk")
    alarms.raise_("storm", "is the trunk up?")
    clock.at = 2_000
    alarms.clear("ami-lost")
    alarms.clear("storm", "of 10 calls: 10 connected")
    assert told == [
        Alarm("ami-lost", False, "look at Asterisk", 1_000),
        Alarm("storm", False, "is the trunk up?", 1_000),
        Alarm("ami-lost", True, "look at Asterisk", 2_000),
        Alarm("storm", True, "of 10 calls: 10 connected", 2_000),
    ]


async def test_what_comes_and_goes_with_every_call_is_one_alarm() -> None:
    """A storm of 200 dials, every other one refused by the trunk."""
    told: list[Alarm] = []
    alarms = Alarms(told.append, settle_s=NEVER_S)
    for _ in range(200):
        alarms.raise_("trunk-refused", "is the trunk up?")
        assert alarms.standing == {"trunk-refused"}
        alarms.clear("trunk-refused")
        assert alarms.standing == frozenset()
        await asyncio.sleep(0)
    assert [(alarm.condition, alarm.over) for alarm in told] == [("trunk-refused", False)]


async def test_it_is_over_once_it_has_stayed_away_and_tells_when_it_went() -> None:
    over = asyncio.Event()
    told: list[Alarm] = []

    def hears(alarm: Alarm) -> None:
        told.append(alarm)
        if alarm.over:
            over.set()

    clock = Frozen()
    alarms = Alarms(hears, settle_s=0.05, clock=clock)
    alarms.raise_("trunk-refused", "first")
    alarms.clear("trunk-refused")
    alarms.raise_("trunk-refused", "again")
    clock.at = 2_000
    alarms.clear("trunk-refused")
    clock.at = 3_000
    await over.wait()
    alarms.raise_("trunk-refused", "another day")
    assert [(alarm.over, alarm.text, alarm.at) for alarm in told] == [
        (False, "first", 1_000),
        (True, "again", 2_000),
        (False, "another day", 3_000),
    ]


async def test_an_end_that_was_awaited_is_told_at_once() -> None:
    told: list[Alarm] = []
    alarms = Alarms(told.append, settle_s=NEVER_S)
    alarms.raise_("storm", "is the trunk up?")
    alarms.clear("storm", "all are connected", at_once=True)
    assert [(alarm.over, alarm.text) for alarm in told] == [
        (False, "is the trunk up?"),
        (True, "all are connected"),
    ]


async def test_the_service_ends_what_is_over_is_told_what_stands_is_not() -> None:
    told: list[Alarm] = []
    alarms = Alarms(told.append, settle_s=NEVER_S)
    for condition in ("ami-lost", "log-full"):
        alarms.raise_(condition, "")
    alarms.clear("ami-lost")
    alarms.close()
    alarms.close()
    assert [(alarm.condition, alarm.over) for alarm in told] == [
        ("ami-lost", False),
        ("log-full", False),
        ("ami-lost", True),
    ]

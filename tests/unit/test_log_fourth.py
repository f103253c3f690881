"""What else came with the fourth schema: the loss by the clock since boot, and a policy's values under its hash."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.test_log_call_log import PARTY, decided, dropped, inbound, verdict

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.number import mask
from oddzwon.log import CallLog, LogRefused
from oddzwon.log.queries import Queries

T0 = 1_760_000_000_000
LOST = BootInstant("5f0c2a", 4_200_900)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[CallLog]:
    async with await CallLog.open(path) as log:
        yield log


async def test_the_loss_by_the_clock_since_boot_is_kept(log: CallLog) -> None:
    seen, unseen = await inbound(log, "1.1"), await inbound(log, "2.1")
    await log.conclude(seen, verdict(False), ended_at=T0 + 1_000, lost_at=T0 + 900, lost_boot=LOST)
    await log.conclude(unseen, verdict(False), ended_at=T0 + 1_000, lost_at=T0 + 900)
    rows = [await log.call(call) for call in (seen, unseen)]
    assert [row.lost_boot for row in rows if row is not None] == [LOST, None]
    assert await log.recent_drop_for(PARTY.number_key, T0) is None


async def test_it_comes_with_an_open_callback_and_a_drop(log: CallLog) -> None:
    call = await dropped(log, "1.1")
    found = await log.recent_drop_for(PARTY.number_key, T0)
    assert found is not None
    assert found.call.lost_boot is None
    await decided(log, call)
    (open_callback,) = await log.open_callbacks()
    assert (open_callback.call.id, open_callback.call.lost_boot) == (call, None)


@pytest.mark.parametrize("change", ["lost_boot_ms = 1", "lost_boot = 'another'", "lost_boot = NULL"])
async def test_it_never_changes(log: CallLog, path: Path, change: str) -> None:
    call = await inbound(log, "1.1")
    await log.end_call(call, ended_at=T0 + 1_000, lost_at=T0 + 900, lost_boot=LOST)
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError, match="call-lost-boot"):
        db.execute(f"UPDATE call SET {change}")


async def test_a_policys_values_are_kept_once_and_shown_with_the_decision(log: CallLog, path: Path) -> None:
    call = await dropped(log, "1.1")
    await decided(log, call)
    with Queries(path, mask) as queries:
        before = queries.call_object(call)
        await log.keep_policy("p" * 64, '{"first_dial_ms": 120000}', T0)
        await log.keep_policy("p" * 64, '{"first_dial_ms": 999999}', T0 + 1)
        after = queries.call_object(call)
    assert before is not None
    assert after is not None
    assert before["decision"]["policy_values"] is None
    assert after["decision"]["policy_values"] == {"first_dial_ms": 120_000}


async def test_what_is_no_json_is_no_policy(log: CallLog) -> None:
    with pytest.raises(LogRefused) as caught:
        await log.keep_policy("p", "first_dial_ms", T0)
    assert caught.value.rule == "policy-is-json"


@pytest.mark.parametrize(
    "sql",
    ["UPDATE policy SET json = '{}'", "DELETE FROM policy", "INSERT OR REPLACE INTO policy VALUES ('p', '{}', 1)"],
)
async def test_a_policy_stays_as_it_was_when_it_was_used(log: CallLog, path: Path, sql: str) -> None:
    await log.keep_policy("p", '{"a": 1}', T0)
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError, match="policy-append-only"):
        db.execute(sql)

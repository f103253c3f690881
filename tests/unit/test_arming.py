"""From the announcement to the recording: key 7 reaches it at every moment before the talk, and in a later call too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.test_log_call_log import PARTY, receipt
from tests.unit.test_recorders import FRAME, LEG, call_of, manager, over, recording_board

from oddzwon.asterisk.agi_results import Playback, PlaybackEnd
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.facts import KeyHeard
from oddzwon.callflow import recorders
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.recording import announce_and_arm, objected_before
from oddzwon.callflow.switchboard import Choice, Switchboard
from oddzwon.callflow.talk import Talk
from oddzwon.callflow.watch import Watch
from oddzwon.domain.recording import Mode, Regime, Retention
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogUnavailable
from oddzwon.log.records import NewCall
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.texts import Language

QUALITY = Choice("1", "support", Regime.QUALITY, Retention(days=30), None)
LEGAL = Choice("2", "trade", Regime.LEGAL, None, None)


class Asterisk:
    """The caller's channel: it plays everything to the end, and ``at`` is what happens in the middle of a command."""

    uniqueid = LEG

    def __init__(self) -> None:
        self.played: list[str] = []
        self.at: dict[str, Callable[[str], Any]] = {}

    async def get_variable(self, name: str) -> str:
        return "(alaw)" if "format" in name else "0x1"

    async def stream_file(self, path: str, _keys: str, sample_rate_hz: int) -> Playback:
        self.played.append(Path(path).name)
        return Playback(PlaybackEnd.FINISHED, None, sample_rate_hz, 1000)

    async def exec(self, application: str, *arguments: str) -> int:
        await self.at[application](arguments[0])
        return 0


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with recording_board(tmp_path) as board:
        board.choices = replace(board.choices, recording_test="LIA-1", quality_mode=Mode.ANNOUNCE)
        yield board


@pytest.fixture
async def talk(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """A caller who has chosen, every prompt built."""

    def built(_: Talk, key: Any, variant: str | None = None, language: str | None = None) -> Prompt:
        return Prompt(key, variant, Language.PL, "1" * 12, "a" * 64, Path("/p", key.value), 1000, 8000, "x")

    monkeypatch.setattr(Talk, "find", built)
    live = await call_of(board)
    live.line, live.keypad.listening = board.choices.line_for(""), True
    asterisk = Asterisk()

    async def begins(path: str) -> None:
        await asyncio.to_thread(Path(path).write_bytes, 100 * FRAME)

    asterisk.at["MixMonitor"] = begins
    return Talk(cast("AgiSession", asterisk), live, board)


def asterisk(talk: Talk) -> Asterisk:
    return cast("Asterisk", talk.agi)


async def arms(talk: Talk, choice: Choice = QUALITY, *, carried: bool = False) -> None:
    await announce_and_arm(talk, choice, talk.line, carried_objection=carried)
    await asyncio.gather(*talk.board.tasks)


def presses_7(board: Switchboard, live: LiveCall) -> None:
    Watch(board).handle(KeyHeard(live.call.leg, "7", board.now(), 120))


async def nothing_is_kept(talk: Talk) -> None:
    """No recording that runs, no file, the objection in the log, and the caller has been told."""
    assert talk.live.id is not None
    assert [r for r in talk.live.recordings.all if not r.deleted] == []
    assert talk.board.choices.recordings is not None
    assert [*talk.board.choices.recordings.iterdir()] == []
    assert await talk.board.log.objected_in_call(talk.live.id, ObjectionScope.RECORDING)
    assert asterisk(talk).played == ["REC_OBJECT", "NOT_RECORDED"]


async def test_without_key_7_it_is_armed(talk: Talk) -> None:
    await arms(talk)
    (recording,) = talk.live.recordings.all
    assert (recording.over, recording.path.exists()) == (False, True)
    assert asterisk(talk).played == ["REC_OBJECT"]


@pytest.mark.parametrize("moment", ["objected", "arm_recording"])
async def test_key_7_between_the_announcement_and_the_arming(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """While the register is read, or the row is on its way to the disk: the keypad was looked at before."""
    log, work = talk.board.log, getattr(talk.board.log, moment)

    async def meanwhile(*arguments: Any) -> Any:
        presses_7(talk.board, talk.live)
        return await work(*arguments)

    talk.live.party = PARTY
    monkeypatch.setattr(log, moment, meanwhile)
    await arms(talk)
    await nothing_is_kept(talk)


async def test_key_7_while_mixmonitor_is_being_started(talk: Talk) -> None:
    """Nothing can be stopped that does not run yet: the objection waits until it does."""
    board = talk.board
    manager(board).says["StopMixMonitor"] = "Could not stop monitoring channel"

    async def begins(path: str) -> None:
        presses_7(board, talk.live)
        await asyncio.wait(board.tasks, timeout=0.2)
        await asyncio.to_thread(Path(path).write_bytes, 100 * FRAME)
        manager(board).says["StopMixMonitor"] = ""

    asterisk(talk).at["MixMonitor"] = begins
    await arms(talk)
    assert [name for name, _ in manager(board).asked] == ["StopMixMonitor"]
    await nothing_is_kept(talk)


async def test_what_is_carried_over_does_not_reach_what_the_law_demands(talk: Talk) -> None:
    await arms(talk, carried=True)
    assert asterisk(talk).played == []
    await arms(talk, LEGAL, carried=True)
    assert asterisk(talk).played == ["REC_ANNOUNCE"]
    assert [r.regime for r in talk.live.recordings] == [Regime.LEGAL]


async def resuming(board: Switchboard, leg: str, resumed: str) -> str:
    new = NewCall(board.choices.pbx, "inbound", leg, leg, board.now(), PARTY, resumes=resumed)
    return await board.log.arrive(new)


async def test_an_objection_carries_over_to_whatever_goes_on_with_the_call(board: Switchboard) -> None:
    """Also where it was made two calls before, and where only the receipt tells of it."""
    assert await objected_before(board, None) is False
    first = await call_of(board)
    assert first.id is not None
    assert await objected_before(board, first.id) is False
    await over(board, first)
    second = await resuming(board, "leg-8", first.id)
    await board.log.receipt(second, receipt("REC_OBJECT", at=board.now()))
    third = await resuming(board, "leg-9", second)
    assert await objected_before(board, third) is False
    await recorders.object_to_recording(board, first, "feature code")
    assert await objected_before(board, third) is True


async def test_key_7_on_a_receipt_carries_over_too(board: Switchboard) -> None:
    live = await call_of(board)
    assert live.id is not None
    await board.log.receipt(live.id, replace(receipt("REC_OBJECT", at=board.now()), key="7"))
    assert await objected_before(board, live.id) is True


async def test_in_doubt_he_objected(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    live = await call_of(board)

    async def away(*_: Any) -> bool:
        raise LogUnavailable("the disk is gone")

    monkeypatch.setattr(board.log, "objected_in_call", away)
    assert await objected_before(board, live.id) is True

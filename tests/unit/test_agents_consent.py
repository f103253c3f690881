"""The agent's consent (§ 201 StGB): to one question, by one person; and the sign that answers his code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.test_log_recordings import ASKED
from tests.unit.test_recorders import AGENT, LEG, Manager, call_of, manager, recorded, recording_board, state

from oddzwon.asterisk.ami_notices import AmiConnected
from oddzwon.asterisk.facts import FeatureUsed
from oddzwon.callflow import contract
from oddzwon.callflow.agent_leg import standing_consent
from oddzwon.callflow.recorders import pause_or_resume
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.callflow.watch import Watch
from oddzwon.domain.recording import Regime
from oddzwon.log import AgentConsent
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.texts import Language, PromptKey

HOUR_MS = 3_600_000


class Connected(Manager):
    """A manager whose events are heard."""

    here = True

    @property
    def connected(self) -> bool:
        return self.here


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with recording_board(tmp_path, Connected) as board:
        yield board


def question(purpose: str) -> Prompt:
    """What is asked about this purpose; each has its own words, and so its own version and audio."""
    key, sha256 = PromptKey.REC_CONSENT_AGENT, purpose[0] * 64
    return Prompt(key, "key1_de", Language.DE, purpose, sha256, Path("/p"), 4_000, 8_000, purpose)


async def agrees(board: Switchboard, purpose: str, agent: str = ASKED.agent) -> int:
    asked, at = question(purpose), board.now()
    answer = (asked.version, asked.sha256, "de", 2_000, 4_000, "1", True, at, at + HOUR_MS)
    return await board.log.record_agent_consent(AgentConsent(agent, asked.key.value, *answer))


async def test_a_yes_is_to_its_own_purpose(board: Switchboard) -> None:
    training = await agrees(board, "a training")
    assert await standing_consent(board, ASKED.agent, question("a training")) == (training, False)
    assert await standing_consent(board, ASKED.agent, question("b orders")) == (None, True)
    orders = await agrees(board, "b orders")
    assert await standing_consent(board, ASKED.agent, question("a training")) == (training, False)
    assert await standing_consent(board, ASKED.agent, question("b orders")) == (orders, False)


async def test_no_answer_stands_while_nobody_hears_who_logs_out(board: Switchboard) -> None:
    await agrees(board, "a training")
    cast("Connected", board.ami).here = False
    assert await standing_consent(board, ASKED.agent, question("a training")) == (None, True)


async def test_nor_after_that(board: Switchboard) -> None:
    """Our restart, or a connection that was lost: the next person at that telephone is asked himself."""
    await agrees(board, "a training")
    await Watch(board)._connected(AmiConnected(0.0, 1_000.0, 5.0))
    assert await standing_consent(board, ASKED.agent, question("a training")) == (None, True)


@pytest.mark.parametrize(("refusal", "sign"), [("", contract.TAKEN), ("Permission denied", contract.REFUSED)])
async def test_the_agent_hears_what_came_of_a_pause(board: Switchboard, refusal: str, sign: str) -> None:
    """Without a sound it was not done: else he could not tell it from a service that is away."""
    live = await call_of(board)
    await recorded(board, live)
    manager(board).says["MixMonitorMute"] = refusal
    Watch(board).handle(FeatureUsed(LEG, AGENT, "pause", board.now()))
    await asyncio.gather(*board.tasks)
    action, fields = manager(board).asked[-1]
    assert (action, fields["Channel"]) == ("Originate", f"Local/{sign}@oddzwon-sign/n")


async def test_what_the_law_demands_is_never_silent(board: Switchboard) -> None:
    live = await call_of(board)
    legal = await recorded(board, live, Regime.LEGAL)
    assert await pause_or_resume(board, live) is False
    await contract.contract(cast("Any", SimpleNamespace(uniqueid=LEG)), board)
    assert manager(board).asked == []
    assert (legal.muted, await state(board, legal)) == (False, "recording")

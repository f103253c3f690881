"""A callback under way in the service: a real log, real FastAGI sessions, and a manager that answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.protocol.conftest import AGI_HEADER, HOST, AgiPeer, AgiWire
from tests.unit.test_agents import fresh_callback
from tests.unit.test_held_agent import AGENT, InOrder
from tests.unit.test_recorders import recording_board

from oddzwon.asterisk.ami_wire import AmiEvent, AmiResponse
from oddzwon.asterisk.fastagi import FastAgiServer
from oddzwon.callflow.agents import Agents
from oddzwon.callflow.callback import callback
from oddzwon.callflow.cancelling import cancel_by_phone
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.held_agent import hold
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.events import LegId
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.studio import Studio

PATIENCE_S = 60.0
PBX = "lab"
"""Whose calls those of test_log_call_log are."""
TWO_CALLS = 2
"""The Originates of one callback, agent first: the agent's and the customer's."""

Answer = Callable[[], Awaitable[str]]


class Desk(InOrder):
    """``free``: the members of every queue who are free. It has no channels. ``hooks``: what an action waits for."""

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.free: Sequence[str] = (AGENT,)
        self.hooks: dict[str, Callable[[], Awaitable[None]]] = {}

    async def action(self, name: str, fields: Any = (), **how: Any) -> AmiResponse:
        """As any manager, after the action's hook."""
        answer = await super().action(name, fields, **how)
        if name in self.hooks:
            await self.hooks[name]()
        return answer

    async def action_list(self, name: str, fields: Any = (), **_how: Any) -> list[AmiEvent]:
        """Its queues; of anything else it has nothing."""
        self.asked.append((name, dict(fields)))
        if name in self.hooks:
            await self.hooks[name]()
        queue = dict(fields).get("Queue", "")
        members = self.free if name == "QueueStatus" else ()
        return [AmiEvent("QueueMember", {"Queue": queue, "Location": one, "Status": "1"}, 0.0) for one in members]

    def hangs_up(self, leg: LegId | None) -> bool:
        """Whether it was asked to hang this leg up."""
        return any(name == "Hangup" and fields["Channel"] == leg for name, fields in self.asked)

    def count(self, name: str) -> int:
        """How often this action was asked for."""
        return sum(asked == name for asked, _ in self.asked)


def desk(board: Switchboard) -> Desk:
    assert isinstance(board.ami, Desk)
    return board.ami


class Telephone:
    """A leg that Asterisk has handed to us: it takes every command, ``told`` keeps them.

    ``answers`` has what is said to those that begin so, by whoever has to be asked for it first.
    """

    def __init__(self, leg: str, wire: AgiWire) -> None:
        self.leg = leg
        self.told: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.wire = wire
        self.over = asyncio.Event()

    async def serve(self) -> None:
        """Until the service closes the session, or the test closes the wire."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                command = (await self.wire.reader.readuntil(b"\n")).decode().strip()
                self.told.append(command)
                await self.wire.send(f"{await self._answer(command)}\n".encode())
        self.over.set()

    async def _answer(self, command: str) -> str:
        for begins, answer in self.answers.items():
            if command.startswith(begins):
                return await answer()
        if command.startswith("STREAM FILE"):
            return "200 result=0 endpos=8000"
        return "200 result=0"

    def heard(self, begins: str) -> bool:
        """Whether it was told such a thing."""
        return any(command.startswith(begins) for command in self.told)


class Office:
    """The board, and the telephones that have reached its flows."""

    def __init__(self, board: Switchboard, server: FastAgiServer, peer: AgiPeer) -> None:
        self.board = board
        self.telephones: list[Telephone] = []
        self._server = server
        self._peer = peer

    @property
    def desk(self) -> Desk:
        return desk(self.board)

    async def picks_up(self, flow: str, leg: str, **answers: Answer) -> Telephone:
        """Whoever has this leg picks up, and the dialplan asks this flow of ours."""
        header = AGI_HEADER.replace(b"inbound", flow.encode()).replace(b"pbx-1700000000.1", leg.encode())
        wire = await self._peer.connect(self._server.address)
        telephone = Telephone(leg, wire)
        self.telephones.append(telephone)
        telephone.answers = {begins.replace("_", " "): answer for begins, answer in answers.items()}
        await wire.send(header)
        token = (await wire.line()).split('"')[1]
        await wire.send(f"200 result=1 ({token})\n".encode())
        self.board.spawn(telephone.serve(), "telephone")
        return telephone

    async def begun(self, *, agent_first: bool = True) -> CallbackRun:
        """A callback for a call that dropped a moment ago; its loop is not running yet."""
        run = await fresh_callback(self.board)
        run.state = replace(run.state, agent_first=agent_first)
        return run

    async def runs(self, *, agent_first: bool = True) -> CallbackRun:
        """The same, under way."""
        run = await self.begun(agent_first=agent_first)
        self.board.spawn(run.run(), f"callback-{run.id}")
        return run

    async def agent_rung(self) -> CallbackRun:
        """A callback whose agent's telephone rings."""
        run = await self.runs()
        await until(lambda: run.held is not None and self.desk.count("Originate") == 1 and not run.held.asking)
        return run

    async def dialled(self) -> CallbackRun:
        """A callback whose agent holds the line, and whose Originate Asterisk has taken."""
        run = await self.agent_rung()
        assert run.held is not None
        await self.picks_up("hold", run.held.leg)
        await until(lambda: self.desk.count("Originate") == TWO_CALLS)
        await until(lambda: ("dialling", 0) in attempts(self.board, run.id))
        return run


@asynccontextmanager
async def opened_office(folder: Path) -> AsyncIterator[Office]:
    """A service that can speak, with one free agent; what it still does at the end is broken off."""
    async with recording_board(folder, Desk) as board:
        board.choices = replace(board.choices, pbx=PBX)
        board.agents = Agents(board.ami, lambda _: None)
        board.prompts = await asyncio.to_thread(spoken, folder)
        flows = {"hold": hold, "callback": callback, "cancel": cancel_by_phone}
        server, peer = (
            FastAgiServer(HOST, 0, {name: partial(flow, board=board) for name, flow in flows.items()}),
            AgiPeer(),
        )
        await server.start()
        yield Office(board, server, peer)
        tasks = tuple(board.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        speaking = [task for task in asyncio.all_tasks() if task.get_name().startswith("speaking-")]
        await asyncio.gather(*speaking, return_exceptions=True)
        await peer.close()
        await server.close()


def spoken(folder: Path) -> PromptLibrary:
    """Nothing is built; what is said during a call can be spoken."""
    (folder / "prompts").mkdir(exist_ok=True)
    return PromptLibrary.open(folder / "prompts", Studio(EspeakSpeaker()), short=True)


def mute(folder: Path) -> PromptLibrary:
    """As an operator has it whose speech engine is gone."""
    return PromptLibrary.open(folder / "prompts")


async def until(true: Callable[[], bool]) -> None:
    """Return when it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - a row of another connection tells nobody that it is there
            await asyncio.sleep(0.01)


async def soon(awaitable: Awaitable[Any]) -> None:
    """What must come."""
    await asyncio.wait_for(awaitable, PATIENCE_S)


def history(board: Switchboard, callback: str) -> list[tuple[str, str]]:
    """The callback's states in the log, and why."""
    sql = "SELECT state, why FROM callback_event WHERE callback = ? ORDER BY seq"
    with closing(sqlite3.connect(board.log.path)) as db:
        return db.execute(sql, (callback,)).fetchall()


def attempts(board: Switchboard, callback: str) -> list[tuple[str, int]]:
    """The callback's dials in the log: their states, and whether it is known that no channel ever was."""
    sql = "SELECT state, never_existed FROM attempt WHERE callback = ? ORDER BY n"
    with closing(sqlite3.connect(board.log.path)) as db:
        return db.execute(sql, (callback,)).fetchall()


@contextlib.contextmanager
def locked(board: Switchboard) -> Iterator[None]:
    """Another process holds the database: nothing can be written."""
    with closing(sqlite3.connect(board.log.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")

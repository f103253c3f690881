"""Scripted peers that play Asterisk on real sockets: they show the faults that the real one cannot be made to show.

What they say is what Asterisk says (res/res_agi.c, main/manager.c of Asterisk 22), byte by byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import pytest
from blockbuster import blockbuster_ctx

from oddzwon.asterisk.ami import AmiClient, AmiConnected, AmiNotice, AmiSettings
from oddzwon.asterisk.fastagi import AgiHandler, AgiLimits, FastAgiServer

T = TypeVar("T")
PATIENCE = 5.0  # how long a test waits for something that must come
HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def no_blocking_call_on_the_loop() -> Iterator[None]:
    with blockbuster_ctx():
        yield


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, PATIENCE)


class Wire:
    """One TCP connection, seen from Asterisk's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await soon(self.writer.drain())

    async def line(self) -> str:
        return (await soon(self.reader.readuntil(b"\n"))).decode().rstrip("\r\n")

    async def until_closed(self) -> bytes:
        """What still comes until the other side closes; a reset counts as closed."""
        rest = bytearray()
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while chunk := await self.reader.read(65_536):
                    rest += chunk
        return bytes(rest)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await soon(self.writer.wait_closed())


class AmiWire(Wire):
    """A manager session, seen from Asterisk's end."""

    async def action(self) -> dict[str, list[str]]:
        """The next action that arrives, every header with all its values."""
        headers: dict[str, list[str]] = {}
        while text := await self.line():
            name, _, value = text.partition(": ")
            headers.setdefault(name, []).append(value)
        return headers

    async def greet(self) -> None:
        await self.send(b"Asterisk Call Manager/9.0.0\r\n")

    async def respond(self, action: dict[str, list[str]], *lines: str, response: str = "Success") -> None:
        head = [f"Response: {response}", f"ActionID: {action['ActionID'][0]}"]
        await self.send("\r\n".join([*head, *lines, "", ""]).encode())

    async def event(self, name: str, *lines: str) -> None:
        await self.send("\r\n".join([f"Event: {name}", "Privilege: call,all", *lines, "", ""]).encode())

    async def log_in(self, uptime: int = 1000) -> dict[str, list[str]]:
        """Greet, take the login, say that Asterisk is fully booted; return the login."""
        await self.greet()
        login = await self.action()
        await self.respond(login, "Message: Authentication accepted")
        await self.event("FullyBooted", f"Uptime: {uptime}", f"LastReload: {uptime}", "Status: Fully Booted")
        return login


class AmiPeer:
    """Listens where Asterisk's manager would."""

    def __init__(self) -> None:
        self._wires: asyncio.Queue[AmiWire] = asyncio.Queue()
        self._all: list[AmiWire] = []
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._connected, HOST, port)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = AmiWire(reader, writer)
        self._all.append(wire)
        self._wires.put_nowait(wire)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many there were so far."""
        return len(self._all)

    async def accept(self) -> AmiWire:
        return await soon(self._wires.get())

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for wire in self._all:
            await wire.close()
        await soon(self._server.wait_closed())


@pytest.fixture
async def ami_peer() -> AsyncIterator[AmiPeer]:
    peer = AmiPeer()
    await peer.start()
    yield peer
    await peer.close()


class RunningClient:
    """An AmiClient whose run() is under way."""

    def __init__(self, client: AmiClient) -> None:
        self.client = client
        self.task = asyncio.create_task(client.run())

    async def notice(self) -> AmiNotice:
        return await soon(self.client.notices.get())

    async def connected(self) -> AmiConnected:
        notice = await self.notice()
        assert isinstance(notice, AmiConnected)
        return notice


StartClient = Callable[..., RunningClient]


@pytest.fixture
async def start_client(ami_peer: AmiPeer) -> AsyncIterator[StartClient]:
    """Start a client against the scripted manager; keyword arguments are AmiSettings."""
    running: list[RunningClient] = []

    def start(wanted: frozenset[str] = frozenset({"Hangup"}), **settings: float | str) -> RunningClient:
        given: dict[str, object] = {
            "host": HOST,
            "port": ami_peer.port,
            "username": "oddzwon",
            "secret": "s3cret",
            "backoff_min": 0.01,
            "backoff_max": 0.02,
        }
        client = AmiClient(AmiSettings(**(given | settings)), wanted)  # type: ignore[arg-type]  # the test's own keywords
        running.append(RunningClient(client))
        return running[-1]

    yield start
    for one in running:
        await soon(one.client.close())
        await asyncio.gather(one.task, return_exceptions=True)


@pytest.fixture
async def joined(start_client: StartClient, ami_peer: AmiPeer) -> tuple[RunningClient, AmiWire]:
    """A client that is logged in, and Asterisk's end of its connection."""
    one = start_client()
    wire = await ami_peer.accept()
    await wire.log_in()
    await one.connected()
    return one, wire


AGI_HEADER = (
    b"agi_network: yes\nagi_network_script: inbound\nagi_request: agi://127.0.0.1:4573/inbound\n"
    b"agi_channel: PJSIP/carrier-00000001\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: pbx-1700000000.1\n"
    b"agi_version: 22.10.1\nagi_callerid: +48600100200\nagi_calleridname: Zo\xc3\xab\nagi_dnid: +48221234567\n"
    b"agi_context: oddzwon-inbound\nagi_extension: +48221234567\nagi_priority: 3\nagi_enhanced: 0.0\n"
    b"agi_accountcode: \nagi_threadid: 140\nagi_arg_1: +48221234567\n\n"
)


class AgiWire(Wire):
    """A call that comes in by FastAGI, seen from Asterisk's end."""

    async def answer(self, command: str, *lines: str) -> None:
        """Expect exactly this command, and answer it."""
        assert await self.line() == command
        await self.send("".join(f"{text}\n" for text in lines).encode())


class AgiPeer:
    """Calls servers as Asterisk does, and hangs all up at the end."""

    header = AGI_HEADER

    def __init__(self) -> None:
        self._wires: list[AgiWire] = []

    async def connect(self, address: tuple[str, int]) -> AgiWire:
        reader, writer = await soon(asyncio.open_connection(*address, limit=2**21))
        self._wires.append(AgiWire(reader, writer))
        return self._wires[-1]

    async def call(self, address: tuple[str, int]) -> AgiWire:
        """Call the adapter: header, then its question whether we are in step."""
        wire = await self.call_bare(address)
        question = await wire.line()
        assert question.startswith('GET FULL VARIABLE "')
        token = question.split('"')[1]
        await wire.send(f"200 result=1 ({token})\n".encode())
        return wire

    async def call_bare(self, address: tuple[str, int], header: bytes = AGI_HEADER) -> AgiWire:
        wire = await self.connect(address)
        await wire.send(header)
        return wire

    async def close(self) -> None:
        for wire in self._wires:
            await wire.close()


@pytest.fixture
async def agi_peer() -> AsyncIterator[AgiPeer]:
    peer = AgiPeer()
    yield peer
    await peer.close()


StartServer = Callable[..., Awaitable[FastAgiServer]]


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """Start a FastAgiServer that serves `inbound`; further keywords as its own."""
    servers: list[FastAgiServer] = []

    async def start(handler: AgiHandler, *, limits: AgiLimits | None = None, max_sessions: int = 500) -> FastAgiServer:
        server = FastAgiServer(HOST, 0, {"inbound": handler}, limits=limits, max_sessions=max_sessions)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await soon(server.close())

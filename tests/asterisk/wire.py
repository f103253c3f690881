"""A TCP connection's way, which can forget its connections as a firewall does: they stand, and carry nothing."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

BLOCK = 65_536


class Wire:
    """Takes connections on ``host``:``port`` and leads them to ``host``:``to``, while it is entered."""

    def __init__(self, host: str, port: int, to: int) -> None:
        self._host, self._port, self._to = host, port, to
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._lead, self._host, self._port)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        self.hush()
        for end in self._ends:
            end.close()

    def hush(self) -> None:
        """The connections that stand carry nothing from now on, in neither direction; new ones do."""
        for way in self._ways:
            way.cancel()

    async def _lead(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_connection(self._host, self._to)
        self._ends += (to_near, to_far)
        for from_, to in ((near, to_far), (far, to_near)):
            way = asyncio.create_task(_carry(from_, to))
            self._ways.add(way)
            way.add_done_callback(self._ways.discard)


async def _carry(from_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Until one side closes."""
    with contextlib.suppress(ConnectionError):
        while data := await from_.read(BLOCK):
            to.write(data)
            await to.drain()
    to.close()

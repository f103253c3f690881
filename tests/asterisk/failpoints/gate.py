"""The other end of the service's failpoints: learns of every step that it passes, and holds it at one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

from tests.asterisk.patience import PATIENCE_S


class Gate:
    """Listens where the service tells its steps (``ODDZWON_FAILPOINT_SOCKET``); holds it once, at the n-th ``step``.

    An async context manager; at its end nobody is held any more.
    """

    def __init__(self, path: Path) -> None:
        self.passed: list[str] = []
        self._path = path
        self._server: asyncio.Server | None = None
        self._step: str | None = None
        self._reached = asyncio.Event()
        self._released = asyncio.Event()

    async def __aenter__(self) -> Gate:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._told, self._path)
        self._path.chmod(0o666)  # the service has a user of its own
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)

    def hold(self, step: str) -> None:
        """The service stops at its next ``step``; whatever else it does goes on."""
        self._step = step

    async def reached(self, within: float = PATIENCE_S) -> None:
        """Until the service is held; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self._reached.wait()

    def release(self) -> None:
        """The service goes on."""
        self._released.set()

    async def _told(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            step = (await reader.readline()).decode().strip()
            self.passed.append(step)
            if step == self._step and not self._reached.is_set():
                self._reached.set()
                await self._released.wait()
        finally:
            writer.close()

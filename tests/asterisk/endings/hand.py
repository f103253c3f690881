"""A manager of the PBX who meddles: pyst2's manager, logged in with the service's rights, but not the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType

from asterisk.manager import Manager

from tests.asterisk.observer import log_out, new_manager


class Refusal(AssertionError):
    """Asterisk did not do what the case asked for; the message holds its words."""


class Hand:
    """Actions on channels; an async context manager. pyst2 matches answers by their order: one action at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._manager: Manager | None = None
        self._turn = asyncio.Lock()
        self._nobody = asyncio.Lock()
        self.dialling = asyncio.Lock()
        """Held by a case from its INVITE until its channel is seen, where nothing in the channel tells whose it is."""

    async def __aenter__(self) -> Hand:
        await asyncio.to_thread(self._log_in)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            await asyncio.to_thread(log_out, manager)

    def _log_in(self) -> None:
        manager = new_manager()
        manager.connect(self._host)
        manager.login("oddzwon", "oddzwon-lab")
        manager.send_action({"Action": "Events", "EventMask": "off"})
        self._manager = manager

    async def does(self, action: str, **fields: str) -> None:
        """The action, which must succeed; raises Refusal."""
        assert self._manager is not None, "enter the context first"
        async with self._turn:
            answer = await asyncio.to_thread(self._manager.send_action, {"Action": action, **fields})
        if answer.get_header("Response") != "Success":
            msg = f"{action} {fields}: {answer.get_header('Message')}"
            raise Refusal(msg)

    async def sets(self, channel: str, name: str, value: str) -> None:
        """Set a variable or function of the channel."""
        await self.does("Setvar", Channel=channel, Variable=name, Value=value)

    async def redirects(self, channel: str, context: str, exten: str) -> None:
        """Send the channel to another place of the dialplan."""
        await self.does("Redirect", Channel=channel, Context=context, Exten=exten, Priority="1")

    @contextlib.asynccontextmanager
    async def member_of_nobody(self, interface: str) -> AsyncIterator[None]:
        """The lab's queue ``nobody``, for one case alone, with this one member until it is removed, or to the end."""
        async with self._nobody:
            await self.does("QueueAdd", Queue="nobody", Interface=interface)
            try:
                yield
            finally:
                with contextlib.suppress(Refusal):  # the case may have removed it
                    await self.removes(interface)

    async def removes(self, interface: str) -> None:
        """The queue ``nobody`` loses its member; raises Refusal if it is none."""
        await self.does("QueueRemove", Queue="nobody", Interface=interface)

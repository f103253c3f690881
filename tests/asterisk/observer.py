"""A second, independent pair of eyes on Asterisk: pyst2's manager, logged in as the lab's read-only observer."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from asterisk.manager import Event, Manager, ManagerException

from tests.asterisk.patience import PATIENCE_S

POLL_S = 0.1
GOODBYE_S = 5.0
NOT_IN_USE = "1"
"""AST_DEVICE_NOT_INUSE (include/asterisk/devicestate.h)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An AMI event; ``at`` is when it was read, on the monotonic clock. Missing fields read as ''."""

    name: str
    fields: Mapping[str, str]
    at: float

    def __getitem__(self, field: str) -> str:
        return self.fields.get(field, "")

    def __str__(self) -> str:
        shown = ("Channel", "DestChannel", "UserEvent", "Command", "Cause", "ChannelStateDesc", "Status", "DialStatus")
        return " ".join([f"{self.at:10.3f}", self.name, *(f"{k}={self[k]}" for k in shown if self[k])])


Wanted = Callable[[Seen], bool]


class Observer:
    """Every event since :meth:`watch`, in order, and ``devices``: each queue member's state as last told.

    pyst2 reads in threads of its own; tests wait on their loop.
    """

    def __init__(self, host: str) -> None:
        self.seen: list[Seen] = []
        self.devices: dict[str, str] = {}
        self._host = host
        self._manager: Manager | None = None
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Future[Seen], Wanted] = {}

    def watch(self, port: int = 5038) -> None:
        """Log in and listen; raises pyst2's ManagerException."""
        manager = new_manager()
        manager.register_event("*", self._take)
        manager.connect(self._host, port)
        manager.login("lab", "lab")
        self._manager = manager
        # pyst2 takes the whole of this list for one answer's text
        members = manager.send_action({"Action": "QueueStatus", "Queue": "support"}).data
        for found in re.finditer(r"^Location: (\S+)\r\n(?:.+\r\n)*?Status: (\d+)\r\n", members, re.MULTILINE):
            with self._lock:
                self.devices.setdefault(found[1], found[2])

    async def watch_again(self, port: int = 5038) -> None:
        """Log in anew after Asterisk's end: what is seen from then on comes after what was seen before."""
        await asyncio.to_thread(self.close)
        self.devices.clear()
        await asyncio.to_thread(self.watch, port)

    def close(self) -> None:
        """Log out."""
        if self._manager is not None:
            log_out(self._manager)
            self._manager = None

    async def until_quiet(self, within: float = PATIENCE_S) -> None:
        """Until Asterisk has no channel; raises TimeoutError."""
        async with asyncio.timeout(within):
            while await asyncio.to_thread(self._channels) != "0":  # noqa: ASYNC110 - a count is asked for, not told
                await asyncio.sleep(POLL_S)

    async def until_refused(self, within: float = PATIENCE_S) -> None:
        """Until Asterisk refuses every action, since it waits for its last call to stop; raises TimeoutError."""
        async with asyncio.timeout(within):
            while await asyncio.to_thread(self._channels) != "None":  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(POLL_S)

    def _channels(self) -> str:
        assert self._manager is not None, "watch() comes first"
        return str(self._manager.send_action({"Action": "CoreStatus"}).get_header("CoreCurrentCalls"))

    def mark(self) -> int:
        """The place after the newest event, for ``since``."""
        return len(self.seen)

    def among(self, wanted: Wanted, *, since: int = 0) -> list[Seen]:
        """The events that are wanted, in order."""
        return [event for event in self.seen[since:] if wanted(event)]

    async def wait_for(self, wanted: Wanted, within: float = PATIENCE_S, *, since: int = 0) -> Seen:
        """The first wanted event after ``since``, seen already or still to come; raises TimeoutError."""
        future: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        with self._lock:
            past = self.among(wanted, since=since)
            if past:
                return past[0]
            self._waiting[future] = wanted
        try:
            return await asyncio.wait_for(future, within)
        finally:
            with self._lock:
                self._waiting.pop(future, None)

    async def until_free(self, devices: Collection[str], within: float = PATIENCE_S) -> None:
        """Until Asterisk takes every one of the devices for free; raises TimeoutError."""

        def free(_seen: Seen | None = None) -> bool:
            return all(self.devices.get(device) == NOT_IN_USE for device in devices)

        if not free():
            await self.wait_for(free, within, since=self.mark())

    def _take(self, event: Event, _manager: Manager) -> None:
        seen = Seen(event.name, dict(event.headers), time.monotonic())
        with self._lock:
            self.seen.append(seen)
            if seen.name == "QueueMemberStatus":
                self.devices[seen["Interface"]] = seen["Status"]
            for future, wanted in self._waiting.items():
                if wanted(seen):
                    future.get_loop().call_soon_threadsafe(_settle, future, seen)


class _Flag(threading.Event):
    """An event that answers to its old name without a warning.

    pytest sets its warnings' filters anew for every test, under the feet of pyst2's threads: in between, the deprecated
    name raises, the thread dies, and the observer is deaf from then on [seen with very many short tests].
    """

    isSet = threading.Event.is_set  # noqa: N815 - the old name


def new_manager() -> Manager:
    """pyst2's manager, whose threads no deprecation can end."""
    manager = Manager()
    manager._running, manager._connected = _Flag(), _Flag()
    return manager


def log_out(manager: Manager) -> None:
    """Log out, or let it be: pyst2 waits for ever for an answer that its reader has lost with the connection."""

    def close() -> None:
        # its reader closes the socket at Asterisk's goodbye, at times before its writer has flushed
        with contextlib.suppress(ValueError, ManagerException):
            manager.close()

    leaving = threading.Thread(target=close, name="log-out", daemon=True)
    leaving.start()
    leaving.join(GOODBYE_S)


def _settle(future: asyncio.Future[Seen], seen: Seen) -> None:
    if not future.done():
        future.set_result(seen)


def named(name: str, **fields: str) -> Wanted:
    """Events of this name whose fields have these values."""

    def wanted(seen: Seen) -> bool:
        return seen.name == name and all(seen[field] == value for field, value in fields.items())

    return wanted


def plays(prompt: str) -> Wanted:
    """The service has just told Asterisk to play this prompt to a caller (a part of its file's path)."""

    def wanted(seen: Seen) -> bool:
        command = seen["Command"]
        return seen.name == "AGIExecStart" and command.startswith("STREAM FILE") and prompt in command

    return wanted


def told(event: str, **fields: str) -> Wanted:
    """A UserEvent of the dialplan's."""
    return named("UserEvent", UserEvent=event, **fields)

"""The manager connection that the service lives with: it connects, logs in, keeps alive, connects again.

What it promises: events in strict order and never lost without an AmiDisconnected, every wait bounded, no action
ever sent twice, and of every action that got no answer whether it certainly did not leave or its fate is unknown.
"""

# ruff: noqa: ASYNC109  # a timeout here is what Asterisk is given to answer, and it decides which error is raised

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from oddzwon.asterisk.ami_connection import AmiConnection
from oddzwon.asterisk.ami_notices import AmiConnected, AmiDisconnected, AmiNotice, NoticeQueue
from oddzwon.asterisk.ami_wire import AmiEvent, AmiResponse, Fields
from oddzwon.asterisk.errors import (
    AmiAuthenticationError,
    AmiConnectionError,
    AmiFateUnknown,
    AmiKeepaliveError,
    AmiNotSent,
    AmiProtocolError,
    AmiRefused,
    AmiTimeout,
    AmiUnsafeValue,
)

__all__ = [
    "AmiClient",
    "AmiConnected",
    "AmiDisconnected",
    "AmiEvent",
    "AmiNotice",
    "AmiResponse",
    "AmiSettings",
    "NoticeQueue",
]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiSettings:
    """Where Asterisk's manager is and how patient we are. All times in seconds.

    `secret` never appears in a log line or an error. `tls`: a client context where the manager is remote.
    """

    host: str
    port: int = 5038
    username: str
    secret: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 5.0
    action_timeout: float = 5.0
    ping_interval: float = 5.0
    ping_timeout: float = 5.0
    backoff_min: float = 0.25
    backoff_max: float = 10.0
    stable_after: float = 2.0
    max_message_bytes: int = 262_144
    max_pending: int = 20_000
    max_actions: int = 1_000
    max_list_events: int = 20_000


def backoff(lowest: float, highest: float, rng: random.Random) -> Iterator[float]:
    """Seconds to wait before each further try: doubling, bounded, half of it random."""
    ceiling = lowest
    while True:
        yield ceiling / 2 + rng.random() * ceiling / 2
        ceiling = min(ceiling * 2, highest)


class AmiClient:
    """One manager user's connection, for as long as `run()` runs.

    `wanted` names the events that the consumer of `notices` wants; None of the others is even taken apart.
    `now` is UTC seconds, `monotonic` seconds of a clock that never jumps.
    """

    def __init__(
        self,
        settings: AmiSettings,
        wanted: frozenset[str],
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.notices = NoticeQueue(settings.max_pending)
        self._settings = settings
        self._wanted = frozenset(name.encode() for name in wanted)
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not cryptography
        self._connection: AmiConnection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._last_heard: float | None = None

    @property
    def connected(self) -> bool:
        """Logged in, and the connection is not known to be lost."""
        return self._connection is not None

    async def run(self) -> None:
        """Keep the connection up until cancelled or closed. Call it once at a time.

        Raises AmiAuthenticationError when Asterisk refuses the login; that is not tried again. After any other
        loss it connects anew, after a back-off.
        """
        if self._supervisor is not None:
            raise RuntimeError("AmiClient.run() is running already")
        self.notices.reopen()
        self._supervisor = asyncio.create_task(self._supervise(), name="ami")
        try:
            await asyncio.wait([self._supervisor])
        finally:
            self._supervisor.cancel()
            # its own error is told below, or hidden by the cancellation of run() itself
            await asyncio.gather(self._supervisor, return_exceptions=True)
            supervisor, self._supervisor = self._supervisor, None
            self.notices.end()
        if not supervisor.cancelled():
            supervisor.result()

    async def close(self) -> None:
        """Stop: the connection, a login under way, a scheduled reconnect. `run()` then returns. May be called twice."""
        if (supervisor := self._supervisor) is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])

    async def action(
        self, name: str, fields: Fields = (), *, action_id: str | None = None, timeout: float | None = None
    ) -> AmiResponse:
        """Send one action, once, and return Asterisk's answer, also when it is a refusal (`success` False).

        `fields` may repeat a name (pairs). `action_id`: the caller's own, to know an OriginateResponse by; unique
        among the actions under way. Raises AmiUnsafeValue or AmiNotSent (it certainly did not leave), AmiTimeout or
        AmiFateUnknown (it left; look it up, do not send it again blindly).
        """
        answer, _ = await self._ask(name, fields, action_id, timeout, listing=False)
        return answer

    async def action_list(
        self, name: str, fields: Fields = (), *, action_id: str | None = None, timeout: float | None = None
    ) -> list[AmiEvent]:
        """The events of a list action (QueueStatus, CoreShowChannels), without its start and its end.

        Raises as `action`, AmiRefused when Asterisk refuses, AmiProtocolError when it answers without a list.
        """
        answer, listed = await self._ask(name, fields, action_id, timeout, listing=True)
        if not answer.success:
            raise AmiRefused(name, answer.message)
        if answer.fields.get("EventList", "").lower() != "start":
            raise AmiProtocolError(f"The AMI action {name} gives no list; use action() for it.")
        return listed

    async def _ask(
        self, name: str, fields: Fields, action_id: str | None, timeout: float | None, *, listing: bool
    ) -> tuple[AmiResponse, list[AmiEvent]]:
        if self._connection is None:
            raise AmiNotSent(f"Asterisk's manager is not connected; the action {name} was not sent.")
        patience = self._settings.action_timeout if timeout is None else timeout
        return await self._connection.ask(name, fields, action_id=action_id, timeout=patience, listing=listing)

    # -- supervision --------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        delays = backoff(self._settings.backoff_min, self._settings.backoff_max, self._rng)
        while True:
            await self.notices.drained()
            began = self._monotonic()
            try:
                await self._live()
            except AmiUnsafeValue:
                raise  # the configured user or secret cannot be sent, now or later
            except (AmiConnectionError, AmiFateUnknown, AmiNotSent, OSError) as error:
                if self._monotonic() - began > min(self._settings.stable_after, self._settings.backoff_max):
                    # it had held: start over with short delays, since every second without events is blind
                    delays = backoff(self._settings.backoff_min, self._settings.backoff_max, self._rng)
                delay = next(delays)
                _log.warning("ami_down", reason=str(error), error=type(error).__name__, retry_in_s=round(delay, 3))
                await self._sleep(delay)

    async def _live(self) -> None:
        """One connection from end to end. Always raises: why it ended."""
        connection = await self._open()
        joined = False
        try:
            await self._greet(connection)
            await self._login(connection)
            uptime = await self._booted(connection)
            self._join(connection, uptime)
            joined = True
            await self._keep_alive(connection)
        finally:
            connection.fail(AmiConnectionError("The service closed the AMI connection."))
            self._connection = None
            if joined:
                self._last_heard = connection.last_heard
                self.notices.put_mark(AmiDisconnected(self._now(), str(connection.lost.result())))

    async def _open(self) -> AmiConnection:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.connect_timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    self._new_connection, settings.host, settings.port, ssl=settings.tls
                )
        except TimeoutError:
            raise AmiConnectionError(
                f"No connection to Asterisk's manager at {settings.host}:{settings.port} within "
                f"{settings.connect_timeout:g} s."
            ) from None
        return connection

    def _new_connection(self) -> AmiConnection:
        return AmiConnection(
            wanted=self._wanted,
            deliver=self.notices.put_event,
            now=self._now,
            monotonic=self._monotonic,
            max_message_bytes=self._settings.max_message_bytes,
            max_actions=self._settings.max_actions,
            max_list_events=self._settings.max_list_events,
        )

    async def _greet(self, connection: AmiConnection) -> None:
        await _first(connection.greeted, connection.lost, self._settings.connect_timeout)
        if connection.lost.done():
            raise connection.lost.result()
        if not connection.greeted.done():
            raise AmiConnectionError(
                f"Nobody greets on {self._settings.host}:{self._settings.port}: connected, then silence for "
                f"{self._settings.connect_timeout:g} s."
            )

    async def _login(self, connection: AmiConnection) -> None:
        settings = self._settings
        pairs = [("Username", settings.username), ("Secret", settings.secret), ("Events", "on")]
        patience = settings.action_timeout
        answer, _ = await connection.ask("Login", pairs, action_id=None, timeout=patience, listing=False)
        if not answer.success:
            raise AmiAuthenticationError(
                f"Asterisk at {settings.host}:{settings.port} refused the manager user '{settings.username}': "
                f"{answer.message or 'no reason given'}. In manager.conf look at [{settings.username}]: "
                "secret, permit/deny or acl; then 'manager reload'."
            )

    async def _booted(self, connection: AmiConnection) -> float | None:
        await _first(connection.booted, connection.lost, self._settings.action_timeout)
        if connection.lost.done():
            raise connection.lost.result()
        return connection.booted.result() if connection.booted.done() else None

    def _join(self, connection: AmiConnection, uptime: float | None) -> None:
        gap = None if self._last_heard is None else self._monotonic() - self._last_heard
        self._connection = connection
        self.notices.put_mark(AmiConnected(self._now(), uptime, gap))
        _log.info("ami_up", uptime_s=uptime, gap_s=None if gap is None else round(gap, 3))
        try:
            connection.release()
        except AmiConnectionError as error:
            connection.fail(error)

    async def _keep_alive(self, connection: AmiConnection) -> None:
        settings = self._settings
        while True:
            await asyncio.wait([connection.lost], timeout=settings.ping_interval)
            if connection.lost.done():
                raise connection.lost.result()
            try:
                await connection.ask("Ping", (), action_id=None, timeout=settings.ping_timeout, listing=False)
            except AmiNotSent:
                continue  # lost this moment, or too many actions unanswered: those end by their own time-outs
            except AmiTimeout:
                silent = AmiKeepaliveError(f"Asterisk did not answer a ping within {settings.ping_timeout:g} s.")
                connection.fail(silent)
                raise silent from None


async def _first(one: asyncio.Future[Any], other: asyncio.Future[Any], timeout: float) -> None:
    """Wait until either is done, or the time is up; neither is cancelled."""
    await asyncio.wait([one, other], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

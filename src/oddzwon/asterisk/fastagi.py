"""The server that the dialplan's AGI() reaches: one coroutine per call, none of which can harm another.

On panoramisk's Application, whose routes are kept and whose handler is replaced (it reads b"" in a loop for ever
when a peer connects and closes, which freezes the whole event loop).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import structlog
from panoramisk.fast_agi import Application

from oddzwon.asterisk.agi_results import AgiLimits, Digits, Playback, PlaybackEnd
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.agi_wire import parse_headers, script_of
from oddzwon.asterisk.errors import AgiEnded, AgiHangup, AgiProtocolError, AgiTimeout

__all__ = ["AgiHandler", "AgiLimits", "AgiSession", "Digits", "FastAgiServer", "Playback", "PlaybackEnd"]

AgiHandler = Callable[[AgiSession], Awaitable[None]]

_log = structlog.get_logger(__name__)


class FastAgiServer(Application):  # type: ignore[misc]  # panoramisk ships no types, so its classes are Any
    """Serves `handlers` by the path of the agi:// address: {"inbound": …, "callback": …}.

    At most `max_sessions` at a time: a further call is closed at once, and the dialplan goes on without us. Port 0
    takes a free one; `address` tells which.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handlers: Mapping[str, AgiHandler],
        *,
        max_sessions: int = 500,
        limits: AgiLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        for path, handler in handlers.items():
            # not add_route: it asks asyncio for `coroutine`, which Python 3.11 has not, where a handler is an object
            self._route[path.strip("/")] = handler
        self._host = host
        self._port = port
        self._max_sessions = max_sessions
        self._limits = limits or AgiLimits()
        self._monotonic = monotonic
        self._server: asyncio.Server | None = None
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def session_count(self) -> int:
        """Connections that are open now."""
        return len(self._tasks)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on. Raises RuntimeError before start()."""
        if self._server is None:
            raise RuntimeError("the FastAGI server has not been started")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken or not ours."""
        limit = max(self._limits.max_header_bytes, self._limits.max_line_bytes)
        self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=limit)

    async def close(self, grace: float = 0.0) -> None:
        """Stop accepting, give the calls `grace` seconds to end by themselves, then cancel those that remain.

        A cancelled call goes on in the dialplan, which sees that our part was not done.
        """
        if self._server is None:
            return
        self._closing = True
        self._server.close()
        if self._tasks and grace > 0:
            await asyncio.wait(self._tasks, timeout=grace)
        remaining = list(self._tasks)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing or len(self._tasks) >= self._max_sessions:
            reason = "closing" if self._closing else "too many sessions"
            _log.error("agi_refused", reason=reason, sessions=len(self._tasks))
            writer.transport.abort()
            return
        task = asyncio.create_task(self.handler(reader, writer), name="agi")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def handler(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first byte to its end; the only thing that leaves it is a cancellation."""
        began = self._monotonic()
        session: AgiSession | None = None
        outcome, detail = "completed", ""
        try:
            env = await self._headers(reader)
            if env is None:
                outcome = "probe"
                return
            session = AgiSession(self, env, reader, writer, self._limits)
            route = self._route_for(session)
            await session.check_in_step(secrets.token_hex(8))
            await route(session)
        except AgiHangup:
            outcome = "hangup"
        except AgiEnded as error:
            outcome, detail = type(error).__name__, str(error)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except Exception as error:  # a call's own fault must end that call only
            outcome, detail = "failed", f"{type(error).__name__} at {_where(error.__traceback__)}"
        finally:
            self._report(session, outcome, detail, began)
            writer.close()
            with suppress(Exception, asyncio.CancelledError):
                await writer.wait_closed()

    def _route_for(self, session: AgiSession) -> AgiHandler:
        route: AgiHandler | None = self._route.get(script_of(session.env))
        if route is None:
            known = ", ".join(sorted(self._route))
            raise AgiProtocolError(f"The dialplan asks for an AGI script that we do not have; we have: {known}.")
        return route

    async def _headers(self, reader: asyncio.StreamReader) -> dict[str, str] | None:
        """The session's variables; None if the peer closed without a byte, as port probes do."""
        limits = self._limits
        too_long = f"A FastAGI session's header is longer than {limits.max_header_bytes} bytes."
        try:
            async with asyncio.timeout(limits.header_timeout):
                block = await reader.readuntil(b"\n\n")
        except TimeoutError:
            raise AgiTimeout(f"A FastAGI peer sent no complete header within {limits.header_timeout:g} s.") from None
        except asyncio.LimitOverrunError:
            raise AgiProtocolError(too_long) from None
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                return None
            raise AgiProtocolError("A FastAGI peer closed in the middle of its header.") from None
        except ConnectionError:
            return None
        if len(block) > limits.max_header_bytes:
            raise AgiProtocolError(too_long)
        return parse_headers(block[:-2])

    def _report(self, session: AgiSession | None, outcome: str, detail: str, began: float) -> None:
        level = _log.info if outcome in {"completed", "hangup", "probe"} else _log.warning
        if outcome == "failed":
            level = _log.error
        level(
            "agi_session",
            uniqueid=session.uniqueid if session else None,
            script=session.script if session and session.script in self._route else None,
            outcome=outcome,
            detail=detail,
            commands=session.commands_sent if session else 0,
            seconds=round(self._monotonic() - began, 3),
        )


def _where(traceback: TracebackType | None) -> str:
    """File and line of the innermost frame. The message itself is not logged: it could quote a number."""
    if traceback is None:
        return "unknown place"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"

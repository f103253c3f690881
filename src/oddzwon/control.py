"""The service's Unix socket (mode 0600): whatever changes the log from the command line goes through it, so that
there is one writer. One JSON object a line each way; bounded, and never in the way of a call.

Who asks is told by the kernel, not by him: the user whose process holds the other end (SO_PEERCRED, unix(7)).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Any, Final

import structlog

from oddzwon.callflow.at_rest import NotAllowed, hold_recording, open_recording, release_recording
from oddzwon.callflow.attestation import NotAttestable, Said, by_console
from oddzwon.callflow.cancelling import NotCancelled, cancel
from oddzwon.callflow.switch import NotSwitched
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.attestation import REASON_LONGEST, wrong_with_line
from oddzwon.domain.callback_events import cancelled_why
from oddzwon.domain.events import Fault
from oddzwon.log.errors import LogError
from oddzwon.log.recording_records import Hold
from oddzwon.log.times import iso
from oddzwon.recordings.errors import RecordingsError

_log = structlog.get_logger(__name__)

_LINE_MAX: Final = 65_536
_PATIENCE_S: Final = 10.0
_CREDENTIALS: Final = struct.Struct("iII")
"""struct ucred: pid, uid, gid."""
_PATH_MAX: Final = 107
"""sun_path of unix(7), less its terminator."""


class ControlError(Exception):
    """The service could not be asked, or refused; the message says why and what to do."""


class ControlServer:
    """Answers the command line. ``path`` is removed when it closes."""

    def __init__(self, path: Path, board: Switchboard) -> None:
        self._path = path
        self._board = board
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises ControlError when another service listens there already, OSError when the folder is wrong."""
        if len(os.fsencode(self._path)) > _PATH_MAX:
            msg = f"log.socket: {self._path}: longer than {_PATH_MAX} bytes; choose a shorter path"
            raise ControlError(msg)
        if await _answers(self._path):
            msg = f"log.socket: {self._path}: another oddzwon serves there; stop it first"
            raise ControlError(msg)
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=_LINE_MAX)
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            await asyncio.to_thread(self._path.unlink, missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                line = await reader.readline()
                answer = await self._answer(line, await _peer(writer))
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            _log.warning("control connection dropped", error=type(error).__name__)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes, who: str) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            command = asked["command"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": 'expected one JSON object with "command"'}
        try:
            match command:
                case "status":
                    return self._status()
                case "cancel":
                    return await self._cancel(_text(asked, "callback"), who, _text(asked, "reason"))
                case "off" | "on":
                    return await self._switch(on=command == "on", who=who, reason=_text(asked, "reason"))
                case "reveal":
                    return await self._reveal(asked, who)
                case "drop":
                    return await self._drop(asked)
                case "unseal":
                    return await self._unseal(asked)
                case "hold" | "release":
                    return await self._hold_or_release(asked)
                case "rekey" | "rewrap":
                    return await self._rekey(begin=command == "rekey")
        except (LogError, NotAttestable, NotAllowed, NotCancelled, NotSwitched, RecordingsError, OSError) as error:
            return {"error": str(error)}
        return {"error": f"unknown command {command!r}"}

    def _status(self) -> dict[str, Any]:
        board = self._board
        return {
            "calls": len(board.calls),
            "callbacks": sum(1 for _ in board.callbacks),
            "asterisk": board.ami.connected,
            "alarms": sorted(board.alarms.standing),
            "callbacks_off": self._switched() if board.switch.off else None,
        }

    def _switched(self) -> dict[str, Any]:
        """How the kill switch stands, since when, by whom and why; null where that is not known."""
        switch = self._board.switch
        state = "off" if switch.off else "on"
        if switch.word is None or switch.unreadable:
            return {"state": state, "since": None, "by": None, "reason": None}
        return {"state": state, "since": iso(switch.word.at), "by": switch.word.by, "reason": switch.word.reason}

    async def _switch(self, *, on: bool, who: str, reason: str) -> dict[str, Any]:
        await self._board.switch.turn(self._board, on=on, by=who, reason=reason)
        return self._switched()

    async def _cancel(self, callback: str, who: str, reason: str) -> dict[str, Any]:
        if wrong := wrong_with_line("--reason", reason, REASON_LONGEST):
            return {"error": wrong}
        run = self._board.callbacks.by_id(callback)
        if run is None:
            return {"error": f"no callback {callback!r} is under way; `oddzwon callbacks list` shows those that are"}
        await cancel(run, cancelled_why("console", who, reason))
        _log.info("callback cancelled by the operator", callback=callback, by=who)
        return {"done": True}

    async def _drop(self, asked: dict[str, Any]) -> dict[str, Any]:
        call, by, reason, fault = (_text(asked, key) for key in ("call", "by", "reason", "fault"))
        if fault and fault not in set(Fault):
            return {"error": f"--fault {fault!r}: one of {', '.join(Fault)}"}
        said = Said("console", by, Fault(fault) if fault else None, reason)
        taken = await by_console(self._board, call, said)
        ending = taken.ending
        return {
            "attested": taken.call,
            "live": taken.live,
            "changed": taken.changed,
            "lapsed": taken.lapsed,
            "ending": ending
            and {
                "party": ending.party,
                "technical": ending.technical,
                "confidence": ending.confidence,
                "rules": ending.rule,
            },
        }

    async def _unseal(self, asked: dict[str, Any]) -> dict[str, Any]:
        recording, by, reason, side = (_text(asked, key) for key in ("recording", "by", "reason", "side"))
        opened = await open_recording(self._board, recording, by=by, reason=reason, side=side)
        return {
            "recording": opened.recording,
            "path": str(opened.path),
            "plain_sha256": opened.seal.plain_sha256,
            "sealed_sha256": opened.seal.sealed_sha256,
            "key": base64.b64encode(opened.key).decode(),
        }

    async def _hold_or_release(self, asked: dict[str, Any]) -> dict[str, Any]:
        recording, by, reference = (_text(asked, key) for key in ("recording", "by", "reference"))
        if asked["command"] == "hold":
            hold = Hold(by, reference, _text(asked, "approver"), _text(asked, "review_on"))
            await hold_recording(self._board, recording, hold)
            return {"held": recording}
        reason = _text(asked, "reason")
        left = await release_recording(self._board, recording, reference=reference, by=by, reason=reason)
        return {"released": recording, "holds": left}

    async def _rekey(self, *, begin: bool) -> dict[str, Any]:
        """``begin`` puts the new key in front; each further step wraps some keys anew, the last drops the old ones."""
        keys, log = self._board.keys, self._board.log
        if keys is None:
            return {"error": "recording.enabled is false: the service has no keys"}
        if begin:
            return {"left": await keys.renew(log)}
        done = await keys.rewrap_some(log)
        _log.info("recordings' keys wrapped anew", done=done)
        return {"done": done, "stuck": list(keys.stuck)}

    async def _reveal(self, asked: dict[str, Any], who: str) -> dict[str, Any]:
        reason, what = (_text(asked, key) for key in ("reason", "what"))
        if not reason or not what:
            return {"error": "numbers are shown only with a reason"}
        await self._board.log.record_access(by=who, what=what, reason=reason, at=self._board.now())
        return {"done": True}


def _text(asked: dict[str, Any], key: str) -> str:
    """The text under ``key``, bare; anything else is none."""
    value = asked.get(key)
    return value.strip() if isinstance(value, str) else ""


async def _peer(writer: asyncio.StreamWriter) -> str:
    """The user of the process at the other end: his name on this machine, else ``uid`` and his number."""
    connection = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(credentials)
    try:
        return (await asyncio.to_thread(pwd.getpwuid, uid)).pw_name  # it may have to ask a directory server
    except KeyError:
        return f"uid {uid}"


async def _answers(path: Path) -> bool:
    """Whether somebody listens on the socket; one that a killed service left behind answers nobody."""
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def ask_service(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the running service (blocking: for the command line); raises :class:`ControlError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline(_LINE_MAX)
        answer: dict[str, Any] = json.loads(line)
    except PermissionError as error:
        msg = f"{path}: not permitted; run this as the service's user or root"
        raise ControlError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{path}: the service does not answer; is `oddzwon serve` running?"
        raise ControlError(msg) from error
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer

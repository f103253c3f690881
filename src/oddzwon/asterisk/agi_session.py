"""One call that the dialplan handed to us by FastAGI, as the commands a call flow speaks.

On panoramisk's Request, whose reading of replies is replaced. One command at a time: Asterisk breaks off a running
one without an answer when a second arrives (res/res_agi.c, handle_streamfile). Whatever leaves a command without
its answer ends the session, since the answer would otherwise be taken for the next command's.
"""

# ruff: noqa: ASYNC109  # a timeout here is what Asterisk is given to answer, and it decides which error is raised

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from panoramisk.fast_agi import Request

from oddzwon.asterisk.agi_results import AgiLimits, Digits, Playback, PlaybackEnd
from oddzwon.asterisk.agi_wire import KEYS, AgiReply, command, key_of, parse_reply, script_of
from oddzwon.asterisk.errors import (
    AgiClosed,
    AgiCommandFailed,
    AgiDeadChannel,
    AgiEnded,
    AgiHangup,
    AgiInvalidCommand,
    AgiProtocolError,
    AgiTimeout,
    AgiUnsafeValue,
)

if TYPE_CHECKING:
    from panoramisk.fast_agi import Application

_CHANNEL_UP = 6  # include/asterisk/channelstate.h, AST_STATE_UP
_CONTINUED_MAX = 200  # lines of one answer: a 520's usage, a variable with line breaks in it
_USAGE_END = b"520 End of proper usage."


class AgiSession(Request):  # type: ignore[misc]  # panoramisk ships no types, so its classes are Any
    """`env` has the agi_… variables as Asterisk sent them, `script` the path of the agi:// address.

    Every command raises AgiHangup when the call is over, AgiClosed, AgiTimeout or AgiProtocolError when the session
    is; after one of these every later command raises it again and sends nothing.
    """

    def __init__(
        self,
        app: Application,
        env: Mapping[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: AgiLimits,
    ) -> None:
        super().__init__(app=app, headers=env, reader=reader, writer=writer, encoding="utf-8")
        self.env = env
        self.script = script_of(env)
        self.uniqueid = env["agi_uniqueid"]
        self.commands_sent = 0
        self._limits = limits
        self._ended: AgiEnded | None = None
        self._busy = False

    @property
    def hung_up(self) -> bool:
        """The call is known to be over."""
        return isinstance(self._ended, AgiHangup)

    # -- commands -----------------------------------------------------------------------------------------

    async def answer(self) -> None:
        """Take the call (ANSWER). Raises AgiCommandFailed if the channel refuses."""
        await self._expect_done("ANSWER", await self.ask(command("ANSWER")))

    async def hangup(self) -> None:
        """Hang the call up (HANGUP). The session ends with it: the next command raises AgiHangup."""
        await self.ask(command("HANGUP"))
        self._ended = AgiHangup("The service hung the call up.")

    async def get_variable(self, name: str) -> str | None:
        """A channel variable or function, e.g. CALLERID(num); None where it is not set (GET VARIABLE)."""
        reply = await self.ask(command("GET VARIABLE", name), value=True)
        return reply.note or "" if reply.number == 1 else None

    async def get_full_variable(self, expression: str) -> str | None:
        """An expression such as ${X}-${Y}, evaluated by Asterisk: never build one from what a caller sent."""
        reply = await self.ask(command("GET FULL VARIABLE", expression), value=True)
        return reply.note or "" if reply.number == 1 else None

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable or function. Raises AgiUnsafeValue for CR, LF or NUL; quotes arrive as they are."""
        if not name or any(character in name for character in ' "\\=,'):
            raise AgiUnsafeValue(
                "The name of a channel variable is empty or holds a space, quote, backslash, = or comma."
            )
        await self.ask(command("SET VARIABLE", name, value))

    async def stream_file(
        self, path: str, escape_digits: str = "", *, sample_rate_hz: int = 8000, timeout: float | None = None
    ) -> Playback:
        """Play a prompt (without its extension) until its end or one of `escape_digits`.

        A hang-up during it is a result, because the time played until then is part of the receipt; the command after
        it raises. Keys pressed outside `escape_digits` are lost to AGI. `sample_rate_hz` is that of the file that
        Asterisk plays. Missing and empty files answer as a hang-up does; CHANNEL STATUS tells them apart.
        """
        _check_keys(escape_digits)
        patience = self._limits.playback_timeout if timeout is None else timeout
        reply = await self.ask(command("STREAM FILE", path, escape_digits), timeout=patience)
        samples = max(reply.endpos or 0, 0)
        played_ms = samples * 1000 // sample_rate_hz
        if reply.number == -1:
            ended = PlaybackEnd.FAILED if await self._still_up() else PlaybackEnd.HANGUP
            return Playback(ended, None, samples, played_ms)
        key = key_of(reply)
        return Playback(PlaybackEnd.FINISHED if key is None else PlaybackEnd.KEY, key, samples, played_ms)

    async def wait_for_digit(self, timeout_ms: int) -> str | None:
        """The next key, or None when none was pressed for `timeout_ms` (WAIT FOR DIGIT). Silence is never a key."""
        if timeout_ms < 1:
            raise ValueError("timeout_ms must be positive: Asterisk waits for ever at -1")
        patience = timeout_ms / 1000 + self._limits.command_timeout
        reply = await self.ask(command("WAIT FOR DIGIT", str(timeout_ms)), timeout=patience)
        await self._expect_done("WAIT FOR DIGIT", reply)
        return key_of(reply)

    async def get_data(self, path: str, timeout_ms: int, max_digits: int) -> Digits:
        """Play a prompt and collect digits until `max_digits`, # or `timeout_ms` of silence (GET DATA)."""
        patience = self._limits.playback_timeout + timeout_ms / 1000 * (max_digits + 1)
        words = command("GET DATA", path, str(timeout_ms), str(max_digits))
        reply = await self.ask(words, timeout=patience)
        if reply.number == -1:
            await self._expect_done("GET DATA", reply)
        _check_keys(reply.result, AgiProtocolError)
        return Digits(reply.result, reply.timed_out)

    async def exec(self, application: str, *arguments: str, timeout: float | None = None) -> int:
        """Run a dialplan application and return its result (EXEC); each argument by itself, without commas.

        Raises AgiCommandFailed when there is no such application, or it failed and the call is still up.
        """
        if not application.isalnum():
            raise AgiUnsafeValue("The name of a dialplan application has letters and digits only.")
        if any("," in argument for argument in arguments):
            raise AgiUnsafeValue(f"An argument of {application} holds a comma: it would become two arguments.")
        reply = await self.ask(command(f"EXEC {application}", ",".join(arguments)), timeout=timeout)
        if reply.number == -2:
            raise AgiCommandFailed(f"Asterisk has no application {application}: is its module loaded?")
        await self._expect_done(f"EXEC {application}", reply)
        return reply.number or 0

    async def channel_status(self) -> int:
        """The channel's state, 6 is up (CHANNEL STATUS; include/asterisk/channelstate.h)."""
        number = (await self.ask(command("CHANNEL STATUS"))).number
        return -1 if number is None else number

    async def verbose(self, message: str, level: int = 3) -> None:
        """A line on Asterisk's console (VERBOSE): ids only, never a number."""
        await self.ask(command("VERBOSE", message, str(level)))

    # -- one command, one answer --------------------------------------------------------------------------

    async def ask(self, line: bytes, *, timeout: float | None = None, value: bool = False) -> AgiReply:
        """Send one command as `agi_wire.command` built it and return its 200 reply; `value`: it may span lines."""
        if self._ended is not None:
            raise self._ended
        if self._busy:
            raise AgiProtocolError("A command is under way on this AGI session; a second would break it off.")
        self._busy = True
        answered = False
        try:
            async with asyncio.timeout(self._limits.command_timeout if timeout is None else timeout):
                self.commands_sent += 1
                self.writer.write(line)
                await self.writer.drain()
                reply = await self._answer(value)
            answered = True
        except TimeoutError:
            verb = line.split(b'"', 1)[0].decode().strip()
            raise self._end(AgiTimeout(f"Asterisk did not answer the AGI command {verb} in time.")) from None
        except AgiEnded as error:
            raise self._end(error) from None
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise self._end(_what_broke(error, self._limits.max_line_bytes)) from None
        finally:
            self._busy = False
            if not answered and self._ended is None:  # cancelled in mid-command
                self._end(AgiProtocolError("An AGI command was given up before its answer; the session is over."))
        if reply.code != 200:
            raise _refusal(reply)
        return reply

    def _end(self, error: AgiEnded) -> AgiEnded:
        self._ended = error
        return error

    async def _line(self) -> bytes:
        line: bytes = await self.reader.readuntil(b"\n")
        if len(line) > self._limits.max_line_bytes:
            raise asyncio.LimitOverrunError("line", len(line))
        return line[:-1]

    async def _answer(self, value: bool) -> AgiReply:
        for _ in range(_CONTINUED_MAX):
            line = await self._line()
            if line.startswith(b"100"):
                continue  # "100 Trying…": the answer is still to come
            if line == b"HANGUP":
                raise AgiHangup("The call is over (Asterisk said HANGUP).")
            if line.startswith(b"511"):
                raise AgiDeadChannel("The call is over (511: the channel is dead).")
            if line.startswith(b"520-"):
                return AgiReply(520, "", None, None, await self._usage())
            if value and line.startswith(b"200 result=1 (") and not line.endswith(b")"):
                line = await self._rest_of_value(line)
            return parse_reply(line)
        raise AgiProtocolError("Asterisk says '100 Trying' without end.")

    async def _usage(self) -> str:
        lines: list[str] = []
        while len(lines) < _CONTINUED_MAX:
            line = await self._line()
            lines.append(line.decode("utf-8", "replace"))
            # Asterisk writes the end right behind a usage text that has no line feed of its own
            if line.endswith(_USAGE_END):
                return "\n".join(lines).removesuffix(_USAGE_END.decode()).strip()
        raise AgiProtocolError("A 520 from Asterisk has no end.")

    async def _rest_of_value(self, line: bytes) -> bytes:
        for _ in range(_CONTINUED_MAX):
            line += b"\n" + await self._line()
            if len(line) > self._limits.max_line_bytes:
                break
            if line.endswith(b")"):
                return line
        raise AgiProtocolError("The value of a channel variable has no end.")

    async def check_in_step(self, token: str) -> None:
        """Have Asterisk repeat a token that nobody could know before: what is read from here on are its answers.

        A caller's number with line breaks in it (sip:…%0a%0a200 result=49@…) could otherwise end the header early
        and bring answers of its own, a pressed key among them. Raises AgiProtocolError.
        """
        reply = await self.ask(command("GET FULL VARIABLE", token), value=True)
        if reply.note != token:
            raise self._end(AgiProtocolError("A FastAGI session is out of step: its header holds forged answers."))

    # -- telling failures apart ---------------------------------------------------------------------------

    async def _still_up(self) -> bool:
        """After a -1: was it the command that failed, or is the call over? Remembers a call that is over."""
        try:
            up = await self.channel_status() == _CHANNEL_UP
        except AgiHangup:
            return False
        except AgiClosed:
            # AGIEXITONHANGUP=yes: Asterisk closes after the -1 of a hang-up; -1 and end of file together say so
            self._ended = AgiHangup("The call is over (-1, then end of file).")
            return False
        if not up:
            self._ended = AgiHangup("The call is over (the channel is down).")
        return up

    async def _expect_done(self, verb: str, reply: AgiReply) -> None:
        if (reply.number or 0) >= 0:
            return
        if await self._still_up():
            raise AgiCommandFailed(f"Asterisk answered {reply.result} to {verb} while the call is up.")
        raise self._ended or AgiHangup("The call is over.")


def _check_keys(digits: str, error: type[Exception] = AgiUnsafeValue) -> None:
    if any(digit not in KEYS for digit in digits):
        raise error(f"Keys are of {KEYS}, nothing else.")


def _what_broke(error: Exception, limit: int) -> AgiEnded:
    if isinstance(error, asyncio.LimitOverrunError):
        return AgiProtocolError(f"A line from the AGI peer is longer than {limit} bytes.")
    return AgiClosed("The AGI connection ended before the answer, without a word of a hang-up.")


def _refusal(reply: AgiReply) -> AgiInvalidCommand:
    if reply.code == 510:
        return AgiInvalidCommand(
            "Asterisk does not know this AGI command (510): is res_agi of Asterisk 20 or later loaded?"
        )
    if reply.code == 520:
        return AgiInvalidCommand("Asterisk refuses the syntax of an AGI command (520).", reply.text)
    return AgiInvalidCommand(f"Asterisk refused an AGI command with code {reply.code}.")

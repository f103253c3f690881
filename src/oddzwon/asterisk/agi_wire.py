"""AGI without I/O: the header block, one reply, one command (res/res_agi.c).

Replies are lines: `200 result=<r>[ (<note>)][ endpos=<n>]`, `510 …`, `511 …`, `520 …` or `520-…` up to
`520 End of proper usage.`, `100 Trying…`, and `HANGUP`, which answers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oddzwon.asterisk.errors import AgiProtocolError, AgiUnsafeValue

# res_agi.c reads a command into 2048 bytes (AGI_BUF_LEN), newline and NUL included; the rest would be a second one
_COMMAND_MAX = 2046
KEYS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class AgiReply:
    """One answer: its code, what stands after `result=`, in parentheses, and after `endpos=`; all as sent."""

    code: int
    result: str
    note: str | None
    endpos: int | None
    text: str

    @property
    def number(self) -> int | None:
        """The result as a number, None where it is none (`result= (timeout)`)."""
        try:
            return int(self.result)
        except ValueError:
            return None

    @property
    def timed_out(self) -> bool:
        """Asterisk said so: silence, never a key."""
        return self.note == "timeout"


def parse_headers(block: bytes) -> dict[str, str]:
    """The `agi_…` variables of a session's start, from the complete block without its empty line.

    Raises AgiProtocolError for anything else, and for a name that comes twice: Asterisk sends none twice, so its
    second is somebody's caller name with a line break in it.
    """
    env: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\n"):
        name, separator, value = line.partition(": ")
        if not separator and line.endswith(":"):
            name, separator = line[:-1], ":"
        if not separator or not name.startswith("agi_"):
            raise AgiProtocolError(
                "A FastAGI session began with a line that is no AGI variable: no Asterisk is calling."
            )
        if name in env:
            raise AgiProtocolError(f"A FastAGI session began with {name.encode('ascii', 'replace')!r} twice.")
        env[name] = value
    if "agi_network_script" not in env or "agi_uniqueid" not in env:
        raise AgiProtocolError("A FastAGI session began without agi_network_script or agi_uniqueid.")
    return env


def script_of(env: Mapping[str, str]) -> str:
    """The path of the agi:// address, without slashes at its ends and without a query."""
    return env["agi_network_script"].partition("?")[0].strip("/")


def parse_reply(line: bytes) -> AgiReply:
    """A complete reply line without its line feed. Raises AgiProtocolError if it is none."""
    text = line.decode("utf-8", "replace").removesuffix("\r")
    code, rest = text[:3], text[3:]
    if not (len(code) == 3 and code.isascii() and code.isdigit() and rest[:1] in {" ", "-", ""}):
        raise AgiProtocolError("Asterisk's answer to an AGI command is no AGI reply (three digits and a text).")
    rest = rest[1:]
    if not rest.startswith("result="):
        if code == "200":
            raise AgiProtocolError("Asterisk answered 200 to an AGI command without a result.")
        return AgiReply(int(code), "", None, None, rest)
    result, _, tail = rest.removeprefix("result=").partition(" ")
    note: str | None = None
    if tail.startswith("("):
        # the value of a variable may itself hold parentheses: it ends at the last one
        inside, closed, after = tail[1:].rpartition(")")
        if closed:
            note, tail = inside, after
    return AgiReply(int(code), result, note, _endpos(tail), rest)


def _endpos(tail: str) -> int | None:
    for word in tail.split():
        if word.startswith("endpos="):
            try:
                return int(word.removeprefix("endpos="))
            except ValueError:
                return None
    return None


def command(*words: str) -> bytes:
    """A command line: the first word as it is (`STREAM FILE`), the others quoted as res_agi.c's parse_args reads them.

    Raises AgiUnsafeValue before anything is sent; the message never quotes a value.
    """
    verb, *arguments = words
    for argument in words:
        if "\n" in argument or "\r" in argument or "\0" in argument:
            raise AgiUnsafeValue(
                f"An argument of the AGI command {verb.split()[0]} holds CR, LF or NUL; nothing was sent."
            )
    try:
        line = " ".join([verb, *map(_quoted, arguments)]).encode()
    except UnicodeEncodeError:
        raise AgiUnsafeValue(f"An argument of the AGI command {verb} is no valid text; nothing was sent.") from None
    if len(line) > _COMMAND_MAX:
        raise AgiUnsafeValue(
            f"The AGI command {verb} has {len(line)} bytes; Asterisk reads {_COMMAND_MAX} at most. Nothing was sent."
        )
    return line + b"\n"


def _quoted(argument: str) -> str:
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


def key_of(reply: AgiReply) -> str | None:
    """The key that a reply names by its ASCII code; None for 0, for nothing and for a time-out.

    Raises AgiProtocolError for a code that is on no telephone.
    """
    if reply.timed_out or reply.result in {"", "0"}:
        return None
    number = reply.number
    key = chr(number) if number is not None and 0 < number < 128 else ""
    if not key or key not in KEYS:
        raise AgiProtocolError("Asterisk named a key that is on no telephone.")
    return key

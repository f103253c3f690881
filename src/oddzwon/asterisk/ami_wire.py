"""AMI without I/O: bytes in, messages out; fields in, bytes out (main/manager.c).

A message is decoded only when it is complete, so a character split over two reads survives. An event that nobody
wants is recognised by its first line and never taken apart: most of what Asterisk says is of no interest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from oddzwon.asterisk.errors import AmiBannerError, AmiProtocolError, AmiUnsafeValue

BANNER_PREFIX = b"Asterisk Call Manager/"
_BANNER_MAX = 128
_END = b"\r\n\r\n"
_EVENT = b"Event: "
# manager.c reads lines into a buffer of 1025 bytes and takes 128 headers; what is longer it drops without a word.
_LINE_MAX = 1000
_HEADERS_MAX = 120
_NO_REPEATS: Mapping[str, tuple[str, ...]] = MappingProxyType({})

Fields = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AmiEvent:
    """One event, in the order in which Asterisk sent it.

    `fields` has Asterisk's own spelling of the names; of a repeated header it has the first (what a channel's
    snapshot says stands before what a dialplan adds), and `repeated` has all. `at` is seconds since the epoch,
    UTC: Asterisk's Timestamp (manager.conf: timestampevents=yes), else the time of arrival.
    """

    name: str
    fields: Mapping[str, str]
    at: float
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_REPEATS)

    def every(self, key: str) -> tuple[str, ...]:
        """All values of a header, in order: none, one, or many (ChanVariable, Variable, Output)."""
        if key in self.repeated:
            return self.repeated[key]
        return (self.fields[key],) if key in self.fields else ()


@dataclass(frozen=True, slots=True)
class AmiResponse:
    """The answer to one action. `success` is False for Error; the caller decides what a refusal means to it."""

    success: bool
    message: str
    fields: Mapping[str, str]
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NO_REPEATS)

    def every(self, key: str) -> tuple[str, ...]:
        """All values of a header, in order (the lines of a Command's Output)."""
        if key in self.repeated:
            return self.repeated[key]
        return (self.fields[key],) if key in self.fields else ()


class AmiSplitter:
    """Cuts the stream into the banner and raw messages. Holds at most one unfinished message.

    Raises AmiBannerError and AmiProtocolError from `feed`.
    """

    __slots__ = ("_buffer", "_max", "_scanned", "banner")

    def __init__(self, max_message_bytes: int) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._max = max_message_bytes
        self.banner: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; return the messages that are now complete, without their empty line."""
        buffer = self._buffer
        buffer += data
        if self.banner is None and not self._take_banner():
            return []
        messages: list[bytes] = []
        start = 0
        look = max(self._scanned - 3, 0)
        while (end := buffer.find(_END, look)) >= 0:
            if end - start > self._max:
                raise self._too_long()
            # an event may end in an empty line too many (TestEvent does): it is not the next one's beginning
            if message := bytes(buffer[start:end]).lstrip(b"\r\n"):
                messages.append(message)
            start = look = end + 4
        if start:
            del buffer[:start]
        if len(buffer) > self._max:
            raise self._too_long()
        self._scanned = len(buffer)
        return messages

    def _too_long(self) -> AmiProtocolError:
        return AmiProtocolError(
            f"An AMI message is longer than {self._max} bytes. If it is a legitimate one, raise max_message_bytes."
        )

    def _take_banner(self) -> bool:
        line, end, _ = bytes(self._buffer[: _BANNER_MAX + 2]).partition(b"\r\n")
        if not line.startswith(BANNER_PREFIX[: len(line)]) or (end and not line.startswith(BANNER_PREFIX)):
            raise AmiBannerError(
                "Whoever listens on the AMI port does not greet as an Asterisk manager "
                "('Asterisk Call Manager/…'). Check host and port (manager.conf: bindaddr, port)."
            )
        if not end:
            if len(line) > _BANNER_MAX:
                raise AmiBannerError(f"The AMI greeting has no end within {_BANNER_MAX} bytes. Check host and port.")
            return False
        self.banner = line[len(BANNER_PREFIX) :].decode("ascii", "replace").strip()
        del self._buffer[: len(line) + 2]
        return True


def event_name(message: bytes) -> bytes | None:
    """The event's name without taking the message apart; None for a response or anything else."""
    if not message.startswith(_EVENT):
        return None
    end = message.find(b"\r\n")
    return message[7:] if end < 0 else message[7:end]


def parse_fields(message: bytes) -> tuple[dict[str, str], Mapping[str, tuple[str, ...]]]:
    """The headers of one complete message: first values, and all values of those that occur more than once.

    Bytes that are no UTF-8 become U+FFFD; a line without a colon belongs to no header and is passed over.
    """
    fields: dict[str, str] = {}
    repeats: dict[str, list[str]] | None = None
    for line in message.decode("utf-8", "replace").split("\r\n"):
        key, separator, value = line.partition(": ")
        if not separator:
            if not line.endswith(":"):
                continue
            key = line[:-1]
        if key not in fields:
            fields[key] = value
        else:
            repeats = {} if repeats is None else repeats
            repeats.setdefault(key, [fields[key]]).append(value)
    if repeats is None:
        return fields, _NO_REPEATS
    return fields, {key: tuple(values) for key, values in repeats.items()}


def parse_event(message: bytes, arrived: float) -> AmiEvent:
    """An event from its complete message; `arrived` (UTC seconds) stands where Asterisk gave no usable Timestamp."""
    fields, repeated = parse_fields(message)
    at = arrived
    if (stamp := fields.get("Timestamp")) is not None:
        try:
            at = float(stamp)
        except ValueError:
            at = arrived
    return AmiEvent(fields.get("Event", ""), fields, at, repeated)


def parse_response(message: bytes) -> AmiResponse:
    """A response from its complete message. Only `Error` (and what is unknown) is no success."""
    fields, repeated = parse_fields(message)
    success = fields.get("Response") in {"Success", "Follows", "Goodbye"}
    return AmiResponse(success, fields.get("Message", ""), fields, repeated)


def checked_fields(action: str, fields: Fields) -> list[tuple[str, str]]:
    """The pairs as they may be sent. Raises AmiUnsafeValue, which names the field and never quotes its value."""
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    if len(pairs) > _HEADERS_MAX:
        raise AmiUnsafeValue(f"The AMI action has {len(pairs)} headers; Asterisk reads {_HEADERS_MAX} at most.")
    for key, value in (("Action", action), *pairs):
        if _unsafe(key) or not key or ":" in key:
            raise AmiUnsafeValue(
                "The name of an AMI header is empty or holds a colon or a control character; nothing was sent."
            )
        if _unsafe(value):
            raise AmiUnsafeValue(
                f"The value of the AMI header {key} holds CR, LF, NUL or half a character; nothing was sent."
            )
        if len(f"{key}: {value}".encode("utf-8", "surrogateescape")) > _LINE_MAX:
            raise AmiUnsafeValue(
                f"The AMI header {key} is longer than {_LINE_MAX} bytes and would be dropped; nothing was sent."
            )
    return pairs


def _unsafe(text: str) -> bool:
    # lone surrogates (undecodable bytes read elsewhere) could not be encoded either
    return "\r" in text or "\n" in text or "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)

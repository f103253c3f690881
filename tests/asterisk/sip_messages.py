"""SIP messages as bytes in and objects out: what a scripted peer needs of RFC 3261 and RFC 4566, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
}
"""Compact header names, RFC 3261 section 7.3.3."""

ALAW = 8
COMFORT_NOISE = 13
"""Static payload type of RFC 3389."""
TELEPHONE_EVENT = 101
"""Payload type that our own offers give to RFC 4733 events."""


class SipError(Exception):
    """What a peer or a script did that SIP does not allow.

    SipError
    ├── MalformedMessage  bytes that are no SIP message
    ├── Refused           our INVITE got a final answer that is no 2xx
    └── NoAnswer          a request of ours was never answered, or the call ended first
    """


class MalformedMessage(SipError):
    """Bytes that are no SIP message; the message shows how they begin."""


class Refused(SipError):
    """Our INVITE was refused with this ``status``."""

    def __init__(self, status: int, phrase: str) -> None:
        super().__init__(f"the INVITE was refused: {status} {phrase}")
        self.status = status


class NoAnswer(SipError):
    """Nobody answered in time, or the call was over before."""


@dataclass(frozen=True, slots=True)
class Message:
    """Headers in their order, and the body."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of the header, first one first."""
        wanted = name.lower()
        return [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == wanted]

    def get(self, name: str) -> str | None:
        """The first value of the header, or None."""
        return next(iter(self.all(name)), None)

    def need(self, name: str) -> str:
        """The first value of the header; raises MalformedMessage without it."""
        value = self.get(name)
        if value is None:
            msg = f"a SIP message without {name}"
            raise MalformedMessage(msg)
        return value

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.need("Call-ID")

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq's number and method."""
        number, _, method = self.need("CSeq").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        """The topmost Via's branch, which names the transaction (RFC 3261 section 17)."""
        return parameter(self.need("Via"), "branch") or ""


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request."""

    method: str
    uri: str

    @property
    def user(self) -> str:
        """The user part of the Request-URI: at a carrier, the number called."""
        return user_of(self.uri)


@dataclass(frozen=True, slots=True)
class Response(Message):
    """A response."""

    status: int
    phrase: str


def parse(data: bytes) -> Request | Response:
    """One datagram's message; raises MalformedMessage."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            msg = f"a SIP header without a colon: {line[:60]!r}"
            raise MalformedMessage(msg)
        headers.append((name.strip(), value.strip()))
    words = first.split(" ", 2)
    if len(words) == 3 and words[0] == "SIP/2.0" and words[1].isdigit():
        return Response(tuple(headers), body, int(words[1]), words[2])
    if len(words) == 3 and words[2] == "SIP/2.0":
        return Request(tuple(headers), body, words[0], words[1])
    msg = f"neither a SIP request nor a response: {first[:60]!r}"
    raise MalformedMessage(msg)


def render(start: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """The bytes of a message; Content-Length and Content-Type are added."""
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def respond(
    request: Request, status: int, phrase: str, *, tag: str, extra: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """A response to ``request``, its To carrying our ``tag`` (RFC 3261 section 8.2.6)."""
    to = request.need("To")
    if status > 100 and parameter(to, "tag") is None:
        to = f"{to};tag={tag}"
    copied = [("Via", via) for via in request.all("Via")]
    copied += [("From", request.need("From")), ("To", to), ("Call-ID", request.call_id), ("CSeq", request.need("CSeq"))]
    return render(f"SIP/2.0 {status} {phrase}", [*copied, *extra], body)


def parameter(value: str, name: str) -> str | None:
    """A ``;name=value`` parameter of a header, outside its angle brackets."""
    found = re.search(rf";\s*{name}=([^;,\s]+)", value.rpartition(">")[2] or value, re.IGNORECASE)
    return found[1] if found else None


def uri_in(value: str) -> str:
    """The URI of a From, To or Contact."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.partition(";")[0].strip()


def user_of(value: str) -> str:
    """The user part of a URI or of a header that holds one; empty where there is none."""
    found = re.match(r"sips?:([^@;>]*)@", uri_in(value))
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Media:
    """Where the other side wants its audio, and which payload type its telephone events have (None: none).

    ``control`` is the port for RTCP.
    """

    address: str
    port: int
    control: int
    events: int | None


def offer(
    address: str, port: int, *, events: int | None = TELEPHONE_EVENT, version: int = 1, direction: str = "sendrecv"
) -> bytes:
    """SDP for alaw, comfort noise and telephone events at this address; ``events`` None leaves the last out.

    ``version`` grows with each description of one session (RFC 3264 section 8).
    """
    kinds = [ALAW, COMFORT_NOISE] + ([] if events is None else [events])
    lines = [
        "v=0",
        f"o=- 1 {version} IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(str(kind) for kind in kinds)}",
        f"a=rtpmap:{ALAW} PCMA/8000",
        f"a=rtpmap:{COMFORT_NOISE} CN/8000",
        *([] if events is None else [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-16"]),
        "a=ptime:20",
        f"a={direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def media_in(sdp: bytes) -> Media | None:
    """What an SDP body says of audio; None where there is no audio in it."""
    text = sdp.decode("ascii", "replace")
    port = re.search(r"^m=audio (\d+) ", text, re.MULTILINE)
    address = re.search(r"^c=IN IP4 (\S+)", text, re.MULTILINE)
    if port is None or address is None:
        return None
    events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.MULTILINE)
    control = re.search(r"^a=rtcp:(\d+)", text, re.MULTILINE)  # RFC 3605; else the port above
    return Media(
        address[1], int(port[1]), int(control[1]) if control else int(port[1]) + 1, int(events[1]) if events else None
    )


def tag_of(header: str) -> str:
    """The tag of a From or To; raises MalformedMessage without one."""
    tag = parameter(header, "tag")
    if tag is None:
        msg = f"no tag in {header[:60]!r}"
        raise MalformedMessage(msg)
    return tag


def fragment_status(body: bytes) -> int | None:
    """The status that a NOTIFY about a transfer tells (message/sipfrag, RFC 3420); None where it tells none."""
    found = re.match(rb"SIP/2\.0 (\d{3})", body)
    return int(found[1]) if found else None

"""RTCP as a telephone sends it (RFC 3550 section 6): a report once a second, also while no audio goes out."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass

INTERVAL_S = 1.0
SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION = 200, 201, 202
NTP_EPOCH_S = 2_208_988_800
"""Seconds from NTP's epoch, 1900, to Unix's, 1970."""


class Received:
    """What a receiver tells of one source: its identifier and the highest sequence number, with its cycles."""

    def __init__(self) -> None:
        self.source: int | None = None
        self.highest = 0
        self._first = 0
        self._packets = 0

    def take(self, source: int, sequence: int) -> None:
        """One packet; another source begins anew (Asterisk changes its own in mid-call)."""
        if source != self.source:
            self.source, self.highest, self._first, self._packets = source, sequence, sequence, 0
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead < 1 << 15:
            self.highest += ahead
        self._packets += 1

    @property
    def lost(self) -> int:
        """Packets that did not come (RFC 3550 appendix A.3)."""
        return self.highest - self._first + 1 - self._packets


@dataclass(slots=True)
class Sent:
    """What a sender tells of itself: packets and octets of payload since the beginning, and its clock."""

    source: int
    timestamp: int
    packets: int = 0
    octets: int = 0


def report(sent: Sent, received: Received, name: str, *, is_sender: bool) -> bytes:
    """A compound packet: a sender's report if audio went out since the last one, else a receiver's, and the CNAME."""
    blocks = b"" if received.source is None else _block(received, received.source)
    body = struct.pack("!I", sent.source)
    if is_sender:
        now = time.time() + NTP_EPOCH_S
        seconds = int(now)
        body += struct.pack("!IIIII", seconds, int((now - seconds) * 2**32), sent.timestamp, sent.packets, sent.octets)
    kind = SENDER_REPORT if is_sender else RECEIVER_REPORT
    return _packet(kind, len(blocks) // 24, body + blocks) + _description(sent.source, name)


def _block(received: Received, source: int) -> bytes:
    lost = max(0, min(received.lost, 0x7FFFFF))
    return struct.pack("!IIIIII", source, lost, received.highest & 0xFFFFFFFF, 0, 0, 0)


def _description(source: int, name: str) -> bytes:
    item = struct.pack("!IBB", source, 1, len(name)) + name.encode()
    return _packet(DESCRIPTION, 1, item + b"\0" * (4 - len(item) % 4))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


class Control(asyncio.DatagramProtocol):
    """The odd port beside an RTP port. ``reports`` counts what came in."""

    def __init__(self) -> None:
        self.reports = 0
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: str, port: int) -> Control:
        """Bind; raises OSError where somebody else has the port."""
        loop = asyncio.get_running_loop()
        transport, control = await loop.create_datagram_endpoint(cls, local_addr=(address, port))
        control._transport = transport
        return control

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """A report of the other side's."""
        if len(data) >= 8 and data[0] >> 6 == 2 and data[1] in (SENDER_REPORT, RECEIVER_REPORT):
            self.reports += 1

    def error_received(self, exc: Exception) -> None:
        """The other side's port is closed already: the report is going nowhere, which is no fault of the peer."""

    def send(self, data: bytes, address: str, port: int) -> None:
        """One compound packet."""
        if self._transport is not None:
            self._transport.sendto(data, (address, port))

    def close(self) -> None:
        """Say and hear no more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

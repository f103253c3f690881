"""One leg's audio: an alaw tone every 20 ms, keys by RFC 4733, and ears that tell one tone from another.

Beside it what spoils the audio as evidence: comfort noise, gaps, a leg that never sends, reports without audio.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import math
import random
import struct
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from tests.asterisk.rtcp import INTERVAL_S, Control, Received, Sent, report
from tests.asterisk.sip_messages import ALAW, COMFORT_NOISE, Media

FRAME_S = 0.02
FRAME_SAMPLES = 160
KEY_FRAMES = 6
"""A key lasts six frames, 120 ms, and its last packet is sent three times (RFC 4733 section 2.5.1.4)."""
KEYS = "0123456789*#"
NOISE_FRAMES = 10
"""Comfort noise: one packet for ten frames, 200 ms."""
NOISE = bytes([70])
"""RFC 3389 section 3: the noise's level, -70 dBov, and no spectrum."""
QUIET = frozenset({0xD5, 0x55})
"""The two codes of silence in alaw."""
SILENCE = bytes([0xD5]) * FRAME_SAMPLES
PACKETS_KEPT = 15_000
"""What a leg keeps of what it heard: five minutes."""


def alaw(sample: int) -> int:
    """A 16-bit sample as G.711 A-law."""
    mask = 0xD5 if sample >= 0 else 0x55
    size = min(abs(sample), 32_635) >> 4
    if size < 16:
        return size ^ mask
    exponent = size.bit_length() - 4
    return (exponent << 4 | size >> (exponent - 1) & 0x0F) ^ mask


def tone(period: int) -> bytes:
    """One frame of a sine whose period in samples divides 160: frames join without a click."""
    if FRAME_SAMPLES % period:
        msg = f"a period of {period} samples does not divide a frame of {FRAME_SAMPLES}"
        raise ValueError(msg)
    return bytes(alaw(round(9_000 * math.sin(2 * math.pi * i / period))) for i in range(FRAME_SAMPLES))


@functools.cache
def codes_of(period: int) -> frozenset[int]:
    """The alaw codes that the tone consists of."""
    return frozenset(tone(period))


def sounds_like(payload: bytes, period: int) -> bool:
    """Whether the audio is the tone with this period: nearly all its codes are the tone's, and most of those occur."""
    codes = codes_of(period)
    return sum(code in codes for code in payload) >= 0.9 * len(payload) and 2 * len(codes & {*payload}) >= len(codes)


class Packet(NamedTuple):
    """One packet of audio (RFC 3550 section 5.1); ``at`` is when it came in, on the monotonic clock."""

    source: int
    sequence: int
    timestamp: int
    payload: bytes
    at: float


class Heard:
    """What came in. ``packets`` counts audio packets, ``sounding`` those that are no silence; the last are ``kept``."""

    def __init__(self) -> None:
        self.kept: deque[Packet] = deque(maxlen=PACKETS_KEPT)
        self.packets = 0
        self.sounding = 0
        self.octets = 0
        self.last = b""
        self._waiting: set[asyncio.Event] = set()

    def take(self, packet: Packet) -> None:
        """One packet's audio."""
        payload = packet.payload
        self.kept.append(packet)
        self.packets += 1
        self.octets += len(payload)
        self.last = payload
        if not QUIET.issuperset(payload):
            self.sounding += 1
        for event in self._waiting:
            event.set()

    def since(self, packet: int) -> list[Packet]:
        """What came from the packet with this number on, the first being 0, as far as it is kept."""
        return list(itertools.islice(self.kept, max(0, len(self.kept) - (self.packets - packet)), None))

    async def until_packet(self, packet: int) -> None:
        """Until the packet with this number came in."""
        while self.packets <= packet:
            await self._next()

    async def until_sounding(self, frames: int) -> None:
        """Until ``frames`` more packets with sound came in."""
        goal = self.sounding + frames
        while self.sounding < goal:
            await self._next()

    async def until_tone(self, period: int, frames: int) -> None:
        """Until ``frames`` packets in a row held the tone with this period."""
        row = 0
        while row < frames:
            await self._next()
            row = row + 1 if sounds_like(self.last, period) else 0

    async def _next(self) -> None:
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)


class Audio(asyncio.DatagramProtocol):
    """The RTP socket of one leg. ``open`` binds it; ``start`` sends from then on; ``close`` ends all.

    ``sending``: audio goes out. ``noise``: comfort noise instead of the tone. ``reporting``: RTCP goes out once a
    second, whether there is audio or not. Sequence numbers count packets, so that a pause leaves no hole in them.
    ``quiet``: packets of silence instead of the tone, as from a person who listens.
    """

    def __init__(self, period: int) -> None:
        self.heard = Heard()
        self.sending = True
        self.noise = False
        self.quiet = False
        self.reporting = False
        self.port = 0
        self._frame = tone(period)
        self._transport: asyncio.DatagramTransport | None = None
        self._control: Control | None = None
        self._remote: Media | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._keys: deque[tuple[str, int, asyncio.Event]] = deque()
        self._speech: deque[bytes] = deque()
        self._spoken = asyncio.Event()
        self._sequence = random.randrange(1 << 15)
        self._sent = Sent(random.randrange(1 << 32), random.randrange(1 << 31))
        self._received = Received()

    @classmethod
    async def open(cls, address: str, period: int) -> Audio:
        """Bind to an even port of the address that the kernel chooses, and to the odd one above it."""
        loop = asyncio.get_running_loop()
        while True:
            transport, audio = await loop.create_datagram_endpoint(lambda: cls(period), local_addr=(address, 0))
            port: int = transport.get_extra_info("sockname")[1]
            if port % 2 == 0:
                try:
                    audio._control = await Control.open(address, port + 1)
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    audio.port, audio._transport = port, transport
                    return audio
            transport.close()

    @property
    def reports_heard(self) -> int:
        """RTCP reports that came in."""
        return self._control.reports if self._control is not None else 0

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """An RTP packet (RFC 3550 section 5.1); only audio counts."""
        if len(data) > 12 and data[0] >> 6 == 2:
            sequence, timestamp, source = struct.unpack("!HII", data[2:12])
            self._received.take(source, sequence)
            if data[1] & 0x7F == ALAW:
                payload = data[12 + 4 * (data[0] & 0x0F) :]
                self.heard.take(Packet(source, sequence, timestamp, payload, time.monotonic()))

    def error_received(self, exc: Exception) -> None:
        """The other side's port is closed already: the audio is going nowhere, which is no fault of the peer."""

    def start(self, remote: Media) -> None:
        """Send to ``remote`` from now on."""
        self._remote = remote
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._stream(), name=f"rtp-{self.port}"),
                asyncio.create_task(self._report(), name=f"rtcp-{self.port}"),
            ]

    async def press(self, key: str, frames: int = KEY_FRAMES) -> None:
        """Send one key, held for so many frames of 20 ms; returns when its last packet is out."""
        sent = asyncio.Event()
        self._keys.append((key, frames, sent))
        await sent.wait()

    async def say(self, frames: Iterable[bytes]) -> None:
        """Send these frames of alaw once, in place of the tone; returns when the last is out."""
        self._speech.extend(frames)
        self._spoken.clear()
        await self._spoken.wait()

    async def close(self) -> None:
        """Send no more, hear no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._control is not None:
            self._control.close()
            self._control = None

    async def _stream(self) -> None:
        tick = asyncio.get_running_loop().time()
        begins = True  # RFC 3551 section 4.1: the marker is on the first packet after silence
        frames = 0
        while True:
            if self._keys:
                key, held, sent = self._keys.popleft()
                tick = await self._send_key(KEYS.index(key), held, tick)
                sent.set()
            elif self.sending and self.noise:
                begins = True
                if frames % NOISE_FRAMES == 0:
                    self._send(COMFORT_NOISE, NOISE)
            elif self.sending:
                self._send(ALAW, self._next_frame(), marker=begins)
                begins = False
            else:
                begins = True
            frames += 1
            self._forward(1)
            tick = await self._wait(tick)

    def _next_frame(self) -> bytes:
        if self._speech:
            return self._speech.popleft()
        self._spoken.set()
        return SILENCE if self.quiet else self._frame

    async def _report(self) -> None:
        told = 0
        while True:
            await asyncio.sleep(INTERVAL_S)
            remote = self._remote
            if self.reporting and remote is not None and self._control is not None:
                packets, told = self._sent.packets - told, self._sent.packets
                words = report(self._sent, self._received, f"peer-{self.port}", is_sender=packets > 0)
                self._control.send(words, remote.address, remote.control)

    async def _wait(self, tick: float) -> float:
        loop = asyncio.get_running_loop()
        tick = max(tick + FRAME_S, loop.time() - 5 * FRAME_S)  # after a stall: catch up a little, not everything
        await asyncio.sleep(tick - loop.time())
        return tick

    async def _send_key(self, event: int, frames: int, tick: float) -> float:
        """RFC 4733 section 2.5: one timestamp for the whole event, a growing duration, the end sent three times."""
        kind = self._remote.events if self._remote is not None else None
        if kind is None:
            msg = "the other side takes no telephone events: no key can be pressed"
            raise RuntimeError(msg)
        for n in range(1, frames + 1):
            self._send(kind, struct.pack("!BBH", event, 10, n * FRAME_SAMPLES), marker=n == 1)
            tick = await self._wait(tick)
        for _ in range(3):
            self._send(kind, struct.pack("!BBH", event, 0x80 | 10, (frames + 1) * FRAME_SAMPLES))
        self._forward(frames)
        return tick

    def _forward(self, frames: int) -> None:
        self._sent.timestamp = (self._sent.timestamp + frames * FRAME_SAMPLES) & 0xFFFFFFFF

    def _send(self, kind: int, payload: bytes, *, marker: bool = False) -> None:
        if self._transport is None or self._remote is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._sent.packets += 1
        self._sent.octets += len(payload)
        head = struct.pack("!BBHII", 0x80, marker << 7 | kind, self._sequence, self._sent.timestamp, self._sent.source)
        self._transport.sendto(head + payload, (self._remote.address, self._remote.port))

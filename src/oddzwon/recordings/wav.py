"""The plain form of a recording: a WAV file (RIFF, 16-bit PCM), made of what Asterisk's MixMonitor writes.

MixMonitor with option D writes its own channel and the other one interleaved, 16 bits each at 8 kHz, into a ``.raw``
file without a header (Asterisk's apps/app_mixmonitor.c). In ours the caller is left and the agent right.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import Final

RATE: Final = 8_000
CHANNELS: Final = 2
FRAME_BYTES: Final = 4
"""One sample of each channel."""
HEADER_BYTES: Final = 44
_SIZE_MAX: Final = 0xFFFF_FFFF


def header(frames: int) -> bytes:
    """The header of a stereo WAV file with so many frames.

    RIFF cannot tell of more than 4 GiB (37 hours): then it says the most it can, and players go on to the file's end.
    """
    data = frames * FRAME_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        min(data + HEADER_BYTES - 8, _SIZE_MAX),
        b"WAVE",
        b"fmt ",
        16,
        1,
        CHANNELS,
        RATE,
        RATE * FRAME_BYTES,
        FRAME_BYTES,
        16,
        b"data",
        min(data, _SIZE_MAX),
    )


@dataclass(frozen=True, slots=True)
class Format:
    """What a WAV file's header says; ``data_at`` is where its samples begin."""

    channels: int
    frame_bytes: int
    bytes_per_second: int
    data_at: int


def format_of(start: bytes) -> Format | None:
    """The format of the 16-bit PCM file that begins so; None: it is none. Only the plain 44-byte header is known."""
    if len(start) < HEADER_BYTES or start[:4] != b"RIFF" or start[8:16] != b"WAVEfmt " or start[36:40] != b"data":
        return None
    kind, channels, _rate, per_second, frame, bits = struct.unpack_from("<HHIIHH", start, 20)
    if kind != 1 or bits != 16 or channels not in (1, 2) or frame != 2 * channels or per_second == 0:
        return None
    return Format(channels, frame, per_second, HEADER_BYTES)


def swapped(frames: bytes) -> bytes:
    """The same frames with left and right exchanged; ``frames`` are whole ones. Bytes stay as they are within one."""
    samples = array("H", frames)
    exchanged = array("H", bytes(len(frames)))
    exchanged[0::2], exchanged[1::2] = samples[1::2], samples[0::2]
    return exchanged.tobytes()


def silenced(frames: bytes, channel: int) -> bytes:
    """The same frames with one channel silent: 0 the left, 1 the right."""
    samples = array("H", frames)
    samples[channel::2] = array("H", bytes(len(frames) // 2))
    return samples.tobytes()

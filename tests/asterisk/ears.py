"""Ears: which built prompts a leg's RTP carried, in what order, and from which millisecond of each to which.

Asterisk plays a prompt's samples as they are, in A-law, so that a prompt is found by normalised cross-correlation of
a few short pieces of it, and then followed in both directions for as long as what came in is what was built.
"""

from __future__ import annotations

import functools
import json
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oddzwon.prompts.at_call import AT_CALL
from oddzwon.prompts.manifest import Edition, edition_of, read_manifest
from tests.asterisk.rtp import FRAME_SAMPLES, Packet, alaw

RATE = 8_000
PER_MS = RATE // 1_000
STEP = 80
"""Samples that are compared at a time: 10 ms."""
PIECE = 1_600
"""Samples of a piece that is looked for: 200 ms. Less of a prompt than that is not recognised."""
PIECES_AT = (0, 3_200, 6_400)
"""Where the pieces begin, in samples after a prompt's first sound: one may fall into a gap, or into a cut."""
ALIKE = 0.8
"""Normalised cross-correlation from which on something may be a prompt's piece; noise and tones stay far below."""
SAME = 0.85
"""The same within 10 ms: A-law's own noise leaves a little less than 1."""
QUIET = 100.0
"""Root mean square, of 32768, up to which 10 ms are a pause between words: A-law has little left to compare there."""
ENOUGH = 15
"""So many steps of 10 ms that sound have to be the prompt's."""
PAUSE = 8 * FRAME_SAMPLES
"""A timestamp that is further ahead than this without a packet lost: Asterisk had stopped sending."""
LONGEST_GAP = 10 * RATE
_BLOCK = 8_192

Sound = NDArray[np.float32]


def _law() -> tuple[Sound, NDArray[np.uint8]]:
    """A-law's codes as samples, and every 16-bit sample as its code (G.711)."""
    codes = np.array([alaw(sample) for sample in range(-32_768, 32_768)], dtype=np.uint8)
    samples = np.zeros(256, dtype=np.float32)
    for code in range(256):
        meant = np.flatnonzero(codes == code)
        samples[code] = (meant[0] + meant[-1]) / 2 - 32_768
    return samples, codes


_SAMPLES, _CODES = _law()


@dataclass(frozen=True, eq=False, slots=True)
class Built:
    """A prompt as it was built: ``sound`` is its 8 kHz audio as A-law leaves it, ``sha256`` as a receipt names it."""

    prompt: str
    variant: str | None
    language: str
    sha256: str
    sound: Sound

    @property
    def name(self) -> str:
        """For a test's words: ``pl L1``."""
        return " ".join(part for part in (self.language, self.prompt, self.variant) if part)

    @property
    def full_ms(self) -> int:
        """Its length."""
        return len(self.sound) // PER_MS

    def packets(self) -> list[bytes]:
        """It as Asterisk sends it, in A-law; of some samples Asterisk's code is the next one."""
        codes = _CODES[self.sound.astype(np.int32) + 32_768].tobytes()
        return [codes[place : place + FRAME_SAMPLES] for place in range(0, len(codes), FRAME_SAMPLES)]


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """What a leg heard, its packets joined in the order of their sequence numbers.

    ``lost`` counts the packets that never came; their place is held by silence, and ``gaps`` is True there. ``pauses``
    are the samples before which Asterisk had sent nothing for a while: that time is not in ``sound``. ``arrivals``
    holds for each packet its first sample and when it came, on the monotonic clock.
    """

    sound: Sound
    gaps: NDArray[np.bool_]
    pauses: tuple[int, ...]
    arrivals: tuple[tuple[int, float], ...]
    lost: int

    def at(self, sample: int) -> float:
        """When this sample came, on the monotonic clock."""
        came = [at for first, at in self.arrivals if first <= sample]
        return came[-1] if came else self.arrivals[0][1]


@dataclass(frozen=True, eq=False, slots=True)
class Passage:
    """A prompt that was heard, from ``from_ms`` to ``to_ms`` of it. ``began`` and ``ended`` are on the monotonic clock.

    ``sounded_ms`` is the end of its last sound: from there to ``to_ms`` the prompt pauses, and as long as nothing else
    has been heard after it, the cut may be anywhere in that. ``alike`` are other prompts that sound the same as far as
    it was heard. ``start`` is where in the stream its first sample is, or would be.
    """

    built: Built
    from_ms: int
    sounded_ms: int
    to_ms: int
    began: float
    ended: float
    start: int
    alike: tuple[Built, ...] = ()

    @property
    def prompts(self) -> frozenset[str]:
        """The keys of texts.json that it may have been: one, but for prompts that sound the same so far."""
        return frozenset(one.prompt for one in (self.built, *self.alike))

    def is_of(self, sha256: str) -> bool:
        """Whether it may have been the audio that a receipt names."""
        return any(one.sha256 == sha256 for one in (self.built, *self.alike))

    def __str__(self) -> str:
        return f"{self.built.name} {self.from_ms}-{self.to_ms} of {self.built.full_ms} ms"


def built_in(folder: Path) -> tuple[Built, ...]:
    """Every prompt in use in a folder of prompts, those that were spoken during calls too; the same audio once."""
    editions = [edition for edition in read_manifest(folder) if edition.current]
    for file in sorted(folder.glob(f"*/{AT_CALL}/*.json")):
        editions.append(edition_of(json.loads(file.read_text(encoding="utf-8"))))
    found: dict[str, Built] = {}
    for edition in editions:
        if edition.sha256 not in found and (folder / f"{edition.stem}.wav").exists():
            found[edition.sha256] = _built(edition, folder)
    return tuple(found.values())


def _built(edition: Edition, folder: Path) -> Built:
    sound = _sound(folder / f"{edition.stem}.wav", edition.sha256)
    return Built(edition.key, edition.variant, edition.language, edition.sha256, sound)


@functools.lru_cache(maxsize=1_000)
def _sound(wav: Path, _sha256: str) -> Sound:
    """A file's audio; its hash is part of what is remembered, so that one built anew is read anew."""
    with wave.open(str(wav)) as file:
        return through_alaw(np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"))


def through_alaw(samples: NDArray[np.int16]) -> Sound:
    """What A-law leaves of 16-bit samples."""
    return _SAMPLES[_CODES[samples.astype(np.int32) + 32_768]]


def stream_of(packets: Iterable[Packet]) -> Stream:
    """Join what a leg has kept. Packets that come twice count once; late ones are put where they belong."""
    parts: list[Sound] = []
    missing: list[NDArray[np.bool_]] = []
    pauses: list[int] = []
    arrivals: list[tuple[int, float]] = []
    length = lost = 0
    before: Packet | None = None
    for packet in _in_order(packets):
        if before is not None:
            gap = _gap(before, packet)
            if gap:
                parts.append(np.zeros(gap, dtype=np.float32))
                missing.append(np.ones(gap, dtype=np.bool_))
                length += gap
                lost += packet.sequence - before.sequence - 1 & 0xFFFF
            elif packet.source != before.source or _ahead(before, packet) > PAUSE:
                pauses.append(length)
        heard = _SAMPLES[np.frombuffer(packet.payload, dtype=np.uint8)]
        arrivals.append((length, packet.at))
        parts.append(heard)
        missing.append(np.zeros(len(heard), dtype=np.bool_))
        length += len(heard)
        before = packet
    sound = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    gaps = np.concatenate(missing) if missing else np.zeros(0, dtype=np.bool_)
    return Stream(sound, gaps, tuple(pauses), tuple(arrivals), lost)


def _in_order(packets: Iterable[Packet]) -> Iterator[Packet]:
    """By source, in the order in which the sources came; within one by sequence number, unwrapped (RFC 3550, A.1)."""
    sources: dict[int, dict[int, Packet]] = {}
    highest: dict[int, int] = {}
    for packet in packets:
        top = highest.setdefault(packet.source, packet.sequence)
        step = (packet.sequence - top + 0x8000 & 0xFFFF) - 0x8000
        highest[packet.source] = max(top, top + step)
        sources.setdefault(packet.source, {}).setdefault(top + step, packet)
    for numbered in sources.values():
        yield from (numbered[number] for number in sorted(numbered))


def _gap(before: Packet, packet: Packet) -> int:
    """The samples of the packets that were lost between two."""
    if packet.source != before.source:
        return 0
    packets = packet.sequence - before.sequence - 1 & 0xFFFF
    if not packets:
        return 0
    ahead = _ahead(before, packet)
    return ahead if 0 < ahead <= min(LONGEST_GAP, 2 * packets * FRAME_SAMPLES) else packets * FRAME_SAMPLES


def _ahead(before: Packet, packet: Packet) -> int:
    """How many samples the timestamp is ahead of where the packet before ended; negative: it went back."""
    step = packet.timestamp - before.timestamp - len(before.payload) & 0xFFFFFFFF
    return step - (1 << 32) if step >> 31 else step


def recognise(packets: Iterable[Packet], built: Sequence[Built]) -> list[Passage]:
    """The prompts in what a leg has kept, in order."""
    return passages(stream_of(packets), built)


def passages(stream: Stream, built: Sequence[Built]) -> list[Passage]:
    """The prompts in a stream, in order; where several fit, the one that goes on for longest."""
    if len(stream.sound) < PIECE:
        return []
    finder = _Finder(stream)
    found = [run for one in built for run in finder.runs(one)]
    found.sort(key=lambda run: -run.sounding)
    chosen: list[tuple[_Run, list[Built]]] = []
    for run in found:
        over = next((pair for pair in chosen if run.overlaps(pair[0])), None)
        if over is None:
            chosen.append((run, []))
        elif run.equals(over[0]) and run.built is not over[0].built and run.built not in over[1]:
            over[1].append(run.built)
    chosen.sort(key=lambda pair: pair[0].first)
    return [
        _passage(stream, run, alike, chosen[n + 1][0] if n + 1 < len(chosen) else None)
        for n, (run, alike) in enumerate(chosen)
    ]


@dataclass(frozen=True, eq=False, slots=True)
class _Run:
    """A stretch of the stream that is a prompt's, in samples of the stream; it sounds from ``first`` to ``last``."""

    built: Built
    start: int
    begin: int
    end: int
    first: int
    last: int
    sounding: int

    def overlaps(self, other: _Run) -> bool:
        return self.first < other.last - 2 * STEP and other.first < self.last - 2 * STEP

    def equals(self, other: _Run) -> bool:
        return abs(self.first - other.first) <= 2 * STEP and abs(self.last - other.last) <= 2 * STEP


def _passage(stream: Stream, run: _Run, alike: list[Built], after: _Run | None) -> Passage:
    """Its end is where it was cut: not in the silence after that, which a pause of its own words looks like."""
    ends = [run.end, *(pause for pause in stream.pauses if run.last <= pause < run.end)]
    if after is not None:
        ends.append(max(run.last, after.begin))
    end = min(ends)
    begins = [run.begin, *(pause for pause in stream.pauses if run.begin < pause <= run.first)]
    begin = max(begins)
    return Passage(
        run.built,
        (begin - run.start) // PER_MS,
        (run.last - run.start) // PER_MS,
        (end - run.start) // PER_MS,
        stream.at(begin),
        stream.at(end - 1),
        run.start,
        tuple(alike),
    )


class _Finder:
    """One stream, prepared for many searches (overlap-save, so that a short piece does not cost a long transform)."""

    def __init__(self, stream: Stream) -> None:
        self._sound = stream.sound
        self._gaps = stream.gaps
        self._hop = _BLOCK - PIECE + 1
        blocks = -(-len(stream.sound) // self._hop)
        padded = np.zeros((blocks - 1) * self._hop + _BLOCK, dtype=np.float32)
        padded[: len(stream.sound)] = stream.sound
        shape = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK)[:: self._hop]
        self._spectra = np.fft.rfft(shape, axis=1)
        power = np.concatenate(([0.0], np.cumsum(padded.astype(np.float64) ** 2)))
        self._norms = np.sqrt(np.maximum(power[PIECE:] - power[:-PIECE], 0.0))[: len(stream.sound)]

    def runs(self, built: Built) -> Iterator[_Run]:
        """Every stretch that is this prompt's."""
        sounding = _rms(built.sound) > QUIET
        if not sounding.any():
            return
        first = int(np.argmax(sounding)) * STEP
        starts: list[int] = []
        for offset in PIECES_AT:
            piece = built.sound[first + offset : first + offset + PIECE]
            if len(piece) < PIECE or np.sqrt(np.mean(piece.astype(np.float64) ** 2)) < 2 * QUIET:
                continue
            for place in self._places(piece):
                start = place - first - offset
                if all(abs(start - other) > 2 * STEP for other in starts):
                    starts.append(start)
                    run = self._follow(built, start, (first + offset) // STEP)
                    if run is not None:
                        yield run

    def _places(self, piece: Sound) -> list[int]:
        """Where the stream is like the piece: the best sample of each such place."""
        spectrum = np.conj(np.fft.rfft(piece, _BLOCK))
        products = np.fft.irfft(self._spectra * spectrum, _BLOCK, axis=1)[:, : self._hop].reshape(-1)
        norm = float(np.linalg.norm(piece))
        # what is quiet is like nothing
        floor = QUIET * np.sqrt(PIECE)
        size = min(len(products), len(self._norms))
        likeness = products[:size] / (norm * np.maximum(self._norms[:size], floor))
        found: list[int] = []
        for place in np.flatnonzero(likeness >= ALIKE):
            if found and place - found[-1] <= 2 * STEP:
                if likeness[place] > likeness[found[-1]]:
                    found[-1] = int(place)
            else:
                found.append(int(place))
        return found

    def _follow(self, built: Built, start: int, from_step: int) -> _Run | None:
        """From a piece that was found on, in both directions, until something else comes."""
        steps = len(built.sound) // STEP
        theirs = built.sound[: steps * STEP].copy()
        ours = np.zeros_like(theirs)
        low, high = max(0, start), min(len(self._sound), start + len(theirs))
        ours[low - start : high - start] = self._sound[low:high]
        here = np.zeros(len(theirs), dtype=np.bool_)
        here[low - start : high - start] = True
        lost = np.zeros(len(theirs), dtype=np.bool_)
        lost[low - start : high - start] = self._gaps[low:high]
        theirs[lost] = 0.0
        same, sounding = _compare(theirs, ours)
        same &= here.reshape(-1, STEP).all(axis=1)
        if not same[from_step]:
            return None
        begin, end = from_step, from_step
        while begin > 0 and same[begin - 1]:
            begin -= 1
        while end < steps and same[end]:
            end += 1
        loud = np.flatnonzero(sounding[begin:end]) + begin
        if len(loud) < ENOUGH:
            return None
        last, stop = start + (int(loud[-1]) + 1) * STEP, start + end * STEP
        if end == steps:  # whole, with the last samples that fill no step
            stop = min(start + len(built.sound), len(self._sound))
        return _Run(built, start, start + begin * STEP, stop, start + int(loud[0]) * STEP, last, len(loud))


def _compare(theirs: Sound, ours: Sound) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each step: whether both are the same, whatever their level, or both a pause; and whether it sounds."""
    one, other = theirs.reshape(-1, STEP).astype(np.float64), ours.reshape(-1, STEP).astype(np.float64)
    their_rms, our_rms = _rms(theirs), _rms(ours)
    sounding = their_rms > QUIET
    likeness = (one * other).mean(axis=1) / np.maximum(their_rms * our_rms, 1.0)
    return np.where(sounding, likeness >= SAME, our_rms <= 2 * QUIET), sounding


def _rms(sound: Sound) -> NDArray[np.float64]:
    """The root mean square of each step."""
    whole = sound[: len(sound) // STEP * STEP].reshape(-1, STEP).astype(np.float64)
    return np.asarray(np.sqrt((whole**2).mean(axis=1)))

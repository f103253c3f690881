"""What a command on a call gives back, and the limits a session is held to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class PlaybackEnd(StrEnum):
    """Why a prompt stopped."""

    FINISHED = "finished"  # nothing stopped it; whether it was whole, only played_ms tells
    KEY = "key"
    FAILED = "failed"  # missing or empty file, while the caller is still there
    HANGUP = "hangup"


@dataclass(frozen=True, slots=True)
class Playback:
    """What became of one prompt. `played_ms` from Asterisk's `endpos`, which counts samples of the file."""

    ended: PlaybackEnd
    key: str | None
    endpos_samples: int
    played_ms: int

    def within(self, elapsed_ms: int) -> Playback:
        """The same, with no more played than the time that passed.

        Where the caller hangs up just before Asterisk's next frame, it tells of the file's whole length [M]
        (res/res_agi.c, handle_streamfile: a stream that was closed is taken for one that has ended).
        """
        if self.ended is not PlaybackEnd.HANGUP or self.played_ms <= elapsed_ms:
            return self
        return replace(self, played_ms=max(elapsed_ms, 0))

    def complete(self, full_ms: int) -> bool:
        """Played to its end, or ended by the caller's own key. A file that is only a header plays 0 ms "to its end"."""
        return self.ended is PlaybackEnd.KEY or (
            self.ended is PlaybackEnd.FINISHED and full_ms > 0 and self.played_ms >= full_ms
        )


@dataclass(frozen=True, slots=True)
class Digits:
    """What GET DATA collected; `timed_out` means that the caller stopped pressing, not that he finished with #."""

    digits: str
    timed_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgiLimits:
    """How much a FastAGI peer may send and how long we wait for it. Seconds and bytes.

    `command_timeout` is the patience for a command that Asterisk answers at once; what plays or waits gets its own
    length on top of it.
    """

    header_timeout: float = 5.0
    command_timeout: float = 10.0
    playback_timeout: float = 180.0
    max_header_bytes: int = 16_384
    max_line_bytes: int = 16_384

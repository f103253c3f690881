"""What a caller was told: receipts of spoken notices (Art. 12, 13 GDPR), and whether they inform him of a callback.

Who resumes a call within the window was informed already (Art. 13(4)): a complete short notice is enough for him.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oddzwon.domain.events import Instant

MENU_KEYS: Final = frozenset("0123456789*#")
"""The keys a telephone has; no other digit is ever kept."""

ROUNDING_MS: Final = 1
"""Samples become milliseconds by rounding, on either side: one millisecond short is still the end of the file."""


class PromptKind(StrEnum):
    """The prompts whose receipts count: keys of texts.json."""

    LAYER1 = "L1"
    LAYER2 = "L2"
    SHORT = "SHORT"
    STATIC = "STATIC"
    CALLBACK = "CALLBACK"
    REC_OBJECT = "REC_OBJECT"
    REC_CONSENT = "REC_CONSENT"
    REC_ANNOUNCE = "REC_ANNOUNCE"
    REC_CONSENT_AGENT = "REC_CONSENT_AGENT"


class Ended(StrEnum):
    """How the playing of a prompt came to its end."""

    FINISHED = "finished"
    KEY = "key"
    FAILED = "failed"
    HANGUP = "hangup"


@dataclass(frozen=True, slots=True)
class NoticeReceipt:
    """Proof of what was played to the caller. Made by :func:`receipt`; one that contradicts itself cannot be made.

    ``prompt`` is a key of texts.json, ``sha256`` that of the audio or text played, ``key`` the caller's key that
    stopped or answered it, ``at`` when that was. Durations are milliseconds.
    """

    prompt: str
    version: str
    sha256: str
    language: str
    played_ms: int
    full_ms: int
    key: str | None
    complete: bool
    at: Instant

    def __post_init__(self) -> None:
        """Refuse a receipt that claims more than was played (Art. 5(2) GDPR: we must be able to prove it).

        :raises ValueError: always then; a programmer's mistake.
        """
        if not 0 <= self.played_ms <= max(self.full_ms, 0):
            raise ValueError(f"a receipt for {self.prompt}: {self.played_ms} ms played of {self.full_ms} ms")
        if self.key is not None and self.key not in MENU_KEYS:
            raise ValueError(f"a receipt for {self.prompt}: its key is none of a telephone's")
        if self.complete and (self.played_ms == 0 or (self.key is None and self.played_ms < self.full_ms)):
            raise ValueError(f"a receipt for {self.prompt}: complete, but neither played to its end nor ended by a key")

    @property
    def started_at(self) -> Instant:
        """When the prompt began to be played."""
        return self.at - self.played_ms


def receipt(
    prompt: str,
    *,
    version: str,
    sha256: str,
    language: str,
    played_ms: int,
    full_ms: int,
    ended: Ended,
    key: str | None,
    at: Instant,
) -> NoticeReceipt:
    """The receipt of a prompt that was played (or not), whatever the peer reported. Never raises.

    Complete is what played to its end, or was ended by the caller's own key (legal.md section B). A key pressed before
    a millisecond was heard belonged to what came before; a prompt without length announces nothing; a file that is only
    a header reports success and still was not heard. ``key`` may also have been pressed after the end of a prompt that
    finished, in its own time for an answer: it is kept if the prompt was heard to its end, and makes nothing complete.
    """
    full = max(full_ms, 0)
    played = min(max(played_ms, 0), full)
    to_its_end = ended in (Ended.FINISHED, Ended.KEY) and played > 0 and played >= full - ROUNDING_MS
    own_key = key if key in MENU_KEYS and (ended is Ended.KEY or to_its_end) else None
    complete = to_its_end or (own_key is not None and played > 0)
    if to_its_end:
        played = full
    return NoticeReceipt(prompt, version, sha256, language, played, full, own_key, complete, at)


def was_told(receipts: Iterable[NoticeReceipt], prompt: str) -> bool:
    """Whether one of the receipts proves ``prompt`` complete."""
    return any(r.complete and r.prompt == prompt for r in receipts)


@dataclass(frozen=True, slots=True)
class ResumedCall:
    """The dropped call that a call resumes. ``receipts`` None: not read; ``lost_at`` None: not known."""

    receipts: tuple[NoticeReceipt, ...] | None
    lost_at: Instant | None


def short_suffices(resumed: ResumedCall | None, at: Instant, window_ms: int) -> bool | None:
    """Whether the short notice is enough for a caller who, at ``at``, resumes the call ``resumed``.

    Only if that call itself has a complete layer 1 and was lost at most ``window_ms`` ago. None: not known, as when the
    clock stands before the loss.
    """
    if resumed is None:
        return False
    if resumed.receipts is None or resumed.lost_at is None or at < resumed.lost_at:
        return None
    return was_told(resumed.receipts, PromptKind.LAYER1) and at - resumed.lost_at <= window_ms


def layer1_known(receipts: Iterable[NoticeReceipt] | None, resumed: ResumedCall | None, window_ms: int) -> bool | None:
    """Whether the caller knew that we may call back and how to object (condition NO_NOTICE); None: not known.

    ``receipts`` are those of the call itself: layer 1 complete, or a complete short notice heard within ``window_ms``
    of the loss of the call that it resumes, when that call has a complete layer 1.
    """
    if receipts is None:
        return None
    own = tuple(receipts)
    if was_told(own, PromptKind.LAYER1):
        return True
    verdicts = {
        short_suffices(resumed, r.started_at, window_ms) for r in own if r.complete and r.prompt == PromptKind.SHORT
    }
    if True in verdicts:
        return True
    return None if None in verdicts else False

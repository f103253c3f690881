"""What the notice page says of this operator, in one language: plain values, free of where they were configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from oddzwon.domain.recording import Regime
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import Language, PromptKey


@dataclass(frozen=True, slots=True)
class Words:
    """The operator's own words. ``language`` where it is another than the page's, so that they are read out right."""

    text: str
    language: Language | None = None


class Way(StrEnum):
    """How a recording comes about (legal.md section C)."""

    CONSENT = "consent"
    """Asked for: only key 1 starts it."""
    OBJECT = "object"
    """Announced: key 7 stops it."""
    ANNOUNCE = "announce"
    """Announced without a key: another way to reach the operator is named."""


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """What one key of the menu records; ``key`` None: the contract segment, which may follow any choice.

    ``basis`` is the law that obliges to record (regime legal), ``other_channel`` is for Way.ANNOUNCE; else both may be
    empty.
    """

    key: str | None
    label: Words
    regime: Regime
    way: Way
    purpose: Words
    basis: Words
    other_channel: Words
    retention: Period


@dataclass(frozen=True, slots=True)
class RecordedNumbers:
    """Numbers (E.164) on which the same is recorded."""

    numbers: tuple[str, ...]
    rows: tuple[RecordingRow, ...]


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """The rules by which callbacks are decided. Durations in seconds; ``regions`` are codes of ISO 3166-1.

    ``queued_too``: who waited in the queue is called back as well; else only who was being connected or talked.
    """

    on: bool
    first_dial_s: float
    lapse_s: float
    max_dials: int
    queued_too: bool
    eu_eea: bool
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpokenText:
    """An announcement as callers hear it.

    ``version`` as a receipt names it; None where a part of it is known only during the call. ``label`` and ``numbers``
    say which choice and whose calls it belongs to, where there are several.
    """

    key: PromptKey
    text: str
    version: str | None
    label: Words | None = None
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlierText:
    """An announcement that is spoken no more, with the time (UTC) for which it was in use.

    ``until`` None: not known, nothing took its place.
    """

    spoken: SpokenText
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeValues:
    """Everything that one language's page says of the operator (Art. 13(1), (2) GDPR). ``numbers`` in E.164."""

    language: Language
    controller: Words
    url: str
    contact: Words
    dpo: Words
    recipients: Words
    authority: Words
    transfers: Words | None
    call_retention: Period
    numbers: tuple[str, ...]
    recordings: tuple[RecordedNumbers, ...]
    callbacks: CallbackRules
    spoken: tuple[SpokenText, ...]
    earlier: tuple[EarlierText, ...]

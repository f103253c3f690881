"""May this segment be recorded, after which announcement, and when is the file deleted? (legal.md section C and F)

Going on with the call is no consent: consent is key 1, pressed during or after its own prompt (EDPB guidelines 05/2020
paragraph 75).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from oddzwon.domain.events import Instant
from oddzwon.domain.notice import NoticeReceipt, PromptKind
from oddzwon.domain.number import DomainError


class Regime(StrEnum):
    """On which ground a queue or menu option is recorded; hold is set on a recording that exists (Art. 17(3)(e))."""

    QUALITY = "quality"
    CONTRACT = "contract"
    LEGAL = "legal"
    HOLD = "hold"
    NONE = "none"


class Mode(StrEnum):
    """How a recording is brought about: by the caller's key, or by telling him."""

    KEYPRESS = "keypress"
    ANNOUNCE = "announce"


class QualityAnnounce(StrEnum):
    """Whether a quality recording may be announced instead of asked for; always only with a balancing test."""

    NEVER = "never"
    IF_CHOSEN = "if_chosen"
    WITH_TEST = "with_test"


class RetentionError(DomainError):
    """A period that no regime allows."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a recording is kept: calendar years and days; ``to_year_end``: on to the end of the UTC year."""

    days: int = 0
    years: int = 0
    to_year_end: bool = False

    def __post_init__(self) -> None:
        """Refuse periods below zero or beyond a lifetime.

        :raises RetentionError: always then.
        """
        if not (0 <= self.days <= 36_500 and 0 <= self.years <= 100):
            raise RetentionError(f"{self.years} years and {self.days} days: between 0 and 100 years, as in days = 30")

    @property
    def is_zero(self) -> bool:
        """Whether nothing may be kept at all: then nothing is recorded."""
        return self.days == 0 and self.years == 0

    def longest_days(self) -> int:
        """An upper bound in days."""
        return self.days + 366 * self.years + (366 if self.to_year_end else 0)


HEARD_MS: Final = 500
"""Sooner than this into the question nobody can have heard what he would consent to: such a key belonged to what came
before, as the second of a hasty double press in the menu does."""

QUALITY_DEFAULT: Final = Retention(days=30)
QUALITY_MAX_DAYS: Final = 90
LEGAL_DEFAULT: Final = Retention(years=5)
"""Delegated Regulation (EU) 2017/565 art. 76(8) with MiFID II art. 16(7): five years."""


@dataclass(frozen=True, slots=True)
class RecordingRules:
    """What a jurisdiction demands of each regime (legal.md section F). ``agent_too``: the agent consents as well."""

    name: str
    quality_announce: QualityAnnounce
    contract: Mode
    legal: Mode
    agent_too: bool
    contract_tail: Retention


RECORDING_RULES: Final[Mapping[str, RecordingRules]] = MappingProxyType(
    {
        "eu": RecordingRules("eu", QualityAnnounce.IF_CHOSEN, Mode.ANNOUNCE, Mode.ANNOUNCE, False, Retention()),
        "pl": RecordingRules("pl", QualityAnnounce.WITH_TEST, Mode.ANNOUNCE, Mode.ANNOUNCE, False, Retention()),
        "cz": RecordingRules("cz", QualityAnnounce.WITH_TEST, Mode.ANNOUNCE, Mode.ANNOUNCE, False, Retention(years=3)),
        # § 201 StGB punishes the recording without authority of the words of either side: always a key, for both
        "de": RecordingRules(
            "de",
            QualityAnnounce.NEVER,
            Mode.KEYPRESS,
            Mode.KEYPRESS,
            True,
            Retention(years=3, to_year_end=True),
        ),
    }
)

WITHOUT_REC_OBJECT: Final = frozenset({"de"})
"""Languages in which no text announces a recording with a key to object: there the caller is asked instead."""


def mode_for(
    rules: RecordingRules, regime: Regime, *, balancing_test: str | None, chosen: Mode | None, language: str
) -> Mode | None:
    """How a recording under ``regime`` is brought about; None: this regime starts none.

    ``chosen`` is the operator's setting (None: the jurisdiction's own way), ``balancing_test`` the id of the test for
    announced recording. The stricter way may always be chosen, the milder one only where the rules allow it.
    """
    if regime in (Regime.HOLD, Regime.NONE):
        return None
    if chosen is Mode.KEYPRESS and regime is not Regime.LEGAL:
        return Mode.KEYPRESS
    if regime is Regime.CONTRACT:
        return rules.contract
    if regime is Regime.LEGAL:
        return rules.legal
    wanted = rules.quality_announce is QualityAnnounce.WITH_TEST or (
        rules.quality_announce is QualityAnnounce.IF_CHOSEN and chosen is Mode.ANNOUNCE
    )
    return Mode.ANNOUNCE if wanted and balancing_test and language not in WITHOUT_REC_OBJECT else Mode.KEYPRESS


def announcement_for(regime: Regime, mode: Mode | None) -> PromptKind | None:
    """The prompt that must be complete before a recording under ``regime`` starts; None: nothing is recorded."""
    if mode is None or regime in (Regime.HOLD, Regime.NONE):
        return None
    if mode is Mode.KEYPRESS:
        return PromptKind.REC_CONSENT
    return PromptKind.REC_OBJECT if regime is Regime.QUALITY else PromptKind.REC_ANNOUNCE


def retention_for(rules: RecordingRules, regime: Regime, chosen: Retention | None) -> Retention:
    """How long a recording under ``regime`` is kept: the operator's choice, else the default of legal.md section C.

    :raises RetentionError: a quality recording kept for more than 90 days.
    """
    defaults = {
        Regime.QUALITY: QUALITY_DEFAULT,
        Regime.LEGAL: LEGAL_DEFAULT,
        Regime.CONTRACT: rules.contract_tail,
    }
    period = defaults.get(regime, Retention()) if chosen is None else chosen
    if regime is Regime.QUALITY and period.longest_days() > QUALITY_MAX_DAYS:
        raise RetentionError(f"a quality recording is kept for at most {QUALITY_MAX_DAYS} days, as in days = 30")
    return period


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key that the caller pressed, and when."""

    key: str
    at: Instant


class Verdict(StrEnum):
    """Why a segment is recorded, or why not."""

    CONSENTED = "consented"
    ANNOUNCED = "announced"
    NO_REGIME = "no_regime"
    NO_RETENTION = "no_retention"
    NO_REFERENCE = "no_reference"
    NO_BALANCING_TEST = "no_balancing_test"
    NOT_ALLOWED_HERE = "not_allowed_here"
    NOT_ANNOUNCED = "not_announced"
    NO_CONSENT = "no_consent"
    NO_AGENT_CONSENT = "no_agent_consent"
    OBJECTED = "objected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecordingPermission:
    """Whether a segment may be recorded, why, after which prompt, and how long it may be kept."""

    allowed: bool
    verdict: Verdict
    announcement: PromptKind | None
    retention: Retention


def may_record(
    rules: RecordingRules,
    regime: Regime,
    mode: Mode | None,
    announcement: NoticeReceipt | None,
    keys: Iterable[KeyPressed] | None,
    *,
    retention: Retention,
    balancing_test: str | None,
    reference: str | None,
    objected: bool | None,
    agent_consented: bool | None,
) -> RecordingPermission:
    """Whether recording may start now. Every doubt is a no; the call itself goes on.

    ``mode`` is that of :func:`mode_for`; ``announcement`` the receipt of its prompt; ``keys`` what the caller pressed
    since that prompt began (None: not known), those that stopped it included or not; ``objected`` whether an objection
    to recording stands, in the register or from the call that this one resumes; ``agent_consented`` is asked only where
    the rules demand it.
    """
    prompt = announcement_for(regime, mode)
    verdict = _grounds(rules, regime, mode, retention=retention, balancing_test=balancing_test, reference=reference)
    if verdict is None:
        verdict = _told(prompt, announcement)
    if verdict is None and announcement is not None:
        verdict = _will(regime, mode, announcement, keys, objected)
    if verdict is None and rules.agent_too and agent_consented is not True:
        verdict = Verdict.NO_AGENT_CONSENT
    if verdict is not None:
        return RecordingPermission(False, verdict, prompt, Retention())
    granted = Verdict.CONSENTED if mode is Mode.KEYPRESS else Verdict.ANNOUNCED
    return RecordingPermission(True, granted, prompt, retention)


def _grounds(
    rules: RecordingRules,
    regime: Regime,
    mode: Mode | None,
    *,
    retention: Retention,
    balancing_test: str | None,
    reference: str | None,
) -> Verdict | None:
    """What the operator must have settled beforehand; None: nothing is missing."""
    if mode is None or regime in (Regime.HOLD, Regime.NONE):
        return Verdict.NO_REGIME
    if regime is Regime.CONTRACT and not reference:
        return Verdict.NO_REFERENCE
    if retention.is_zero or (regime is Regime.QUALITY and retention.longest_days() > QUALITY_MAX_DAYS):
        return Verdict.NO_RETENTION
    if mode is Mode.ANNOUNCE:
        if rules.agent_too or (regime is Regime.QUALITY and rules.quality_announce is QualityAnnounce.NEVER):
            return Verdict.NOT_ALLOWED_HERE
        if regime is Regime.QUALITY and not balancing_test:
            return Verdict.NO_BALANCING_TEST
    return None


def _told(prompt: PromptKind | None, announcement: NoticeReceipt | None) -> Verdict | None:
    """Whether its own announcement was heard; None: it was."""
    heard = announcement is not None and announcement.complete and announcement.prompt == prompt
    return None if heard else Verdict.NOT_ANNOUNCED


def _will(
    regime: Regime,
    mode: Mode | None,
    announcement: NoticeReceipt,
    keys: Iterable[KeyPressed] | None,
    objected: bool | None,
) -> Verdict | None:
    """What the caller wants of it; None: nothing stands against a recording."""
    own = None if keys is None else {k.key for k in keys if k.at >= announcement.started_at}
    if own is not None and announcement.key is not None:
        own.add(announcement.key)
    if mode is Mode.KEYPRESS and (own is None or "1" not in own):
        return Verdict.UNKNOWN if own is None else Verdict.NO_CONSENT
    if mode is Mode.KEYPRESS and announcement.played_ms < min(HEARD_MS, announcement.full_ms):
        return Verdict.NO_CONSENT
    if regime is Regime.LEGAL:
        return None  # Art. 21 does not reach a legal obligation; who does not want it is offered another channel
    if objected is None or own is None:
        return Verdict.UNKNOWN
    if objected or (regime is Regime.QUALITY and "7" in own):
        return Verdict.OBJECTED
    return None


def objection_reaches(regime: Regime, announcement: str) -> bool:
    """Whether the caller's objection in the call stops and deletes a recording under ``regime`` (legal.md section C).

    ``announcement`` is the prompt that it began with. What rests on his consent goes when he withdraws it (Art. 7(3)),
    whatever the regime. A contract recording that was announced is objected to in writing; a legal obligation is not
    reached by Art. 21.
    """
    return regime is Regime.QUALITY or announcement == PromptKind.REC_CONSENT


def delete_after(started_at: Instant, retention: Retention, contract_ends_at: Instant | None = None) -> Instant:
    """When a recording must be gone: its period counted from its start, or from the contract's end where that is known.

    Calendar years; 29 February becomes 1 March. ``to_year_end`` goes on to the end of that year (§ 199 BGB).
    """
    base = max(started_at, contract_ends_at or started_at)
    day_ms = 86_400_000
    moment = _EPOCH + timedelta(milliseconds=base + retention.days * day_ms)
    year = moment.year + retention.years
    if retention.to_year_end:
        moment = datetime(year + 1, 1, 1, tzinfo=UTC)
    elif (moment.month, moment.day) == (2, 29) and not _is_leap(year):
        moment = moment.replace(year=year, month=3, day=1)
    else:
        moment = moment.replace(year=year)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

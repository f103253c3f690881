"""What a hang-up cause says: Q.850 causes, Asterisk's soft hang-up flags, and how a dial attempt came out.

Pure tables. Sources: ITU-T Q.850 and Asterisk's ``include/asterisk/causes.h`` for the causes, ``channel.h`` for the
flags, ``res/res_pjsip_session.c`` / ``chan_pjsip.c`` (SIP status to cause) for how both meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag, StrEnum
from types import MappingProxyType
from typing import Final


class Confidence(StrEnum):
    """How sure a finding is. Compare with :meth:`reaches`: the strings' own order means nothing."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def reaches(self, minimum: Confidence) -> bool:
        """Whether this confidence is at least ``minimum``."""
        return _RANK[self] >= _RANK[minimum]


_RANK: Final[Mapping[Confidence, int]] = MappingProxyType({Confidence.LOW: 0, Confidence.MEDIUM: 1, Confidence.HIGH: 2})


class Q850(IntEnum):
    """The Q.850 causes that matter here (ITU-T Q.850, table 1; names as in Asterisk's causes.h)."""

    UNALLOCATED = 1
    NO_ROUTE_DESTINATION = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    REDIRECTED = 23
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER_FORMAT = 28
    FACILITY_REJECTED = 29
    NORMAL_UNSPECIFIED = 31
    CONGESTION = 34
    NETWORK_OUT_OF_ORDER = 38
    TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42
    REQUESTED_CHANNEL_UNAVAILABLE = 44
    BEARER_CAPABILITY_UNAVAILABLE = 58
    RECOVERY_ON_TIMER_EXPIRE = 102
    INTERWORKING = 127


FAULT_CONFIDENCE: Final[Mapping[int, Confidence]] = MappingProxyType(
    {
        Q850.DESTINATION_OUT_OF_ORDER: Confidence.HIGH,
        Q850.NETWORK_OUT_OF_ORDER: Confidence.HIGH,
        Q850.TEMPORARY_FAILURE: Confidence.HIGH,
        Q850.NORMAL_UNSPECIFIED: Confidence.MEDIUM,
        Q850.CONGESTION: Confidence.MEDIUM,
        Q850.SWITCH_CONGESTION: Confidence.MEDIUM,
        Q850.RECOVERY_ON_TIMER_EXPIRE: Confidence.MEDIUM,
    }
)
"""The causes in a BYE's Reason header by which the carrier says that a fault ended an answered call, and how far its
word is believed. 27, 38 and 41 name nothing but a fault; 31, 34, 42 and 102 are also used loosely."""


def fault_confidence(cause: int | None) -> Confidence | None:
    """How surely ``cause`` of a BYE names a technical fault; None when it names none (0 and absent are a plain BYE)."""
    return None if cause is None else FAULT_CONFIDENCE.get(cause)


def is_plain(cause: int | None) -> bool:
    """Whether the cause is that of an ordinary BYE: absent, 0 (in AGI, queue or playback since 22.9) or 16."""
    return cause in (None, 0, Q850.NORMAL_CLEARING)


class SoftHangup(IntFlag):
    """AST_SOFTHANGUP flags of ``include/asterisk/channel.h``: the ``Cause`` of AMI's SoftHangupRequest, not Q.850."""

    DEV = 1
    ASYNCGOTO = 2
    SHUTDOWN = 4
    TIMEOUT = 8
    APPUNLOAD = 16
    EXPLICIT = 32


class AttemptOutcome(StrEnum):
    """How a dial attempt that we made came out."""

    ANSWERED = "answered"
    BUSY = "busy"
    REJECTED = "rejected"
    WRONG_NUMBER = "wrong_number"
    MOVED = "moved"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    CONGESTION = "congestion"
    TRUNK_REFUSED = "trunk_refused"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def retry(self) -> bool:
        """Whether another attempt makes sense, within the policy's bounds.

        Not after a person's refusal, nor after a 403 (RFC 3261 section 21.4.4: the request SHOULD NOT be repeated),
        nor where the call was sent on to another number (302: it is his we have, and no other), nor when nothing is
        known: an unknown outcome may have been a person's.
        """
        return self in _RETRY

    @property
    def trunk_fault(self) -> bool:
        """Whether our own line, not the person called, was the obstacle: the operator should hear of it."""
        return self in _TRUNK_FAULT


_RETRY: Final = frozenset(
    {AttemptOutcome.BUSY, AttemptOutcome.NO_ANSWER, AttemptOutcome.UNREACHABLE, AttemptOutcome.CONGESTION}
)
_TRUNK_FAULT: Final = frozenset({AttemptOutcome.CONGESTION, AttemptOutcome.TRUNK_REFUSED})

_BY_SIP: Final[Mapping[int, AttemptOutcome]] = MappingProxyType(
    {
        401: AttemptOutcome.TRUNK_REFUSED,
        402: AttemptOutcome.TRUNK_REFUSED,
        403: AttemptOutcome.TRUNK_REFUSED,
        407: AttemptOutcome.TRUNK_REFUSED,
        488: AttemptOutcome.TRUNK_REFUSED,
        606: AttemptOutcome.TRUNK_REFUSED,
        404: AttemptOutcome.WRONG_NUMBER,
        410: AttemptOutcome.WRONG_NUMBER,
        484: AttemptOutcome.WRONG_NUMBER,
        485: AttemptOutcome.WRONG_NUMBER,
        604: AttemptOutcome.WRONG_NUMBER,
        408: AttemptOutcome.UNREACHABLE,
        480: AttemptOutcome.NO_ANSWER,
        486: AttemptOutcome.BUSY,
        600: AttemptOutcome.BUSY,
        487: AttemptOutcome.CANCELLED,
        500: AttemptOutcome.CONGESTION,
        502: AttemptOutcome.CONGESTION,
        503: AttemptOutcome.CONGESTION,
        504: AttemptOutcome.CONGESTION,
        603: AttemptOutcome.REJECTED,
    }
)

_BY_CAUSE: Final[Mapping[int, AttemptOutcome]] = MappingProxyType(
    {
        Q850.UNALLOCATED: AttemptOutcome.WRONG_NUMBER,
        Q850.NO_ROUTE_DESTINATION: AttemptOutcome.TRUNK_REFUSED,
        Q850.USER_BUSY: AttemptOutcome.BUSY,
        Q850.NO_USER_RESPONSE: AttemptOutcome.UNREACHABLE,
        Q850.NO_ANSWER: AttemptOutcome.NO_ANSWER,
        Q850.SUBSCRIBER_ABSENT: AttemptOutcome.UNREACHABLE,
        # 603 and 403 both show 21; without the SIP status it is taken for the person's refusal, which ends the matter
        Q850.CALL_REJECTED: AttemptOutcome.REJECTED,
        Q850.NUMBER_CHANGED: AttemptOutcome.WRONG_NUMBER,
        # a 302 that was not followed [M: 22.10.1]
        Q850.REDIRECTED: AttemptOutcome.MOVED,
        Q850.INVALID_NUMBER_FORMAT: AttemptOutcome.WRONG_NUMBER,
        Q850.BEARER_CAPABILITY_UNAVAILABLE: AttemptOutcome.TRUNK_REFUSED,
        Q850.DESTINATION_OUT_OF_ORDER: AttemptOutcome.CONGESTION,
        Q850.CONGESTION: AttemptOutcome.CONGESTION,
        Q850.NETWORK_OUT_OF_ORDER: AttemptOutcome.CONGESTION,
        Q850.TEMPORARY_FAILURE: AttemptOutcome.CONGESTION,
        Q850.SWITCH_CONGESTION: AttemptOutcome.CONGESTION,
        Q850.RECOVERY_ON_TIMER_EXPIRE: AttemptOutcome.CONGESTION,
    }
)

_BY_DIAL_STATUS: Final[Mapping[str, AttemptOutcome]] = MappingProxyType(
    {
        "BUSY": AttemptOutcome.BUSY,
        "NOANSWER": AttemptOutcome.NO_ANSWER,
        "CANCEL": AttemptOutcome.CANCELLED,
        "ABORT": AttemptOutcome.CANCELLED,
        "CONGESTION": AttemptOutcome.CONGESTION,
        # also what a contact that is not there gives: the trunk is down
        "CHANUNAVAIL": AttemptOutcome.CONGESTION,
    }
)


def attempt_outcome(cause: int | None, tech_cause: int | None, dial_status: str | None) -> AttemptOutcome:
    """How our attempt to reach somebody came out, from the most exact word to the vaguest.

    ``dial_status`` is DialEnd's DialStatus; ``ANSWER`` settles it, whatever the causes of the later hang-up say. Else
    the SIP status ``tech_cause`` (absent before Asterisk 20.17/22.7), the Q.850 ``cause``, then the dial status.
    Measured pairs: asterisk.md section 3.
    """
    status = (dial_status or "").strip().upper()
    if status == "ANSWER":
        return AttemptOutcome.ANSWERED
    if tech_cause == 487 and (cause == Q850.NO_ANSWER or status == "NOANSWER"):
        return AttemptOutcome.NO_ANSWER  # our own CANCEL at the ring limit
    if tech_cause is not None and tech_cause in _BY_SIP:
        return _BY_SIP[tech_cause]
    if cause is not None and cause in _BY_CAUSE:
        return _BY_CAUSE[cause]
    return _BY_DIAL_STATUS.get(status, AttemptOutcome.FAILED)

"""What the log knows of recordings, from the consent to the destroyed key: plain frozen values, no SQL.

Instants are UTC milliseconds; words are those of :mod:`oddzwon.log.vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass

from oddzwon.domain.events import Instant, LegId


@dataclass(frozen=True, slots=True)
class NewRecording:
    """A recording about to be armed; ``announcement`` is the id that :meth:`CallLog.receipt` returned.

    ``file`` is what Asterisk writes, relative to the recordings' folder; it holds no number. ``reference`` is required
    for ``contract``. ``leg`` is the channel that MixMonitor hangs on and ``side`` whose that is: MixMonitor's option D
    writes its own channel first, so this decides which half of the file is the caller. ``agent_consent``: the id of the
    agent's consent, where the preset demands it.
    """

    regime: str
    announcement: int
    started_at: Instant
    delete_after: Instant
    file: str
    reference: str | None = None
    leg: LegId | None = None
    side: str = "caller"
    mix: str | None = None
    agent_consent: int | None = None


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A recording as it stands in the log, with what its call tells of it.

    ``call_leg`` is the caller's channel, ``ended_at`` the call's end, ``judged`` whether nothing more is to come of it.
    ``sealed_file`` None: not sealed yet; ``held``: a hold stands. ``prompt`` is what announced it, ``why`` the reason
    that its history last gave (None: recorded by an earlier version).
    """

    id: str
    state: str
    file: str
    call: str
    pbx: str
    call_leg: LegId
    ended_at: Instant | None
    judged: bool
    regime: str
    started_at: Instant
    delete_after: Instant
    announcement: int
    reference: str | None
    leg: LegId | None
    side: str
    mix: str | None
    agent_consent: int | None
    sealed_file: str | None
    held: bool
    prompt: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed file. ``file`` is relative to the recordings' folder; the hashes are SHA-256 in hex.

    ``plain_sha256`` and ``plain_bytes`` are those of the whole WAV file that unsealing gives.
    """

    file: str
    plain_sha256: str
    sealed_sha256: str
    plain_bytes: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A recording's own key, encrypted with the operator's key of this id."""

    key_id: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A recording's seal and its wrapped key; ``wrapped`` None: the key was destroyed."""

    recording: str
    seal: Seal
    wrapped: Wrapped | None


@dataclass(frozen=True, slots=True)
class AgentConsent:
    """An agent's answer. ``agent`` is his interface (no number, :mod:`oddzwon.asterisk.names`), until when it counts.

    As with a caller's receipt, ``played_ms`` of ``full_ms`` and the key prove what was asked and answered. ``agreed``
    is true for key 1 and nothing else.
    """

    agent: str
    prompt: str
    version: str
    sha256: str
    language: str
    played_ms: int
    full_ms: int
    key: str | None
    agreed: bool
    at: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A consent in the log: ``source`` ``asked`` (this ``agent``), or ``on_file`` (every agent, ``agent`` None)."""

    id: int
    agent: str | None
    source: str
    agreed: bool
    at: Instant
    until: Instant | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a recording is kept beyond its retention (Art. 17(3)(e) GDPR). ``review_on`` is an ISO date."""

    by: str
    reference: str
    approver: str
    review_on: str

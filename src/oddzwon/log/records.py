"""What goes into the call log and what comes out of it: plain frozen values, no SQL.

Instants are UTC milliseconds. Words such as states and codes are those of :mod:`oddzwon.log.vocabulary`; a StrEnum
member serves as well as its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oddzwon.domain.bootclock import BootInstant
from oddzwon.domain.events import CallEvent, Instant, LegId
from oddzwon.domain.journal import decode, encode


@dataclass(frozen=True, slots=True)
class Party:
    """The person on the phone: the only place for a number. ``number_key`` is its keyed HMAC, hex."""

    number: str
    number_key: str


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that has arrived (or a callback's own call, with ``resumes`` the call that had dropped).

    ``party`` is None when the number was withheld: an identity the network delivers in spite of CLIR is not stored.
    """

    pbx: str
    direction: str
    linked: str
    leg: LegId
    started_at: Instant
    party: Party | None = None
    did: str | None = None
    language: str | None = None
    preset: str | None = None
    resumes: str | None = None
    stage: str = "arriving"
    presentation: str | None = None
    diverted: bool | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was played to the caller, how far, and the key that ended it (legal.md section B)."""

    prompt: str
    version: str
    sha256: str
    language: str
    played_ms: int
    full_ms: int
    key: str | None
    complete: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a call's journal. ``data`` must hold no number, name, or digit other than a menu key."""

    at: Instant
    fact: str
    leg: LegId | None = None
    data: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, event: CallEvent) -> Fact:
        """The event as a line of the journal."""
        return cls(*encode(event))

    def event(self) -> CallEvent:
        """The event that the line was made of; raises UnreadableFact."""
        return decode(self.at, self.fact, self.leg, self.data)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact on which the verdict on an ending rests."""

    fact: str
    leg: LegId | None
    at: Instant | None


@dataclass(frozen=True, slots=True)
class Ending:
    """The verdict: who ended the call, and was it a fault? ``rule`` is the version of the rules.

    ``evidence`` decided and supports it, ``against`` speaks against it. ``n`` counts the verdicts on the call: one
    after the first needs an attestation (:class:`Attestation`) that the one before could not know.
    """

    party: str
    technical: bool | None
    confidence: str | None
    stage: str
    rule: str
    at: Instant
    evidence: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
    n: int = 1


@dataclass(frozen=True, slots=True)
class Judged:
    """A call with its latest verdict and its journal: what judging it anew needs, and what that is compared with."""

    call: str
    leg: LegId
    started_at: Instant
    ended_at: Instant | None
    party: str
    technical: bool | None
    confidence: str | None
    rule: str
    journal: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Attestation:
    """Somebody's word that the call was cut off. ``by``: an agent's interface, or a person of the operator's.

    ``fault`` None: it was not said what was at fault. ``reason`` is required at the console, else empty.
    """

    at: Instant
    door: str
    by: str
    fault: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of legal.md section A with its result; None is unknown, and counts as a refusal."""

    code: str
    passed: bool | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The immutable decision on a callback, with every condition. ``policy`` is the policy's hash."""

    allowed: bool
    policy: str
    at: Instant
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as it stands in the log."""

    id: str
    pbx: str
    direction: str
    linked: str
    leg: LegId
    number: str | None
    number_key: str | None
    did: str | None
    language: str | None
    preset: str | None
    presentation: str | None
    diverted: bool | None
    started_at: Instant
    ended_at: Instant | None
    lost_at: Instant | None
    stage: str
    menu_key: str | None
    queue: str | None
    agent: str | None
    resumes: str | None
    lost_boot: BootInstant | None = None
    """The loss by the clock since boot, where it was seen by a service of that boot."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt of a callback. ``call`` is the callback's own call, once its channel has entered the flow."""

    id: str
    n: int
    channel_id: str
    call: str | None
    state: str
    at: Instant
    cause: int | None
    answered_at: Instant | None
    never_existed: bool


@dataclass(frozen=True, slots=True)
class OpenCallback:
    """A callback that is not final, and everything needed to go on with it after a restart.

    ``call`` is the call that dropped; its number is None only if it was erased meanwhile.
    """

    id: str
    state: str
    created_at: Instant
    call: CallRow
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """A call that ended by a fault, as a redial finds it: what it resumes, and where it goes on.

    ``layer1`` tells whether layer 1 was complete in that call; ``callback`` is the callback for it, if any;
    ``resumed_by`` the first call, redial or callback, that has resumed it already.
    """

    call: CallRow
    layer1: bool
    callback: str | None
    callback_state: str | None
    resumed_by: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands for or against calling a number back, all of one moment.

    ``objected`` and ``restricted``: the registers; ``objected_in_call``: key 8 in the dropped call; ``redialled``: an
    inbound call began after the loss, or resumes the dropped one, whatever the clocks say; ``callback_open``: the id of
    a callback to the number that is not final.
    """

    objected: bool
    objected_in_call: bool
    restricted: bool
    redialled: bool
    callback_open: str | None


@dataclass(frozen=True, slots=True)
class Switched:
    """A turn of the kill switch: callbacks are off, or on again. ``by``: a user of the machine; the reason may lack."""

    at: Instant
    off: bool
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A call that still needs its end, its verdict or its decision: what a crash may leave behind."""

    call: CallRow
    ending: Ending | None


@dataclass(frozen=True, slots=True)
class Counts:
    """For the caps of ATTEMPTS: dials that may have left (lost ones included), and answers."""

    dials: int
    answers: int

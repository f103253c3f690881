"""The numbers of a shift: what is counted of its calls, its drops and their callbacks, and in which words.

Counts only: no number, no name, and nothing that a person wrote. Whoever cancels a callback is counted by the door
through which it was done; why a callback waited or ended is one of the words that the service itself writes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from oddzwon.domain.callback import FINAL, CallbackState
from oddzwon.domain.callback_events import AttemptState, Stop
from oddzwon.domain.events import Instant
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.lawfulness import Code

UNDER_WAY: Final = "under_way"

REFUSED_BECAUSE: Final[Mapping[Code, str]] = MappingProxyType(
    {
        Code.NOT_INBOUND: "the customer did not start the call",
        Code.NO_TECH_EVIDENCE: "it ended, or it is not sure enough that a fault cut it off",
        Code.STAGE: "it had not got far enough",
        Code.CLIR: "the number was withheld",
        Code.CLI_NOT_ORIGINATOR: "the number was not the caller's own",
        Code.INVALID: "no valid number",
        Code.PREMIUM: "not at an ordinary tariff",
        Code.UNKNOWN_RANGE: "a range of numbers that is not in use",
        Code.COUNTRY: "a country that is not allowed",
        Code.TOO_LATE: "too late to be immediate",
        Code.DUPLICATE: "another callback stands already",
        Code.ATTEMPTS: "dials or answers were used up",
        Code.PURPOSE: "another purpose",
        Code.OBJECTED: "he objected to callbacks",
        Code.RESTRICTED: "the use of his number is restricted",
        Code.REDIALLED: "he called again by himself",
        Code.NO_NOTICE: "he was not told that we may call back",
        Code.NO_AGENT: "no agent was there",
        Code.NO_BALANCING_TEST: "no balancing test is documented",
    }
)
"""What each condition says where it refused."""

OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connected": "both people talked",
        "no_key": "answered, and no key 1",
        "machine": "a machine answered, by AMD",
        "no_agent": "he pressed 1, and no agent came",
        "wrong_person": "key 3: wrong person",
        "objected": "he objected",
        "busy": "busy",
        "rejected": "refused by the person",
        "wrong_number": "the number does not exist",
        "moved": "sent on to another number",
        "no_answer": "rang, no answer",
        "unreachable": "the telephone is off or out of reach",
        "congestion": "the trunk or the network was full or out of order",
        "trunk_refused": "the trunk refused the dial",
        "failed": "failed, for a reason that is not known",
        "cancelled": "stopped while it rang",
        "agent_left": "stopped, because the agent had left",
        "lost": "a crash or a lost connection hid what became of it",
        "never_sent": "written, and proven never to have left",
        UNDER_WAY: "under way",
    }
)
"""How a dial came out, in words; in this order they are shown."""

DOORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "redial": "the customer's own call",
        "code": "an agent's feature code, in a call",
        "phone": "an agent's feature code, from his telephone",
        "console": "the command line",
        "off": "callbacks were off",
        "restriction": "a restriction of his data",
        "erasure": "the number was erased",
        "other": "another way",
    }
)
"""Through which door a callback was cancelled."""

TIMES: Final[Mapping[str, str]] = MappingProxyType(
    {"dial": "his telephone is dialled", "ringing": "it rings", "connected": "both people talk"}
)
"""What is measured from the loss of the call on, and its words."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a callback's history."""

    at: Instant
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """One dial of a callback. ``cut_off_again``: the talk that it led to ended by a fault, too."""

    n: int
    at: Instant
    state: str
    cause: int | None = None
    answered: bool = False
    never_existed: bool = False
    cut_off_again: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A callback as the log tells it: its history and its dials in their order, and when the call was lost."""

    state: str
    lost_at: Instant
    history: Sequence[Step] = ()
    dials: Sequence[Dialled] = ()


@dataclass(slots=True)
class Tally:
    """What was counted. Two tallies add up to that of both: nothing is a share or a mean."""

    calls: Counter[str] = field(default_factory=Counter)
    """``under_way``; ``not_judged``: ended, and no verdict yet; ``judged``; ``drops``; ``redials``: drops whose caller
    came back by himself."""
    endings: Counter[tuple[str, bool | None, str | None, str]] = field(default_factory=Counter)
    """By party, technical, confidence, and the evidence that decided."""
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of ``calls`` and of ``drops``: ``allowed``, ``refused``, ``not_yet``."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By condition, of ``calls`` and of ``drops``; ``alone``: drops that nothing else refused; ``unknown``: of the
    calls, those for which it could not be told."""
    callbacks: Counter[str] = field(default_factory=Counter)
    """By state."""
    dials: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    """By outcome and Q.850 cause."""
    without_talk: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Callbacks that ended and connected nobody, by state and reason."""
    dialled: int = 0
    """Callbacks that were dialled at all."""
    cut_off_again: int = 0
    """Talks of callbacks that a fault ended: they are not called back."""
    times: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in TIMES})
    """Milliseconds from the loss, by what was reached first: the names of :data:`TIMES`."""

    def add(self, other: Tally) -> None:
        """Count in what another tally has."""
        for name in ("calls", "endings", "decided", "refused", "callbacks", "dials", "without_talk"):
            getattr(self, name).update(getattr(other, name))
        self.dialled += other.dialled
        self.cut_off_again += other.cut_off_again
        for name, spans in other.times.items():
            self.times[name].extend(spans)

    def callback(self, told: Told) -> None:
        """Count a callback, its dials and its times."""
        self.callbacks[told.state] += 1
        self.dialled += bool(told.dials)
        for dial in told.dials:
            self.dials[outcome_of(dial, told.history), dial.cause] += 1
            self.cut_off_again += dial.cut_off_again
        if told.state in FINAL and told.state != CallbackState.COMPLETED:
            self.without_talk[told.state, ended_because(told)] += 1
        reached = {
            "dial": next((dial.at for dial in told.dials if not dial.never_existed), None),
            "ringing": _first(told.history, CallbackState.RINGING),
            "connected": _first(told.history, CallbackState.CONNECTED),
        }
        for name, at in reached.items():
            if at is not None:
                self.times[name].append(at - told.lost_at)


def _first(history: Iterable[Step], state: CallbackState) -> Instant | None:
    return next((step.at for step in history if step.state == state), None)


def nearest_rank(values: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least so many percent of all do not exceed (nearest rank); None: there is none."""
    return sorted(values)[max(1, math.ceil(percent * len(values) / 100)) - 1] if values else None


_MEASURED: Final = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b")


def kind_of(fact: str) -> str:
    """The evidence without what was measured in this one call, so that alike facts are counted together."""
    return _MEASURED.sub("some time", fact)


# --- dials -------------------------------------------------------------------------------------------------------

_DIAL: Final = "attempt "
"""With this word a callback's history says that a dial was written (the log's ``commit_attempt``)."""
_AGENT_LEFT: Final = "the agent left"
_MACHINE: Final = "a machine"
_BY_STATE: Final[Mapping[str, str]] = MappingProxyType(
    {
        AttemptState.COMPLETED: "connected",
        AttemptState.CONNECTED: "connected",
        AttemptState.CANCELLED: "cancelled",
        AttemptState.OBJECTED: "objected",
        AttemptState.WRONG_PERSON: "wrong_person",
        AttemptState.LOST: "lost",
    }
)


def outcome_of(dial: Dialled, history: Sequence[Step]) -> str:
    """How a dial came out, one of :data:`OUTCOMES`; the history says it more exactly than the dial's own state."""
    if dial.never_existed:
        return "never_sent"
    steps = _after(dial.n, history)
    if dial.state == AttemptState.CANCELLED and any(step.why.startswith(_AGENT_LEFT) for step in steps):
        return "agent_left"
    if dial.state in _BY_STATE:
        return _BY_STATE[dial.state]
    if dial.state not in (AttemptState.UNANSWERED, AttemptState.FAILED):
        return UNDER_WAY
    if dial.answered:
        if any(step.why.startswith(_MACHINE) for step in steps):
            return "machine"
        return "no_key" if dial.state == AttemptState.UNANSWERED else "no_agent"
    said = next((step.why for step in steps if step.why in set(AttemptOutcome)), None)
    if said in OUTCOMES:
        return str(said)
    return "no_answer" if dial.state == AttemptState.UNANSWERED else "failed"


def _after(n: int, history: Sequence[Step]) -> Sequence[Step]:
    """The steps from the ``n``-th dial up to the next one."""
    begin = next((i for i, step in enumerate(history) if step.why == f"{_DIAL}{n}"), len(history))
    end = next((i for i, step in enumerate(history) if step.why == f"{_DIAL}{n + 1}"), len(history))
    return history[begin:end]


# --- reasons -----------------------------------------------------------------------------------------------------

_SILENT: Final = frozenset({"", Stop.EXPIRED.value})
"""What a history says at the end of the window, where it does not tell what the callback had waited for."""
_NOTHING: Final = frozenset({"", "decided"})
"""What it says of a wait that had no reason."""
UNTOLD: Final = "for no reason that is written"
_SAYS_IT: Final[Mapping[str, str]] = MappingProxyType(
    {
        CallbackState.OBJECTED: OUTCOMES["objected"],
        CallbackState.WRONG_PERSON: OUTCOMES["wrong_person"],
        CallbackState.LOST: OUTCOMES["lost"],
    }
)
"""States that say why; what stands beside them in the history may be a person's words."""
_RINGS: Final = frozenset({CallbackState.DIALLING, CallbackState.RINGING, CallbackState.ANSWERED})


def ended_because(told: Told) -> str:
    """Why a callback ended without a talk, in words without anybody's name: for cancelled ones the door."""
    if told.state == CallbackState.CANCELLED:
        return door_of(told.history[-1].why if told.history else "")
    if told.state == CallbackState.LAPSED:
        return _lapsed_because(told.history)
    if told.state in _SAYS_IT or not told.history:
        return _SAYS_IT.get(told.state, UNTOLD)
    return _words(told.history[-1].why) or UNTOLD


def _lapsed_because(history: Sequence[Step]) -> str:
    """What stood in the way until the end of the window."""
    last = history[-1].why if history else ""
    over = Code.TOO_LATE in last.split()  # said by the gate, with whatever else it refused for
    if last not in _SILENT and not over:
        return f"{_words(last)}, and no time for another dial"
    before = [step for step in history[:-1] if step.state != CallbackState.RESERVING]
    if before and before[-1].state in _RINGS:
        return "it rang until the end of the window"
    waited_for = before[-1].why if before else ""
    if waited_for not in _NOTHING:
        return _words(waited_for)
    besides = [code for code in last.split() if over and code != Code.TOO_LATE]
    return _words(" ".join(besides)) if besides else "it was never dialled"


_CAP: Final = re.compile(r"[\d,]+ of [\d,]+ (dials .*)")
"""The words of :func:`oddzwon.domain.caps.check`."""


def _words(why: str) -> str:
    """The word of the service's, without what it counted in this one case; conditions in words."""
    if why.startswith("the agent"):
        return why.replace(":", "", 1)
    head = why.partition(":")[0].strip()
    if (cap := _CAP.fullmatch(head)) is not None:
        return f"cap: {cap[1]}"
    if head in OUTCOMES:
        return OUTCOMES[head]
    codes = head.split()
    if codes and all(code in set(Code) for code in codes):
        return "; ".join(REFUSED_BECAUSE[Code(code)] for code in codes)
    return head


_WHO: Final = re.compile(rf"{Stop.CANCELLED.value} \((\w+)\)")
"""So begins what :func:`oddzwon.domain.callback_events.cancelled_why` writes; a person's words follow."""
_DOOR_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        Stop.REDIAL: "redial",
        Stop.OFF: "off",
        Stop.RESTRICTION: "restriction",
        "the number was erased": "erasure",
        Stop.CANCELLED: "console",  # before the door was written
    }
)


def door_of(why: str) -> str:
    """Through which door a callback was cancelled, one of :data:`DOORS`; nothing that a person wrote counts."""
    who = _WHO.match(why)
    if who:
        return who[1] if who[1] in DOORS else "other"
    codes = why.split()
    if Code.RESTRICTED in codes:
        return "restriction"
    return "redial" if Code.REDIALLED in codes else _DOOR_OF.get(why, "other")

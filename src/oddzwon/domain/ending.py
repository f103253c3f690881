"""Who ended the call, was it a fault, and how sure are we: a pure function of the call's journal and the rule table.

The first evidence on the caller's leg, or on the leg of whoever he was connected with, tells who began; what comes
later is its echo (a bridge copies the cause to the other leg, queue events look alike whoever ended the call). Media
and the agent's word are weighed against it; what speaks against the verdict is kept beside what speaks for it. An
ending that no row covers is ``unknown``, and unknown is never a fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from oddzwon.domain.attestation import as_evidence
from oddzwon.domain.disorder import disorder
from oddzwon.domain.ending_rules import RULES, Party, Verdict, is_echo, rule
from oddzwon.domain.events import (
    Attested,
    BridgeEntered,
    BridgeLeft,
    CallEvent,
    Fault,
    HangupRecorded,
    HangupRequested,
    Instant,
    LegEnded,
    LegId,
    OutOfSight,
    Parked,
    PbxRestarted,
    QueueJoined,
    Role,
    StageReached,
    Unparked,
)
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.journal import Journal
from oddzwon.domain.media import Standstill, Stream, standstill
from oddzwon.domain.scene import Scene

__all__ = ["CONSEQUENCE_MS", "RULES", "Ending", "Evidence", "Party", "judge"]

CONSEQUENCE_MS: Final = 2_000
"""A caller who is still there so long after the other leg's end was not ended by it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that bears on the ending, in words without personal data. ``leg`` None: the whole call's."""

    fact: str
    leg: Role | None
    at: Instant


@dataclass(frozen=True, slots=True)
class Ending:
    """The verdict on an ended call. ``technical`` None: not known.

    ``evidence`` is what decided, first of all, and what agrees with it; ``against`` what speaks against the verdict.
    ``lost_at``: last inbound media of the caller's leg where it stood still before the end, else the hang-up; legal
    windows count from it.
    """

    party: Party
    technical: bool | None
    confidence: Confidence | None
    evidence: tuple[Evidence, ...]
    lost_at: Instant
    against: tuple[Evidence, ...] = ()
    rules: str = RULES


@dataclass(frozen=True, slots=True)
class _Finding:
    """A verdict of the table's on one event. ``index`` is the event's place in the journal, ``leg`` whose it is."""

    verdict: Verdict
    role: Role | None
    at: Instant
    index: int
    leg: LegId | None

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.verdict.fact, self.role, self.at)


@dataclass(frozen=True, slots=True)
class _Case:
    """The verdict as it stands, with what was weighed so far. ``goodbye``: somebody said so, first or afterwards."""

    verdict: Verdict
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()
    goodbye: bool = False

    def overruled(self, verdict: Verdict, why: Evidence) -> _Case:
        """Another verdict, for a reason that outweighs what spoke for the old one."""
        return _Case(verdict, (why,), (*self.evidence, *self.against), self.goodbye)


def judge(journal: Journal) -> Ending:
    """The ending of a call that has settled; raises nothing, whatever the journal holds."""
    ended_at = journal.ended_at if journal.ended_at is not None else journal.started_at
    first, later = _findings(journal)
    case = _first_evidence(journal, ended_at, first, later)
    odd = tuple(Evidence(fault.what, None, fault.at) for fault in disorder(journal))
    if odd:
        unknown = Verdict(Party.UNKNOWN, None, None, "the journal is in disorder")
        case = _Case(unknown, odd, (*case.evidence, *case.against))
    elif first is not None:
        case = _with_media(journal, first, case)
    case = _with_the_agents_word(journal, first, case, heard=not odd)
    verdict = case.verdict
    lost_at, evidence = ended_at, case.evidence
    silence = standstill(journal.leg, journal.events) if verdict.technical else None
    if silence is not None and (silence.stream is not Stream.BROKEN or verdict.party is Party.NETWORK):
        # who pauses by himself was silent before the loss, too, unless the silence is what ended the call
        lost_at = min(ended_at, max(journal.started_at, silence.since))
        evidence = (*evidence, Evidence("inbound RTP stood still from then", Role.CALLER, lost_at))
    return Ending(verdict.party, verdict.technical, verdict.confidence, evidence, lost_at, case.against)


def _findings(journal: Journal) -> tuple[_Finding | None, tuple[_Finding, ...]]:
    """The evidence that came first in the ending that this call came to, and what came after it without being its echo.

    What befell another leg before is no part of it if the caller went on: to a queue, to another bridge, or merely for
    longer than a consequence takes.
    """
    scene = Scene(journal.leg)
    first: _Finding | None = None
    later: list[_Finding] = []
    for index, event in enumerate(journal.events):
        scene.take(event)
        if first is not None and first.role is Role.AGENT and _goes_on(journal.leg, event, first, scene):
            first, later = None, []
        leg: LegId | None = getattr(event, "leg", None)
        role = scene.role(leg)
        verdict = rule(event, role, journal.events[index:])
        if verdict is None:
            continue
        finding = _Finding(verdict, role, event.at, index, leg)
        if first is None or (first.verdict.weak and isinstance(event, HangupRecorded)):
            first = finding  # of a leg that was merely gone, the record tells why
        elif _outlived(first, finding, event):
            first, later = finding, [first, *later]
        elif not is_echo(event):
            later.append(finding)
    return first, tuple(later)


def _goes_on(caller: LegId, event: CallEvent, first: _Finding, scene: Scene) -> bool:
    """Whether the event shows that the caller's call goes on after what befell another leg."""
    match event:
        case BridgeLeft(leg=leg) if leg == first.leg:
            return scene.in_company()  # a third has left, the others talk on
        case (
            BridgeEntered(leg=leg) | QueueJoined(leg=leg) | Parked(leg=leg) | Unparked(leg=leg) | StageReached(leg=leg)
        ):
            return leg == caller
    return False


def _outlived(first: _Finding, now: _Finding, event: CallEvent) -> bool:
    """Whether the call lived on for too long after another leg's end for that to have ended it."""
    if isinstance(event, LegEnded) and event.cause is None:
        return False  # not Asterisk's word but ours: its time is when we looked
    at = now.at - event.gap_ms if isinstance(event, PbxRestarted) else now.at
    return first.role is Role.AGENT and now.leg != first.leg and at - first.at > CONSEQUENCE_MS


def _first_evidence(journal: Journal, ended_at: Instant, first: _Finding | None, later: tuple[_Finding, ...]) -> _Case:
    """The verdict by the table alone."""
    if first is None:
        nothing = Verdict(Party.UNKNOWN, None, None, "nothing told who ended it")
        return _Case(nothing, (Evidence(nothing.fact, Role.CALLER, ended_at),))
    if first.verdict.weak and (better := _unexplained(journal, first)) is not None:
        return better
    verdict = first.verdict
    agree = tuple(f.evidence for f in later if f.verdict.technical is verdict.technical)
    differ = tuple(f.evidence for f in later if f.verdict.technical is not verdict.technical)
    goodbye = verdict.goodbye or any(f.verdict.goodbye for f in later)
    return _Case(verdict, (first.evidence, *agree), differ, goodbye)


def _unexplained(journal: Journal, first: _Finding) -> _Case | None:
    """A leg that is gone without a word: was it out of our sight, or did a leg hang up whose part we do not know?"""
    event = journal.events[first.index]
    before = journal.events[: first.index]
    blind = [e for e in before if isinstance(e, OutOfSight)][-1:]
    # whoever asked for it may have done so just before we could see again
    just_back = any(first.at - e.at <= CONSEQUENCE_MS for e in blind)
    if isinstance(event, LegEnded) and (event.cause is None or just_back):
        unseen = Verdict(Party.UNKNOWN, None, None, "the leg was gone when we could see again")
        gap = tuple(Evidence(f"out of sight for {e.gap_ms} ms", None, e.at) for e in blind)
        return _Case(unseen, (*gap, Evidence(unseen.fact, first.role, first.at)))
    known = {journal.leg, first.leg}
    for stranger in before:
        if isinstance(stranger, HangupRequested) and stranger.leg not in known:
            if first.at - stranger.at > CONSEQUENCE_MS:
                continue
            told = Verdict(Party.UNKNOWN, None, None, "a leg hung up whose part in the call is not known")
            return _Case(told, (Evidence(told.fact, None, stranger.at), first.evidence))
    return None


# --- media -------------------------------------------------------------------------------------------------------


def _with_media(journal: Journal, first: _Finding, case: _Case) -> _Case:
    """An ordinary goodbye is none if the leg's media had stood still; whatever else stood still speaks against it."""
    if not case.verdict.goodbye or first.leg is None:
        return case
    if isinstance(journal.events[first.index], HangupRecorded):
        return case  # what his media did in between was not seen
    before = journal.events[: first.index]
    silence = standstill(first.leg, before)
    if silence is not None:
        return _after_silence(first, silence, case)
    others = {e.leg for e in before if isinstance(e, BridgeEntered)} - {first.leg}
    for leg in sorted(others):
        silence = standstill(leg, before)
        if silence is not None and silence.proves:
            words = f"the other side's inbound RTP had stood still for {_seconds(first, silence)}"
            role = Role.CALLER if leg == journal.leg else Role.AGENT
            case = replace(case, against=(*case.against, Evidence(words, role, silence.since)))
    return case


def _after_silence(first: _Finding, silence: Standstill, case: _Case) -> _Case:
    words = f"inbound RTP had stood still for {_seconds(first, silence)}"
    if silence.stream is not Stream.STEADY:
        why = "it had paused before" if silence.stream is Stream.BROKEN else "it was not seen for long enough before"
        doubt = Evidence(f"{words}, but {why}", first.role, silence.since)
        verdict = case.verdict
        if verdict.technical is not None:
            verdict = replace(verdict, confidence=Confidence.MEDIUM)
        return replace(case, verdict=verdict, against=(*case.against, doubt))
    sure = Confidence.MEDIUM if silence.sure else Confidence.LOW
    party = Party.NETWORK if first.role is Role.CALLER else Party.AGENT
    dead = Verdict(party, True, sure, f"{words} before the bye")
    evidence = (Evidence(dead.fact, first.role, silence.since), *case.evidence)
    return replace(case, verdict=dead, evidence=evidence)


def _seconds(first: _Finding, silence: Standstill) -> str:
    return f"{(first.at - silence.since) / 1000:.1f} s"


# --- the agent's word --------------------------------------------------------------------------------------------

_AS_ATTESTED: Final = {
    None: Party.UNKNOWN,
    Fault.CALLER_LINE: Party.NETWORK,
    Fault.AGENT_LINE: Party.AGENT,
    Fault.PBX: Party.PBX,
}


WORD_LASTS_MS: Final = 60_000
"""What an agent says while the call goes on for longer than this is not about its end."""


def _with_the_agents_word(journal: Journal, first: _Finding | None, case: _Case, *, heard: bool) -> _Case:
    """The agent says that the call was cut off. His word raises confidence; against a goodbye it must name the fault.

    ``heard`` is False where the journal is in disorder: nobody is called back on one, whatever anybody says.
    """
    said = [event for event in journal.events if isinstance(event, Attested)]
    if not said:
        return case
    word = next((event for event in reversed(said) if event.fault is not None), said[-1])
    why = Evidence(as_evidence(word.fault, word.door), Role.AGENT, word.at)
    party, verdict = _AS_ATTESTED[word.fault], case.verdict
    if not heard or (journal.ended_at is not None and journal.ended_at - word.at > WORD_LASTS_MS):
        return replace(case, against=(*case.against, why))
    if verdict.technical:
        return replace(case, verdict=replace(verdict, confidence=Confidence.HIGH), evidence=(*case.evidence, why))
    if word.fault is None and case.goodbye:
        return _bare_word(journal, first, case, why)
    if verdict.technical is None:
        return case.overruled(Verdict(party, True, Confidence.HIGH, why.fact), why)
    if word.fault is not None:
        return case.overruled(Verdict(party, True, Confidence.MEDIUM, why.fact), why)
    return replace(case, against=(*case.against, why))


def _bare_word(journal: Journal, first: _Finding | None, case: _Case, why: Evidence) -> _Case:
    """A word that names no fault, and a goodbye: the goodbye stands, unless something else gives reason to doubt it.

    A caller's is in doubt if his media had stood still, or if it was only read in a record afterwards; an agent's is if
    the caller's media had stood still for certain: he hung up on a dead line.
    """
    if first is None or not first.verdict.goodbye:
        return replace(case, against=(*case.against, why))
    silence = standstill(journal.leg, journal.events[: first.index])
    if first.role is Role.AGENT:
        if silence is None or not silence.proves:
            return replace(case, against=(*case.against, why))
        dead = case.overruled(Verdict(Party.NETWORK, True, Confidence.MEDIUM, why.fact), why)
        agrees = [e for e in dead.against if e.leg is Role.CALLER and e.at == silence.since]
        return replace(
            dead, evidence=(*dead.evidence, *agrees), against=tuple(e for e in dead.against if e not in agrees)
        )
    if silence is not None or isinstance(journal.events[first.index], HangupRecorded):
        return case.overruled(Verdict(Party.UNKNOWN, True, Confidence.MEDIUM, why.fact), why)
    return replace(case, against=(*case.against, why))

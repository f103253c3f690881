"""Who ended the calls that a real Asterisk told of, byte by byte; and what an Asterisk 20 would have told of them."""

from __future__ import annotations

import pytest
from tests.unit.recorded import asterisk20
from tests.unit.recorded.capture import ENDINGS, NAMES, messages, replay
from tests.unit.stories import CALLER, HIGH, LOW, MEDIUM, PBX, SYSTEM, UNKNOWN, Told, judged, settled, told

from oddzwon.domain.call import Judge
from oddzwon.domain.ending import Party
from oddzwon.domain.events import HandlerRan, Stage

# --- a real Asterisk ---------------------------------------------------------------------------------------------

RECORDED: dict[str, tuple[Stage, Told]] = {
    "agent-bye": (Stage.TALKING, (Party.AGENT, False, HIGH)),
    "agent-bye-q850-38": (Stage.TALKING, (Party.AGENT, True, HIGH)),
    "agent-keys-objection": (Stage.TALKING, CALLER),
    "agent-keys-pause": (Stage.TALKING, CALLER),
    "caller-bye-in-notice": (Stage.ARRIVING, CALLER),  # the static notice: no flow of ours to tell the stage
    "caller-bye-in-queue": (Stage.QUEUED, CALLER),
    "caller-bye-q850-38": (Stage.TALKING, (Party.CARRIER, True, HIGH)),
    "caller-bye-talking": (Stage.TALKING, CALLER),
    "caller-cancel": (Stage.ARRIVING, CALLER),
    "caller-killed-agent-ringing": (Stage.CONNECTING, (Party.NETWORK, True, HIGH)),
    "caller-killed-talking": (Stage.TALKING, (Party.NETWORK, True, HIGH)),
    "caller-presses-info": (Stage.TALKING, CALLER),
    "caller-presses-rfc4733": (Stage.TALKING, CALLER),
    "forged-event": (Stage.QUEUED, CALLER),
    "injected-did": (Stage.CONNECTING, CALLER),
    "originate-answered-agent-caller-bye": (Stage.TALKING, CALLER),
    "rtp-timeout-agent": (Stage.TALKING, (Party.AGENT, True, HIGH)),
    "rtp-timeout-caller": (Stage.TALKING, (Party.NETWORK, True, HIGH)),
}
UNANSWERED = {"originate-busy", "originate-no-answer", "originate-nobody-there"}
"""Attempts that nobody answered: there is no call to judge."""

AGENT: Told = (Party.AGENT, False, HIGH)
CARRIER: Told = (Party.CARRIER, True, HIGH)
SILENT: Told = (Party.NETWORK, True, HIGH)
HANGUP_SEEN: Told = (Party.SYSTEM, False, HIGH)
ENDED: dict[str, Told] = {
    "endings/absolute-timeout": SYSTEM,
    "endings/agent-486": CALLER,
    "endings/ami-hangup-a": SYSTEM,
    "endings/ami-hangup-c": SYSTEM,
    "endings/ami-hangup-c-cause-38": SYSTEM,
    "endings/attended-transfer": CALLER,
    "endings/blind-transfer": CARRIER,
    "endings/bye-both": CALLER,
    "endings/bye-q850-127": UNKNOWN,
    "endings/bye-q850-27": CARRIER,
    "endings/bye-q850-58": UNKNOWN,
    "endings/bye-sip-408": SILENT,
    "endings/cancel-q850-38": CARRIER,
    "endings/cli-hangup-a": HANGUP_SEEN,
    "endings/cli-hangup-c": HANGUP_SEEN,
    "endings/comfort-noise": CALLER,
    "endings/dialplan-hangup": SYSTEM,
    # it fell silent within its first second: not seen for long enough to be evidence
    "endings/freeze8-rtcp-bye": (Party.CALLER, False, MEDIUM),
    "endings/queue-freeze3-bye": (Party.CALLER, False, MEDIUM),
    "endings/gaps": CALLER,
    "endings/hold-by-agent-caller-bye-38": CARRIER,
    "endings/hold-by-agent-silent": AGENT,
    "endings/hold-by-caller": CALLER,
    "endings/hold-by-caller-silent-bye": CALLER,
    "endings/hold-then-freeze-bye": CALLER,
    "endings/info-481": (Party.NETWORK, True, MEDIUM),
    "endings/info-ignore": SILENT,
    "endings/local-group": CARRIER,
    "endings/local-group-n": CARRIER,
    "endings/local-n": CARRIER,
    "endings/local-n-agent-bye": AGENT,
    "endings/local-optimised": CARRIER,
    "endings/local-optimised-agent-rtp": (Party.AGENT, True, HIGH),
    "endings/park-bye": CALLER,
    "endings/park-fetch": CARRIER,
    "endings/park-rtp": SILENT,
    "endings/park-timeout": CALLER,
    "endings/queue-nobody": SYSTEM,
    "endings/reinvite-200-bye-q850-38": CARRIER,
    "endings/reinvite-408": SILENT,
    "endings/reinvite-480-bye": UNKNOWN,
    "endings/reinvite-488-bye": CALLER,
    "endings/reinvite-500-200-bye": CALLER,
    "endings/reinvite-500-bye": UNKNOWN,
    "endings/reinvite-500-rtp": SILENT,
    "endings/reinvite-503-200-bye-q850-38": CARRIER,
    "endings/reinvite-503-bye": UNKNOWN,
    "endings/reinvite-503-bye-q850-38": UNKNOWN,
    "endings/reinvite-agent-500-bye": UNKNOWN,
    "endings/rtp-both": SILENT,
    "endings/rtp-timeout-hold-agent": (Party.AGENT, True, HIGH),
    "endings/silent-rtcp-bye": CALLER,
    "endings/silent-timeout": SILENT,
    "endings/stop-core-stop-now": PBX,
    "endings/stop-sigterm": PBX,
}
"""Of two calls in one file, the one that came last."""


def test_every_recording_is_judged() -> None:
    assert set(NAMES) == set(RECORDED) | UNANSWERED
    assert set(ENDINGS) == set(ENDED)


@pytest.mark.parametrize("name", ENDED)
def test_how_a_recorded_call_ended(name: str) -> None:
    replayed = replay(name)
    assert ENDED[name] == told(judged(replayed.call))
    assert replayed.commands.count(Judge()) == 1


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    replayed = replay(name)
    stage, expected = RECORDED[name]
    assert (stage, expected) == (replayed.call.stage, told(judged(replayed.call)))
    assert replayed.commands.count(Judge()) == 1
    agent = "PJSIP/agent1" if stage is Stage.TALKING else None
    assert agent == replayed.call.agent


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_loss(name: str) -> None:
    """rtp_timeout is 6 s in the lab and looked at every few seconds: the loss itself was long before the hang-up."""
    call = replay(name).call
    assert call.ended_at is not None
    gone_ms = call.ended_at - judged(call).lost_at
    if RECORDED[name][1][0] is Party.NETWORK:
        assert 5_000 < gone_ms < 12_000
    else:
        assert gone_ms == 0


@pytest.mark.parametrize("name", [n for n, (_, v) in RECORDED.items() if v[1]])
def test_without_the_handlers_a_fault_is_a_fault_all_the_same(name: str) -> None:
    """An administrator's own dialplan may drop our hang-up handler; what the agent's leg said is not sure then."""
    replayed = replay(name)
    ending = judged(settled([e for e in replayed.events if not isinstance(e, HandlerRan)], replayed.began))
    party, technical, confidence = RECORDED[name][1]
    sure = LOW if name == "agent-bye-q850-38" else confidence
    assert told(ending) == (party, technical, sure)


# --- derived: Asterisk 20 before 20.17 ---------------------------------------------------------------------------

ALL: dict[str, Told] = {name: expected for name, (_, expected) in RECORDED.items()} | ENDED
LESS_THERE: dict[str, Told] = {
    # 127 without its 487 or 481 names nothing: unknown, and nobody is called back
    "caller-cancel": UNKNOWN,
    "endings/info-481": UNKNOWN,
    # nor does 58 without the 488 that it is left over from
    "endings/reinvite-488-bye": UNKNOWN,
    # 18 without its 408 is less sure
    "endings/bye-sip-408": (Party.NETWORK, True, MEDIUM),
    "endings/info-ignore": (Party.NETWORK, True, MEDIUM),
    "endings/reinvite-408": (Party.NETWORK, True, MEDIUM),
}


@pytest.mark.parametrize("name", ALL)
def test_derived_asterisk_20(name: str) -> None:
    """Derived from the recording, not recorded: without TechCause, and with 16 for a plain BYE, the same verdict."""
    replayed = replay(name, asterisk20.messages)
    assert LESS_THERE.get(name, ALL[name]) == told(judged(replayed.call))
    assert replayed.commands.count(Judge()) == 1


def test_the_derivation_leaves_nothing_of_what_asterisk_20_does_not_say() -> None:
    said = [m for name in ALL for m in asterisk20.messages(name)]
    assert not [m for m in said if b"TechCause" in m and not m.startswith(b"Event: UserEvent")]
    assert not [m for m in said if m.startswith(b"Event: Hangup") and b"\r\nCause: 0\r\n" in m]
    assert [m for name in ALL for m in messages(name)] != said

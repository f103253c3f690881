"""What a real Asterisk said when a call ended in some way, and whose ending it was (``recorded/endings``)."""

from __future__ import annotations

import pytest
from tests.unit.recorded.capture import FOLDER, replay

from oddzwon.domain.ending import Party, judge

CALLER, AGENT, CARRIER, NETWORK, SYSTEM, PBX, UNKNOWN = (
    Party.CALLER,
    Party.AGENT,
    Party.CARRIER,
    Party.NETWORK,
    Party.SYSTEM,
    Party.PBX,
    Party.UNKNOWN,
)
WHOSE = {
    # somebody said goodbye, whatever was in the way of his audio
    "agent-486": (CALLER, False),
    "attended-transfer": (CALLER, False),
    "bye-both": (CALLER, False),
    "comfort-noise": (CALLER, False),
    "gaps": (CALLER, False),
    "hold-by-agent-silent": (AGENT, False),
    "hold-by-caller": (CALLER, False),
    "hold-by-caller-silent-bye": (CALLER, False),
    "hold-then-freeze-bye": (CALLER, False),
    "local-n-agent-bye": (AGENT, False),
    "park-bye": (CALLER, False),
    "park-timeout": (CALLER, False),
    "silent-rtcp-bye": (CALLER, False),
    # he refused a re-INVITE before, which colours his plain BYE, and accepted one since, which washes that off
    "reinvite-488-bye": (CALLER, False),
    "reinvite-500-200-bye": (CALLER, False),
    # the carrier named a fault, also behind transfers, the parking lot and Local channels
    "blind-transfer": (CARRIER, True),
    "bye-q850-27": (CARRIER, True),
    "cancel-q850-38": (CARRIER, True),
    "hold-by-agent-caller-bye-38": (CARRIER, True),
    "local-group": (CARRIER, True),
    "local-group-n": (CARRIER, True),
    "local-n": (CARRIER, True),
    "local-optimised": (CARRIER, True),
    "park-fetch": (CARRIER, True),
    "reinvite-200-bye-q850-38": (CARRIER, True),
    "reinvite-503-200-bye-q850-38": (CARRIER, True),
    # a side went silent
    "bye-sip-408": (NETWORK, True),
    "info-481": (NETWORK, True),
    "info-ignore": (NETWORK, True),
    "park-rtp": (NETWORK, True),
    "reinvite-408": (NETWORK, True),
    "reinvite-500-rtp": (NETWORK, True),
    "rtp-both": (NETWORK, True),
    "silent-timeout": (NETWORK, True),
    "local-optimised-agent-rtp": (AGENT, True),
    "rtp-timeout-hold-agent": (AGENT, True),
    # Asterisk or somebody through it
    "absolute-timeout": (SYSTEM, False),
    "ami-hangup-a": (SYSTEM, False),
    "ami-hangup-c": (SYSTEM, False),
    "ami-hangup-c-cause-38": (SYSTEM, False),
    "cli-hangup-a": (SYSTEM, False),
    "cli-hangup-c": (SYSTEM, False),
    "dialplan-hangup": (SYSTEM, False),
    "queue-nobody": (SYSTEM, False),
    "stop-core-stop-now": (PBX, True),
    "stop-sigterm": (PBX, True),
    # a Reason that names no fault of the line
    "bye-q850-127": (UNKNOWN, None),
    "bye-q850-58": (UNKNOWN, None),
    # the cause may be left over from a re-INVITE that this leg's side had refused, and hides what the BYE itself said
    "reinvite-480-bye": (UNKNOWN, None),
    "reinvite-500-bye": (UNKNOWN, None),
    "reinvite-503-bye": (UNKNOWN, None),
    "reinvite-503-bye-q850-38": (UNKNOWN, None),
    "reinvite-agent-500-bye": (UNKNOWN, None),
}
FROZEN = {"freeze8-rtcp-bye", "queue-freeze3-bye"}
"""A plain BYE after silence on a leg that was seen sending for a moment only: no high confidence in anything."""


def test_every_recording_is_judged() -> None:
    assert {path.stem for path in (FOLDER / "endings").glob("*.ami")} == WHOSE.keys() | FROZEN


@pytest.mark.parametrize("name", WHOSE)
def test_whose_ending_it_was(name: str) -> None:
    ending = judge(replay(f"endings/{name}").call.as_journal())
    assert (ending.party, ending.technical) == WHOSE[name]


@pytest.mark.parametrize("name", sorted(FROZEN))
def test_silence_before_a_goodbye_is_never_certain(name: str) -> None:
    ending = judge(replay(f"endings/{name}").call.as_journal())
    assert ending.confidence != "high"
    assert any("stood still" in evidence.fact for evidence in (*ending.evidence, *ending.against))

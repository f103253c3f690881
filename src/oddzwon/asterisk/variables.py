"""The names that the service and asterisk-config's dialplan share: channel variables, contexts, user events.

Each stands here once; a test holds this list, the dialplan and the documentation together.
"""

from __future__ import annotations

from typing import Final

# set by the dialplan, read by nobody but it
AGI_ADDRESS: Final = "ODDZWON_AGI"
PROMPTS: Final = "ODDZWON_PROMPTS"
DEFAULT_QUEUE: Final = "ODDZWON_DEFAULT_QUEUE"
QUEUE_TIMEOUT: Final = "ODDZWON_QUEUE_TIMEOUT"
STATIC_LANGUAGE: Final = "ODDZWON_LANGUAGE"
STATIC_NOTICE: Final = "ODDZWON_NOTICE"
DID: Final = "ODDZWON_DID"
ROLE: Final = "ODDZWON_ROLE"
TECH: Final = "ODDZWON_TECH"
STAND_IN: Final = "ODDZWON_STAND_IN"
SPOOL: Final = "ODDZWON_SPOOL"
ASKED_BY: Final = "ODDZWON_ASKED_BY"

# set by the stand-in script, read by the dialplan
TOLD: Final = "ODDZWON_TOLD"

# set by the service, read by the dialplan
DONE: Final = "ODDZWON_DONE"
QUEUE: Final = "ODDZWON_QUEUE"
AGENT: Final = "ODDZWON_AGENT"
AGENT_RING: Final = "ODDZWON_AGENT_RING"
PRIORITY: Final = "ODDZWON_PRIORITY"
ASK_AGENT: Final = "ODDZWON_ASK_AGENT"
LEG: Final = "ODDZWON_LEG"
HELD: Final = "ODDZWON_HELD"

# set by Asterisk for the service, which reads it
MIX: Final = "ODDZWON_MIX"

# set by the service's Originate on the callback's channel
ATTEMPT: Final = "ODDZWON_ATTEMPT"

CALLBACK_CONTEXT: Final = "oddzwon-callback"
HOLD_CONTEXT: Final = "oddzwon-callback-agent"
INBOUND_CONTEXT: Final = "oddzwon-inbound"
MOVED_CONTEXT: Final = "oddzwon-moved"
SIGN_CONTEXT: Final = "oddzwon-sign"
WHISPER_CONTEXT: Final = "oddzwon-whisper"

EVENT_ARRIVED: Final = "OddzwonArrived"
EVENT_CALLBACK_ANSWERED: Final = "OddzwonCallbackAnswered"
EVENT_STAND_IN: Final = "OddzwonStandIn"
EVENT_QUEUE_END: Final = "OddzwonQueueEnd"
EVENT_LEG: Final = "OddzwonLeg"
EVENT_FEATURE: Final = "OddzwonFeature"

# Asterisk's own, set on an agent's leg: a header of the INVITE that names the call which dropped
HEADER_CALL: Final = "PJSIP_HEADER(add,X-Oddzwon-Call)"

# Asterisk's own, set on what we dial: where a 302 is followed to (main/dial.c, handle_call_forward)
FORWARD_CONTEXT: Final = "FORWARD_CONTEXT"

# Asterisk's own, read at a call's arrival
CALLER_PRESENTATION: Final = "CALLERID(num-pres)"
CALLER_NUMBER: Final = "CALLERID(num)"
REDIRECTING_FROM: Final = "REDIRECTING(from-num)"
LINKED_ID: Final = "CHANNEL(linkedid)"
CHANNEL_LANGUAGE: Final = "CHANNEL(language)"
HEADER_FROM: Final = "PJSIP_HEADER(read,From)"
HEADER_PRIVACY: Final = "PJSIP_HEADER(read,Privacy)"
HEADER_DIVERSION: Final = "PJSIP_HEADER(read,Diversion)"
HEADER_HISTORY: Final = "PJSIP_HEADER(read,History-Info)"
HEADER_PARTY: Final = "PJSIP_HEADER(read,Remote-Party-ID)"
LINES_OF_A_HEADER: Final = 3


def every_line_of(header: str) -> str:
    """An expression for a header's first lines (``header`` is one of the above), joined by semicolons.

    A header without a number is its first line alone, and Asterisk itself looks no further (res_pjsip_caller_id.c).
    """
    further = (f"{header.removesuffix(')')},{n})" for n in range(2, LINES_OF_A_HEADER + 1))
    return ";".join(f"${{{line}}}" for line in (header, *further))

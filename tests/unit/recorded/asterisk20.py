"""DERIVED, NOT RECORDED: what an Asterisk before 20.17 would have said of a recorded call.

No Asterisk 20 can be installed here. Two things differ there in what bears on an ending (asterisk.md section 1): no
``TechCause`` in any event of its own before 20.17 (the hang-up handler reads ``HANGUPCAUSE()``, which is older), and a
plain BYE shows ``Cause: 16`` everywhere, never 0, before 20.19. The recorded bytes are changed accordingly and nothing
else; what else such an Asterisk may do otherwise is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.recorded import capture

_TECH_CAUSE = re.compile(rb"\r\nTechCause: [^\r\n]*")
_PLAIN = re.compile(rb"\r\nCause: 0(?=\r|$)")
_DIALPLANS = b"Event: UserEvent\r\n"
_ENDINGS = (b"Event: Hangup\r\n", b"Event: HangupRequest\r\n", b"Event: UserEvent\r\n")


def as_before_20_17(message: bytes) -> bytes:
    """The message as an Asterisk before 20.17 would have sent it."""
    if not message.startswith(_DIALPLANS):
        message = _TECH_CAUSE.sub(b"", message)
    # the Cause of a SoftHangupRequest is a flag
    return _PLAIN.sub(b"\r\nCause: 16", message) if message.startswith(_ENDINGS) else message


def messages(name: str) -> Iterator[bytes]:
    """The recording's messages, derived."""
    return map(as_before_20_17, capture.messages(name))

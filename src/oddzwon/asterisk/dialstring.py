"""The only place where something to be dialled is put together: from a validated number and the operator's template."""

from __future__ import annotations

import re
from typing import Final

from oddzwon.asterisk.errors import AsteriskError

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NAME: Final = re.compile(r"[A-Za-z0-9 .:()/_-]{1,40}")
_INTERFACE: Final = re.compile(r"(?:PJSIP|SIP|IAX2|Local|DAHDI)/[A-Za-z0-9_.@/-]{1,100}")


class UnsafeDialString(AsteriskError, ValueError):
    """What was to be dialled is not what we dial; the message does not repeat it."""


def trunk_dial_string(template: str, e164: str) -> str:
    """The trunk's dial string for the number, such as ``PJSIP/+48600100200@carrier``.

    ``template`` holds ``{number}`` once (the configuration has checked it). Raises :class:`UnsafeDialString` unless
    ``e164`` is exactly an E.164 number: a ``&`` or ``,`` in it would dial a second destination or add options.
    """
    if _E164.fullmatch(e164) is None:
        msg = "only a validated E.164 number is dialled"
        raise UnsafeDialString(msg)
    return template.replace("{number}", e164)


def agent_dial_string(interface: str) -> str:
    """The queue member's own interface, if it is one device and nothing else. Raises :class:`UnsafeDialString`."""
    if _INTERFACE.fullmatch(interface) is None:
        msg = "a queue member's interface may be one device only, as in PJSIP/agent1"
        raise UnsafeDialString(msg)
    return interface


def caller_id(did: str) -> str:
    """The CallerID header of an Originate that shows the DID. Raises :class:`UnsafeDialString`."""
    if _E164.fullmatch(did) is None:
        msg = "the number shown must be the DID in E.164"
        raise UnsafeDialString(msg)
    return f"<{did}>"


def shown_to_agent(display: str, time: str, e164: str) -> str:
    """The CallerID header that an agent's telephone shows: ``display`` with ``{time}``, and the customer's number.

    Raises :class:`UnsafeDialString` for anything that could end the name or the header early.
    """
    name = display.replace("{time}", time)
    if _NAME.fullmatch(name) is None or _E164.fullmatch(e164) is None:
        msg = "an agent's telephone is shown a name of plain letters, digits and . : ( ) / _ -, and a number in E.164"
        raise UnsafeDialString(msg)
    return f'"{name}" <{e164}>'

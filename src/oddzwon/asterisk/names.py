"""Names of Asterisk's channels and queue members as they may be kept: without the telephone numbers in some of them."""

from __future__ import annotations

import re
from typing import Final

_LIKE_A_NUMBER: Final = re.compile(r"[0-9]{7,}")
_ENDPOINT: Final = re.compile(r"PJSIP/[^/@]*")


def interface(name: str) -> str:
    """The member's interface, such as ``PJSIP/agent1``; of an outside agent's, ``Local/…@outbound`` is left.

    A PJSIP endpoint alone is a device with the name that the operator gave it, whatever its digits; two must not become
    one. Every other technology may have in its names what was dialled, or who calls.
    """
    return name if _ENDPOINT.fullmatch(name) else _LIKE_A_NUMBER.sub("…", name)


def device(channel: str) -> str:
    """The interface that the channel was made for; empty for a name without a serial number."""
    return interface(channel.rpartition("-")[0])


def channel(name: str) -> str:
    """The channel's own name, with its serial number (``%08x``: chan_pjsip.c, main/core_local.c), which is nobody's."""
    stem, dash, serial = name.rpartition("-")
    return f"{interface(stem)}{dash}{serial}" if dash else interface(name)

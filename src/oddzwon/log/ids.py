"""Opaque ids: in the order of time, so that new rows come last in the tables, and random beyond that.

An id carries no meaning to its reader; in particular no number, and no hash of one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import TypeAlias

from oddzwon.domain.events import Instant

Entropy: TypeAlias = Callable[[int], bytes]
"""Gives that many random bytes; tests inject their own."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to mistake
_SAFE = re.compile(r"[A-Za-z0-9._-]+")
CHANNEL_ID_MAX = 149
"""Asterisk's longest ChannelId: AST_MAX_PUBLIC_UNIQUEID in include/asterisk/channel.h, less the terminator."""


def new_id(prefix: str, at: Instant, entropy: Entropy = secrets.token_bytes) -> str:
    """``prefix_`` and 22 characters: 50 bits of ``at`` (milliseconds), then 60 random bits."""
    value = (max(at, 0) << 60) | (int.from_bytes(entropy(8), "big") >> 4)
    digits = "".join(_ALPHABET[(value >> shift) & 31] for shift in range(105, -1, -5))
    return f"{prefix}_{digits}"


def channel_id(pbx: str, attempt: str) -> str:
    """The ChannelId of an attempt, derived from its database key (design, rule 2.2).

    Raises ValueError when ``pbx`` has characters other than letters, digits, ``.``, ``_`` and ``-``, or is
    too long for Asterisk.
    """
    made = f"oddzwon-{pbx}-{attempt}"
    if not _SAFE.fullmatch(made):
        raise ValueError(f"pbx name {pbx!r}: only letters, digits, '.', '_' and '-' may stand in a ChannelId")
    if len(made) > CHANNEL_ID_MAX:
        raise ValueError(f"pbx name {pbx!r}: too long, a ChannelId has at most {CHANNEL_ID_MAX} characters")
    return made

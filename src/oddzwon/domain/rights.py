"""The registers that stop us: objections (Art. 21 GDPR) and restrictions (Art. 18 GDPR), found by a keyed number.

The registers hold no numbers: a number is found by its keyed HMAC, which cannot be brute-forced without the key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oddzwon.domain.events import Instant
from oddzwon.domain.number import E164, DomainError, NotE164Error

MIN_SECRET_BYTES: Final = 16
"""A key with less than 128 bits could itself be guessed, and with it every number."""


class WeakSecretError(DomainError):
    """The secret is too short to key the numbers with."""


class ObjectionScope(StrEnum):
    """What is objected to."""

    CALLBACK = "callback"
    RECORDING = "recording"


def number_key(e164: str, secret: bytes) -> str:
    """The number's keyed HMAC-SHA256 (RFC 2104), 64 hexadecimal digits: the same number, the same key, the same value.

    :raises NotE164Error: ``e164`` is not a validated number; another spelling would be another key and miss objections.
    :raises WeakSecretError: ``secret`` has fewer than 16 bytes.
    """
    if E164.fullmatch(e164) is None:
        raise NotE164Error("cannot key what is not an E.164 number: pass the e164 of a parsed Number")
    if len(secret) < MIN_SECRET_BYTES:
        raise WeakSecretError(f"the secret has {len(secret)} bytes, {MIN_SECRET_BYTES} are needed: make a new one")
    return hmac.new(secret, e164.encode("ascii"), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Objection:
    """An entry of the objection register. ``channel`` tells by which way it came, such as ``key 8`` or ``letter``."""

    number_key: str
    scope: ObjectionScope
    at: Instant
    channel: str
    withdrawn_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Restriction:
    """An entry of the restriction register: the data are kept and not used."""

    number_key: str
    at: Instant
    lifted_at: Instant | None = None


def blocks(objections: Iterable[Objection], key: str, scope: ObjectionScope) -> bool:
    """Whether an objection that stands forbids ``scope`` for the number with this key.

    It blocks from the moment it is registered; no time is compared, since a clock that was set back must not lift it.
    """
    return any(o.number_key == key and o.scope is scope and o.withdrawn_at is None for o in objections)


def restricts(restrictions: Iterable[Restriction], key: str) -> bool:
    """Whether a restriction that stands forbids every use of the data of the number with this key."""
    return any(r.number_key == key and r.lifted_at is None for r in restrictions)

"""The registers of objections and restrictions, and the key under which a number is found in them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddzwon.domain.number import E164, NotE164Error
from oddzwon.domain.rights import (
    Objection,
    ObjectionScope,
    Restriction,
    WeakSecretError,
    blocks,
    number_key,
    restricts,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed
SECRET = b"0123456789abcdef"
KEY = number_key("+48600100200", SECRET)


def test_the_key_is_the_keyed_hmac_of_rfc_2104() -> None:
    """The construction of RFC 2104 by hand: H(K xor opad, H(K xor ipad, text))."""
    block = SECRET.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + b"+48600100200").digest()
    assert hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest() == KEY
    assert hmac.compare_digest(KEY, number_key("+48600100200", SECRET))


@UNHURRIED
@given(
    one=st.from_regex(E164, fullmatch=True),
    other=st.from_regex(E164, fullmatch=True),
    secret=st.binary(min_size=16, max_size=64),
)
def test_equal_numbers_and_secrets_have_equal_keys_and_nothing_else_has(one: str, other: str, secret: bytes) -> None:
    assert (number_key(one, secret) == number_key(other, secret)) is (one == other)
    assert number_key(one, secret) != number_key(one, secret + b"x")
    assert one.removeprefix("+") not in number_key(one, secret)


@pytest.mark.parametrize("spelling", ["", "600100200", "0048600100200", "+48 600 100 200", "+48600100200\n", "+48600"])
def test_another_spelling_is_refused_since_it_would_miss_the_objection(spelling: str) -> None:
    with pytest.raises(NotE164Error):
        number_key(spelling, SECRET)


@pytest.mark.parametrize("secret", [b"", b"0123456789abcde"])
def test_a_short_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(WeakSecretError, match="16 are needed"):
        number_key("+48600100200", secret)


def objection(scope: ObjectionScope = ObjectionScope.CALLBACK, withdrawn_at: int | None = None) -> Objection:
    return Objection(KEY, scope, 1_000, "key 8", withdrawn_at)


@pytest.mark.parametrize(
    ("register", "blocked"),
    [
        ([], False),
        ([objection()], True),
        ([objection(ObjectionScope.RECORDING)], False),
        ([objection(withdrawn_at=2_000)], False),
        # withdrawn, and objected again
        ([objection(withdrawn_at=2_000), objection()], True),
        ([Objection(number_key("+48600100201", SECRET), ObjectionScope.CALLBACK, 1_000, "key 8")], False),
        # registered by a clock that was ahead: it blocks at once all the same
        ([Objection(KEY, ObjectionScope.CALLBACK, 10**15, "letter")], True),
        # withdrawn at the epoch is withdrawn
        ([objection(withdrawn_at=0)], False),
    ],
)
def test_an_objection_blocks_its_scope_and_its_number_until_it_is_withdrawn(
    register: list[Objection], blocked: bool
) -> None:
    assert blocks(register, KEY, ObjectionScope.CALLBACK) is blocked


def test_a_restriction_stands_until_it_is_lifted() -> None:
    assert restricts([Restriction(KEY, 1_000)], KEY)
    assert not restricts([Restriction(KEY, 1_000, lifted_at=0)], KEY)
    assert not restricts([Restriction(number_key("+48600100201", SECRET), 1_000)], KEY)
    assert not restricts([], KEY)

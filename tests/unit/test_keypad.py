"""Each key counts once, whoever tells of it: AGI, an event, or both, in either order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.callflow.keypad import KEYS_KEPT, SAME_PRESS_S, SETTLED_S, Keypad

ANY = "0123456789*#"


@pytest.fixture
def keypad() -> Keypad:
    keypad = Keypad()
    keypad.listening = True
    return keypad


def served(keypad: Keypad, now: float, keys: str = ANY) -> str:
    """Serve all that is ready by then, in order."""
    found = ""
    while (press := keypad.waiting(keys)) is not None and press.settles_in(now) <= 0:
        press.served = True
        found += press.key
    return found


def test_told_by_agi_and_then_by_its_event(keypad: Keypad) -> None:
    press = keypad.told("8", 10.0)
    assert press is not None
    press.served = True
    keypad.heard("8", 10.1)
    assert served(keypad, 20.0) == ""


def test_told_by_its_event_and_then_by_agi(keypad: Keypad) -> None:
    keypad.heard("8", 10.0)
    assert keypad.told("8", 10.1) is not None
    assert served(keypad, 10.1) == "8"
    assert served(keypad, 20.0) == ""


def test_what_agi_has_dropped_is_served_once_it_cannot_come_any_more(keypad: Keypad) -> None:
    keypad.heard("1", 10.0)
    assert served(keypad, 10.0 + SETTLED_S - 0.01) == ""
    assert served(keypad, 10.0 + SETTLED_S) == "1"


def test_an_echo_of_what_was_served_is_no_key(keypad: Keypad) -> None:
    keypad.heard("1", 10.0)
    assert served(keypad, 10.0 + SETTLED_S) == "1"
    assert keypad.told("1", 10.0 + SETTLED_S + 0.1) is None
    # and the same key once more is one
    assert keypad.told("1", 10.0 + SETTLED_S + 0.2) is not None


def test_the_same_key_later_is_a_press_of_its_own(keypad: Keypad) -> None:
    keypad.heard("1", 10.0)
    keypad.told("1", 10.0 + SAME_PRESS_S + 0.1)
    assert served(keypad, 20.0) == "11"


def test_an_earlier_press_comes_first_though_agi_tells_of_a_later_one(keypad: Keypad) -> None:
    keypad.heard("9", 10.0)
    keypad.told("1", 10.1)
    assert served(keypad, 10.2) == ""
    assert served(keypad, 10.0 + SETTLED_S) == "91"


def test_what_is_forgotten_is_no_key_even_if_agi_tells_of_it_later(keypad: Keypad) -> None:
    keypad.heard("1", 10.0)
    keypad.heard("2", 10.0)
    keypad.forget("1")
    assert keypad.told("1", 10.1) is None
    assert served(keypad, 20.0) == "2"


def test_only_what_came_since(keypad: Keypad) -> None:
    keypad.heard("1", 10.0)
    keypad.heard("1", 11.0)
    press = keypad.waiting("1", since=10.5)
    assert press is not None
    assert press.at == 11.0


def test_a_key_that_ended_a_prompt_is_served_before_the_others(keypad: Keypad) -> None:
    keypad.heard("2", 10.0)
    keypad.again("1")
    assert served(keypad, 20.0) == "12"


def test_who_hammers_the_keypad_keeps_the_newest_when_a_notice_was_ended_by_a_key(keypad: Keypad) -> None:
    for n in range(KEYS_KEPT):
        keypad.heard("8" if n == KEYS_KEPT - 1 else "9", 10.0 + 2 * n)
    keypad.again("1")
    assert served(keypad, 1000.0) == "1" + (KEYS_KEPT - 2) * "9" + "8"


def test_a_press_counts_by_its_beginning_where_that_is_known(keypad: Keypad) -> None:
    keypad.heard("1", 10.6, 0.7)
    assert keypad.waiting("1", since=10.5) is None
    keypad.heard("2", 10.6)
    assert keypad.waiting("12", since=10.5) is keypad.waiting("2")
    keypad.forget(before=10.0)
    assert served(keypad, 20.0) == "2"


def test_in_a_talk_it_listens_to_nothing() -> None:
    keypad = Keypad()
    keypad.heard("4", 10.0)
    assert keypad.waiting(ANY) is None


def test_who_hammers_the_keypad_gets_the_newest(keypad: Keypad) -> None:
    for n in range(3 * KEYS_KEPT):
        keypad.heard(str(n % 10), 10.0 + n)
    assert len(served(keypad, 1000.0)) == KEYS_KEPT


@given(
    st.lists(st.tuples(st.sampled_from("0189"), st.sampled_from(["event", "agi first", "event first"])), max_size=12)
)
def test_every_press_is_served_exactly_once_and_in_order(presses: list[tuple[str, str]]) -> None:
    """Presses a second and more apart; the other teller is late by a tenth of a second, or never comes."""
    keypad = Keypad()
    keypad.listening = True
    found = ""
    for (key, way), at in zip(presses, itertools.count(10.0, SAME_PRESS_S + 0.5)):
        if way != "agi first":
            keypad.heard(key, at)
        if way != "event":
            keypad.told(key, at + 0.1)
        if way == "agi first":
            keypad.heard(key, at + 0.2)
        found += served(keypad, at + SETTLED_S)
    assert found == "".join(key for key, _ in presses)

"""What counts as announced, and who knows that we may call back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddzwon.domain.notice import (
    Ended,
    NoticeReceipt,
    PromptKind,
    ResumedCall,
    layer1_known,
    receipt,
    short_suffices,
    was_told,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed
AT = 1_800_000_000_000
WINDOW = 900_000


def played(
    prompt: str = "L1", ms: int = 15_000, full: int = 15_000, ended: Ended = Ended.FINISHED, **other: Any
) -> NoticeReceipt:
    values: dict[str, Any] = {"version": "v1", "sha256": "ab" * 32, "language": "pl", "key": None, "at": AT} | other
    return receipt(prompt, played_ms=ms, full_ms=full, ended=ended, **values)


@pytest.mark.parametrize(
    ("ms", "full", "ended", "key", "complete"),
    [
        (15_000, 15_000, Ended.FINISHED, None, True),
        (15_040, 15_000, Ended.FINISHED, None, True),
        (14_999, 15_000, Ended.FINISHED, None, True),  # samples rounded to milliseconds
        (14_998, 15_000, Ended.FINISHED, None, False),
        # ended by the caller's own key
        (100, 15_000, Ended.KEY, "9", True),
        (1, 15_000, Ended.KEY, "*", True),
        # typed ahead: the key belonged to what came before
        (0, 15_000, Ended.KEY, "1", False),
        # a key that no telephone has, or none at all
        (100, 15_000, Ended.KEY, "A", False),
        (100, 15_000, Ended.KEY, "", False),
        (100, 15_000, Ended.KEY, "12", False),
        (100, 15_000, Ended.KEY, None, False),
        # a key is the reason only if it ended the prompt
        (100, 15_000, Ended.FINISHED, "1", False),
        (100, 15_000, Ended.HANGUP, "1", False),
        (15_000, 15_000, Ended.HANGUP, None, False),
        (15_000, 15_000, Ended.FAILED, None, False),
        (0, 15_000, Ended.FAILED, None, False),
        # Asterisk reports success for a file that is only a header, and -1 for one that is missing
        (0, 0, Ended.FINISHED, None, False),
        (0, 0, Ended.KEY, "1", False),
        (5_000, 0, Ended.FINISHED, None, False),
        (0, 1, Ended.FINISHED, None, False),
        (-1, 15_000, Ended.HANGUP, None, False),
        (-1, -1, Ended.FINISHED, None, False),
    ],
)
def test_announced_is_only_what_was_heard(ms: int, full: int, ended: Ended, key: str | None, complete: bool) -> None:
    made = played(ms=ms, full=full, ended=ended, key=key)
    assert made.complete is complete
    assert 0 <= made.played_ms <= made.full_ms
    assert made.started_at == AT - made.played_ms


def test_a_key_after_the_prompt_answers_it_only_if_it_was_heard_to_its_end() -> None:
    answered = played("REC_CONSENT", key="1")
    assert (answered.key, answered.complete) == ("1", True)
    # a file that is only a header, or cut short, finishes too: a key after it consents to nothing
    for ms in (0, 3_000):
        unheard = played("REC_CONSENT", ms=ms, key="1")
        assert (unheard.key, unheard.complete) == (None, False)


def test_the_receipt_keeps_the_key_only_if_it_ended_the_prompt() -> None:
    assert played(ms=100, ended=Ended.KEY, key="8").key == "8"
    assert played(ms=100, ended=Ended.HANGUP, key="8").key is None
    assert played(ms=100, ended=Ended.KEY, key="4111111111111111").key is None


@UNHURRIED
@given(
    ms=st.integers(-(10**6), 10**6),
    full=st.integers(-(10**6), 10**6),
    ended=st.sampled_from(Ended),
    key=st.none() | st.text(max_size=2) | st.sampled_from("0123456789*#"),
)
def test_no_report_crashes_and_complete_is_heard_or_cut_short_by_a_key(
    ms: int, full: int, ended: Ended, key: str | None
) -> None:
    made = played(ms=ms, full=full, ended=ended, key=key)
    if made.complete:
        assert made.played_ms > 0
        assert ended in (Ended.FINISHED, Ended.KEY)
        assert made.played_ms == made.full_ms or (ended is Ended.KEY and made.key is not None)


@pytest.mark.parametrize(
    "change",
    [
        {"played_ms": 14_999},
        {"played_ms": 15_001},
        {"played_ms": -1},
        {"full_ms": 0, "played_ms": 0},
        {"key": "12"},
        {"key": "x"},
        {"played_ms": 0, "key": "1"},
    ],
)
def test_a_receipt_that_contradicts_itself_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a receipt for L1"):
        replace(played(), **change)


# --- who knows that we may call back ----------------------------------------------------------------------------

L1 = played("L1")
L1_CUT = played("L1", ms=3_000, ended=Ended.HANGUP)
SHORT = played("SHORT", ms=6_000, full=6_000)
SHORT_CUT = played("SHORT", ms=600, full=6_000, ended=Ended.HANGUP)
STARTED = SHORT.started_at


def resumed(*receipts: NoticeReceipt, ago: int = 60_000) -> ResumedCall:
    return ResumedCall(receipts, STARTED - ago)


@pytest.mark.parametrize(
    ("own", "before", "known"),
    [
        ([L1], None, True),
        ([played("L1", ms=2_000, ended=Ended.KEY, key="1")], None, True),
        ([L1_CUT, L1], None, True),
        ([L1_CUT], None, False),
        ([], None, False),
        ([played("L2"), played("STATIC"), played("REC_OBJECT"), played("CALLBACK")], None, False),
        (None, None, None),
        (None, resumed(L1), None),
        # the short notice, on a call that resumes one with a complete layer 1 inside the window
        ([SHORT], resumed(L1), True),
        ([SHORT], resumed(L1, ago=0), True),
        ([SHORT], resumed(L1, ago=WINDOW), True),
        ([SHORT], resumed(L1, ago=WINDOW + 1), False),
        ([SHORT], None, False),
        ([SHORT], resumed(), False),
        ([SHORT], resumed(L1_CUT), False),
        # a chain of short notices rests on nothing of the resumed call's own
        ([SHORT], resumed(SHORT), False),
        ([SHORT_CUT], resumed(L1), False),
        ([], resumed(L1), False),
        ([L1], resumed(L1_CUT), True),
        # not read, not known, or a clock that was set back
        ([SHORT], ResumedCall(None, STARTED), None),
        ([SHORT], ResumedCall((L1,), None), None),
        ([SHORT], resumed(L1, ago=-1), None),
        ([SHORT_CUT], ResumedCall(None, STARTED), False),
    ],
)
def test_who_knows_that_we_may_call_back(
    own: list[NoticeReceipt] | None, before: ResumedCall | None, known: bool | None
) -> None:
    assert layer1_known(own, before, WINDOW) is known


def test_which_notice_a_redial_hears() -> None:
    assert short_suffices(resumed(L1), STARTED, WINDOW) is True
    assert short_suffices(resumed(L1_CUT), STARTED, WINDOW) is False
    assert short_suffices(None, STARTED, WINDOW) is False
    assert short_suffices(ResumedCall((L1,), STARTED), STARTED - 1, WINDOW) is None


def test_the_kinds_are_keys_of_the_texts() -> None:
    assert was_told([L1], PromptKind.LAYER1)
    assert not was_told([L1], PromptKind.SHORT)

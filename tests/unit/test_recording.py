"""Recording: which announcement, whose consent, how long; every doubt is a no (legal.md sections C and F)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddzwon.domain.notice import Ended, NoticeReceipt, PromptKind, receipt
from oddzwon.domain.recording import (
    RECORDING_RULES,
    KeyPressed,
    Mode,
    RecordingPermission,
    Regime,
    Retention,
    RetentionError,
    Verdict,
    announcement_for,
    delete_after,
    may_record,
    mode_for,
    objection_reaches,
    retention_for,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed
AT = 1_800_000_000_000
TEST = "LIA-8"
_K, _A = Mode.KEYPRESS, Mode.ANNOUNCE


def heard(prompt: str, key: str | None = None, ended: Ended = Ended.FINISHED, ms: int = 8_000) -> NoticeReceipt:
    return receipt(
        prompt,
        version="v1",
        sha256="cd" * 32,
        language="pl",
        played_ms=ms,
        full_ms=8_000,
        ended=ended,
        key=key,
        at=AT,
    )


def after(key: str, ms: int = 500) -> KeyPressed:
    return KeyPressed(key, AT + ms)


# --- the announcement -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "regime", "test", "chosen", "mode", "prompt"),
    [
        ("eu", Regime.QUALITY, None, None, _K, "REC_CONSENT"),
        ("eu", Regime.QUALITY, TEST, None, _K, "REC_CONSENT"),
        ("eu", Regime.QUALITY, TEST, _A, _A, "REC_OBJECT"),
        ("eu", Regime.QUALITY, None, _A, _K, "REC_CONSENT"),
        ("pl", Regime.QUALITY, None, None, _K, "REC_CONSENT"),
        ("pl", Regime.QUALITY, TEST, None, _A, "REC_OBJECT"),
        ("pl", Regime.QUALITY, TEST, _K, _K, "REC_CONSENT"),
        ("pl", Regime.QUALITY, "", _A, _K, "REC_CONSENT"),
        ("cz", Regime.QUALITY, TEST, None, _A, "REC_OBJECT"),
        ("de", Regime.QUALITY, TEST, None, _K, "REC_CONSENT"),
        ("de", Regime.QUALITY, TEST, _A, _K, "REC_CONSENT"),
        ("eu", Regime.CONTRACT, None, None, _A, "REC_ANNOUNCE"),
        ("pl", Regime.CONTRACT, TEST, None, _A, "REC_ANNOUNCE"),
        ("cz", Regime.CONTRACT, None, _K, _K, "REC_CONSENT"),
        ("de", Regime.CONTRACT, TEST, _A, _K, "REC_CONSENT"),
        ("pl", Regime.LEGAL, None, None, _A, "REC_ANNOUNCE"),
        ("pl", Regime.LEGAL, None, _K, _A, "REC_ANNOUNCE"),
        ("de", Regime.LEGAL, None, _A, _K, "REC_CONSENT"),
        ("pl", Regime.NONE, TEST, _A, None, None),
        ("pl", Regime.HOLD, TEST, _A, None, None),
    ],
)
def test_how_each_regime_is_announced(
    *, rules: str, regime: Regime, test: str | None, chosen: Mode | None, mode: Mode | None, prompt: str | None
) -> None:
    found = mode_for(RECORDING_RULES[rules], regime, balancing_test=test, chosen=chosen, language="pl")
    assert (found, announcement_for(regime, found)) == (mode, prompt)


def test_a_german_speaker_is_asked_everywhere_since_no_german_text_announces_with_an_objection() -> None:
    for rules in RECORDING_RULES.values():
        mode = mode_for(rules, Regime.QUALITY, balancing_test=TEST, chosen=Mode.ANNOUNCE, language="de")
        assert announcement_for(Regime.QUALITY, mode) is PromptKind.REC_CONSENT


# --- the permission ---------------------------------------------------------------------------------------------

DAYS = Retention(days=30)


def ask(rules: str, regime: Regime, mode: Mode | None, announcement: NoticeReceipt | None, **change: Any) -> Any:
    facts: dict[str, Any] = {
        "keys": [],
        "retention": DAYS,
        "balancing_test": TEST,
        "reference": "LAB",
        "objected": False,
        "agent_consented": None,
    } | change
    return may_record(RECORDING_RULES[rules], regime, mode, announcement, facts.pop("keys"), **facts)


CONSENT = heard("REC_CONSENT")
OBJECT = heard("REC_OBJECT")
ANNOUNCE = heard("REC_ANNOUNCE")
ONE = heard("REC_CONSENT", "1", Ended.KEY, 3_000)


@pytest.mark.parametrize(
    ("rules", "regime", "mode", "announcement", "change", "verdict"),
    [
        # a key during or after its own prompt consents; silence and other keys do not
        ("pl", Regime.QUALITY, _K, ONE, {}, Verdict.CONSENTED),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": [after("1")]}, Verdict.CONSENTED),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": [after("5"), after("1")]}, Verdict.CONSENTED),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": [after("1", -8_000)]}, Verdict.CONSENTED),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": [after("1", -8_001)]}, Verdict.NO_CONSENT),
        ("pl", Regime.QUALITY, _K, CONSENT, {}, Verdict.NO_CONSENT),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": [after("2")]}, Verdict.NO_CONSENT),
        ("pl", Regime.QUALITY, _K, heard("REC_CONSENT", "2", Ended.KEY, 900), {}, Verdict.NO_CONSENT),
        ("pl", Regime.QUALITY, _K, CONSENT, {"keys": None}, Verdict.UNKNOWN),
        ("pl", Regime.QUALITY, _K, ONE, {"keys": None}, Verdict.UNKNOWN),
        # consented, and thought better of it
        ("pl", Regime.QUALITY, _K, ONE, {"keys": [after("7")]}, Verdict.OBJECTED),
        # a key after another prompt, or after one that was not heard, is none
        ("pl", Regime.QUALITY, _K, heard("L1", "1", Ended.KEY, 900), {}, Verdict.NOT_ANNOUNCED),
        ("pl", Regime.QUALITY, _K, heard("REC_CONSENT", "1", Ended.KEY, 0), {}, Verdict.NOT_ANNOUNCED),
        (
            "pl",
            Regime.QUALITY,
            _K,
            heard("REC_CONSENT", None, Ended.FAILED, 900),
            {"keys": [after("1")]},
            Verdict.NOT_ANNOUNCED,
        ),
        ("pl", Regime.QUALITY, _K, None, {"keys": [after("1")]}, Verdict.NOT_ANNOUNCED),
        ("pl", Regime.QUALITY, _K, OBJECT, {"keys": [after("1")]}, Verdict.NOT_ANNOUNCED),
        # announced: played to its end and no 7
        ("pl", Regime.QUALITY, _A, OBJECT, {}, Verdict.ANNOUNCED),
        ("pl", Regime.QUALITY, _A, OBJECT, {"keys": [after("5")]}, Verdict.ANNOUNCED),
        ("pl", Regime.QUALITY, _A, OBJECT, {"keys": [after("7")]}, Verdict.OBJECTED),
        ("pl", Regime.QUALITY, _A, heard("REC_OBJECT", "7", Ended.KEY, 900), {}, Verdict.OBJECTED),
        ("pl", Regime.QUALITY, _A, OBJECT, {"keys": None}, Verdict.UNKNOWN),
        ("pl", Regime.QUALITY, _A, OBJECT, {"balancing_test": None}, Verdict.NO_BALANCING_TEST),
        ("pl", Regime.QUALITY, _A, OBJECT, {"balancing_test": ""}, Verdict.NO_BALANCING_TEST),
        ("pl", Regime.QUALITY, _A, heard("REC_OBJECT", None, Ended.HANGUP, 900), {}, Verdict.NOT_ANNOUNCED),
        ("pl", Regime.QUALITY, _A, ANNOUNCE, {}, Verdict.NOT_ANNOUNCED),
        # an objection carries over, and so does not knowing of one
        ("pl", Regime.QUALITY, _A, OBJECT, {"objected": True}, Verdict.OBJECTED),
        ("pl", Regime.QUALITY, _A, OBJECT, {"objected": None}, Verdict.UNKNOWN),
        ("pl", Regime.QUALITY, _K, ONE, {"objected": True}, Verdict.OBJECTED),
        ("pl", Regime.QUALITY, _K, ONE, {"objected": None}, Verdict.UNKNOWN),
        # retention
        ("pl", Regime.QUALITY, _K, ONE, {"retention": Retention()}, Verdict.NO_RETENTION),
        ("pl", Regime.QUALITY, _K, ONE, {"retention": Retention(days=90)}, Verdict.CONSENTED),
        ("pl", Regime.QUALITY, _K, ONE, {"retention": Retention(days=91)}, Verdict.NO_RETENTION),
        ("pl", Regime.QUALITY, _K, ONE, {"retention": Retention(to_year_end=True, days=1)}, Verdict.NO_RETENTION),
        # a contract needs a reference and a period; 7 is no way out of it, a letter is
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {}, Verdict.ANNOUNCED),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"balancing_test": None}, Verdict.ANNOUNCED),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"keys": [after("7")]}, Verdict.ANNOUNCED),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"objected": True}, Verdict.OBJECTED),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"objected": None}, Verdict.UNKNOWN),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"reference": None}, Verdict.NO_REFERENCE),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"reference": ""}, Verdict.NO_REFERENCE),
        ("pl", Regime.CONTRACT, _A, ANNOUNCE, {"retention": Retention()}, Verdict.NO_RETENTION),
        ("pl", Regime.CONTRACT, _A, OBJECT, {}, Verdict.NOT_ANNOUNCED),
        # a legal duty: no opt-out
        ("pl", Regime.LEGAL, _A, ANNOUNCE, {"keys": [after("7")]}, Verdict.ANNOUNCED),
        ("pl", Regime.LEGAL, _A, ANNOUNCE, {"keys": None, "objected": True}, Verdict.ANNOUNCED),
        ("pl", Regime.LEGAL, _A, heard("REC_ANNOUNCE", None, Ended.HANGUP, 900), {}, Verdict.NOT_ANNOUNCED),
        # Germany: always a key, of the caller and of the agent
        ("de", Regime.QUALITY, _K, ONE, {"agent_consented": True}, Verdict.CONSENTED),
        ("de", Regime.QUALITY, _K, ONE, {"agent_consented": False}, Verdict.NO_AGENT_CONSENT),
        ("de", Regime.QUALITY, _K, ONE, {"agent_consented": None}, Verdict.NO_AGENT_CONSENT),
        ("de", Regime.CONTRACT, _K, ONE, {"agent_consented": True}, Verdict.CONSENTED),
        ("de", Regime.CONTRACT, _K, CONSENT, {"agent_consented": True}, Verdict.NO_CONSENT),
        ("de", Regime.QUALITY, _A, OBJECT, {"agent_consented": True}, Verdict.NOT_ALLOWED_HERE),
        ("de", Regime.CONTRACT, _A, ANNOUNCE, {"agent_consented": True}, Verdict.NOT_ALLOWED_HERE),
        ("de", Regime.LEGAL, _A, ANNOUNCE, {"agent_consented": True}, Verdict.NOT_ALLOWED_HERE),
        # nothing to record under
        ("pl", Regime.NONE, _A, ANNOUNCE, {}, Verdict.NO_REGIME),
        ("pl", Regime.HOLD, _A, ANNOUNCE, {}, Verdict.NO_REGIME),
        ("pl", Regime.QUALITY, None, ONE, {}, Verdict.NO_REGIME),
    ],
)
def test_may_record(
    *,
    rules: str,
    regime: Regime,
    mode: Mode | None,
    announcement: NoticeReceipt | None,
    change: dict[str, Any],
    verdict: Verdict,
) -> None:
    permission: RecordingPermission = ask(rules, regime, mode, announcement, **change)
    granted = verdict in (Verdict.CONSENTED, Verdict.ANNOUNCED)
    assert (permission.allowed, permission.verdict) == (granted, verdict)
    assert permission.announcement == announcement_for(regime, mode)
    # what is not recorded is kept for no time at all
    assert permission.retention == (change.get("retention", DAYS) if granted else Retention())


RECEIPTS = st.sampled_from(
    [None, CONSENT, OBJECT, ANNOUNCE, ONE, heard("L1"), heard("REC_OBJECT", None, Ended.HANGUP, 900)]
)
KEYS = st.none() | st.lists(st.builds(KeyPressed, st.sampled_from("0123456789*#"), st.integers(AT - 9_000, AT + 9_000)))
TRI = st.sampled_from([True, False, None])


@UNHURRIED
@given(
    rules=st.sampled_from(sorted(RECORDING_RULES)),
    regime=st.sampled_from(Regime),
    mode=st.none() | st.sampled_from(Mode),
    announcement=RECEIPTS,
    keys=KEYS,
    retention=st.builds(Retention, st.integers(0, 100), st.integers(0, 3), st.booleans()),
    test=st.sampled_from([None, "", TEST]),
    reference=st.sampled_from([None, "", "LAB"]),
    objected=TRI,
    agent=TRI,
)
def test_nothing_is_recorded_without_its_complete_announcement(
    *,
    rules: str,
    regime: Regime,
    mode: Mode | None,
    announcement: NoticeReceipt | None,
    keys: list[KeyPressed] | None,
    retention: Retention,
    test: str | None,
    reference: str | None,
    objected: bool | None,
    agent: bool | None,
) -> None:
    granted = may_record(
        RECORDING_RULES[rules],
        regime,
        mode,
        announcement,
        keys,
        retention=retention,
        balancing_test=test,
        reference=reference,
        objected=objected,
        agent_consented=agent,
    )
    if not granted.allowed:
        return
    assert announcement is not None
    assert announcement.complete
    assert announcement.prompt == granted.announcement
    assert not retention.is_zero
    assert rules != "de" or (agent is True and mode is Mode.KEYPRESS)
    assert regime is Regime.LEGAL or objected is False
    if mode is Mode.KEYPRESS:
        assert announcement.key == "1" or "1" in {k.key for k in keys or []}


# --- retention --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "regime", "chosen", "expected"),
    [
        ("pl", Regime.QUALITY, None, Retention(days=30)),
        ("pl", Regime.QUALITY, Retention(days=90), Retention(days=90)),
        ("pl", Regime.LEGAL, None, Retention(years=5)),
        ("eu", Regime.CONTRACT, None, Retention()),
        ("pl", Regime.CONTRACT, None, Retention()),
        ("pl", Regime.CONTRACT, Retention(years=6), Retention(years=6)),
        ("cz", Regime.CONTRACT, None, Retention(years=3)),
        ("de", Regime.CONTRACT, None, Retention(years=3, to_year_end=True)),
        ("de", Regime.NONE, None, Retention()),
    ],
)
def test_how_long_each_regime_keeps(rules: str, regime: Regime, chosen: Retention | None, expected: Retention) -> None:
    assert retention_for(RECORDING_RULES[rules], regime, chosen) == expected


@pytest.mark.parametrize("chosen", [Retention(days=91), Retention(years=1), Retention(days=1, to_year_end=True)])
def test_a_quality_recording_is_kept_for_at_most_90_days(chosen: Retention) -> None:
    with pytest.raises(RetentionError, match="at most 90 days"):
        retention_for(RECORDING_RULES["pl"], Regime.QUALITY, chosen)


@pytest.mark.parametrize("bad", [{"days": -1}, {"days": 36_501}, {"years": -1}, {"years": 101}])
def test_absurd_periods_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(RetentionError, match="between 0 and 100 years"):
        Retention(**bad)


@pytest.mark.parametrize(
    ("regime", "announcement", "reached"),
    [
        (Regime.QUALITY, PromptKind.REC_OBJECT, True),
        (Regime.QUALITY, PromptKind.REC_CONSENT, True),
        (Regime.CONTRACT, PromptKind.REC_ANNOUNCE, False),
        (Regime.CONTRACT, PromptKind.REC_CONSENT, True),
        (Regime.LEGAL, PromptKind.REC_ANNOUNCE, False),
        (Regime.LEGAL, PromptKind.REC_CONSENT, True),
    ],
)
def test_which_recordings_an_objection_in_the_call_ends(
    regime: Regime, announcement: PromptKind, reached: bool
) -> None:
    assert objection_reaches(regime, announcement) is reached


def ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type] # a date's parts


@pytest.mark.parametrize(
    ("started", "retention", "contract_end", "expected"),
    [
        ((2026, 11, 21, 10, 30), Retention(days=30), None, (2026, 12, 21, 10, 30)),
        ((2026, 2, 1), Retention(days=30), None, (2026, 3, 3)),
        ((2026, 11, 21), Retention(years=5), None, (2031, 11, 21)),
        ((2028, 2, 29, 12), Retention(years=3), None, (2031, 3, 1, 12)),
        ((2028, 2, 29), Retention(years=4), None, (2032, 2, 29)),
        ((2096, 2, 29), Retention(years=4), None, (2100, 3, 1)),
        ((2026, 11, 21), Retention(years=3, to_year_end=True), None, (2030, 1, 1)),
        ((2026, 1, 1), Retention(years=3, to_year_end=True), None, (2030, 1, 1)),
        # the tail counts from the contract's end, never from before the recording
        ((2026, 11, 21), Retention(years=3), (2028, 6, 30), (2031, 6, 30)),
        ((2026, 11, 21), Retention(years=3), (2020, 1, 1), (2029, 11, 21)),
    ],
)
def test_when_a_recording_must_be_gone(
    started: tuple[int, ...], retention: Retention, contract_end: tuple[int, ...] | None, expected: tuple[int, ...]
) -> None:
    end = None if contract_end is None else ms(*contract_end)
    assert delete_after(ms(*started), retention, end) == ms(*expected)


@UNHURRIED
@given(
    started=st.integers(0, 4_000_000_000_000),
    retention=st.builds(Retention, st.integers(0, 3_650), st.integers(0, 100), st.booleans()),
)
def test_the_period_is_never_longer_than_its_bound_nor_shorter_than_its_days(
    started: int, retention: Retention
) -> None:
    kept = delete_after(started, retention) - started
    day = 86_400_000
    assert (retention.days + 365 * retention.years) * day <= kept <= retention.longest_days() * day + day

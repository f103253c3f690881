"""Numbers as the network delivers them: presented or not, the caller's own or not, diallable or not, and masked."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oddzwon.domain.number import (
    E164,
    EU,
    EU_EEA,
    GB,
    ORDINARY_KINDS,
    NotANumber,
    NotE164Error,
    Number,
    NumberFault,
    NumberKind,
    NumberPolicy,
    Presentation,
    diverted,
    mask,
    number_findings,
    parse,
    presentation,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy: no example is timed
FROM = "<sip:+48600100200@198.51.100.7>"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'

# --- presentation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_pres", "privacy", "from_uri", "expected"),
    [
        ("allowed", "", FROM, Presentation.ALLOWED),
        ("allowed", None, FROM, Presentation.ALLOWED),
        ("allowed_not_screened", "", FROM, Presentation.ALLOWED),
        ("allowed_passed_screen", "none", FROM, Presentation.ALLOWED),
        ("allowed_failed_screen", "", FROM, Presentation.ALLOWED),
        ("allowed_passed_screen", "history", FROM, Presentation.ALLOWED),
        ("allowed", "", "<tel:+48600100200>", Presentation.ALLOWED),
        # the caller asked for privacy, though the network delivers his identity (P-Asserted-Identity)
        ("allowed_passed_screen", "id", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "ID", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "user", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "header", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "critical", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "header; id ;critical", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "none;id", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "history,id", FROM, Presentation.WITHHELD),
        ("allowed_passed_screen", "", ANONYMOUS, Presentation.WITHHELD),
        ("allowed_passed_screen", "none", "sip:anonymous@anonymous.invalid", Presentation.WITHHELD),
        ("allowed_passed_screen", "", "sip:Anonymous@carrier.example;user=phone", Presentation.WITHHELD),
        ("allowed_passed_screen", "", "<sip:anonymous.invalid>", Presentation.WITHHELD),
        ("allowed_passed_screen", "", "<sips:+48600100200@ANONYMOUS.invalid.>", Presentation.WITHHELD),
        ("allowed_passed_screen", "", "Anonymous <sip:+48600100200@198.51.100.7>", Presentation.WITHHELD),
        # a display name dressed up as an address hides nothing
        ("allowed", "", '"<sip:x@y>" <sip:anonymous@anonymous.invalid>', Presentation.WITHHELD),
        ("allowed", "", '"sip:x@y" <sip:anonymous@carrier.example>', Presentation.WITHHELD),
        ("prohib", "", FROM, Presentation.WITHHELD),
        ("prohib_passed_screen", "none", FROM, Presentation.WITHHELD),
        ("prohib_not_screened", None, None, Presentation.WITHHELD),
        (None, "id", None, Presentation.WITHHELD),
        # not read, or not understood
        ("unavailable", "", FROM, Presentation.UNKNOWN),
        (None, "", FROM, Presentation.UNKNOWN),
        ("", "", FROM, Presentation.UNKNOWN),
        ("allowed", None, None, Presentation.UNKNOWN),
        ("allowed", "", None, Presentation.UNKNOWN),
        ("allowed", "", "", Presentation.UNKNOWN),
        ("allowed", "something-new", FROM, Presentation.UNKNOWN),
        ("allowedly", "", FROM, Presentation.UNKNOWN),
    ],
)
def test_presentation(num_pres: str | None, privacy: str | None, from_uri: str | None, expected: Presentation) -> None:
    assert presentation(num_pres, privacy, from_uri) is expected


PARTY = "<sip:+48600100200@carrier.example>;party=calling"


@pytest.mark.parametrize(
    ("remote_party", "expected"),
    [
        ("", Presentation.ALLOWED),
        (f"{PARTY};privacy=off", Presentation.ALLOWED),
        (f'{PARTY};privacy="OFF";screen=yes', Presentation.ALLOWED),
        (f"{PARTY};privacy=full;screen=yes", Presentation.WITHHELD),
        (f"{PARTY} ; Privacy = FULL", Presentation.WITHHELD),
        (f"{PARTY};privacy=uri-network", Presentation.WITHHELD),
        (f"{PARTY};privacy=name", Presentation.WITHHELD),
        (f"{PARTY};privacy=", Presentation.WITHHELD),
        # two of them, joined by the dialplan
        (f"{PARTY};privacy=off;{PARTY};privacy=full;", Presentation.WITHHELD),
    ],
)
def test_the_older_header_asks_for_privacy_as_well(remote_party: str, expected: Presentation) -> None:
    assert presentation("allowed_passed_screen", ";;", FROM, remote_party) is expected


@pytest.mark.parametrize(
    ("from_uri", "expected"),
    [
        ("<sip:restricted@carrier.example>", Presentation.WITHHELD),
        ("<sip:Private@carrier.example;user=phone>", Presentation.WITHHELD),
        ('"Withheld" <sip:withheld@carrier.example>', Presentation.WITHHELD),
        ('"Unavailable" <sip:unavailable@unknown.invalid>', Presentation.WITHHELD),
        ("<sip:+48600100200@withheld.invalid>", Presentation.WITHHELD),
        ("<sip:unavailable@carrier.example>", Presentation.UNKNOWN),
        ("<sip:unknown@carrier.example>", Presentation.UNKNOWN),
        ("<sip:privatebank@carrier.example>", Presentation.ALLOWED),
        ("<sip:+48600100200@invalid.example>", Presentation.ALLOWED),
    ],
)
def test_a_from_that_names_nobody(from_uri: str, expected: Presentation) -> None:
    """Whatever identity stands beside it (RFC 3323 section 4.1; RFC 2606: .invalid is no host)."""
    assert presentation("allowed_passed_screen", "", from_uri) is expected


@pytest.mark.parametrize("asked", ["none;id", ";;id", "none;;user;header", ";critical;"])
def test_every_privacy_header_counts(asked: str) -> None:
    """Asterisk itself looks at the first one only."""
    assert presentation("allowed_not_screened", asked, FROM) is Presentation.WITHHELD


ANY_TEXT = st.none() | st.text(max_size=40) | st.text(alphabet='<>@;:"sipanonymous.invalid ', max_size=60)


@UNHURRIED
@given(num_pres=ANY_TEXT, privacy=ANY_TEXT, from_uri=ANY_TEXT)
def test_a_wish_for_privacy_prevails_over_anything(
    num_pres: str | None, privacy: str | None, from_uri: str | None
) -> None:
    assert presentation(num_pres, f"{privacy or ''};id", from_uri) is Presentation.WITHHELD
    assert presentation("prohib_not_screened", privacy, from_uri) is Presentation.WITHHELD
    if presentation(num_pres, privacy, from_uri) is Presentation.ALLOWED:
        assert (num_pres or "").strip().lower().startswith("allowed")


@pytest.mark.parametrize(
    ("diversion", "history", "redirecting", "expected"),
    [
        (None, None, "", False),
        ("", " ", "", False),
        ("<sip:+48221234567@carrier.example>;reason=unconditional", None, "", True),
        (None, "<sip:+48221234567@carrier.example?Reason=SIP;cause=302>;index=1.1", "", True),
        (None, None, "+48221234567", True),
        # the headers tell, though the channel's own word was not read
        ("<sip:+48221234567@carrier.example>", None, None, True),
        (None, "<sip:+48221234567@carrier.example>;index=1", None, True),
        ("", "", None, None),
        (None, None, None, None),
    ],
)
def test_diversion(diversion: str | None, history: str | None, redirecting: str | None, expected: bool | None) -> None:
    assert diverted(diversion, history, redirecting) is expected


# --- the number plan --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("+48600100200", "PL", Number("+48600100200", "PL", NumberKind.MOBILE, 48)),
        ("0048600100200", "PL", Number("+48600100200", "PL", NumberKind.MOBILE, 48)),
        ("48600100200", "PL", Number("+48600100200", "PL", NumberKind.MOBILE, 48)),
        ("600 100 200", "pl", Number("+48600100200", "PL", NumberKind.MOBILE, 48)),
        ("(22) 123-45.67", "PL", Number("+48221234567", "PL", NumberKind.FIXED, 48)),
        ("+420601123456", "PL", Number("+420601123456", "CZ", NumberKind.MOBILE, 420)),
        ("+4930221234567", "XX", Number("+4930221234567", "DE", NumberKind.FIXED, 49)),
        ("+442071234567", "", Number("+442071234567", "GB", NumberKind.FIXED, 44)),
        ("+390612345678", "PL", Number("+390612345678", "IT", NumberKind.FIXED, 39)),
        ("+12125550100", "PL", Number("+12125550100", "US", NumberKind.FIXED_OR_MOBILE, 1)),
        ("+35818123456", "PL", Number("+35818123456", "AX", NumberKind.FIXED, 358)),
        ("+48700123456", "PL", Number("+48700123456", "PL", NumberKind.PREMIUM, 48)),
        ("+48801123456", "PL", Number("+48801123456", "PL", NumberKind.SHARED_COST, 48)),
        ("+48800123456", "PL", Number("+48800123456", "PL", NumberKind.TOLL_FREE, 48)),
        ("+870773111632", "PL", Number("+870773111632", None, NumberKind.SATELLITE, 870)),
        ("+881612345678", "PL", Number("+881612345678", None, NumberKind.SATELLITE, 881)),
        ("+8835100012345", "PL", Number("+8835100012345", None, NumberKind.SATELLITE, 883)),
        ("+48999999999", "PL", Number("+48999999999", "PL", NumberKind.UNKNOWN, 48)),
    ],
)
def test_numbers(raw: str, region: str, expected: Number) -> None:
    assert parse(raw, region) == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", NumberFault.EMPTY),
        ("   ", NumberFault.EMPTY),
        ("112", NumberFault.TOO_SHORT),
        ("999", NumberFault.TOO_SHORT),
        ("+48", NumberFault.TOO_SHORT),
        ("+48112", NumberFault.TOO_SHORT),
        ("1" * 40, NumberFault.TOO_LONG),
        ("+" + "4" * 100_000, NumberFault.TOO_LONG),
        ("+48600100200" + " " * 60 + "0", NumberFault.TOO_LONG),
        ("+486001002003004", NumberFault.TOO_LONG),
        ("+999123456789", NumberFault.NO_COUNTRY),
        ("+", NumberFault.CHARACTERS),
        ("()", NumberFault.CHARACTERS),
        ("+48600100200\r\nAction: Originate", NumberFault.CHARACTERS),
        ("+48600100200\n", NumberFault.CHARACTERS),
        ("\x00+48600100200", NumberFault.CHARACTERS),
        ("+48600100200;ext=5", NumberFault.CHARACTERS),
        ("+48600100200@evil.example", NumberFault.CHARACTERS),
        ("٤٨٦٠٠١٠٠٢٠٠", NumberFault.CHARACTERS),
        ("+48６００100200", NumberFault.CHARACTERS),
        ("1-800-FLOWERS", NumberFault.CHARACTERS),
        ("anonymous", NumberFault.CHARACTERS),
        ("++48600100200", NumberFault.CHARACTERS),
    ],
)
def test_what_is_no_number(raw: str, reason: NumberFault) -> None:
    assert parse(raw, "PL") == NotANumber(reason)


@UNHURRIED
@given(
    raw=st.text(max_size=60) | st.from_regex(re.compile(r"\+?[0-9 ().-]{0,45}"), fullmatch=True),
    region=st.sampled_from(["PL", "CZ", "DE", "GB", "US", "AQ", "001", "", "☃"]) | st.text(max_size=3),
)
@example(raw="+48600100200\r\n", region="PL")
@example(raw="00" * 10, region="PL")
def test_only_e164_leaves_and_nothing_crashes(raw: str, region: str) -> None:
    found = parse(raw, region)
    if isinstance(found, Number):
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", found.e164, re.ASCII)
        assert found.e164.startswith(f"+{found.country_code}")
        # a number that was understood is understood again, wherever it is read
        assert parse(found.e164, "XX") == found


@pytest.mark.parametrize("e164", ["", "48600100200", "+0123456789", "+48600", "+48600100200\n", "+1234567890123456"])
def test_no_number_is_made_by_hand_around_the_check(e164: str) -> None:
    with pytest.raises(NotE164Error, match=r"not an E\.164 number") as error:
        Number(e164, "PL", NumberKind.MOBILE, 48)
    assert not e164 or e164 not in str(error.value)


@pytest.mark.parametrize(
    ("raw", "invalid", "premium", "unknown_range", "country"),
    [
        ("+48600100200", True, True, True, True),
        ("+420601123456", True, True, True, True),
        ("+35818123456", True, True, True, True),
        ("+12125550100", True, True, True, False),
        ("+442071234567", True, True, True, False),
        ("+48700123456", True, False, True, True),
        ("+48801123456", True, False, True, True),
        ("+48800123456", True, False, True, True),
        ("+870773111632", True, False, True, None),
        ("+48999999999", True, None, False, True),
        ("112", False, None, None, None),
        ("", False, None, None, None),
        (None, None, None, None, None),
    ],
)
def test_findings(
    raw: str | None, invalid: bool | None, premium: bool | None, unknown_range: bool | None, country: bool | None
) -> None:
    found = number_findings(None if raw is None else parse(raw, "PL"), NumberPolicy())
    results = (found.invalid[0], found.premium[0], found.unknown_range[0], found.country[0])
    assert results == (invalid, premium, unknown_range, country)


def test_every_kind_outside_the_allow_list_is_refused() -> None:
    passed = {
        kind
        for kind in NumberKind
        if number_findings(Number("+48600100200", "PL", kind, 48), NumberPolicy()).premium[0]
    }
    assert passed == ORDINARY_KINDS == {"fixed", "mobile", "fixed_or_mobile", "voip"}


def test_the_allowed_countries() -> None:
    assert len(EU) == 27
    assert {"IS", "LI", "NO", "AX"} == EU_EEA - EU
    assert not (EU_EEA & GB)
    assert not (EU_EEA & {"CH", "US", "GB", "RU"})


# --- the mask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("e164", "shown"),
    [
        ("+48600100200", "+48600•••200"),
        ("+420601123456", "+420601•••456"),
        ("+4930221234567", "+49302•••567"),
        ("+12125550100", "+1212•••100"),
        # a short national number shows less, so that three digits stay hidden
        ("+4520123456", "+4520•••456"),
        ("+3545123456", "+3545•••456"),
        ("+29012345", "•••"),
        ("+999123456789", "•••"),
        ("", "•••"),
        ("112", "•••"),
        ("600100200", "•••"),
        ("+48600100200\r\n", "•••"),
    ],
)
def test_mask(e164: str, shown: str) -> None:
    assert mask(e164) == shown


@UNHURRIED
@given(e164=st.from_regex(E164, fullmatch=True) | st.text(max_size=30))
def test_the_mask_hides_at_least_three_digits_and_never_adds_any(e164: str) -> None:
    shown = mask(e164)
    head, dots, tail = shown.partition("•••")
    assert dots == "•••"
    assert e164.startswith(head)
    assert e164.endswith(tail)
    assert shown == dots or len(head) + len(tail) + 3 <= len(e164)
    assert len(tail) <= 3
    assert len(head) <= 1 + 3 + 3

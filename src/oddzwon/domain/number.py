"""A caller's number: was it presented, is it the caller's own, may it be dialled at an ordinary tariff?

Only a validated E.164 number (ITU-T E.164) leaves this module, whatever the network delivered: :func:`parse` takes any
string and never raises. The number plan is that of phonenumbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""Matched in full: the shape of every number that leaves this module."""


class DomainError(ValueError):
    """The base of the domain's errors: a value that no caller of the domain may pass.

    ::

        DomainError
        ├── NotE164Error      number, rights: not a validated number
        ├── WeakSecretError   rights: the key of the number hash is too short
        ├── RetentionError    recording: a period that the regime does not allow
        └── PolicyError       policy: a parameter out of its bounds
    """


class NotE164Error(DomainError):
    """A string that is no E.164 number. The message does not repeat it: it may be personal."""


class Presentation(StrEnum):
    """Whether the caller showed his number."""

    ALLOWED = "allowed"
    WITHHELD = "withheld"
    UNKNOWN = "unknown"


_PRIVACY_ASKED: Final = frozenset({"id", "user", "header", "session", "critical"})
_PRIVACY_NOT_ASKED: Final = frozenset({"none", "history"})
_FROM_USER: Final = re.compile(r"sips?:(?:([^@<>;\s]*)@)?([^<>;:?\s]*)", re.IGNORECASE)
_HIDDEN_USERS: Final = frozenset({"anonymous", "restricted", "private", "withheld"})
_UNKNOWN_USERS: Final = frozenset({"unavailable", "unknown"})
_PARTY_PRIVACY: Final = re.compile(r";\s*privacy\s*=\s*\"?([a-z-]*)", re.IGNORECASE)


def presentation(
    num_pres: str | None, privacy_header: str | None, from_uri: str | None, remote_party: str | None = None
) -> Presentation:
    """Whether the number was presented; what the network delivered in spite of CLIR counts for nothing.

    ``num_pres`` is ``CALLERID(num-pres)``, ``privacy_header`` every Privacy header (RFC 3323 section 4.2, RFC 3325
    ``id``; None or empty: there is none), ``from_uri`` the From header or its URI, ``remote_party`` every
    Remote-Party-ID (draft-ietf-sip-privacy-04), which Asterisk overlooks beside a P-Asserted-Identity. Every SIP call
    has a From: where it could not be read no header could, and the answer is :attr:`Presentation.UNKNOWN`. Any sign of
    a wish for privacy prevails over every sign against it.
    """
    pres = (num_pres or "").strip().lower()
    asked = {token for token in re.split(r"[;,\s]+", (privacy_header or "").lower()) if token}
    party = {word.lower() for word in _PARTY_PRIVACY.findall(remote_party or "")} - {"off"}
    users = _users_in(from_uri or "")
    if pres.startswith("prohib") or asked & _PRIVACY_ASKED or party or users & _HIDDEN_USERS:
        return Presentation.WITHHELD
    if not from_uri or asked - _PRIVACY_NOT_ASKED or users & _UNKNOWN_USERS:
        return Presentation.UNKNOWN
    return Presentation.ALLOWED if pres.split("_")[0] == "allowed" else Presentation.UNKNOWN


def _users_in(from_header: str) -> set[str]:
    """Who the From header says is calling; a host that cannot exist (``.invalid``) stands for ``anonymous``.

    RFC 3323 section 4.1: ``"Anonymous" <sip:anonymous@anonymous.invalid>``; any part of it is wish enough. Every URI in
    it is looked at: a display name may be dressed up as one.
    """
    display = from_header.rpartition("<")[0].strip().strip('"').strip().lower()
    users = {"anonymous"} & {display, from_header.strip().lower()}
    for uri in _FROM_USER.finditer(from_header):
        user, host = (uri.group(1) or "").lower(), uri.group(2).lower().rstrip(".")
        users.add(user.partition(":")[0])
        if host.endswith(".invalid"):
            users.add("anonymous")
    return users


def diverted(
    diversion_header: str | None, history_info_header: str | None, redirecting_from: str | None
) -> bool | None:
    """Whether the call came over another number, so that the one shown may not be the caller's own.

    ``diversion_header`` (RFC 5806) and ``history_info_header`` (RFC 7044; any history counts): None or empty, there is
    none; AGI cannot tell a header that is absent from one that it could not read. ``redirecting_from`` is
    ``REDIRECTING(from-num)``, which every channel has (empty: not redirected) and Asterisk fills from Diversion: None
    means that it was not read, and None is returned unless a header tells.
    """
    if any(sign is not None and sign.strip() for sign in (diversion_header, history_info_header, redirecting_from)):
        return True
    return None if redirecting_from is None else False


class NumberKind(StrEnum):
    """What a number range is used for, by phonenumbers."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    VOIP = "voip"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    PERSONAL = "personal"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    SATELLITE = "satellite"
    UNKNOWN = "unknown"


_KINDS: Final = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
    PhoneNumberType.VOIP: NumberKind.VOIP,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.PAGER: NumberKind.PAGER,
    PhoneNumberType.UAN: NumberKind.UAN,
    PhoneNumberType.VOICEMAIL: NumberKind.VOICEMAIL,
}

# ITU-T E.164.1: Inmarsat, UPT, GMSS, international networks; phonenumbers calls some of them mobile, no tariff does
_NON_GEOGRAPHIC: Final = frozenset({870, 878, 881, 882, 883})

ORDINARY_KINDS: Final = frozenset({NumberKind.FIXED, NumberKind.MOBILE, NumberKind.FIXED_OR_MOBILE, NumberKind.VOIP})
"""The kinds dialled at an ordinary tariff: legal.md section A's allow-list."""

EU: Final = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
"""The member states of the European Union (Art. 52 TEU) by ISO 3166-1 code."""

EU_EEA: Final = EU | {"IS", "LI", "NO"} | {"AX"}
"""The EU and the other states of the EEA Agreement (Decision of the EEA Joint Committee 154/2018: GDPR applies); Åland
is Finnish, and has a code of its own in number plans only."""

GB: Final = frozenset({"GB"})
"""The United Kingdom (adequate by Commission decision (EU) 2021/1772)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a country's number plan. ``region`` is ISO 3166-1, None where the range belongs to none."""

    e164: str
    region: str | None
    kind: NumberKind
    country_code: int

    def __post_init__(self) -> None:
        """Refuse what is not E.164.

        :raises NotE164Error: always then.
        """
        if E164.fullmatch(self.e164) is None:
            raise NotE164Error("not an E.164 number: expected +, a country code and 7 to 15 digits in all")


class NumberFault(StrEnum):
    """Why a string is no number that can be dialled."""

    EMPTY = "empty"
    CHARACTERS = "characters"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_COUNTRY = "no_country"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class NotANumber:
    """What came as a caller's number is none; the string itself is not kept."""

    reason: NumberFault


def parse(raw: str, region: str) -> Number | NotANumber:
    """The number meant by ``raw`` for a trunk in ``region`` (ISO 3166-1, used for national numbers). Never raises.

    ASCII digits, an optional leading ``+`` and the separators space ``- . / ( )`` only: letters, other scripts' digits,
    extensions and control characters are refused rather than guessed at.
    """
    if not raw.strip(" "):
        return NotANumber(NumberFault.EMPTY)
    bare = raw[:64].translate(_SEPARATORS)
    if len(raw) > 64:
        return NotANumber(NumberFault.TOO_LONG)
    if _DIGITS.fullmatch(bare) is None:
        return NotANumber(NumberFault.CHARACTERS)
    if len(bare.lstrip("+")) > 20:  # E.164's 15 and a prefix for dialling abroad
        return NotANumber(NumberFault.TOO_LONG)
    return _in_plan(bare, region.upper())


_SEPARATORS: Final = str.maketrans("", "", " -./()")
_DIGITS: Final = re.compile(r"\+?[0-9]+")
_BY_PARSE_ERROR: Final = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: NumberFault.NO_COUNTRY,
    phonenumbers.NumberParseException.TOO_LONG: NumberFault.TOO_LONG,
    phonenumbers.NumberParseException.NOT_A_NUMBER: NumberFault.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: NumberFault.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_SHORT_NSN: NumberFault.TOO_SHORT,
}


def _in_plan(bare: str, region: str) -> Number | NotANumber:
    try:
        found = phonenumbers.parse(bare, region)
    except phonenumbers.NumberParseException as error:
        return NotANumber(_BY_PARSE_ERROR.get(error.error_type, NumberFault.IMPOSSIBLE))
    possible = phonenumbers.is_possible_number_with_reason(found)
    if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return NotANumber(NumberFault.TOO_SHORT)
    if possible == ValidationResult.TOO_LONG:
        return NotANumber(NumberFault.TOO_LONG)
    if possible == ValidationResult.INVALID_COUNTRY_CODE:
        return NotANumber(NumberFault.NO_COUNTRY)
    e164 = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    if possible != ValidationResult.IS_POSSIBLE or E164.fullmatch(e164) is None:
        return NotANumber(NumberFault.IMPOSSIBLE)
    kind = _KINDS.get(phonenumbers.number_type(found), NumberKind.UNKNOWN)
    if found.country_code in _NON_GEOGRAPHIC:
        kind = NumberKind.SATELLITE
    return Number(e164, _region(found), kind, int(found.country_code or 0))


def _region(found: phonenumbers.PhoneNumber) -> str | None:
    region = phonenumbers.region_code_for_number(found)
    return None if region in (None, phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY) else str(region)


@dataclass(frozen=True, slots=True)
class NumberPolicy:
    """What may be dialled: ``allowed_countries`` are ISO 3166-1 codes, ``kinds`` an allow-list."""

    allowed_countries: frozenset[str] = EU_EEA
    kinds: frozenset[NumberKind] = ORDINARY_KINDS


Finding: TypeAlias = tuple[bool | None, str]
"""A condition's result (None: unknown) and its evidence in words, without any digit of a number."""


@dataclass(frozen=True, slots=True)
class NumberFindings:
    """The four conditions on a number of legal.md section A."""

    invalid: Finding
    premium: Finding
    unknown_range: Finding
    country: Finding


def number_findings(number: Number | NotANumber | None, policy: NumberPolicy) -> NumberFindings:
    """Whether the number may be dialled at an ordinary tariff; what cannot be told of it is unknown, not passed."""
    if number is None:
        unknown: Finding = (None, "no number known")
        return NumberFindings(unknown, unknown, unknown, unknown)
    if isinstance(number, NotANumber):
        none: Finding = (None, "not a number")
        return NumberFindings((False, f"not a number: {number.reason}"), none, none, none)
    in_plan = number.kind is not NumberKind.UNKNOWN
    return NumberFindings(
        invalid=(True, "possible in its number plan"),
        premium=(number.kind in policy.kinds, f"kind {number.kind}") if in_plan else (None, "range not known"),
        unknown_range=(in_plan, "range in use" if in_plan else "range not in the number plan"),
        country=_country(number.region, policy),
    )


def _country(region: str | None, policy: NumberPolicy) -> Finding:
    if region is None:
        return None, "country not known"
    allowed = region in policy.allowed_countries
    return allowed, f"country {region} {'allowed' if allowed else 'not allowed'}"


MASK: Final = "•••"


def mask(e164: str) -> str:
    """The number with its middle hidden, as in ``+48600•••200``: country code, 3 digits, the last 3.

    Never fewer than 3 digits are hidden: of a national number of 6 to 8 digits fewer leading ones are shown, and what
    is shorter, or no E.164 number at all, is hidden whole.
    """
    if E164.fullmatch(e164) is None:
        return MASK
    code = next((e164[1:n] for n in (2, 3, 4) if int(e164[1:n]) in _COUNTRY_CODES), None)
    if code is None:
        return MASK
    national = e164[1 + len(code) :]
    if len(national) < 6:
        return MASK
    head = min(3, len(national) - 6)
    return f"+{code}{national[:head]}{MASK}{national[-3:]}"


_COUNTRY_CODES: Final = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)

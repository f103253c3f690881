"""What the number plan says of the number that the caller shows (phonenumbers), and how it may be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from oddzwon.domain.lawfulness import Code
from tests.asterisk.bench import CS, DE, EN, PL
from tests.asterisk.conditions.case import Asked, Found, asked
from tests.asterisk.conditions.stranger import Stranger
from tests.asterisk.endings.case import Play
from tests.asterisk.endings.scene import Scene

NOT_TOLD: Final[Mapping[Code, Found]] = dict.fromkeys(
    (Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY), (None, "not a number")
) | dict.fromkeys((Code.DUPLICATE, Code.OBJECTED, Code.RESTRICTED, Code.REDIALLED), (None, "not known"))
"""What is no number is asked nothing more, and stands in no register."""


def shows(user: str, did: str = PL) -> Play:
    """He is cut off in the queue; his From had this user part."""

    async def play(scene: Scene) -> None:
        assert isinstance(scene, Stranger)
        await scene.is_cut_off(did=did, sender=f"<sip:{user}@carrier.example>" if user else "<sip:carrier.example>")

    return play


def none_at_all(name: str, user: str, reason: str) -> Asked:
    """What is no number is not stored as one either."""
    return asked(Code.INVALID, name, shows(user), {**NOT_TOLD, Code.INVALID: (False, f"not a number: {reason}")})


def kind(name: str, number: str, kind: str, country: str = "PL", **found: Found) -> Asked:
    """A number that no ordinary tariff is sure for."""
    region: Found = (True, f"country {country} allowed") if country else (None, "country not known")
    more = {Code.COUNTRY: region, Code.PREMIUM: (False, f"kind {kind}"), **{Code(k): v for k, v in found.items()}}
    return asked(Code.PREMIUM, name, shows(number), more, number=number)


def nowhere(name: str, number: str, country: str = "PL") -> Asked:
    """A range that is not in the number plan."""
    region: Found = (True, f"country {country} allowed") if country else (None, "country not known")
    found: Mapping[Code, Found] = {
        Code.PREMIUM: (None, "range not known"),
        Code.UNKNOWN_RANGE: (False, "range not in the number plan"),
        Code.COUNTRY: region,
    }
    return asked(Code.UNKNOWN_RANGE, name, shows(number), found, number=number)


def abroad(name: str, number: str, country: str, kind: str) -> Asked:
    """A country that is not allowed."""
    found = {Code.COUNTRY: (False, f"country {country} not allowed"), Code.PREMIUM: (True, f"kind {kind}")}
    return asked(Code.COUNTRY, name, shows(number), found, number=number)


def diallable(
    name: str, number: str, user: str = "", *, country: str = "PL", kind: str = "mobile", did: str = PL
) -> Asked:
    """He is called back by ``number``, however the network wrote it."""
    found: Mapping[Code, Found] = {
        Code.COUNTRY: (True, f"country {country} allowed"),
        Code.PREMIUM: (True, f"kind {kind}"),
    }
    about = Code.COUNTRY if country != "PL" and not user else Code.PREMIUM if kind != "mobile" else Code.INVALID
    return asked(about, name, shows(user or number, did), found, number=number)


CASES: Final[tuple[Asked, ...]] = (
    none_at_all("a From without a user part", "", "empty"),
    none_at_all("a From with letters", "alice", "characters"),
    none_at_all("a From with an extension's own number, 12 digits short", "12", "too_short"),
    none_at_all("the emergency number 112", "112", "too_short"),
    none_at_all("the emergency number +48 999", "+48999", "too_short"),
    none_at_all("a short code of five digits", "19115", "too_short"),
    none_at_all("a number with an extension", "+48600300101x5", "characters"),
    none_at_all("a number of 25 digits", "+486003001010000000000000", "too_long"),
    none_at_all("a country code that nobody has", "+999123456789", "no_country"),
    diallable("a number of the DID's own country, written as at home", "+48600300201", "600300201"),
    diallable("a number with the prefix 00", "+48600300202", "0048600300202"),
    diallable("a number without its plus", "+48600300203", "48600300203"),
    diallable("a German number as at home, on the German DID", "+491711234501", "01711234501", country="DE", did=DE),
    diallable("a Czech number as at home, on the Czech DID", "+420601300203", "601300203", country="CZ", did=CS),
    diallable("a British number as at home, on the British DID", "+447400300204", "07400300204", country="GB", did=EN),
    diallable("a fixed line", "+48221300205", kind="fixed"),
    diallable("a VoIP number", "+48391300206", kind="voip"),
    kind("a premium rate", "+48700300207", "premium"),
    kind("a premium rate in Germany", "+499001300208", "premium", "DE"),
    kind("shared cost", "+48801300209", "shared_cost"),
    kind("shared cost in Germany", "+491801300210", "shared_cost", "DE"),
    kind("toll-free", "+48800300211", "toll_free"),
    kind("a UAN", "+48804300212", "uan"),
    kind("a pager", "+48642300213", "pager"),
    kind("a personal number", "+420700300214", "personal", "CZ"),
    kind("a personal number in Britain, at its own tariff", "+447012300215", "personal", "GB"),
    kind("voicemail", "+420960300216", "voicemail", "CZ"),
    kind("Inmarsat, +870", "+870773300217", "satellite", ""),
    kind("a satellite network, +881", "+881612300218", "satellite", ""),
    kind("an international network, +882", "+882161300219", "satellite", ""),
    kind("toll-free everywhere, +800", "+80012300220", "toll_free", ""),
    kind("a premium rate everywhere, +979", "+979123300221", "premium", ""),
    nowhere("a range that nobody has", "+48999300222"),
    nowhere("a short code behind the country's own", "+48116111"),
    nowhere("digits behind the emergency number", "+48112300223"),
    nowhere("numbers for films", "+447700900224", ""),
    abroad("the United States", "+12125550125", "US", "fixed_or_mobile"),
    abroad("Jamaica, one of the expensive +1", "+18762300226", "JM", "mobile"),
    abroad("Switzerland", "+41791300227", "CH", "mobile"),
    abroad("the Isle of Man, within +44", "+447624300228", "IM", "mobile"),
    diallable("Åland, within +358", "+35818123229", country="AX", kind="fixed"),
    diallable("Norway, of the EEA", "+4740612230", country="NO"),
    diallable("Britain, allowed by the settings", "+447400300231", country="GB"),
)

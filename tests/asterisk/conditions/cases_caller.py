"""What the network says of the caller: does he show his number, and is it his own?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from oddzwon.domain.lawfulness import Code
from tests.asterisk.conditions.case import Asked, Found, asked
from tests.asterisk.conditions.stranger import Stranger
from tests.asterisk.endings.case import Play
from tests.asterisk.endings.scene import Scene

ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'
ASSERTED: Final = ("P-Asserted-Identity", "<sip:{number}@carrier.example>")
PARTY: Final = "<sip:{number}@carrier.example>;party=calling"
OTHER: Final = "+48221110000"

NOT_LOOKED_AT: Final[Mapping[Code, Found]] = dict.fromkeys(
    (Code.INVALID, Code.PREMIUM, Code.UNKNOWN_RANGE, Code.COUNTRY), (None, "no number known")
) | dict.fromkeys((Code.DUPLICATE, Code.RESTRICTED, Code.REDIALLED), (None, "not known"))
"""A number that is not shown is neither used nor stored: whatever is asked of it stays unknown, and refuses."""
WITHHELD: Final = {**NOT_LOOKED_AT, Code.CLIR: (False, "number withheld"), Code.OBJECTED: (None, "not known")}
NOT_TOLD: Final = {**WITHHELD, Code.CLIR: (None, "not known")}
DIVERTED: Final[Mapping[Code, Found]] = {Code.CLI_NOT_ORIGINATOR: (False, "diversion")}


def sends(sender: str = "", *headers: tuple[str, str]) -> Play:
    """He is cut off in the queue; his INVITE had this From and these headers."""

    async def play(scene: Scene) -> None:
        assert isinstance(scene, Stranger)
        await scene.is_cut_off(sender=sender, headers=headers)

    return play


def clir(name: str, sender: str, *headers: tuple[str, str], found: Mapping[Code, Found] = WITHHELD) -> Asked:
    return asked(Code.CLIR, name, sends(sender, *headers), found)


def own(name: str, *headers: tuple[str, str], found: Mapping[Code, Found] = DIVERTED) -> Asked:
    return asked(Code.CLI_NOT_ORIGINATOR, name, sends("", *headers), found)


HIDDEN: Final[tuple[Asked, ...]] = (
    clir("an anonymous From", ANONYMOUS),
    clir("an anonymous From, his number in P-Asserted-Identity", ANONYMOUS, ASSERTED),
    clir("an anonymous From, Privacy id, P-Asserted-Identity", ANONYMOUS, ASSERTED, ("Privacy", "id")),
    clir("an anonymous From, P-Preferred-Identity", ANONYMOUS, ("P-Preferred-Identity", "<sip:{number}@carrier>")),
    clir("the display name Anonymous beside his number", "Anonymous <sip:{number}@carrier.example>"),
    clir("a host that cannot exist beside his number", "<sip:{number}@anonymous.invalid>"),
    clir(
        "a display name dressed up as an address",
        f'"<sip:{OTHER}@carrier>" <sip:anonymous@anonymous.invalid>',
        ASSERTED,
    ),
    clir("From restricted, P-Asserted-Identity", "<sip:restricted@carrier.example>", ASSERTED),
    clir("From unavailable.invalid, P-Asserted-Identity", '"Unavailable" <sip:unavailable@unknown.invalid>', ASSERTED),
    clir("Privacy id beside a plain From", "", ("Privacy", "id")),
    clir("Privacy id, P-Asserted-Identity", "", ASSERTED, ("Privacy", "id")),
    clir(
        "Privacy id, P-Asserted-Identity as a tel URI", "", ("P-Asserted-Identity", "<tel:{number}>"), ("Privacy", "id")
    ),
    clir("Privacy user", "", ASSERTED, ("Privacy", "user")),
    clir("Privacy header", "", ASSERTED, ("Privacy", "header")),
    clir("Privacy session", "", ASSERTED, ("Privacy", "session")),
    clir("Privacy id;critical", "", ASSERTED, ("Privacy", "id;critical")),
    clir("Privacy none;id", "", ASSERTED, ("Privacy", "none;id")),
    clir("two Privacy headers, none and id", "", ASSERTED, ("Privacy", "none"), ("Privacy", "id")),
    clir("an empty Privacy, P-Asserted-Identity", "", ASSERTED, ("Privacy", "")),
    clir("Remote-Party-ID privacy=full", "", ("Remote-Party-ID", f"{PARTY};privacy=full;screen=yes")),
    clir("Remote-Party-ID privacy=uri", "", ("Remote-Party-ID", f"{PARTY};privacy=uri")),
    clir(
        "Remote-Party-ID privacy=full, P-Asserted-Identity", "", ASSERTED, ("Remote-Party-ID", f"{PARTY};privacy=full")
    ),
    clir(
        "two Remote-Party-IDs, the second with privacy=full",
        "",
        ("Remote-Party-ID", f"{PARTY};privacy=off"),
        ("Remote-Party-ID", f"{PARTY};privacy=full"),
    ),
    clir("From unknown, P-Asserted-Identity", "<sip:unknown@carrier.example>", ASSERTED, found=NOT_TOLD),
    clir("a Privacy that nobody knows", "", ASSERTED, ("Privacy", "discreet")),
)
"""Callers who hide their number, or of whom it is not known: nothing of it may be kept anywhere."""

CASES: Final[tuple[Asked, ...]] = (
    *HIDDEN,
    clir("a plain From", "", found={}),
    clir("P-Asserted-Identity, Privacy none", "<sip:carrier.example>", ASSERTED, ("Privacy", "none"), found={}),
    clir(
        "From and P-Asserted-Identity as tel URIs",
        "<tel:{number}>",
        ("P-Asserted-Identity", "<tel:{number}>"),
        found={},
    ),
    clir("Remote-Party-ID privacy=off", "", ("Remote-Party-ID", f"{PARTY};privacy=off;screen=yes"), found={}),
    own("Diversion (RFC 5806)", ("Diversion", f"<sip:{OTHER}@carrier.example>;reason=unconditional")),
    own("Diversion as a tel URI", ("Diversion", f"<tel:{OTHER}>;reason=no-answer")),
    own(
        "Diversion that hides by whom",
        ("Diversion", '"anonymous" <sip:anonymous@carrier>;privacy=full;reason=user-busy'),
    ),
    own(
        "two Diversions", ("Diversion", f"<sip:{OTHER}@carrier>;privacy=full"), ("Diversion", f"<sip:{OTHER}1@carrier>")
    ),
    own(
        "History-Info (RFC 7044), two headers",
        ("History-Info", f"<sip:{OTHER}@carrier.example?Reason=SIP%3Bcause%3D302>;index=1"),
        ("History-Info", "<sip:+48221234567@carrier.example;cause=302>;index=1.1"),
    ),
    own(
        "History-Info as tel URIs, with privacy",
        ("History-Info", f"<tel:{OTHER}?Privacy=history>;index=1, <tel:+48221234567>;index=1.1"),
    ),
    own("Referred-By: a transfer, not a diversion", ("Referred-By", f"<sip:{OTHER}@carrier.example>"), found={}),
    own("an empty Diversion", ("Diversion", ""), found={}),
)

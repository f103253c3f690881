"""Periods, times and addresses as a person would say them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from babel.units import format_unit

from oddzwon.prompts.errors import MalformedTextError
from oddzwon.prompts.texts import Language


@dataclass(frozen=True, slots=True)
class Period:
    """A whole number of days, of months or of years, at least 1 of exactly one of them."""

    days: int = 0
    months: int = 0
    years: int = 0

    def __post_init__(self) -> None:
        given = [number for number in (self.days, self.months, self.years) if number]
        if len(given) != 1 or given[0] < 1:
            raise MalformedTextError(
                f"a period is a positive number of days, of months or of years, not {self!r}: for example 30 days"
            )


def spoken_period(period: Period, language: Language) -> str:
    """The period with the language's plural: 1 dzień, 2 dni, 5 dni; 1 den, 2 dny, 5 dní (CLDR by Babel)."""
    unit, number = next(
        (unit, number)
        for unit, number in (("day", period.days), ("month", period.months), ("year", period.years))
        if number
    )
    words = format_unit(number, f"duration-{unit}", "long", locale=_LOCALE[language])
    # CLDR has the equally good "dnů"; "dní" is what people say
    return words.replace("dnů", "dní") if language is Language.CS else words


_LOCALE = {Language.PL: "pl", Language.CS: "cs", Language.DE: "de", Language.EN: "en_GB"}


def spoken_time(at: datetime, language: Language) -> str:
    """The minute of `at`, which the caller has put into the listener's time zone, in words.

    Declined for the place it has in the texts: "o czternastej pięć", "v čtrnáct hodin pět minut",
    "um vierzehn Uhr fünf", "at two oh five p.m.". Raises MalformedTextError for a time without a zone.
    """
    if at.utcoffset() is None:
        raise MalformedTextError(f"the time {at.isoformat()} has no time zone: give one, callers hear local time")
    return _CLOCK[language](at.hour, at.minute)


# --- numbers from 0 to 59 -----------------------------------------------------------------------------------


def _words(said: str) -> list[str]:
    return said.split()


_PL = _words(
    "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście "
    "czternaście piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście"
)
_PL_TENS = ["", "", "dwadzieścia", "trzydzieści", "czterdzieści", "pięćdziesiąt"]
_PL_HOURS = _words(
    "zero pierwszej drugiej trzeciej czwartej piątej szóstej siódmej ósmej dziewiątej dziesiątej jedenastej "
    "dwunastej trzynastej czternastej piętnastej szesnastej siedemnastej osiemnastej dziewiętnastej dwudziestej"
)
_CS = _words(
    "nula jedna dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct třináct čtrnáct patnáct šestnáct "
    "sedmnáct osmnáct devatenáct"
)
_CS_TENS = ["", "", "dvacet", "třicet", "čtyřicet", "padesát"]
_DE = _words(
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn"
)
_DE_TENS = ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig"]
_EN = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_EN_TENS = ["", "", "twenty", "thirty", "forty", "fifty"]


def _count(number: int, ones: list[str], tens: list[str]) -> str:
    if number < 20:
        return ones[number]
    return tens[number // 10] + (f" {ones[number % 10]}" if number % 10 else "")


def _clock_pl(hour: int, minute: int) -> str:
    if hour == 0:  # the ordinal "zerowej" is not said
        return "północy" if minute == 0 else f"godzinie zero {_minute_pl(minute)}"
    ordinal = _PL_HOURS[hour] if hour <= 20 else f"dwudziestej {_PL_HOURS[hour - 20]}"
    return ordinal if minute == 0 else f"{ordinal} {_minute_pl(minute)}"


def _minute_pl(minute: int) -> str:
    return f"zero {_PL[minute]}" if minute < 10 else _count(minute, _PL, _PL_TENS)


def _clock_cs(hour: int, minute: int) -> str:
    hours = f"{_count_cs(hour)} {_plural_cs(hour, 'hodinu', 'hodiny', 'hodin')}"
    if minute == 0:
        return hours
    return f"{hours} {_count_cs(minute)} {_plural_cs(minute, 'minutu', 'minuty', 'minut')}"


def _count_cs(number: int) -> str:
    feminine = {1: "jednu", 2: "dvě"}  # hodina and minuta are feminine; above 20 the numeral stays as it is
    return feminine.get(number) or _count(number, _CS, _CS_TENS)


def _plural_cs(number: int, one: str, few: str, many: str) -> str:
    return one if number == 1 else few if 2 <= number <= 4 else many


def _clock_de(hour: int, minute: int) -> str:
    if minute == 0:
        return f"{_number_de(hour)} Uhr"
    return f"{_number_de(hour)} Uhr {'eins' if minute == 1 else _number_de(minute)}"


def _number_de(number: int) -> str:
    if number < 20 or number % 10 == 0:
        return _count(number, _DE, _DE_TENS)
    return f"{_DE[number % 10]}und{_DE_TENS[number // 10]}"


def _clock_en(hour: int, minute: int) -> str:
    if minute == 0 and hour in {0, 12}:
        return "midnight" if hour == 0 else "noon"
    words = _EN[hour % 12 or 12]
    if minute:
        words += f" oh {_EN[minute]}" if minute < 10 else f" {_count(minute, _EN, _EN_TENS)}"
    return f"{words} {'a.m.' if hour < 12 else 'p.m.'}"


_CLOCK = {Language.PL: _clock_pl, Language.CS: _clock_cs, Language.DE: _clock_de, Language.EN: _clock_en}

# --- what an engine would read wrongly ----------------------------------------------------------------------

_SIGNS = {
    Language.PL: {
        ".": "kropka",
        "/": "ukośnik",
        "-": "myślnik",
        "_": "podkreślnik",
        "@": "małpa",
        ":": "dwukropek",
    },
    Language.CS: {
        ".": "tečka",
        "/": "lomeno",
        "-": "pomlčka",
        "_": "podtržítko",
        "@": "zavináč",
        ":": "dvojtečka",
    },
    Language.DE: {
        ".": "Punkt",
        "/": "Schrägstrich",
        "-": "Bindestrich",
        "_": "Unterstrich",
        "@": "ät",
        ":": "Doppelpunkt",
    },
    Language.EN: {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon"},
}
_ONE = {
    Language.PL: (r"\b1 (?=dzień\b|miesiąc\b|rok\b)", "jeden "),
    Language.CS: (r"\b1 (?=den\b|měsíc\b|rok\b)", "jeden "),
    Language.DE: (r"\b1 (?=Tag\b|Monat\b|Jahr\b)", "ein "),
    Language.EN: (r"\b1 (?=day\b|month\b|year\b)", "one "),
}
# a host name of at least two labels with an optional path, or a mail address; the sentence's own full stop stays out
_ADDRESS = re.compile(
    r"(?:https?://)?(?:[\w.+-]+@)?(?:[^\W_](?:[\w-]*[^\W_])?\.)+[a-z]{2,}\b(?::\d+)?(?:/(?:[\w./-]*[\w/])?)?"
)


def spoken_address(address: str, language: Language) -> str:
    """A web or mail address, said sign by sign: example.pl/rodo is "example kropka pl ukośnik rodo"."""
    bare = re.sub(r"^https?://(www\.)?", "", address).rstrip("/")
    return " ".join(_SIGNS[language].get(part, part) for part in re.split(r"([./@:_-])", bare) if part)


def aloud(text: str, language: Language) -> str:
    """The text as it goes to a speech engine: addresses spelt out, "1" before a unit in the right gender."""
    pattern, word = _ONE[language]
    spelt = _ADDRESS.sub(lambda match: spoken_address(match[0], language), text)
    return re.sub(pattern, word, spelt)

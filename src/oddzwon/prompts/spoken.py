"""Periods, times and the names of languages as a person would say them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from babel.core import Locale
from babel.units import format_unit

from oddzwon.prompts.errors import MalformedTextError
from oddzwon.prompts.texts import Language


@dataclass(frozen=True, slots=True)
class Period:
    """A whole number of days, of months or of years, at least 1 of exactly one of them.

    `to_year_end`: and from there on to the end of the calendar year.
    """

    days: int = 0
    months: int = 0
    years: int = 0
    to_year_end: bool = False

    def __post_init__(self) -> None:
        given = [number for number in (self.days, self.months, self.years) if number]
        if len(given) != 1 or given[0] < 1:
            raise MalformedTextError(
                f"a period is a positive number of days, of months or of years, not {self!r}: for example 30 days"
            )


def spoken_period(period: Period, language: Language) -> str:
    """The period with the language's plural: 1 dzień, 2 dni, 5 dni; 1 den, 2 dny, 5 dní (CLDR by Babel).

    Days that make whole years are said as years: 1095 days are 3 years to everybody who hears it, and with leap days
    not longer than that.
    """
    years = period.years or (period.days // 365 if period.days % 365 == 0 else 0)
    unit, number = next(
        (unit, number) for unit, number in (("year", years), ("month", period.months), ("day", period.days)) if number
    )
    words = format_unit(number, f"duration-{unit}", "long", locale=_LOCALE[language])
    words = re.sub(r"(?<=\d)\D(?=\d)", "", words)  # "1 001" would be said as two numbers
    if language is Language.CS:
        words = words.replace("dnů", "dní")  # CLDR has the equally good "dnů"; "dní" is what people say
    return f"{words}, {_TO_YEAR_END[language]}" if period.to_year_end else words


_LOCALE = {Language.PL: "pl", Language.CS: "cs", Language.DE: "de", Language.EN: "en_GB"}
_TO_YEAR_END = {
    Language.PL: "do końca roku",
    Language.CS: "do konce roku",
    Language.DE: "bis zum Jahresende",
    Language.EN: "to the end of that year",
}


def language_name(language: Language) -> str:
    """The language's name in itself, as a list shows it: Polski, Čeština, Deutsch, English (CLDR by Babel)."""
    name = Locale.parse(language.value).get_display_name(language.value) or language.value
    return name[0].upper() + name[1:]


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

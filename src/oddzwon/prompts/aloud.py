"""What a speech engine would read wrongly, written as a person says it: addresses, telephone numbers."""

from __future__ import annotations

import re

import phonenumbers

from oddzwon.prompts.texts import Language


def aloud(text: str, language: Language) -> str:
    """The text as it goes to a speech engine."""
    pattern, word = _ONE[language]
    spelt = _ADDRESS.sub(lambda match: spoken_address(match[0], language), text)
    spelt = _NUMBER.sub(lambda match: spoken_number(match[0], language), spelt)
    return re.sub(pattern, word, spelt)


_ONE = {
    Language.PL: (r"\b1 (?=dzień\b|miesiąc\b|rok\b)", "jeden "),
    Language.CS: (r"\b1 (?=den\b|měsíc\b|rok\b)", "jeden "),
    Language.DE: (r"\b1 (?=Tag\b|Monat\b|Jahr\b)", "ein "),
    Language.EN: (r"\b1 (?=day\b|month\b|year\b)", "one "),
}

# --- addresses ----------------------------------------------------------------------------------------------

_SIGNS = {
    Language.PL: {".": "kropka", "/": "ukośnik", "-": "myślnik", "_": "podkreślnik", "@": "małpa", ":": "dwukropek"},
    Language.CS: {".": "tečka", "/": "lomeno", "-": "pomlčka", "_": "podtržítko", "@": "zavináč", ":": "dvojtečka"},
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
_PLUS = "plus"  # in all four
# a host name of at least two labels with an optional path, or a mail address; the sentence's own full stop stays out
_ADDRESS = re.compile(
    r"(?:https?://)?(?:[\w.+-]+@)?(?:[^\W_](?:[\w-]*[^\W_])?\.)+[a-z]{2,}\b(?::\d+)?(?:/(?:[\w./-]*[\w/])?)?"
)
# engines spell ".pl" and ".cz", but make a syllable of what has a vowel
_SYLLABLE = re.compile(r"(?<=\.)(?:[a-z][aeiou]|[aeiou][a-z])(?=$|[/:])")


def spoken_address(address: str, language: Language) -> str:
    """A web or mail address, said sign by sign: example.pl/rodo is "example kropka pl ukośnik rodo"."""
    bare = re.sub(r"^https?://(www\.)?", "", address).rstrip("/")
    bare = _SYLLABLE.sub(lambda match: " ".join(match[0]), bare)
    signs = {**_SIGNS[language], "+": _PLUS}
    return " ".join(signs.get(part, part) for part in re.split(r"([./@:_+-])", bare) if part)


# --- telephone numbers --------------------------------------------------------------------------------------

# at least seven digits, as people write them: +48 22 123 45 67, (022) 123-45-67; a date is none
_NUMBER = re.compile(r"(?<![\w.,+/-])(?!\d{4}-\d\d-\d\d\b)\+?[ (]{0,2}\d(?:[ ()/\u00a0-]{0,2}\d){6,}(?!\w)")


def spoken_number(number: str, language: Language) -> str:
    """A telephone number, group by group as it is written, a pause after each.

    A number without groups gets those of its country's plan, else threes. Polish and Czech say a group as a number
    ("dwadzieścia dwa, sto dwadzieścia trzy"), unless it begins with 0; German and English its digits.
    """
    plus = [_PLUS] if number.startswith("+") else []
    groups = [part for group in _groups(number) for part in _parts(group)]
    return " ".join([*plus, ", ".join(_group(part, language) for part in groups)])


def _groups(number: str) -> list[str]:
    groups = re.findall(r"\d+", number)
    if number.startswith("+") and len(groups) == 1:
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return groups
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        return re.findall(r"\d+", written)
    return groups


def _parts(group: str) -> list[str]:
    """Of at most three digits each: nobody takes down more at once; four are two and two, but 0800 is one."""
    if len(group) <= 3 or (len(group) == 4 and group[0] == "0"):
        return [group]
    size = 2 if len(group) == 4 else 3
    return [group[:size], *_parts(group[size:])]


def _group(digits: str, language: Language) -> str:
    if language not in _HUNDREDS or digits.startswith("0"):
        return " ".join(_DIGITS[language][int(digit)] for digit in digits)
    number = int(digits)
    words = [_HUNDREDS[language][number // 100]]
    if number % 100 < 20:
        words.append(_TO_19[language][number % 100])
    else:
        words += [_TENS[language][number % 100 // 10], _TO_19[language][number % 10]]
    return " ".join(word for word in words if word)


def _words(said: str) -> list[str]:
    """Words in their order; a dash stands for nothing said, an underscore for a space."""
    return ["" if word == "-" else word.replace("_", " ") for word in said.split()]


_DIGITS = {
    Language.PL: _words("zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć"),
    Language.CS: _words("nula jedna dva tři čtyři pět šest sedm osm devět"),
    Language.DE: _words("null eins zwei drei vier fünf sechs sieben acht neun"),
    Language.EN: _words("zero one two three four five six seven eight nine"),
}
_TO_19 = {
    Language.PL: _words(
        "- jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście "
        "czternaście piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście"
    ),
    Language.CS: _words(
        "- jedna dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct třináct čtrnáct patnáct šestnáct "
        "sedmnáct osmnáct devatenáct"
    ),
}
_TENS = {
    Language.PL: _words(
        "- - dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt "
        "dziewięćdziesiąt"
    ),
    Language.CS: _words("- - dvacet třicet čtyřicet padesát šedesát sedmdesát osmdesát devadesát"),
}
_HUNDREDS = {
    Language.PL: _words("- sto dwieście trzysta czterysta pięćset sześćset siedemset osiemset dziewięćset"),
    Language.CS: _words("- sto dvě_stě tři_sta čtyři_sta pět_set šest_set sedm_set osm_set devět_set"),
}

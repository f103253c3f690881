"""The words of the notice page in one language (``texts/*.json``), with numbers, dates and lists as it writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Final

import phonenumbers
from babel import Locale
from babel.dates import format_date, format_time
from babel.units import format_unit
from markupsafe import Markup, escape

from oddzwon.prompts.spoken import Period, language_name, spoken_period
from oddzwon.prompts.texts import Language
from oddzwon.web.values import Words

_LOCALE: Final = {Language.PL: "pl", Language.CS: "cs", Language.DE: "de", Language.EN: "en_GB"}


class Phrases:
    """The phrases of one language; every value that is put into one is escaped."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._locale = Locale.parse(_LOCALE[language])
        self._texts = read_texts(language)

    def __call__(self, name: str, **values: str | Words) -> Markup:
        """The phrase of that name with its values; a name or a value that does not exist raises KeyError."""
        text = self._texts[name]
        if not isinstance(text, str):
            raise KeyError(name)
        return self._filled(text, values)

    def counted(self, name: str, number: int) -> Markup:
        """The phrase in the plural form that the number needs (CLDR by Babel); {N} is the number."""
        forms = self._texts[name]
        if isinstance(forms, str):
            raise KeyError(name)
        return self._filled(forms.get(str(self._locale.plural_form(number)), forms["other"]), {"N": str(number)})

    def say(self, words: Words | str) -> Markup:
        """The operator's words, escaped and marked where they are in another language (WCAG 2.2, 3.1.2)."""
        if isinstance(words, str):
            return escape(words)
        text = escape(words.text)
        return text if words.language is None else Markup('<span lang="{}">{}</span>').format(words.language, text)

    @property
    def name(self) -> str:
        """The language's name in itself."""
        return language_name(self.language)

    def period(self, period: Period) -> str:
        """A period of days, months or years: "30 dni"."""
        return spoken_period(period, self.language)

    def duration(self, seconds: float) -> str:
        """A short time: whole minutes from two on, else seconds."""
        minutes, rest = divmod(seconds, 60)
        # "1 minuta" would have to be declined in Polish and Czech; sixty seconds need not
        number, unit = (minutes, "duration-minute") if minutes >= 2 and not rest else (seconds, "duration-second")
        return format_unit(int(number) if number == int(number) else number, unit, "long", locale=self._locale)

    def moment(self, at: datetime) -> str:
        """Date and minute in UTC."""
        utc = at.astimezone(UTC)
        return f"{format_date(utc, 'long', locale=self._locale)}, {format_time(utc, 'HH:mm', locale=self._locale)} UTC"

    def numbers(self, numbers: Sequence[str]) -> str:
        """Numbers in E.164 as people write them, none of them broken over two lines."""
        return ", ".join(_written(number) for number in numbers)

    def countries(self, *, eu_eea: bool, regions: Sequence[str]) -> str:
        """Where may be called."""
        named = [self._locale.territories.get(region, region) for region in regions]
        return "; ".join([*([str(self("eu_eea"))] if eu_eea else []), *named])

    def _filled(self, text: str, values: Mapping[str, str | Words]) -> Markup:
        filled = escape(text).format(**{name: self.say(value) for name, value in values.items()})
        # a value that ends in an abbreviation ("sp. z o.o.") brings its own full stop to the end of the sentence
        return Markup(re.sub(r"(?<!\.)\.(</span>)?\.(?!\.)", r".\1", filled))  # noqa: S704 - both were escaped above


def read_texts(language: Language) -> Mapping[str, str | Mapping[str, str]]:
    """The phrases as they are shipped; a phrase with a plural is a table of its forms."""
    path = resources.files("oddzwon.web").joinpath("texts", f"{language}.json")
    texts: dict[str, str | dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return texts


def _written(number: str) -> str:
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace(" ", "\u00a0")

"""Texts, placeholders, and the words for periods, times and addresses."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.prompts.aloud import aloud, spoken_address, spoken_number
from oddzwon.prompts.errors import (
    IncompleteTextError,
    MalformedTextError,
    MissingPlaceholderError,
    PlanError,
    UnknownLanguageError,
    UnknownPlaceholderError,
    UnknownPromptError,
)
from oddzwon.prompts.plan import RecordingNotice
from oddzwon.prompts.rendering import render, retention_words
from oddzwon.prompts.spoken import Period, language_name, spoken_period, spoken_time
from oddzwon.prompts.texts import (
    MEANING,
    Language,
    OwnPrompt,
    PromptKey,
    language_of,
    left_out,
    load_short_texts,
    load_texts,
)

FULL = {name: f"value of {name.lower()}" for name in MEANING}


def test_every_language_has_every_prompt_but_what_its_law_excludes() -> None:
    expected = set(product(Language, PromptKey)) - {(Language.DE, PromptKey.REC_OBJECT)}
    assert expected == {(template.language, template.key) for template in load_texts()}
    assert expected == {(template.language, template.key) for template in load_short_texts()}


def test_every_text_renders_with_a_full_set_of_values() -> None:
    texts = load_texts()
    for template in texts:
        rendered = render(texts, template.key, template.language, FULL)
        assert "{" not in rendered.text
        for name in template.placeholders:
            assert FULL[name] in rendered.text


@pytest.mark.parametrize("given", [None, "", "   "])
def test_a_missing_value_names_language_prompt_placeholder_and_what_to_set(given: str | None) -> None:
    values = {"CONTROLLER": "Klinika"} | ({} if given is None else {"URL": given})
    with pytest.raises(MissingPlaceholderError) as caught:
        render(load_texts(), PromptKey.L1, Language.CS, values)
    for part in ("'cs'", "L1", "{URL}", "notice page"):
        assert part in str(caught.value)


def test_a_value_for_a_placeholder_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownPlaceholderError, match="CONTROLER"):
        render(load_texts(), PromptKey.L1, Language.PL, {"CONTROLER": "x", "URL": "y"})


def test_values_are_not_templates() -> None:
    text = load_texts().get(PromptKey.L1, Language.EN).fill({"CONTROLLER": "{URL} Ltd", "URL": "a.example"})
    assert "this is {URL} Ltd." in text


@pytest.mark.parametrize("control", ["\n", "\r", "\x00", "\x1b", "\x85", "\u2028"])
def test_control_characters_are_refused_in_values_and_texts(control: str) -> None:
    with pytest.raises(MalformedTextError, match="control character"):
        render(load_texts(), PromptKey.L1, Language.PL, {"CONTROLLER": f"A{control}B", "URL": "a.example"})
    with pytest.raises(MalformedTextError, match="control character"):
        load_texts([OwnPrompt(PromptKey.CONNECTING, Language.PL, f"A{control}B")])


def test_an_own_text_replaces_the_shipped_one_in_its_language_only() -> None:
    texts = load_texts([OwnPrompt(PromptKey.CONNECTING, Language.PL, "Już łączymy.")])
    assert texts.get(PromptKey.CONNECTING, Language.PL).text == "Już łączymy."
    assert texts.get(PromptKey.CONNECTING, Language.CS).text == "Spojujeme."


@pytest.mark.parametrize(
    ("text", "error", "part"),
    [
        ("Tu {TIME}.", UnknownPlaceholderError, "TIME"),
        ("Tu {NAME}.", UnknownPlaceholderError, r"\{CONTROLLER\}, \{URL\}"),
        ("Tu {controller}.", MalformedTextError, "brace"),
        ("Tu }", MalformedTextError, "brace"),
        ("  ", MalformedTextError, "empty"),
    ],
)
def test_a_broken_own_text_is_refused(text: str, error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        load_texts([OwnPrompt(PromptKey.L1, Language.PL, text)])


@pytest.mark.parametrize(
    ("key", "text", "missing"),
    [
        (PromptKey.L1, "Dzień dobry.", ("{CONTROLLER}", "key 8", "key 9")),
        (PromptKey.L1, "Tu {CONTROLLER}. Sprzeciw: osiem. Prawa: 9.", ("key 8",)),
        (PromptKey.L1, "Tu {CONTROLLER}, ul. Prosta 18. Prawa: 9.", ("key 8",)),
        (PromptKey.REC_OBJECT, "Witamy.", ("{PURPOSE}", "{RETENTION}", "key 7")),
        (PromptKey.REC_OBJECT, "{PURPOSE}, {RETENTION}.", ("key 7",)),
        (PromptKey.REC_CONSENT, "Proszę czekać.", ("{PURPOSE}", "{RETENTION}", "key 1")),
        (PromptKey.REC_CONSENT, "{PURPOSE}? Tak: 1.", ("{RETENTION}",)),
        (PromptKey.REC_ANNOUNCE, "Nagrywamy. Powód: {PURPOSE}.", ("{RETENTION}",)),
        (PromptKey.REC_CONSENT_AGENT, "Zgoda?", ("{PURPOSE}", "key 1")),
        (PromptKey.CALLBACK, "Oddzwaniamy. Tak: 1.", ("key 3", "key 8")),
    ],
)
def test_an_own_text_says_what_its_receipt_stands_for(key: PromptKey, text: str, missing: tuple[str, ...]) -> None:
    with pytest.raises(IncompleteTextError) as caught:
        load_texts([OwnPrompt(key, Language.PL, text)])
    assert len(caught.value.missing) == len(missing)
    assert all(part in told for part, told in zip(missing, caught.value.missing, strict=True))
    assert f"own text ([[prompts.own]]) for prompt {key} in language 'pl' leaves out" in str(caught.value)


def test_every_shipped_text_says_what_its_receipt_stands_for() -> None:
    assert {one.where: [*left_out(one)] for one in load_texts() if [*left_out(one)]} == {}


def test_german_has_no_announcement_with_an_opt_out_and_the_error_says_why() -> None:
    with pytest.raises(UnknownPromptError, match="§ 201 StGB"):
        load_texts().get(PromptKey.REC_OBJECT, Language.DE)


def test_an_unknown_language_lists_the_known_ones() -> None:
    with pytest.raises(UnknownLanguageError, match="pl, cs, de, en"):
        language_of("fr")


@pytest.mark.parametrize("variant", ["", "../x", "Support", "a b", "a/b"])
def test_a_variant_is_safe_as_a_file_name(variant: str) -> None:
    with pytest.raises(PlanError, match="a-z"):
        RecordingNotice(variant, PromptKey.REC_OBJECT, "x", Period(days=1))


def test_only_an_announcement_announces() -> None:
    with pytest.raises(PlanError, match="REC_OBJECT, REC_CONSENT, REC_ANNOUNCE"):
        RecordingNotice("support", PromptKey.CONNECTING, "x", Period(days=1))


def test_the_version_follows_the_text_and_nothing_else() -> None:
    texts = load_texts()
    first = render(texts, PromptKey.L1, Language.PL, {"CONTROLLER": "A", "URL": "a.example"})
    same = render(texts, PromptKey.L1, Language.PL, {"CONTROLLER": "A", "URL": "a.example", "DPO": "x"}, "v")
    other = render(texts, PromptKey.L1, Language.PL, {"CONTROLLER": "B", "URL": "a.example"})
    assert first.version == same.version == first.text_sha256[:12]
    assert first.version != other.version


NUMBERS = (1, 2, 5, 12, 21, 22, 25, 30)
DAYS = {
    "pl": "1 dzień,2 dni,5 dni,12 dni,21 dni,22 dni,25 dni,30 dni",
    "cs": "1 den,2 dny,5 dní,12 dní,21 dní,22 dní,25 dní,30 dní",
    "de": "1 Tag,2 Tage,5 Tage,12 Tage,21 Tage,22 Tage,25 Tage,30 Tage",
    "en": "1 day,2 days,5 days,12 days,21 days,22 days,25 days,30 days",
}
YEARS = {
    "pl": "1 rok,2 lata,5 lat,12 lat,21 lat,22 lata,25 lat,30 lat",
    "cs": "1 rok,2 roky,5 let,12 let,21 let,22 let,25 let,30 let",
    "de": "1 Jahr,2 Jahre,5 Jahre,12 Jahre,21 Jahre,22 Jahre,25 Jahre,30 Jahre",
    "en": "1 year,2 years,5 years,12 years,21 years,22 years,25 years,30 years",
}


@pytest.mark.parametrize("language", Language)
def test_periods_have_the_languages_plural(language: Language) -> None:
    assert [spoken_period(Period(days=number), language) for number in NUMBERS] == DAYS[language].split(",")
    assert [spoken_period(Period(years=number), language) for number in NUMBERS] == YEARS[language].split(",")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (Language.PL, ["1 miesiąc", "3 miesiące", "6 miesięcy"]),
        (Language.CS, ["1 měsíc", "3 měsíce", "6 měsíců"]),
        (Language.DE, ["1 Monat", "3 Monate", "6 Monate"]),
        (Language.EN, ["1 month", "3 months", "6 months"]),
    ],
)
def test_months_have_the_languages_plural(language: Language, expected: list[str]) -> None:
    assert expected == [spoken_period(Period(months=number), language) for number in (1, 3, 6)]


def plural(language: Language, number: int) -> int:
    """0, 1 or 2: one, few, many, by the grammars' own rules and not by CLDR's tables."""
    if number == 1:
        return 0
    if language is Language.PL:
        return 1 if number % 10 in {2, 3, 4} and number % 100 not in {12, 13, 14} else 2
    return 1 if language is Language.CS and number < 5 else 2


FORMS = {
    Language.PL: ("dzień dni dni", "rok lata lat"),
    Language.CS: ("den dny dní", "rok roky let"),
    Language.DE: ("Tag Tage Tage", "Jahr Jahre Jahre"),
    Language.EN: ("day days days", "year years years"),
}


@given(st.sampled_from(Language), st.integers(1, 36_500))
def test_any_number_of_days_is_said_in_the_right_form_and_whole_years_as_years(language: Language, days: int) -> None:
    years, rest = divmod(days, 365)
    number, forms = (days, FORMS[language][0]) if rest else (years, FORMS[language][1])
    assert spoken_period(Period(days=days), language) == f"{number} {forms.split()[plural(language, number)]}"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.PL, "Nagranie przechowamy 3 lata, do końca roku."),
        (Language.CS, "Záznam uchováme 3 roky, do konce roku."),
        (Language.DE, "Speicherdauer: 3 Jahre, bis zum Jahresende."),
        (Language.EN, "We keep the recording for 3 years, to the end of that year."),
    ],
)
def test_the_texts_grammar_holds_around_a_period_to_the_years_end(language: Language, said: str) -> None:
    values = {**FULL, "RETENTION": retention_words(Period(years=3, to_year_end=True), language)}
    assert said in render(load_texts(), PromptKey.REC_CONSENT, language, values).text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.PL, ("przechowujemy 1 rok.", "przechowujemy jeden rok.")),
        (Language.CS, ("uchováme 1 rok.", "uchováme jeden rok.")),
        (Language.DE, ("Speicherdauer: 1 Jahr.", "Speicherdauer: ein Jahr.")),
        (Language.EN, ("keep the recording for 1 year.", "keep the recording for one year.")),
    ],
)
def test_a_year_in_days_is_written_and_said_as_one_year(language: Language, said: tuple[str, str]) -> None:
    values = {**FULL, "RETENTION": retention_words(Period(days=365), language)}
    text = render(load_texts(), PromptKey.REC_ANNOUNCE, language, values)
    assert said[0] in text.text
    assert said[1] in text.spoken


def test_languages_have_their_own_names() -> None:
    assert [language_name(language) for language in Language] == ["Polski", "Čeština", "Deutsch", "English"]


@pytest.mark.parametrize("given", [{}, {"days": -1}, {"days": 1, "years": 1}])
def test_a_period_is_one_positive_number(given: dict[str, Any]) -> None:
    with pytest.raises(MalformedTextError, match="for example 30 days"):
        Period(**given)


def test_english_keeps_for_a_period_and_words_stay_as_they_are() -> None:
    assert retention_words(Period(days=30), Language.EN) == "for 30 days"
    assert retention_words(Period(days=30), Language.PL) == "30 dni"
    assert retention_words("as long as the contract runs", Language.EN) == "as long as the contract runs"


@pytest.mark.parametrize(
    ("clock", "pl", "cs", "de", "en"),
    [
        ("00:00", "północy", "nula hodin", "null Uhr", "midnight"),
        ("00:05", "godzinie zero zero pięć", "nula hodin pět minut", "null Uhr fünf", "twelve oh five a.m."),
        ("01:01", "pierwszej zero jeden", "jednu hodinu jednu minutu", "ein Uhr eins", "one oh one a.m."),
        ("02:22", "drugiej dwadzieścia dwa", "dvě hodiny dvacet dva minut", "zwei Uhr zweiundzwanzig", "two twenty two a.m."),  # noqa: E501 - one row, one time
        ("12:00", "dwunastej", "dvanáct hodin", "zwölf Uhr", "noon"),
        ("14:05", "czternastej zero pięć", "čtrnáct hodin pět minut", "vierzehn Uhr fünf", "two oh five p.m."),
        ("20:30", "dwudziestej trzydzieści", "dvacet hodin třicet minut", "zwanzig Uhr dreißig", "eight thirty p.m."),
        ("23:59", "dwudziestej trzeciej pięćdziesiąt dziewięć", "dvacet tři hodin padesát devět minut", "dreiundzwanzig Uhr neunundfünfzig", "eleven fifty nine p.m."),  # noqa: E501 - one row, one time
    ],
)  # fmt: skip
def test_the_time_is_said_as_people_say_it(clock: str, pl: str, cs: str, de: str, en: str) -> None:
    at = datetime.fromisoformat(f"2025-11-21T{clock}:30+00:00")
    assert [spoken_time(at, language) for language in Language] == [pl, cs, de, en]


@pytest.mark.parametrize("language", Language)
def test_no_two_minutes_of_a_day_are_said_alike(language: Language) -> None:
    said = {
        spoken_time(datetime(2025, 11, 21, hour, minute, tzinfo=UTC), language)
        for hour in range(24)
        for minute in range(60)
    }
    assert len(said) == 24 * 60


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(MalformedTextError, match="time zone"):
        spoken_time(datetime(2025, 11, 21, 12), Language.PL)  # noqa: DTZ001 - the naive time is what is tested


@pytest.mark.parametrize(
    ("time", "said"),
    [("čtrnáct hodin", "ve čtrnáct"), ("dvě hodiny", "ve dvě"), ("tři hodiny", "ve tři"), ("pět hodin", "v pět")],
)
def test_czech_vocalises_the_preposition_before_the_time(time: str, said: str) -> None:
    text = render(load_texts(), PromptKey.AGENT_WHISPER, Language.CS, {"TIME": time}).text
    assert f"přerušeném {said} " in text


@pytest.mark.parametrize(
    ("address", "language", "said"),
    [
        ("example.pl/rodo", Language.PL, "example kropka pl ukośnik rodo"),
        ("https://www.example.cz/udaje/", Language.CS, "example tečka cz lomeno udaje"),
        ("mein-arzt.de", Language.DE, "mein Bindestrich arzt Punkt d e"),
        ("dpo@example.co.uk", Language.EN, "dpo at example dot co dot u k"),
    ],
)
def test_addresses_are_said_sign_by_sign(address: str, language: Language, said: str) -> None:
    assert spoken_address(address, language) == said
    assert aloud(f"A: {address}. B.", language) == f"A: {said}. B."


@pytest.mark.parametrize(
    ("number", "pl", "cs", "de", "en"),
    [
        ("+48 22 123 45 67", "plus czterdzieści osiem, dwadzieścia dwa, sto dwadzieścia trzy, czterdzieści pięć, sześćdziesiąt siedem", "plus čtyřicet osm, dvacet dva, sto dvacet tři, čtyřicet pět, šedesát sedm", "plus vier acht, zwei zwei, eins zwei drei, vier fünf, sechs sieben", "plus four eight, two two, one two three, four five, six seven"),  # noqa: E501 - one row, one number
        ("(022) 600-11-05", "zero dwa dwa, sześćset, jedenaście, zero pięć", "nula dva dva, šest set, jedenáct, nula pět", "null zwei zwei, sechs null null, eins eins, null fünf", "zero two two, six zero zero, one one, zero five"),  # noqa: E501 - one row, one number
        ("0800 200 300", "zero osiem zero zero, dwieście, trzysta", "nula osm nula nula, dvě stě, tři sta", "null acht null null, zwei null null, drei null null", "zero eight zero zero, two zero zero, three zero zero"),  # noqa: E501 - one row, one number
        ("123456789", "sto dwadzieścia trzy, czterysta pięćdziesiąt sześć, siedemset osiemdziesiąt dziewięć", "sto dvacet tři, čtyři sta padesát šest, sedm set osmdesát devět", "eins zwei drei, vier fünf sechs, sieben acht neun", "one two three, four five six, seven eight nine"),  # noqa: E501 - one row, one number
    ],
)  # fmt: skip
def test_a_number_is_said_group_by_group(number: str, pl: str, cs: str, de: str, en: str) -> None:
    assert [spoken_number(number, language) for language in Language] == [pl, cs, de, en]
    assert aloud(f"Tel. {number}, A.", Language.PL) == f"Tel. {pl}, A."


def test_a_number_without_groups_has_those_of_its_country() -> None:
    for language in Language:
        assert spoken_number("+48221234567", language) == spoken_number("+48 22 123 45 67", language)
    assert (
        spoken_number("+999123456789", Language.EN)
        == "plus nine nine nine, one two three, four five six, seven eight nine"
    )


@given(st.sampled_from(Language), st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True))
def test_no_figure_of_a_number_is_left_to_the_engine(language: Language, number: str) -> None:
    said = spoken_number(number, language)
    assert not re.search(r"\d", said)
    assert aloud(f"A {number}.", language) == f"A {said}."


@pytest.mark.parametrize(
    "text", ["ul. Prosta 12/3, 00-950 Warszawa", "Od 2026-03-02.", "klawisz 8", "30 dni", "1,2345678"]
)
def test_what_is_no_telephone_number_stays(text: str) -> None:
    assert aloud(text, Language.PL) == text


@pytest.mark.parametrize(
    ("address", "said"),
    [("iod+1@firma.eu", "iod plus 1 małpa firma kropka e u"), ("firma.com.pl", "firma kropka com kropka pl")],
)
def test_endings_of_addresses_that_would_be_syllables_are_spelt(address: str, said: str) -> None:
    assert spoken_address(address, Language.PL) == said


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Przykład sp. z o.o. Dzień dobry.", Language.PL),
        ("Příklad s.r.o. a.s. Dobrý den.", Language.CS),
        ("Dr.Novák, 12.30, z.B. 21 Tage.", Language.DE),
        ("Press 1. Then 9, at two p.m. or 21 days", Language.EN),
    ],
)
def test_what_is_no_address_stays_as_it_is(text: str, language: Language) -> None:
    assert aloud(text, language) == text


def test_one_agrees_with_its_unit() -> None:
    said = [aloud(f"x {spoken_period(Period(days=1), language)}.", language) for language in Language]
    assert said == ["x jeden dzień.", "x jeden den.", "x ein Tag.", "x one day."]


def test_a_name_that_ends_in_an_abbreviation_has_one_full_stop() -> None:
    text = render(load_texts(), PromptKey.L1, Language.PL, {"CONTROLLER": "Ax sp. z o.o.", "URL": "a.example"}).text
    assert "tu Ax sp. z o.o. Państwa" in text

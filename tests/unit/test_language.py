"""Which language a call is in: every order, with and without a number, and what a return goes on in."""

from __future__ import annotations

import pytest

from oddzwon.domain.language import LanguageRules, LanguageSource

DID, COUNTRY, KEY = LanguageSource.DID, LanguageSource.COUNTRY, LanguageSource.KEY
COUNTRIES = {"CZ": "cs", "SK": "cs", "DE": "de"}
KEYS = {"6": "en", "7": "de"}


@pytest.mark.parametrize(
    ("order", "region", "language"),
    [
        ((DID,), "CZ", "pl"),
        ((COUNTRY, DID), "CZ", "cs"),
        ((COUNTRY,), "SK", "cs"),
        ((COUNTRY, DID), "FR", "pl"),  # a country without a language of ours
        ((COUNTRY, DID), None, "pl"),  # withheld
        ((COUNTRY,), None, "pl"),  # the DID's is always the last resort
        ((KEY, COUNTRY, DID), "DE", "de"),
        ((KEY, DID), "DE", "pl"),
        ((KEY,), "DE", "pl"),
        ((DID, KEY), "DE", "pl"),
        ((COUNTRY, KEY, DID), "DE", "de"),
    ],
)
def test_the_first_that_yields_one(order: tuple[LanguageSource, ...], region: str | None, language: str) -> None:
    assert LanguageRules(order, COUNTRIES, KEYS).of_call("pl", region) == language


@pytest.mark.parametrize(
    ("order", "at_start", "in_menu"),
    [
        ((DID,), {}, {}),
        ((COUNTRY, DID), {}, {}),
        ((KEY,), KEYS, {}),
        ((KEY, COUNTRY, DID), KEYS, {}),
        ((DID, KEY), {}, KEYS),
        ((COUNTRY, KEY, DID), {}, KEYS),
    ],
)
def test_keys_are_offered_in_one_place(
    order: tuple[LanguageSource, ...], at_start: dict[str, str], in_menu: dict[str, str]
) -> None:
    rules = LanguageRules(order, COUNTRIES, KEYS)
    assert rules.keys_at_start == at_start
    assert rules.keys_in_menu == in_menu


def test_a_return_goes_on_in_the_language_that_could_be_chosen() -> None:
    assert LanguageRules((DID, KEY), COUNTRIES, KEYS).of_return("en") == "en"
    assert LanguageRules((COUNTRY, DID), COUNTRIES).of_return("en") is None
    assert LanguageRules((DID, KEY), COUNTRIES, KEYS).of_return(None) is None

"""Which language a caller hears: by the DID, by his country, or by his key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from oddzwon.config.values import Language, Section

Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
MenuKey = Annotated[str, Field(pattern=r"^[1-7]$")]

SPOKEN_IN: dict[Region, Language] = {
    "PL": "pl",
    "CZ": "cs",
    "SK": "cs",
    "DE": "de",
    "AT": "de",
    "CH": "de",
    "LI": "de",
    "GB": "en",
    "IE": "en",
    "US": "en",
    "CA": "en",
    "AU": "en",
    "NZ": "en",
    "MT": "en",
}
"""Where each of our languages is spoken, or understood by nearly everybody."""


class LanguageChoice(Section):
    """How the language of a call is found. The DID's own is always the last resort."""

    order: tuple[Literal["did", "country", "key"], ...] = Field(
        ("did",),
        min_length=1,
        description="What decides, the first that can: did, country (of the caller's number), key (he is asked).",
        examples=[["country", "did", "key"]],
    )
    countries: dict[Region, Language] = Field(
        SPOKEN_IN,
        min_length=1,
        description="For country: regions of ISO 3166-1 and their language; your own table replaces this one.",
    )
    keys: dict[MenuKey, Language] = Field(
        {},
        description="For key: keys 1 to 7 that no option of the menu has, and their language.",
        examples=[{"6": "en"}],
    )

    @model_validator(mode="after")
    def _each_can_decide(self) -> LanguageChoice:
        """Refuse an order of which a part would never be asked: the operator meant something else."""
        if len(set(self.order)) != len(self.order):
            msg = "order: each of did, country and key at most once"
            raise ValueError(msg)
        if "country" in self.order and "did" in self.order[: self.order.index("country")]:
            msg = "order: country after did is never asked, because a DID always has a language; put country first"
            raise ValueError(msg)
        if "key" in self.order and not self.keys:
            msg = 'order: key needs language.keys, such as { 6 = "en" }'
            raise ValueError(msg)
        if len(set(self.keys.values())) != len(self.keys):
            msg = "keys: two keys stand for the same language"
            raise ValueError(msg)
        if self.keys and "key" not in self.order:
            msg = "keys: they are offered only where order holds key, at its beginning or at its end"
            raise ValueError(msg)
        return self

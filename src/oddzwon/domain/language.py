"""Which language a call is in: by the DID, by the caller's country, or by his key, as the operator orders it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LanguageSource(StrEnum):
    """What may decide the language of a call."""

    DID = "did"
    COUNTRY = "country"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """The operator's rules. ``countries`` are regions of ISO 3166-1, ``keys`` keys of a telephone, each to a language.

    A language is a code of ISO 639-1, and what Asterisk's ``CHANNEL(language)`` holds.
    """

    order: tuple[LanguageSource, ...] = (LanguageSource.DID,)
    countries: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def of_call(self, did: str, region: str | None) -> str:
        """The language that a call begins in, unless a key decides: the first of the order that yields one.

        ``did`` is the DID's language, which is the last resort as well; ``region`` the country of the caller's number,
        None where it was withheld or is not known.
        """
        for source in self.order:
            if source is LanguageSource.DID:
                return did
            if source is LanguageSource.COUNTRY and region is not None and region in self.countries:
                return self.countries[region]
        return did

    def of_return(self, dropped: str | None) -> str | None:
        """The language that a caller goes on in after his call was cut off, if he had been able to choose it.

        ``dropped`` is the language of that call. None: the order decides, as for every call.
        """
        return dropped if LanguageSource.KEY in self.order else None

    @property
    def keys_at_start(self) -> Mapping[str, str]:
        """The keys that are offered before layer 1; empty: none."""
        return self.keys if self.order[:1] == (LanguageSource.KEY,) else {}

    @property
    def keys_in_menu(self) -> Mapping[str, str]:
        """The keys that are offered in the menu, after its options; empty: none."""
        return self.keys if LanguageSource.KEY in self.order[1:] else {}

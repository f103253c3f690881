"""The kinds of values that every section of the settings is made of."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Language = Literal["pl", "cs", "de", "en"]
PresetName = Literal["eu", "pl", "cz", "de"]
RegimeName = Literal["quality", "contract", "legal", "none"]
LocalText = str | dict[Language, str]

E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]


def _plain_path(value: Path) -> Path:
    odd = sorted(set(re.findall(r"[^A-Za-z0-9._/@+-]", str(value))))
    if odd:
        msg = (
            f"the path holds {', '.join(map(repr, odd))}, which Asterisk's dialplan would take for something else: "
            "name folders with a to z, A to Z, 0 to 9 and . _ @ + - alone"
        )
        raise ValueError(msg)
    return value


AsteriskPath = Annotated[Path, AfterValidator(_plain_path)]
"""A path that is handed to Asterisk in an application's arguments: a comma, a quote, a bracket would end it there."""


class ConfigError(Exception):
    """The configuration cannot be used; the message says which file, which key, what is wrong, and what would do."""


class Section(BaseModel):
    """A section of the file: an unknown key is an error, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BalancingTest(Section):
    """The documented balancing test that Art. 6(1)(f) GDPR asks for: the operator's own reference and its date."""

    id: str = Field(min_length=1, description="Your reference of the document.", examples=["LIA-2026-03"])
    date: datetime.date = Field(description="When it was approved.", examples=["2026-03-02"])


def in_language(text: LocalText, language: str) -> str:
    """The text for ``language``; a table without it falls back to its first entry."""
    if isinstance(text, str):
        return text
    return {str(code): words for code, words in text.items()}.get(language) or next(iter(text.values()), "")

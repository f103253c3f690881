"""What callers hear of the operator: who is responsible, and how it is spoken."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from oddzwon.config.values import Language, LocalText, Section


class Controller(Section):
    """Who is responsible; spoken and printed in the notices (Art. 13(1) GDPR). Text, or a table of languages."""

    name: LocalText = Field(description="The controller's name, as spoken.", examples=["Przykład"])
    url: str = Field(
        description="Where the full notice is, as spoken and printed, without https://.",
        examples=["przyklad.pl/rodo"],
    )
    contact: LocalText = Field(description="How to reach the controller.", examples=["ul. Prosta 1, Warszawa"])
    dpo: LocalText = Field(description="How to reach the data-protection officer.", examples=["iod@przyklad.pl"])
    recipients: LocalText = Field(description="Who receives the data.", examples=["our telephone provider"])
    authority: LocalText = Field(description="The supervisory authority.", examples=["Prezes UODO"])
    call_retention_days: int = Field(90, ge=1, le=3650, description="How long call data are kept, in days.")


class Prompts(Section):
    """What callers hear."""

    directory: Path = Field(
        description="Where built prompts lie; Asterisk reads them there.",
        examples=["/var/lib/oddzwon/prompts"],
    )
    short: bool = Field(False, description="Speak texts of about a second: for tests only, they inform nobody.")
    layer1_limit_s: float = Field(20.0, gt=0, le=60, description="Longest layer 1 that is built, in seconds.")
    speaker: Literal["espeak", "command"] = Field("espeak", description="Which engine speaks.")
    command: dict[Language, tuple[str, ...]] = Field(
        {},
        description="For speaker = command: program and arguments for each language, with {text_file} and {out}.",
        examples=[{"pl": ["piper", "--model", "/opt/voices/pl.onnx", "--output_file", "{out}"]}],
    )

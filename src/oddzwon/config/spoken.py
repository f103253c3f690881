"""What callers hear of the operator: who is responsible, and how it is spoken."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from oddzwon.config.values import E164, AsteriskPath, Language, LocalText, Section


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
    transfers: LocalText = Field(
        "",
        description="Transfers to third countries and their safeguards, for the notice page; not set: there are none.",
        examples=["Our telephone provider is in Switzerland (adequacy decision 2000/518/EC)."],
    )
    call_retention_days: int = Field(90, ge=1, le=3650, description="How long call data are kept, in days.")


PromptName = Literal[
    "L1",
    "L2",
    "SHORT",
    "MENU_OPTION",
    "MENU_REPEAT",
    "REC_OBJECT",
    "REC_CONSENT",
    "REC_ANNOUNCE",
    "REC_CONSENT_AGENT",
    "RECORDED",
    "NOT_RECORDED",
    "OBJECTED",
    "OBJECTION_UNDONE",
    "CALLBACK",
    "WRONG_PERSON",
    "CONNECTING",
    "STATIC",
    "AGENT_WHISPER",
]


class OwnText(Section):
    """Your own words for one prompt in one language, and the audio that says them if you have it."""

    prompt: PromptName = Field(description="Which prompt.", examples=["REC_CONSENT"])
    language: Language = Field(description="In which language.", examples=["pl"])
    text: str = Field(
        min_length=1,
        description="What is said, with the placeholders that the shipped text has; needed with audio too.",
        examples=["Czy możemy nagrać tę rozmowę? Powód: {PURPOSE}. Nagranie przechowamy {RETENTION}. Jeśli tak: 1."],
    )
    did: E164 | None = Field(None, description="Only for callers of this number.", examples=["+48221234567"])
    key: str | None = Field(
        None,
        pattern=r"^([1-7]|contract)$",
        description="Only for this key of the menu, or `contract`, the segment: where each has a prompt of its own.",
        examples=["1"],
    )
    audio: Path | None = Field(
        None,
        description="A WAV or FLAC file that says just this text; left out, the speaker says it.",
        examples=["/etc/oddzwon/audio/rec_consent_pl.flac"],
    )

    @field_validator("audio")
    @classmethod
    def _is_audio(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in (".wav", ".flac"):
            msg = "must be a .wav or .flac file"
            raise ValueError(msg)
        return value


class Prompts(Section):
    """What callers hear."""

    directory: AsteriskPath = Field(
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
    own: tuple[OwnText, ...] = Field((), description="Your own words in place of shipped ones: one block for each.")

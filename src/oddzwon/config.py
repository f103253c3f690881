"""The operator's settings: one TOML file, every value checked, every default the law's or the safest one.

``oddzwon init`` writes the commented template from these very fields, and a test holds template, README and fields
together. A mistake names file, key, what is wrong and an example (:class:`ConfigError`).
"""

from __future__ import annotations

import datetime
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

Language = Literal["pl", "cs", "de", "en"]
PresetName = Literal["eu", "pl", "cz", "de"]
RegimeName = Literal["quality", "contract", "legal", "none"]
LocalText = str | dict[Language, str]

E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]


class ConfigError(Exception):
    """The configuration cannot be used; the message says which file, which key, what is wrong, and what would do."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BalancingTest(_Section):
    """The documented balancing test that Art. 6(1)(f) GDPR asks for: the operator's own reference and its date."""

    id: str = Field(min_length=1, description="Your reference of the document.", examples=["LIA-2026-03"])
    date: datetime.date = Field(description="When it was approved.", examples=["2026-03-02"])


class Controller(_Section):
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


class Ami(_Section):
    """The manager interface of Asterisk: the user comes from asterisk-config's manager file."""

    host: str = Field("127.0.0.1", description="Address of the manager interface.")
    port: int = Field(5038, ge=1, le=65535, description="Its port.")
    username: str = Field("oddzwon", min_length=1, description="The manager user.")
    secret: SecretStr | None = Field(None, description="Its secret; better: secret_file.")
    secret_file: Path | None = Field(
        None,
        description="A file that holds the secret, readable by the service only.",
        examples=["/etc/oddzwon/ami.secret"],
    )
    ping_interval_s: float = Field(5.0, gt=0, le=60, description="A ping leaves this often, in seconds.")
    action_timeout_s: float = Field(5.0, gt=0, le=60, description="Longest wait for an answer, in seconds.")

    @model_validator(mode="after")
    def _one_secret(self) -> Ami:
        if (self.secret is None) == (self.secret_file is None):
            msg = "give either secret or secret_file"
            raise ValueError(msg)
        return self


class FastAgi(_Section):
    """Where the dialplan reaches the service; loopback unless Asterisk runs elsewhere."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(4573, ge=0, le=65535, description="Port to listen on.")
    max_sessions: int = Field(500, ge=1, le=10_000, description="Calls in a flow at the same time; more are refused.")


class Log(_Section):
    """The call log."""

    path: Path = Field(description="The SQLite database.", examples=["/var/lib/oddzwon/oddzwon.db"])
    key_file: Path = Field(
        description="The key of the objection register's HMAC; made by the service if it is not there.",
        examples=["/var/lib/oddzwon/number.key"],
    )
    socket: Path = Field(
        description="Unix socket through which the command line changes the log (mode 0600).",
        examples=["/run/oddzwon/oddzwon.sock"],
    )


class Missed(_Section):
    """Asterisk's own durable records, for what happened while the service or its connection was away."""

    cel: Path | None = Field(
        None,
        description="What cel_custom_oddzwon.conf makes Asterisk write; without it such endings stay unknown.",
        examples=["/var/log/asterisk/cel-custom/oddzwon.csv"],
    )
    spool: Path | None = Field(
        None,
        description="The folder of the stand-in script: ODDZWON_SPOOL of oddzwon_settings.conf.",
        examples=["/var/spool/asterisk/oddzwon"],
    )


class Prompts(_Section):
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


class Did(_Section):
    """A number of the operator's: it decides the language and the jurisdiction."""

    number: E164 = Field(description="E.164.", examples=["+48221234567"])
    language: Language = Field(description="What callers of this number hear: pl, cs, de or en.", examples=["pl"])
    preset: PresetName = Field(description="Jurisdiction preset: eu, pl, cz or de.", examples=["pl"])


class MenuOption(_Section):
    """A key of the menu: which queue, and whether and why calls are recorded there."""

    key: str = Field(pattern=r"^[1-7]$", description="The key; 0, 8 and 9 have their own meaning.", examples=["1"])
    queue: Name = Field(description="Name of the queue in queues.conf.", examples=["support"])
    label: LocalText = Field(description="What the menu says for it.", examples=["Pomoc"])
    regime: RegimeName = Field("none", description="Recording regime: quality, contract, legal or none.")
    purpose: LocalText = Field("", description="Why it is recorded, as spoken.")
    basis: LocalText = Field("", description="Legal basis, as spoken in layer 2.")
    other_channel: LocalText = Field("", description="Another way to reach you, for those who will not be recorded.")
    retention_days: int = Field(0, ge=0, le=36_500, description="How long recordings are kept; 0: regime's default.")
    reference: str = Field("", description="Reference that the contract regime needs.")

    @model_validator(mode="after")
    def _purpose_where_recorded(self) -> MenuOption:
        if self.regime != "none" and not self.purpose:
            msg = f"regime {self.regime} needs a purpose: the announcement gives the reason"
            raise ValueError(msg)
        return self


class Menu(_Section):
    """The menu that follows layer 1."""

    default_key: str = Field("1", pattern=r"^[1-7]$", description="Who stays silent is served as with this key.")
    wait_s: float = Field(4.0, gt=0, le=30, description="Silence after the menu before it is said again, in seconds.")
    rounds: int = Field(2, ge=1, le=5, description="How often the menu is said before the default applies.")
    options: tuple[MenuOption, ...] = Field(min_length=1, description="One block for each key.")

    @model_validator(mode="after")
    def _keys_are_distinct(self) -> Menu:
        keys = [o.key for o in self.options]
        if len(set(keys)) != len(keys):
            msg = "two options share a key"
            raise ValueError(msg)
        if self.default_key not in keys:
            msg = f"default_key {self.default_key} is no option's key"
            raise ValueError(msg)
        return self


class Recording(_Section):
    """Recording is off until you turn it on (Art. 25 GDPR)."""

    enabled: bool = Field(False, description="Whether anything is recorded at all.")
    directory: Path | None = Field(
        None,
        description="Where Asterisk writes recordings (group oddzwon, mode 2770).",
        examples=["/var/lib/oddzwon/recordings"],
    )
    quality_mode: Literal["keypress", "announce"] | None = Field(
        None,
        description="Quality recordings: ask for key 1, or announce (needs a balancing test, never where the preset "
        "is de). Left out: the jurisdiction's own way.",
        examples=["keypress"],
    )
    quality_retention_days: int = Field(30, ge=1, le=90, description="Retention of quality recordings, in days.")
    balancing_test: BalancingTest | None = Field(None, description="For announced quality recordings.")
    agents_consented: bool = Field(
        False,
        description="Every agent's consent is on file; without it nothing is recorded where the preset is de.",
    )

    @model_validator(mode="after")
    def _needs(self) -> Recording:
        if self.enabled and self.directory is None:
            msg = "enabled = true needs a directory"
            raise ValueError(msg)
        return self


class Callbacks(_Section):
    """The callback after a technical fault; off until the balancing test is named."""

    balancing_test: BalancingTest | None = Field(None, description="Callbacks are off until this is set.")
    policy: Literal["standard", "strict"] = Field("standard", description="strict: only once an agent was ringing.")
    min_confidence: Literal["medium", "high"] = Field("medium", description="How sure the verdict must be.")
    countries: tuple[str, ...] = Field(
        ("EU_EEA",),
        description="Where may be called: EU_EEA or two-letter region codes.",
        examples=[["EU_EEA", "GB"]],
    )
    trunk: str = Field(
        description="Dial string of the trunk; {number} stands for the number in E.164.",
        examples=["PJSIP/{number}@carrier"],
    )
    grace_s: float = Field(3.0, ge=0, le=60, description="Wait before the decision: a phone needs network again.")
    first_dial_s: float = Field(120.0, gt=0, le=600, description="Latest first dial after the loss, in seconds.")
    lapse_s: float = Field(900.0, gt=0, le=3600, description="The right to call back is over after this, in seconds.")
    max_dials: int = Field(2, ge=1, le=3, description="Dials at the most.")
    gap_s: float = Field(30.0, gt=0, le=600, description="Wait between two dials, in seconds.")
    ring_limit_s: float = Field(25.0, ge=1, le=60, description="Longest ringing of one dial, in seconds.")
    key_wait_s: float = Field(6.0, gt=0, le=30, description="Wait for a key after the greeting, in seconds.")
    agent_ring_s: int = Field(10, ge=1, le=60, description="How long the same agent rings before the queue is asked.")
    priority: int = Field(10, ge=0, le=1000, description="Priority in the queue of somebody who was cut off.")

    @field_validator("trunk")
    @classmethod
    def _has_number(cls, value: str) -> str:
        if value.count("{number}") != 1 or not re.fullmatch(r"[A-Za-z0-9_.@/{}-]+", value):
            msg = "must hold {number} once and otherwise only letters, digits and _ . @ / -"
            raise ValueError(msg)
        return value


class Settings(_Section):
    """Everything that the operator sets."""

    pbx: Name = Field("pbx1", description="Name of this PBX: systemname of its asterisk.conf.")
    trunk_endpoint: Name = Field("carrier", description="The trunk's PJSIP endpoint, for `oddzwon check`.")
    controller: Controller = Field(description="Who is responsible: spoken and printed in the notices.")
    ami: Ami = Field(description="The manager interface of Asterisk.")
    fastagi: FastAgi = Field(FastAgi(), description="Where the dialplan reaches the service.")
    log: Log = Field(description="The call log.")
    missed: Missed = Field(Missed(), description="Asterisk's durable records of what the service did not see.")
    prompts: Prompts = Field(description="What callers hear.")
    dids: tuple[Did, ...] = Field(min_length=1, description="Your numbers: one block for each.")
    menu: Menu = Field(description="The menu that follows layer 1.")
    recording: Recording = Field(Recording(), description="Recording is off until you turn it on.")
    callbacks: Callbacks = Field(description="The callback after a technical fault; off until its test is named.")

    @model_validator(mode="after")
    def _dids_are_distinct(self) -> Settings:
        numbers = [d.number for d in self.dids]
        if len(set(numbers)) != len(numbers):
            msg = "dids: the same number stands twice"
            raise ValueError(msg)
        return self

    def languages(self) -> tuple[Language, ...]:
        """The languages that callers may hear, in the order of the DIDs."""
        return tuple(dict.fromkeys(d.language for d in self.dids))

    def ami_secret(self) -> str:
        """The manager secret; raises :class:`ConfigError` if its file cannot be read."""
        if self.ami.secret is not None:
            return self.ami.secret.get_secret_value()
        assert self.ami.secret_file is not None  # noqa: S101 - Ami._one_secret has seen to it
        try:
            return self.ami.secret_file.read_text(encoding="utf-8").strip()
        except OSError as e:
            msg = f"ami.secret_file: {self.ami.secret_file}: {e.strerror}; let the service's user read it"
            raise ConfigError(msg) from e
        except UnicodeDecodeError as e:
            msg = f"ami.secret_file: {self.ami.secret_file}: no text in UTF-8; write the secret alone into it"
            raise ConfigError(msg) from e


def in_language(text: LocalText, language: str) -> str:
    """The text for ``language``; a table without it falls back to its first entry."""
    if isinstance(text, str):
        return text
    return {str(code): words for code, words in text.items()}.get(language) or next(iter(text.values()), "")


def load(path: Path) -> Settings:
    """The settings in the TOML file at ``path``; raises :class:`ConfigError`. Relative paths count from the file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        msg = f"{path}: no such file; `oddzwon init` writes a commented one"
        raise ConfigError(msg) from e
    except (OSError, UnicodeDecodeError) as e:
        msg = f"{path}: cannot be read: {e}"
        raise ConfigError(msg) from e
    except tomllib.TOMLDecodeError as e:
        msg = f"{path}: not valid TOML: {e}"
        raise ConfigError(msg) from e
    try:
        settings = Settings.model_validate(_anchor(data, path.absolute().parent))
    except ValidationError as e:
        raise ConfigError("\n".join(_explain(path, error) for error in _own_errors(e.errors()))) from e
    return settings


_PATH_KEYS = {"path", "key_file", "socket", "directory", "secret_file", "cel", "spool"}


def _anchor(data: Any, folder: Path) -> Any:
    """The same data with relative paths made absolute."""
    if isinstance(data, dict):
        return {
            k: str(folder / v) if k in _PATH_KEYS and isinstance(v, str) else _anchor(v, folder)
            for k, v in data.items()
        }
    return [_anchor(v, folder) for v in data] if isinstance(data, list) else data


def _own_errors(errors: Any) -> list[Any]:
    """The mistakes themselves: a list whose only entry is wrong is not also too short."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
    ]


_QUOTABLE_IN_AMI = frozenset({"host", "port", "username", "ping_interval_s", "action_timeout_s"})


def _may_be_quoted(error: Any, location: list[str]) -> bool:
    """Whether the value may stand in a message: never a secret, nor what stands under a mistyped key."""
    if error["type"] == "extra_forbidden" or not isinstance(error.get("input"), str | int | float | bool):
        return False
    return location[:1] != ["ami"] or location[-1] in _QUOTABLE_IN_AMI


def _explain(path: Path, error: Any) -> str:
    """One mistake in one line: file, key, what is wrong, an example."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location) or "(whole file)"
    text = error["msg"].removeprefix("Value error, ")
    given = f" (given: {error['input']!r})" if _may_be_quoted(error, location) else ""
    example = _example(location)
    hint = f"; for example {location[-1]} = {example}" if example else ""
    return f"{path}: {key}: {text}{given}{hint}"


def _example(location: list[str]) -> str:
    """An example from the field's own declaration, or its default."""
    model: Any = Settings
    for part in location:
        fields = getattr(model, "model_fields", None)
        if fields is None or part not in fields:
            if part.isdigit():
                continue
            return ""
        info = fields[part]
        if part == location[-1] and not isinstance(info.annotation, type):
            return repr(info.examples[0]) if info.examples else ""
        if part == location[-1]:
            if info.examples:
                return repr(info.examples[0]).replace("'", '"')
            return "" if info.is_required() else repr(info.default).replace("'", '"')
        annotation = info.annotation
        args = getattr(annotation, "__args__", None)
        model = next((a for a in args if hasattr(a, "model_fields")), None) if args else annotation
    return ""


def config_path(given: Path | None) -> Path:
    """Where the configuration is: ``--config``, else ODDZWON_CONFIG, else /etc/oddzwon/oddzwon.toml."""
    if given is not None:
        return given
    return Path(os.environ.get("ODDZWON_CONFIG", "/etc/oddzwon/oddzwon.toml"))

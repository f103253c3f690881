"""Everything that the operator sets, as one object."""

from __future__ import annotations

from pydantic import Field, model_validator

from oddzwon.config.alarms import Alarms
from oddzwon.config.callbacks import Callbacks
from oddzwon.config.connections import Ami, FastAgi, Log, Missed
from oddzwon.config.language import LanguageChoice
from oddzwon.config.menu import Did, Menu
from oddzwon.config.recording import Recording
from oddzwon.config.spoken import Controller, Prompts
from oddzwon.config.values import ConfigError, Language, Name, Section


class Settings(Section):
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
    language: LanguageChoice = Field(LanguageChoice(), description="How the language of a call is found.")
    menu: Menu = Field(description="The menu that follows layer 1.")
    recording: Recording = Field(Recording(), description="Recording is off until you turn it on.")
    callbacks: Callbacks = Field(description="The callback after a technical fault; off until its test is named.")
    alarms: Alarms = Field(Alarms(), description="Who is told when something is wrong.")

    @model_validator(mode="after")
    def _dids_are_distinct(self) -> Settings:
        numbers = [d.number for d in self.dids]
        if len(set(numbers)) != len(numbers):
            msg = "dids: the same number stands twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_key_means_one_thing(self) -> Settings:
        taken = {option.key for option in self.menu.options} & set(self.language.keys)
        if taken:
            msg = f"language.keys: key {min(taken)} is the menu's already; choose one of 1 to 7 that no option has"
            raise ValueError(msg)
        return self

    def languages(self) -> tuple[Language, ...]:
        """The languages that callers can get to, in the order of the DIDs."""
        return tuple(dict.fromkeys(language for did in self.dids for language in self.languages_of(did)))

    def languages_of(self, did: Did) -> tuple[Language, ...]:
        """The languages that a caller of this number can get to; its own is always one of them."""
        found = [did.language]
        if "country" in self.language.order:
            found += self.language.countries.values()
        found += self.language.keys.values()  # set only where a key may decide
        return tuple(dict.fromkeys(found))

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

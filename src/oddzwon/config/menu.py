"""The operator's numbers, and the menu that their callers choose from."""

from __future__ import annotations

from pydantic import Field, model_validator

from oddzwon.config.values import E164, Language, LocalText, Name, PresetName, RegimeName, Section


class Did(Section):
    """A number of the operator's: it decides the jurisdiction, and the language unless ``[language]`` says another."""

    number: E164 = Field(description="E.164.", examples=["+48221234567"])
    language: Language = Field(description="What callers of this number hear: pl, cs, de or en.", examples=["pl"])
    preset: PresetName = Field(description="Jurisdiction preset: eu, pl, cz or de.", examples=["pl"])


class MenuOption(Section):
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


class Menu(Section):
    """The menu that follows layer 1."""

    default_key: str = Field("1", pattern=r"^[1-7]$", description="Who stays silent is served as with this key.")
    wait_s: float = Field(4.0, gt=0, le=30, description="Silence after the menu before it is said again, in seconds.")
    rounds: int = Field(2, ge=1, le=5, description="How often the menu is said before the default applies.")
    layer1_skippable: bool = Field(
        False, description="Any key ends layer 1 and is served in the menu; the receipt then holds that key."
    )
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

"""What the operator wants spoken: plain values, free of where they were configured.

Bootstrap fills these from the configuration; nothing here reads a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oddzwon.prompts.errors import PlanError
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.texts import Language, OwnPrompt, PromptKey

_ANNOUNCEMENTS = (PromptKey.REC_OBJECT, PromptKey.REC_CONSENT, PromptKey.REC_ANNOUNCE)


@dataclass(frozen=True, slots=True)
class OperatorValues:
    """The controller's own words in one language (Art. 13(1), (2) GDPR).

    `url` is the written address of the notice page, e.g. `example.pl/rodo`; speech spells it out.
    `call_retention` is how long the data of a call are kept.
    """

    controller: str
    url: str
    contact: str
    dpo: str
    recipients: str
    authority: str
    call_retention: Period


@dataclass(frozen=True, slots=True)
class MenuChoice:
    """One key of the menu and the words for it, in one language."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class RecordingNotice:
    """The announcement of one recording regime or menu choice, in one language.

    `variant` names it in the library, e.g. `support`: a-z, 0-9 and _ only. `announcement` is REC_OBJECT
    (announced, key 7 stops), REC_CONSENT (key 1 consents) or REC_ANNOUNCE (no opt-out, another channel);
    which one is the regime's matter (legal.md C), so the caller of this package says it. `retention` is a
    period, or words where it is none ("for the contract's duration and three years"). `menu_key` is the key whose
    announcement this is: own texts are given for keys.
    """

    variant: str
    announcement: PromptKey
    purpose: str
    retention: Period | str
    basis: str = ""
    other_channel: str = ""
    agent_consent: bool = False
    menu_key: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.variant):
            raise PlanError(f"{self.variant!r} cannot name an announcement: use a-z, 0-9 and _, like support")
        if self.announcement not in _ANNOUNCEMENTS:
            raise PlanError(
                f"prompt {self.announcement} does not announce a recording (variant {self.variant!r}): "
                f"choose one of {', '.join(_ANNOUNCEMENTS)}"
            )


@dataclass(frozen=True, slots=True)
class LanguagePlan:
    """Everything that is spoken in one language.

    `language_key` is the key that a caller who hears another language presses for this one; None: there is none.
    """

    language: Language
    operator: OperatorValues
    menu: tuple[MenuChoice, ...]
    recordings: tuple[RecordingNotice, ...] = ()
    language_key: str | None = None


@dataclass(frozen=True, slots=True)
class DidPlan:
    """What is spoken in one language on a DID (E.164) for which there are own texts."""

    did: str
    language: LanguagePlan


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """Everything that has to exist.

    `layer1_limit_s` in seconds. `short` speaks a text of about a second for each shipped prompt, for quick tests;
    own texts stay what they are. `own` replaces shipped texts; each DID that one of them names is in `dids`, once
    for each language that can be heard there.
    """

    languages: tuple[LanguagePlan, ...]
    layer1_limit_s: float = 20.0
    short: bool = False
    own: tuple[OwnPrompt, ...] = ()
    dids: tuple[DidPlan, ...] = ()

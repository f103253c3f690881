"""The operator's numbers and menu keys as the flows know them."""

from __future__ import annotations

from oddzwon.callflow.switchboard import Choice, Line
from oddzwon.config import ConfigError, Did, MenuOption
from oddzwon.config.recording import ContractSegment
from oddzwon.domain.number import Number, parse
from oddzwon.domain.recording import RECORDING_RULES, RecordingRules, Regime, Retention


def line_of(did: Did) -> Line:
    """The line of a number; raises :class:`ConfigError` where it is none of any country's plan."""
    number = parse(did.number, "ZZ")
    if not isinstance(number, Number) or number.region is None:
        msg = f"dids: {did.number} is no number of a country's plan; for example +48221234567"
        raise ConfigError(msg)
    rules: RecordingRules = RECORDING_RULES[did.preset]
    return Line(did.number, did.language, did.preset, number.region, rules)


def choice_of(option: MenuOption) -> Choice:
    """What a key of the menu stands for."""
    retention = Retention(days=option.retention_days) if option.retention_days else None
    return Choice(option.key, option.queue, Regime(option.regime), retention, option.reference or None)


def segment_of(contract: ContractSegment | None) -> Choice | None:
    """What a contract segment is recorded under: no key of the menu leads to it, but the agent's code."""
    if contract is None:
        return None
    retention = Retention(days=contract.retention_days) if contract.retention_days else None
    return Choice("", "", Regime.CONTRACT, retention, contract.reference)

"""A jurisdiction's policy: its preset with the operator's values laid over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from oddzwon.bootstrap.choices import choices_from
from oddzwon.callflow.switchboard import Choices
from oddzwon.config import load
from oddzwon.config_template import template
from oddzwon.domain.events import Stage
from oddzwon.domain.number import EU_EEA, GB
from oddzwon.domain.policy import JURISDICTIONS, PRESETS, STRICT_STAGES, BalancingTest, Policy

TESTED = '[callbacks.balancing_test]\nid = "LIA-7"\ndate = 2026-03-02\n'
Choose: TypeAlias = Callable[..., Choices]


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """The choices made from the template with these lines in its section on callbacks."""

    def made(*lines: str, test: str = TESTED) -> Choices:
        path = tmp_path / "oddzwon.toml"
        text = template().replace("[callbacks]\n", "\n".join(["[callbacks]", *lines, ""]), 1)
        path.write_text(text + "\n" + test, encoding="utf-8")
        return choices_from(load(path))

    return made


def test_every_jurisdiction_has_its_preset_and_the_operators_test(choose: Choose) -> None:
    test = BalancingTest("LIA-7", "2026-03-02")
    policies: Mapping[str, Policy] = choose().policies
    assert set(policies) == set(JURISDICTIONS) == {"eu", "pl", "cz", "de"}
    for name, policy in policies.items():
        assert policy.name == name
        assert policy.balancing_test == test
        assert policy.numbers.allowed_countries >= PRESETS[name].numbers.allowed_countries
        assert Stage.QUEUED in policy.stages
    assert len({policy.digest() for policy in policies.values()}) == len(policies)


def test_strict_lies_over_the_jurisdictions_preset(choose: Choose) -> None:
    plain, strict = choose().policies, choose('policy = "strict"').policies
    for name in JURISDICTIONS:
        assert strict[name] == plain[name].strictly()
        assert (strict[name].name, strict[name].stages) == (f"{name} strict", STRICT_STAGES)
        assert strict[name].digest() != plain[name].digest()


def test_countries_that_are_named_are_the_only_ones(choose: Choose) -> None:
    """An allow-list against fraud is not widened by a preset's home country."""
    assert choose('countries = ["DE"]').policy_for("pl").numbers.allowed_countries == {"DE"}
    assert choose('countries = ["EU_EEA", "GB"]').policy_for("eu").numbers.allowed_countries == EU_EEA | GB
    assert choose().policy_for("cz").numbers.allowed_countries == EU_EEA | {"CZ"}


def test_what_else_the_operator_sets_is_in_every_policy(choose: Choose) -> None:
    choices = choose("first_dial_s = 60", "lapse_s = 600", "max_dials = 1", 'min_confidence = "high"')
    for policy in choices.policies.values():
        assert (policy.first_dial_ms, policy.lapse_ms, policy.max_dials) == (60_000, 600_000, 1)
        assert policy.min_confidence == "high"
    assert (
        choices.policy == choices.policy_for("eu") == choices.policy_for("no longer there") == choices.policy_for(None)
    )


def test_without_a_test_no_policy_allows_anything(choose: Choose) -> None:
    assert {policy.balancing_test for policy in choose(test="").policies.values()} == {None}

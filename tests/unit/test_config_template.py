"""The commented oddzwon.toml: it loads as it is, and shows every key that there is, as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from oddzwon.config import Settings, load
from oddzwon.config_template import keys, template


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oddzwon.toml"


def test_it_loads_as_it_is(path: Path) -> None:
    path.write_text(template(), encoding="utf-8")
    assert isinstance(load(path), Settings)


def uncommented(text: str) -> str:
    """Every commented key and section set: what a reader gets who removes each '#' before one."""
    return re.sub(r"^# (\[+[a-z_.]+\]+|[a-z_0-9]+ = .*)$", r"\1", text, flags=re.MULTILINE)


def flat(data: Any, prefix: str = "") -> set[str]:
    if isinstance(data, list):
        return {key for item in data for key in flat(item, prefix)}
    if isinstance(data, dict) and not prefix.endswith(("command.", "label.", "countries.", "language.keys.")):
        return {key for k, v in data.items() for key in ({prefix + k} | flat(v, f"{prefix}{k}."))}
    return set()


def test_it_shows_every_key_and_no_other() -> None:
    assert {name for name, _ in keys()} == flat(tomllib.loads(uncommented(template())))


def test_with_every_comment_removed_it_still_loads(path: Path) -> None:
    """What it shows for a key is a value that the key takes; only one of the two secrets may be set."""
    text = uncommented(template()).replace('\nsecret = ""', "", 1)
    path.write_text(text, encoding="utf-8")
    settings = load(path)
    assert settings.callbacks.balancing_test is not None
    assert settings.callbacks.balancing_test.id == "LIA-2026-03"


def test_every_key_is_explained() -> None:
    assert [name for name, info in keys() if not info.description] == []
    for _, info in keys():
        assert f"# {info.description}\n" in template()


def test_a_default_is_shown_as_it_is(path: Path) -> None:
    """A commented line without an example of its own is the default: setting it changes nothing."""
    path.write_text(template(), encoding="utf-8")
    plain = load(path)
    shown = re.findall(r"^# ((?:port|grace_s|wait_s|rounds|short|max_dials) = .*)$", template(), re.MULTILINE)
    assert len(shown) >= 7
    text = template()
    for line in shown:
        text = text.replace(f"# {line}", line, 1)
    path.write_text(text, encoding="utf-8")
    assert plain == load(path)

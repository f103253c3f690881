"""``oddzwon prompts``: what the build tells, what stays to be found, and settings that no build takes."""

from __future__ import annotations

import hashlib
import json
import shlex
import stat
import wave
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_control import write_settings
from typer.testing import CliRunner, Result

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.cli import app, output
from oddzwon.config import load
from oddzwon.prompts.build import plan_of
from oddzwon.prompts.levelling import measure
from oddzwon.prompts.texts import PromptKey

pytestmark = pytest.mark.thorough  # what is said here is really spoken

ROOT = Path(__file__).resolve().parents[2]
OWN = """
[[prompts.own]]
prompt = "CONNECTING"
language = "pl"
text = "Już łączymy, tu \\"centrala\\"."
"""
DID_OWN = OWN.replace('language = "pl"', 'language = "pl"\ndid = "+48221234567"').replace("Już", "Zaraz")


@pytest.fixture(autouse=True)
def a_wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of a table is broken."""
    monkeypatch.setattr(output.out, "width", 240)
    monkeypatch.setattr(output.err, "width", 240)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_settings(tmp_path)
    change(path, "# short = false", "short = true")
    return path


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), encoding="utf-8")


def add(config: Path, own: str) -> None:
    """Own texts, at the end of the section: a block of its own ends it."""
    change(config, "# Your numbers: one block for each.", f"{own}\n# Your numbers: one block for each.")


def run(config: Path, *args: object) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), "prompts", *map(str, args)])


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_prompt_may_be_named_in_the_settings(config: Path) -> None:
    """The settings' list of names is written by hand: it stands below the room of prompts."""
    add(config, "".join(OWN.replace("CONNECTING", key) for key in PromptKey))
    assert run(config, "list").exit_code == 0
    add(config, OWN.replace("CONNECTING", "CONECTING"))  # behind the others: it is the last
    wrong = run(config, "list")
    assert wrong.exit_code == 1
    assert f"prompts.own.{len(PromptKey)}.prompt" in wrong.stderr


def test_what_was_built_replaced_and_retired_can_be_listed_shown_and_listened_to(config: Path, tmp_path: Path) -> None:
    first = told(run(config, "build", "--json"))
    assert {(row["state"], row["did"], row["own"]) for row in first} == {("new", None, None)}
    add(config, OWN + DID_OWN)
    table = run(config, "build")
    assert table.exit_code == 0
    assert f"{len(first) + 1} prompts, " in table.stdout
    assert f"1 new, 1 changed, {len(first) - 1} unchanged, 0 retired" in table.stdout
    change(config, DID_OWN, "")
    rows = told(run(config, "build", "--json"))
    assert [(row["prompt"], row["did"]) for row in rows if row["state"] == "retired"] == [
        ("CONNECTING", "+48221234567")
    ]
    assert [row["own"] for row in rows if row["prompt"] == "CONNECTING"] == ["text", "text"]

    in_use = [row for row in told(run(config, "list", "--json")) if row["prompt"] == "CONNECTING"]
    assert [row["text"] for row in in_use] == ['Już łączymy, tu "centrala".']
    every = [row for row in told(run(config, "list", "--all", "--json")) if row["prompt"] == "CONNECTING"]
    assert sorted((row["current"], row["did"]) for row in every if row["did"] is None) == [(False, None), (True, None)]
    assert all(row["present"] and row["version"] == row["text_sha256"][:12] for row in every)
    assert "CONNECTING" in run(config, "list", "--all").stdout

    old = next(row for row in every if row["did"])
    (by_version,) = told(run(config, "show", old["version"], "--json"))
    (by_sha256,) = told(run(config, "show", old["sha256"].upper(), "--json"))
    assert by_version == by_sha256 == {**old, "intact": True}
    assert hashlib.sha256(Path(old["file"]).read_bytes()).hexdigest() == old["sha256"]
    Path(old["file"]).write_bytes(b"")
    (damaged,) = told(run(config, "show", old["version"], "--json"))
    assert (damaged["present"], damaged["intact"]) == (True, False)
    assert old["text"] in run(config, "show", old["version"]).stdout

    file = tmp_path / "pl.wav"
    heard = told(run(config, "listen", "--language", "pl", "--did", "+48221234567", "--out", file, "--json"))
    assert {one["prompt"] for one in heard} >= {"L1", "MENU_OPTION", "CALLBACK", "AGENT_WHISPER", "STATIC"}
    with wave.open(str(file)) as played:
        assert played.getnframes() / 8000 > heard[-1]["at_s"] + heard[-1]["seconds"]
    assert "CALLBACK" in run(config, "listen", "--language", "pl", "--out", file).stdout
    assert not (tmp_path / "prompts" / "pl" / "at-call").exists(), "a sample is no prompt that a receipt could name"


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (
            OWN.replace('"pl"', '"de"'),
            "(CONNECTING, de): nobody hears language de there; choose one of pl",
        ),
        (
            DID_OWN.replace("+48221234567", "+48221234568"),
            "+48221234568 is none of yours; choose one of +48221234567",
        ),
        (OWN.replace('language = "pl"', 'language = "pl"\nkey = "1"'), "key: CONNECTING is the same for every key"),
        (
            OWN.replace("CONNECTING", "REC_OBJECT").replace('language = "pl"', 'language = "pl"\nkey = "7"'),
            "key: 7 leads nowhere; choose one of 1",
        ),
        (OWN.replace("tu", "tu {BASIS}"), "unknown placeholder {BASIS}: this prompt may use none"),
        (OWN + OWN, "stands twice"),
        (OWN.replace("text =", "audio = 'a.mp3'\ntext ="), "must be a .wav or .flac file"),
        (OWN.replace("text =", "audio = 'a.wav'\n#"), "prompts.own.0.text"),
        (OWN.replace("text =", "audio = 'none.flac'\ntext ="), "none.flac cannot be read (No such file or directory)"),
    ],
)
def test_settings_that_no_build_takes(own: str, says: str, config: Path) -> None:
    add(config, own)
    result = run(config, "build")
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


def test_the_contract_segment_may_have_its_own_words(tmp_path: Path) -> None:
    text = (ROOT / "docker" / "lab.toml.in").read_text(encoding="utf-8")
    for name, value in (("@LAB_NET@", "127.0.0"), ("@STATE@", str(tmp_path)), ("@SHORT@", "true")):
        text = text.replace(name, value)
    given = (
        'reference = "R"',
        'purpose = "umowa"',
        'basis = "umowa"',
        'other_channel = "poczta"',
        "retention_days = 9",
    )
    contract = "\n".join(("", "[recording.contract]", *given, ""))
    own = OWN.replace("CONNECTING", "REC_ANNOUNCE").replace('language = "pl"', 'language = "pl"\nkey = "contract"')
    own = own.replace("tu ", "{PURPOSE}, {RETENTION}, tu ")
    config = tmp_path / "oddzwon.toml"
    config.write_text(text + ("" if "[recording.contract]" in text else contract) + own, encoding="utf-8")
    spoken = {(one.key, one.variant): one.text for one in plan_of(prompt_plan(load(config))) if one.language == "pl"}
    assert spoken[PromptKey.REC_ANNOUNCE, "contract_pl"].startswith("Już łączymy")
    assert not spoken[PromptKey.REC_ANNOUNCE, "key2_pl"].startswith("Już łączymy")


def test_an_own_text_that_nobody_can_hear_is_told(config: Path) -> None:
    add(config, OWN.replace("CONNECTING", "REC_CONSENT").replace("tu ", "{PURPOSE}, {RETENTION}, tak: 1, tu "))
    result = run(config, "build", "--json")
    assert "never heard: own text ([[prompts.own]]) for prompt REC_CONSENT in language 'pl'" in result.stderr
    assert told(result)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("show", "abc"), "at least 6 digits"),
        (("show", "abcdef012345"), "no prompt has version or hash"),
        (("listen", "--language", "fr"), "choose one of pl, cs, de, en"),
        (("listen", "--language", "en"), "choose one of pl"),
        (("listen", "--language", "pl"), "oddzwon prompts build"),
        (("listen", "--language", "pl", "--did", "+48"), "choose one of +48221234567"),
    ],
)
def test_what_cannot_be_shown_or_heard(args: tuple[str, ...], says: str, config: Path) -> None:
    result = run(config, *args, "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert says in json.loads(result.stdout)["error"]


# --- another engine, by its command ---


def engine(folder: Path, script: str) -> str:
    """A program of the operator's own, as an array of the settings."""
    program = folder / "speak"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return json.dumps([str(program), "{text_file}", "{out}"])


def with_engine(config: Path, command: str) -> Path:
    change(config, '# speaker = "espeak"', f'speaker = "command"\ncommand = {{ pl = {command} }}')
    return config


def test_another_engine_speaks_by_its_command_and_comes_out_as_loud(config: Path, tmp_path: Path) -> None:
    """Another voice of espeak-ng, half as loud and 16 kHz, behind the operator's own script."""
    raw = shlex.quote(str(tmp_path / "raw.wav"))
    script = f'espeak-ng -v pl+f3 -b 1 -f "$1" -w {raw}$$ && sox {raw}$$ -r 16000 "$2" gain -12'
    rows = told(run(with_engine(config, engine(tmp_path, script)), "build", "--json"))
    files = [measure(path) for path in (tmp_path / "prompts" / "pl").glob("*-*-*.wav")]
    assert len(files) == len(rows)
    speech = [one.speech_dbfs for one in files]
    assert max(speech) - min(speech) < 3


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('sox -q -n -r 16000 -c 1 -b 16 "$2" trim 0 1', "the audio is silent"),
        ('sox -q -n -r 16000 -c 1 -b 16 "$2" synth 1 sine 300 gain 20 2>/dev/null', "the audio is clipped"),
        ("exit 3", "speak ended with status 3"),
        ("exit 0", "ended well but wrote no file"),
    ],
)
def test_an_engine_that_nobody_could_hear_is_refused(script: str, says: str, config: Path, tmp_path: Path) -> None:
    result = run(with_engine(config, engine(tmp_path, script)), "build")
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr
    assert not (tmp_path / "prompts" / "manifest.json").exists()

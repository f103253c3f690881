"""The documentation says what the code does, and all of it: both lists are read from their own source and compared.

A name that the code knows and the pages do not, or the other way round, fails here. The message names the difference.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic.fields import FieldInfo

from oddzwon.asterisk import translate, variables
from oddzwon.callflow import failpoints
from oddzwon.cli.commands import app
from oddzwon.config_template import _is_list, _model, _toml, keys
from oddzwon.domain.callback import FINAL, CallbackState
from oddzwon.domain.callback_events import AttemptState
from oddzwon.domain.events import Direction, Stage
from oddzwon.domain.hangup_cause import Confidence
from oddzwon.domain.lawfulness import Code
from oddzwon.domain.number import mask
from oddzwon.log import (
    CallLog,
    Condition,
    Decision,
    Ending,
    Evidence,
    NewCall,
    NewRecording,
    Party,
    Receipt,
    vocabulary,
)
from oddzwon.log.queries import Queries
from oddzwon.prompts.texts import PromptKey

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "asterisk-config" / "include"
SOURCE = ROOT / "src" / "oddzwon"
README = ROOT / "README.md"
SETTINGS = SOURCE / "settings.md"
COMMANDS = SOURCE / "cli" / "command-line.md"
DIALPLAN = ROOT / "asterisk-config" / "dialplan.md"
CALL_LOG = SOURCE / "log" / "call-log.md"
OPERATION = SOURCE / "operation.md"
NOTICE = SOURCE / "web" / "notice.md"
SPEECH = SOURCE / "prompts" / "speech.md"
JOURNEY = SOURCE / "prompts" / "journey.md"
SEALING = SOURCE / "recordings" / "sealing.md"
AT_MOST_ONCE = SOURCE / "callflow" / "at-most-once.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
BESIDE_THE_CODE = (SETTINGS, COMMANDS, DIALPLAN, CALL_LOG, OPERATION, NOTICE, SEALING, SPEECH, JOURNEY, AT_MOST_ONCE)
PAGES = sorted([README, ROOT / "CHANGELOG.md", CONTRIBUTING, INCLUDE / "README.md", *BESIDE_THE_CODE], key=str)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def dialplan() -> str:
    """The include set's files, without their comments."""
    text = "\n".join(read(path) for path in sorted(INCLUDE.glob("*.conf")))
    return re.sub(r"^\s*;.*$", "", text, flags=re.MULTILINE)


def part(page: Path, heading: str) -> str:
    """What stands under a heading of the page, up to the next heading of its rank or a higher one."""
    level = len(heading) - len(heading.lstrip("#"))
    lines = read(page).splitlines()
    begin = lines.index(heading) + 1
    ends = (i for i, line in enumerate(lines) if i >= begin and re.match(rf"#{{1,{level}}} ", line))
    return "\n".join(lines[begin : next(ends, len(lines))])


def rows(text: str) -> dict[str, str]:
    """The tables' rows whose first cell is code, by that code; no name may stand twice."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    names = [name for name, _ in found]
    assert names == list(dict.fromkeys(names))
    return dict(found)


def values(module: Any, prefix: str) -> set[str]:
    """The string constants of a module whose value begins with ``prefix``."""
    return {
        value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.startswith(prefix)
    }


# --- settings ---------------------------------------------------------------------------------------------------


def value_cell(info: FieldInfo) -> str:
    """What the second column says of a key: its default, or that it is required, and the declaration's example."""
    example = f"`{_toml(info.examples[0])}`" if info.examples else ""
    if info.is_required():
        return f"required, such as {example}" if example else "required"
    if info.default is None or info.default in ("", {}):
        return f"not set; such as {example}" if example else "not set"
    return f"`{_toml(info.default)}`"


def settings_rows() -> Iterator[tuple[str, str]]:
    for key, info in keys():
        if _model(info) is None:
            yield key, f" {value_cell(info)} | {info.description} "


def test_every_setting_stands_in_the_docs_with_its_default_and_its_meaning() -> None:
    assert dict(settings_rows()) == rows(read(SETTINGS))


def test_every_section_of_the_settings_is_a_heading() -> None:
    sections = {f"[[{key}]]" if _is_list(info) else f"[{key}]" for key, info in keys() if _model(info) is not None}
    assert sections == set(re.findall(r"^## `(\[.*\])`$", read(SETTINGS), flags=re.MULTILINE))


def test_every_documented_key_of_the_settings_exists() -> None:
    """Keys that the prose of any page names in the form ``section.key``."""
    known = {key for key, _ in keys()}
    sections = {key.split(".")[0] for key in known if "." in key}
    named = {
        name
        for page in PAGES
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", read(page))
        if name.split(".")[0] in sections and not name.endswith((".conf", ".py", ".md", ".db", ".log"))
    }
    assert set() == named - known
    assert "callbacks.balancing_test" in named


# --- command line -----------------------------------------------------------------------------------------------


def commands(command: Any, path: tuple[str, ...] = ("oddzwon",)) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name; the top itself for the shared options."""
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below or len(path) == 1:
        yield " ".join(path), command
    for name, one in below.items():
        yield from commands(one, (*path, name))


def parameters(command: Any) -> set[str]:
    return {p.opts[0] if p.param_type_name == "option" else p.name.upper() for p in command.params}


def test_every_command_and_option_stands_in_the_docs_and_no_other() -> None:
    there = {name: parameters(command) for name, command in commands(typer.main.get_command(app))}
    headings = re.findall(r"^### `(.+)`$", read(COMMANDS), flags=re.MULTILINE)
    documented = {name: set(rows(part(COMMANDS, f"### `{name}`"))) for name in headings}
    assert there == documented


def test_every_command_explains_itself_and_has_json() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "version", f"{name}: {parameter.name}"
        assert name == "oddzwon" or "--json" in parameters(command), name


def test_no_page_prints_a_command_of_oddzwon_that_does_not_exist() -> None:
    names = {name for name, _ in commands(typer.main.get_command(app))}
    groups = {name.rpartition(" ")[0] for name in names} | names
    missing = part(README, "## Not there yet")
    for page in PAGES:
        text = read(page).replace(missing, "")
        for line in re.findall(
            r"(?:^|[`/ ])oddzwon((?: --config [^ `]+)?(?: [a-z][a-z-]+)+)", text, flags=re.MULTILINE
        ):
            words = re.sub(r" --config [^ ]+", "", line).split()
            if words and f"oddzwon {words[0]}" in groups:
                called = " ".join(["oddzwon", *words[:2]])
                assert called in names or f"oddzwon {words[0]}" in names, f"{page.name}: {called}"


def test_what_is_said_not_to_be_there_is_not_there() -> None:
    names = {name for name, _ in commands(typer.main.get_command(app))}
    absent = {f"oddzwon {name}" for name in re.findall(r"`oddzwon ([a-z ]+)`", part(README, "## Not there yet"))}
    assert absent
    assert set() == absent & names


# --- dialplan ---------------------------------------------------------------------------------------------------


def test_the_dialplan_uses_the_variables_that_the_service_lists_and_no_other() -> None:
    assert values(variables, "ODDZWON_") == set(re.findall(r"ODDZWON_[A-Z_]+", dialplan()))


def test_the_service_writes_no_name_of_the_dialplan_outside_its_one_list() -> None:
    written = {
        name
        for path in SOURCE.rglob("*.py")
        if path.name != "variables.py"
        for name in re.findall(r'"(ODDZWON_[A-Z_]+|Oddzwon[A-Z]\w+|oddzwon-[a-z-]+)"', read(path))
    }
    told_to_the_alarm_command = set(rows(part(OPERATION, "### The alarm command")))
    assert {"ODDZWON_CONFIG", "ODDZWON_FAILPOINT", "ODDZWON_FAILPOINT_SOCKET"} | told_to_the_alarm_command == written


def test_every_channel_variable_stands_in_the_docs() -> None:
    assert values(variables, "ODDZWON_") == set(rows(part(DIALPLAN, "## Channel variables")))


def test_asterisks_own_variables_that_are_read_stand_in_the_docs() -> None:
    own = {v for n, v in vars(variables).items() if n.isupper() and isinstance(v, str) and "(" in v}
    assert own == set(rows(part(DIALPLAN, "## What is read of the caller")))


def test_every_context_stands_in_the_docs() -> None:
    manager_user = {"oddzwon"}
    contexts = set(re.findall(r"^\[([a-z-]+)\]", dialplan(), flags=re.MULTILINE)) - manager_user
    assert contexts == set(rows(part(DIALPLAN, "## Contexts")))
    assert {variables.INBOUND_CONTEXT, variables.CALLBACK_CONTEXT} <= contexts


def test_every_user_event_stands_in_the_docs_and_in_the_dialplan() -> None:
    events = values(variables, "Oddzwon")
    assert events == set(re.findall(r"UserEvent\((\w+)", dialplan()))
    assert events == set(rows(part(DIALPLAN, "## User events")))


def test_user_events_are_documented_with_the_headers_that_the_dialplan_sends() -> None:
    sent = {
        name: re.findall(r"[,(]([A-Z]\w+): ", rest) for name, rest in re.findall(r"UserEvent\((\w+)(.*)\)", dialplan())
    }
    written = {
        name: re.findall(r"`(\w+)`", cells.split("|")[0])
        for name, cells in rows(part(DIALPLAN, "## User events")).items()
    }
    assert sent == written


def test_every_feature_code_stands_in_the_docs() -> None:
    codes = dict(re.findall(r"^(oddzwon-\w+) => ([*#0-9]+),", dialplan(), flags=re.MULTILINE))
    assert codes
    documented = {
        name: cells.split("|")[0].strip(" `") for name, cells in rows(part(DIALPLAN, "## Feature codes")).items()
    }
    assert codes == documented
    # the contexts switch on exactly these, and each tells the service under its own name
    assert f"DYNAMIC_FEATURES={'#'.join(codes)})" in dialplan()
    for name in codes:
        word = name.removeprefix("oddzwon-")
        told = (f"UserEvent(OddzwonFeature,Feature: {word})", f"AGI(agi://${{ODDZWON_AGI}}/{word})")
        assert any(f"exten => {word},1,{how}" in dialplan() for how in told)
    assert set(re.findall(r"`(\*#[0-9])`", read(INCLUDE / "README.md"))) == set(codes.values())


def test_the_manager_user_is_sent_the_events_that_the_service_reads_and_no_other() -> None:
    sent = set(re.findall(r"^eventfilter\(action\(include\),name\((\w+)\)\) =", dialplan(), flags=re.MULTILINE))
    assert translate.WANTED | {"FullyBooted"} == sent


def test_the_manager_users_rights_are_those_of_the_file() -> None:
    given = re.findall(r"^(read|write) = (\S+)$", read(INCLUDE / "manager_oddzwon.conf"), flags=re.MULTILINE)
    assert [right for right, _ in given] == ["read", "write"]
    assert [right for right, what in given if f"`{right}={what}`" not in read(DIALPLAN)] == []


# --- law, log, operation ----------------------------------------------------------------------------------------


def test_every_condition_stands_in_the_readme_in_its_order_and_with_its_gate() -> None:
    table = rows(part(README, "## What the law asks, and what is looked at"))
    assert [code.value for code in Code] == list(table)
    assert set(vocabulary.DIAL_CODES) == {code for code, cells in table.items() if cells.split("|")[0].strip() == "D"}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("### Direction", list(Direction)),
        ("### Stage", list(Stage)),
        ("### Party", list(vocabulary.ENDING_PARTIES)),
        ("### Confidence", list(Confidence)),
        ("### Callback's state", list(CallbackState)),
        ("### Attempt's state", list(AttemptState)),
        ("### Prompt", list(PromptKey)),
        (
            "### Recording's state",
            [
                *vocabulary.RECORDING_OPEN,
                *vocabulary.RECORDING_CLOSED,
                vocabulary.RECORDING_SEALED,
                *vocabulary.RECORDING_FINAL,
            ],
        ),
        ("### Regime", list(vocabulary.REGIMES)),
        ("### Door", list(vocabulary.DOORS)),
        ("### Fault", list(vocabulary.FAULTS)),
    ],
)
def test_every_word_of_the_log_is_explained(heading: str, words: list[str]) -> None:
    assert {str(word) for word in words} == set(rows(part(CALL_LOG, heading)))


def test_final_states_are_called_final() -> None:
    table = rows(part(CALL_LOG, "### Callback's state"))
    assert {state.value for state in FINAL} == {
        name for name, cells in table.items() if cells.strip().startswith("final")
    }


async def story(path: Path) -> tuple[str, str]:
    """A call that dropped and was called back, in a call log of its own: the ids of call and callback."""
    at, party, key = 1_760_000_000_000, Party("+48600100200", "a" * 64), "1" * 64
    async with await CallLog.open(path) as log:
        call = await log.arrive(NewCall("lab", "inbound", "1.1", "1.1", at, party, "+48221234567", "pl", "pl", None))
        await log.receipt(call, Receipt("L1", "v1", key, "pl", 9_000, 9_000, None, True, at))
        announced = await log.receipt(call, Receipt("REC_OBJECT", "v1", key, "pl", 9_000, 9_000, None, True, at + 1))
        await log.arm_recording(call, NewRecording("quality", announced, at + 10_000, at + 90_000, "r.wav"))
        await log.end_call(call, ended_at=at + 30_000, lost_at=at + 29_000, stage="talking")
        seen = (Evidence("rtp_timeout", "caller", at),)
        await log.settle(call, Ending("network", True, "high", "talking", "row", at + 31_000, seen))
        passed = tuple(Condition(code, True, "seen") for code in vocabulary.DECISION_CODES)
        callback = await log.decide(call, Decision(True, key, at + 32_000, passed))
        assert callback is not None
        gate = tuple(Condition(code, True, "seen") for code in vocabulary.DIAL_CODES)
        await log.commit_attempt(callback, 1, at=at + 33_000, conditions=gate)
    return call, callback


def shape(value: Any) -> Any:
    """The names in a JSON value, in their order; of an array its first element's."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_the_example_of_a_call_has_the_fields_that_the_log_gives(tmp_path: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", part(CALL_LOG, "## One call"), flags=re.DOTALL)
    call, callback = asyncio.run(story(tmp_path / "log.db"))
    with Queries(tmp_path / "log.db", mask) as queries:
        shown, alone = queries.call_object(call), queries.callback_object(callback)
    example = json.loads(block)
    assert json.dumps(shape(shown)) == json.dumps(shape(example))
    assert {c["code"] for c in example["decision"]["conditions"]} <= set(Code)
    assert alone is not None
    named = re.findall(r"[`\"](\w+)[`\"]", part(CALL_LOG, "## One callback"))
    assert {*alone, *alone["history"][0]} == set(named) - {"oddzwon"}


def _constant_start(name: ast.JoinedStr) -> str:
    first = name.values[0]
    return str(first.value) if isinstance(first, ast.Constant) else ""


def alarms() -> set[str]:
    """The conditions of all alarms in the sources; from where a name varies it is shown as …"""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raise_":
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.add(str(name.value))
                elif isinstance(name, ast.JoinedStr):
                    found.add(f"{_constant_start(name)}…")
                else:
                    pytest.fail(f"{path.name}:{node.lineno}: an alarm's condition must be written out")
    return found


def test_every_alarm_stands_in_the_docs() -> None:
    assert alarms() == set(rows(part(OPERATION, "## Alarms").split("\n### ")[0]))


def test_every_environment_variable_stands_in_the_docs() -> None:
    read_by_code = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', "\n".join(read(p) for p in SOURCE.rglob("*.py"))))
    documented = set(rows(part(COMMANDS, "## Environment"))) | set(rows(part(CONTRIBUTING, "### Environment")))
    assert read_by_code == documented


def test_every_failpoint_is_told_to_developers() -> None:
    points = {v for n, v in vars(failpoints).items() if n.isupper() and isinstance(v, str)}
    assert points == failpoints.STEPS.keys() | set(rows(part(CONTRIBUTING, "### Failpoints")))


def test_what_a_crash_leaves_is_told_for_every_step() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", part(AT_MOST_ONCE, "## The steps"), flags=re.MULTILINE)
    assert dict(told) == failpoints.STEPS
    assert [step for step, _ in told] == list(failpoints.STEPS)
    followed = re.findall(r"^\| (`.+?) \|", part(AT_MOST_ONCE, "### Agent first"), flags=re.MULTILINE)
    every = [f"`{step}`" for step in failpoints.STEPS if step != failpoints.HANGUP_SENT]
    assert followed == [*every, "`hangup-sent`, cancelled", "`closed`, cancelled"]


# --- the house --------------------------------------------------------------------------------------------------


def test_every_room_of_the_house_is_in_the_picture() -> None:
    rooms = {
        path.name if path.is_dir() else path.stem
        for path in SOURCE.iterdir()
        if not path.name.startswith(("_", ".")) and (path.is_dir() or path.suffix == ".py")
    } | {"__main__"}
    assert rooms == set(rows(part(README, "## The house")))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    named = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    python = {re.split(r"[=<>~! ]", one)[0] for one in named}
    assert python == set(rows(part(CONTRIBUTING, "### Python packages")))


def test_every_debian_package_has_its_reason() -> None:
    setup = read(ROOT / "docker" / "setup")
    host = {name for line in re.findall(r"need_packages ([a-z][^\n;}]*)", setup) for name in line.split()}
    assert {"sip-tester", "podman"} <= host
    assert host == set(rows(part(CONTRIBUTING, "### Debian packages on the host")))
    dockerfiles = "\n".join(read(path) for path in sorted((ROOT / "docker").glob("*/Dockerfile")))
    installed = {
        name
        for block in re.findall(r"--no-install-recommends ((?:[^&])*?)&&", dockerfiles, flags=re.DOTALL)
        for name in block.replace("\\", " ").split()
    }
    assert "asterisk" in installed
    assert installed == set(rows(part(CONTRIBUTING, "### Debian packages in the images")))


def test_the_readme_leads_to_every_page() -> None:
    assert [page.name for page in BESIDE_THE_CODE if f"]({page.relative_to(ROOT)}" not in read(README)] == []


def test_make_targets_that_the_pages_print_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    printed = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", read(page), flags=re.MULTILINE)}
    assert {"demo", "test", "check", "lint", "lab", "lab-down", "lab-clean"} <= printed
    assert set() == printed - targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    without_code = re.sub(r"```.*?```|`[^`\n]*`", "", read(page), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", read(file), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name}: {target}"


def test_files_that_the_pages_name_exist() -> None:
    """Paths of this repository in code, such as ``docker/lab``."""
    tops = ("src/", "docker/", "tests/", "asterisk-config/", ".github/", ".ci/")
    for page in PAGES:
        for name in re.findall(r"`([^`\s]+)`", read(page)):
            if name.startswith(tops) and "*" not in name and "…" not in name:
                assert (ROOT / name).exists(), f"{page.name}: {name}"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    # written in pieces: this file is tracked itself; docker.io/library is how Docker spells the name of a local image
    words = ["/" + "work/", "/" + "root/", "py" + "pi.org", "python" + "hosted.org", "deb." + "debian.org"]
    words += ["registry." + "npmjs", "--index" + "-url", "extra-index" + "-url", "trusted" + "-host"]
    if len(ROOT.parts) > 2:
        words.append(str(ROOT) + "/")
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        assert [word for word in words if word in text] == [], path.relative_to(ROOT)

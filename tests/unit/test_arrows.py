"""The house's arrows: dependencies point one way, and no module outgrows one reading."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "oddzwon"
MODULES = sorted(HOUSE.rglob("*.py"))
LONGEST = 400
"""About 300 lines is the habit; 400 is where a module must be divided."""


def lint_imports(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_dependencies_point_one_way() -> None:
    done = lint_imports(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


def test_an_arrow_the_wrong_way_is_seen(tmp_path: Path) -> None:
    """The same contracts upside down must break: else the test above would show nothing."""
    config = tmp_path / "upside_down.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "oddzwon"\n[[tool.importlinter.contracts]]\nname = "upside down"\n'
        'type = "layers"\nlayers = ["oddzwon.domain", "oddzwon.callflow", "oddzwon.cli"]\n',
        encoding="utf-8",
    )
    done = lint_imports(config)
    assert done.returncode == 1
    assert "0 kept, 1 broken" in done.stdout


ALLOWED_IN_DOMAIN = {
    "__future__",
    "calendar",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "hashlib",
    "hmac",
    "itertools",
    "json",
    "math",
    "phonenumbers",
}
ALLOWED_IN_DOMAIN |= {"re", "statistics", "types", "typing", "unicodedata"}


@pytest.mark.parametrize("module", sorted((HOUSE / "domain").glob("*.py")), ids=lambda p: p.stem)
def test_the_domain_imports_nothing_that_acts(module: Path) -> None:
    """A list of what is allowed: the linter's list of what is forbidden cannot know what comes."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    ours = {name for name in names if name.startswith("oddzwon")}
    assert all(name.startswith("oddzwon.domain") for name in ours)
    assert {name.partition(".")[0] for name in names - ours} <= ALLOWED_IN_DOMAIN


def test_modules_fit_in_one_reading() -> None:
    lengths = {str(m.relative_to(HOUSE)): len(m.read_text(encoding="utf-8").splitlines()) for m in MODULES}
    too_long = {name: n for name, n in lengths.items() if n > LONGEST}
    assert too_long == {}


BY_KIND = {"utils", "helpers", "common", "manager", "misc", "util", "helper", "managers", "tools"}


def test_a_file_is_named_for_what_it_is_about() -> None:
    assert [m for m in MODULES if m.stem in BY_KIND or m.parent.name in BY_KIND] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [m for m in MODULES if not ast.get_docstring(ast.parse(m.read_text(encoding="utf-8")))] == []

"""The rule table and its version belong together: a verdict names the rules that it was made by."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from oddzwon.domain.ending import RULES

DOMAIN = Path(__file__).parents[2] / "src" / "oddzwon" / "domain"
KNOWN = Path(__file__).with_name("rules.sha256")
"""One line for each version: the hash, two spaces, the version, as sha256sum writes."""
TABLE = ("ending_rules", "ending", "media", "scene", "disorder")
OF_THE_CAUSES = {"Q850", "FAULT_CONFIDENCE", "fault_confidence", "is_plain", "SoftHangup"}
"""The part of hangup_cause.py that a verdict depends on; the rest tells how dial attempts came out."""


def shape(node: object) -> str:
    """The code without comments, docstrings and places; the same under every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(shape(item) for item in node if not is_docstring(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return f"{type(node).__name__}({','.join(f'{name}={shape(value)}' for name, value in parts)})"


def is_docstring(node: object) -> bool:
    """Whether the statement is a text that does nothing: a docstring, also one below a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def names(statement: ast.stmt) -> set[str]:
    """What a module's statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [])
    return {target.id for target in targets if isinstance(target, ast.Name)}


def parsed(module: str) -> list[ast.stmt]:
    return ast.parse((DOMAIN / f"{module}.py").read_text(encoding="utf-8")).body


def fingerprint() -> str:
    """The hash of all code that decides on an ending."""
    causes = [statement for statement in parsed("hangup_cause") if names(statement) & OF_THE_CAUSES]
    assert set().union(*map(names, causes)) == OF_THE_CAUSES
    table = [statement for module in TABLE for statement in parsed(module)]
    # the version itself is no rule
    rules = [statement for statement in (*causes, *table) if "RULES" not in names(statement)]
    return hashlib.sha256(shape(rules).encode()).hexdigest()


def test_the_rules_have_not_changed_without_their_version() -> None:
    lines = [line.split() for line in KNOWN.read_text(encoding="utf-8").splitlines()]
    known = {version: value for value, version in lines}
    assert known.get(RULES) == fingerprint(), (
        f"The code that judges endings is not the one that is known as rules {RULES}.\n"
        "If any call may now be judged otherwise, and these rules were ever released: give RULES in "
        "src/oddzwon/domain/ending_rules.py a new version and add a line to tests/unit/rules.sha256.\n"
        "If no verdict can differ, or the version is not released yet: replace its line.\n"
        f"The line: {fingerprint()}  {RULES}"
    )


def test_comments_and_docstrings_are_no_rules() -> None:
    plain = ast.parse("def f(a):\n    return a\nX = 1")
    same = ast.parse('"""Said."""\n# said\ndef f(a):\n    """Said."""\n    return a  # said\nX = 1\n"""Said."""')
    other = ast.parse("def f(a):\n    return a\nX = 2")
    assert shape(plain.body) == shape(same.body) != shape(other.body)

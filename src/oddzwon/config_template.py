"""The commented ``oddzwon.toml`` that ``oddzwon init`` writes, made from the settings' own declarations."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from oddzwon.config import Settings

_HEAD: Final = """\
# oddzwon: the settings. A line that begins with '#' and a key shows a default or an example: remove the '#' to set it.
# Texts that callers hear may be one text, or a table of languages: { pl = "…", cs = "…", de = "…", en = "…" }.
# Relative paths count from this file. After a change: `oddzwon check`, and restart the service.
"""

_SET_BY_DEFAULT: Final = frozenset({"ami.secret_file"})
"""Optional keys that the template sets, because one of their group is needed."""


def template() -> str:
    """The whole file; it loads as it is, with callbacks and recording off."""
    return _HEAD + "\n".join(_section(Settings, "")) + "\n"


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the file, dotted, with its declaration; a test holds them together with the documentation."""
    for name, info in model.model_fields.items():
        inner = _model(info)
        yield prefix + name, info
        if inner is not None:
            yield from keys(inner, f"{prefix}{name}.")


def _model(info: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds, if it holds one."""
    candidates = (info.annotation, *typing.get_args(info.annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _is_list(info: FieldInfo) -> bool:
    return typing.get_origin(info.annotation) is tuple


def _section(model: type[BaseModel], prefix: str) -> Iterator[str]:
    inner: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    for name, info in model.model_fields.items():
        section = _model(info)
        if section is not None:
            inner.append((name, info, section))
            continue
        if info.description:
            yield f"# {info.description}"
        value = _value(info)
        off = not info.is_required() and f"{prefix}{name}" not in _SET_BY_DEFAULT
        yield f"{'# ' if off else ''}{name} = {value}"
    for name, info, section in inner:
        optional = info.default is None or info.default == ()
        mark = "# " if optional else ""
        yield ""
        if info.description:
            yield f"# {info.description}"
        yield f"{mark}[[{prefix}{name}]]" if _is_list(info) else f"{mark}[{prefix}{name}]"
        yield from (
            f"{mark}{line}" if line and not line.startswith("#") else line
            for line in _section(section, f"{prefix}{name}.")
        )


def _value(info: FieldInfo) -> str:
    """An example where there is one, else the default, as TOML."""
    if info.examples:
        return _toml(info.examples[0])
    default = info.default
    if default is PydanticUndefined or default is None:
        return '""'
    return _toml(default)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str) and len(value) == 10 and value[4:5] == "-" and value[:4].isdigit():
        return value  # a date
    return json.dumps(value, ensure_ascii=False)

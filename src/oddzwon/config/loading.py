"""From the file to the settings: relative paths, and mistakes told so that a person can mend them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from oddzwon.config.settings import Settings
from oddzwon.config.values import ConfigError, Section


def load(path: Path) -> Settings:
    """The settings in the TOML file at ``path``; raises :class:`ConfigError`. Relative paths count from the file."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        msg = f"{path}: no such file; `oddzwon init` writes a commented one"
        raise ConfigError(msg) from e
    except (OSError, UnicodeDecodeError) as e:
        msg = f"{path}: cannot be read: {e}"
        raise ConfigError(msg) from e
    except tomllib.TOMLDecodeError as e:
        msg = f"{path}: not valid TOML: {e}"
        raise ConfigError(msg) from e
    try:
        settings = Settings.model_validate(_anchor(data, path.absolute().parent))
    except ValidationError as e:
        raise ConfigError("\n".join(_explain(path, error) for error in _own_errors(e.errors()))) from e
    return settings


_PATH_KEYS = {"path", "key_file", "socket", "directory", "secret_file", "cel", "spool", "audio"}


def _anchor(data: Any, folder: Path) -> Any:
    """The same data with relative paths made absolute."""
    if isinstance(data, dict):
        return {
            k: str(folder / v) if k in _PATH_KEYS and isinstance(v, str) else _anchor(v, folder)
            for k, v in data.items()
        }
    return [_anchor(v, folder) for v in data] if isinstance(data, list) else data


def _own_errors(errors: Any) -> list[Any]:
    """The mistakes themselves: a list whose only entry is wrong is not also too short."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
    ]


_QUOTABLE_IN_AMI = frozenset({"host", "port", "username", "ping_interval_s", "action_timeout_s"})


def _may_be_quoted(error: Any, location: list[str]) -> bool:
    """Whether the value may stand in a message: never a secret, nor what stands under a mistyped key."""
    if error["type"] == "extra_forbidden" or not isinstance(error.get("input"), str | int | float | bool):
        return False
    return location[:1] != ["ami"] or location[-1] in _QUOTABLE_IN_AMI


def _explain(path: Path, error: Any) -> str:
    """One mistake in one line: file, key, what is wrong, an example."""
    location = [str(part) for part in error["loc"]]
    key = ".".join(location) or "(whole file)"
    text = error["msg"].removeprefix("Value error, ")
    given = f" (given: {error['input']!r})" if _may_be_quoted(error, location) else ""
    example = _example(location)
    hint = f"; for example {location[-1]} = {example}" if example else ""
    return f"{path}: {key}: {text}{given}{hint}"


def _example(location: list[str]) -> str:
    """An example from the field's own declaration, or its default."""
    model: Any = Settings
    for part in location:
        fields = getattr(model, "model_fields", None)
        if fields is None or part not in fields:
            if part.isdigit():
                continue
            return ""
        info = fields[part]
        if part == location[-1] and not isinstance(info.annotation, type):
            return repr(info.examples[0]) if info.examples else ""
        if part == location[-1]:
            if info.examples:
                return repr(info.examples[0]).replace("'", '"')
            no_value = info.is_required() or isinstance(info.default, Section)
            return "" if no_value else repr(info.default).replace("'", '"')
        annotation = info.annotation
        args = getattr(annotation, "__args__", None)
        model = next((a for a in args if hasattr(a, "model_fields")), None) if args else annotation
    return ""


def config_path(given: Path | None) -> Path:
    """Where the configuration is: ``--config``, else ODDZWON_CONFIG, else /etc/oddzwon/oddzwon.toml."""
    if given is not None:
        return given
    return Path(os.environ.get("ODDZWON_CONFIG", "/etc/oddzwon/oddzwon.toml"))

"""The folder that a web server shows: the pages as they are now, and every earlier edition of them.

The record of editions (``editions.json``) is written first and the pages after it, each in one step: whatever a crash
leaves is finished by the next run. A run that finds nothing changed writes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from oddzwon.prompts.manifest import publish
from oddzwon.prompts.texts import Language
from oddzwon.web.errors import NoticeError
from oddzwon.web.page import HISTORY, INDEX, STYLE, Article, Edition, article_of, index_page, kept_page, page_of, style
from oddzwon.web.values import NoticeValues

RECORD: Final = "editions.json"
"""The record of editions. A folder that holds files and no such record is not ours."""

_MADE_BY: Final = "oddzwon notice"
_FORMAT: Final = 1
_SCRATCH: Final = ".oddzwon-"


class FileState(StrEnum):
    """What became of one file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of the report; ``name`` inside the folder, ``version`` of the edition that a page shows."""

    name: str
    language: Language | None
    version: str | None
    state: FileState


def write_notice(pages: Sequence[NoticeValues], folder: Path, now: datetime) -> tuple[WrittenFile, ...]:
    """Writes what has changed since the last run; blocking. The first page's language is the index's own.

    An edition whose words have changed is in force from ``now`` (UTC) on, the one before it is kept under ``history``.
    Raises NoticeError (the folder is not ours, its record is damaged, another run is at work) and OSError.
    """
    articles = [article_of(values) for values in pages]
    _make(folder)
    with _locked(folder):
        before = _read_record(folder)
        editions = _brought_up(before, articles, now)
        if editions != before:
            _write(folder, RECORD, _record(editions))
        _sweep(folder)
        return (*_kept(folder, articles, editions), *_current(folder, articles, editions))


def _brought_up(editions: Sequence[Edition], articles: Sequence[Article], now: datetime) -> list[Edition]:
    """The editions once these articles are in force."""
    now = now.astimezone(UTC).replace(microsecond=0)
    wanted = {article.values.language: article.version for article in articles}
    kept = [
        replace(edition, until=now)
        if edition.until is None and wanted.get(edition.language) != edition.version
        else edition
        for edition in editions
    ]
    there = {edition.language for edition in kept if edition.until is None}
    return kept + [Edition(language, version, now) for language, version in wanted.items() if language not in there]


# --- files ------------------------------------------------------------------------------------------------------


def _kept(folder: Path, articles: Sequence[Article], editions: Sequence[Edition]) -> Iterator[WrittenFile]:
    """What is kept for ever, the editions in force included: never written again."""
    languages = [article.values.language for article in articles]
    for article in articles:
        edition = _of(article.values.language, editions)[-1]
        there = (folder / edition.file).exists()
        if not there:
            first = next(e for e in editions if (e.language, e.version) == (edition.language, edition.version))
            _write(folder, edition.file, kept_page(article, first, languages))
        state = FileState.UNCHANGED if there else FileState.NEW
        yield WrittenFile(edition.file, edition.language, edition.version, state)


def _current(folder: Path, articles: Sequence[Article], editions: Sequence[Edition]) -> Iterator[WrittenFile]:
    """What is in force, and the way to it; pages of languages that are served no more are taken away."""
    languages = [article.values.language for article in articles]
    for article in articles:
        language = article.values.language
        page = page_of(article, _of(language, editions), languages)
        yield _put(folder, f"{language}.html", page, language, article.version)
    former = [edition for edition in editions if edition.language not in languages]
    yield _put(folder, INDEX, index_page(articles, former))
    yield _put(folder, STYLE, style())
    for language in dict.fromkeys(edition.language for edition in former):
        page_file = folder / f"{language}.html"
        if page_file.exists():
            page_file.unlink()
            yield WrittenFile(page_file.name, language, None, FileState.REMOVED)


def _of(language: Language, editions: Sequence[Edition]) -> list[Edition]:
    return [edition for edition in editions if edition.language == language]


def _put(
    folder: Path, name: str, text: str, language: Language | None = None, version: str | None = None
) -> WrittenFile:
    path = folder / name
    before = path.read_bytes() if path.is_file() else None
    if before == text.encode():
        return WrittenFile(name, language, version, FileState.UNCHANGED)
    _write(folder, name, text)
    return WrittenFile(name, language, version, FileState.NEW if before is None else FileState.CHANGED)


def _write(folder: Path, name: str, text: str) -> None:
    """Beside its place, then into it: a visitor gets the old or the new file, never half of one."""
    handle, made = tempfile.mkstemp(dir=folder, prefix=_SCRATCH)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        publish(Path(made), folder / name)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


# --- the folder -------------------------------------------------------------------------------------------------


def _make(folder: Path) -> None:
    """The folder and its history, readable by a web server; refuses one that somebody else uses."""
    if folder.exists() and not folder.is_dir():
        raise NoticeError(f"{folder} is no folder: name another with --out")
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    elif not (folder / RECORD).exists() and any(not entry.name.startswith(_SCRATCH) for entry in folder.iterdir()):
        raise NoticeError(
            f"{folder} holds files and no {RECORD}, so it was not made by `oddzwon notice`: name an empty folder or a "
            "new one with --out; nothing was written"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise NoticeError(f"another `oddzwon notice` is at work in {folder}: wait for its end") from None
    try:
        yield
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """What an interrupted run has left, away; the folder of kept editions there."""
    for left in folder.glob(f"{_SCRATCH}*"):
        left.unlink()
    history = folder / HISTORY
    if not history.is_dir():
        history.mkdir()
        history.chmod(0o755)


# --- the record -------------------------------------------------------------------------------------------------


def _record(editions: Sequence[Edition]) -> str:
    listed = [
        {
            "language": edition.language.value,
            "version": edition.version,
            "since": edition.since.isoformat(),
            "until": None if edition.until is None else edition.until.isoformat(),
        }
        for edition in editions
    ]
    return json.dumps({"made_by": _MADE_BY, "format": _FORMAT, "editions": listed}, indent=1) + "\n"


def _read_record(folder: Path) -> list[Edition]:
    path = folder / RECORD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["made_by"] != _MADE_BY or raw["format"] != _FORMAT:
            raise NoticeError(f"{path} is not of this version of oddzwon: update it, or name another folder with --out")
        return [_edition(entry) for entry in raw["editions"]]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError) as problem:
        raise NoticeError(
            f"{path} is damaged ({problem!r}): restore it, or name another folder with --out; nothing was written"
        ) from None


def _edition(entry: Mapping[str, Any]) -> Edition:
    version = str(entry["version"])
    if not version.isalnum():
        raise ValueError(version)  # it is a part of a file's name
    until = None if entry["until"] is None else _moment(entry["until"])
    return Edition(Language(entry["language"]), version, _moment(entry["since"]), until)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment

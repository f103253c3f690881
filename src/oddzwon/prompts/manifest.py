"""The record of what was built: every edition of every prompt, the superseded ones included.

A receipt names a prompt's version and the SHA-256 of its audio; both are found here again (Art. 5(2) GDPR).
Audio files carry a part of their own hash in their name, so that none is ever overwritten by another.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from oddzwon.prompts.errors import ManifestError
from oddzwon.prompts.own_audio import file_sha256
from oddzwon.prompts.rendering import Slot

MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Edition:
    """One built prompt: words, audio, origin.

    `stem` is the path inside the folder without extension, beside it stand .wav (8 kHz) and .wav16 (16 kHz).
    `recipe` decides whether a build has to speak again. `built_at` is UTC, ISO 8601. `current` is what is played.
    `did` (E.164): only callers of that number hear it. `own`: the words are the operator's; `audio_sha256`: so is the
    audio, and this is the hash of the file that it was made from.
    """

    key: str
    variant: str | None
    language: str
    version: str
    text: str
    text_sha256: str
    spoken: str
    stem: str
    sha256: str
    wide_sha256: str
    frames: int
    duration_ms: int
    engine: str
    recipe: str
    built_at: str
    current: bool
    did: str | None = None
    own: bool = False
    audio_sha256: str | None = None

    @property
    def slot(self) -> Slot:
        """What it is an edition of."""
        return self.language, self.key, self.variant, self.did

    def files(self, folder: Path) -> tuple[tuple[Path, str], tuple[Path, str]]:
        """The two audio files, each with the SHA-256 that it has to have."""
        return (folder / f"{self.stem}.wav", self.sha256), (folder / f"{self.stem}.wav16", self.wide_sha256)

    def damage(self, folder: Path) -> str | None:
        """What is wrong with its files, or None: reads and hashes them."""
        for path, sha256 in self.files(folder):
            try:
                if file_sha256(path) != sha256:
                    return f"{path} is not the file that was built (its SHA-256 differs)"
            except OSError as problem:
                return f"{path} cannot be read: {problem.strerror}"
        return None


def read_manifest(folder: Path) -> tuple[Edition, ...]:
    """All editions, oldest first; none if nothing was built. Raises ManifestError."""
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as problem:
        raise ManifestError(
            f"{path} cannot be read ({problem}): restore it, or move the folder away and build"
        ) from None
    if not isinstance(raw, dict) or raw.get("format") != _FORMAT:
        raise ManifestError(f"{path} has a format that this version does not know: update oddzwon")
    try:
        return tuple(edition_of(entry) for entry in raw["prompts"])
    except (KeyError, TypeError, ValueError) as problem:
        raise ManifestError(f"{path} is damaged ({problem}): restore it, or move the folder away and build") from None


def write_manifest(folder: Path, editions: Sequence[Edition]) -> None:
    """Replaces the manifest in one step."""
    write_json(folder / MANIFEST, {"format": _FORMAT, "prompts": [asdict(edition) for edition in editions]})


def edition_of(entry: dict[str, Any]) -> Edition:
    """An edition from its JSON object; raises TypeError or ValueError where a field is missing or of another kind.

    Fields of a newer version are ignored.
    """
    known = {field.name for field in fields(Edition)}
    edition = Edition(**{name: value for name, value in entry.items() if name in known})
    inside = Path(edition.stem)
    if inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"{edition.stem!r} lies outside the folder")
    if not (isinstance(edition.duration_ms, int) and isinstance(edition.frames, int)):
        raise TypeError(f"the length of {edition.stem!r} is not a number")
    return edition


def write_json(path: Path, content: object) -> None:
    """Writes beside the target and renames: a reader sees the old or the new file, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")
        publish(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def publish(made: Path, target: Path) -> None:
    """Moves a finished file of the same file system to its place, on the disk and readable by Asterisk's user."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.chmod(0o644)
    made.replace(target)

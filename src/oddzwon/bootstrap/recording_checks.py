"""What ``oddzwon check`` looks at of recordings: their folder, the operator's keys, and whether files and log agree."""

from __future__ import annotations

from pathlib import Path

from oddzwon.bootstrap.findings import Result
from oddzwon.callflow.nightly import day
from oddzwon.config import Settings
from oddzwon.domain.events import Instant
from oddzwon.domain.number import mask
from oddzwon.log.errors import LogError
from oddzwon.log.recording_files import RecordingFiles
from oddzwon.recordings.errors import KeyFileError
from oddzwon.recordings.folder import examine, wrong_with
from oddzwon.recordings.keyring import KeyRing


def recording_checks(settings: Settings, now: Instant) -> list[Result]:
    """The lines on recordings; only one where nothing is recorded. Blocking."""
    recording = settings.recording
    if not recording.enabled or recording.directory is None or recording.key_file is None:
        return [Result("recording", True, "off")]
    folder = _folder(recording.directory)
    return [
        folder,
        _keys(recording.key_file, recording.directory, settings.log.path),
        *([_files(recording.directory, settings.log.path, now)] if folder.ok else []),
        *_holds(settings.log.path, now),
    ]


def _holds(log: Path, now: Instant) -> list[Result]:
    """A line only where a hold's review is due."""
    if not log.exists():
        return []
    try:
        with RecordingFiles(log, mask) as files:
            due = files.holds_due(day(now))
    except LogError as error:
        return [Result("recording holds", False, str(error), "then run this again")]
    if not due:
        return []
    found = f"{len(due)} held recordings whose review day has come ({due[0]})"
    return [Result("recording holds", False, found, "release them, or hold them on under another reference")]


def _folder(folder: Path) -> Result:
    try:
        wrong = wrong_with(folder)
    except OSError as error:
        wrong = f"{folder}: {error.strerror}: look at it as the service's user"
    if wrong is None:
        return Result("recording", True, str(folder))
    found, _, to_do = wrong.partition(": ")
    return Result("recording", False, found, to_do)


def _keys(path: Path, folder: Path, log: Path) -> Result:
    if path.resolve().is_relative_to(folder.resolve()):
        to_do = "move it elsewhere and set recording.key_file: who copies the recordings must not copy their keys"
        return Result("recording keys", False, f"{path} lies beside the recordings", to_do)
    try:
        needed = _needed(log)
        ids = KeyRing.read(path).ids
    except FileNotFoundError:
        if needed:
            return Result("recording keys", False, f"{path} is not there", "put its copy in its place")
        return Result("recording keys", True, f"{path} will be made when the service starts")
    except KeyFileError as error:
        return Result("recording keys", False, str(error), "without it nothing can be sealed or heard")
    except LogError as error:
        return Result("recording keys", False, str(error), "then run this again")
    missing = sorted(needed - ids)
    if missing:
        found = f"{path} lacks {', '.join(missing)}, with which recordings' keys are wrapped"
        return Result(
            "recording keys",
            False,
            found,
            "put the file's copy in its place, or add that line to it, and restart the service",
        )
    unfinished = f", {len(ids)} keys: finish with `oddzwon recordings rekey`" if len(ids) > 1 else ""
    return Result("recording keys", True, f"{path}{unfinished}")


def _needed(log: Path) -> frozenset[str]:
    if not log.exists():
        return frozenset()
    with RecordingFiles(log, mask) as files:
        return files.wrapping_keys()


def _files(folder: Path, log: Path, now: Instant) -> Result:
    if not log.exists():
        return Result("recordings", True, "none yet")
    try:
        with RecordingFiles(log, mask) as files:
            orphans = examine(folder, files, now)
    except (LogError, OSError) as error:
        return Result("recordings", False, str(error), "then run this again")
    if orphans:
        to_do = "look at files of no recording and remove them; the service removes what is left over by night"
        return Result("recordings", False, f"log and folder do not agree: {orphans}", to_do)
    return Result("recordings", True, "every file has its recording, and every recording its file")

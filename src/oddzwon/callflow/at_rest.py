"""What the operator does with recordings at rest: hear one, hold it, release it. Each with a name and a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from oddzwon.callflow.recorders import delete_for_good
from oddzwon.callflow.sealing import objected
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.attestation import BY_LONGEST, REASON_LONGEST, wrong_with_line
from oddzwon.log.recording_records import Hold, RecordingRow, Seal
from oddzwon.recordings.sealing import Side

_log = structlog.get_logger(__name__)


class NotAllowed(Exception):
    """It was not done; the message says why, and what would do."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What opens one sealed file. ``key`` goes to who asked and nowhere else."""

    recording: str
    path: Path
    seal: Seal
    key: bytes = field(repr=False)


async def open_recording(board: Switchboard, recording: str, *, by: str, reason: str, side: str = "") -> Opened:
    """Log who hears the recording and why; only then give its key. ``side``: only the caller's, or the agent's.

    Raises NotAllowed, among others where a restriction stands (Art. 18 GDPR) or the key was destroyed; LogError,
    KeyNotThere.
    """
    _words(by=(by, BY_LONGEST), reason=(reason, REASON_LONGEST))
    if side and side not in set(Side):
        raise NotAllowed(f"--side {side!r}: one of {', '.join(Side)}")
    row = await _row(board, recording)
    found = await board.log.sealed(recording)
    folder = board.choices.recordings
    if row.state == "deleted" or (found is not None and found.wrapped is None):
        raise NotAllowed(f"recording {recording} was erased: its key is destroyed, no copy of its file can be heard")
    if await board.log.recording_restricted(recording):
        raise NotAllowed(f"recording {recording}: its use is restricted (Art. 18 GDPR); it is kept, and not heard")
    if row.state == "failed":
        raise NotAllowed(f"recording {recording} was never made: {row.why or 'Asterisk could not write it'}")
    if found is None or found.wrapped is None:
        raise NotAllowed(f"recording {recording} is not sealed yet: it is {row.state}; see `oddzwon recordings list`")
    if board.keys is None or folder is None:
        raise NotAllowed("recording.enabled is false: the service has neither the recordings nor their keys")
    key = board.keys.unwrap(recording, found.wrapped)
    what = f"recording {recording}" + (f", the {side} only" if side else "")
    await board.log.record_access(by=by, what=what, reason=reason, at=board.now())
    _log.info("recording opened", recording=recording, call=row.call)
    return Opened(recording, (folder / found.seal.file).absolute(), found.seal, key)


async def hold_recording(board: Switchboard, recording: str, hold: Hold) -> None:
    """Keep the recording beyond its retention (Art. 17(3)(e) GDPR). Raises NotAllowed, LogError."""
    _words(by=(hold.by, BY_LONGEST), reference=(hold.reference, REASON_LONGEST), approver=(hold.approver, BY_LONGEST))
    try:
        review = date.fromisoformat(hold.review_on)
    except ValueError:
        raise NotAllowed(f"--review-on {hold.review_on!r}: not a date such as 2027-05-31") from None
    if review <= datetime.fromtimestamp(board.now() / 1000, UTC).date():
        raise NotAllowed(f"--review-on {review}: a day to come, on which somebody asks whether it is still needed")
    await _row(board, recording)
    await board.log.hold(recording, hold, board.now())
    _log.info("recording held", recording=recording)


async def release_recording(board: Switchboard, recording: str, *, reference: str, by: str, reason: str) -> int:
    """End the hold of this reference (empty: the only one); returns how many stand on. Raises NotAllowed, LogError."""
    _words(by=(by, BY_LONGEST), reason=(reason, REASON_LONGEST))
    row = await _row(board, recording)
    standing = await board.log.holds(recording)
    if reference and reference not in standing:
        raise NotAllowed(f"recording {recording}: no hold stands under {reference!r}; see `oddzwon recordings list`")
    if not standing:
        raise NotAllowed(f"recording {recording}: no hold stands")
    if not reference and len(standing) > 1:
        raise NotAllowed(f"recording {recording}: {len(standing)} holds stand; name one of them with --reference")
    await board.log.release(recording, reference=reference or None, by=by, why=reason, at=board.now())
    _log.info("recording released", recording=recording)
    if len(standing) == 1 and row.state != "deleted" and await objected(board, row):
        await delete_for_good(board, recording)  # the hold alone had kept it
    return len(standing) - 1


async def _row(board: Switchboard, recording: str) -> RecordingRow:
    row = await board.log.recording(recording)
    if row is None:
        raise NotAllowed(f"no recording {recording!r} in the log; `oddzwon recordings list` shows them")
    return row


def _words(**options: tuple[str, int]) -> None:
    """Refuse what no line of the log may hold; names and reasons stay there, in no erasable table."""
    for option, (text, longest) in options.items():
        if not text.strip():
            raise NotAllowed(f"--{option} is empty: who does it, and why, is written down")
        if wrong := wrong_with_line(f"--{option}", text, longest):
            raise NotAllowed(wrong)

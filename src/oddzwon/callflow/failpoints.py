"""Places where the tests kill the service, to see what a crash leaves. Off unless ODDZWON_FAILPOINT names one.

attempt-committed   the attempt is in the log, its Originate has not left
originate-sent      the Originate has left, its answer has not come
recording-finished  the recording is over, and not sealed
recording-sealed    the sealed file stands on the disk, its key is nowhere yet
seal-committed      the seal and its key are in the log, the plain file is still there
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

ATTEMPT_COMMITTED: Final = "attempt-committed"
ORIGINATE_SENT: Final = "originate-sent"
RECORDING_FINISHED: Final = "recording-finished"
RECORDING_SEALED: Final = "recording-sealed"
SEAL_COMMITTED: Final = "seal-committed"


def crash_at(name: str) -> None:
    """Die here by SIGKILL, as a crash or the out-of-memory killer would have it, if this failpoint is set."""
    if os.environ.get("ODDZWON_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


async def crash_before_answer(name: str, asking: Coroutine[Any, Any, T]) -> T:
    """Await ``asking``; die once it has sent its request and waits for the answer, if this failpoint is set."""
    if os.environ.get("ODDZWON_FAILPOINT") != name:
        return await asking
    task = asyncio.create_task(asking)
    await asyncio.sleep(0)  # the request is written before its task first waits
    crash_at(name)
    return await task

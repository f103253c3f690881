"""Places where the tests kill or hold the service, to see what a crash leaves. Off unless the environment names them.

``ODDZWON_FAILPOINT=NAME`` kills the service there. ``ODDZWON_FAILPOINT_SOCKET=PATH``: at each of :data:`STEPS` it tells
the step's name to whoever listens on this Unix socket, and waits until he hangs up. What each step leaves behind and
what follows: ``at-most-once.md`` beside this file.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, TypeVar

T = TypeVar("T")

ENDING_COMMITTED: Final = "ending-committed"
DECISION_COMMITTED: Final = "decision-committed"
RESERVING: Final = "reserving"
RESERVING_COMMITTED: Final = "reserving-committed"
AGENT_ORIGINATE_SENT: Final = "agent-originate-sent"
AGENT_ANSWERED: Final = "agent-answered"
AGENT_HELD: Final = "agent-held"
ATTEMPT_COMMITTED: Final = "attempt-committed"
ORIGINATE_SENT: Final = "originate-sent"
ORIGINATE_ANSWERED: Final = "originate-answered"
DIALLING_COMMITTED: Final = "dialling-committed"
RINGING: Final = "ringing"
ANSWERED: Final = "answered"
ANSWER_COMMITTED: Final = "answer-committed"
CALLBACK_CALL_COMMITTED: Final = "callback-call-committed"
ACCEPTED: Final = "accepted"
ANNOUNCED: Final = "announced"
RECORDING_ARMED: Final = "recording-armed"
HANDED_OVER: Final = "handed-over"
BRIDGED: Final = "bridged"
HANGUP_SENT: Final = "hangup-sent"
CLOSED: Final = "closed"

STEPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ENDING_COMMITTED: "the verdict on the ending and the drop are in the log",
        DECISION_COMMITTED: "the decision and its callback are in the log, nothing was done about them",
        RESERVING: "an agent is promised, the dial gate's facts are read",
        RESERVING_COMMITTED: "the log says that an agent is rung, his Originate has not left",
        AGENT_ORIGINATE_SENT: "the agent's Originate has left, its answer has not come",
        AGENT_ANSWERED: "the agent has answered, and has heard nothing yet",
        AGENT_HELD: "the agent has heard what it is about, and waits on the line",
        ATTEMPT_COMMITTED: "the attempt is in the log, its Originate has not left",
        ORIGINATE_SENT: "the customer's Originate has left, its answer has not come",
        ORIGINATE_ANSWERED: "Asterisk has taken the Originate, the log does not know of it",
        DIALLING_COMMITTED: "the log says that Asterisk has taken the Originate",
        RINGING: "the customer's telephone rings, and the log says so",
        ANSWERED: "the customer has answered, his flow begins",
        ANSWER_COMMITTED: "the log says that he has answered",
        CALLBACK_CALL_COMMITTED: "the callback's own call is in the log, tied to its attempt",
        ACCEPTED: "the customer has pressed 1",
        ANNOUNCED: "the recording's announcement was heard, its receipt is in the log",
        RECORDING_ARMED: "the recording is armed, where there is one",
        HANDED_OVER: "the flow is over but for its last word, after which the two are joined",
        BRIDGED: "the two talk, and the log says so",
        HANGUP_SENT: "a stop's Hangup has left, its answer has not come",
        CLOSED: "the callback is over, and the log says so",
    }
)
"""Every step between the verdict and the talk, in order; then those of a stop. Each is behind a commit or an action."""

RECORDING_FINISHED: Final = "recording-finished"
RECORDING_SEALED: Final = "recording-sealed"
SEAL_COMMITTED: Final = "seal-committed"

_dies_at = os.environ.get("ODDZWON_FAILPOINT", "")
_listener = os.environ.get("ODDZWON_FAILPOINT_SOCKET", "")


def crash_at(name: str) -> None:
    """Die here by SIGKILL, as a crash or the out-of-memory killer would have it, if this failpoint is set."""
    if name == _dies_at:
        os.kill(os.getpid(), signal.SIGKILL)


async def reached(name: str) -> None:
    """Die at this step if it is the failpoint; else, if somebody listens, tell him and wait until he lets go."""
    crash_at(name)
    if not _listener:
        return
    with suppress(OSError):  # nobody listens any more
        reader, writer = await asyncio.open_unix_connection(_listener)
        try:
            writer.write(f"{name}\n".encode())
            await reader.read()
        finally:
            writer.close()


async def crash_before_answer(name: str, asking: Coroutine[Any, Any, T]) -> T:
    """Await ``asking``; :func:`reached` once it has sent its request and waits for the answer."""
    if name != _dies_at and not _listener:
        return await asking
    task = asyncio.create_task(asking)
    await asyncio.sleep(0)  # the request is written before its task first waits
    try:
        await reached(name)
    except BaseException:
        task.cancel()
        raise
    return await task

"""Running a program of the speech chain: no shell, text by stdin or file, a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from oddzwon.prompts.errors import EngineFailedError, EngineMissingError

_PACKAGES = {"espeak-ng": "espeak-ng", "sox": "sox"}


async def run_program(argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> bytes:
    """Runs it to its end and returns its stdout; the program never outlives this call.

    Raises EngineMissingError, or EngineFailedError with the last line that the program wrote to stderr.
    """
    program = argv[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise EngineMissingError(program, _PACKAGES.get(program, program)) from None
    except OSError as problem:
        raise EngineFailedError(f"{program} cannot be run by the service's user: {problem.strerror}") from None
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await process.communicate(stdin)
    except TimeoutError:
        raise EngineFailedError(f"{program} did not end within {timeout_s:g} s and was stopped") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise EngineFailedError(f"{program} ended with status {process.returncode}: {said[-1][:200]}")
    return stdout

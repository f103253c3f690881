"""An announcement whose file is not what was built: nobody is recorded, everybody is served, and it is an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from oddzwon.domain.recording import HEARD_MS
from oddzwon.prompts.manifest import read_manifest
from tests.asterisk.bench import CS, DE, EN, PL, Bench

pytestmark = [pytest.mark.asterisk, pytest.mark.complains("prompt-unplayable")]

AGENT_PERIOD = 16
"""The agents' tone."""
WAV_HEADER = 44
"""RIFF, fmt and the head of data: a file of this length holds no sample."""
Damage = Callable[[Path], None]


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def header_only(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:WAV_HEADER])


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 & ~1])


@contextmanager
def damaged(bench: Bench, name: str, damage: Damage) -> Iterator[None]:
    """The prompt's files, narrow and wide, are damaged after they were built; and whole again afterwards."""
    folder = bench.lab.state / "prompts"
    # other tests' settings may have left other editions
    (edition,) = [one for one in read_manifest(folder) if one.current and one.stem.startswith(f"{name}-")]
    files = {file: file.read_bytes() for file, _ in edition.files(folder)}
    try:
        for file in files:
            damage(file)
        yield
    finally:
        for file, content in files.items():
            file.write_bytes(content)
            file.chmod(0o644)


async def reaches_an_agent(bench: Bench, number: str, did: str, key: str) -> dict[str, Any]:
    """The call of one who chooses this key and talks; as the command line shows it."""
    caller = await bench.in_menu(number, did)
    await caller.press(key)
    await caller.heard.until_tone(AGENT_PERIOD, 5)
    await caller.hears_audio(frames=25)
    await caller.bye()
    return await bench.judged(await bench.logged(number))


async def test_no_recording_without_a_whole_announcement(bench: Bench, number_plan: Iterator[str]) -> None:
    before = {*bench.lab.recordings.rglob("*.*")}
    cases: tuple[tuple[str, str, str, Damage], ...] = (
        (PL, "1", "pl/REC_OBJECT-key1_pl", emptied),
        (CS, "1", "cs/REC_OBJECT-key1_cz", header_only),
        (EN, "1", "en/REC_OBJECT-key1_eu", Path.unlink),
        (PL, "2", "pl/REC_ANNOUNCE-key2_pl", halved),
    )
    async with asyncio.timeout(60.0):
        with ExitStack() as stack:
            for _, _, name, damage in cases:
                stack.enter_context(damaged(bench, name, damage))
            calls = await asyncio.gather(
                *(reaches_an_agent(bench, next(number_plan), did, key) for did, key, _, _ in cases)
            )
    for (_, _, name, damage), call in zip(cases, calls, strict=True):
        prompt = name.partition("/")[2].partition("-")[0]
        (announced,) = [n for n in call["notices"] if n["prompt"] == prompt]
        assert announced["complete"] is False, name
        assert (announced["played_ms"] > 0) is (damage is halved), name
        assert announced["played_ms"] < announced["full_ms"], name
        assert call["recordings"] == [], name
        assert call["stage"] == "talking", name
        assert f'prompt-unplayable-{prompt}-{name[:2]}"' in bench.lab.log_lines(bench.log_from), name
    assert {*bench.lab.recordings.rglob("*.*")} == before


async def test_key_1_is_no_consent_to_a_question_that_was_not_heard(bench: Bench, number: str) -> None:
    with damaged(bench, "de/REC_CONSENT-key1_de", header_only):
        caller = await bench.in_menu(number, DE)
        mark = bench.observer.mark()
        await caller.press("1")
        await bench.prompt("REC_CONSENT", since=mark)
        await asyncio.sleep(2 * HEARD_MS / 1000)  # nothing tells a caller that he could answer now
        await caller.press("1")
        agent = await bench.answered_by(caller)
        await caller.bye()
        await agent.ended()
        call = await bench.judged(await bench.logged(number))
    asked = [n for n in call["notices"] if n["prompt"] == "REC_CONSENT"]
    assert [(n["key"], n["complete"], n["played_ms"]) for n in asked] == [(None, False, 0)]
    assert call["recordings"] == []

"""The whole journey, spoken with the lab's settings: the table in the documentation, levels, the file to hear."""

from __future__ import annotations

import asyncio
import os
import re
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest

from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.config import load
from oddzwon.prompts.build import BuildReport, BuildState, build
from oddzwon.prompts.errors import LibraryError, PromptMissingError, UnknownLanguageError
from oddzwon.prompts.journey import GAP_S, WHEN_HEARD, Heard, listen
from oddzwon.prompts.levelling import PEAK_DBFS, measure
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.plan import PromptPlan
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import SPOKEN_AT_CALL_TIME, Language, PromptKey

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "src" / "oddzwon" / "prompts" / "journey.md"
WRITE = "ODDZWON_WRITE_TABLE"
HEAD = "| prompt | when it is heard | " + " | ".join(Language) + " |\n|---|---|" + "---:|" * len(Language)


@dataclass(frozen=True)
class Lab:
    """The lab's prompts, built for this test."""

    plan: PromptPlan
    report: BuildReport
    library: PromptLibrary
    heard: dict[Language, tuple[Heard, ...]]
    files: dict[Language, Path]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("journey")
    settings = folder / "oddzwon.toml"
    text = (ROOT / "docker" / "lab.toml.in").read_text(encoding="utf-8")
    for name, value in (("@LAB_NET@", "127.0.0"), ("@STATE@", str(folder)), ("@SHORT@", "false")):
        text = text.replace(name, value)
    settings.write_text(text, encoding="utf-8")
    return asyncio.run(_spoken(prompt_plan(load(settings)), folder))


async def _spoken(plan: PromptPlan, folder: Path) -> Lab:
    report = await build(plan, folder / "prompts", EspeakSpeaker())
    library = await asyncio.to_thread(PromptLibrary.open, folder / "prompts")
    files = {language: folder / f"{language}.wav" for language in Language}
    studio = Studio(EspeakSpeaker())
    heard = {language: await listen(plan, library, studio, file, language=language) for language, file in files.items()}
    return Lab(plan, report, library, heard, files)


def test_layer_1_stays_below_the_limit_in_every_language(lab: Lab) -> None:
    for language in Language:
        assert 10 < lab.report.seconds(PromptKey.L1, language) < 20
    assert {row.state for row in lab.report.rows} == {BuildState.NEW}


def test_no_prompt_is_louder_than_another(lab: Lab) -> None:
    """From one prompt to the next nobody turns the volume: speech within 1.5 dB of the middle, in both rates."""
    levels = [
        measure(prompt.path.with_name(f"{prompt.path.name}.{kind}"))
        for prompt in lab.library.prompts
        for kind in ("wav", "wav16")
        if prompt.key is not PromptKey.L2  # as long as all others together
    ]
    speech = [one.speech_dbfs for one in levels]
    assert max(speech) - min(speech) < 3
    assert max(one.peak_dbfs for one in levels) <= PEAK_DBFS


# --- the table ---


def row_name(heard: Heard) -> tuple[PromptKey, str]:
    key = re.match(r"key(\d)_", heard.variant or "")
    return heard.key, f"`{heard.key}`" + (f", key {key[1]}" if key else "")


def table(lab: Lab) -> list[str]:
    order = list(WHEN_HEARD)
    seconds = {
        language: {row_name(heard): f"{heard.seconds:.1f}" for heard in lab.heard[language]} for language in Language
    }
    names = sorted({name for found in seconds.values() for name in found}, key=lambda n: (order.index(n[0]), n[1]))
    return [
        f"| {name[1]} | {WHEN_HEARD[name[0]]} | "
        + " | ".join(seconds[language].get(name, "–") for language in Language)
        + " |"
        for name in names
    ]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def alike(shown: str, measured: str) -> bool:
    if "–" in (shown, measured):
        return shown == measured
    return abs(float(shown) - float(measured)) <= max(0.2, 0.03 * float(measured))


def test_the_table_in_the_documentation_is_true(lab: Lab) -> None:
    measured = table(lab)
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get(WRITE) == "1":
        PAGE.write_text(text.split(HEAD)[0] + "\n".join([HEAD, *measured]) + "\n", encoding="utf-8")
        return
    shown = text.split(HEAD)[1].strip().splitlines()
    wrong = [
        f"{one}\n  now: {other}"
        for one, other in zip(map(cells, shown), map(cells, measured), strict=False)
        if one[:2] != other[:2] or not all(map(alike, one[2:], other[2:]))
    ]
    told = f"{PAGE.name} is not true any more (another espeak-ng speaks otherwise, too): {WRITE}=1 writes it anew"
    assert (len(shown), wrong) == (len(measured), []), told


def test_every_prompt_has_its_place_in_the_journey() -> None:
    assert set(WHEN_HEARD) == set(PromptKey)


# --- the file to listen to ---


@pytest.mark.parametrize("language", Language)
def test_the_file_holds_every_prompt_where_it_is_said_to_be(language: Language, lab: Lab) -> None:
    built = {(prompt.key, prompt.variant): prompt for prompt in lab.library.prompts if prompt.language is language}
    heard = lab.heard[language]
    asked = set(built) - {(PromptKey.MENU_REPEAT, None)} | {(key, None) for key in SPOKEN_AT_CALL_TIME}
    assert {(one.key, one.variant) for one in heard} == asked
    with wave.open(str(lab.files[language])) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        for one in heard:
            file.setpos(round(one.at_s * 8000))
            part = file.readframes(round(one.seconds * 8000))
            gap = file.readframes(round(GAP_S * 8000))
            assert gap == bytes(len(gap))
            if one.key not in SPOKEN_AT_CALL_TIME:
                prompt = built[one.key, one.variant]
                with wave.open(str(prompt.path.with_name(f"{prompt.path.name}.wav"))) as alone:
                    assert part == alone.readframes(alone.getnframes())
        assert file.tell() == file.getnframes()


async def test_what_cannot_be_listened_to_is_told(lab: Lab, tmp_path: Path) -> None:
    studio = Studio(EspeakSpeaker())
    only_polish = PromptPlan(tuple(one for one in lab.plan.languages if one.language is Language.PL))
    with pytest.raises(UnknownLanguageError, match="choose one of pl"):
        await listen(only_polish, lab.library, studio, tmp_path / "x.wav", language=Language.EN)
    unbuilt = await asyncio.to_thread(PromptLibrary.open, tmp_path)
    with pytest.raises(PromptMissingError, match="prompts build"):
        await listen(only_polish, unbuilt, studio, tmp_path / "x.wav", language=Language.PL)
    with pytest.raises(LibraryError, match="--out"):
        await listen(only_polish, lab.library, studio, tmp_path / "none" / "x.wav", language=Language.PL)

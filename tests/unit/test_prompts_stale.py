"""Settings that changed after the last build: what is still played, what is not, and who is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.test_control import write_settings

from oddzwon.bootstrap.checks import run_checks
from oddzwon.bootstrap.notice_texts import not_spoken
from oddzwon.bootstrap.prompt_plan import prompt_plan
from oddzwon.bootstrap.speaking import library_for, note_stale, studio_for
from oddzwon.callflow.alarms import Alarms
from oddzwon.config import Settings, load
from oddzwon.prompts.build import BuildReport, BuildState, build
from oddzwon.prompts.errors import PromptError, PromptStaleError
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.manifest import read_manifest
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.texts import PromptKey

pytestmark = pytest.mark.thorough

DID = "+48221234567"
CONSENT = ("pl", "REC_CONSENT", "key1_pl", None)
OWN = f"""
[[prompts.own]]
prompt = "REC_CONSENT"
language = "pl"
did = "{DID}"
text = "Czy nagrać? {{PURPOSE}}, {{RETENTION}}. Tak: 1."

[[prompts.own]]
prompt = "L1"
language = "pl"
did = "{DID}"
text = "Tu {{CONTROLLER}}. Sprzeciw: 8. Prawa: 9."
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Quality recordings for training, kept for 30 days."""
    path = write_settings(tmp_path)
    for commented in ("directory", "key_file", "quality_retention_days"):
        replaced(path, f"# {commented} =", f"{commented} =")
    replaced(path, "# enabled = false", "enabled = true")
    replaced(path, '# regime = "none"', 'regime = "quality"')
    replaced(path, '# purpose = ""', 'purpose = "szkolenia"')
    replaced(path, '# basis = ""', 'basis = "zgoda"')
    return path


def replaced(config: Path, old: str, new: str) -> None:
    """A text of the file; one that is not there is the test's own mistake."""
    text = config.read_text(encoding="utf-8")
    assert old in text, old
    config.write_text(text.replace(old, new, 1), encoding="utf-8")


def change(config: Path, old: str, new: str) -> Settings:
    """The settings with a text of the file replaced."""
    replaced(config, old, new)
    return load(config)


async def built(settings: Settings) -> BuildReport:
    return await build(prompt_plan(settings), settings.prompts.directory, EspeakSpeaker())


async def opened(settings: Settings) -> PromptLibrary:
    return await asyncio.to_thread(library_for, settings)


def consent(library: PromptLibrary) -> str:
    return library.lookup(PromptKey.REC_CONSENT, "pl", "key1_pl", DID).text


def alarms_of(library: PromptLibrary) -> frozenset[str]:
    alarms = Alarms()
    note_stale(library, alarms)
    return alarms.standing


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quality_retention_days = 30", "quality_retention_days = 90"),
        ('purpose = "szkolenia"', 'purpose = "profilowanie"'),
    ],
    ids=["kept longer", "another purpose"],
)
async def test_nothing_is_announced_that_is_not_so_any_more(config: Path, old: str, new: str) -> None:
    await built(load(config))
    library = await opened(load(config))
    assert "Powód: szkolenia. Nagranie przechowamy 30 dni" in consent(library)
    assert (library.stale, alarms_of(library)) == ((), frozenset())

    library = await opened(change(config, old, new))
    with pytest.raises(PromptStaleError, match=r"nothing is recorded: run `oddzwon prompts build`, then restart"):
        consent(library)
    assert library.lookup(PromptKey.L1, "pl", did=DID).text, "the call is served all the same"
    assert set(library.stale) == {CONSENT, ("pl", "L2", None, None)}
    assert alarms_of(library) == {"prompts-stale"}
    await built(load(config))
    assert consent(await opened(load(config)))


async def test_another_controller_is_told_of_and_the_old_layer_1_played(config: Path) -> None:
    await built(load(config))
    settings = change(config, 'name = "', 'name = "Nowa ')
    library = await opened(settings)
    assert ("pl", "L1", None, None) in library.stale
    assert CONSENT not in library.stale
    assert alarms_of(library) == {"prompts-stale"}
    assert "Nowa" not in library.lookup(PromptKey.L1, "pl", did=DID).text
    assert consent(library)


async def test_own_words_count_from_the_build_on_and_no_longer_than_the_settings_have_them(config: Path) -> None:
    await built(load(config))
    place = "# Your numbers: one block for each."
    library = await opened(change(config, place, f"{OWN}\n{place}"))
    own = {("pl", "L1", None, DID), ("pl", "REC_CONSENT", "key1_pl", DID)}
    assert set(library.stale) == own
    with pytest.raises(PromptStaleError):  # never the language's words in place of the number's own
        consent(library)
    await built(load(config))
    assert consent(await opened(load(config))).startswith("Czy nagrać? szkolenia")

    library = await opened(change(config, OWN, ""))
    assert set(library.stale) == own, "they go before the language's until the next build"
    with pytest.raises(PromptStaleError):
        consent(library)
    assert alarms_of(library) == {"prompts-stale"}
    results = await asyncio.to_thread(lambda: asyncio.run(run_checks(load(config))))
    (prompts,) = (result for result in results if result.name == "prompts")
    assert prompts.found.startswith(
        "0 missing, 2 built with another text, 0 damaged: prompt L1 in language 'pl' for DID"
    )


async def test_settings_that_cannot_be_spoken_record_nothing_and_serve_all_calls(config: Path) -> None:
    await built(load(config))
    settings = change(config, 'dpo = "iod@przyklad.pl"', 'dpo = " "')
    library = await opened(settings)
    with pytest.raises(PromptStaleError):
        consent(library)
    assert library.lookup(PromptKey.L1, "pl", did=DID)
    assert alarms_of(library) == {"prompts-stale"}
    with pytest.raises(PromptError, match="DPO"):
        await built(settings)


async def test_a_text_that_only_sounds_the_same_is_another_version_without_another_take(config: Path) -> None:
    """A telephone number written otherwise: nothing asks for a build for ever, and both texts can be found again."""
    old = '"+48 22 123 45 67"'
    replaced(config, '"iod@przyklad.pl"', old)
    await built(load(config))
    first = (await opened(load(config))).lookup(PromptKey.L2, "pl")
    settings = change(config, old, '"+48 22 123-45-67"')
    assert not_spoken(settings) == ["pl L2"]
    report = await built(settings)
    assert {row.key for row in report.rows if row.state is BuildState.CHANGED} == {"L2"}
    library = await opened(settings)
    second = library.lookup(PromptKey.L2, "pl")
    assert (second.sha256, second.path, second.version == first.version) == (first.sha256, first.path, False)
    assert "123-45-67" in second.text
    assert (library.stale, not_spoken(settings)) == ((), [])
    texts = {edition.version: edition.text for edition in library.editions("L2", "pl")}
    assert texts == {first.version: first.text, second.version: second.text}

    before = read_manifest(settings.prompts.directory)
    assert {row.state for row in (await built(settings)).rows} == {BuildState.UNCHANGED}
    assert set(read_manifest(settings.prompts.directory)) == set(before)
    back = change(config, '"+48 22 123-45-67"', old)
    assert {row.key for row in (await built(back)).rows if row.state is BuildState.CHANGED} == {"L2"}
    assert (await opened(back)).lookup(PromptKey.L2, "pl") == first
    assert len(read_manifest(settings.prompts.directory)) == len(before)


def test_a_library_for_no_settings_compares_nothing(tmp_path: Path) -> None:
    settings = load(write_settings(tmp_path))
    assert PromptLibrary.open(settings.prompts.directory, studio_for(settings)).stale == ()

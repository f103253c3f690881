"""Plans, builds and the library, with real audio."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import stat
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from oddzwon.prompts.build import BuildRow, BuildState, build, plan_of
from oddzwon.prompts.errors import (
    BuildRefusedError,
    BuildRunningError,
    EngineFailedError,
    LayerOneTooLongError,
    LibraryError,
    ManifestError,
    MissingPlaceholderError,
    PlanError,
    PromptDamagedError,
    PromptMissingError,
    UnknownLanguageError,
    UnknownPromptError,
)
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.plan import LanguagePlan, MenuChoice, OperatorValues, PromptPlan, RecordingNotice
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import Language, OwnPrompt, PromptKey, load_texts

pytestmark = pytest.mark.thorough  # what is said here is really spoken

TIME = {"CONTROLLER": "Klinika", "TIME": "czternastej zero pięć"}


@pytest.fixture(autouse=True, scope="module")
def speech_programs() -> None:
    for program in ("espeak-ng", "sox"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed: run docker/setup, or `apt-get install -y espeak-ng sox`")


@pytest.fixture
def umask_of_a_strict_service() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def clinic(language: Language, **changes: str) -> LanguagePlan:
    first = PromptKey.REC_CONSENT if language is Language.DE else PromptKey.REC_OBJECT
    values = {
        "controller": "Klinika Zdrowie",
        "url": "zdrowie.pl/dane",
        "contact": "Prosta 1, Warszawa",
        "dpo": "iod@zdrowie.pl",
        "recipients": "operator",
        "authority": "UODO",
    }
    return LanguagePlan(
        language,
        OperatorValues(**{**values, **changes}, call_retention=Period(days=90)),
        (MenuChoice("1", "A"), MenuChoice("2", "B")),
        (
            RecordingNotice("support", first, "quality", Period(days=30), "6 f", "mail", agent_consent=True),
            RecordingNotice("sales", PromptKey.REC_ANNOUNCE, "contract", Period(years=3), "6 b", "mail"),
        ),
    )


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def short_plan(*languages: Language) -> PromptPlan:
    return PromptPlan(tuple(clinic(language) for language in languages or (Language.PL,)), short=True)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    asyncio.run(build(short_plan(), folder, EspeakSpeaker()))
    return folder


@pytest.fixture
def built(once: Path, tmp_path: Path) -> Path:
    """A folder of its own in which the short Polish plan was built."""
    return Path(shutil.copytree(once, tmp_path / "built"))


class Counting:
    """The real engine, counted; `hold` keeps it until it is set."""

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.started = asyncio.Event()
        self._engine = EspeakSpeaker()

    async def fingerprint(self) -> str:
        return await self._engine.fingerprint()

    async def speak(self, text: str, language: Language, target: Path) -> None:
        self.spoken.append(text)
        self.started.set()
        await self.hold.wait()
        await self._engine.speak(text, language, target)


# --- the plan ---


@pytest.mark.parametrize("language", Language)
def test_the_plan_has_every_prompt_that_is_known_before_a_call(language: Language) -> None:
    texts = plan_of(PromptPlan((clinic(language),)))
    first = "REC_CONSENT" if language is Language.DE else "REC_OBJECT"
    assert [text.name for text in texts] == [
        *("L1", *([f"{first}-support"] if first == "REC_OBJECT" else [])),
        *([f"{first}-support"] if first == "REC_CONSENT" else []),
        *("L2", "SHORT", "MENU_OPTION-menu", "MENU_REPEAT", "REC_ANNOUNCE-sales", "REC_CONSENT_AGENT-support"),
        *("RECORDED", "NOT_RECORDED", "OBJECTED", "OBJECTION_UNDONE", "WRONG_PERSON", "CONNECTING", "STATIC"),
    ]


def test_the_menu_is_one_prompt_with_its_options_in_order() -> None:
    menu = next(text for text in plan_of(PromptPlan((clinic(Language.PL),))) if text.variant == "menu")
    assert menu.text == "A: klawisz 1. B: klawisz 2. Aby powtórzyć: 0."


def test_layer_2_tells_every_regime_once_and_none_where_nothing_is_recorded() -> None:
    def layer2(plan: LanguagePlan) -> str:
        return next(text.text for text in plan_of(PromptPlan((plan,))) if text.key is PromptKey.L2)

    polish = clinic(Language.PL)
    both = layer2(polish)
    assert (
        "Nagrania: cel quality, podstawa 6 f, okres 30 dni. Nagrania: cel contract, podstawa 6 b, okres 3 lata." in both
    )
    twins = (polish.recordings[0], replace(polish.recordings[0], variant="again"))
    assert layer2(replace(polish, recordings=twins)).count("Nagrania:") == 1
    assert "Nagrania" not in layer2(replace(polish, recordings=()))
    assert "90 dni" in layer2(replace(polish, recordings=()))


def test_all_missing_values_are_told_at_once_with_their_variant() -> None:
    polish = clinic(Language.PL, dpo=" ")
    bare = replace(polish.recordings[1], other_channel="")
    with pytest.raises(BuildRefusedError) as caught:
        plan_of(PromptPlan((replace(polish, recordings=(bare,)), clinic(Language.EN, url=""))))
    missing = [problem for problem in caught.value.problems if isinstance(problem, MissingPlaceholderError)]
    assert len(missing) == len(caught.value.problems)
    assert {problem.placeholder for problem in missing} == {"DPO", "OTHER_CHANNEL", "URL"}
    assert "REC_ANNOUNCE in language 'pl', variant 'sales'" in str(caught.value)


def test_a_value_that_only_a_callback_needs_is_missed_by_the_build() -> None:
    keys = {PromptKey.SHORT: "Dzień dobry.", PromptKey.L2: "Dzień dobry.", PromptKey.L1: "{CONTROLLER}, 8, 9"}
    own = tuple(OwnPrompt(key, Language.PL, text) for key, text in keys.items())
    with pytest.raises(BuildRefusedError, match="CALLBACK"):
        plan_of(PromptPlan((clinic(Language.PL, controller=""),), own=own))


def test_what_a_language_may_not_say_and_what_is_planned_twice_is_refused() -> None:
    german = clinic(Language.DE)
    wrong = replace(german.recordings[0], announcement=PromptKey.REC_OBJECT)
    with pytest.raises(BuildRefusedError) as caught:
        plan_of(PromptPlan((replace(german, recordings=(wrong, german.recordings[1], german.recordings[1])),)))
    assert [type(problem) for problem in caught.value.problems] == [UnknownPromptError, PlanError]


def test_short_texts_differ_for_every_prompt_and_variant() -> None:
    texts = plan_of(short_plan(*Language))
    assert len({(text.language, text.text) for text in texts}) == len(texts)


# --- building ---


async def test_a_build_speaks_only_what_changed_and_keeps_what_it_supersedes(tmp_path: Path) -> None:
    plan, speaker = short_plan(), Counting()
    progress: list[tuple[BuildRow, int, int]] = []
    first = await build(plan, tmp_path, speaker, lambda *step: progress.append(step))
    total = len(plan_of(plan))
    assert [(done, of) for _, done, of in progress] == [(n, total) for n in range(1, total + 1)]
    assert len(speaker.spoken) == total
    old = PromptLibrary.open(tmp_path).lookup(PromptKey.L1, "pl")

    again = await build(plan, tmp_path, speaker)
    assert len(speaker.spoken) == total
    assert {row.state for row in again.rows} == {BuildState.UNCHANGED}
    assert [row.version for row in again.rows] == [row.version for row in first.rows]

    other = replace(plan, own=(OwnPrompt(PromptKey.L1, Language.PL, "Witamy, {CONTROLLER}, 8, 9."),))
    changed = await build(other, tmp_path, speaker)
    assert len(speaker.spoken) == total + 1
    assert [row.key for row in changed.rows if row.state is BuildState.CHANGED] == ["L1"]
    library = PromptLibrary.open(tmp_path)
    new = library.lookup(PromptKey.L1, "pl")
    assert [edition.version for edition in library.editions("L1", "pl")] == [old.version, new.version]
    assert hashlib.sha256(old.path.with_name(old.path.name + ".wav").read_bytes()).hexdigest() == old.sha256

    spoken = len(speaker.spoken)
    back = await build(plan, tmp_path, speaker)
    assert len(speaker.spoken) == spoken
    assert next(row.state for row in back.rows if row.key == "L1") is BuildState.CHANGED
    assert PromptLibrary.open(tmp_path).lookup(PromptKey.L1, "pl") == old


async def test_what_left_the_plan_is_retired_but_kept(built: Path) -> None:
    polish = clinic(Language.PL)
    smaller = PromptPlan((replace(polish, recordings=polish.recordings[:1]),), short=True)
    report = await build(smaller, built, EspeakSpeaker())
    assert [(row.language, row.key, row.variant) for row in report.retired] == [("pl", "REC_ANNOUNCE", "sales")]
    library = PromptLibrary.open(built)
    with pytest.raises(PromptMissingError):
        library.lookup(PromptKey.REC_ANNOUNCE, "pl", "sales")
    assert library.editions("REC_ANNOUNCE", "pl", "sales")[0].damage(built) is None


async def test_a_long_layer_1_is_refused_with_the_seconds_and_changes_nothing(built: Path) -> None:
    shipped = load_texts().get(PromptKey.L1, Language.PL).text
    plan = replace(short_plan(), own=(OwnPrompt(PromptKey.L1, Language.PL, shipped),))
    await build(plan, built, EspeakSpeaker())
    before = (built / "manifest.json").read_bytes()
    wordy = clinic(Language.PL, controller="Samodzielny Publiczny Zespół Zakładów Opieki Zdrowotnej " * 2)
    with pytest.raises(BuildRefusedError) as caught:
        await build(replace(plan, languages=(wordy,)), built, EspeakSpeaker())
    (problem,) = caught.value.problems
    assert isinstance(problem, LayerOneTooLongError)
    assert problem.seconds > 20
    assert f"takes {problem.seconds:.1f} s, {problem.seconds - 20:.1f} s above the limit of 20.0 s" in str(problem)
    assert "the controller's name takes about" in str(problem)
    assert (built / "manifest.json").read_bytes() == before
    with pytest.raises(BuildRefusedError, match="above the limit of 5"):  # built already, the limit came later
        await build(replace(plan, layer1_limit_s=5), built, EspeakSpeaker())
    assert names_in(built) == {".lock", "manifest.json", "pl"}


async def test_a_failing_engine_leaves_no_half_build(tmp_path: Path) -> None:
    class Mute(EspeakSpeaker):
        async def speak(self, text: str, language: Language, target: Path) -> None:
            if text.startswith("Łączymy"):
                raise EngineFailedError("the engine lost its voice")
            await super().speak(text, language, target)

    with pytest.raises(BuildRefusedError, match="lost its voice"):
        await build(short_plan(), tmp_path, Mute())
    assert names_in(tmp_path) == {".lock"}


async def test_two_builds_do_not_meet(built: Path) -> None:
    with (built / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildRunningError, match="another build"):
            await build(short_plan(), built, EspeakSpeaker())
    await build(short_plan(), built, EspeakSpeaker())


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LibraryError, match="file/prompts cannot be written"):
        await build(short_plan(), tmp_path / "file" / "prompts", EspeakSpeaker())


@pytest.mark.usefixtures("umask_of_a_strict_service")
async def test_asterisks_user_can_read_everything_and_static_has_a_name_that_stays(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    await build(short_plan(Language.PL, Language.DE), folder, EspeakSpeaker())
    for path in folder.rglob("*"):
        if path.suffix in {".wav", ".wav16"}:
            assert stat.S_IMODE(path.stat().st_mode) == 0o644
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    library = PromptLibrary.open(folder)
    for language in ("pl", "de"):
        static = library.lookup(PromptKey.STATIC, language)
        for kind in ("wav", "wav16"):
            made = static.path.with_name(f"{static.path.name}.{kind}")
            assert (folder / language / f"STATIC.{kind}").read_bytes() == made.read_bytes()


# --- the library ---


def test_a_prompt_tells_exactly_what_asterisk_will_play(built: Path) -> None:
    library = PromptLibrary.open(built)
    assert len(library.prompts) == len(plan_of(short_plan()))
    for prompt in library.prompts:
        played = prompt.path.with_name(f"{prompt.path.name}.wav")
        with wave.open(str(played)) as file:
            assert (file.getframerate(), file.getnframes()) == (8000, prompt.frames)
            assert prompt.full_ms == file.getnframes() // 8
        assert hashlib.sha256(played.read_bytes()).hexdigest() == prompt.sha256
        assert prompt.version == hashlib.sha256(prompt.text.encode()).hexdigest()[:12]
        assert prompt.path.is_absolute()


def test_an_empty_library_says_what_to_run(tmp_path: Path) -> None:
    library = PromptLibrary.open(tmp_path / "none")
    with pytest.raises(PromptMissingError, match=r"REC_OBJECT, variant 'support', in .*'pl'.*oddzwon prompts build"):
        library.lookup(PromptKey.REC_OBJECT, "pl", "support")
    with pytest.raises(UnknownLanguageError):
        library.lookup(PromptKey.L1, "xx")


@pytest.mark.parametrize("harm", ["truncated", "emptied", "gone", "wide gone", "other"])
async def test_a_damaged_file_is_found_alone_and_a_build_mends_it(harm: str, built: Path) -> None:
    prompt = PromptLibrary.open(built).lookup(PromptKey.L1, "pl")
    path = prompt.path.with_name(f"{prompt.path.name}.{'wav16' if harm == 'wide gone' else 'wav'}")
    content = path.read_bytes()
    if "gone" in harm:
        path.unlink()
    else:
        path.write_bytes({"truncated": content[:-10], "emptied": b"", "other": content[:-1] + b"\x7f"}[harm])
    library = PromptLibrary.open(built)
    with pytest.raises(PromptDamagedError, match="oddzwon prompts build"):
        library.lookup(PromptKey.L1, "pl")
    assert [(damage.key, damage.language) for damage in library.damaged] == [("L1", "pl")]
    assert library.lookup(PromptKey.CONNECTING, "pl").full_ms > 0
    await build(short_plan(), built, EspeakSpeaker())
    library.reload()
    assert library.lookup(PromptKey.L1, "pl") == prompt


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"format": 2, "prompts": []}', '{"format": 1}', '{"format": 1, "prompts": [{"key": "L1"}]}'],
)
def test_a_manifest_that_cannot_be_read_is_an_error_and_not_an_empty_library(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        PromptLibrary.open(tmp_path)


@pytest.mark.parametrize("stem", ["/etc/passwd", "../../x", "pl/../../x"])
def test_a_manifest_cannot_point_outside_its_folder(stem: str, built: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    manifest["prompts"][0]["stem"] = stem
    (built / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match="outside the folder"):
        PromptLibrary.open(built)


# --- spoken during the call ---


async def test_the_same_words_are_spoken_once_also_after_a_restart(tmp_path: Path) -> None:
    speaker = Counting()
    library = PromptLibrary.open(tmp_path, Studio(speaker))
    both = await asyncio.gather(*(library.speak(PromptKey.CALLBACK, "pl", TIME) for _ in range(2)))
    third = await library.speak(PromptKey.CALLBACK, "pl", TIME)
    assert both == [third, third]
    assert third == await PromptLibrary.open(tmp_path, Studio(speaker)).speak(PromptKey.CALLBACK, "pl", TIME)
    assert len(speaker.spoken) == 1
    assert "o czternastej zero pięć połączenie" in third.text
    assert third.full_ms > 5000
    assert hashlib.sha256(third.path.with_name(f"{third.path.name}.wav").read_bytes()).hexdigest() == third.sha256
    other = await library.speak(PromptKey.CALLBACK, "pl", {**TIME, "TIME": "piętnastej"})
    assert (other.version != third.version, len(speaker.spoken)) == (True, 2)


async def test_damaged_words_from_an_earlier_run_are_spoken_again(tmp_path: Path) -> None:
    first = await PromptLibrary.open(tmp_path, Studio(EspeakSpeaker())).speak(PromptKey.AGENT_WHISPER, "pl", TIME)
    audio = first.path.with_name(f"{first.path.name}.wav")
    audio.write_bytes(b"")
    again = await PromptLibrary.open(tmp_path, Studio(EspeakSpeaker())).speak(PromptKey.AGENT_WHISPER, "pl", TIME)
    assert again == first
    assert hashlib.sha256(audio.read_bytes()).hexdigest() == first.sha256


@pytest.mark.parametrize("turns", [1, 5, 25, 125])
async def test_what_is_being_spoken_comes_to_its_end_before_the_service_does(tmp_path: Path, turns: int) -> None:
    """Else a loop that ends under a program which is just being started waits for it for ever."""
    library = PromptLibrary.open(tmp_path, Studio(EspeakSpeaker()))
    speaking = asyncio.create_task(library.speak(PromptKey.CALLBACK, "pl", TIME))
    for _ in range(turns):  # somewhere in it, at another place each time
        await asyncio.sleep(0)
    async with asyncio.timeout(30.0):
        await library.close()
        await asyncio.gather(speaking, return_exceptions=True)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []


async def test_a_caller_who_hangs_up_does_not_silence_another(tmp_path: Path) -> None:
    speaker = Counting()
    speaker.hold.clear()
    library = PromptLibrary.open(tmp_path, Studio(speaker))
    gone = asyncio.create_task(library.speak(PromptKey.CALLBACK, "pl", TIME))
    stays = asyncio.create_task(library.speak(PromptKey.CALLBACK, "pl", TIME))
    await speaker.started.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    speaker.hold.set()
    assert (await stays).full_ms > 0
    assert len(speaker.spoken) == 1


class Restless(EspeakSpeaker):
    """An engine that never says the same text twice alike, as neural ones do."""

    takes = 0

    async def fingerprint(self) -> str:
        return "restless"

    async def speak(self, text: str, language: Language, target: Path) -> None:
        self.takes += 1
        await super().speak(f"{text} {'na ' * self.takes}", language, target)


async def test_what_was_said_in_a_call_is_never_overwritten(tmp_path: Path) -> None:
    """A receipt names the hash of what was played: a second take of the same words is another file."""
    speaker = Restless()
    texts = load_texts()
    first = await PromptLibrary(tmp_path, texts, Studio(speaker), short=True).speak(PromptKey.AGENT_WHISPER, "pl", TIME)
    wide = first.path.with_name(f"{first.path.name}.wav16")
    wide.unlink()
    library = PromptLibrary(tmp_path, texts, Studio(speaker), short=True)
    again = await library.speak(PromptKey.AGENT_WHISPER, "pl", TIME)
    assert (again.version, again.sha256 != first.sha256) == (first.version, True)
    for one in (first, again):
        kept = next(edition for edition in library.history() if edition.sha256 == one.sha256)
        assert hashlib.sha256(library.edition_file(kept).read_bytes()).hexdigest() == one.sha256
        assert kept.text == one.text


async def test_speaking_needs_an_engine_and_every_value(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no speech engine"):
        await PromptLibrary.open(tmp_path).speak(PromptKey.CALLBACK, "pl", TIME)
    library = PromptLibrary.open(tmp_path, Studio(EspeakSpeaker()))
    with pytest.raises(MissingPlaceholderError, match="TIME"):
        await library.speak(PromptKey.CALLBACK, "pl", {"CONTROLLER": "Klinika"})


async def test_a_folder_that_went_away_is_a_clear_error(tmp_path: Path) -> None:
    library = PromptLibrary.open(tmp_path / "gone", Studio(EspeakSpeaker()))
    with pytest.raises(LibraryError, match="gone cannot take the prompt CALLBACK"):
        await library.speak(PromptKey.CALLBACK, "pl", TIME)


async def test_neither_speaking_nor_building_blocks_the_event_loop(tmp_path: Path) -> None:
    library = await asyncio.to_thread(PromptLibrary.open, tmp_path, Studio(EspeakSpeaker()), short=True)
    plan = short_plan()
    with blockbuster_ctx("oddzwon"):
        prompt = await library.speak(PromptKey.CALLBACK, "pl", TIME)
        assert prompt == await library.speak(PromptKey.CALLBACK, "pl", TIME)
        await build(plan, tmp_path, EspeakSpeaker())

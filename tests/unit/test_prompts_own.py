"""The operator's own words and own audio: what is refused, who hears it, and what stays of what it replaced."""

from __future__ import annotations

import hashlib
import json
import math
import wave
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from oddzwon.prompts.build import BuildState, build, plan_of, unheard
from oddzwon.prompts.errors import (
    BuildRefusedError,
    MalformedTextError,
    PlanError,
    PromptDamagedError,
    PromptError,
    UnknownPlaceholderError,
    UnknownPromptError,
    UnusableAudioError,
    WrongLanguageError,
)
from oddzwon.prompts.levelling import SPEECH_DBFS, measure
from oddzwon.prompts.library import PromptLibrary
from oddzwon.prompts.manifest import read_manifest
from oddzwon.prompts.plan import DidPlan, LanguagePlan, MenuChoice, OperatorValues, PromptPlan, RecordingNotice
from oddzwon.prompts.programs import run_program
from oddzwon.prompts.rendering import RenderedText, render
from oddzwon.prompts.speech import EspeakSpeaker
from oddzwon.prompts.spoken import Period
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import Language, OwnPrompt, PromptKey, load_texts

pytestmark = pytest.mark.thorough  # what is said here is really spoken

DID = "+48221234567"
CLINIC = LanguagePlan(
    Language.PL,
    OperatorValues("Klinika", "klinika.pl", "Prosta 1", "iod", "operator", "UODO", Period(days=90)),
    (MenuChoice("1", "Rejestracja"), MenuChoice("2", "Wyniki")),
    (
        RecordingNotice("key1_pl", PromptKey.REC_OBJECT, "jakość", Period(days=30), "zgoda", menu_key="1"),
        RecordingNotice("key2_pl", PromptKey.REC_OBJECT, "wyniki", Period(days=10), "zgoda", menu_key="2"),
    ),
    "6",
)
GREETING = OwnPrompt(PromptKey.L1, Language.PL, "Witamy, tu {CONTROLLER}. Sprzeciw: 8. Prawa: 9.")
WHY = "Powód: {PURPOSE}, na {RETENTION}. Nie: 7."
"""What an announcement with key 7 has to say."""


def planned(*own: OwnPrompt, language: LanguagePlan = CLINIC) -> PromptPlan:
    dids = (DidPlan(DID, language),) if any(one.did for one in own) else ()
    return PromptPlan((language,), short=True, own=own, dids=dids)


def said(plan: PromptPlan) -> dict[tuple[str, str | None, str | None], str]:
    return {(text.key.value, text.variant, text.did): text.text for text in plan_of(plan)}


def own_for_did(one: OwnPrompt) -> OwnPrompt:
    return replace(one, did=DID)


# --- what is refused ---


@pytest.mark.parametrize(
    ("own", "error", "told"),
    [
        (replace(GREETING, text="Tu {BASIS}."), UnknownPlaceholderError, r"\{BASIS\}.*\{CONTROLLER\}, \{URL\}"),
        (OwnPrompt(PromptKey.L2, Language.DE, "{BASIS}."), UnknownPlaceholderError, "'pl', but not in this one"),
        (OwnPrompt(PromptKey.CONNECTING, Language.PL, "Spojujeme."), WrongLanguageError, "'cs'.*translate"),
        (OwnPrompt(PromptKey.CONNECTING, Language.PL, " wir verbinden  Sie! "), WrongLanguageError, "'de'"),
        (OwnPrompt(PromptKey.CONNECTING, Language.PL, "Your objection is withdrawn."), WrongLanguageError, "'en'"),
        (OwnPrompt(PromptKey.REC_OBJECT, Language.DE, "Aufnahme."), UnknownPromptError, "§ 201 StGB"),
        (replace(GREETING, text=" "), MalformedTextError, "empty"),
        (replace(GREETING, did=DID, text="Tu {controller}"), MalformedTextError, r"prompts\.own.*L1.*\+48221234567"),
        (
            OwnPrompt(PromptKey.CALLBACK, Language.PL, "O {TIME}. Tak: 1, nie: 3, nigdy: 8.", audio=Path("/x.wav")),
            MalformedTextError,
            "only the call knows",
        ),
    ],
    ids=["placeholder", "other set", "Czech", "German", "other prompt", "German law", "empty", "braces", "time"],
)  # fmt: skip
def test_an_own_text_is_refused(own: OwnPrompt, error: type[PromptError], told: str) -> None:
    with pytest.raises(error, match=told):
        load_texts([own])


def test_the_same_text_given_twice_is_refused() -> None:
    with pytest.raises(MalformedTextError, match="twice"):
        load_texts([GREETING, replace(GREETING, text=f"{GREETING.text} Witamy.")])


def test_audio_for_a_part_of_the_menu_is_refused_and_the_error_says_how() -> None:
    option = OwnPrompt(PromptKey.MENU_OPTION, Language.PL, "Rejestracja: 1.", menu_key="1", audio=Path("/x.wav"))
    with pytest.raises(BuildRefusedError, match=r"the menu is one prompt.*with the whole menu as its text"):
        plan_of(planned(option))


def test_one_file_cannot_say_the_announcements_of_two_keys() -> None:
    own = OwnPrompt(PromptKey.REC_OBJECT, Language.PL, WHY, audio=Path("/rec.wav"))
    with pytest.raises(BuildRefusedError, match=r"rec\.wav cannot say both .*key1_pl.*key2_pl") as caught:
        plan_of(planned(own))
    assert [type(problem) for problem in caught.value.problems] == [PlanError]
    later = replace(CLINIC.recordings[1], purpose="jakość", retention=Period(days=30))
    alike = replace(CLINIC, recordings=(CLINIC.recordings[0], later))
    assert plan_of(planned(own, language=alike)), "the same words for both are one text"


# --- who hears it ---


def test_the_dids_own_text_comes_before_the_keys_and_the_languages() -> None:
    plain = OwnPrompt(PromptKey.REC_OBJECT, Language.PL, f"Dla wszystkich. {WHY}")
    of_key = replace(plain, text=f"Dla klawisza. {WHY}", menu_key="2")
    of_did = replace(plain, text=f"Dla numeru. {WHY}", did=DID)

    def first_words(spoken: dict[tuple[str, str | None, str | None], str], did: str | None) -> list[str]:
        return [spoken["REC_OBJECT", f"key{key}_pl", did].partition(".")[0] for key in "12"]

    spoken = said(planned(plain, of_key, of_did))
    assert first_words(spoken, None) == ["Dla wszystkich", "Dla klawisza"]
    assert first_words(spoken, DID) == ["Dla numeru", "Dla numeru"]
    both = said(planned(plain, of_key, of_did, replace(of_did, text=f"Dla obu. {WHY}", menu_key="2")))
    assert first_words(both, DID) == ["Dla numeru", "Dla obu"]


def test_a_did_has_only_what_is_its_own() -> None:
    spoken = said(planned(own_for_did(GREETING)))
    assert [slot for slot in spoken if slot[2]] == [("L1", None, DID)]
    assert spoken["L1", None, DID] == "Witamy, tu Klinika. Sprzeciw: 8. Prawa: 9."


def test_the_menu_takes_own_options_or_is_said_in_own_words_as_a_whole() -> None:
    option = OwnPrompt(PromptKey.MENU_OPTION, Language.PL, "Zapisy? Jeden.", menu_key="1")
    assert said(planned(option))["MENU_OPTION", "menu", None] == "Zapisy? Jeden. Wyniki: klawisz 2. Aby powtórzyć: 0."
    repeat = OwnPrompt(PromptKey.MENU_REPEAT, Language.PL, "Jeszcze raz: zero.", did=DID)
    assert said(planned(option, repeat))["MENU_OPTION", "menu", DID].endswith("Wyniki: klawisz 2. Jeszcze raz: zero.")
    whole = OwnPrompt(PromptKey.MENU_OPTION, Language.PL, "Jeden to zapisy, dwa to wyniki.")
    spoken = said(planned(whole, option))
    assert spoken["MENU_OPTION", "menu", None] == whole.text
    assert unheard(planned(whole, option)) == (option,)


def test_a_language_offers_itself_in_itself() -> None:
    english = replace(CLINIC, language=Language.EN, recordings=())
    assert (
        said(replace(planned(language=english), short=False))["MENU_OPTION", "language_en", None] == "English: press 6."
    )
    own = OwnPrompt(PromptKey.MENU_OPTION, Language.EN, "For English, six.", menu_key="6")
    assert said(planned(own, language=english))["MENU_OPTION", "language_en", None] == own.text
    assert not [
        slot for slot in said(planned(language=replace(english, language_key=None))) if slot[1] == "language_en"
    ]


def test_what_nobody_can_hear_is_told() -> None:
    never = OwnPrompt(PromptKey.REC_CONSENT, Language.PL, "Czy wolno? {PURPOSE}, {RETENTION}. Tak: 1.")
    heard = OwnPrompt(PromptKey.CALLBACK, Language.PL, "Oddzwaniamy, {TIME}. Tak: 1, nie: 3, nigdy: 8.")
    assert unheard(planned(never, heard, GREETING, own_for_did(GREETING))) == (never,)


async def test_the_callback_speaks_the_dids_own_text(tmp_path: Path) -> None:
    own = OwnPrompt(PromptKey.CALLBACK, Language.PL, "Tu klinika, {TIME}. Tak: 1, nie: 3, nigdy: 8.", did=DID)
    library = PromptLibrary(tmp_path, load_texts([own]), Studio(EspeakSpeaker()), short=True)
    values = {"CONTROLLER": "Klinika", "TIME": "drugiej"}
    mine = await library.speak(PromptKey.CALLBACK, "pl", values, DID)
    assert (mine.text, mine.did) == ("Tu klinika, drugiej. Tak: 1, nie: 3, nigdy: 8.", DID)
    assert (await library.speak(PromptKey.CALLBACK, "pl", values, "+48221234568")).text == "Oddzwaniamy, drugiej."
    reopened = PromptLibrary(tmp_path, load_texts([own]), Studio(EspeakSpeaker()))
    assert await reopened.speak(PromptKey.CALLBACK, "pl", values, DID) == mine


# --- what is built, and what stays ---


async def test_own_prompts_are_built_looked_up_by_did_and_kept_when_replaced(tmp_path: Path) -> None:
    recorded = tmp_path / "witamy.flac"
    await recording("Witamy, tu Klinika. Sprzeciw: osiem. Prawa: dziewięć.", recorded)
    notice = OwnPrompt(PromptKey.STATIC, Language.PL, "Komunikat tego numeru.", did=DID)
    first = replace(GREETING, audio=recorded)
    folder = tmp_path / "prompts"
    in_town = own_for_did(replace(GREETING, text=GREETING.text.replace("}", "} w mieście")))
    report = await build(planned(first, in_town, notice), folder, EspeakSpeaker())
    own = {(row.key, row.did): row.own for row in report.rows if row.own}
    assert own == {("L1", None): "audio", ("L1", DID): "text", ("STATIC", DID): "text"}
    library = PromptLibrary.open(folder)
    old = library.lookup(PromptKey.L1, "pl")
    assert old == library.lookup(PromptKey.L1, "pl", did="+48221234568")
    assert library.lookup(PromptKey.L1, "pl", did=DID).text == "Witamy, tu Klinika w mieście. Sprzeciw: 8. Prawa: 9."
    assert library.lookup(PromptKey.CONNECTING, "pl", did=DID).did is None
    mine = library.lookup(PromptKey.STATIC, "pl", did=DID)
    assert library.edition_of_audio(PromptKey.STATIC, mine.sha256) is not None
    named = folder / "pl" / "STATIC-48221234567.wav"
    assert hashlib.sha256(named.read_bytes()).hexdigest() == mine.sha256
    assert hashlib.sha256((folder / "pl" / "STATIC.wav").read_bytes()).hexdigest() != mine.sha256

    shorter = replace(GREETING, text=f"Tu {{CONTROLLER}}. {GREETING.text.partition('. ')[2]}")
    again = await build(planned(shorter, in_town), folder, EspeakSpeaker())
    states = {(row.key, row.did): row.state for row in (*again.rows, *again.retired)}
    assert (states["L1", None], states["L1", DID]) == (BuildState.CHANGED, BuildState.UNCHANGED)
    assert states["STATIC", DID] is BuildState.RETIRED
    assert not named.exists()
    assert not named.with_suffix(".wav16").exists()
    library.reload()
    assert library.lookup(PromptKey.L1, "pl").version != old.version
    for gone in (old, mine):  # a receipt may name them
        kept = next(edition for edition in library.history() if edition.sha256 == gone.sha256)
        assert (kept.text, kept.version, kept.current, library.damage(kept)) == (gone.text, gone.version, False, None)

    damaged = library.lookup(PromptKey.L1, "pl", did=DID)
    damaged.path.with_name(f"{damaged.path.name}.wav").write_bytes(b"")
    library.reload()
    with pytest.raises(PromptDamagedError):  # never the language's in its place: it may name another controller
        library.lookup(PromptKey.L1, "pl", did=DID)
    older_manifest(folder)
    assert {edition.did for edition in read_manifest(folder)} == {None}


def older_manifest(folder: Path) -> None:
    """The manifest as versions before own texts wrote it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["prompts"]:
        for name in ("did", "own", "audio_sha256"):
            del entry[name]
    (folder / "manifest.json").write_text(json.dumps(manifest))


# --- ready-made audio ---


async def recording(words: str, target: Path, *effects: str) -> None:
    """Somebody says the words, in stereo at 44.1 kHz."""
    spoken = target.with_suffix(".spoken.wav")
    await EspeakSpeaker().speak(words, Language.PL, spoken)
    await run_program(["sox", str(spoken), "-c", "2", "-r", "44100", str(target), *effects], timeout_s=20)


def text_with(audio: Path, words: str = "Witamy w klinice.") -> RenderedText:
    own = OwnPrompt(PromptKey.SHORT, Language.PL, words, did=DID, audio=audio)
    return render(load_texts([own]), PromptKey.SHORT, Language.PL, {}, did=DID)


@pytest.mark.parametrize("kind", ["wav", "flac"])
async def test_ready_made_audio_is_levelled_like_all_else(kind: str, tmp_path: Path) -> None:
    audio = tmp_path / f"own.{kind}"
    await recording("Witamy w klinice.", audio, "gain", "-12")
    take = await Studio(EspeakSpeaker()).record(text_with(audio), tmp_path)
    assert (measure(take.narrow).rate, measure(take.wide).rate) == (8000, 16000)
    assert take.levels.speech_dbfs == pytest.approx(SPEECH_DBFS, abs=2)
    assert take.source_sha256 == hashlib.sha256(audio.read_bytes()).hexdigest()


async def test_other_audio_for_the_same_words_is_another_take(tmp_path: Path) -> None:
    audio, studio = tmp_path / "own.wav", Studio(EspeakSpeaker())
    await recording("Witamy w klinice.", audio)
    first = await studio.recipe(text_with(audio))
    await recording("Witamy w klinice.", audio, "tempo", "0.9")
    assert first != await studio.recipe(text_with(audio))


def sound(path: Path, left: float, right: float, *, seconds: float = 1.0, gate: int = 1) -> None:
    """A stereo tone of these amplitudes; beyond 1 it is cut flat, as a microphone too near does."""
    samples = array("h")
    for n in range(int(8000 * seconds)):
        wave_now = math.sin(2 * math.pi * 300 * n / 8000) if (n // 800) % gate == 0 else 0.0
        samples.extend(max(-32767, min(32767, round(32767 * side * wave_now))) for side in (left, right))
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


@pytest.mark.parametrize(
    ("sides", "seconds", "words", "told"),
    [
        ((0.0, 0.0), 1.0, "Witamy.", "silent"),
        ((0.5, -0.5), 1.0, "Witamy.", "silent"),  # mixed to one channel, the two cancel each other
        ((1.8, 0.0), 1.0, "Witamy.", "clipped"),  # mixing would hide it
        ((0.5, 0.5), 0.2, "Witamy w klinice.", r"lasts 0\.2 s, too short to say a text of 17 letters"),
    ],
    ids=["silence", "cancelled", "one side clipped", "another text"],
)
async def test_audio_that_a_caller_could_not_hear_is_refused(
    sides: tuple[float, float], seconds: float, words: str, told: str, tmp_path: Path
) -> None:
    audio = tmp_path / "own.wav"
    sound(audio, *sides, seconds=seconds)
    with pytest.raises(
        UnusableAudioError, match=rf"prompt SHORT in language 'pl' for DID \+48221234567: .*own\.wav.*{told}"
    ):
        await Studio(EspeakSpeaker()).record(text_with(audio, words), tmp_path)


async def test_audio_that_is_none_or_not_there_is_refused(tmp_path: Path) -> None:
    audio = tmp_path / "own.flac"
    with pytest.raises(UnusableAudioError, match=r"own\.flac cannot be read \(No such file"):
        await Studio(EspeakSpeaker()).recipe(text_with(audio))
    audio.write_bytes(b"no audio at all")
    with pytest.raises(UnusableAudioError, match=r"own\.flac cannot be read.*WAV or FLAC"):
        await Studio(EspeakSpeaker()).record(text_with(audio), tmp_path)


async def test_a_long_own_layer_1_is_refused_with_its_seconds_and_what_to_cut(tmp_path: Path) -> None:
    wordy = own_for_did(replace(GREETING, text=f"{GREETING.text} {'Bardzo się cieszymy z tej rozmowy ' * 3}."))
    audio = tmp_path / "long.wav"
    sound(audio, 0.5, 0.5, seconds=8, gate=3)
    own_audio = replace(GREETING, audio=audio)
    plan = replace(planned(wordy, own_audio), layer1_limit_s=5)
    with pytest.raises(BuildRefusedError) as caught:
        await build(plan, tmp_path / "prompts", EspeakSpeaker())
    spoken, played = sorted(map(str, caught.value.problems), key=lambda told: "DID" not in told)
    assert "prompt L1 in language 'pl' for DID +48221234567 takes " in spoken
    assert "above the limit of 5.0 s: the controller's name takes about" in spoken
    assert "its longest sentence about " in spoken
    assert "prompt L1 in language 'pl' takes 8.1 s, 3.1 s above" in played
    assert played.endswith(f"cut the text, and record {audio} anew")

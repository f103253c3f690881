"""Real espeak-ng and real sox: what they make, and what is refused."""

from __future__ import annotations

import math
import os
import shutil
import sys
import wave
from array import array
from pathlib import Path

import pytest

from oddzwon.prompts.errors import EngineFailedError, EngineMissingError, SpeechError, UnusableAudioError
from oddzwon.prompts.levelling import PEAK_DBFS, SPEECH_DBFS, level, measure
from oddzwon.prompts.programs import run_program
from oddzwon.prompts.rendering import RenderedText
from oddzwon.prompts.speech import ESPEAK_VOICES, CommandSpeaker, EspeakSpeaker, EspeakVoice
from oddzwon.prompts.studio import Studio
from oddzwon.prompts.texts import Language, PromptKey

HELLO = RenderedText(PromptKey.CONNECTING, Language.PL, None, "Dzień dobry, łączymy z konsultantem.")


@pytest.fixture(autouse=True, scope="module")
def speech_programs() -> None:
    for program in ("espeak-ng", "sox"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed: run docker/setup, or `apt-get install -y espeak-ng sox`")


def write_wav(path: Path, samples: list[int], *, channels: int = 1, rate: int = 22050) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", samples).tobytes())


def tone(amplitude: int, *, seconds: float = 0.5) -> list[int]:
    return [
        max(-32768, min(32767, round(amplitude * math.sin(2 * math.pi * 440 * n / 22050))))
        for n in range(int(22050 * seconds))
    ]


class Replay:
    """A speaker that hands out ready-made audio."""

    def __init__(self, source: Path) -> None:
        self._source = source

    async def fingerprint(self) -> str:
        return "replay"

    async def speak(self, text: str, language: Language, target: Path) -> None:
        shutil.copy(self._source, target)


@pytest.mark.parametrize("language", Language)
async def test_every_voice_speaks_and_comes_out_level_in_both_rates(language: Language, tmp_path: Path) -> None:
    text = RenderedText(PromptKey.CONNECTING, language, None, "Klinika, 1, 2, 3.")
    take = await Studio(EspeakSpeaker()).record(text, tmp_path)
    narrow, wide = measure(take.narrow), measure(take.wide)
    assert (narrow.rate, wide.rate) == (8000, 16000)
    assert abs(wide.frames - 2 * narrow.frames) <= 2
    assert 1000 < narrow.milliseconds < 6000
    for levels in (narrow, wide):
        assert levels.peak_dbfs <= PEAK_DBFS
        assert levels.speech_dbfs == pytest.approx(SPEECH_DBFS, abs=2)
        assert levels.clipped == 0


async def test_files_have_the_plain_header_from_which_asterisk_counts(tmp_path: Path) -> None:
    take = await Studio(EspeakSpeaker()).record(HELLO, tmp_path)
    raw = take.narrow.read_bytes()
    assert (raw[:4], raw[8:16], raw[36:40]) == (b"RIFF", b"WAVEfmt ", b"data")
    assert len(raw) == 44 + 2 * take.levels.frames


async def test_silence_around_the_words_is_cut(tmp_path: Path) -> None:
    padded = [0] * 22050 + tone(8000) + [0] * 22050
    write_wav(tmp_path / "padded.wav", padded)
    take = await Studio(Replay(tmp_path / "padded.wav")).record(HELLO, tmp_path)
    assert 500 <= take.levels.milliseconds <= 800


async def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    studio = Studio(EspeakSpeaker())
    first, again = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    again.mkdir()
    assert (await studio.record(HELLO, first)).narrow_sha256 == (await studio.record(HELLO, again)).narrow_sha256


async def test_the_recipe_changes_with_the_voice_and_with_the_words() -> None:
    slower = {**ESPEAK_VOICES, Language.PL: EspeakVoice("pl", 120, 42, 1, 80)}
    other = RenderedText(HELLO.key, HELLO.language, None, "Do widzenia.")
    standard = Studio(EspeakSpeaker())
    recipes = {await standard.recipe(HELLO), await standard.recipe(other)}
    recipes.add(await Studio(EspeakSpeaker(slower)).recipe(HELLO))
    assert len(recipes) == 3
    assert await standard.recipe(HELLO) in recipes


async def test_text_is_never_a_command_or_an_option(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    target = tmp_path / "said.wav"
    await EspeakSpeaker().speak(f'-w {trap} "; touch {trap}; $(touch {trap}) `touch {trap}`', Language.EN, target)
    assert measure(target).milliseconds > 1000
    assert not trap.exists()


@pytest.mark.parametrize(
    ("samples", "part"),
    [([0] * 22050, "silent"), ([3, -3] * 9000, "silent"), ([], "silent"), (tone(60000), "clipped")],
    ids=["zeros", "hiss", "empty", "clipped"],
)
async def test_silence_and_clipping_are_refused(samples: list[int], part: str, tmp_path: Path) -> None:
    write_wav(tmp_path / "made.wav", samples)
    with pytest.raises(UnusableAudioError, match=f"CONNECTING in language 'pl'.*{part}"):
        await Studio(Replay(tmp_path / "made.wav")).record(HELLO, tmp_path)


async def test_clipping_that_dither_has_blurred_is_seen(tmp_path: Path) -> None:
    blurred = [sample - (n % 3) * (1 if sample > 0 else -1) for n, sample in enumerate(tone(60000))]
    write_wav(tmp_path / "blurred.wav", blurred)
    assert measure(tmp_path / "blurred.wav").clipped > 1000


async def test_what_was_brought_to_full_scale_is_no_clipping(tmp_path: Path) -> None:
    """A voice's deepest tone at 48 kHz, made as loud as it can be: its one highest peak is round, and near."""
    swell = [
        round(32767 * math.sin(math.pi * n / 48000) * math.sin(2 * math.pi * 90 * n / 48000)) for n in range(48000)
    ]
    write_wav(tmp_path / "full.wav", swell, rate=48000)
    measured = measure(tmp_path / "full.wav")
    assert (measured.peak_dbfs > -0.01, measured.clipped) == (True, 0)


async def test_a_full_scale_peak_alone_is_no_clipping(tmp_path: Path) -> None:
    samples = tone(20000)
    samples[5000] = 32767
    write_wav(tmp_path / "peak.wav", samples)
    assert measure(tmp_path / "peak.wav").clipped == 0


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 10])
def test_what_is_no_wav_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    with pytest.raises(UnusableAudioError, match=r"odd\.wav"):
        measure(path)


def test_stereo_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "stereo.wav", tone(8000), channels=2)
    with pytest.raises(UnusableAudioError, match="16-bit mono"):
        measure(tmp_path / "stereo.wav")


async def test_sox_tells_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "odd.wav").write_bytes(b"x" * 100)
    with pytest.raises(EngineFailedError, match=r"sox ended with status.*odd\.wav"):
        await level(tmp_path / "odd.wav", tmp_path / "n.wav", tmp_path / "w.wav16")


async def test_an_unknown_voice_is_the_engines_own_error(tmp_path: Path) -> None:
    speaker = EspeakSpeaker({Language.PL: EspeakVoice("xx", 150, 42, 1, 80)})
    with pytest.raises(EngineFailedError, match=r"espeak-ng ended with status 1: .*voice"):
        await speaker.speak("x", Language.PL, tmp_path / "x.wav")
    with pytest.raises(SpeechError, match="language 'de'"):
        await speaker.speak("x", Language.DE, tmp_path / "x.wav")


@pytest.mark.parametrize("name", ["no-such-voice", "en-gb", "pl-x", ""])
async def test_a_voice_of_another_language_is_refused_before_anything_is_spoken(name: str, tmp_path: Path) -> None:
    speaker = EspeakSpeaker({Language.PL: EspeakVoice(name, 150, 42, 1, 80)})
    with pytest.raises(SpeechError, match=r"for language 'pl': choose one of .*pl"):
        await Studio(speaker).recipe(HELLO)


@pytest.mark.parametrize("name", ["pl", "pl+f2", "Polish"])
async def test_a_voice_of_the_language_is_taken(name: str) -> None:
    assert name in await EspeakSpeaker({Language.PL: EspeakVoice(name, 150, 42, 1, 80)}).fingerprint()


async def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(EngineMissingError, match="apt-get install no-such-engine"):
        await run_program(["no-such-engine"], timeout_s=5)


async def test_a_program_that_hangs_is_stopped(tmp_path: Path) -> None:
    hang = "import os, signal, sys; open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
    speaker = CommandSpeaker({Language.PL: [sys.executable, "-c", hang, "{out}"]}, timeout_s=2)
    with pytest.raises(EngineFailedError, match="within 2 s"):
        await speaker.speak("x", Language.PL, tmp_path / "pid")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_any_engine_speaks_by_its_command(tmp_path: Path) -> None:
    speaker = CommandSpeaker({Language.PL: ["espeak-ng", "-v", "pl", "-b", "1", "-f", "{text_file}", "-w", "{out}"]})
    take = await Studio(speaker).record(HELLO, tmp_path)
    assert take.levels.milliseconds > 1000


async def test_a_command_that_writes_nothing_is_told_so(tmp_path: Path) -> None:
    speaker = CommandSpeaker({Language.PL: ["true", "{out}"]})
    with pytest.raises(SpeechError, match="wrote no file"):
        await speaker.speak("x", Language.PL, tmp_path / "x.wav")


def test_a_command_has_to_say_where_it_writes() -> None:
    with pytest.raises(SpeechError, match=r"piper .* --output_file \{out\}"):
        CommandSpeaker({Language.PL: ["engine", "--text", "{text_file}"]})

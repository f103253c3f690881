"""Engines that make speech from text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from oddzwon.prompts.errors import SpeechError
from oddzwon.prompts.programs import run_program
from oddzwon.prompts.texts import Language


class Speaker(Protocol):
    """Anything that reads a text aloud into a WAV file of any rate."""

    async def fingerprint(self) -> str:
        """Names the engine, its version and every setting that changes its audio: a change means a new build."""
        ...

    async def speak(self, text: str, language: Language, target: Path) -> None:
        """Writes `target`, may leave other files beside it; raises SpeechError."""
        ...


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One language's voice: words per minute, pitch 0-99, pause between words in 10 ms, amplitude 0-200."""

    name: str
    rate: int
    pitch: int
    gap: int
    amplitude: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same for espeak-ng's command line."""
        numbers = (("-s", self.rate), ("-p", self.pitch), ("-g", self.gap), ("-a", self.amplitude))
        return ("-v", self.name, *(word for flag, number in numbers for word in (flag, str(number))))


ESPEAK_VOICES: Mapping[Language, EspeakVoice] = MappingProxyType(
    {
        Language.PL: EspeakVoice("pl", 165, 42, 1, 80),
        Language.CS: EspeakVoice("cs", 160, 42, 1, 80),
        Language.DE: EspeakVoice("de", 160, 42, 1, 80),
        Language.EN: EspeakVoice("en-gb", 165, 42, 1, 80),
    }
)
"""Slow enough to follow over a telephone; the amplitude leaves room, levelling brings it up."""


class EspeakSpeaker:
    """espeak-ng (Debian package of the same name). The text goes by stdin, never through a shell."""

    def __init__(self, voices: Mapping[Language, EspeakVoice] = ESPEAK_VOICES, *, timeout_s: float = 20.0) -> None:
        self._voices = voices
        self._timeout_s = timeout_s

    async def fingerprint(self) -> str:
        """Version and voices; raises SpeechError where espeak-ng has no such voice for the language.

        Asked first, because espeak-ng takes an unknown name for the nearest it knows: "no-such" is Norwegian.
        """
        for language, voice in self._voices.items():
            await self._refuse_unknown(voice.name.split("+")[0], language)
        said = (await run_program(["espeak-ng", "--version"], timeout_s=self._timeout_s)).decode(errors="replace")
        version = said.split(":", 1)[-1].split("Data at")[0].strip()
        voices = "; ".join(
            f"{language} {' '.join(voice.arguments)}" for language, voice in sorted(self._voices.items())
        )
        return f"espeak-ng {version}; {voices}"

    async def _refuse_unknown(self, name: str, language: Language) -> None:
        listed = (await run_program(["espeak-ng", f"--voices={language}"], timeout_s=self._timeout_s)).decode()
        rows = [row.split() for row in listed.splitlines()[1:]]
        # columns: priority, language, gender, name, file
        known = {word for row in rows if len(row) >= 5 for word in (row[1], row[3], row[4].split("/")[-1])}
        if name not in known:
            raise SpeechError(
                f"espeak-ng has no voice {name!r} for language {language.value!r}: "
                f"choose one of {', '.join(sorted(known)) or 'none, install espeak-ng-data'}"
            )

    async def speak(self, text: str, language: Language, target: Path) -> None:
        """Writes 22050 Hz mono; raises SpeechError."""
        voice = self._voices.get(language)
        if voice is None:
            raise SpeechError(f"espeak-ng has no voice set for language {language.value!r}: name one in its voices")
        argv = ["espeak-ng", *voice.arguments, "-b", "1", "--stdin", "-w", str(target)]
        await run_program(argv, stdin=text.encode(), timeout_s=self._timeout_s)


class CommandSpeaker:
    """Any engine by its command line, per language.

    The words {text_file} (UTF-8) and {out} (a WAV file it has to write) are replaced wherever they stand in a
    word; the text comes on stdin as well, for engines that read it there. There is no shell: a pipe needs a
    script of its own. `revision` is the operator's: raising it has everything spoken anew.
    """

    def __init__(
        self, commands: Mapping[Language, Sequence[str]], *, revision: str = "1", timeout_s: float = 60.0
    ) -> None:
        for language, argv in commands.items():
            if not argv or not any("{out}" in word for word in argv[1:]):
                raise SpeechError(
                    f"the speech command for language {language.value!r} does not say where to write: "
                    "for example piper --model /path/voice.onnx --output_file {out}"
                )
        self._commands = {language: tuple(argv) for language, argv in commands.items()}
        self._revision = revision
        self._timeout_s = timeout_s

    async def fingerprint(self) -> str:
        """The commands as configured, and the operator's revision."""
        commands = "; ".join(f"{language} {' '.join(argv)}" for language, argv in sorted(self._commands.items()))
        return f"command {self._revision}; {commands}"

    async def speak(self, text: str, language: Language, target: Path) -> None:
        """Runs the language's command; raises SpeechError, also where it wrote nothing."""
        argv = self._commands.get(language)
        if argv is None:
            raise SpeechError(f"there is no speech command for language {language.value!r}: configure one")
        text_file = target.with_suffix(".txt")
        await asyncio.to_thread(text_file.write_text, text, encoding="utf-8")
        words = [word.replace("{text_file}", str(text_file)).replace("{out}", str(target)) for word in argv]
        await run_program(words, stdin=text.encode(), timeout_s=self._timeout_s)
        if not await asyncio.to_thread(target.is_file):
            raise SpeechError(f"{argv[0]} ended well but wrote no file: its command has to write to {{out}}")

"""What can go wrong with prompts.

PromptError
├── TextError                      a text, or a value for it, cannot be used
│   ├── UnknownLanguageError
│   ├── UnknownPromptError         the language has no such prompt (German has no REC_OBJECT, on purpose)
│   ├── MissingPlaceholderError    a value that the text needs was not given, or is empty
│   ├── UnknownPlaceholderError    a text or a caller names a placeholder that does not exist
│   ├── WrongLanguageError         an own text is the shipped text of another language
│   ├── IncompleteTextError        an own text leaves out what its prompt is there to say
│   └── MalformedTextError         a stray brace, a control character, nothing to say
├── PlanError                      the plan contradicts itself
├── SpeechError                    text could not be made into audio
│   ├── EngineMissingError         a program is not installed
│   ├── EngineFailedError          it ended with an error, or did not end in time
│   └── UnusableAudioError         silent, clipped, empty, or not the format that Asterisk plays
├── LayerOneTooLongError           layer 1 is longer than the limit
├── LibraryError                   the folder of built prompts
│   ├── ManifestError              unreadable, or written by a newer version
│   ├── BuildRunningError          another build holds the folder
│   └── PromptMissingError         the prompt was never built
│       ├── PromptDamagedError     it was, but the file on the disk is not what was built
│       └── PromptStaleError       it was, but it announces another recording than the settings do now
└── BuildRefusedError              one or more of the above, all of them told at once
"""

from __future__ import annotations

from collections.abc import Sequence


class PromptError(Exception):
    """Base of everything that this package raises on purpose."""


class TextError(PromptError):
    """A text, or a value for it, cannot be used."""


class UnknownLanguageError(TextError):
    """There are no texts in this language."""

    def __init__(self, language: str, known: Sequence[str]) -> None:
        super().__init__(f"no prompts in language {language!r}: choose one of {', '.join(known)}")
        self.language = language


class UnknownPromptError(TextError):
    """The language has no text for this prompt."""

    def __init__(self, language: str, key: str, advice: str) -> None:
        super().__init__(f"prompt {key} does not exist in language {str(language)!r}: {advice}")
        self.language = language
        self.key = key


class MissingPlaceholderError(TextError):
    """A value that the text needs was not given, or is empty."""

    def __init__(self, where: str, placeholder: str, meaning: str) -> None:
        super().__init__(f"{where}: nothing was given for {{{placeholder}}}: set {meaning}")
        self.where = where
        self.placeholder = placeholder


class UnknownPlaceholderError(TextError):
    """A placeholder that does not exist, or that this prompt cannot be given; `foreign`: a language that has it."""

    def __init__(self, where: str, placeholder: str, allowed: Sequence[str], foreign: str | None = None) -> None:
        names = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none"
        hint = f", which this prompt has in language {str(foreign)!r}, but not in this one" if foreign else ""
        super().__init__(f"{where}: unknown placeholder {{{placeholder}}}{hint}: this prompt may use {names}")
        self.where = where
        self.placeholder = placeholder


class WrongLanguageError(TextError):
    """An own text is what another language ships: the voice would read it as if it were its own."""

    def __init__(self, where: str, language: str) -> None:
        super().__init__(f"{where} is the shipped text of language {str(language)!r}: translate it, or leave it out")
        self.where = where


class IncompleteTextError(TextError):
    """An own text leaves out what its prompt is there to say; `missing` are the words for each part."""

    def __init__(self, where: str, missing: Sequence[str]) -> None:
        super().__init__(f"{where} leaves out {', '.join(missing)}: a caller has to hear it, add it to the text")
        self.where = where
        self.missing = tuple(missing)


class MalformedTextError(TextError):
    """The text itself is broken."""


class PlanError(PromptError):
    """The plan contradicts itself."""


class SpeechError(PromptError):
    """Text could not be made into audio."""


class EngineMissingError(SpeechError):
    """A program that speech needs is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} was not found: install it with `apt-get install {package}`")
        self.program = program


class EngineFailedError(SpeechError):
    """A program of the speech chain ended with an error, or did not end in time."""


class UnusableAudioError(SpeechError):
    """Silent, clipped, empty, or not the format that Asterisk plays."""


class LayerOneTooLongError(PromptError):
    """Layer 1 takes longer than the operator's limit (default 20 s)."""

    def __init__(self, where: str, seconds: float, limit: float, advice: str) -> None:
        super().__init__(
            f"{where} takes {seconds:.1f} s, {seconds - limit:.1f} s above the limit of {limit:.1f} s: {advice}"
        )
        self.where = where
        self.seconds = seconds
        self.limit = limit


class LibraryError(PromptError):
    """The folder of built prompts."""


class ManifestError(LibraryError):
    """The folder's manifest cannot be read, or was written by a newer version."""


class BuildRunningError(LibraryError):
    """Another build holds the folder."""


class PromptMissingError(LibraryError):
    """The prompt was never built."""


class PromptDamagedError(PromptMissingError):
    """The prompt was built, but the file on the disk is not what was built."""


class PromptStaleError(PromptMissingError):
    """The prompt announces a recording in other words than the settings give now."""


class BuildRefusedError(PromptError):
    """The build changed nothing; `problems` holds every reason."""

    def __init__(self, problems: Sequence[PromptError]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"no prompt was changed, {len(problems)} to mend first:\n{lines}")
        self.problems = tuple(problems)

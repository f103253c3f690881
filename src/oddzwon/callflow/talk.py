"""Saying a prompt and listening for a key. Every prompt leaves a receipt, committed before anything relies on it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import structlog

from oddzwon.asterisk import variables
from oddzwon.asterisk.agi_results import Playback, PlaybackEnd
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.keypad import Press
from oddzwon.callflow.switchboard import Line, Switchboard
from oddzwon.domain.events import Instant, Stage, StageReached
from oddzwon.domain.notice import Ended, NoticeReceipt, receipt
from oddzwon.domain.recording import HEARD_MS
from oddzwon.log.errors import LogError
from oddzwon.log.records import Receipt
from oddzwon.prompts.errors import PromptError
from oddzwon.prompts.library import Prompt
from oddzwon.prompts.texts import PromptKey

_log = structlog.get_logger(__name__)

_ENDED = {
    PlaybackEnd.FINISHED: Ended.FINISHED,
    PlaybackEnd.KEY: Ended.KEY,
    PlaybackEnd.FAILED: Ended.FAILED,
    PlaybackEnd.HANGUP: Ended.HANGUP,
}
ANY_KEY = "0123456789*#"
LISTEN_MS = 1_000
"""So long AGI waits for a key at a time: what it has dropped between two commands is looked for as often."""
PLAYED_AGAIN = 3
"""How often a prompt is begun that something else than an answer stops."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a prompt. ``row`` is the receipt's id in the log; None: not logged, so nothing may rely on it.

    ``early`` is a press that stopped it before anybody could have heard it, and still waits to be served or forgotten;
    ``stray``: what stopped it was the echo of a press that has been served already.
    """

    receipt: NoticeReceipt | None
    row: int | None
    key: str | None
    early: Press | None = None
    stray: bool = False


NOTHING_SAID = Said(None, None, None)


class Talk:
    """One caller's ears and keys. Raises AgiHangup when he is gone, as every AGI command does."""

    def __init__(self, agi: AgiSession, live: LiveCall, board: Switchboard) -> None:
        self.agi = agi
        self.live = live
        self.board = board
        self._wideband: bool | None = None

    @property
    def line(self) -> Line:
        """The DID that was called, in the language that the call goes on in by now."""
        assert self.live.line is not None  # noqa: S101 - who talks has a line
        return self.live.line

    @property
    def language(self) -> str:
        """What he hears."""
        return self.line.language

    def reach(self, stage: Stage) -> None:
        """The flow goes on to its next part."""
        self.live.advance(StageReached(self.board.now(), self.live.call.leg, stage))

    async def speak(self, language: str) -> None:
        """The call goes on in this language: our words, and from now on Asterisk's own."""
        self.live.line = replace(self.line, language=language)
        await self.agi.set_variable(variables.CHANNEL_LANGUAGE, language)

    async def say(self, key: PromptKey, variant: str | None = None, *, keys: str = "") -> Said:
        """Play a built prompt; one of ``keys`` ends it. A prompt that is missing is an alarm, and silence."""
        prompt = self.find(key, variant)
        return NOTHING_SAID if prompt is None else await self.play(prompt, keys=keys)

    async def hear(
        self,
        key: PromptKey,
        variant: str | None = None,
        *,
        keys: str,
        wait_ms: int = 0,
        deaf_to: str = "",
        language: str | None = None,
    ) -> str | None:
        """Play a built prompt that one of ``keys`` ends or answers, and return that key.

        One that was pressed before makes the prompt needless, unless it confirms something: then ``deaf_to`` are the
        keys that count only once it could be heard, sooner they belong to what came before. ``language`` is the
        prompt's, if not the call's.
        """
        keypad = self.live.keypad
        keypad.forget(deaf_to)
        if not deaf_to and (waiting := await self.waiting(keys)) is not None:
            return waiting
        prompt = self.find(key, variant, language)
        if prompt is None:
            return await self._wait(keys, wait_ms)
        said = NOTHING_SAID
        for _ in range(PLAYED_AGAIN):
            began = self.board.clock.monotonic()
            said = await self.play(prompt, keys=keys, wait_ms=wait_ms, deaf_ms=HEARD_MS if deaf_to else 0)
            keypad.forget(deaf_to, before=began + HEARD_MS / 1000)  # also what only its event tells of
            if said.early is None:
                break
            if said.early.key not in deaf_to:
                said.early.served = True
                return said.early.key
            keypad.forget(deaf_to)
        return said.key or await self.waiting(keys)

    async def ask(self, key: PromptKey, variant: str | None, *, keys: str, wait_ms: int) -> Said:
        """Play a question and wait for one of ``keys``, during it or after: the receipt carries that key.

        A key that was pressed before the question could be heard, or nobody knows when, does not count (consent is an
        act of its own): it is asked again.
        """
        prompt = self.find(key, variant)
        if prompt is None:
            return NOTHING_SAID
        said = NOTHING_SAID
        for _ in range(PLAYED_AGAIN):
            self.live.keypad.forget()
            said = await self.play(prompt, keys=keys, wait_ms=wait_ms, deaf_ms=HEARD_MS, sure=True)
            if said.early is None and not said.stray:
                break
        return said

    async def play(
        self, prompt: Prompt, *, keys: str = "", wait_ms: int = 0, deaf_ms: int = 0, sure: bool = False
    ) -> Said:
        """Play this prompt, wait for a key if asked to, commit the receipt, and only then return (or raise).

        A press that began sooner than ``deaf_ms`` into it stops it, but is no answer to it; ``sure``: nor is one whose
        beginning nobody knows. What is pressed beside ``keys`` waits.
        """
        for _ in range(PLAYED_AGAIN):
            said = await self._play(prompt, keys, wait_ms, deaf_ms, sure=sure)
            if not said.stray or self.live.keypad.waiting(keys) is not None:
                break
        return said

    async def _play(self, prompt: Prompt, keys: str, wait_ms: int, deaf_ms: int, *, sure: bool) -> Said:
        rate = 16_000 if await self._is_wideband() else 8_000
        began = self.board.clock.monotonic()
        playback = await self.agi.stream_file(str(prompt.path), keys, sample_rate_hz=rate)
        playback = playback.within(round((self.board.clock.monotonic() - began) * 1000))
        pressed = playback.key
        press = self.live.keypad.told(pressed, self.board.clock.monotonic()) if pressed else None
        early = False
        if press is not None and deaf_ms:
            early = await press.too_soon(began, playback.played_ms, min(deaf_ms, prompt.full_ms), sure=sure)
            if sure and playback.played_ms >= deaf_ms:
                self._note_measured(press)
        key = press.key if press is not None and not early else None
        if key is not None and press is not None:
            press.served = True
        gone: AgiHangup | None = None
        if wait_ms and playback.ended is PlaybackEnd.FINISHED:
            try:
                key = await self._wait(keys, wait_ms, began + deaf_ms / 1000, deaf=deaf_ms > 0, sure=sure)
            except AgiHangup as hangup:
                gone = hangup
        made = receipt_of_playing(prompt, playback, key, self.board.now())
        row = await self._commit(made)
        if gone is not None:
            raise gone
        if playback.ended is PlaybackEnd.HANGUP:
            await self.agi.channel_status()  # raises the hang-up that the playback has seen
        self._note_quality(prompt, playback, made)
        return Said(made, row, key, press if early else None, stray=pressed is not None and press is None)

    def _note_quality(self, prompt: Prompt, playback: Playback, made: NoticeReceipt) -> None:
        """A file that Asterisk cannot play to its end, though nobody stopped it, is an alarm until it can."""
        if playback.ended is PlaybackEnd.KEY:
            return
        if made.complete:
            self.board.alarms.clear(f"prompt-unplayable-{prompt.key}-{prompt.language}")
        else:
            self.board.alarms.raise_(
                f"prompt-unplayable-{prompt.key}-{prompt.language}",
                "run `oddzwon prompts build`; can Asterisk read it?",
            )

    def _note_measured(self, press: Press) -> None:
        """A key that would be a consent, did anybody know when it went down, is an alarm until one is that is known."""
        if press.began is not None:
            self.board.alarms.clear("key-unmeasured")
        else:
            self.board.alarms.raise_("key-unmeasured", "no DTMFEnd told of it: is `dtmf` among the manager's rights?")

    async def waiting(self, keys: str) -> str | None:
        """A key that was pressed while nobody waited for it; None: there is none."""
        return await self._wait(keys, 0)

    async def _wait(
        self, keys: str, wait_ms: int, since: float = 0.0, *, deaf: bool = False, sure: bool = False
    ) -> str | None:
        """The next of ``keys`` within ``wait_ms``, pressed after ``since``; other keys are passed over.

        ``deaf``: its beginning is waited for, as AGI tells only of its end; ``sure``: one without any does not count.
        """
        keypad, clock = self.live.keypad, self.board.clock
        until = clock.monotonic() + wait_ms / 1000
        while True:
            now = clock.monotonic()
            press = keypad.waiting(keys, since)
            left = until - now if press is None else press.settles_in(now)
            if press is not None and left <= 0:
                press.served = True
                began = await press.beginning() if deaf else None
                if sure:
                    self._note_measured(press)
                if (began is None and not sure) or (began is not None and began >= since):
                    return press.key
                continue
            if left <= 0:
                return None
            digit = await self.agi.wait_for_digit(max(1, min(LISTEN_MS, round(left * 1000))))
            if digit is not None:
                keypad.told(digit, clock.monotonic())

    def find(self, key: PromptKey, variant: str | None = None, language: str | None = None) -> Prompt | None:
        """The built prompt, in the call's language unless another is named; None: it is missing, and an alarm."""
        language = language or self.language
        try:
            prompt = self.board.prompts.lookup(key, language, variant, self.line.number)
        except PromptError as error:
            self.board.alarms.raise_(f"prompt-missing-{key}-{language}", str(error))
            return None
        self.board.alarms.clear(f"prompt-missing-{key}-{language}")
        return prompt

    async def _commit(self, made: NoticeReceipt) -> int | None:
        self.live.receipts.append(made)
        if self.live.id is None:
            self.live.unlogged.append(made)
            return None
        try:
            row = await self.board.log.receipt(self.live.id, logged_receipt(made))
        except LogError as error:
            self.board.alarms.raise_("log-unwritable", str(error))
            self.live.unlogged.append(made)
            return None
        self.board.alarms.clear("log-unwritable")
        return row

    async def _is_wideband(self) -> bool:
        if self._wideband is None:
            self._wideband = False
            with contextlib.suppress(AgiHangup):
                self._wideband = await plays_wideband(self.agi)
        return self._wideband


async def plays_wideband(agi: AgiSession) -> bool:
    """Whether Asterisk plays the 16 kHz files on this channel: endpos counts the samples of what it played.

    Raises AgiHangup.
    """
    formats = await agi.get_variable("CHANNEL(audiowriteformat)") or ""
    return any(name in formats for name in ("g722", "slin16", "opus", "silk16"))


def receipt_of_playing(prompt: Prompt, playback: Playback, key: str | None, at: Instant) -> NoticeReceipt:
    """The receipt of a prompt as Asterisk says that it was played; ``key`` is the one that counts."""
    return receipt(
        prompt.key.value,
        version=prompt.version,
        sha256=prompt.sha256,
        language=prompt.language,
        played_ms=playback.played_ms,
        full_ms=prompt.full_ms,
        ended=_ENDED[playback.ended],
        key=key,
        at=at,
    )


def logged_receipt(made: NoticeReceipt) -> Receipt:
    """The receipt as the log takes it."""
    return Receipt(
        made.prompt,
        made.version,
        made.sha256,
        made.language,
        made.played_ms,
        made.full_ms,
        made.key,
        made.complete,
        made.at,
    )

"""Saying a prompt and listening for a key. Every prompt leaves a receipt, committed before anything relies on it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import structlog

from oddzwon.asterisk.agi_results import Playback, PlaybackEnd
from oddzwon.asterisk.agi_session import AgiSession
from oddzwon.asterisk.errors import AgiHangup
from oddzwon.callflow.calls import LiveCall
from oddzwon.callflow.switchboard import Switchboard
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


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a prompt. ``row`` is the receipt's id in the log; None: not logged, so nothing may rely on it.

    ``too_soon``: a key stopped it before anybody could have heard it, and does not count.
    """

    receipt: NoticeReceipt | None
    row: int | None
    key: str | None
    too_soon: bool = False


NOTHING_SAID = Said(None, None, None)


class Talk:
    """One caller's ears and keys. Raises AgiHangup when he is gone, as every AGI command does."""

    def __init__(self, agi: AgiSession, live: LiveCall, board: Switchboard, language: str) -> None:
        self.agi = agi
        self.live = live
        self.board = board
        self.language = language
        self._wideband: bool | None = None

    async def say(self, key: PromptKey, variant: str | None = None, *, keys: str = "") -> Said:
        """Play a built prompt; one of ``keys`` ends it. A prompt that is missing is an alarm, and silence."""
        prompt = self._find(key, variant)
        return NOTHING_SAID if prompt is None else await self.play(prompt, keys=keys)

    async def ask(self, key: PromptKey, variant: str | None, *, keys: str, wait_ms: int) -> Said:
        """Play a question and wait for one of ``keys``, during it or after: the receipt carries that key.

        Keys pressed before the question could be heard do not count (consent is an act of its own): it is asked again.
        """
        prompt = self._find(key, variant)
        if prompt is None:
            return NOTHING_SAID
        said = await self.play(prompt, keys=keys, wait_ms=wait_ms, deaf_ms=HEARD_MS)
        return await self.play(prompt, keys=keys, wait_ms=wait_ms, deaf_ms=HEARD_MS) if said.too_soon else said

    async def play(self, prompt: Prompt, *, keys: str = "", wait_ms: int = 0, deaf_ms: int = 0) -> Said:
        """Play this prompt, wait for a key if asked to, commit the receipt, and only then return (or raise)."""
        rate = 16_000 if await self._is_wideband() else 8_000
        self._keys_ahead_count(not keys)
        playback = await self.agi.stream_file(str(prompt.path), keys, sample_rate_hz=rate)
        too_soon = playback.key is not None and playback.played_ms < min(deaf_ms, prompt.full_ms)
        key: str | None = None if too_soon else playback.key
        gone: AgiHangup | None = None
        if wait_ms and playback.ended is PlaybackEnd.FINISHED:
            try:
                key = await self._wait(keys, wait_ms)
            except AgiHangup as hangup:
                gone = hangup
        made = self._receipt(prompt, playback, key)
        row = await self._commit(made)
        if gone is not None:
            raise gone
        if playback.ended is PlaybackEnd.HANGUP:
            await self.agi.channel_status()  # raises the hang-up that the playback has seen
        if playback.played_ms > 0:
            self.board.alarms.clear(f"prompt-unplayable-{prompt.key}-{prompt.language}")
        elif playback.ended is not PlaybackEnd.KEY:
            self.board.alarms.raise_(
                f"prompt-unplayable-{prompt.key}-{prompt.language}",
                "run `oddzwon prompts build`; can Asterisk read it?",
            )
        return Said(made, row, key, too_soon)

    async def listen(self, wait_ms: int) -> str | None:
        """A key pressed ahead, else the next one within ``wait_ms``; None: silence."""
        if self.live.keys:
            return self.live.keys.popleft()
        self._keys_ahead_count(False)
        return await self.agi.wait_for_digit(wait_ms)

    def _keys_ahead_count(self, ahead: bool) -> None:
        """Whether keys pressed from now on wait for the next question; a question of its own forgets older ones."""
        if ahead:
            self.live.ahead_since = self.live.ahead_since or self.board.now()
        else:
            self.live.ahead_since = None
            self.live.keys.clear()

    async def _wait(self, keys: str, wait_ms: int) -> str | None:
        """The next of ``keys`` within ``wait_ms``; other keys are passed over."""
        until = self.board.clock.monotonic() + wait_ms / 1000
        while (left := int((until - self.board.clock.monotonic()) * 1000)) > 0:
            key = await self.agi.wait_for_digit(left)
            if key is None or key in keys:
                return key
        return None

    def _find(self, key: PromptKey, variant: str | None) -> Prompt | None:
        try:
            prompt = self.board.prompts.lookup(key, self.language, variant)
        except PromptError as error:
            self.board.alarms.raise_(f"prompt-missing-{key}-{self.language}", str(error))
            return None
        self.board.alarms.clear(f"prompt-missing-{key}-{self.language}")
        return prompt

    def _receipt(self, prompt: Prompt, playback: Playback, key: str | None) -> NoticeReceipt:
        return receipt(
            prompt.key.value,
            version=prompt.version,
            sha256=prompt.sha256,
            language=prompt.language,
            played_ms=playback.played_ms,
            full_ms=prompt.full_ms,
            ended=_ENDED[playback.ended],
            key=key,
            at=self.board.now(),
        )

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
        """Whether Asterisk plays the 16 kHz files on this channel: endpos counts the samples of what it played."""
        if self._wideband is None:
            self._wideband = False
            with contextlib.suppress(AgiHangup):
                formats = await self.agi.get_variable("CHANNEL(audiowriteformat)") or ""
                self._wideband = any(name in formats for name in ("g722", "slin16", "opus", "silk16"))
        return self._wideband


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

"""One call as one scripted phone lives it: ring, answer, press a key, hang up, or vanish from the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import KEY_FRAMES, Audio, Heard
from tests.asterisk.sip_dialog import ALLOW, Dialog, Manner
from tests.asterisk.sip_messages import Media, NoAnswer, Refused, Request, Response, media_in, respond, uri_in

if TYPE_CHECKING:
    from tests.asterisk.sip_peer import Peer

SPEECH_S = 60.0
"""Longer than anything that is said here."""
Script = Callable[["Leg"], Awaitable[None]]
"""What a phone does with a call that comes in."""


class EndedBy(StrEnum):
    """Whose word ended the leg."""

    THEIR_BYE = "their BYE"
    THEIR_CANCEL = "their CANCEL"
    OUR_BYE = "our BYE"
    OUR_CANCEL = "our CANCEL"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a leg ended; ``reason`` is the Reason header (RFC 3326), ``at`` on the monotonic clock."""

    by: EndedBy
    reason: str | None
    at: float


class Leg(Dialog):
    """One call: a dialog with Asterisk and its audio, from the first ring to the farewell."""

    def __init__(self, peer: Peer, invite: Request, *, ours: bool, audio: Audio, manner: Manner | None = None) -> None:
        super().__init__(peer, invite, ours=ours, audio=audio, manner=manner or Manner())
        self.period = peer.period
        self.script: asyncio.Task[None] | None = None
        self._late: asyncio.Task[None] | None = None
        self._rang = asyncio.Event()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[Farewell] = asyncio.get_running_loop().create_future()

    # --- what is known ----------------------------------------------------------------------------------------------

    @property
    def heard(self) -> Heard:
        """The audio that came in."""
        return self._audio.heard

    @property
    def fault(self) -> BaseException | None:
        """What went wrong in the script of a call that came in; None: nothing."""
        if self.script is None or not self.script.done() or self.script.cancelled():
            return None
        return self.script.exception()

    @property
    def is_answered(self) -> bool:
        """Whether the call was answered and is not over."""
        return self._answered.done() and not self._ended.done()

    @property
    def is_over(self) -> bool:
        """Whether the call is over, by whomever."""
        return self._ended.done()

    # --- what a test waits for --------------------------------------------------------------------------------------

    async def ringing(self, within: float = PATIENCE_S) -> None:
        """Until 180 went out or came in; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self._rang.wait()

    async def answered(self, within: float = PATIENCE_S) -> None:
        """Until the call is answered; raises Refused, NoAnswer (ended before) or TimeoutError."""
        await asyncio.wait_for(asyncio.shield(self._answered), within)

    async def ended(self, within: float = PATIENCE_S) -> Farewell:
        """Until the call is over; raises TimeoutError."""
        return await asyncio.wait_for(asyncio.shield(self._ended), within)

    async def hears_audio(self, within: float = PATIENCE_S, *, frames: int = 5) -> None:
        """Until ``frames`` more packets with sound came in; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self.heard.until_sounding(frames)

    async def hears(self, other: Leg, within: float = PATIENCE_S) -> None:
        """Until the tone of the other leg comes in: the two are bridged; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self.heard.until_tone(other.period, 5)

    # --- what a phone does ------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """180 Ringing."""
        self._reply(180, "Ringing")
        self._rang.set()

    def progress(self) -> None:
        """183 with audio before any answer (RFC 3960): both hear each other, and nothing is answered yet."""
        self._hears_of(self._offered())
        extra = [("Contact", self.peer.contact), ALLOW]
        self.peer.reply(
            self.invite, respond(self.invite, 183, "Progress", tag=self._tag, extra=extra, body=self._describe())
        )
        self._rang.set()

    def redirect(self, uri: str) -> None:
        """302 to this URI (RFC 3261 section 21.3.3)."""
        self.peer.reply(
            self.invite,
            respond(self.invite, 302, "Moved Temporarily", tag=self._tag, extra=[("Contact", f"<{uri}>")]),
        )
        self._end(EndedBy.REFUSED, None)

    async def say(self, frames: Iterable[bytes]) -> None:
        """Speech in place of the tone, frames of alaw, and silence after it; returns when the last is out."""
        self._audio.quiet = True
        async with asyncio.timeout(SPEECH_S):
            await self._audio.say(frames)

    def answer(self, manner: Manner | None = None) -> None:
        """200 OK with our audio, sent again until Asterisk's ACK; ``manner`` is how the phone behaves from here on."""
        if manner is not None:
            self.behave(manner)
        self._hears_of(self._offered())
        extra = [("Contact", self.peer.contact), ALLOW, *self._session(self.invite)]
        body = self._describe()
        self.peer.reply_until_ack(
            self.invite, respond(self.invite, 200, "OK", tag=self._tag, extra=extra, body=body), self.call_id
        )
        self._settle_answer()

    def refuse(self, status: int, phrase: str) -> None:
        """A final answer that is no 2xx, such as 486 Busy Here."""
        self._reply(status, phrase)
        self._end(EndedBy.REFUSED, None)

    async def press(self, keys: str, frames: int = KEY_FRAMES) -> None:
        """Each key by RFC 4733, held for so many frames, also while the tone streams; returns when the last is out."""
        for key in keys:
            async with asyncio.timeout(PATIENCE_S):
                await self._audio.press(key, frames)

    def stop_rtp(self) -> None:
        """No more audio from us; SIP goes on, and RTCP where there is any."""
        self._audio.sending = False

    def start_rtp(self) -> None:
        """Audio from us again, its sequence numbers going on where they stopped."""
        self._audio.noise = False
        self._audio.sending = True

    async def gap(self, seconds: float) -> None:
        """No audio for so long, then on."""
        self.stop_rtp()
        await asyncio.sleep(seconds)
        self.start_rtp()

    def comfort_noise(self) -> None:
        """Comfort noise (RFC 3389) five times a second instead of audio, until ``start_rtp``."""
        self._audio.noise = True
        self._audio.sending = True

    @property
    def rtcp(self) -> bool:
        """Whether a report goes out every second, also while no audio does."""
        return self._audio.reporting

    @rtcp.setter
    def rtcp(self, on: bool) -> None:
        self._audio.reporting = on

    @property
    def reports_heard(self) -> int:
        """RTCP reports that came in."""
        return self._audio.reports_heard

    def vanish(self) -> None:
        """The network is gone: no audio, no reports, and no answer to anything any more."""
        self.vanished = True
        self._audio.sending = self._audio.reporting = False

    async def bye(self, reason: str | None = None, *more: str) -> None:
        """Hang up, with a Reason header for each word if given (RFC 3326); returns when Asterisk has answered.

        The BYE leaves before anything else runs: ``gather(a.bye(), b.bye())`` is two phones at the same instant.
        """
        words = [word for word in (reason, *more) if word]
        self._end(EndedBy.OUR_BYE, ", ".join(words) or None)
        self._audio.sending = self._audio.reporting = False
        await self.peer.request(self.next_request("BYE"), [("Reason", word) for word in words])

    async def cancel(self, reason: str | None = None) -> None:
        """Give up our INVITE before it is answered (RFC 3261 section 9.1), with a Reason header if given.

        Where Asterisk's answer crosses the CANCEL, a BYE with the same Reason follows.
        """
        self._end(EndedBy.OUR_CANCEL, reason)
        extra = [("Reason", reason)] if reason else []
        await self.peer.request(self._of_invite("CANCEL"), extra, branch=self.invite.branch)

    async def release(self) -> None:
        """Whatever is left of the call goes: for the end of a test, so that none meets another's calls."""
        if self.script is not None:
            self.script.cancel()
            await asyncio.gather(self.script, return_exceptions=True)
        self.vanished = False
        if not self._ended.done():
            if self._answered.done():
                await self.bye()
            elif self.ours:
                await self.cancel()
            else:
                self.refuse(480, "Temporarily Unavailable")
        if self._late is not None:
            await self._late
        await self.close()

    async def close(self) -> None:
        """Close the sockets; says nothing to anybody."""
        if self._late is not None:
            self._late.cancel()
            await asyncio.gather(self._late, return_exceptions=True)
        await self._audio.close()

    # --- what the peer hands on -------------------------------------------------------------------------------------

    def take_response(self, response: Response) -> None:
        """A response to our INVITE, or once more to a later one of the dialog."""
        if response.cseq[0] != self.invite.cseq[0]:
            if response.status >= 200:
                self._acknowledge(response)
            return
        if response.status < 200:
            if response.status >= 180:
                self._rang.set()
            return
        self._them = response.need("To")
        if response.status >= 300:
            self.peer.send_ack(self._of_invite("ACK"), branch=self.invite.branch)
            if not self._answered.done():
                self._answered.set_exception(Refused(response.status, response.phrase))
                self._answered.exception()  # a script that does not ask is not told twice
            self._end(EndedBy.REFUSED, response.get("Reason"))
            return
        self._target = uri_in(response.get("Contact") or self._target)
        if not self.vanished:
            self.peer.send_ack(self._of_invite("ACK", self._target), branch=None)
        media = media_in(response.body)
        if self._ended.done() and self._ended.result().by is EndedBy.OUR_CANCEL:
            self._late = self._late or asyncio.create_task(self.bye(self._ended.result().reason), name="late-bye")
        elif not self._answered.done() and media is not None:
            self._hears_of(media)
            self._settle_answer()

    def take_request(self, request: Request) -> bytes | None:
        """A request of Asterisk's inside the dialog; returns our response, None to leave it without one."""
        self.note(request)
        match request.method:
            case "BYE":
                self._end(EndedBy.THEIR_BYE, request.get("Reason"))
                self._audio.sending = self._audio.reporting = False
            case "CANCEL":
                self._reply(487, "Request Terminated")
                self._end(EndedBy.THEIR_CANCEL, request.get("Reason"))
            case _:
                return self.answer_in_dialog(request)
        return respond(request, 200, "OK", tag=self._tag)

    def _reply(self, status: int, phrase: str) -> None:
        self.peer.reply(
            self.invite, respond(self.invite, status, phrase, tag=self._tag, extra=[("Contact", self.peer.contact)])
        )

    def _offered(self) -> Media:
        media = media_in(self.invite.body)
        assert media is not None, "Asterisk offered no audio"
        return media

    def _settle_answer(self) -> None:
        self._rang.set()
        if not self._answered.done():
            self._answered.set_result(None)

    def _end(self, by: EndedBy, reason: str | None) -> None:
        if not self._ended.done():
            self._ended.set_result(Farewell(by, reason, time.monotonic()))
        if not self._answered.done():
            self._answered.set_exception(NoAnswer(f"the call ended before it was answered: {by.value}"))
            self._answered.exception()  # a script that does not ask is not told twice

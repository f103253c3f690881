"""One call as one scripted phone lives it: ring, answer, press a key, hang up, or vanish from the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.asterisk.rtp import Audio, Heard
from tests.asterisk.sip_messages import (
    NoAnswer,
    Refused,
    Request,
    Response,
    media_in,
    offer,
    respond,
    uri_in,
    user_of,
)

if TYPE_CHECKING:
    from tests.asterisk.sip_peer import Peer

PATIENCE_S = 15.0
"""How long a script waits for what must come, where it names no time of its own."""
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


class Leg:
    """One dialog with Asterisk. ``invite`` is the INVITE that began it, sent or received at ``began`` (monotonic)."""

    def __init__(self, peer: Peer, invite: Request, *, ours: bool, audio: Audio) -> None:
        self.peer = peer
        self.invite = invite
        self.ours = ours
        self.began = time.monotonic()
        self.vanished = False
        self.period = peer.period
        self.script: asyncio.Task[None] | None = None
        self._audio = audio
        self._rang = asyncio.Event()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[Farewell] = asyncio.get_running_loop().create_future()
        self._tag = peer.new_tag()
        self._cseq = 1 if ours else 0
        self._target = invite.uri if ours else uri_in(invite.need("Contact"))
        # ours and theirs, as the From and To of what we send in the dialog (RFC 3261 section 12.2.1.1)
        self._us = invite.need("From") if ours else f"{invite.need('To')};tag={self._tag}"
        self._them = invite.need("To") if ours else invite.need("From")

    # --- what is known ----------------------------------------------------------------------------------------------

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.invite.call_id

    @property
    def from_number(self) -> str:
        """The user part of the INVITE's From: on a callback, the number that it shows."""
        return user_of(self.invite.need("From"))

    @property
    def to_number(self) -> str:
        """The user part of the INVITE's Request-URI."""
        return self.invite.user

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

    def answer(self) -> None:
        """200 OK with our audio, sent again until Asterisk's ACK."""
        media = media_in(self.invite.body)
        assert media is not None, "Asterisk offered no audio"
        contact = [("Contact", self.peer.contact), ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE")]
        body = offer(self.peer.address, self._audio.port, events=media.events or 101)
        self.peer.reply_until_ack(
            self.invite, respond(self.invite, 200, "OK", tag=self._tag, extra=contact, body=body), self.call_id
        )
        self._audio.start(media)
        self._settle_answer()

    def refuse(self, status: int, phrase: str) -> None:
        """A final answer that is no 2xx, such as 486 Busy Here."""
        self._reply(status, phrase)
        self._end(EndedBy.REFUSED, None)

    async def press(self, keys: str) -> None:
        """Each key by RFC 4733, also while the tone streams; returns when the last one is out."""
        for key in keys:
            async with asyncio.timeout(PATIENCE_S):
                await self._audio.press(key)

    def stop_rtp(self) -> None:
        """No more audio from us; SIP goes on."""
        self._audio.sending = False

    def vanish(self) -> None:
        """The network is gone: no audio, and no answer to anything any more."""
        self.vanished = True
        self._audio.sending = False

    async def bye(self, reason: str | None = None) -> None:
        """Hang up, with a Reason header if given (RFC 3326); returns when Asterisk has answered."""
        extra = [("Reason", reason)] if reason else []
        self._end(EndedBy.OUR_BYE, reason)
        self._audio.sending = False
        await self.peer.request(self.next_request("BYE"), extra)

    async def cancel(self) -> None:
        """Give up our INVITE before it is answered (RFC 3261 section 9.1)."""
        self._end(EndedBy.OUR_CANCEL, None)
        await self.peer.request(self._of_invite("CANCEL"), (), branch=self.invite.branch)

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
        await self.close()

    async def close(self) -> None:
        """Close the sockets; says nothing to anybody."""
        await self._audio.close()

    # --- what the peer hands on -------------------------------------------------------------------------------------

    def take_response(self, response: Response) -> None:
        """A response to our INVITE."""
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
        if not self._answered.done() and media is not None:
            self._audio.start(media)
            self._settle_answer()

    def take_request(self, request: Request) -> bytes | None:
        """A request of Asterisk's inside the dialog; returns our response."""
        match request.method:
            case "BYE":
                self._end(EndedBy.THEIR_BYE, request.get("Reason"))
                self._audio.sending = False
            case "CANCEL":
                self._reply(487, "Request Terminated")
                self._end(EndedBy.THEIR_CANCEL, request.get("Reason"))
            case "INVITE" | "UPDATE" if request.body:
                body = offer(self.peer.address, self._audio.port)
                return respond(request, 200, "OK", tag=self._tag, extra=[("Contact", self.peer.contact)], body=body)
            case "INVITE" | "UPDATE":
                return respond(request, 200, "OK", tag=self._tag, extra=[("Contact", self.peer.contact)])
        return respond(request, 200, "OK", tag=self._tag)

    def next_request(self, method: str) -> Request:
        """The dialog's next request of ours."""
        self._cseq += 1
        return self._in_dialog(method, self._target, self._cseq)

    def _of_invite(self, method: str, uri: str | None = None) -> Request:
        """ACK and CANCEL carry their INVITE's number (RFC 3261 sections 9.1, 17.1.1.3)."""
        return self._in_dialog(method, uri or self.invite.uri, self.invite.cseq[0])

    def _in_dialog(self, method: str, uri: str, cseq: int) -> Request:
        to = self.invite.need("To") if method == "CANCEL" else self._them
        headers = (("From", self._us), ("To", to), ("Call-ID", self.call_id), ("CSeq", f"{cseq} {method}"))
        return Request(headers, b"", method, uri)

    def _reply(self, status: int, phrase: str) -> None:
        self.peer.reply(
            self.invite, respond(self.invite, status, phrase, tag=self._tag, extra=[("Contact", self.peer.contact)])
        )

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

"""One dialog with Asterisk (RFC 3261 section 12), and what is said inside it: hold, transfer, refresh, keys by INFO."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote

from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import Audio
from tests.asterisk.sip_messages import (
    TELEPHONE_EVENT,
    Media,
    NoAnswer,
    Refused,
    Request,
    Response,
    fragment_status,
    media_in,
    offer,
    respond,
    tag_of,
    uri_in,
    user_of,
)

if TYPE_CHECKING:
    from tests.asterisk.sip_peer import Peer

ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, REFER, NOTIFY")
SESSION_EXPIRES_S = 90
"""RFC 4028's least: the refresh comes after 45 s."""
OnRequest: TypeAlias = Literal["answer", "ignore"] | int
"""What becomes of a request of Asterisk's: 200, silence, or this status."""
PHRASES = {481: "Call/Transaction Does Not Exist", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a phone behaves from the first packet on.

    ``silent``: it never sends RTP, so that Asterisk's rtp_timeout ends the call unless ``rtcp`` is on.
    ``session_timers``: it supports them, and lets Asterisk refresh. ``events``: it takes telephone events; where it
    does not, Asterisk sends the keys of the other side in INFO requests.
    """

    silent: bool = False
    rtcp: bool = False
    session_timers: bool = False
    events: bool = True


class Dialog:
    """One dialog. ``invite`` is the INVITE that began it, sent or received at ``began`` (monotonic).

    ``on_refresh`` is what becomes of Asterisk's re-INVITEs and UPDATEs, ``on_info`` of its INFOs; ``asked`` lists the
    methods of all requests that came in. ``vanished``: nothing is answered any more.
    """

    def __init__(self, peer: Peer, invite: Request, *, ours: bool, audio: Audio, manner: Manner) -> None:
        self.peer = peer
        self.invite = invite
        self.ours = ours
        self.began = time.monotonic()
        self.vanished = False
        self.on_refresh: OnRequest = "answer"
        self.on_info: OnRequest = "answer"
        self.asked: list[str] = []
        self._audio = audio
        self._news = asyncio.Event()
        self._transfer: asyncio.Future[int] | None = None
        self._tag = peer.new_tag()
        self._cseq = 1 if ours else 0
        self._version = 1
        self._direction = "sendrecv"
        self._events = TELEPHONE_EVENT
        self._target = invite.uri if ours else uri_in(invite.need("Contact"))
        # ours and theirs, as the From and To of what we send in the dialog (RFC 3261 section 12.2.1.1)
        self._us = invite.need("From") if ours else f"{invite.need('To')};tag={self._tag}"
        self._them = invite.need("To") if ours else invite.need("From")
        self.behave(manner)

    def behave(self, manner: Manner) -> None:
        """From now on in this manner."""
        self.manner = manner
        self._audio.sending = not manner.silent
        self._audio.reporting = manner.rtcp

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.invite.call_id

    @property
    def from_number(self) -> str:
        """The user part of the INVITE's From: on a callback, the number that it shows; at an agent, the caller's."""
        return user_of(self.invite.need("From"))

    @property
    def holds_for(self) -> str | None:
        """At an agent: the dropped call for whose callback he is to hold the line; None: an ordinary call."""
        return self.invite.get("X-Oddzwon-Call")

    @property
    def to_number(self) -> str:
        """The user part of the INVITE's Request-URI."""
        return self.invite.user

    async def until_asked(self, *methods: str, within: float = PATIENCE_S) -> None:
        """Until Asterisk sends a request with one of these methods; raises TimeoutError."""
        seen = len(self.asked)
        async with asyncio.timeout(within):
            while not any(method in methods for method in self.asked[seen:]):
                self._news.clear()
                await self._news.wait()

    # --- hold -------------------------------------------------------------------------------------------------------

    async def hold(self, *, silent: bool = False) -> None:
        """re-INVITE with a=sendonly (RFC 3264 section 8.4); ``silent``: no audio from us meanwhile. Raises Refused."""
        self._direction = "sendonly"
        await self._reinvite()
        if silent:
            self._audio.sending = False

    async def unhold(self) -> None:
        """re-INVITE with a=sendrecv, and audio again, unless the phone never sent any. Raises Refused."""
        self._direction = "sendrecv"
        self._audio.sending = not self.manner.silent
        await self._reinvite()

    async def _reinvite(self) -> None:
        request = self.next_request("INVITE", body=self._describe())
        response = await self.peer.request(request, [("Contact", self.peer.contact), ALLOW])
        self._acknowledge(response)
        if response.status >= 300:
            raise Refused(response.status, response.phrase)
        media = media_in(response.body)
        if media is not None:
            self._hears_of(media)

    # --- transfer ---------------------------------------------------------------------------------------------------

    async def refer(self, target: str) -> None:
        """Blind transfer (RFC 3515) to ``agent2``, ``700``, or a whole ``user@host``; returns once it is accepted.

        Raises Refused. How it went on is told by ``transferred``.
        """
        host = "" if "@" in target else f"@{self.peer.asterisk}"
        await self._refer(f"<sip:{target}{host}>")

    async def refer_to(self, other: Dialog) -> None:
        """Attended transfer: the other side of this dialog takes our place in ``other`` (Replaces, RFC 3891)."""
        await self._refer(other.replacement())

    def replacement(self) -> str:
        """A Refer-To whose Replaces names this dialog as Asterisk knows it: its own tag is the to-tag."""
        theirs, ours = tag_of(self._them), tag_of(self._us)
        replaces = quote(f"{self.call_id};to-tag={theirs};from-tag={ours}", safe="")
        return f"<sip:{user_of(self._them) or 'anonymous'}@{self.peer.asterisk}?Replaces={replaces}>"

    async def transferred(self, within: float = PATIENCE_S) -> int:
        """The final status that a NOTIFY told of the transfer; raises NoAnswer (none was asked for) or TimeoutError."""
        if self._transfer is None:
            msg = "no transfer was asked for"
            raise NoAnswer(msg)
        return await asyncio.wait_for(asyncio.shield(self._transfer), within)

    async def _refer(self, to: str) -> None:
        self._transfer = asyncio.get_running_loop().create_future()
        extra = [("Contact", self.peer.contact), ("Refer-To", to), ("Referred-By", f"<{uri_in(self._us)}>")]
        response = await self.peer.request(self.next_request("REFER"), extra)
        if response.status >= 300:
            raise Refused(response.status, response.phrase)

    # --- requests of Asterisk's -------------------------------------------------------------------------------------

    def answer_in_dialog(self, request: Request) -> bytes | None:
        """Our response to a request that leaves the dialog as it is; None: it is not answered."""
        match request.method:
            case "INVITE" | "UPDATE":
                return self._by(self.on_refresh, request, self._accept)
            case "INFO":
                return self._by(self.on_info, request, self._ok)
            case "NOTIFY":
                status = fragment_status(request.body)
                if status is not None and status >= 200 and self._transfer is not None and not self._transfer.done():
                    self._transfer.set_result(status)
        return self._ok(request)

    def note(self, request: Request) -> None:
        """A request came in."""
        self.asked.append(request.method)
        self._news.set()

    def _by(self, rule: OnRequest, request: Request, accept: Callable[[Request], bytes]) -> bytes | None:
        if rule == "ignore":
            return None
        if rule == "answer":
            return accept(request)
        return respond(request, int(rule), PHRASES.get(int(rule), "No"), tag=self._tag)

    def _accept(self, request: Request) -> bytes:
        extra = [("Contact", self.peer.contact), ALLOW, *self._session(request)]
        media = media_in(request.body)
        if media is None:
            return respond(request, 200, "OK", tag=self._tag, extra=extra)
        self._hears_of(media)
        return respond(request, 200, "OK", tag=self._tag, extra=extra, body=self._describe())

    def _ok(self, request: Request) -> bytes:
        return respond(request, 200, "OK", tag=self._tag)

    # --- session timers (RFC 4028) ----------------------------------------------------------------------------------

    def _session(self, request: Request) -> list[tuple[str, str]]:
        """What a 200 says of the session's timer: whoever asks refreshes, and that is Asterisk."""
        if not self.manner.session_timers or request.get("Session-Expires") is None:
            return []
        expires = request.need("Session-Expires").partition(";")[0].strip()
        return [("Supported", "timer"), ("Require", "timer"), ("Session-Expires", f"{expires};refresher=uac")]

    # --- messages ---------------------------------------------------------------------------------------------------

    def next_request(self, method: str, *, body: bytes = b"") -> Request:
        """The dialog's next request of ours."""
        self._cseq += 1
        return self._in_dialog(method, self._target, self._cseq, body)

    def _hears_of(self, media: Media) -> None:
        self._events = media.events or TELEPHONE_EVENT
        self._audio.start(media)

    def _describe(self) -> bytes:
        """Our side of the session, a version on from the last time."""
        self._version += 1
        return offer(
            self.peer.address,
            self._audio.port,
            events=self._events if self.manner.events else None,
            version=self._version,
            direction=self._direction,
        )

    def _acknowledge(self, response: Response) -> None:
        """ACK to the final answer of a re-INVITE, in the INVITE's transaction if it is no 2xx."""
        ack = self._in_dialog("ACK", self._target, response.cseq[0])
        self.peer.send_ack(ack, branch=None if response.status < 300 else response.branch)

    def _of_invite(self, method: str, uri: str | None = None) -> Request:
        """ACK and CANCEL carry their INVITE's number (RFC 3261 sections 9.1, 17.1.1.3)."""
        return self._in_dialog(method, uri or self.invite.uri, self.invite.cseq[0])

    def _in_dialog(self, method: str, uri: str, cseq: int, body: bytes = b"") -> Request:
        to = self.invite.need("To") if method == "CANCEL" else self._them
        headers = (("From", self._us), ("To", to), ("Call-ID", self.call_id), ("CSeq", f"{cseq} {method}"))
        return Request(headers, body, method, uri)

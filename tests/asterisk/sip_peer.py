"""A scripted SIP and RTP peer on one UDP socket: the carrier with the callers behind it, or an agent's phone.

It says and hears what sipp cannot: keys in mid-stream, Reason headers, silence of the network, the other side's tone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from types import TracebackType

from tests.asterisk.patience import PATIENCE_S
from tests.asterisk.rtp import Audio
from tests.asterisk.sip_dialog import ALLOW, SESSION_EXPIRES_S, Manner
from tests.asterisk.sip_leg import Leg, Script
from tests.asterisk.sip_messages import (
    TELEPHONE_EVENT,
    MalformedMessage,
    NoAnswer,
    Request,
    Response,
    offer,
    parse,
    render,
    respond,
)
from tests.asterisk.sip_scripts import NOBODY, answers

__all__ = ["Peer", "answers"]  # tests/bench takes both from here

T1_S = 0.5
"""RFC 3261 section 17.1.1.1: the first retransmission, doubled each time."""
GIVE_UP_S = 32.0
COOKIE = "z9hG4bK"
REPLIES_KEPT = 500
_TIMER = (("Supported", "timer"), ("Session-Expires", f"{SESSION_EXPIRES_S};refresher=uas"))
"""RFC 4028: the one that is called, Asterisk, refreshes."""


class Peer(asyncio.DatagramProtocol):
    """One address's SIP. Every INVITE that comes in is kept in ``invites``, in order.

    ``period`` is its tone's, in samples. ``caller_scripts`` tells what to do with calls from a user part, else
    ``scripts`` with calls to one, else ``script``. An async context manager: at its end every call is hung up and every
    socket closed.
    """

    def __init__(self, address: str, port: int = 5060, *, period: int = 20, script: Script = NOBODY) -> None:
        self.address = address
        self.port = port
        self.period = period
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.caller_scripts: dict[str, Script] = {}
        self.invites: list[Leg] = []
        self.unreadable: list[bytes] = []
        self.off = False
        """Its plug is out: it hears nothing and says nothing, until it is put in again."""
        self.contact = f"<sip:peer@{address}:{port}>"
        self._transport: asyncio.DatagramTransport | None = None
        self._legs: dict[str, Leg] = {}
        self._sent: dict[tuple[str, str], asyncio.Future[Response]] = {}
        self._resend: dict[str, asyncio.TimerHandle] = {}
        self._replies: dict[tuple[str, str], bytes] = {}
        self._replied: deque[tuple[str, str]] = deque()
        self._news = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Peer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, self.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()
        for timer in self._resend.values():
            timer.cancel()
        if self._transport is not None:
            self._transport.close()
        if kind is None:
            for leg in self._legs.values():
                if leg.fault is not None:
                    raise leg.fault

    async def hang_up(self) -> None:
        """Every call ends, whatever its state; the peer goes on answering."""
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.gather(*(self._let_go(leg) for leg in self._legs.values()))

    async def _let_go(self, leg: Leg) -> None:
        try:
            async with asyncio.timeout(2.0):
                await leg.release()
        except (TimeoutError, NoAnswer):
            await leg.close()  # Asterisk is gone: nobody is left to say goodbye to

    # --- calls ------------------------------------------------------------------------------------------------------

    async def invite(
        self,
        to: str,
        *,
        from_number: str,
        headers: Iterable[tuple[str, str]] = (),
        from_header: str | None = None,
        silent: bool = False,
        rtcp: bool = False,
        session_timers: bool = False,
        events: bool = True,
    ) -> Leg:
        """Call ``to`` (``+48221234567@127.0.0.1``) as ``from_number``; returns as soon as the INVITE is out.

        ``from_header`` replaces the whole From without its tag, for callers who withhold their number. The rest is the
        phone's ``Manner``.
        """
        manner = Manner(silent, rtcp, session_timers, events)
        audio = await Audio.open(self.address, self.period)
        uri = f"sip:{to}"
        sender = from_header or f"<sip:{from_number}@{self.address}>"
        branch = COOKIE + secrets.token_hex(8)
        request = Request(
            (
                ("Via", self._via(branch)),
                ("From", f"{sender};tag={self.new_tag()}"),
                ("To", f"<{uri}>"),
                ("Call-ID", secrets.token_hex(12)),
                ("CSeq", "1 INVITE"),
                ("Contact", self.contact),
                ("Max-Forwards", "70"),
                ALLOW,
                *(_TIMER if session_timers else ()),
                *headers,
            ),
            offer(self.address, audio.port, events=TELEPHONE_EVENT if events else None),
            "INVITE",
            uri,
        )
        leg = Leg(self, request, ours=True, audio=audio, manner=manner)
        self._legs[leg.call_id] = leg
        self._send_until(f"INVITE {leg.call_id}", render(f"INVITE {uri} SIP/2.0", request.headers, request.body))
        return leg

    def invites_to(self, number: str) -> list[Leg]:
        """The calls that came in for this user part, in order."""
        return [leg for leg in self.invites if leg.to_number == number]

    async def called(self, number: str, within: float = PATIENCE_S, *, count: int = 1) -> Leg:
        """Until the ``count``-th call to this user part came in; returns it; raises TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.invites_to(number)) < count:
                self._news.clear()
                await self._news.wait()
        return self.invites_to(number)[count - 1]

    async def rung(
        self, within: float = PATIENCE_S, *, besides: Collection[Leg] = (), caller: Leg | None = None
    ) -> Leg:
        """Until there is a call that came in, is not over and is not among ``besides``; raises TimeoutError.

        ``caller``: whom it is for. Where he has called himself, an agent who holds the line for a callback is not his.
        """
        return await self._comes_in(lambda leg: leg not in besides and _may_be_for(leg, caller), within)

    async def rung_by(
        self, number: str, within: float = PATIENCE_S, *, besides: Collection[Leg] = (), caller: Leg | None = None
    ) -> Leg:
        """As :meth:`rung`, of the calls that show this number."""
        return await self._comes_in(
            lambda leg: leg.from_number == number and leg not in besides and _may_be_for(leg, caller), within
        )

    async def _comes_in(self, wanted: Callable[[Leg], bool], within: float) -> Leg:
        async with asyncio.timeout(within):
            while True:
                for leg in self.invites:
                    if not leg.is_over and wanted(leg):
                        return leg
                self._news.clear()
                await self._news.wait()

    # --- what a leg asks of its peer --------------------------------------------------------------------------------

    def new_tag(self) -> str:
        """A tag that nobody else has."""
        return secrets.token_hex(6)

    async def request(
        self, request: Request, extra: Sequence[tuple[str, str]], *, branch: str | None = None
    ) -> Response:
        """Send a request inside a dialog until it is answered; raises NoAnswer."""
        key = (branch or COOKIE + secrets.token_hex(8), request.method)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._sent[key] = answer
        name = f"{request.method} {request.call_id}"
        try:
            self._send_until(name, self._render(request, key[0], extra))
            async with asyncio.timeout(GIVE_UP_S):
                return await answer
        except TimeoutError as error:
            msg = f"{request.method} was not answered for {GIVE_UP_S} s"
            raise NoAnswer(msg) from error
        finally:
            self._stop_sending(name)
            self._sent.pop(key, None)

    def send_ack(self, ack: Request, *, branch: str | None) -> None:
        """ACK: a transaction of its own for a 2xx, else the INVITE's (RFC 3261 section 17.1.1.3)."""
        self._send(self._render(ack, branch or COOKIE + secrets.token_hex(8), ()))

    def reply(self, request: Request, response: bytes) -> None:
        """Send the response, and again whenever the request comes again."""
        key = (request.branch, request.method)
        if key not in self._replies:
            self._replied.append(key)
            if len(self._replied) > REPLIES_KEPT:
                self._replies.pop(self._replied.popleft(), None)
        self._replies[key] = response
        self._send(response)

    def reply_until_ack(self, request: Request, response: bytes, call_id: str) -> None:
        """Send a 200 to an INVITE until its ACK comes (RFC 3261 section 13.3.1.4)."""
        self.reply(request, response)
        self._again(f"200 {call_id}", response, T1_S, GIVE_UP_S)

    # --- the socket -------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """One message of Asterisk's; what cannot be read is kept for the test's report."""
        if self.off or not data.strip():
            return
        try:
            message = parse(data)
            if isinstance(message, Response):
                self._take_response(message)
            else:
                self._take_request(message)
        except (MalformedMessage, ValueError):
            self.unreadable.append(data)

    def error_received(self, exc: Exception) -> None:
        """Asterisk's port is closed (it is restarting): our timers send again."""

    def _take_response(self, response: Response) -> None:
        method = response.cseq[1]
        leg = self._legs.get(response.call_id)
        waiting = self._sent.get((response.branch, method))
        if waiting is not None:
            if response.status >= 200 and not waiting.done():
                waiting.set_result(response)
        elif method == "INVITE" and leg is not None:
            self._stop_sending(f"INVITE {leg.call_id}")
            leg.take_response(response)

    def _take_request(self, request: Request) -> None:
        leg = self._legs.get(request.call_id)
        if leg is not None and leg.vanished:
            return
        again = self._replies.get((request.branch, request.method))
        if again is not None:
            self._send(again)
        elif request.method == "ACK":
            self._stop_sending(f"200 {request.call_id}")
        elif leg is not None:
            response = leg.take_request(request)
            if response is not None:
                self.reply(request, response)
        elif request.method == "INVITE":
            self._call_comes_in(request)
        elif request.method == "OPTIONS":
            self.reply(request, respond(request, 200, "OK", tag=self.new_tag(), extra=[("Contact", self.contact)]))
        else:
            self.reply(request, respond(request, 481, "Call/Transaction Does Not Exist", tag=self.new_tag()))

    def _call_comes_in(self, request: Request) -> None:
        trying = respond(request, 100, "Trying", tag="")
        self.reply(request, trying)
        task = asyncio.create_task(self._open_leg(request, time.monotonic()), name=f"incoming-{request.call_id}")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_leg(self, request: Request, came_at: float) -> None:
        leg = Leg(self, request, ours=False, audio=await Audio.open(self.address, self.period))
        leg.began = came_at  # opening the audio takes its time, and not the same for each
        self._legs[leg.call_id] = leg
        self.invites.append(leg)
        self.invites.sort(key=lambda one: one.began)
        self._news.set()
        script = self.caller_scripts.get(leg.from_number) or self.scripts.get(leg.to_number, self.script)
        leg.script = asyncio.create_task(_follow(script, leg), name=f"script-{leg.call_id}")

    # --- bytes out --------------------------------------------------------------------------------------------------

    def _via(self, branch: str) -> str:
        return f"SIP/2.0/UDP {self.address}:{self.port};branch={branch};rport"

    def _render(self, request: Request, branch: str, extra: Sequence[tuple[str, str]]) -> bytes:
        headers = [("Via", self._via(branch)), ("Max-Forwards", "70"), *request.headers, *extra]
        return render(f"{request.method} {request.uri} SIP/2.0", headers, request.body)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self.off:
            self._transport.sendto(data, (self.asterisk, 5060))

    @property
    def asterisk(self) -> str:
        """Every lab has its Asterisk on .1 of its net (design section 6)."""
        return self.address.rpartition(".")[0] + ".1"

    def _send_until(self, name: str, data: bytes) -> None:
        self._send(data)
        self._again(name, data, T1_S, GIVE_UP_S)

    def _again(self, name: str, data: bytes, wait: float, left: float) -> None:
        def fire() -> None:
            self._send(data)
            if left > wait:
                self._again(name, data, wait * 2, left - wait)

        self._resend[name] = asyncio.get_running_loop().call_later(wait, fire)

    def _stop_sending(self, name: str) -> None:
        timer = self._resend.pop(name, None)
        if timer is not None:
            timer.cancel()


def _may_be_for(leg: Leg, caller: Leg | None) -> bool:
    return caller is None or not caller.ours or leg.holds_for is None


async def _follow(script: Script, leg: Leg) -> None:
    """The script, until it ends or the call does; a call that ends in mid-script is no fault of the script."""
    try:
        await script(leg)
    except (NoAnswer, TimeoutError):
        if not leg.is_over:
            raise

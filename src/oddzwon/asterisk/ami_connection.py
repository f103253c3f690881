"""One TCP connection to the Asterisk manager, from greeting to end, on panoramisk's AMIProtocol and Action.

panoramisk keeps the connection's transport and its table of unanswered actions and writes the actions out; what
it does with reads, answers, losses and reconnects is replaced (shared facts: panoramisk 1.4 sends unanswered
actions again, cuts characters in two, lets a callback's exception drop the connection).
"""

# ruff: noqa: ASYNC109  # a timeout here is what Asterisk is given to answer, and it decides which error is raised

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from oddzwon.asterisk.ami_wire import (
    AmiEvent,
    AmiResponse,
    AmiSplitter,
    Fields,
    checked_fields,
    event_name,
    parse_event,
    parse_response,
)
from oddzwon.asterisk.errors import (
    AmiConnectionError,
    AmiFateUnknown,
    AmiNotSent,
    AmiProtocolError,
    AmiTimeout,
)

# an event of a list, and its end, carry the ActionID of the action that asked
_ACTION_ID = b"\r\nActionID: "
_FULLY_BOOTED = b"FullyBooted"


class PendingAction(Action):  # type: ignore[misc]  # panoramisk ships no types, so its classes are Any
    """One action on its way. panoramisk numbers and writes it; whether it is complete is decided here.

    panoramisk's own `multi` and `completed` guess from the wording of Asterisk's messages.
    """

    def __init__(self, name: str, pairs: list[tuple[str, str]], listing: bool) -> None:
        headers: dict[str, str | list[str]] = {"Action": name}
        for key, value in pairs:
            earlier = headers.get(key)
            if isinstance(earlier, list):
                earlier.append(value)
            else:
                headers[key] = value if earlier is None else [earlier, value]
        super().__init__(headers)
        self.listing = listing
        self.answer: AmiResponse | None = None
        self.listed: list[AmiEvent] = []


class AmiConnection(AMIProtocol):  # type: ignore[misc]  # as above
    """The protocol object that asyncio calls. Events go to `deliver` in the order of arrival.

    `lost` is done once the connection is gone, with the reason as its result. Nothing is ever sent twice: what
    was unanswered at the loss raises AmiFateUnknown in whoever waits for it.
    """

    encoding = "utf-8"
    transport: asyncio.Transport | None = None

    def __init__(
        self,
        *,
        wanted: frozenset[bytes],
        deliver: Callable[[AmiEvent], None],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        max_message_bytes: int,
        max_actions: int,
        max_list_events: int,
    ) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[AmiConnectionError] = loop.create_future()
        self.greeted: asyncio.Future[str] = loop.create_future()
        self.booted: asyncio.Future[float | None] = loop.create_future()
        self.last_heard = monotonic()
        self._wanted = wanted
        self._deliver = deliver
        self._now = now
        self._monotonic = monotonic
        self._splitter = AmiSplitter(max_message_bytes)
        self._max_actions = max_actions
        self._max_list_events = max_list_events
        self._held: list[AmiEvent] | None = []

    # -- what asyncio calls -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came. Any error in them, or in the delivery, ends this connection and says why."""
        if self.lost.done():
            return
        self.last_heard = self._monotonic()
        try:
            messages = self._splitter.feed(data)
            if not self.greeted.done() and self._splitter.banner is not None:
                self.greeted.set_result(self._splitter.banner)
            for message in messages:
                self._take(message)
        except AmiConnectionError as error:
            self.fail(error)

    def eof_received(self) -> bool:
        """Asterisk closed its side, perhaps in mid-message: what is incomplete is not interpreted."""
        self.fail(AmiConnectionError("Asterisk closed the AMI connection."))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone (asyncio calls this exactly once)."""
        self.fail(AmiConnectionError(f"The AMI connection broke: {type(exc).__name__ if exc else 'closed'}."))

    # -- what the client calls ----------------------------------------------------------------------------

    def fail(self, reason: AmiConnectionError) -> None:
        """Give the connection up. abort() also drops what is still unsent: it must not leave after its fate is told."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self.closed = True
        self.greeted.cancel()
        self.booted.cancel()
        if self.transport is not None:
            self.transport.abort()
        for action in list(self.responses.values()):
            if not action.future.done():
                action.future.set_exception(self._fate_unknown(action, str(reason)))
        self.responses.clear()

    def release(self) -> None:
        """Deliver what was held back since the login, then everything as it comes."""
        held, self._held = self._held or [], None
        for event in held:
            self._deliver(event)

    async def ask(
        self, name: str, fields: Fields, *, action_id: str | None, timeout: float, listing: bool
    ) -> tuple[AmiResponse, list[AmiEvent]]:
        """Send one action once and wait for its answer; with `listing`, for the whole list, which comes second.

        Raises AmiUnsafeValue and AmiNotSent (nothing left), AmiTimeout and AmiFateUnknown (it left).
        """
        pairs = checked_fields(name, fields)
        if action_id is not None:
            pairs = [pair for pair in pairs if pair[0].lower() != "actionid"]
            pairs += checked_fields(name, [("ActionID", action_id)])
        action = PendingAction(name, pairs, listing)
        self._send(action)
        try:
            async with asyncio.timeout(timeout):
                answer: AmiResponse = await action.future
        except TimeoutError:
            raise AmiTimeout(
                f"Asterisk did not answer the AMI action {name} within {timeout:g} s; whether it was done is unknown.",
                name,
                str(action.id),
            ) from None
        finally:
            self.responses.pop(action.id, None)
            action.future.cancel()
            with suppress(asyncio.CancelledError):
                # an error set while the waiter was being cancelled has been told by that cancellation
                action.future.exception()
        return answer, action.listed

    def _send(self, action: PendingAction) -> None:
        name = action["action"]
        if self.lost.done():
            raise AmiNotSent(f"The AMI connection is down; the action {name} was not sent.")
        if len(self.responses) >= self._max_actions:
            raise AmiNotSent(f"{self._max_actions} AMI actions are unanswered; the action {name} was not sent.")
        if action.id in self.responses:
            raise AmiNotSent(f"An AMI action with the same ActionID is under way; the action {name} was not sent.")
        self.responses[action.id] = action
        assert self.transport is not None  # noqa: S101  # asyncio sets it before anyone gets this object
        self.transport.write(str(action).encode(self.encoding))

    # -- messages -----------------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        if self.lost.done():
            return
        message = message.lstrip(b"\r\n")  # Asterisk separates some messages by one empty line too many
        name = event_name(message)
        if name is None:
            if message.startswith(b"Response: "):
                self._take_response(parse_response(message))
            return
        if self.responses and _ACTION_ID in message and self._take_listed(parse_event(message, self._now())):
            return
        if name == _FULLY_BOOTED and not self.booted.done():
            self._take_booted(parse_event(message, self._now()))
        elif name in self._wanted:
            event = parse_event(message, self._now())
            if self._held is None:
                self._deliver(event)
            elif len(self._held) < self._max_list_events:
                self._held.append(event)
            else:
                raise AmiProtocolError(f"More than {self._max_list_events} AMI events came before the login was over.")

    def _take_booted(self, event: AmiEvent) -> None:
        try:
            self.booted.set_result(float(event.fields["Uptime"]))
        except (KeyError, ValueError):
            self.booted.set_result(None)

    def _take_response(self, response: AmiResponse) -> None:
        action = self.responses.get(response.fields.get("ActionID", ""))
        if action is None or action.answer is not None:
            return  # the answer to an action that timed out: its caller was told that the fate is unknown
        action.answer = response
        starts_list = response.success and response.fields.get("EventList", "").lower() == "start"
        if not (action.listing and starts_list):
            # where no list follows, to wait for one would end in a time-out that names the wrong cause
            self._complete(action)

    def _take_listed(self, event: AmiEvent) -> bool:
        action = self.responses.get(event.fields.get("ActionID", ""))
        if action is None or not action.listing or action.answer is None:
            return False
        if event.fields.get("EventList", "").lower() in {"complete", "cancelled"}:
            self._complete(action)
        elif len(action.listed) < self._max_list_events:
            action.listed.append(event)
        else:
            raise AmiProtocolError(f"A list from Asterisk has more than {self._max_list_events} events.")
        return True

    @staticmethod
    def _complete(action: PendingAction) -> None:
        if not action.future.done():
            action.future.set_result(action.answer)

    @staticmethod
    def _fate_unknown(action: PendingAction, reason: str) -> AmiFateUnknown:
        name = str(action["action"])
        return AmiFateUnknown(
            f"The AMI action {name} was sent, then the connection was lost ({reason}); whether it was done is unknown.",
            name,
            str(action.id),
        )

"""Who is free, who is promised and whose turn it is: asked of a manager on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.protocol.conftest import HOST, AmiPeer, AmiWire, soon
from tests.unit.test_control import opened_board, write_settings
from tests.unit.test_log_call_log import PARTY, PASSED, dropped, mask

from oddzwon.asterisk.ami import AmiClient, AmiSettings
from oddzwon.asterisk.lists import Waiting
from oddzwon.callflow.agents import PASSED_OVER_S, Agents
from oddzwon.callflow.callbacks import Dropped
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.config import Settings, load
from oddzwon.domain.callback import Callback, CallbackState
from oddzwon.domain.callback_events import Due
from oddzwon.domain.events import Stage
from oddzwon.domain.number import Number, parse
from oddzwon.domain.precedence import Claim, Place, place_in_queue, place_of
from oddzwon.log.queries import Queries
from oddzwon.log.recording_queries import JsonObject
from oddzwon.log.records import Decision, NewCall


@dataclass(frozen=True, slots=True)
class Member:
    location: str
    status: str = "1"
    paused: str = "0"
    in_call: str = "0"
    queue: str = "support"


@dataclass(slots=True)
class Queues:
    """Asterisk's queues as a manager tells of them, whenever it is asked.

    ``asked`` counts the questions; ``meanwhile`` happens after an answer was made, and before all of it has arrived.
    """

    members: Sequence[Member] = ()
    refuses: bool = False
    asked: int = 0
    meanwhile: Callable[[], None] = lambda: None
    waiting: Sequence[str] = ()
    places: dict[str, Place] = field(default_factory=dict)

    async def serve(self, wire: AmiWire) -> None:
        while True:
            action = await wire.action()
            if action["Action"] == ["Ping"]:
                await wire.respond(action, "Ping: Pong")
                continue
            assert action["Action"] == ["QueueStatus"]
            self.asked += 1
            mine = f"ActionID: {action['ActionID'][0]}"
            if self.refuses:
                await wire.respond(action, "Message: Permission denied", response="Error")
                continue
            await wire.respond(action, "EventList: start")
            await wire.event("QueueParams", f"Queue: {action['Queue'][0]}", mine)
            for m in self.members:
                lines = (f"Queue: {m.queue}", f"Name: {m.location}", f"Location: {m.location}", f"Status: {m.status}")
                await wire.event("QueueMember", *lines, f"Paused: {m.paused}", f"InCall: {m.in_call}", mine)
            for position, leg in enumerate(self.waiting, start=1):
                entry = (f"Queue: {action['Queue'][0]}", f"Position: {position}", f"Uniqueid: {leg}", "Wait: 9")
                await wire.event("QueueEntry", *entry, mine)
            self.meanwhile()
            await wire.event("QueueStatusComplete", mine, "EventList: Complete")


@dataclass(slots=True)
class Floor:
    """``patient`` waits for the same agent, on the test's clock."""

    agents: Agents
    patient: Agents
    queues: Queues
    wire: AmiWire


PATIENT_S = 5.0


@dataclass(slots=True)
class Hand:
    """A clock that a test moves."""

    at: float = 100.0


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
async def floor(clock: Hand) -> AsyncIterator[Floor]:
    peer, queues = AmiPeer(), Queues()
    await peer.start()
    client = AmiClient(AmiSettings(host=HOST, port=peer.port, username="u", secret="s"), frozenset())
    running = asyncio.create_task(client.run())
    wire = await peer.accept()
    await wire.log_in()
    await soon(client.notices.get())
    serving = asyncio.create_task(queues.serve(wire))

    def place(caller: Waiting) -> Place | None:
        return queues.places.get(caller.leg)

    yield Floor(Agents(client, place), Agents(client, place, PATIENT_S, lambda: clock.at), queues, wire)
    serving.cancel()
    await client.close()
    await asyncio.gather(running, serving, return_exceptions=True)
    await peer.close()


def lost(n: int, preferred: str | None = None, *, stage: Stage = Stage.TALKING, queue: str = "support") -> Claim:
    """The claim of the n-th call's callback."""
    return Claim(place_of(stage, n, f"call-{n}"), queue, preferred)


def waiting(n: int) -> Claim:
    """The claim of a caller who had waited in the queue: behind all who had talked."""
    return lost(n, stage=Stage.QUEUED)


async def dialled_in_order(agents: Agents, claims: Sequence[Claim]) -> list[str]:
    """The calls whose callbacks got an agent, each dialled before it leaves the line."""
    dialled: list[str] = []

    async def dial(claim: Claim) -> None:
        if await agents.reserve(f"cb-{claim.place.call}", claim):
            await asyncio.sleep(0)  # the attempt's way to the disk
            dialled.append(claim.place.call)
            agents.withdraw(claim.place.call)

    await soon(asyncio.gather(*map(dial, claims)))
    return dialled


@pytest.fixture
def no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two calls are lost at once: each claim is of a moment of its own."""
    monkeypatch.setattr("oddzwon.callflow.agents.SAME_OUTAGE_S", -1.0)


async def free(floor: Floor) -> tuple[str, ...]:
    """Who is free in the queue, as it was answered."""
    now = await soon(floor.agents.queue("support"))
    assert now is not None
    return now.free


FREE = [Member("PJSIP/agent1"), Member("PJSIP/agent2"), Member("PJSIP/agent3")]


async def test_free_are_those_who_could_talk_now_in_the_queues_order(floor: Floor) -> None:
    floor.queues.members = [
        Member("PJSIP/agent4"),
        Member("PJSIP/busy", status="2"),
        Member("PJSIP/away", status="5"),
        Member("PJSIP/paused", paused="1"),
        Member("PJSIP/in-call", in_call="1"),
        Member("PJSIP/elsewhere", queue="sales"),
        Member("PJSIP/agent1"),
    ]
    assert await free(floor) == ("PJSIP/agent4", "PJSIP/agent1")


async def test_nobody_free_is_not_nobody_asked(floor: Floor) -> None:
    assert await free(floor) == ()
    floor.queues.refuses = True
    assert await soon(floor.agents.queue("support")) is None
    await floor.wire.close()


async def test_without_a_connection_nobody_is_promised(floor: Floor) -> None:
    """Fail closed: who cannot be asked is not free."""
    unconnected = Agents(
        AmiClient(AmiSettings(host=HOST, port=1, username="u", secret="s"), frozenset()), lambda _: None
    )
    assert None is await unconnected.queue("support")
    assert None is await unconnected.reserve("cb-1", lost(1, "PJSIP/agent1"))
    assert not await unconnected.is_free("support", "PJSIP/agent1")
    assert None is unconnected.promised_to("cb-1")


async def test_the_same_agent_first_else_the_queues_next(floor: Floor) -> None:
    floor.queues.members = FREE
    agents = floor.agents
    for claim, agent in ((lost(1, "PJSIP/agent2"), 2), (lost(2, "PJSIP/agent2"), 1), (lost(3), 3)):
        assert await soon(agents.reserve(f"cb-{claim.place.started_at}", claim)) == f"PJSIP/agent{agent}"
        agents.withdraw(claim.place.call)  # he is dialled
    assert None is await soon(agents.reserve("cb-4", lost(4, "PJSIP/agent1")))
    assert agents.promised_to("cb-2") == "PJSIP/agent1"


async def test_asked_again_a_callback_may_keep_its_agent(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    assert await soon(floor.agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"
    assert await soon(floor.agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"


async def test_never_more_callbacks_than_free_agents_even_all_at_once(floor: Floor) -> None:
    floor.queues.members = FREE
    dialled = await dialled_in_order(floor.agents, [lost(n, "PJSIP/agent1") for n in range(8)])
    assert dialled == ["call-0", "call-1", "call-2"]
    held = [floor.agents.promised_to(f"cb-call-{n}") for n in range(8)]
    assert held == [*(m.location for m in FREE), *[None] * 5]


@pytest.mark.usefixtures("no_outage")
async def test_never_more_than_free_agents_when_each_was_lost_by_itself(floor: Floor) -> None:
    floor.queues.members = FREE
    asking = [floor.agents.reserve(f"cb-{n}", lost(n, "PJSIP/agent1")) for n in range(8)]
    got = await soon(asyncio.gather(*asking))
    assert sorted(m.location for m in FREE) == sorted(agent for agent in got if agent)


async def test_a_promised_agent_is_not_free_for_others_until_released(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    agents = floor.agents
    assert await soon(agents.is_free("support", "PJSIP/agent1"))
    assert not await soon(agents.is_free("support", "PJSIP/agent9"))
    assert not await soon(agents.is_free("support", None))
    await soon(agents.reserve("cb-1", lost(1)))
    assert not await soon(agents.is_free("support", "PJSIP/agent1"))
    agents.release("cb-1")
    assert await soon(agents.is_free("support", "PJSIP/agent1"))


async def test_the_holder_himself_may_have_his_promised_agent(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    await soon(floor.agents.reserve("cb-1", lost(1)))
    assert await soon(floor.agents.is_free("support", "PJSIP/agent1", holder="cb-1"))
    assert not await soon(floor.agents.is_free("support", "PJSIP/agent1", holder="cb-2"))


async def test_those_who_were_passed_over_are_not_taken_for_a_while(floor: Floor, clock: Hand) -> None:
    floor.queues.members = FREE[:2]
    agents = floor.patient
    agents.pass_over("PJSIP/agent1")
    assert await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent2"
    agents.withdraw("call-1")  # he is rung: those behind it need not wait
    assert None is await soon(agents.reserve("cb-2", lost(2)))
    clock.at += PASSED_OVER_S
    assert await soon(agents.reserve("cb-2", lost(2))) == "PJSIP/agent1"


# --- the same agent is waited for -----------------------------------------------------------------------------------


async def test_the_same_agent_is_waited_for_while_he_is_only_busy(floor: Floor, clock: Hand) -> None:
    floor.queues.members = [Member("PJSIP/agent1", status="2"), Member("PJSIP/agent2")]
    agents = floor.patient
    assert None is await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1")))
    floor.queues.members = FREE[:2]
    agents.member_changed("support", "PJSIP/agent1")
    assert await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent1"


async def test_when_the_wait_is_over_another_agent_takes_it(floor: Floor, clock: Hand) -> None:
    floor.queues.members = [Member("PJSIP/agent1", status="2"), Member("PJSIP/agent2")]
    agents = floor.patient
    assert None is await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1")))
    clock.at += PATIENT_S
    assert await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent2"


@pytest.mark.parametrize("away", [Member("PJSIP/agent1", status="5"), Member("PJSIP/agent1", status="2", paused="1")])
async def test_one_who_is_not_there_is_not_waited_for(floor: Floor, clock: Hand, away: Member) -> None:
    floor.queues.members = [away, Member("PJSIP/agent2")]
    assert await soon(floor.patient.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent2"


# --- callers who wait in the queue ----------------------------------------------------------------------------------


def waits(floor: Floor, **since: int) -> None:
    """These legs wait in the queue, each with a call that began then."""
    floor.queues.waiting = list(since)
    floor.queues.places = {leg: place_in_queue(at, leg, came_back=False) for leg, at in since.items()}


async def test_who_waited_longer_comes_before_a_callback_that_had_waited_less(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    waits(floor, earlier=1)
    assert None is await soon(floor.agents.reserve("cb-1", waiting(2)))
    waits(floor, later=3)
    assert await soon(floor.agents.reserve("cb-1", waiting(2))) == "PJSIP/agent1"


async def test_who_had_talked_comes_before_all_who_wait(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    waits(floor, earlier=1)
    assert await soon(floor.agents.reserve("cb-1", lost(9))) == "PJSIP/agent1"


async def test_a_caller_for_whom_an_agent_rings_already_wants_no_other(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    waits(floor, earlier=1)
    floor.queues.places = {}
    assert await soon(floor.agents.reserve("cb-1", waiting(2))) == "PJSIP/agent1"


async def test_there_may_be_agents_enough_for_all(floor: Floor) -> None:
    floor.queues.members = FREE[:2]
    waits(floor, earlier=1)
    assert await soon(floor.agents.reserve("cb-1", waiting(2))) == "PJSIP/agent2"


# --- an answer is older than what happens while it arrives --------------------------------------------------------


async def test_an_agent_whose_talk_began_meanwhile_is_promised_to_nobody_else(floor: Floor) -> None:
    """The list was made while he was promised; his callback is bridged, and lets go of him, before the list is here."""
    floor.queues.members = FREE[:1]
    assert await soon(floor.agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"

    def bridged() -> None:
        floor.queues.members = [Member("PJSIP/agent1", status="2")]
        floor.agents.release("cb-1")

    floor.queues.meanwhile = bridged
    assert None is await soon(floor.agents.reserve("cb-2", lost(2)))
    assert None is floor.agents.promised_to("cb-2")


async def test_an_agent_who_took_another_call_meanwhile_is_promised_to_nobody(floor: Floor) -> None:
    floor.queues.members = FREE[:1]

    def takes_a_call() -> None:
        floor.queues.members = [Member("PJSIP/agent1", status="2")]
        floor.agents.member_changed("support", "PJSIP/agent1")

    floor.queues.meanwhile = takes_a_call
    assert None is await soon(floor.agents.reserve("cb-1", lost(1)))


async def test_the_same_agent_is_asked_for_again_if_he_was_let_go_meanwhile(floor: Floor) -> None:
    """The other callback failed: he is free, and still the one whom this customer talked with."""
    floor.queues.members = FREE[:2]
    assert await soon(floor.agents.reserve("cb-1", lost(1, "PJSIP/agent2"))) == "PJSIP/agent2"
    floor.queues.meanwhile = lambda: floor.agents.release("cb-1")
    assert await soon(floor.agents.reserve("cb-2", lost(2, "PJSIP/agent2"))) == "PJSIP/agent2"


async def test_an_agent_who_never_rests_holds_nobody_up_for_ever(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddzwon.callflow.agents.WAITS_S", 0.1)
    floor.queues.members = FREE[:2]
    floor.queues.meanwhile = lambda: floor.agents.member_changed("support", "PJSIP/agent1")
    assert await soon(floor.agents.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent2"
    floor.queues.members = FREE[:1]
    assert None is await soon(floor.agents.reserve("cb-2", lost(2, "PJSIP/agent1")))


async def test_those_who_let_others_go_first_ask_no_more_often_for_it(floor: Floor) -> None:
    """Each asks, and once more when those before it were dialled, though all 20 ask in the wrong order."""
    floor.queues.members = [Member(f"PJSIP/agent{n}") for n in range(20)]
    claims = [lost(n) for n in reversed(range(20))]
    for claim in claims:
        floor.agents.claim(claim, 600.0)
    assert await dialled_in_order(floor.agents, claims) == [f"call-{n}" for n in range(20)]
    assert floor.queues.asked <= 21  # one question answers all who asked before it


async def test_an_agent_who_was_promised_meanwhile_is_not_free_for_one_who_redials(floor: Floor) -> None:
    """Both ask at nearly the same time: Asterisk tells both that he is free."""
    floor.queues.members = FREE[:1]
    redialled: list[asyncio.Task[bool]] = []

    def redials() -> None:
        if not redialled:
            redialled.append(asyncio.create_task(floor.agents.is_free("support", "PJSIP/agent1")))

    floor.queues.meanwhile = redials
    assert await soon(floor.agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"
    assert not await soon(redialled[0])


# --- the dial gate --------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(write_settings(tmp_path))


@pytest.fixture
async def board(settings: Settings, floor: Floor) -> AsyncIterator[Switchboard]:
    async with opened_board(settings) as board:
        board.agents = floor.agents
        yield board


async def fresh_callback(board: Switchboard) -> CallbackRun:
    """A callback for a call that dropped a moment ago, under way."""
    at = board.now()
    call = await dropped(board.log, "9.1", at - 2_000)
    made = await board.log.decide(call, Decision(True, "p" * 64, at, PASSED))
    row, number = await board.log.call(call), parse(PARTY.number, "PL")
    assert made is not None
    assert row is not None
    assert isinstance(number, Number)
    drop = Dropped(row, board.choices.line_for("+48221234567"), number, PARTY, board.choices.menu["1"])
    state = Callback(made, at + 900_000, agent_first=True, limits=board.choices.limits)
    run = CallbackRun(board, made, drop, state)
    board.callbacks.add(run)
    run.post(Due(at))
    return run


def shown(path: Path, callback: str) -> JsonObject:
    with Queries(path, mask) as queries:
        found = queries.callback_object(callback)
    assert found is not None
    return found


async def test_what_comes_while_others_go_first_is_known_to_the_gate(
    board: Switchboard, floor: Floor, settings: Settings
) -> None:
    """He redials while his callback lets another be dialled before it: it is not dialled, and the log says why."""
    run = await fresh_callback(board)
    queue = run.choice.queue
    floor.queues.members = [Member("PJSIP/agent1", queue=queue), Member("PJSIP/agent2", queue=queue)]
    earlier = lost(1, queue=queue)
    floor.agents.claim(earlier, 600.0)
    running = asyncio.create_task(run.run())
    await soon(floor.agents.change(earlier, 600.0))  # it is told that somebody waits for it
    again = NewCall(board.choices.pbx, "inbound", "9.2", "9.2", board.now(), PARTY)
    await board.log.arrive(again)
    floor.agents.withdraw(earlier.place.call)
    await soon(running)
    assert run.state.state is CallbackState.CANCELLED
    found = await asyncio.to_thread(shown, settings.log.path, run.id)
    assert found["attempts"] == []
    assert found["history"][-1]["why"] == "REDIALLED"


# --- who waits for an agent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["member", "release", "withdraw"])
async def test_who_waits_for_an_agent_is_woken(floor: Floor, what: str) -> None:
    floor.queues.members = FREE[:1]
    agents = floor.agents
    agents.claim(lost(2), 600.0)
    await soon(agents.reserve("cb-1", lost(1)))
    assert None is await soon(agents.reserve("cb-3", lost(3)))
    waits = asyncio.create_task(agents.change(lost(3), 600.0))
    await asyncio.sleep(0)  # let it begin to wait
    agents.member_changed("sales", "PJSIP/agent1")
    await asyncio.sleep(0)
    assert not waits.done()
    if what == "member":
        agents.member_changed("support", "PJSIP/agent1")
    elif what == "release":
        agents.release("cb-1")
    else:
        agents.withdraw("call-2")
    await soon(waits)


async def test_what_changes_before_he_waits_is_not_lost(floor: Floor) -> None:
    """Between asking and waiting the log is written: an agent who frees up meanwhile is not waited for."""
    assert None is await soon(floor.agents.reserve("cb-1", lost(1)))
    floor.agents.member_changed("support", "PJSIP/agent1")
    await soon(floor.agents.change(lost(1), 600.0))


async def test_who_waits_in_vain_goes_on_after_his_time(floor: Floor) -> None:
    await soon(floor.agents.change(lost(1), 0.01))


async def test_two_who_wait_are_both_woken(floor: Floor) -> None:
    waits = [asyncio.create_task(floor.agents.change(lost(n), 600.0)) for n in range(2)]
    await asyncio.sleep(0)
    floor.agents.member_changed("support", "PJSIP/agent1")
    await soon(asyncio.gather(*waits))


# --- whose turn it is -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_outage")
async def test_an_earlier_drop_that_is_still_decided_on_is_left_its_agent(floor: Floor) -> None:
    floor.queues.members = FREE[:2]
    agents = floor.agents
    agents.claim(lost(1, "PJSIP/agent1"), 600.0)
    assert await soon(agents.reserve("cb-9", waiting(0))) == "PJSIP/agent2"
    assert None is await soon(agents.reserve("cb-8", waiting(8)))
    assert await soon(agents.reserve("cb-1", lost(1, "PJSIP/agent1"))) == "PJSIP/agent1"


async def test_a_later_claim_takes_nothing_from_an_earlier_one(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    floor.agents.claim(waiting(0), 600.0)
    assert await soon(floor.agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"


async def test_a_claim_that_is_withdrawn_leaves_its_agent(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    agents = floor.agents
    agents.claim(lost(1), 600.0)
    assert None is await soon(agents.reserve("cb-9", waiting(0)))
    agents.withdraw("call-1")
    agents.withdraw("call-1")
    assert await soon(agents.reserve("cb-9", waiting(0))) == "PJSIP/agent1"


async def test_a_claim_that_is_forgotten_lapses_by_itself(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    agents = floor.agents
    agents.claim(lost(1), 0.05)
    assert None is await soon(agents.reserve("cb-9", waiting(0)))
    await soon(agents.change(waiting(0), 600.0))
    assert await soon(agents.reserve("cb-9", waiting(0))) == "PJSIP/agent1"


async def test_a_claim_on_another_queue_counts_where_they_share_an_agent(floor: Floor) -> None:
    floor.queues.members = [Member("PJSIP/agent1"), Member("PJSIP/agent1", queue="sales")]
    agents = floor.agents
    agents.claim(lost(1, queue="sales"), 600.0)
    assert None is await soon(agents.reserve("cb-9", waiting(0)))
    agents.withdraw("call-1")
    agents.claim(lost(1, queue="nobody"), 600.0)
    assert await soon(agents.reserve("cb-9", waiting(0))) == "PJSIP/agent1"


async def test_no_claim_holds_up_a_caller_who_redials(floor: Floor) -> None:
    floor.queues.members = FREE[:1]
    floor.agents.claim(lost(1, "PJSIP/agent1"), 600.0)
    assert await soon(floor.agents.is_free("support", "PJSIP/agent1"))


async def test_those_lost_together_are_dialled_in_their_order_though_all_could_be(floor: Floor) -> None:
    """Whatever the order of their decisions: talking before queued, then by start."""
    floor.queues.members = FREE
    claims = [waiting(0), lost(2), lost(1)]
    for claim in claims:
        floor.agents.claim(claim, 600.0)
    assert await dialled_in_order(floor.agents, claims) == ["call-1", "call-2", "call-0"]


async def test_those_who_waited_for_the_first_agent_are_dialled_in_their_order(floor: Floor) -> None:
    """All asked in vain while no phone was there, and all are there at once."""
    claims = [waiting(0), lost(2), lost(1)]
    assert await dialled_in_order(floor.agents, claims) == []
    floor.queues.members = FREE
    assert await dialled_in_order(floor.agents, claims) == ["call-1", "call-2", "call-0"]


async def test_he_who_lets_others_go_first_does_not_wait_for_one_whose_dial_failed(floor: Floor) -> None:
    floor.queues.members = FREE
    agents = floor.agents
    agents.claim(lost(1), 600.0)
    agents.claim(waiting(0), 600.0)
    assert await soon(agents.reserve("cb-1", lost(1))) == "PJSIP/agent1"
    last = asyncio.create_task(agents.reserve("cb-0", waiting(0)))
    await asyncio.sleep(0.05)
    assert not last.done()
    agents.release("cb-1")
    assert await soon(last) == "PJSIP/agent1"


async def test_who_found_nobody_free_holds_up_no_other(floor: Floor) -> None:
    floor.queues.members = [*FREE[:1], Member("PJSIP/agent9", queue="sales")]
    agents = floor.agents
    agents.claim(lost(1, queue="sales"), 600.0)
    last = asyncio.create_task(agents.reserve("cb-0", waiting(0)))
    await asyncio.sleep(0.05)
    assert not last.done()
    floor.queues.members = FREE[:1]
    assert None is await soon(agents.reserve("cb-1", lost(1, queue="sales")))
    assert await soon(last) == "PJSIP/agent1"


async def test_a_claim_that_never_asks_holds_up_no_other_for_ever(floor: Floor) -> None:
    floor.queues.members = FREE
    floor.agents.claim(lost(1), 0.05)
    assert await soon(floor.agents.reserve("cb-0", waiting(0))) == "PJSIP/agent1"

"""One callback under way, where two things happen at once: nobody is rung who must not be, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.desk import Office, attempts, history, locked, mute, opened_office, soon, spoken, until
from tests.unit.test_held_agent import AGENT
from tests.unit.test_log_call_log import PARTY

from oddzwon.callflow import dialling, failpoints
from oddzwon.callflow.dialling import CallbackRun
from oddzwon.callflow.switchboard import Switchboard
from oddzwon.domain.callback import CallbackState
from oddzwon.domain.callback_events import AgentGone, AgentHolds, Answered, AttemptEnded, Ringing, Stop
from oddzwon.domain.hangup_cause import AttemptOutcome
from oddzwon.domain.rights import ObjectionScope
from oddzwon.log.errors import LogUnavailable
from oddzwon.log.records import NewCall

SECOND_AGENT = "PJSIP/agent2"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened_office(tmp_path) as office:
        yield office


@pytest.fixture
def board(office: Office) -> Switchboard:
    return office.board


def at_step(monkeypatch: pytest.MonkeyPatch, step: str, what: Callable[[], None]) -> None:
    """This happens just when the service has come so far."""
    real = failpoints.reached

    async def reached(name: str) -> None:
        if name == step:
            what()
        await real(name)

    monkeypatch.setattr(failpoints, "reached", reached)


def states(board: Switchboard, run: CallbackRun) -> list[str]:
    return [state for state, _ in history(board, run.id)]


# --- the agent leaves ---------------------------------------------------------------------------------------------


async def test_the_agent_first_then_the_customer_each_step_in_the_log(office: Office, board: Switchboard) -> None:
    run = await office.dialled()
    assert history(board, run.id)[:3] == [("waiting", "decided"), ("reserving", ""), ("dialling", "attempt 1")]
    assert board.pace.in_use == 1


async def test_an_agent_who_leaves_while_the_attempt_is_written_leaves_nobody_to_ring(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that no channel ever was: a dial that is counted, and that nobody has heard."""
    run = await office.agent_rung()
    held = run.held
    assert held is not None
    at_step(monkeypatch, failpoints.ATTEMPT_COMMITTED, lambda: held.gone(board.now()))
    await office.picks_up("hold", held.leg)
    await until(lambda: ("lost", 1) in attempts(board, run.id))
    assert office.desk.count("Originate") == 1
    assert board.pace.in_use == 0


async def test_an_agent_who_leaves_while_the_dial_waits_for_its_turn_costs_no_dial(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is open, and in a storm the dial waits for the second's room."""
    run = await office.agent_rung()
    held, real = run.held, board.pace.turn
    assert held is not None
    office.desk.free = ()

    async def turn(callback: str) -> None:
        await real(callback)
        held.gone(board.now())

    monkeypatch.setattr(board.pace, "turn", turn)
    await office.picks_up("hold", held.leg)
    await until(lambda: ("waiting", "no agent is free") in history(board, run.id))
    assert ("waiting", "the agent: hung up") in history(board, run.id)
    assert attempts(board, run.id) == []
    assert office.desk.count("Originate") == 1


async def test_an_agent_who_is_gone_when_the_gate_is_about_to_be_asked_holds_nobodys_line(
    office: Office, board: Switchboard
) -> None:
    run = await office.begun()
    run.state = replace(run.state, state=CallbackState.RESERVING)
    run.post(AgentHolds(board.now()))  # of nobody: as a service may be told that has lost its agent
    office.desk.free = ()
    board.spawn(run.run(), "callback-x")
    await until(lambda: ("waiting", "the agent has left") in history(board, run.id))


@pytest.mark.parametrize("event", [AgentHolds, AgentGone])
async def test_what_is_said_late_of_an_agent_before_him_means_nothing(
    office: Office, board: Switchboard, event: type[AgentHolds] | type[AgentGone]
) -> None:
    """Else the customer is dialled with nobody on the line, or the one who rings by now is sent away."""
    run = await office.agent_rung()
    before = run.held
    run.post(AgentHolds(board.now(), "gone") if event is AgentHolds else AgentGone(board.now(), "hung up", "gone"))
    run._moved.clear()
    await soon(run._moved.wait())  # it was taken
    assert (run.state.agent_holds, run.held) == (False, before)
    assert attempts(board, run.id) == []


async def test_an_agent_who_does_not_come_is_rung_for_no_callback_for_a_while(
    office: Office, board: Switchboard
) -> None:
    """With many waiting he would be rung by one after the other, as long as there are any."""
    run = await office.agent_rung()
    assert run.held is not None
    run.held.refused(board.now())
    await until(lambda: history(board, run.id)[-1] == ("waiting", "no agent is free"))
    assert await board.agents.reserve("another", run.claim) is None
    office.desk.free = (AGENT, SECOND_AGENT)
    board.agents.member_changed(run.claim.queue, SECOND_AGENT)
    await until(lambda: run.held is not None and run.held.agent == SECOND_AGENT)


async def test_an_answer_in_the_moment_in_which_the_agent_left_is_the_one_answer(
    office: Office, board: Switchboard
) -> None:
    """He was hung up on without a word: he is not rung again."""
    run = await office.dialled()
    assert run.held is not None
    run.held.gone(board.now())
    await until(lambda: run.state.state is CallbackState.WAITING)
    run.post(Answered(board.now()))
    await until(run.finished.is_set)
    assert history(board, run.id)[-1] == ("unanswered", "answered just as it was given up")


# --- the service stops, or the callback is stopped ------------------------------------------------------------------


async def test_a_service_that_stops_rings_no_agent(office: Office, board: Switchboard) -> None:
    """It began to leave while Asterisk was asked who is free."""

    async def leaves() -> None:
        board.stopping = True

    office.desk.hooks["QueueStatus"] = leaves
    run = await office.runs()
    await until(lambda: states(board, run) == ["waiting", "reserving"] and not run.unwritten)
    for _ in range(20):  # whatever it would do at once
        await asyncio.sleep(0)
    assert office.desk.count("Originate") == 0
    await run.break_off()
    assert board.agents.promised_to(run.id) is None


async def test_a_service_that_stops_commits_no_dial(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began to leave while the agent heard what it is about: the dial is left for the next life."""

    def leaves() -> None:
        board.stopping = True

    run = await office.agent_rung()
    assert run.held is not None
    at_step(monkeypatch, failpoints.AGENT_HELD, leaves)
    await office.picks_up("hold", run.held.leg)
    await until(lambda: run.state.agent_holds)
    await run.break_off()
    assert attempts(board, run.id) == []


async def test_a_dial_that_was_stopped_before_it_left_has_never_been(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is lost and never existed, and the callback is what it was stopped for."""
    run = await office.agent_rung()
    assert run.held is not None
    at_step(monkeypatch, failpoints.ATTEMPT_COMMITTED, lambda: run.stop(Stop.CANCELLED, "not now"))
    await office.picks_up("hold", run.held.leg)
    await until(run.finished.is_set)
    assert attempts(board, run.id) == [("lost", 1)]
    assert history(board, run.id)[-1] == ("cancelled", "not now")
    assert office.desk.count("Originate") == 1
    assert board.pace.in_use == 0


async def test_a_dial_that_is_broken_off_while_asterisk_is_asked_is_hung_up_after_its_answer(
    office: Office, board: Switchboard
) -> None:
    """A Hangup that comes too soon is forgotten by Asterisk, and his telephone rings on with the service gone."""
    run = await office.agent_rung()
    assert run.held is not None
    answer = office.desk.holds["Originate"] = asyncio.Event()
    await office.picks_up("hold", run.held.leg)
    await until(lambda: run.attempt is not None and run.attempt.asking)
    breaking_off = asyncio.create_task(run.break_off())
    for _ in range(20):  # whatever it would do at once
        await asyncio.sleep(0)
    assert not office.desk.hangs_up(run.channel_id)
    answer.set()
    await until(lambda: office.desk.hangs_up(run.channel_id))
    assert run.attempt is not None
    run.attempt.channel_gone(board.now(), 16)
    await soon(breaking_off)


async def objects(office: Office, run: CallbackRun) -> None:
    log = office.board.log
    await log.record_objection(
        number_key=PARTY.number_key, scope=ObjectionScope.CALLBACK, at=run.drop.started_at, channel="letter"
    )


async def is_restricted(office: Office, run: CallbackRun) -> None:
    await office.board.log.restrict(number_key=PARTY.number_key, at=run.drop.started_at)


async def redials(office: Office, _run: CallbackRun) -> None:
    board = office.board
    await board.log.arrive(NewCall(board.choices.pbx, "inbound", "9.2", "9.2", board.now(), PARTY))


async def comes_too_late(_office: Office, run: CallbackRun) -> None:
    assert run.drop.lost_at is not None
    run.drop = replace(run.drop, lost_at=run.drop.lost_at - 86_400_000)


async def cannot_be_read(office: Office, _run: CallbackRun) -> None:
    async def standing(*_: object) -> None:
        raise LogUnavailable("the disk is gone")

    office.board.log.standing = standing  # type: ignore[method-assign, assignment]  # a disk that fails


@pytest.mark.parametrize(
    ("what", "comes_to", "attempt"),
    [
        (objects, ("objected", "objection"), "objected"),
        (is_restricted, ("cancelled", "restriction"), "cancelled"),
        (redials, ("cancelled", "redial"), "cancelled"),
        (comes_too_late, ("lapsed", "expired"), "cancelled"),
        (cannot_be_read, ("cancelled", "not known while it rings: OBJECTED RESTRICTED REDIALLED"), "cancelled"),
    ],
)
async def test_what_forbids_the_dial_stops_it_while_it_rings(
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    what: Callable[[Office, CallbackRun], Awaitable[None]],
    comes_to: tuple[str, str],
    attempt: str,
) -> None:
    """It came by a door of which no event tells: read anew while it rings, and unknown is forbidden."""
    monkeypatch.setattr(dialling, "RINGS_ON_S", 0.05)
    run, board = await office.dialled(), office.board
    run.post(Ringing(board.now()))
    await until(lambda: states(board, run)[-1] == "ringing")
    await what(office, run)
    await until(run.finished.is_set)
    assert history(board, run.id)[-1] == comes_to
    assert attempts(board, run.id) == [(attempt, 0)]
    await until(lambda: office.desk.hangs_up(run.channel_id))


# --- what is said ---------------------------------------------------------------------------------------------------


async def test_nobody_is_dialled_who_could_not_be_greeted(office: Office, board: Switchboard, tmp_path: Path) -> None:
    """He would pick up and hear nothing. The agent is not rung again in vain, and it goes on once we can speak."""
    board.prompts = await asyncio.to_thread(mute, tmp_path)
    run = await office.agent_rung()
    assert run.held is not None
    telephone = await office.picks_up("hold", run.held.leg)
    await until(lambda: history(board, run.id)[-1] == ("waiting", "the greeting cannot be spoken"))
    await soon(telephone.over.wait())
    assert "callback-greeting" in board.alarms.standing
    looked = office.desk.count("QueueStatus")
    board.agents.member_changed(run.claim.queue, AGENT)  # he looks again, and finds no voice first of all
    await until(lambda: run.state.state is CallbackState.WAITING and run._events.empty())
    assert (office.desk.count("Originate"), attempts(board, run.id)) == (1, [])
    assert office.desk.count("QueueStatus") == looked

    board.prompts = await asyncio.to_thread(spoken, tmp_path)
    board.agents.member_changed(run.claim.queue, AGENT)
    await until(lambda: office.desk.count("Originate") > 1)
    assert "callback-greeting" not in board.alarms.standing


async def test_customer_first_nobody_is_dialled_who_could_not_be_greeted(
    office: Office, board: Switchboard, tmp_path: Path
) -> None:
    board.prompts = await asyncio.to_thread(mute, tmp_path)
    run = await office.runs(agent_first=False)
    await until(lambda: history(board, run.id)[-1] == ("waiting", "the greeting cannot be spoken"))
    assert (office.desk.count("Originate"), attempts(board, run.id)) == (0, [])


# --- the log --------------------------------------------------------------------------------------------------------


async def test_customer_first_it_is_reserving_before_it_is_dialled(office: Office, board: Switchboard) -> None:
    run = await office.runs(agent_first=False)
    await until(lambda: office.desk.count("Originate") == 1)
    assert states(board, run)[:3] == ["waiting", "reserving", "dialling"]


async def test_a_dials_end_that_could_not_be_written_is_written_as_soon_as_it_can_be(
    office: Office, board: Switchboard
) -> None:
    """Else the log would refuse the next dial for this one, which stands there as under way for ever."""
    run = await office.dialled()
    assert run.attempt is not None
    with locked(board):
        run.attempt.channel_gone(board.now(), 17)
        await until(lambda: "callback-not-written" in board.alarms.standing)
        assert run.unwritten
        assert attempts(board, run.id) == [("dialling", 0)]
    await until(lambda: attempts(board, run.id) == [("unanswered", 0)])
    await until(lambda: not run.unwritten and "callback-not-written" not in board.alarms.standing)


async def test_nothing_is_dialled_while_the_log_does_not_know_what_became_of_the_last_dial(
    office: Office, board: Switchboard
) -> None:
    run = await office.begun()
    run.state = replace(run.state, state=CallbackState.RINGING)
    with locked(board):
        board.spawn(run.run(), "callback-x")
        run.post(AttemptEnded(board.now(), AttemptOutcome.BUSY, 17))
        await until(lambda: run.unwritten and "callback-not-written" in board.alarms.standing)
        held_up = await run._held_up(holds=False)
    assert held_up == "the log cannot be written"


# --- faults ---------------------------------------------------------------------------------------------------------


class Fault(Exception):
    """That nobody foresaw."""


def fails() -> None:
    raise Fault


async def test_a_callback_that_dies_of_a_fault_stops_what_it_rings(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His telephone stops, the log shows an end, and the place on the trunk is free when the channel is gone."""
    run = await office.dialled()
    assert run.attempt is not None
    at_step(monkeypatch, failpoints.RINGING, fails)
    run.post(Ringing(board.now()))
    await until(run.finished.is_set)
    await until(lambda: office.desk.hangs_up(run.channel_id))
    assert (run.state.state, states(board, run)[-1]) == (CallbackState.LOST, "lost")
    assert attempts(board, run.id) == [("lost", 0)]
    assert board.callbacks.by_id(run.id) is None
    assert board.alarms.standing & {"task-callback"}
    run.attempt.channel_gone(board.now(), 16)
    assert board.pace.in_use == 0


async def test_a_callback_that_dies_before_its_dial_has_failed(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open in the log it would refuse every later callback to the number."""
    at_step(monkeypatch, failpoints.RESERVING, fails)
    run = await office.runs()
    await until(run.finished.is_set)
    assert states(board, run)[-1] == "failed"
    assert await board.log.open_callbacks() == ()
    assert board.agents.promised_to(run.id) is None

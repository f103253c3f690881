"""Who comes first when many want the same few agents, over generated lines and queues."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddzwon.domain.events import Stage
from oddzwon.domain.precedence import Claim, place_in_queue, place_of, share_out

AGENTS = ("a1", "a2", "a3", "a4")
QUEUES = ("support", "sales", "empty")

claims_made = st.lists(
    st.builds(
        Claim,
        st.builds(
            place_of, st.sampled_from(Stage), st.integers(0, 5), st.integers(0, 10**6).map(lambda n: f"call-{n}")
        ),
        st.sampled_from(QUEUES),
        st.sampled_from((*AGENTS, "away", None)),
    ),
    max_size=8,
    unique_by=lambda claim: claim.place,
)
free_now = st.fixed_dictionaries(
    {}, optional={queue: st.lists(st.sampled_from(AGENTS), unique=True).map(tuple) for queue in QUEUES[:2]}
)


def test_who_was_cut_off_while_he_waited_keeps_the_time_that_he_had_waited() -> None:
    before, dropped, after = (
        place_in_queue(1, "x", came_back=False),
        place_of(Stage.QUEUED, 2, "call"),
        place_in_queue(3, "y", came_back=False),
    )
    assert sorted([after, dropped, before]) == [before, dropped, after]
    assert place_in_queue(9, "z", came_back=True) < before  # he had an agent, or his time in the queue, before
    assert place_of(Stage.TALKING, 9, "call") < before
    assert place_of(Stage.CONNECTING, 9, "call") < before


def test_talking_before_connecting_before_queued_and_then_by_start() -> None:
    line = (
        place_of(Stage.TALKING, 5, "c"),
        place_of(Stage.TALKING, 9, "a"),
        place_of(Stage.CONNECTING, 1, "b"),
        place_of(Stage.QUEUED, 0, "a"),
        place_of(Stage.QUEUED, 0, "d"),
        place_of(Stage.ANNOUNCEMENT, 0, "a"),
    )
    assert all(before < after for before, after in pairwise(line))


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_a_place(stage: Stage) -> None:
    assert place_of(Stage.TALKING, 0, "a") <= place_of(stage, 0, "a")


def test_the_earlier_claim_takes_the_agent_it_prefers() -> None:
    first = Claim(place_of(Stage.TALKING, 1, "a"), "support", "a2")
    second = Claim(place_of(Stage.TALKING, 2, "b"), "support", "a2")
    third = Claim(place_of(Stage.QUEUED, 0, "c"), "support")
    shares = share_out([third, second, first], {"support": ("a1", "a2")})
    assert shares == {first.place: "a2", second.place: "a1"}


def test_one_agent_of_two_queues_is_given_once() -> None:
    first = Claim(place_of(Stage.TALKING, 1, "a"), "sales")
    second = Claim(place_of(Stage.QUEUED, 1, "b"), "support")
    assert share_out([second, first], {"support": ("a1",), "sales": ("a1",)}) == {first.place: "a1"}


def test_who_finds_nobody_holds_nobody_up() -> None:
    first = Claim(place_of(Stage.TALKING, 1, "a"), "empty")
    second = Claim(place_of(Stage.QUEUED, 1, "b"), "support")
    assert share_out([first, second], {"empty": (), "support": ("a1",)}) == {second.place: "a1"}


@given(claims_made, free_now)
def test_a_share_is_a_free_member_of_the_queue_and_nobodys_else(
    claims: list[Claim], free: dict[str, tuple[str, ...]]
) -> None:
    shares = share_out(claims, free)
    wanted = {claim.place: claim for claim in claims}
    assert len(set(shares.values())) == len(shares)
    assert all(agent in free.get(wanted[place].queue, ()) for place, agent in shares.items())


@given(claims_made, free_now)
def test_those_behind_change_nothing_for_those_before(claims: list[Claim], free: dict[str, tuple[str, ...]]) -> None:
    claims.sort(key=lambda claim: claim.place)
    whole = share_out(claims, free)
    for end, claim in enumerate(claims, 1):
        assert share_out(claims[:end], free).get(claim.place) == whole.get(claim.place)


@given(claims_made, free_now)
def test_nobody_waits_while_an_agent_of_his_queue_falls_to_no_one(
    claims: list[Claim], free: dict[str, tuple[str, ...]]
) -> None:
    shares = share_out(claims, free)
    for claim in claims:
        assert claim.place in shares or set(free.get(claim.queue, ())) <= set(shares.values())

"""Pace: a vendor's quota a minute, kept however many ask."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core.routing.pace import Pace

MINUTE = 60.0
CLOSE = 1e-6


class Sleeper:
    """A sleep in which the clock moves and nothing waits."""

    def __init__(self, clock):
        self.clock = clock

    async def __call__(self, seconds):
        await asyncio.sleep(0)
        self.clock.advance(seconds)


def paced(rate):
    clock = TestClock()
    return clock, Pace(rate, clock, Sleeper(clock))


def most_in_a_minute(instants):
    """The most of these instants in any sixty seconds, the last instant not counted."""
    return max(sum(0 <= at - begin < MINUTE - CLOSE for at in instants) for begin in instants)


def test_the_first_call_waits_for_nothing_and_the_next_ones_are_spread():
    clock, pace = paced(30)

    async def calls():
        began = clock.monotonic()
        instants = []
        for _ in range(4):
            await pace.turn()
            instants.append(clock.monotonic() - began)
        return instants

    assert asyncio.run(calls()) == [0, 2, 4, 6]


def test_a_pause_saves_nothing_up():
    clock, pace = paced(60)

    async def calls():
        await pace.turn()
        clock.advance(600)
        await pace.turn()
        assert pace.wait == 1

    asyncio.run(calls())


@settings(deadline=None)
@given(
    rate=st.integers(1, 600),
    pauses=st.lists(st.floats(0, 90, allow_nan=False), min_size=2, max_size=40),
)
def test_no_minute_holds_more_turns_than_allowed(rate, pauses):
    clock, pace = paced(rate)

    async def calls():
        instants = []
        for pause in pauses:
            clock.advance(pause)
            await pace.turn()
            instants.append(clock.monotonic())
        return instants

    assert most_in_a_minute(asyncio.run(calls())) <= rate


@settings(deadline=None)
@given(rate=st.integers(1, 60), askers=st.integers(2, 30))
def test_those_who_ask_at_once_get_turns_in_order(rate, askers):
    clock, pace = paced(rate)
    went = []

    async def asker(number):
        await pace.turn()
        went.append((number, clock.monotonic()))

    async def all_of_them():
        await asyncio.gather(*(asker(number) for number in range(askers)))

    asyncio.run(all_of_them())
    # Whoever is woken early by another's sleep goes on sleeping, so the order holds.
    assert [number for number, _ in went] == list(range(askers))
    assert most_in_a_minute([at for _, at in went]) <= rate


@settings(deadline=None)
@given(
    rate=st.integers(1, 30),
    questions=st.lists(
        st.tuples(st.integers(0, 40), st.floats(0, 30, allow_nan=False)), min_size=1, max_size=12
    ),
)
def test_a_minute_holds_at_most_its_last_question_more_than_allowed(rate, questions):
    clock, pace = paced(rate)

    async def ask():
        calls = []
        for number, (cost, takes) in enumerate(questions):
            await pace.ready()
            begin = clock.monotonic()
            clock.advance(takes)
            # The worst that a question can do: some calls at its begin, the rest at its end.
            calls += [(begin, number)] * (cost // 2)
            calls += [(clock.monotonic(), number)] * (cost - cost // 2)
            pace.spent(cost)
        return calls

    calls = asyncio.run(ask())
    for since, _ in calls:
        inside = [(at, number) for at, number in calls if 0 <= at - since < MINUTE - CLOSE]
        last = max(number for _, number in inside)
        assert sum(number != last for _, number in inside) <= rate


def test_what_others_spend_without_end_holds_nobody_up_for_more_than_a_minute():
    _, pace = paced(10)
    for _ in range(100):
        pace.spent(50)
    assert pace.wait == MINUTE


def test_debts_do_not_shorten_a_queue():
    _, pace = paced(1)

    async def queue():
        turns = [asyncio.ensure_future(pace.turn()) for _ in range(4)]
        await asyncio.sleep(0)
        assert pace.wait == 240
        pace.spent(1)
        assert pace.wait == 240
        await asyncio.gather(*turns)

    asyncio.run(queue())


def test_what_costs_nobody_anything_never_waits():
    _, pace = paced(float("inf"))
    pace.spent(1_000_000)
    assert pace.wait == 0

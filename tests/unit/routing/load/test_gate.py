"""The door of a pool: never more than its size, fair to those who wait, nothing left behind."""

import asyncio

import pytest
from support.clock import TestClock

from argus_core.model.request import Priority, requesting
from argus_core.routing.load.gate import Full, Gate
from argus_core.tables import PoolLimits

INTERACTIVE, BATCH, WARMUP = Priority


@pytest.fixture
def clock():
    return TestClock()


def gate(clock, size=1, **limits):
    return Gate("pool", PoolLimits(initial_size=size, max_size=50, **limits), clock)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


class Queue:
    """Calls that wait at a gate; ``order`` is in which they were admitted."""

    def __init__(self, gate):
        self.gate = gate
        self.order = []
        self.places = []
        self.tasks = {}

    async def join(self, name, client="", priority=INTERACTIVE, seconds=60.0):
        async def wait():
            with requesting(client=client, priority=priority):
                place = await self.gate.enter(seconds)
            self.order.append(name)
            self.places.append(place)

        self.tasks[name] = asyncio.ensure_future(wait())
        await settle()

    async def serve(self):
        """Let everybody in, one after the other."""
        while self.places:
            self.places.pop(0).leave()
            await settle()
        return self.order


async def test_so_many_enter_at_once_and_the_next_waits_for_a_place(clock):
    door = gate(clock, 2)
    first, second = await door.enter(1), await door.enter(1)
    queue = Queue(door)
    await queue.join("third")
    assert (door.figures().in_use, door.figures().waiting, queue.order) == (2, 1, [])
    first.leave()
    first.leave()
    await settle()
    assert queue.order == ["third"]
    assert queue.places[0].waited
    assert not second.waited
    assert (door.figures().in_use, door.figures().waiting) == (2, 0)


async def test_the_calls_of_one_client_keep_their_order_and_clients_take_turns(clock):
    queue = Queue(gate(clock))
    await queue.join("now")
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        await queue.join(name, client=name[0])
    assert await queue.serve() == ["now", "a1", "b1", "c1", "a2", "b2", "a3"]


async def test_the_more_urgent_goes_first_and_every_tenth_place_is_another_classes(clock):
    queue = Queue(gate(clock))
    await queue.join("now")
    for n in range(2):
        await queue.join(f"w{n}", priority=WARMUP)
        await queue.join(f"b{n}", priority=BATCH)
    for n in range(20):
        await queue.join(f"i{n}")
    order = await queue.serve()
    assert order[1:10] == [f"i{n}" for n in range(9)]
    assert order[10:12] == ["b0", "w0"]
    assert order[21:23] == ["b1", "w1"]
    assert order[-2:] == ["i18", "i19"]


async def test_a_full_line_refuses_at_once_and_says_why(clock):
    door = gate(clock, 1, max_waiting=1)
    queue = Queue(door)
    await queue.join("now")
    await queue.join("waits")
    with pytest.raises(Full, match=r"^pool pool is full: 1 calls under way, 1 waiting; no more"):
        await door.enter(60)
    assert door.figures().refused == 1


async def test_without_a_line_a_full_pool_refuses_at_once(clock):
    door = gate(clock, 1, max_waiting=0)
    place = await door.enter(1)
    with pytest.raises(Full):
        await door.enter(60)
    place.leave()
    assert (await door.enter(60)).waited is False


async def test_the_last_of_the_lowest_class_gives_way_where_the_line_is_full(clock):
    queue = Queue(gate(clock, 1, max_waiting=3))
    await queue.join("now")
    await queue.join("b", priority=BATCH)
    await queue.join("w1", priority=WARMUP)
    await queue.join("w2", priority=WARMUP)
    await queue.join("urgent")
    with pytest.raises(Full, match="more urgent"):
        await queue.tasks["w2"]
    await queue.join("late", priority=WARMUP)
    with pytest.raises(Full, match="no more may wait"):
        await queue.tasks["late"]
    assert await queue.serve() == ["now", "urgent", "b", "w1"]


async def test_who_waits_is_refused_at_the_end_of_his_time(clock):
    door = gate(clock)
    place = await door.enter(1)
    with pytest.raises(Full, match=r"no place within 0\.0 s"):
        await door.enter(0.01)
    place.leave()
    assert (door.figures().in_use, door.figures().waiting) == (0, 0)


async def test_a_wait_that_cannot_be_met_is_refused_at_once(clock):
    door = gate(clock, 2)
    door.note("node", ok=True, seconds=4.0)
    for _ in range(2):
        await door.enter(1)
    with pytest.raises(Full, match=r"a place would come in 2\.0 s, too late") as refused:
        await door.enter(3.9)
    assert refused.value.retry_after == 2.0
    queue = Queue(door)
    await queue.join("patient", seconds=4.1)
    assert door.figures().waiting == 1
    queue.tasks["patient"].cancel()


async def test_a_cancelled_waiter_leaves_nothing_behind(clock):
    door = gate(clock)
    queue = Queue(door)
    await queue.join("now")
    await queue.join("gone")
    await queue.join("next")
    queue.tasks["gone"].cancel()
    await settle()
    assert door.figures().waiting == 1
    assert await queue.serve() == ["now", "next"]
    assert (door.figures().in_use, door.figures().waiting) == (0, 0)


async def test_a_turn_that_comes_in_the_moment_of_the_cancellation_is_passed_on(clock):
    door = gate(clock)
    queue = Queue(door)
    await queue.join("now")
    await queue.join("gone")
    await queue.join("next")
    queue.places.pop().leave()
    queue.tasks["gone"].cancel()
    await settle()
    assert queue.order == ["now", "next"]
    assert door.figures().in_use == 1


async def test_a_larger_size_wakes_waiters_and_a_smaller_one_cancels_nobody(clock):
    door = gate(clock, 1, min_size=1)
    queue = Queue(door)
    for name in ("one", "two", "three", "four"):
        await queue.join(name)
    assert door.resize(3) == 3
    await settle()
    assert queue.order == ["one", "two", "three"]
    assert door.resize(1) == 1
    await settle()
    assert door.figures().in_use == 3
    assert door.figures().utilisation == 3.0
    queue.places.pop(0).leave()
    queue.places.pop(0).leave()
    await settle()
    assert queue.order == ["one", "two", "three"], "the pool is still as full as it may be"
    queue.places.pop(0).leave()
    await settle()
    assert queue.order[-1] == "four"


async def test_a_size_out_of_bounds_becomes_the_bound(clock):
    door = gate(clock, 5, min_size=2)
    assert door.resize(1) == 2
    assert door.resize(1000) == 50


async def test_figures_are_of_the_last_minute_and_by_node(clock):
    door = gate(clock, 4)
    at_first = door.figures()
    assert (at_first.response_ms, at_first.error_rate, at_first.throughput) == (None, None, 0.0)
    assert at_first.nodes == {}
    clock.advance(10)
    for seconds in (0.1, 0.3):
        door.note("a", ok=True, seconds=seconds)
    door.note("b", ok=False, seconds=5.0)
    await door.enter(1)
    told = door.figures()
    assert (told.size, told.in_use, told.waiting, told.utilisation) == (4, 1, 0, 0.25)
    assert told.response_ms == 200.0
    assert told.error_rate == pytest.approx(1 / 3)
    assert told.throughput == pytest.approx(0.3)
    assert (told.nodes["a"].response_ms, told.nodes["a"].error_rate) == (200.0, 0.0)
    assert (told.nodes["b"].response_ms, told.nodes["b"].error_rate) == (None, 1.0)
    clock.advance(60)
    later = door.figures()
    assert (later.response_ms, later.error_rate, later.throughput) == (None, None, 0.0)


async def test_a_quantile_is_told_once_enough_answers_are_known(clock):
    door = gate(clock)
    for n in range(19):
        door.note("a", ok=True, seconds=n + 1.0)
    assert door.quantile(0.95) is None
    door.note("a", ok=True, seconds=20.0)
    assert door.quantile(0.95) == 19.0


async def test_each_change_of_the_size_is_told_with_its_reason(clock):
    told = []
    door = Gate("pool", PoolLimits(initial_size=2, max_size=50), clock, told.append)
    door.resize(5)
    door.resize(5)
    door.note("a", ok=False, seconds=2.0, strain=True)
    changes = [(change.at, change.before, change.size, change.why) for change in told]
    assert changes == [
        (1000.0, 2, 5, "an operator set it"),
        (1000.0, 5, 4, "calls timed out or were throttled"),
    ]

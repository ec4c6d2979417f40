"""Single flight: one fetch per key, whoever leaves, whoever fails."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core.caching.flights import Flights

pytestmark = pytest.mark.virtual


class Work:
    """Counts its calls and finishes when the test says so."""

    def __init__(self):
        self.calls = []
        self.gate = asyncio.Event()
        self.error = None

    async def __call__(self, keys):
        self.calls.append(keys)
        await self.gate.wait()
        if self.error:
            raise self.error
        return {key: key.upper() for key in keys}


async def test_a_thousand_askers_make_one_call():
    flights, work = Flights(), Work()
    askers = [asyncio.create_task(flights.share(["a"], work, 5)) for _ in range(1000)]
    await asyncio.sleep(0)
    work.gate.set()
    results = await asyncio.gather(*askers)
    assert work.calls == [("a",)]
    assert all(landed["a"].result() == {"a": "A"} for landed in results)
    assert len(flights) == 0


async def test_the_leader_may_leave():
    flights, work = Flights(), Work()
    leader = asyncio.create_task(flights.share(["a"], work, 5))
    await asyncio.sleep(0)
    follower = asyncio.create_task(flights.share(["a"], work, 5))
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    work.gate.set()
    landed = await follower
    assert landed["a"].result() == {"a": "A"}
    assert work.calls == [("a",)]


async def test_a_failure_is_shared_and_then_forgotten():
    flights, work = Flights(), Work()
    work.error = ValueError("no")
    askers = [asyncio.create_task(flights.share(["a"], work, 5)) for _ in range(5)]
    await asyncio.sleep(0)
    work.gate.set()
    for landed in await asyncio.gather(*askers):
        assert isinstance(landed["a"].exception(), ValueError)
    work.error = None
    landed = await flights.share(["a"], work, 5)
    assert landed["a"].result() == {"a": "A"}
    assert len(work.calls) == 2


async def test_only_the_keys_that_nobody_fetches_are_fetched():
    flights, work = Flights(), Work()
    first = asyncio.create_task(flights.share(["a", "b"], work, 5))
    await asyncio.sleep(0)
    second = asyncio.create_task(flights.share(["b", "c"], work, 5))
    await asyncio.sleep(0)
    work.gate.set()
    await first
    landed = await second
    assert work.calls == [("a", "b"), ("c",)]
    assert set(landed) == {"b", "c"}


async def test_a_waiter_stops_waiting_at_its_own_time_and_the_flight_goes_on():
    flights, work = Flights(), Work()
    landed = await flights.share(["a"], work, 0.01)
    assert landed == {}
    assert len(flights) == 1
    work.gate.set()
    landed = await flights.share(["a"], work, 5)
    assert landed["a"].result() == {"a": "A"}
    assert work.calls == [("a",)]


async def test_a_flight_that_never_ends_is_not_joined_for_ever(monkeypatch):
    monkeypatch.setattr("argus_core.caching.flights.OVERDUE", 0.0)
    flights, work = Flights(), Work()
    await flights.share(["a"], work, 0.01)
    await asyncio.sleep(0.02)
    second = asyncio.create_task(flights.share(["a"], work, 5))
    await asyncio.sleep(0.01)
    assert len(work.calls) == 2, "the overdue flight is given up for lost"
    work.gate.set()
    landed = await second
    assert landed["a"].result() == {"a": "A"}
    await asyncio.sleep(0)
    assert len(flights) == 0


async def test_closing_cancels_what_is_under_way():
    flights, work = Flights(), Work()
    asker = asyncio.create_task(flights.share(["a"], work, 5))
    await asyncio.sleep(0)
    await flights.aclose()
    landed = await asker
    assert landed["a"].cancelled()
    assert len(flights) == 0


async def test_a_failure_that_everybody_left_makes_no_noise(caplog):
    flights, work = Flights(), Work()
    work.error = ValueError("no")
    asker = asyncio.create_task(flights.share(["a"], work, 5))
    await asyncio.sleep(0)
    asker.cancel()
    work.gate.set()
    await asyncio.sleep(0.01)
    assert len(flights) == 0
    assert caplog.records == []


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_key_is_ever_in_two_flights(batches):
    async def run():
        flights, work = Flights(), Work()
        askers = []
        for batch in batches:
            askers.append(asyncio.create_task(flights.share(batch, work, 5)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asked = [key for keys in work.calls for key in keys]
        assert len(asked) == len(set(asked)) == len({k for b in batches for k in b})
        work.gate.set()
        for batch, landed in zip(batches, await asyncio.gather(*askers), strict=True):
            assert all(landed[key].result()[key] == key.upper() for key in batch)
        assert len(flights) == 0

    asyncio.run(run())

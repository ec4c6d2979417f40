"""One tier in its place: what counts as a failure, how long it rests, what it may never do."""

import asyncio

import pytest
from support.clock import RunningClock, TestClock

from argus_core import Cache, CacheError
from argus_core.caching.level import BUDGET, FIRST_REST, PATIENT_BUDGET, Level

pytestmark = pytest.mark.virtual


@pytest.fixture
def clock():
    return TestClock()


def level_of(clock):
    return Level(1, Cache("l1", None, clock), "x", clock)


async def raising(error):
    raise error


class Panic(BaseException):
    """What an extension module may raise that is no Exception."""


@pytest.mark.parametrize("error", [CacheError("gone"), Panic(), asyncio.CancelledError()])
async def test_whatever_a_tier_raises_is_its_failure(clock, error):
    level = level_of(clock)
    assert await level.tried(lambda: raising(error)) is None
    assert (level.failures, level.reason) == (
        1,
        str(error) if isinstance(error, CacheError) else type(error).__name__,
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_process_is_let_through(clock, error):
    level = level_of(clock)
    with pytest.raises(error):
        await level.tried(lambda: raising(error()))


async def test_who_is_cancelled_while_a_tier_works_is_cancelled(clock):
    level = level_of(clock)
    waiting = asyncio.ensure_future(level.tried(asyncio.Event().wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert level.failures == 0


async def test_many_that_fail_at_once_are_one_outage(clock):
    level = level_of(clock)
    gate = asyncio.Event()

    async def fails():
        await gate.wait()
        raise CacheError("gone")

    calls = [asyncio.ensure_future(level.tried(fails)) for _ in range(1000)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls)
    clock.advance(FIRST_REST)
    assert await level.tried(lambda: asyncio.sleep(0, "back")) == "back"


async def test_what_takes_longer_than_a_reading_may_says_nothing_for_the_tier():
    clock = RunningClock()
    level = level_of(clock)

    async def slowly():
        await asyncio.sleep(1.3 * BUDGET)
        return "done"

    for _ in range(2):
        assert await level.tried(slowly) is None, "on the way to an answer that is too long"
        if level.state() == "up":
            assert await level.tried(slowly, PATIENT_BUDGET) == "done"
    assert level.state() == "resting", "or every answer would wait for it"

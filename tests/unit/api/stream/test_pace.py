"""How fast one client is listened to."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_api.stream.pace import (
    A_SECOND,
    AT_ONCE,
    DEEPEST,
    LONGEST,
    MUCH,
    TOGETHER,
    TOGETHER_AT_ONCE,
    Pace,
    Talkers,
)


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


def said(pace, time, *, seconds):
    """How much somebody says who says one thing after another as fast as he may."""
    ends, units = time.now + seconds, 0
    while time.now <= ends:
        rest = pace.rest()
        time.now += rest
        if not rest:
            pace.spend(1.0)
            units += 1
    return units


def test_much_may_be_said_at_once(time):
    pace = Pace(time)
    for _ in range(int(AT_ONCE)):
        assert pace.rest() == 0.0
        pace.spend(1.0)
    assert pace.rest() == pytest.approx(1 / A_SECOND)


def test_after_that_it_is_little_by_little(time):
    assert said(Pace(time), time, seconds=60) == pytest.approx(AT_ONCE + 60 * A_SECOND, abs=2)


def test_whoever_was_silent_may_say_much_again(time):
    pace = Pace(time)
    pace.spend(AT_ONCE)
    assert pace.rest()
    time.now += 3600
    assert said(pace, time, seconds=0) == AT_ONCE


def test_what_was_said_too_much_is_waited_for(time):
    pace = Pace(time)
    pace.spend(AT_ONCE + 3 * A_SECOND)
    assert pace.rest() == pytest.approx(3 + 1 / A_SECOND)
    time.now += pace.rest()
    assert pace.rest() == pytest.approx(0.0, abs=1e-6)


def test_nothing_is_held_against_anybody_for_long(time):
    pace = Pace(time)
    for _ in range(100):
        pace.spend(100_000.0)
    assert pace.rest() == pytest.approx(DEEPEST + 1 / A_SECOND)


def test_whoever_speaks_for_many_may_say_as_much_as_these(time):
    assert said(Pace(time, 10 * AT_ONCE, 10 * A_SECOND), time, seconds=6) == pytest.approx(
        10 * (AT_ONCE + 6 * A_SECOND), abs=20
    )


def test_whoever_never_pauses_is_endless_after_a_while(time):
    pace = Pace(time)
    said(pace, time, seconds=LONGEST)
    assert not pace.endless
    said(pace, time, seconds=2)
    assert pace.endless


def test_a_pause_begins_it_anew(time):
    pace = Pace(time)
    for _ in range(5):
        said(pace, time, seconds=LONGEST)
        time.now += AT_ONCE / A_SECOND
        assert pace.rest() == 0.0
        assert not pace.endless


def test_a_long_silence_is_no_flood(time):
    pace = Pace(time)
    pace.spend(AT_ONCE)
    assert pace.rest()
    time.now += 10 * LONGEST
    assert pace.rest() == 0.0
    assert not pace.endless


def test_part_of_what_may_be_said_at_once_is_much(time):
    pace = Pace(time)
    pace.spend(AT_ONCE * MUCH - 1)
    assert not pace.much
    pace.spend(2.0)
    assert pace.much
    time.now += 1.0
    pace.rest()
    assert not pace.much


async def test_those_who_say_much_share_their_turns():
    loop = asyncio.get_running_loop()
    talkers, order = Talkers(loop.time), []

    async def talk(name):
        for _ in range(20):
            await talkers.turn()
            talkers.spend(2.0)
            order.append(name)
            await asyncio.sleep(0)

    began = loop.time()
    await asyncio.gather(*(talk(name) for name in range(3)))
    assert loop.time() - began >= (118 - TOGETHER_AT_ONCE) / TOGETHER * 0.9
    counts = Counter()
    for name in order:
        counts[name] += 1
        assert max(counts.values()) - min(counts[one] for one in range(3)) <= 2


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 5)), max_size=60))
def test_in_no_time_is_more_said_than_there_is_pace_for(steps):
    """Whatever is said and whenever, the rests keep it to the pace."""
    time = Time()
    pace, began, units = Pace(time), time.now, 0.0
    for much, pause in steps:
        time.now += pause + pace.rest() + 1e-9
        assert pace.rest() == pytest.approx(0.0, abs=1e-6)
        units += much
        pace.spend(much)
        assert units - much <= AT_ONCE + (time.now - began) * A_SECOND + 1e-3

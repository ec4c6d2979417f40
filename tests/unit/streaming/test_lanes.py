"""A lane is bounded, counts what it leaves out, and never lets a newer one go before an older."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sources import symbols

from argus_core.streaming.lanes import QUEUED, Lane
from argus_core.streaming.topics import QUOTES, TRADES

A, B = symbols("600519.SH", "000001.SZ")
QA, QB, TA, TB = (QUOTES, A), (QUOTES, B), (TRADES, A), (TRADES, B)


class Listener:
    def __init__(self):
        self.readied = 0

    def ready(self, _lane):
        self.readied += 1

    def notice(self, notice):
        raise AssertionError(notice)


@pytest.fixture
def lane():
    return Lane(Listener())


def test_the_newest_takes_the_place_of_the_one_before_and_that_is_counted(lane):
    for number in range(5):
        lane.conflated(QA, number)
    lane.conflated(QB, "b")
    batch = lane.taken()
    assert batch.latest == {QA: 4, QB: "b"}
    assert batch.skipped == {QA: 4}
    assert (tuple(batch.each), batch.lost) == ((), {})


def test_where_each_counts_they_wait_in_order(lane):
    entries = [(TA, 1), (TB, 2), (TA, 3)]
    for key, one in entries:
        lane.queued(key, one)
    assert list(lane.taken().each) == entries


def test_too_many_go_oldest_first_and_are_counted_by_topic(lane):
    for number in range(QUEUED + 10):
        lane.queued(TA if number % 2 else TB, number)
    batch = lane.taken()
    assert len(batch.each) == QUEUED
    assert batch.each[0] == (TB, 10)
    assert batch.lost == {TA: 5, TB: 5}


def test_a_listener_is_told_once_that_something_waits(lane):
    lane.conflated(QA, 1)
    lane.queued(TA, 2)
    lane.conflated(QA, 3)
    assert lane.listener.readied == 1
    lane.taken()
    lane.queued(TA, 4)
    assert lane.listener.readied == 2


def test_nothing_waits_twice(lane):
    lane.conflated(QA, 1)
    assert lane.taken() is not None
    assert lane.taken() is None


def test_what_is_not_listened_to_any_more_does_not_wait(lane):
    for number in range(QUEUED + 1):
        lane.queued(TA, number)
    lane.conflated(QA, 1)
    lane.conflated(QA, 2)
    lane.conflated(QB, 3)
    lane.forget([TA, QA])
    batch = lane.taken()
    assert batch.latest == {QB: 3}
    assert (tuple(batch.each), batch.skipped, batch.lost) == ((), {}, {})


def test_one_that_may_not_be_replaced_goes_after_what_waits_of_its_topic(lane):
    lane.conflated(QA, 1)
    lane.queued(QA, 2)
    lane.conflated(QA, 3)
    batch = lane.taken()
    assert [one for _, one in batch.each] == [1, 2]
    assert batch.latest == {QA: 3}
    assert batch.skipped == {}


@given(st.lists(st.tuples(st.sampled_from(["conflated", "queued", "taken"]), st.booleans())))
def test_every_update_is_waiting_sent_skipped_or_lost(steps):
    """Whatever the order: nothing vanishes uncounted, nothing comes before what was said before."""
    lane = Lane(Listener())
    said = {QA: 0, QB: 0}
    heard = {QA: 0, QB: 0}
    for what, first in steps:
        key = QA if first else QB
        if what != "taken":
            said[key] += 1
            getattr(lane, what)(key, said[key])
            assert lane.pending(key) == said[key] - heard[key]
            continue
        _hear(lane, heard)
    _hear(lane, heard)
    assert heard == said
    assert not lane.latest
    assert not lane.each


def _hear(lane, heard):
    batch = lane.taken()
    if batch is None:
        return
    for key in heard:
        numbers = [one for other, one in batch.each if other == key]
        numbers += [batch.latest[key]] if key in batch.latest else []
        assert numbers == sorted(numbers)
        assert not numbers or numbers[0] > heard[key]
        left_out = batch.skipped.get(key, 0) + batch.lost.get(key, 0)
        last = numbers[-1] if numbers else heard[key] + left_out
        assert last == heard[key] + len(numbers) + left_out
        heard[key] = last

"""The calls of an interface by day: under a clock that runs, jumps, and is put right."""

from support.clock import TestClock

from argus_core import Allowance
from argus_core.routing.quota.daybook import Daybook, Days, Owner
from argus_core.routing.quota.tally import Tally, day_of

DAY = 86_400
HOUR = 3600


def bench(now="2024-03-15 23:59:00"):
    clock, days = TestClock(now), Days()
    return clock, days, Tally(Allowance(interface="daily", calls_per_day=5), clock, days)


def call(tally, calls=1):
    tally.promise(calls)
    tally.ended(calls)


def test_a_clock_set_back_over_midnight_loses_nothing_on_either_day():
    clock, _days, tally = bench()
    call(tally, 2)
    clock.advance(120)
    assert tally.today == 0
    call(tally, 1)
    clock.set_back(120)
    assert tally.today == 3, "two of that day, and one that was made at least"
    call(tally, 1)
    clock.advance(120)
    assert tally.today == 1, "what was counted for this day still is"


def test_a_clock_set_back_does_not_bring_back_what_is_over():
    clock, _days, tally = bench("2024-03-15 12:00:00")
    call(tally, 5)
    clock.advance(DAY)
    assert tally.today == 0
    clock.set_back(11 * HOUR)
    assert tally.today == 0
    assert tally.wait(5) == 0


def test_calls_under_a_date_far_ahead_count_for_the_day_that_it_is_put_right_to():
    clock, days, tally = bench("2024-03-15 12:00:00")
    call(tally, 1)
    clock.advance(400 * DAY)
    call(tally, 3)
    wrong = day_of(clock)
    clock.set_back(400 * DAY)
    assert tally.today == 4
    assert days.unwritten() == {day_of(clock): 4, wrong: 0}
    clock.advance(DAY)
    assert tally.today == 0


def test_a_clock_that_begins_in_the_past_finds_todays_calls_when_it_is_put_right():
    clock, days, tally = bench("2000-01-01 00:00:00")
    later = TestClock("2024-03-15 12:00:00")
    days.hear({day_of(later): 4})
    assert tally.today == 0
    call(tally, 1)
    clock.advance((later.now() - clock.now()).total_seconds())
    assert tally.today == 4


def test_days_that_are_over_do_not_pile_up():
    clock, days, tally = bench()
    for _ in range(30):
        call(tally)
        clock.advance(DAY)
    assert tally.today == 0
    assert len(days.unwritten()) <= 3


def test_what_is_heard_of_others_adds_up_and_never_shrinks():
    clock, days, tally = bench()
    today = day_of(clock)
    call(tally, 2)
    days.hear({today: 3})
    assert tally.today == 5
    days.hear({today: 1})
    assert tally.today == 5


def test_only_what_is_not_written_is_to_be_written_and_only_where_a_day_has_a_limit():
    clock, days, tally = bench()
    free = Days()
    call(Tally(Allowance(calls_per_minute=5), clock, free))
    assert free.unwritten() == {}
    call(tally, 2)
    fresh = days.unwritten()
    assert fresh == {day_of(clock): 2}
    call(tally, 1)
    days.wrote(fresh)
    assert days.unwritten() == {day_of(clock): 3}
    days.wrote(days.unwritten())
    assert days.unwritten() == {}


def test_accounts_have_pages_of_their_own_and_nodes_made_anew_go_on_with_them():
    book = Daybook()
    first = book.page(Owner("m", b"one")).days("daily")
    first.book(10, 4)
    assert book.page(Owner("m", b"one")).days("daily") is first
    assert book.page(Owner("m", b"two")).days("daily").used(10) == 0
    assert book.page(Owner("n", b"one")).days("daily").used(10) == 0

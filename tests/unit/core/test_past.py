"""Series out of the archive: what is asked for, what is sealed, who may answer."""

import asyncio
import threading
from datetime import date, datetime, timedelta

import pytest
from support.sources import symbols
from support.vendor import MovedClock, Vendor, asking, bars, dates, factors, house
from support.waiting import until

from argus_core import SHANGHAI, Cache, Lease, Period, QuotesQuery, SourceTimeout, SourceUnavailable
from argus_core.errors import AllSourcesFailed, CacheError
from argus_core.history.archive import SeriesKey

A, B, C = symbols("600519.SH", "000001.SZ", "600000.SH")
FUTURE = symbols("rb2405.SHFE")[0]


class Lending(Cache):
    """A tier that two processes share, with leases."""

    def __init__(self, clock):
        super().__init__("shared", None, clock)
        self.values, self.held = {}, {}

    async def get_many(self, keys):
        return {key: self.values[key] for key in keys if key in self.values}

    async def set_many(self, values, ttl):
        self.values.update(values)

    async def lease(self, keys, owner, seconds):
        for key in keys:
            held = self.held.get(key)
            if held is None or held.note is not None or held.owner == owner:
                self.held[key] = Lease(owner)
        return {key: self.held[key].owner for key in keys}

    async def settle(self, keys, owner, note, seconds):
        self.held.update({key: Lease(owner, note) for key in keys})

    async def leases(self, keys):
        return {key: self.held[key] for key in keys if key in self.held}


@pytest.fixture
def clock():
    return MovedClock("2024-03-15 10:00:00")  # a Friday, in session


@pytest.fixture
async def home(tmp_path, clock):
    opened = []

    def build(*vendors, folder="archive", **terms):
        made = house(tmp_path / folder, clock, *vendors, **terms)
        opened.append(made)
        return made

    yield build
    for one in opened:
        await one.close()


def spans(home, source, symbol, dataset="bars", period="1d"):
    key = SeriesKey(dataset, period, source, symbol)
    return [(f"{a}", f"{b}") for a, b in home.archive.covered([key])[key]]


async def test_a_sealed_range_is_fetched_once_and_then_comes_out_of_the_archive(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    query = bars("2024-03-04", "2024-03-14", A)
    first = await made.past.fetch(query, asking(clock))
    again = await made.past.fetch(query, asking(clock))
    assert len(vendor.calls) == 1
    assert first.data[A].equals(again.data[A])
    assert first.provenance[A].cache is None
    origin = again.provenance[A]
    assert (origin.source, origin.cache, origin.stale) == ("one", "history", False)
    assert origin.fetched_at == first.provenance[A].fetched_at
    assert origin.fresh_until > clock.now()
    assert again.cached
    assert spans(made, "one", A) == [("2024-03-04", "2024-03-14")]


async def test_windows_that_overlap_grow_and_shrink_ask_for_nothing_twice(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    for start, end in [("03-06", "03-08"), ("03-04", "03-12"), ("03-07", "03-07"),
                       ("03-01", "03-05"), ("02-26", "03-14")]:  # fmt: skip
        answer = await made.past.fetch(bars(f"2024-{start}", f"2024-{end}", A), asking(clock))
        frame = answer.data[A]
        days = [d for d in vendor.days(date(2024, 2, 1), date(2024, 3, 14))
                if f"2024-{start}" <= f"{d}" <= f"2024-{end}"]  # fmt: skip
        assert frame["date"].to_list() == days
        assert frame["close"].to_list() == [vendor.close_of(A, day) for day in days]
    rows = [row[:3] for row in vendor.rows]
    assert len(rows) == len(set(rows))


async def test_the_running_day_is_asked_for_with_the_gap_before_it_and_never_sealed(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-15", A), asking(clock))
    assert vendor.calls[1:] == [((A,), date(2024, 3, 13), date(2024, 3, 15))]
    assert dates(answer.data[A])[-1] == "2024-03-15"
    assert spans(made, "one", A) == [("2024-03-04", "2024-03-14")]
    (step,) = [s for t in answer.traces for s in t.steps if "archive" in s]
    assert step == (
        "1 of 1 from the archive of one: 2024-03-04 to 2024-03-12; "
        "asked for 2024-03-13 to 2024-03-15"
    )
    served = await made.past.fetch(bars("2024-03-04", "2024-03-15", A), asking(clock))
    assert len(vendor.calls) == 2, "the running day was in the tiers"
    assert served.provenance[A].cache == "history"
    assert served.provenance[A].fresh_until <= clock.now() + timedelta(seconds=5)
    clock.advance(6)
    await made.past.fetch(bars("2024-03-04", "2024-03-15", A), asking(clock))
    assert vendor.calls[2:] == [((A,), date(2024, 3, 15), date(2024, 3, 15))]


async def test_what_was_fetched_before_the_day_settled_is_fetched_again_once_it_has(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    query = bars("2024-03-14", "2024-03-15", A)
    clock.advance(8 * 3600 - 10)  # 17:59:50: over, but not settled
    await made.past.fetch(query, asking(clock))
    assert spans(made, "one", A) == [("2024-03-14", "2024-03-14")]
    clock.advance(20)  # the tiers still hold it
    await made.past.fetch(query, asking(clock))
    assert spans(made, "one", A) == [("2024-03-14", "2024-03-15")]
    assert vendor.calls[1:] == [((A,), date(2024, 3, 15), date(2024, 3, 15))]


async def test_a_day_that_the_vendor_publishes_late_is_not_sealed_as_empty(home, clock):
    late = {date(2024, 3, 14): timedelta(hours=20)}
    vendor = Vendor("one", clock, late=lambda day: late.get(day, timedelta()))
    made = home(vendor)
    query = bars("2024-03-11", "2024-03-14", A)
    before = await made.past.fetch(query, asking(clock))
    assert dates(before.data[A])[-1] == "2024-03-13"
    assert spans(made, "one", A) == [("2024-03-11", "2024-03-13")]
    await made.past.fetch(query, asking(clock))
    assert len(vendor.calls) == 1, "that nothing had come was in the tiers"
    clock.advance(4 * 86400)
    after = await made.past.fetch(query, asking(clock))
    assert dates(after.data[A])[-1] == "2024-03-14"
    assert spans(made, "one", A) == [("2024-03-11", "2024-03-14")]


async def test_a_suspension_is_sealed_once_a_later_bar_or_enough_days_say_so(home, clock):
    vendor = Vendor("one", clock, suspended={date(2024, 3, 13), date(2024, 3, 14)})
    made = home(vendor)
    await made.past.fetch(bars("2024-03-11", "2024-03-14", A), asking(clock))
    assert spans(made, "one", A) == [("2024-03-11", "2024-03-12")]
    await made.past.fetch(bars("2024-03-11", "2024-03-15", A), asking(clock))
    assert spans(made, "one", A) == [("2024-03-11", "2024-03-12")], "a running bar is no proof"
    clock.advance(9 * 3600)
    await made.past.fetch(bars("2024-03-11", "2024-03-15", A), asking(clock))
    assert spans(made, "one", A) == [("2024-03-11", "2024-03-15")], "a settled one came after"
    await made.past.fetch(bars("2024-03-13", "2024-03-14", B), asking(clock))
    assert spans(made, "one", B) == []
    clock.advance(5 * 86400)
    answer = await made.past.fetch(bars("2024-03-13", "2024-03-14", B), asking(clock))
    assert list(answer.absent) == [B]
    assert spans(made, "one", B) == [], "whoever has no row at all proves nothing"
    await made.past.fetch(bars("2024-03-11", "2024-03-14", B), asking(clock))
    assert spans(made, "one", B) == [("2024-03-11", "2024-03-14")]
    calls = len(vendor.calls)
    assert (await made.past.fetch(bars("2024-03-13", "2024-03-14", B), asking(clock))).absent
    assert len(vendor.calls) == calls


async def test_a_source_that_once_had_nothing_hides_nothing_for_good(home, clock):
    days = {date(2024, 3, day) for day in (4, 5, 6, 7, 8)}
    vendor = Vendor("one", clock, suspended=days)
    made = home(vendor)
    await made.past.fetch(bars("2024-02-26", "2024-03-01", A), asking(clock))
    await made.past.fetch(bars("2024-03-11", "2024-03-14", A), asking(clock))
    assert not (await made.past.fetch(bars("2024-03-04", "2024-03-08", A), asking(clock))).data
    vendor.suspended = frozenset()  # it had run out of its quota
    clock.advance(3 * 86400)  # the next trading day: until then the silence is believed
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-08", A), asking(clock))
    assert answer.data[A].height == 5


async def test_symbols_with_the_same_plan_are_asked_for_together(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-04", "2024-03-08", A, B), asking(clock))
    await made.past.fetch(bars("2024-03-04", "2024-03-14", A, B, C), asking(clock))
    asked = {(s, f"{a}", f"{b}") for s, a, b in vendor.calls[1:]}
    assert asked == {((A, B), "2024-03-09", "2024-03-14"), ((C,), "2024-03-04", "2024-03-14")}


async def test_a_thousand_identical_misses_make_one_call(home, clock):
    vendor = Vendor("one", clock)
    vendor.gate = asyncio.Event()
    made = home(vendor)
    query = bars("2024-01-02", "2024-03-15", A)
    waiting = [asyncio.create_task(made.past.fetch(query, asking(clock))) for _ in range(1000)]
    await until(lambda: vendor.calls)
    waiting[0].cancel()
    vendor.gate.set()
    answers = await asyncio.gather(*waiting[1:])
    assert len(vendor.calls) == 1
    assert len({answer.data[A].height for answer in answers}) == 1


async def test_when_the_one_call_fails_all_get_the_error_and_the_next_tries_again(home, clock):
    vendor = Vendor("one", clock)
    vendor.failing = SourceTimeout("nothing came")
    made = home(vendor)
    query = bars("2024-01-02", "2024-03-15", A)
    asked = [made.past.fetch(query, asking(clock)) for _ in range(1000)]
    failed = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(error) for error in failed} == {AllSourcesFailed}
    assert len(vendor.calls) == 1
    vendor.failing = None
    assert (await made.past.fetch(query, asking(clock))).data


async def test_the_archive_of_a_source_that_is_away_answers_alone(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    made = home(one, two)
    query = bars("2024-03-04", "2024-03-14", A)
    await made.past.fetch(query, asking(clock))
    made.nodes["one"].failed("bars:1d:stock", SourceUnavailable("refused"))
    answer = await made.past.fetch(query, asking(clock))
    assert answer.provenance[A].source == "one"
    made.nodes["one"].down = "it did not start"
    answer = await made.past.fetch(query, asking(clock))
    assert answer.provenance[A].source == "one"
    assert two.calls == []


async def test_where_a_dead_source_covers_a_part_all_of_it_comes_from_the_next(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    made = home(one, two)
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    one.failing = SourceUnavailable("refused")
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    assert answer.provenance[A].source == "two"
    days = answer.data[A]["date"].to_list()
    assert answer.data[A]["close"].to_list() == [two.close_of(A, day) for day in days]
    assert len(days) == 9
    assert len(one.calls) == 2, "asked once, for there is another"
    steps = [step for trace in answer.traces for step in trace.steps]
    assert f"one failed: the whole series of {A} comes from the next source" in steps
    clock.advance(30)
    one.failing = None
    back = await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    assert back.provenance[A].source == "one"
    assert one.calls[-1][1:] == (date(2024, 3, 13), date(2024, 3, 14))


async def test_the_old_part_alone_is_served_flagged_when_nobody_answers(home, clock):
    one = Vendor("one", clock)
    made = home(one)
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    one.failing = SourceUnavailable("refused")
    clock.advance(100)
    query = bars("2024-03-04", "2024-03-14", A)
    answer = await made.past.fetch(query, asking(clock, 1.0))
    assert dates(answer.data[A])[-1] == "2024-03-12"
    origin = answer.provenance[A]
    assert origin.stale
    assert origin.reason == (
        "no source answered: the archive of one has 2024-03-04 to 2024-03-12 of it"
    )
    since = datetime(2024, 3, 13, 9, 15, tzinfo=SHANGHAI)  # when the first day that lacks began
    assert origin.fresh_until == since
    over = (clock.now() - since).total_seconds()
    assert (await made.past.fetch(query, asking(clock, 1.0, max_staleness=over + 5))).stale
    with pytest.raises(AllSourcesFailed) as caught:
        await made.past.fetch(query, asking(clock, 1.0, max_staleness=over - 5))
    assert caught.value.attempts


async def test_what_is_sealed_is_not_out_of_date_however_long_ago_it_was_fetched(home, clock):
    one = Vendor("one", clock)
    made = home(one)
    await made.past.fetch(bars("2024-01-02", "2024-03-13", A), asking(clock))
    clock.advance(30 * 86400)  # a Sunday
    await made.past.fetch(bars("2024-03-13", "2024-04-14", A), asking(clock))
    clock.advance(86400)
    one.failing = SourceUnavailable("refused")
    query = bars("2024-01-02", "2024-04-15", A)
    answer = await made.past.fetch(query, asking(clock, 2.0, max_staleness=3600.0))
    assert (dates(answer.data[A])[0], dates(answer.data[A])[-1]) == ("2024-01-02", "2024-04-12")
    assert answer.stale
    assert answer.provenance[A].fetched_at < clock.now() - timedelta(days=30)
    for most in (0.0, 1800.0):  # it is ten o'clock, and the market moves since a quarter past nine
        with pytest.raises(AllSourcesFailed):
            await made.past.fetch(query, asking(clock, 2.0, max_staleness=most))


async def test_before_the_first_move_the_archive_lacks_nothing_yet(home, clock):
    one = Vendor("one", clock)
    made = home(one)
    await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    clock.advance(3 * 86400 - 2 * 3600)  # Monday at eight
    await made.past.fetch(bars("2024-03-14", "2024-03-15", A), asking(clock))
    one.failing = SourceUnavailable("refused")
    query = bars("2024-03-04", "2024-03-18", A)
    assert (await made.past.fetch(query, asking(clock, 2.0, max_staleness=1.0))).stale
    with pytest.raises(AllSourcesFailed):
        await made.past.fetch(query, asking(clock, 2.0, max_staleness=0.0))


async def test_an_archive_without_the_beginning_is_out_of_date_since_then(home, clock):
    one = Vendor("one", clock)
    made = home(one)
    await made.past.fetch(bars("2024-03-11", "2024-03-14", A), asking(clock))
    one.failing = SourceUnavailable("refused")
    query = bars("2024-03-04", "2024-03-14", A)
    week = 7 * 86400.0
    assert (await made.past.fetch(query, asking(clock, 2.0, max_staleness=2 * week))).stale
    with pytest.raises(AllSourcesFailed):
        await made.past.fetch(query, asking(clock, 2.0, max_staleness=week))
    ever = await made.past.fetch(bars("0001-01-01", "2024-03-14", A), asking(clock, 2.0))
    assert ever.provenance[A].fresh_until == datetime(1990, 12, 19, 9, 15, tzinfo=SHANGHAI)


async def test_an_old_part_with_a_hole_is_served_up_to_the_hole_only(home, clock):
    one = Vendor("one", clock)
    made = home(one)
    await made.past.fetch(bars("2024-02-26", "2024-02-28", A), asking(clock))
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    one.failing = SourceUnavailable("refused")
    answer = await made.past.fetch(bars("2024-02-26", "2024-03-12", A), asking(clock, 1.0))
    assert (dates(answer.data[A])[0], dates(answer.data[A])[-1]) == ("2024-03-04", "2024-03-12")


async def test_a_symbol_that_one_source_lacks_comes_from_the_next_pool(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    one.lacks = {B}
    made = home(one, two)
    query = bars("2024-01-04", "2024-02-20", A, B)
    answer = await made.past.fetch(query, asking(clock))
    assert {s: p.source for s, p in answer.provenance.items()} == {A: "one", B: "two"}
    for _ in range(3):
        again = await made.past.fetch(query, asking(clock))
        assert list(again.data) == [A, B]
    assert len(two.calls) == 1
    assert [call[0] for call in one.calls[1:]] == [(B,)], "once more, to know that it lacks it"


async def test_in_a_pool_the_node_that_has_most_of_it_is_preferred(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    made = home(one, two, pools=[("one", "two")])
    made.nodes["one"].down = "for now"
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    made.nodes["one"].down = None
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    assert answer.provenance[A].source == "two"
    assert one.calls == []


async def test_a_quarantined_source_is_not_believed_in_the_archive_either(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    made = home(one, two)
    query = bars("2024-03-04", "2024-03-14", A)
    await made.past.fetch(query, asking(clock))
    made.nodes["one"].quarantine.judge("bars:1d:stock", {A: "its numbers disprove each other"}, ())
    answer = await made.past.fetch(query, asking(clock))
    assert answer.provenance[A].source == "two"


async def test_past_the_cache_everything_is_fetched_and_a_correction_is_noticed(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    query = bars("2024-03-04", "2024-03-15", A)
    await made.past.fetch(query, asking(clock))
    vendor.corrected[date(2024, 3, 6)] = 42
    stored = await made.past.fetch(query, asking(clock))
    assert stored.data[A].row(2, named=True)["close"] != 10.42
    fresh = await made.past.fetch(query, asking(clock, use_cache=False))
    assert fresh.data[A].row(2, named=True)["close"] == 10.42
    assert fresh.provenance[A].cache is None
    revised = made.archive.revisions().rows
    assert {(r.symbol, f"{r.label}") for r in revised} == {(A, "2024-03-06")}
    assert (await made.past.fetch(query, asking(clock))).data[A].row(2, named=True)[
        "close"
    ] == 10.42


async def test_a_second_look_a_day_later_notices_a_correction(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    await made.past.fetch(factors("2024-01-02", "2024-03-15", A), asking(clock))
    assert await made.past.verify(10) == 0, "sealed today"
    clock.advance(2 * 86400)
    vendor.failing = SourceUnavailable("refused")
    assert await made.past.verify(10) == 0
    vendor.failing = None
    clock.advance(3600)
    vendor.corrected[date(2024, 3, 6)] = 42
    assert await made.past.verify(10) == 2
    known = made.archive.revisions().rows
    assert [f"{r.label}" for r in known if r.field == "close"] == ["2024-03-06"]
    assert await made.past.verify(10) == 0


async def test_what_was_corrected_is_looked_at_again_until_nothing_changes(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-04", "2024-03-14", A), asking(clock))
    looks = []
    for cents in (42, 43, None, None):
        clock.advance(86400 + 3600)
        if cents is not None:
            vendor.corrected[date(2024, 3, 12)] = cents
        calls = len(vendor.calls)
        await made.past.verify(10)
        looks.append([(f"{start}", f"{end}") for _, start, end in vendor.calls[calls:]])
    corrected = [("2024-03-12", "2024-03-12")]
    assert looks == [[("2024-03-04", "2024-03-14")], corrected, corrected, []]
    closes = [r.new for r in reversed(made.archive.revisions().rows) if r.field == "close"]
    assert closes == [10.42, 10.43]


async def silent_february(home, clock):
    """A home whose vendor was silent from February on, and what it was asked."""
    silent = {date(2024, 2, day) for day in range(1, 30)} | {date(2024, 3, 1)}
    vendor = Vendor("one", clock, suspended=silent)
    made, query = home(vendor), bars("2024-01-29", "2024-03-08", A)
    await made.past.fetch(query, asking(clock))
    assert spans(made, "one", A) == [("2024-01-29", "2024-03-08")]
    clock.advance(86400 + 3600)
    return made, vendor, query


async def test_rows_that_a_second_look_finds_have_the_silence_beside_them_looked_at(home, clock):
    made, vendor, query = await silent_february(home, clock)
    vendor.suspended = frozenset()  # its tables are loaded again
    assert await made.past.verify(10) == 1
    assert vendor.calls[1:] == [((A,), date(2024, 2, 29), date(2024, 3, 8))]
    assert await made.past.verify(10) == 1
    assert vendor.calls[2:] == [((A,), date(2024, 2, 1), date(2024, 2, 28))]
    answer = await made.past.fetch(query, asking(clock))
    assert answer.data[A]["date"].to_list() == list(vendor.days(query.start, query.end))
    assert len(vendor.calls) == 3


async def test_a_silence_that_is_true_costs_one_look_and_hides_nothing(home, clock):
    made, vendor, query = await silent_february(home, clock)
    vendor.suspended = frozenset(day for day in vendor.suspended if day < date(2024, 2, 29))
    assert [await made.past.verify(10) for _ in range(3)] == [1, 1, 0]
    vendor.failing = SourceUnavailable("refused")
    clock.advance(7 * 86400)
    answer = await made.past.fetch(query, asking(clock))
    assert answer.data[A]["date"].to_list() == list(vendor.days(query.start, query.end))
    assert not answer.stale
    assert len(vendor.calls) == 3


async def test_other_datasets_and_today_alone_go_the_usual_way(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-15", "2024-03-15", A), asking(clock))
    assert spans(made, "one", A) == []
    assert (await made.past.fetch(bars("2024-03-15", "2024-03-15", A), asking(clock))).cached
    with pytest.raises(Exception, match="offers quotes"):
        await made.past.fetch(QuotesQuery(symbols=(A,)), asking(clock))


async def test_simulated_bars_are_never_archived(home, clock):
    class Invented(Vendor):
        simulated = True

    vendor = Invented("demo", clock)
    made = home(vendor)
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-15", A), asking(clock))
    assert answer.simulated
    assert made.archive.series() == []


async def test_intraday_bars_of_days_that_are_over_are_archived_and_todays_are_not(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    clock.advance(3600)
    for symbol in (A, FUTURE):
        query = bars("2024-03-13", "2024-03-15", symbol, period=Period.H1)
        frame = (await made.past.fetch(query, asking(clock))).data[symbol]
        assert frame.height == 9
        assert spans(made, "one", symbol, period="1h") == [("2024-03-13", "2024-03-14")]
        assert (await made.past.fetch(query, asking(clock))).data[symbol].equals(frame)
    assert len(vendor.calls) == 2


async def test_an_offline_house_answers_what_it_has_and_flags_what_it_lacks(home, clock):
    vendor = Vendor("one", clock)
    made = home(vendor)
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    made.archive.close()
    calls = len(vendor.calls)
    off = home(vendor, offline=True)
    whole = await off.past.fetch(bars("2024-03-05", "2024-03-12", A), asking(clock))
    origin = whole.provenance[A]
    assert (origin.cache, origin.stale, origin.reason) == ("history", False, "offline")
    part = await off.past.fetch(bars("2024-03-05", "2024-03-14", A), asking(clock))
    assert part.provenance[A].stale
    assert part.provenance[A].reason.startswith("offline: the archive of one has 2024-03-05 to")
    with pytest.raises(AllSourcesFailed, match="offline"):
        await off.past.fetch(bars("2024-03-05", "2024-03-14", B), asking(clock))
    assert len(vendor.calls) == calls


async def test_a_broken_archive_costs_nothing_but_its_help(home, clock, monkeypatch):
    vendor = Vendor("one", clock)
    made = home(vendor)

    def broken(*_args, **_terms):
        raise CacheError("the disk is full")

    query = bars("2024-03-04", "2024-03-15", A)
    monkeypatch.setattr(made.archive, "write", broken)
    assert (await made.past.fetch(query, asking(clock))).data[A].height == 10
    assert (await made.past.fetch(query, asking(clock))).data[A].height == 10
    assert len(vendor.calls) == 1, "the tiers kept what the archive could not"
    for name in ("covered", "read"):
        monkeypatch.setattr(made.archive, name, broken)
    clock.advance(100)
    assert (await made.past.fetch(query, asking(clock))).data[A].height == 10


async def test_what_was_cleared_between_look_and_read_is_fetched(home, clock, monkeypatch):
    vendor = Vendor("one", clock)
    made = home(vendor)
    query = bars("2024-03-04", "2024-03-14", A)
    await made.past.fetch(query, asking(clock))
    monkeypatch.setattr(made.archive, "read", lambda _wanted: {})
    assert (await made.past.fetch(query, asking(clock))).data[A].height == 9
    assert len(vendor.calls) == 2


async def test_a_hung_source_leaves_time_for_the_next(home, clock):
    one, two = Vendor("one", clock), Vendor("two", clock, price=50.0)
    made = home(one, two)
    await made.past.fetch(bars("2024-03-04", "2024-03-12", A), asking(clock))
    one.gate = asyncio.Event()
    ask = asking(clock, 2.0)
    answer = await made.past.fetch(bars("2024-03-04", "2024-03-14", A), ask)
    assert answer.provenance[A].source == "two"
    assert ask.deadline.remaining > 0.3, "half of the time was each one's"


async def test_factors_stay_one_stretch_that_grows_to_both_sides(home, clock):
    changes = {date(2019, 6, 3): 1.0, date(2021, 7, 5): 1.1, date(2024, 3, 7): 1.3}
    vendor = Vendor("one", clock, changes=changes)
    made = home(vendor)
    ask = asking(clock)
    first = await made.past.fetch(factors("2023-01-03", "2024-03-15", A), ask)
    assert dict(first.data[A].iter_rows()) == {date(2021, 7, 5): 1.1, date(2024, 3, 7): 1.3}
    assert spans(made, "one", A, "factors", "") == [("2021-07-05", "2024-03-14")]
    early = await made.past.fetch(factors("2018-01-02", "2024-03-15", A), ask)
    assert dict(early.data[A].iter_rows()) == changes
    assert spans(made, "one", A, "factors", "") == [("2018-01-02", "2024-03-14")]
    assert [call[1:] for call in vendor.calls[1:]] == [(date(2018, 1, 2), date(2021, 7, 5))]
    within = await made.past.fetch(factors("2022-01-04", "2024-03-15", A), ask)
    assert dict(within.data[A].iter_rows()) == {date(2021, 7, 5): 1.1, date(2024, 3, 7): 1.3}
    assert len(vendor.calls) == 2


async def test_factors_of_another_scale_are_brought_to_the_archived_one(home, clock):
    changes = {date(2021, 7, 5): 1.1, date(2024, 3, 7): 1.3}
    vendor = Vendor("one", clock, changes=changes)
    made = home(vendor)
    await made.past.fetch(factors("2022-01-04", "2024-03-15", A), asking(clock))
    vendor.scale = 7.0
    vendor.changes = {**changes, date(2024, 3, 20): 1.56}
    clock.advance(7 * 86400)
    answer = await made.past.fetch(factors("2022-01-04", "2024-03-22", A), asking(clock))
    assert vendor.calls[1:] == [((A,), date(2024, 3, 14), date(2024, 3, 22))]
    assert dates(answer.data[A]) == ["2021-07-05", "2024-03-07", "2024-03-20"]
    assert answer.data[A]["factor"].to_list() == pytest.approx([1.1, 1.3, 1.56], rel=1e-12)
    anew = await made.past.fetch(
        factors("2022-01-04", "2024-03-22", A), asking(clock, use_cache=False)
    )
    assert anew.data[A]["factor"][0] == pytest.approx(7.7)
    assert made.archive.revisions().rows == (), "another scale is no correction"
    vendor.changes[date(2024, 3, 7)] = 1.4
    await made.past.fetch(factors("2022-01-04", "2024-03-22", A), asking(clock, use_cache=False))
    assert {f"{r.label}" for r in made.archive.revisions().rows} == {"2024-03-07"}


async def test_deadlines_are_per_asker_not_per_flight(home, clock):
    vendor = Vendor("one", clock)
    vendor.gate = asyncio.Event()
    made = home(vendor)
    query = bars("2024-03-04", "2024-03-14", A)
    hasty = asyncio.create_task(made.past.fetch(query, asking(clock, 0.1)))
    patient = asyncio.create_task(made.past.fetch(query, asking(clock, 5.0)))
    with pytest.raises(Exception, match=r"deadline"):
        await hasty
    vendor.gate.set()
    assert (await patient).data


async def test_two_processes_that_miss_at_once_ask_once(home, clock):
    vendor = Vendor("one", clock)
    vendor.gate = asyncio.Event()
    tier = Lending(clock)
    memory = home(vendor).tiers.levels[0].cache
    both = [home(vendor, caches=[tier]), home(vendor, caches=[memory, tier])]
    for query in (
        bars("2024-03-04", "2024-03-14", A),
        bars("2024-02-26", "2024-03-15", A),
        bars("2024-03-11", "2024-03-15", B),
        factors("2024-02-26", "2024-03-15", A),
    ):
        vendor.calls.clear()
        vendor.gate.clear()
        asked = [made.past.fetch(query, asking(clock)) for made in both for _ in range(20)]
        waiting = asyncio.gather(*asked)
        await until(lambda: vendor.calls)
        await asyncio.sleep(0.05)
        vendor.gate.set()
        answers = await waiting
        frames = [next(iter(answer.data.values())) for answer in answers]
        assert all(frame.equals(frames[0]) for frame in frames)
        gaps = [call[1:] for call in vendor.calls]
        assert len(gaps) == len(set(gaps)), "each gap was asked for by one of them"


async def test_who_looked_before_others_landed_looks_again(home, clock, monkeypatch):
    vendor = Vendor("one", clock)
    vendor.gate = asyncio.Event()
    made = home(vendor)
    query = bars("2024-03-04", "2024-03-14", A)
    first = asyncio.create_task(made.past.fetch(query, asking(clock)))
    await until(lambda: vendor.calls)
    covered, looking, landed = made.archive.covered, threading.Event(), threading.Event()

    def slow(keys):
        found = covered(keys)
        if not looking.is_set():
            looking.set()
            landed.wait(5)
        return found

    monkeypatch.setattr(made.archive, "covered", slow)
    second = asyncio.create_task(made.past.fetch(query, asking(clock)))
    await until(looking.is_set)
    vendor.gate.set()
    frame = (await first).data[A]
    landed.set()
    assert (await second).data[A].equals(frame)
    assert len(vendor.calls) == 1

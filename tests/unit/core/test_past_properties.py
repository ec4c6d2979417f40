"""Random windows, clocks and failures: the archive never lies, and never asks twice."""

import asyncio
import shutil
import tempfile
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sources import symbols
from support.vendor import MovedClock, Vendor, asking, house

from argus_core import SHANGHAI, Adjust, Period, SourceTimeout, Symbol
from argus_core.errors import AllSourcesFailed
from argus_core.history.archive import SeriesKey
from argus_core.market import calendar
from argus_core.market.adjustment import adjust
from argus_core.market.calendar import session_dates
from argus_core.market.hours import last_trading_date, sealed_through
from argus_core.market.ranges import bars_query
from argus_core.model.query import FactorsQuery
from argus_core.tables import HistoryTable

TABLE = HistoryTable()
A, B = symbols("600519.SH", "000001.SZ")
BEGIN = date(2024, 2, 26)
OFFSETS = st.integers(-25, 45)
LATE = {0: timedelta(), 1: timedelta(hours=2), 2: timedelta(hours=26)}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from([(A,), (B,), (A, B)]), OFFSETS, OFFSETS),
        st.tuples(st.just("wait"), st.sampled_from([60, 1800, 5 * 3600, 26 * 3600, 4 * 86400])),
    ),
    min_size=2,
    max_size=14,
)


class Play:
    """A sequence of questions and waits, and what must hold after each."""

    def __init__(self, seed, vendors, folder):
        self.clock = MovedClock(f"{BEGIN} 10:00:00")
        late = {day: LATE[(day.toordinal() * seed) % 3] for day in days(-60, 120)}
        suspended = {day for day in late if (day.toordinal() + seed) % 11 == 0}
        self.vendors = {
            name: Vendor(name, self.clock, price=price, suspended=suspended, late=late.get)
            for name, price in vendors.items()
        }
        self.house = house(folder, self.clock, *self.vendors.values(), table=TABLE)

    async def ask(self, wanted, first, last, period=Period.D1, seconds=5.0):
        first, last = sorted((first, last))
        start, end = BEGIN + timedelta(days=first), BEGIN + timedelta(days=last)
        query = bars_query(wanted, period, start, end)
        answer = await self.house.past.fetch(query, asking(self.clock, seconds))
        for symbol, frame in answer.data.items():
            self.check_true(symbol, frame, answer.provenance[symbol])
            if not answer.provenance[symbol].stale:
                self.check_whole(symbol, frame, answer.provenance[symbol].source, start, end)
        return answer

    def check_true(self, symbol, frame, origin):
        """Every row is the named source's, of a day that it has told of."""
        vendor = self.vendors[origin.source]
        told = {day for each, _, day, _ in vendor.rows if each == symbol}
        assert set(frame["date"]) <= told
        for day, close in frame.select("date", "close").iter_rows():
            assert close == vendor.close_of(symbol, day), "spliced or wrong"
        assert all(a < b for a, b in pairwise(frame["date"]))

    def check_whole(self, symbol, frame, source, start, end):
        """No settled day that was published in time is left out."""
        sealed = sealed_through(symbol, self.clock.now(), TABLE.settle_hours)
        vendor = self.vendors[source]
        due = {
            day
            for day in vendor.days(start, min(end, sealed))
            if vendor.published(day) <= at_settling(day)
        }
        assert due <= set(frame["date"])

    def check_archive(self):
        """Nothing unsettled is sealed, and nothing sealed is false."""
        for key in self.house.archive.series():
            vendor = self.vendors[key.source]
            spans = self.house.archive.covered([key])[key]
            sealed = sealed_through(Symbol(key.symbol), self.clock.now(), TABLE.settle_hours)
            for first, last in spans:
                assert last <= sealed
                frame = self.house.archive.read({key: (first, last)})[key].frame
                traded = [d for d in days(-60, 120) if first <= d <= last]
                true = [d for d in traded if d not in vendor.suspended]
                assert frame["date"].to_list() == true
                assert frame["final"].all()

    def check_upstream(self):
        """No vendor was asked twice for a bar of a settled day."""
        for vendor in self.vendors.values():
            settled = [
                (symbol, day)
                for symbol, _, day, at in vendor.rows
                if sealed_through(symbol, at, TABLE.settle_hours) >= day
            ]
            assert len(settled) == len(set(settled))


def at_settling(day):
    return datetime(day.year, day.month, day.day, 15, tzinfo=SHANGHAI) + timedelta(
        hours=TABLE.settle_hours
    )


def days(first, last):
    return calendar.session_dates(BEGIN + timedelta(days=first), BEGIN + timedelta(days=last))


@pytest.fixture(autouse=True, scope="module")
def _calendar():
    calendar.preload()


def played(seed, vendors, play):
    """Run one play in an archive of its own."""
    folder = Path(tempfile.mkdtemp())

    async def run():
        stage = Play(seed, vendors, folder)
        try:
            await play(stage)
        finally:
            await stage.house.close()

    try:
        asyncio.run(run())
    finally:
        shutil.rmtree(folder)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(1, 10), steps=steps)
def test_one_source_is_never_asked_twice_and_the_answer_is_its_truth(seed, steps):
    async def play(stage):
        for step, *rest in steps:
            if step == "wait":
                stage.clock.advance(*rest)
            else:
                await stage.ask(*rest)
        stage.check_archive()
        stage.check_upstream()

    played(seed, {"one": 10.0}, play)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(1, 10), steps=steps, down=st.lists(st.sampled_from(["", "one", "two"])))
def test_series_of_two_failing_sources_are_never_spliced(seed, steps, down):
    async def play(stage):
        troubles = iter(down)
        for step, *rest in steps:
            broken = next(troubles, "")
            for name, vendor in stage.vendors.items():
                vendor.failing = SourceTimeout("nothing came") if name == broken else None
            stage.clock.advance(15)  # longer than a time-out is held against a source
            if step == "wait":
                stage.clock.advance(*rest)
                continue
            answer = await stage.ask(*rest)
            assert not answer.errors
            assert not answer.stale, "the other source was up"
        stage.check_archive()

    played(seed, {"one": 10.0, "two": 500.0}, play)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1, 10), steps=steps, fail=st.lists(st.booleans()))
def test_with_nobody_up_there_is_an_error_or_a_flagged_true_part(seed, steps, fail):
    async def play(stage):
        troubles = iter(fail)
        vendor = stage.vendors["one"]
        for step, *rest in steps:
            vendor.failing = SourceTimeout("nothing came") if next(troubles, False) else None
            stage.clock.advance(15)
            if step == "wait":
                stage.clock.advance(*rest)
                continue
            try:
                await stage.ask(*rest)
            except AllSourcesFailed:
                assert vendor.failing is not None
        stage.check_archive()

    played(seed, {"one": 10.0}, play)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(1, 5),
    asks=st.lists(
        st.tuples(st.integers(0, 1500), st.integers(0, 40), st.floats(0.1, 10)),
        min_size=1,
        max_size=8,
    ),
)
def test_factors_give_the_prices_of_the_vendor_whatever_its_scale(seed, asks):
    back = (BEGIN - timedelta(days=90 * n * seed) for n in range(7))
    changes = {traded(day): 3.0 / (n + 1) for n, day in enumerate(back)}
    changes[traded(BEGIN + timedelta(days=20))] = 5.0

    async def play(stage):
        vendor = stage.vendors["one"]
        vendor.changes = changes
        first = min(changes)
        for back, wait, scale in asks:
            vendor.scale = scale
            stage.clock.advance(wait * 86400)
            today = stage.clock.now().date()
            start = max(BEGIN - timedelta(days=back), first)
            query = FactorsQuery(symbols=(A,), start=start, end=today)
            answer = await stage.house.past.fetch(query, asking(stage.clock))
            table = answer.data[A]
            told = {day: f for day, f in changes.items() if day <= today}
            truth = pl.DataFrame({"date": list(told), "factor": list(told.values())}).sort("date")
            prices = bars_of(start, today)
            ours, _ = adjust(prices, table, Adjust.PRE)
            theirs, _ = adjust(prices, truth, Adjust.PRE)
            assert ours["close"].to_list() == pytest.approx(theirs["close"].to_list(), rel=1e-8)
        key = SeriesKey("factors", "", "one", A)
        spans = stage.house.archive.covered([key])[key]
        assert len(spans) <= 1
        assert stage.house.archive.revisions().rows == ()

    played(seed, {"one": 10.0}, play)


def traded(day):
    """The last trading date up to ``day``: nothing goes ex on another."""
    return last_trading_date(day)


def bars_of(start, end):
    """One price every trading day."""
    dates = pl.Series("date", session_dates(start, end), dtype=pl.Date)
    names = ("open", "high", "low", "close", "prev_close")
    return pl.DataFrame({"date": dates}).with_columns(pl.lit(10.0).alias(name) for name in names)

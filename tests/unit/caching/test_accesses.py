"""What was asked: remembered within bounds, counted by symbol, kept for some days."""

import asyncio
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock

from argus_core import (
    CalendarQuery,
    ChartPanelsQuery,
    DepthQuery,
    Exchange,
    Period,
    QuotesQuery,
    SectorsQuery,
    Symbol,
)
from argus_core.caching import asked as module
from argus_core.caching.accesses import Accesses
from argus_core.caching.asked import FILE, KEPT, Asked, Asking, Tally
from argus_core.caching.tiers import keys_of
from argus_core.model.query import BarsQuery

A, B, C = map(Symbol, ("600519.SH", "000001.SZ", "rb2410.SHFE"))
DAY = date(2024, 3, 15)


def bars(*symbols, period=Period.M1, days=1):
    start = DAY - timedelta(days=days)
    at = TestClock().now()
    return BarsQuery(symbols=symbols, period=period, start=start, end=DAY, since=at, until=at)


def noted(accesses, query, *missed):
    accesses.note(query, keys_of(query), {key: object() for key in query.keys if key not in missed})


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def accesses(clock):
    return Accesses(clock)


class TestAccesses:
    def test_an_access_tells_when_what_and_which_were_missing(self, accesses, clock):
        query = QuotesQuery(symbols=(A, B))
        noted(accesses, query)
        clock.advance(1.5)
        noted(accesses, query, B)
        texts = ("quotes:600519.SH", "quotes:000001.SZ")
        assert accesses.recent() == [
            (1000.0, texts, (), None),
            (1001.5, texts, ("quotes:000001.SZ",), query),
        ]

    @given(sizes=st.lists(st.integers(1, 30), max_size=80), bound=st.integers(30, 200))
    def test_what_is_remembered_is_the_end_and_within_the_bound(self, sizes, bound):
        accesses = Accesses(TestClock(), bound=bound)
        queries = [
            QuotesQuery(symbols=tuple(Symbol(f"{n:06d}.SZ") for n in range(size))) for size in sizes
        ]
        for query in queries:
            noted(accesses, query)
        kept = [texts for _, texts, _, _ in accesses.recent()]
        whole = [tuple(keys_of(query)) for query in queries]
        assert whole[len(whole) - len(kept) :] == kept
        assert sum(map(len, kept)) <= bound
        if len(kept) < len(whole):
            assert sum(map(len, kept)) + len(whole[-len(kept) - 1]) > bound
        counted = sum(symbols.total() for symbols in accesses.take().values())
        assert counted == sum(sizes), "what is forgotten was counted before"

    def test_counts_are_by_day_dataset_and_period(self, accesses):
        for _ in range(3):
            noted(accesses, QuotesQuery(symbols=(A, B)), A)
        noted(accesses, QuotesQuery(symbols=(A,)))
        noted(accesses, DepthQuery(symbols=(C,), levels=10))
        for days in range(1, 6):
            noted(accesses, bars(A, days=days))
        noted(accesses, bars(A, period=Period.D1))
        assert accesses.take() == {
            (DAY, "quotes", ""): Counter({A: 4, B: 3}),
            (DAY, "depth", ""): Counter({C: 1}),
            (DAY, "bars", "1m"): Counter({A: 5}),
            (DAY, "bars", "1d"): Counter({A: 1}),
        }
        assert accesses.take() == {}, "each is counted once"

    def test_only_symbols_are_counted(self, accesses):
        noted(accesses, CalendarQuery(exchanges=(Exchange.SH,), start=DAY, end=DAY))
        noted(accesses, SectorsQuery(sectors=("a:b", "沪深A股")))
        noted(accesses, ChartPanelsQuery(panels=("argus-1",), symbols=(A,), period=Period.D1))
        assert accesses.take() == {}
        assert len(accesses.recent()) == 3

    def test_what_was_asked_before_midnight_belongs_to_the_day_before(self):
        clock = TestClock("2024-03-15 23:59:30")
        accesses = Accesses(clock)
        noted(accesses, QuotesQuery(symbols=(A,)))
        clock.advance(60)
        noted(accesses, QuotesQuery(symbols=(B,)))
        assert accesses.take() == {
            (DAY, "quotes", ""): Counter({A: 1}),
            (DAY + timedelta(days=1), "quotes", ""): Counter({B: 1}),
        }

    def test_taken_counts_can_be_given_back(self, accesses):
        noted(accesses, QuotesQuery(symbols=(A,)))
        taken = accesses.take()
        noted(accesses, QuotesQuery(symbols=(A, B)))
        accesses.give_back(taken)
        assert accesses.take() == {(DAY, "quotes", ""): Counter({A: 2, B: 1})}

    def test_symbols_without_end_do_not_fill_the_memory(self, accesses, monkeypatch):
        monkeypatch.setattr("argus_core.caching.accesses.DISTINCT", 10)
        accesses.take()
        for n in range(25):
            noted(accesses, QuotesQuery(symbols=(A, Symbol(f"{n:06d}.SZ"))))
            if n % 5 == 4:
                accesses.recent()  # counts what was noted
        ((_, counts),) = accesses.take().items()
        assert len(counts) <= 10
        assert counts[A] == 25, "known ones are counted on"
        noted(accesses, QuotesQuery(symbols=(B,)))
        assert accesses.take() == {(DAY, "quotes", ""): Counter({B: 1})}


def counts(day=DAY, dataset="quotes", period="", **symbols):
    return {
        (day, dataset, period): Counter({name.replace("_", "."): n for name, n in symbols.items()})
    }


@pytest.fixture
def asked(tmp_path):
    return Asked(tmp_path / "data" / FILE)


class TestAsked:
    def test_nothing_is_known_and_no_file_made_before_anything_was_added(self, asked, tmp_path):
        assert asked.most_asked(DAY, 10) == []
        assert asked.last_day(DAY) is None
        assert asked.add({})
        assert not (tmp_path / "data").exists()

    def test_counts_add_up_and_come_the_most_asked_first(self, asked):
        assert asked.add(counts(a_SH=2, b_SZ=5))
        assert asked.add(counts(a_SH=4) | counts(dataset="bars", period="1d", a_SH=5))
        assert asked.most_asked(DAY, 10) == [
            Asking("quotes", "a.SH", None, 6),
            Asking("bars", "a.SH", "1d", 5),
            Asking("quotes", "b.SZ", None, 5),
        ]
        assert asked.most_asked(DAY, 1) == [("quotes", "a.SH", None, 6)]
        assert asked.most_asked(DAY, 0) == []
        assert asked.most_asked(DAY - timedelta(days=1), 10) == []

    def test_the_last_days_on_which_anything_was_asked_stay(self, asked):
        days = [DAY + timedelta(days=3 * n) for n in range(KEPT + 2)]
        for day in days:
            asked.add(counts(day, a_SH=1))
        assert [bool(asked.most_asked(day, 1)) for day in days] == [False] * 2 + [True] * KEPT
        assert asked.last_day(days[-1]) == days[-2]
        assert asked.last_day(days[-1] - timedelta(days=1)) == days[-2]
        assert asked.last_day(days[2]) is None

    def test_many_may_add_at_once(self, asked):
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda _: asked.add(counts(a_SH=1)), range(40)))
        assert all(done)
        assert asked.most_asked(DAY, 1) == [("quotes", "a.SH", None, 40)]

    def test_a_locked_file_costs_nothing_but_time(self, asked, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(module, "_PATIENCE", 0.01)
        asked.add(counts(a_SH=1))
        with closing(sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert not asked.add(counts(a_SH=1))
            assert asked.most_asked(DAY, 1) == []
        assert "locked" in caplog.text
        assert asked.most_asked(DAY, 1) == [("quotes", "a.SH", None, 1)]

    def test_a_damaged_file_is_begun_anew(self, asked, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / FILE).write_bytes(b"no database at all" * 100)
        assert asked.most_asked(DAY, 1) == []
        assert asked.add(counts(a_SH=1))
        assert asked.most_asked(DAY, 1) == [("quotes", "a.SH", None, 1)]

    def test_a_place_that_cannot_be_written_raises_nothing(self, tmp_path):
        (tmp_path / "data").write_text("a file")
        assert not Asked(tmp_path / "data" / FILE).add(counts(a_SH=1))


class TestTally:
    async def test_counts_are_written_each_minute_and_at_the_end(
        self, accesses, asked, monkeypatch
    ):
        monkeypatch.setattr(module, "MINUTE", 0.01)
        loop, written = asyncio.get_running_loop(), asyncio.Event()

        class Watched(Asked):
            def add(self, counts):
                done = super().add(counts)
                if counts:
                    loop.call_soon_threadsafe(written.set)
                return done

        tally = Tally(accesses, Watched(asked.path))
        tally.start()
        noted(accesses, QuotesQuery(symbols=(A,)))
        await asyncio.wait_for(written.wait(), 10)
        assert asked.most_asked(DAY, 1) == [("quotes", A, None, 1)]
        await tally.aclose()
        await tally.aclose()
        assert asked.most_asked(DAY, 1) == [("quotes", A, None, 1)]

    async def test_what_is_left_is_written_at_the_end(self, accesses, asked):
        tally = Tally(accesses, asked)
        tally.start()
        noted(accesses, QuotesQuery(symbols=(A,)))
        await tally.aclose()
        assert asked.most_asked(DAY, 1) == [("quotes", A, None, 1)]

    async def test_what_could_not_be_written_is_written_later(self, accesses, tmp_path):
        (tmp_path / "data").write_text("a file")
        asked = Asked(tmp_path / "data" / FILE)
        tally = Tally(accesses, asked)
        noted(accesses, QuotesQuery(symbols=(A,)))
        await tally.flush()
        (tmp_path / "data").unlink()
        noted(accesses, QuotesQuery(symbols=(A,)))
        await tally.flush()
        assert asked.most_asked(DAY, 1) == [("quotes", A, None, 2)]

"""The account of what a source's rows proved, kept by the node that asks it."""

from datetime import date, datetime, timedelta

import pytest
from support.clock import TestClock
from support.sources import node, symbols

from argus_core import (
    SHANGHAI,
    BadData,
    BarsQuery,
    Depth,
    DepthQuery,
    Instrument,
    InstrumentsQuery,
    Level,
    Period,
    Quote,
    QuotesQuery,
    Source,
    Units,
)
from argus_core.routing.evidence import FailedCheck, Proved
from argus_core.routing.node import Reply

A, B = symbols("600519.SH", "000001.SZ")
(INDEX,) = symbols("000300.SH")
DAYS = [date(2024, 3, 4) + timedelta(days=n) for n in range(5)]


def bar(symbol, day, **changes):
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    return {"symbol": symbol, "time": day, **prices, "volume": 100.0, "turnover": 1000.0, **changes}


class Vendor(Source):
    def __init__(self, clock):
        super().__init__("vendor", None, clock)
        self.rows = []

    def bars(self, query):
        return self.rows

    async def quotes(self, query):
        return self.rows

    async def depth(self, query):
        return self.rows

    def instruments(self, query):
        return self.rows


@pytest.fixture
def vendor():
    return Vendor(TestClock("2024-03-15 16:00:00"))


async def ask(subject, query, rows):
    subject.source.rows = rows
    await subject.ask(query, Reply())
    return subject.evidence


def bars(*asked):
    at = datetime(2024, 3, 4, tzinfo=SHANGHAI)
    return BarsQuery(
        symbols=asked,
        period=Period.D1,
        start=DAYS[0],
        end=DAYS[-1],
        since=at,
        until=at + timedelta(days=5),
    )


async def test_bars_are_counted_as_their_proof_judged_them(vendor):
    rows = [bar(A, day) for day in DAYS[:3]]
    rows += [bar(A, DAYS[3], turnover=1300.0), bar(A, DAYS[4], turnover=None)]
    rows += [bar(INDEX, day) for day in DAYS[:2]]
    subject = node(vendor)
    evidence = await ask(subject, bars(A), rows[:5])
    assert evidence.rows == {"bars:1d": Proved(proved=3, off=1, unproved=1)}
    await ask(subject, bars(INDEX), rows[5:])
    assert evidence.rows == {"bars:1d": Proved(proved=3, off=1, unproved=3)}
    assert evidence.failed == {}


async def test_inferred_units_are_counted(vendor):
    vendor.units = (Units(volume=None),)
    rows = [bar(A, day, volume=1.0) for day in DAYS]
    evidence = await ask(node(vendor), bars(A), rows)
    assert evidence.rows["bars:1d"].inferred == 1


async def test_quotes_and_books_prove_themselves_where_they_have_what_it_takes(vendor):
    full = Quote(symbol=A, price=10.0, low=9.9, high=10.1, volume=100.0, turnover=1000.0)
    bare = Quote(symbol=B, price=10.0, volume=100.0)
    subject = node(vendor)
    evidence = await ask(subject, QuotesQuery(symbols=(A, B)), [full, bare])
    await ask(subject, DepthQuery(symbols=(A,)), [Depth(quote=full)])
    assert evidence.rows == {"quotes": Proved(proved=1, unproved=1), "depth": Proved(proved=1)}


async def test_what_has_no_units_is_not_counted(vendor):
    evidence = await ask(node(vendor), InstrumentsQuery(symbols=(A,)), [Instrument(symbol=A)])
    assert evidence.rows == {}
    assert list(evidence.fresh) == ["instruments"]


async def test_failed_checks_by_kind_and_the_last_of_them(vendor):
    subject = node(vendor)
    evidence = subject.evidence
    await ask(subject, bars(A), [bar(A, DAYS[0]), bar(A, DAYS[1], volume=1.0)])
    assert evidence.failed == {"disproved": 1}
    last = evidence.last_failure
    assert (last.at, last.dataset, last.key) == (vendor.clock.now(), "bars:1d", A)
    assert "turnover 1000.0 ÷ volume 1.0 = 1000 lies outside [10.0, 10.0]" in last.reason
    await ask(subject, QuotesQuery(symbols=(B,)), [Quote(symbol=B, volume=7.0)])
    crossed = Depth(
        quote=Quote(symbol=B, price=10.0, open=10.0),
        bids=(Level(10.2, 100.0),),
        asks=(Level(10.1, 100.0),),
    )
    vendor.clock.advance(-5 * 3600)
    await ask(subject, DepthQuery(symbols=(B,)), [crossed])
    await ask(subject, InstrumentsQuery(symbols=(A,)), None)
    assert evidence.failed == {
        "disproved": 1,
        "bad_data": 1,
        "crossed_book": 1,
        "unreadable": 1,
    }
    assert evidence.last_failure == FailedCheck(
        at=vendor.clock.now(),
        dataset="instruments",
        key=None,
        check="unreadable",
        reason="vendor answered None to instruments",
    )
    assert evidence.rows == {}


async def test_the_vendors_own_word_that_its_answer_is_bad_counts(vendor):
    class Honest(Vendor):
        def bars(self, query):
            raise BadData("the page was cut")

    evidence = await ask(node(Honest(vendor.clock)), bars(A), [])
    assert evidence.failed == {"unreadable": 1}


async def test_freshness_keeps_the_newest_instant_and_the_last_success(vendor):
    subject, clock = node(vendor), vendor.clock
    evidence = await ask(subject, bars(A), [bar(A, day) for day in DAYS])
    newest = datetime(2024, 3, 8, tzinfo=SHANGHAI)
    assert (evidence.fresh["bars:1d"].as_of, evidence.fresh["bars:1d"].at) == (newest, clock.now())
    clock.advance(60)
    await ask(subject, bars(A), [bar(A, DAYS[0])])
    assert (evidence.fresh["bars:1d"].as_of, evidence.fresh["bars:1d"].at) == (newest, clock.now())
    clock.advance(60)
    await ask(subject, bars(A), [bar(A, DAYS[0], volume=1.0)])
    assert evidence.fresh["bars:1d"].at == clock.now() - timedelta(seconds=60), "no success"

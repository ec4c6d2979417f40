"""A source's reply, dataset by dataset: read, kept to what was asked, or refused with a reason."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import symbols

from argus_core import (
    SHANGHAI,
    BadData,
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    Instrument,
    InstrumentsQuery,
    Kind,
    Level,
    ListingsQuery,
    MainContractsQuery,
    Period,
    Quote,
    QuotesQuery,
    SectorsQuery,
    Source,
    Symbol,
    TicksQuery,
    TradingDays,
    Units,
)
from argus_core.extend.source import DATASETS
from argus_core.market.normalise import Reading, normalise

A, B, STRANGER = symbols("600519.SH", "510300.SH", "000001.SZ")
MON, TUE, WED = date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 13)
NOW = datetime(2024, 3, 15, 16, 0, tzinfo=SHANGHAI)
PRICES = {"open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0}

QUERIES = {
    "quotes": QuotesQuery(symbols=(A, B)),
    "depth": DepthQuery(symbols=(A, B)),
    "bars": BarsQuery(symbols=(A, B), period=Period.D1, start=MON, end=TUE, since=NOW, until=NOW),
    "factors": FactorsQuery(symbols=(A, B), start=MON, end=TUE),
    "instruments": InstrumentsQuery(symbols=(A, B)),
    "listings": ListingsQuery(exchanges=(Exchange.SH,)),
    "calendar": CalendarQuery(exchanges=(Exchange.SH,), start=MON, end=TUE),
    "sectors": SectorsQuery(sectors=("银行",)),
    "ticks": TicksQuery(symbols=(A, B), start=MON, end=TUE, since=NOW, until=NOW),
    "main_contracts": MainContractsQuery(symbols=(Symbol("rb88.SHFE"),), day=MON),
    "chart_panels": ChartPanelsQuery(panels=("mine",), symbols=(A,), period=Period.D1),
}


def source(*units, timezone="Asia/Shanghai", bar_label="end"):
    made = Source("vendor", None, TestClock())
    made.units = units
    made.timezone = timezone
    made.bar_label = bar_label
    return made


def read(dataset, reply, subject=None, **changes):
    query = QUERIES[dataset]
    for name, value in changes.items():
        query = type(query)(**{f: getattr(query, f) for f in query.__slots__} | {name: value})
    return normalise(query, reply, subject or source(), NOW)


def test_every_dataset_has_a_reader():
    assert set(QUERIES) == set(DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_none_is_no_answer(dataset):
    with pytest.raises(BadData) as caught:
        read(dataset, None)
    assert caught.value.message == f"vendor answered None to {dataset}"


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_cannot_be_read_is_named_by_its_kind_and_not_quoted(dataset):
    class Odd:
        """Raises at every touch, with a secret in the text."""

        def __getattr__(self, name):
            raise AttributeError("hunter22")

        def __iter__(self):
            raise KeyError("hunter22")

    with pytest.raises(BadData) as caught:
        read(dataset, Odd())
    assert "hunter22" not in caught.value.message
    if dataset not in ("bars", "factors", "ticks"):
        expected = f"vendor answered {dataset} in a form that cannot be read: "
        assert caught.value.message.startswith(expected)
        assert type(caught.value.__cause__).__name__ in caught.value.message


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_empty_answer_is_an_answer_without_values(dataset):
    mappings = ("listings", "calendar", "sectors", "main_contracts", "chart_panels")
    empty = {} if dataset in mappings else []
    assert read(dataset, empty) == Reading(values={}, faults={})


@pytest.mark.parametrize(
    ("dataset", "reply", "kind"),
    [
        ("quotes", [Instrument(symbol=A)], "Instrument"),
        ("depth", [Quote(symbol=A)], "Quote"),
        ("instruments", [Quote(symbol=A)], "Quote"),
        ("calendar", {Exchange.SH: [MON]}, "list"),
    ],
)
def test_the_wrong_record_is_refused_by_its_name(dataset, reply, kind):
    with pytest.raises(BadData) as caught:
        read(dataset, reply)
    assert caught.value.message == f"vendor answered {dataset} with {kind}"


class TestQuotes:
    def test_asked_ones_are_scaled_by_the_first_rule_that_covers_them(self):
        subject = source(
            Units(volume=7.0, datasets=frozenset({"depth", "bars"})),
            Units(volume=100.0, kinds=frozenset({Kind.STOCK})),
            Units(volume=1000.0, turnover=10.0),
        )
        reply = [Quote(symbol=s, price=10.0, volume=1.0) for s in (A, STRANGER, B)]
        found = read("quotes", reply, subject)
        assert {s: q.volume for s, q in found.values.items()} == {A: 100.0, B: 1000.0}
        assert found.faults == {}

    def test_a_rule_about_its_dataset_covers_it(self):
        subject = source(Units(volume=100.0, datasets=frozenset({"quotes"})))
        found = read("quotes", [Quote(symbol=A, price=10.0, volume=3.0)], subject)
        assert found.values[A].volume == 300.0

    def test_without_a_rule_the_numbers_are_shares_and_yuan(self):
        subject = source(Units(volume=7.0, datasets=frozenset({"depth"})))
        found = read("quotes", [Quote(symbol=A, price=10.0, volume=3.0)], subject)
        assert found.values[A].volume == 3.0

    def test_a_rule_about_a_period_covers_quotes_too(self):
        subject = source(Units(volume=100.0, periods=frozenset({Period.M1})))
        found = read("quotes", [Quote(symbol=A, price=10.0, volume=3.0)], subject)
        assert found.values[A].volume == 300.0

    def test_times_without_a_zone_are_the_sources(self):
        quote = Quote(symbol=A, price=10.0, as_of=datetime(2024, 3, 15, 2, 0))  # noqa: DTZ001
        found = read("quotes", [quote], source(timezone="UTC"))
        assert found.values[A].as_of == datetime(2024, 3, 15, 2, 0, tzinfo=UTC)

    def test_what_cannot_be_true_is_a_fault_of_its_key_alone(self):
        good, bad = Quote(symbol=A, price=10.0), Quote(symbol=B, price=10.0, volume=-1.0)
        found = read("quotes", [bad, good])
        assert set(found.values) == {A}
        assert found.faults == {B: "the volume -1.0 is negative"}

    def test_any_iterable_will_do(self):
        assert set(read("quotes", (Quote(symbol=s, price=5.0) for s in (A, B))).values) == {A, B}

    def test_what_says_nothing_is_no_answer(self):
        found = read("quotes", [Quote(symbol=A, name="贵州茅台"), Quote(symbol=B, prev_close=1.0)])
        assert set(found.values) == {B}
        assert found.faults == {}

    def test_one_sent_twice_is_one_and_two_that_differ_are_a_fault(self):
        one, other = Quote(symbol=A, price=10.0), Quote(symbol=A, price=99.0)
        same = read("quotes", [one, Quote(symbol=B, price=1.0), Quote(symbol=A, price=10.0)])
        assert set(same.values) == {A, B}
        for reply in ([one, other], [one, other, one], [other, one]):
            found = read("quotes", [Quote(symbol=B, price=1.0), *reply])
            assert set(found.values) == {B}
            assert found.faults == {A: "the answer holds two different quotes of it"}

    def test_a_false_one_is_not_saved_by_a_second(self):
        pair = [Quote(symbol=A, price=10.0), Quote(symbol=A, price=10.0, volume=-1.0)]
        for reply in (pair, pair[::-1]):
            found = read("quotes", reply)
            assert (found.values, set(found.faults)) == ({}, {A})

    def test_fields_of_other_types_are_mended_and_symbols_become_symbols(self):
        quote = Quote(symbol=str(A), price=Decimal("10.5"), volume=3)
        found = read("quotes", [quote]).values[A]
        assert [type(v) for v in (found.symbol, found.price, found.volume)] == [
            Symbol,
            float,
            float,
        ]

    def test_a_field_of_no_use_is_named_with_dataset_and_type(self):
        with pytest.raises(BadData) as caught:
            read("quotes", [Quote(symbol=A, price="hunter22")])
        expected = "vendor answered quotes with a 'price' of type str that cannot be read"
        assert caught.value.message == expected


class TestDepth:
    def test_books_are_cut_to_the_levels_asked_for(self):
        levels = tuple(Level(9.0 - n, 1.0) for n in range(8))
        reply = [Depth(quote=Quote(symbol=A, price=10.0), bids=levels[::-1])]
        assert read("depth", reply).values[A].bids == levels[:5]
        assert read("depth", reply, levels=3).values[A].bids == levels[:3]

    def test_a_crossed_one_and_two_that_differ_are_faults(self):
        quote = Quote(symbol=A, price=10.0, open=10.0, as_of=NOW)
        crossed = Depth(quote=quote, bids=(Level(10.1, 1.0),), asks=(Level(10.0, 1.0),))
        assert "crossed" in read("depth", [crossed]).faults[A]
        plain = Depth(quote=quote)
        other = Depth(quote=quote, bids=(Level(9.9, 1.0),))
        assert set(read("depth", [plain, plain]).values) == {A}
        assert read("depth", [plain, other]).faults == {
            A: "the answer holds two different depth of it"
        }

    def test_a_book_of_something_else_is_refused(self):
        with pytest.raises(BadData, match="'bids' of type tuple"):
            read("depth", [Depth(quote=Quote(symbol=A, price=1.0), bids=((9.9, 1.0),))])

    def test_books_are_scaled_and_dated(self):
        at = datetime(2024, 3, 15, 2, 0)  # noqa: DTZ001
        book = Depth(quote=Quote(symbol=A, price=10.0, as_of=at), bids=(Level(9.9, 3.0),))
        stray = Depth(quote=Quote(symbol=STRANGER, price=10.0))
        subject = source(
            Units(volume=7.0, datasets=frozenset({"quotes"})), Units(volume=100.0), timezone="UTC"
        )
        found = read("depth", [book, stray], subject)
        assert set(found.values) == {A}
        assert found.values[A].bids == (Level(9.9, 300.0),)
        assert found.values[A].quote.as_of == at.replace(tzinfo=UTC)

    def test_a_false_quote_condemns_its_book(self):
        found = read("depth", [Depth(quote=Quote(symbol=A, volume=5.0))])
        assert found.values == {}
        assert set(found.faults) == {A}


def bar(symbol, time, **more):
    return {"symbol": symbol, "time": time, **PRICES, "volume": 1.0, "turnover": 1000.0, **more}


class TestBars:
    def test_the_sources_facts_are_applied(self):
        subject = source(
            Units(volume=7.0, periods=frozenset({Period.M1})),
            Units(volume=100.0, kinds=frozenset({Kind.STOCK})),
        )
        found = read("bars", [bar(A, MON), bar(A, TUE), bar(A, WED)], subject)
        assert found.values[A]["volume"].to_list() == [100.0, 100.0]
        assert found.values[A]["date"].to_list() == [MON, TUE]
        assert found.faults == {}
        assert any("outside the range" in step for step in found.steps)

    def test_labels_and_zone_are_the_sources(self):
        subject = source(Units(volume=100.0), timezone="UTC", bar_label="start")
        minute = bar(A, "2024-03-11 01:30:00")
        found = read("bars", [minute], subject, period=Period.M1)
        assert found.values[A]["time"].to_list() == [datetime(2024, 3, 11, 9, 31, tzinfo=SHANGHAI)]

    def test_a_bar_is_final_once_its_session_is_over_now(self):
        query = QUERIES["bars"]
        at = datetime(2024, 3, 11, 14, 0, tzinfo=SHANGHAI)
        reply = [bar(A, MON)]
        subject = source(Units(volume=100.0))
        assert normalise(query, reply, subject, at).values[A]["final"].to_list() == [False]
        assert read("bars", reply, subject).values[A]["final"].to_list() == [True]

    def test_a_false_series_is_a_fault_and_the_others_stand(self):
        reply = [bar(A, MON), bar(B, MON, turnover=99.0)]
        found = read("bars", reply, source(Units(volume=100.0)))
        assert set(found.values) == {A}
        assert set(found.faults) == {B}


class TestFactors:
    def rows(self, *rows):
        return [{"symbol": s, "date": d, "factor": f} for s, d, f in rows]

    def test_each_symbol_gets_its_series_in_order_of_date(self):
        found = read(
            "factors",
            self.rows((A, TUE, 2.0), (B, MON, 3.0), (STRANGER, MON, 9.0), (A, MON, 1.0)),
        )
        assert {s: f.rows() for s, f in found.values.items()} == {
            A: [(MON, 1.0), (TUE, 2.0)],
            B: [(MON, 3.0)],
        }
        assert found.values[A].columns == ["date", "factor"]
        assert found.faults == {}

    def test_the_factor_in_force_before_the_range_is_kept(self):
        before = date(2001, 8, 27)
        found = read("factors", self.rows((A, before, 1.0)))
        assert found.values[A].rows() == [(before, 1.0)]

    def test_a_row_sent_twice_counts_once(self):
        found = read("factors", self.rows((A, MON, 1.5), (A, MON, 1.5)))
        assert found.values[A].rows() == [(MON, 1.5)]

    def test_two_different_factors_of_one_day_are_a_fault_of_their_symbol(self):
        rows = [(A, MON, 1.0), (A, TUE, 2.0), (A, TUE, 4.0), (B, TUE, 2.0)]
        for mixed in (rows, rows[::-1]):
            found = read("factors", self.rows(*mixed))
            assert set(found.values) == {B}
            assert found.faults == {A: "two different factors carry the date 2024-03-12"}

    @pytest.mark.parametrize("factor", [None, float("nan"), 0.0, -1.0])
    def test_what_cannot_be_a_factor_is_a_fault_of_its_symbol(self, factor):
        found = read("factors", self.rows((A, MON, 1.0), (A, TUE, factor), (B, MON, 1.0)))
        assert set(found.values) == {B}
        assert found.faults == {A: "an adjustment factor is missing or not positive"}

    def test_a_small_factor_is_a_factor(self):
        assert set(read("factors", self.rows((A, MON, 1e-6))).values) == {A}

    def test_a_table_will_do_and_a_wrong_one_will_not(self):
        table = pl.DataFrame({"symbol": [A], "date": ["20240311"], "factor": [1]})
        assert read("factors", table).values[A].rows() == [(MON, 1.0)]
        with pytest.raises(BadData, match="factor"):
            read("factors", table.drop("factor"))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([A, B, STRANGER]),
                st.dates(date(2020, 1, 1), date(2020, 1, 9)),
                st.floats(0.01, 9, allow_nan=False),
            ),
            unique_by=lambda row: row[:2],
        )
    )
    def test_every_asked_row_comes_back_once_and_sorted(self, rows):
        found = read("factors", self.rows(*rows))
        for symbol in (A, B):
            mine = sorted((d, f) for s, d, f in rows if s == symbol)
            assert found.values.get(symbol, pl.DataFrame()).rows() == mine
        assert STRANGER not in found.values


class TestTables:
    def test_instruments_are_kept_to_those_asked_for(self):
        known = Instrument(symbol=A, name="贵州茅台")
        found = read("instruments", [known, Instrument(symbol=STRANGER)])
        assert found.values == {A: known}

    def test_listings_are_tuples_and_an_empty_one_is_no_answer(self):
        row = Instrument(symbol=A)
        found = read("listings", {Exchange.SH: iter([row]), Exchange.SZ: [row]})
        assert found.values == {"SH": (row,)}
        assert read("listings", {Exchange.SH: []}).values == {}

    def test_sectors_keep_the_vendors_members(self):
        found = read("sectors", {"银行": [A, B], "保险": [A]})
        assert found.values == {"银行": (A, B)}
        assert all(isinstance(member, Symbol) for member in found.values["银行"])
        assert read("sectors", {"银行": ()}).values == {}

    def test_members_become_symbols_and_what_is_none_is_refused(self):
        found = read("sectors", {"银行": ["600000.SH", B]})
        assert [type(member) for member in found.values["银行"]] == [Symbol, Symbol]
        for members, kind in (("600000.SH", "str"), (["600000"], "str"), ([600000], "int")):
            with pytest.raises(BadData, match=f"of type {kind} that cannot be read") as caught:
                read("sectors", {"银行": members})
            assert "600000" not in caught.value.message

    def test_tables_are_mended_field_by_field(self):
        odd = Instrument(symbol=A, pe_ratio=float("nan"), list_date="20010827")
        good = Instrument(symbol=A, list_date=date(2001, 8, 27))
        assert read("instruments", [odd]).values == {A: good}
        assert read("listings", {"SH": [odd]}).values == {"SH": (good,)}
        with pytest.raises(BadData, match="listings with str"):
            read("listings", {"SH": "600519.SH"})
        with pytest.raises(BadData, match="listings with a 'symbol' of type str"):
            read("listings", {"SH": [Instrument(symbol="sh600519")]})


class TestCalendar:
    def days(self, *dates, through=date(2024, 12, 31), exchange=Exchange.SH):
        return {exchange: TradingDays(dates=dates, known_through=through)}

    def test_dates_are_those_of_the_range_sorted_once_each(self):
        found = read("calendar", self.days(WED, TUE, MON, TUE, date(2024, 3, 8)))
        (days,) = found.values.values()
        assert days.dates == (MON, TUE)
        assert days.known_through == date(2024, 12, 31)
        assert list(found.values) == ["SH"]

    def test_dates_of_other_types_become_dates(self):
        at = datetime(2024, 3, 11, 17, tzinfo=UTC)
        found = read("calendar", self.days(at, "20240311", through="2024-12-31")).values["SH"]
        assert found == TradingDays(dates=(MON, TUE), known_through=date(2024, 12, 31))
        assert {type(day) for day in found.dates} == {date}
        for days, name in (((20240311,), "dates"), ((None,), "dates"), ("20240311", "dates")):
            reply = {"SH": TradingDays(dates=days, known_through=TUE)}
            with pytest.raises(BadData, match=f"vendor answered calendar with a '{name}'"):
                read("calendar", reply)

    def test_a_range_without_a_session_is_an_answer(self):
        assert read("calendar", self.days(WED)).values["SH"].dates == ()

    def test_what_reaches_not_far_enough_is_no_answer(self):
        assert set(read("calendar", self.days(MON, TUE, through=TUE)).values) == {"SH"}
        assert read("calendar", self.days(MON, through=MON)).values == {}

    def test_an_exchange_that_was_not_asked_for_is_left_out(self):
        assert read("calendar", self.days(MON, exchange=Exchange.SZ)).values == {}

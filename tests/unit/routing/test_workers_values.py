"""What crosses between the gateway and a worker arrives equal, or is refused in plain words."""

import dataclasses
import io
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hanging import Hanging, HangingSettings
from support.workers import publish, worker

from argus_core import (
    SHANGHAI,
    BadData,
    BarsQuery,
    CalendarQuery,
    ChartPanelsQuery,
    Clock,
    Depth,
    DepthQuery,
    Exchange,
    FactorsQuery,
    Gap,
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
    Symbol,
    TicksQuery,
    Trade,
    TradingDays,
)
from argus_core.extend.source import DATASETS, Source
from argus_core.market.normalise import Reading, normalise
from argus_core.routing.workers import wire
from argus_core.routing.workers.forms import form_of
from argus_core.routing.workers.isolated import Isolated
from argus_core.routing.workers.replies import SCHEMAS, argument_form, packed, unpacked

A, B = Symbol("600519.SH"), Symbol("000001.SZ")
DAY, NOON = date(2024, 3, 15), datetime(2024, 3, 15, 12, tzinfo=SHANGHAI)
SPAN = {"start": DAY, "end": DAY, "since": NOON, "until": NOON}
QUERIES = (
    QuotesQuery(symbols=(A, B)),
    DepthQuery(symbols=(A,), levels=5),
    BarsQuery(symbols=(A, B), period=Period.D1, **SPAN),
    FactorsQuery(symbols=(A,), start=DAY, end=DAY),
    InstrumentsQuery(symbols=(A, B)),
    ListingsQuery(exchanges=(Exchange.SH,)),
    CalendarQuery(exchanges=(Exchange.SH, Exchange.SZ), start=DAY, end=DAY),
    SectorsQuery(sectors=("沪深A股",)),
    TicksQuery(symbols=(A,), **SPAN),
    MainContractsQuery(symbols=(Symbol("rb88.SHFE"),), day=DAY),
    ChartPanelsQuery(panels=("p",), symbols=(A,), period=Period.M1),
)


def over_the_wire(value: Any, body: bytes = b"") -> tuple[Any, bytes]:
    frame = wire.read(io.BytesIO(wire.encoded(wire.Frame({"v": value}, body))))
    return frame.head["v"], frame.body


def travelled(query, reply):
    return unpacked(query.dataset, *over_the_wire(*packed(query, reply, "h")))


def plain(value):
    """The value as texts, in which NaN equals NaN and 1 differs from 1.0 and from True."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        inner = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value).__name__, inner
    if isinstance(value, pl.DataFrame):
        value = value.schema, value.rows()
    elif isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC).replace(fold=0)
    elif isinstance(value, datetime | time):
        value = value.replace(fold=0)  # without a zone it says nothing
    return repr(value)


ZONES = st.sampled_from(
    [None, SHANGHAI, UTC, ZoneInfo("America/New_York"), timezone(timedelta(hours=9))]
)
INSTANTS = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - the strategy adds the zones
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=ZONES,
    allow_imaginary=False,
)
DATES = st.dates(date(1900, 1, 1))
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
NUMBERS = st.none() | FLOATS
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
CODES = st.sampled_from([A, B, Symbol("CF2501.CZCE")])
QUOTES = st.builds(
    Quote,
    symbol=CODES,
    as_of=st.none() | INSTANTS,
    name=TEXTS,
    **dict.fromkeys(("price", "open", "high", "low", "prev_close", "volume", "turnover"), NUMBERS),
    **dict.fromkeys(("change", "change_pct"), NUMBERS),
)
LEVELS = st.lists(st.builds(Level, FLOATS, FLOATS), max_size=3).map(tuple)
TRADES = st.builds(Trade, price=FLOATS, volume=FLOATS, time=INSTANTS, direction=TEXTS)
RECORDS = {
    Quote: QUOTES,
    Depth: st.builds(
        Depth,
        quote=QUOTES,
        bids=LEVELS,
        asks=LEVELS,
        trades=st.none() | st.lists(TRADES, max_size=3).map(tuple),
    ),
    Gap: st.builds(
        Gap,
        symbols=st.lists(CODES, max_size=3).map(tuple),
        reason=TEXTS.map(str),
        since=st.none() | INSTANTS,
    ),
    Instrument: st.builds(
        Instrument,
        symbol=CODES,
        name=TEXTS,
        kind=st.sampled_from(Kind),
        list_date=st.none() | DATES,
        total_shares=NUMBERS,
        lot_size=NUMBERS,
        former_symbols=st.lists(CODES, max_size=3).map(tuple),
    ),
    TradingDays: st.builds(
        TradingDays, dates=st.lists(DATES, max_size=3).map(tuple), known_through=DATES
    ),
}


class TestRecords:
    @pytest.mark.parametrize("kind", RECORDS)
    @settings(max_examples=60)
    @given(data=st.data())
    def test_arrive_equal(self, kind, data):
        record = data.draw(RECORDS[kind])
        form = form_of(kind)
        sent, _ = over_the_wire(form.encode(record))
        arrived = form.decode(sent)
        assert plain(arrived) == plain(record)

    def test_an_aware_instant_comes_in_the_zone_object_of_the_core(self):
        form = form_of(datetime)
        arrived = form.decode(form.encode(datetime(2024, 3, 15, 1, 30, tzinfo=UTC)))
        assert arrived.tzinfo is SHANGHAI
        assert arrived.hour == 9
        assert form.decode(form.encode(NOON.replace(tzinfo=None))).tzinfo is None

    @settings(max_examples=60)
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | FLOATS
            | TEXTS
            | INSTANTS
            | DATES
            | st.times(),
            lambda inner: st.lists(inner) | st.dictionaries(TEXTS.map(str), inner),
            max_leaves=8,
        )
    )
    def test_whatever_stands_in_a_table_of_toml_arrives(self, value):
        form = form_of(Any)
        assert plain(form.decode(over_the_wire(form.encode(value))[0])) == plain(value)

    @pytest.mark.parametrize("hint", [bytes, object, int | str])
    def test_a_type_without_a_form_is_refused(self, hint):
        with pytest.raises((TypeError, ValueError)):
            form_of(hint)

    def test_half_a_frame_is_an_end(self):
        data = wire.encoded(wire.Frame({"a": 1}, b"body"))
        for length in range(len(data)):
            assert wire.read(io.BytesIO(data[:length])) is None


class TestQueries:
    @pytest.mark.parametrize("query", QUERIES, ids=lambda q: q.dataset)
    def test_arrive_equal(self, query):
        form = argument_form(query.dataset)
        arrived = form.decode(over_the_wire(form.encode(query))[0])
        assert arrived == query
        assert type(arrived) is type(query)
        assert all(type(a) is type(b) for a, b in zip(arrived.keys, query.keys, strict=True))

    def test_every_dataset_crosses(self):
        assert {query.dataset for query in QUERIES} == set(DATASETS)
        for name in DATASETS:
            assert getattr(Isolated, name) is not getattr(Source, name)


class TestReplies:
    """The misbehaving source's answers, asked here and through a real worker."""

    @pytest.fixture
    def here(self):
        return Hanging("h", HangingSettings(tame=True), Clock())

    @staticmethod
    def readable(reply):
        if hasattr(reply, "__next__"):
            return list(reply)
        return (
            {k: list(v) if isinstance(v, set) else v for k, v in reply.items()}
            if isinstance(reply, dict)
            else reply
        )

    async def test_a_worker_answers_what_the_source_itself_answers(
        self, here, tmp_path, monkeypatch
    ):
        publish(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        there = worker(tame=True)
        await there.open()
        try:
            for query in QUERIES:
                near = getattr(here, query.dataset)(query)
                near = self.readable(await near if query.dataset == "depth" else near)
                far = await getattr(there, query.dataset)(query)
                assert far is not None
                if query.dataset in {"main_contracts", "chart_panels"}:
                    assert far == near
                    continue
                if query.dataset == "quotes":
                    near = [dataclasses.replace(quote, name=far[0].name) for quote in near]
                mine, theirs = (normalise(query, r, here, NOON) for r in (near, far))
                assert plain(theirs) == plain(mine)
                assert plain(theirs) != plain(Reading(values={})), query.dataset
                if query.dataset not in {*SCHEMAS, "listings"}:
                    assert plain(far) == plain(near)
        finally:
            await there.close()

    def test_vendors_types_arrive_as_the_declared_ones(self):
        quote = Quote(
            symbol=np.str_("600519.SH"), price=np.float64(1.5), as_of=pd.Timestamp(NOON), open=pd.NA
        )
        (arrived,) = travelled(QUERIES[0], [quote])
        assert plain(arrived) == plain(Quote(symbol=A, price=1.5, as_of=NOON))
        assert type(arrived.symbol) is Symbol

    def test_nan_is_not_lost_and_none_not_found(self):
        quote = Quote(symbol=A, price=math.nan, open=math.inf, high=-math.inf, low=None)
        (arrived,) = travelled(QUERIES[0], [quote])
        assert math.isnan(arrived.price)
        assert (arrived.open, arrived.high, arrived.low) == (math.inf, -math.inf, None)

    def test_nothing_is_nothing(self):
        for query in QUERIES:
            assert travelled(query, None) is None
        assert travelled(QUERIES[0], []) == []
        assert travelled(QUERIES[2], []).height == 0

    def test_strangers_stay_behind_but_for_one_if_there_is_nobody_else(self):
        other = Quote(symbol=Symbol("sh600519"), name="x")
        assert travelled(QUERIES[0], [other, Quote(symbol=A)]) == [Quote(symbol=A)]
        alone = travelled(QUERIES[0], [other, other])
        here = Hanging("h", HangingSettings(), Clock())
        for reply in (alone, [other, other]):
            with pytest.raises(BadData, match="about sh600519, which was not asked for"):
                normalise(QUERIES[0], reply, here, NOON)

    @pytest.mark.parametrize(
        ("number", "reply"),
        [
            (0, [{"symbol": A}]),
            (0, 5),
            (0, [Quote(symbol=A, name="\ud800")]),
            (1, [Depth(quote=Quote(symbol=A), bids=(1,))]),
            (2, [{"symbol": A}]),
            (2, [{"symbol": A, "time": "soon"}]),
            (4, [Quote(symbol=A)]),
            (5, {Exchange.SH: [Quote(symbol=A)]}),
            (6, {Exchange.SH: [DAY]}),
            (7, {"沪深A股": "600519.SH"}),
            (9, {Symbol("rb88.SHFE"): None}),
            (10, ["p"]),
        ],
    )
    def test_what_cannot_be_read_is_refused_in_the_same_words(self, number, reply):
        query = QUERIES[number]
        here = Hanging("h", HangingSettings(), Clock())
        with pytest.raises(BadData) as far:
            travelled(query, reply)
        if number < 9:
            with pytest.raises(BadData) as near:
                normalise(query, reply, here, NOON)
            assert far.value.message == near.value.message

    def test_a_damaged_table_is_an_error_of_the_kind_that_is_expected(self):
        with pytest.raises(ValueError, match="damaged"):
            unpacked("bars", None, b"no table")

    def test_the_tables_are_those_that_the_signatures_call_rows(self):
        assert set(SCHEMAS) == {"bars", "factors", "ticks"}

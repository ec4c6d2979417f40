# ruff: noqa: DTZ001  # naive times are what vendors send
from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import SHANGHAI, Depth, Kind, Level, Quote, Symbol, Trade, Units
from argus_core.market.quotes import normalise_depth, normalise_quote

LOTS = Units(volume=100, turnover=1000)
RAW = Quote(
    symbol=Symbol("600000.SH"),
    name="浦发银行",
    as_of=datetime(2024, 1, 15, 10, 0),
    price=9.4,
    open=9.3,
    high=9.5,
    low=9.2,
    prev_close=9.3,
    volume=10.0,
    turnover=9.35,
)
NOON = datetime(2024, 1, 15, 12, 0, tzinfo=SHANGHAI)


def stock(_symbol):
    return Kind.STOCK


def read(rule=LOTS, kind=stock, timezone="Asia/Shanghai", **changes):
    return normalise_quote(replace(RAW, **changes), rule, timezone=timezone, kind=kind)


def test_a_quote_is_canonical():
    assert read() == replace(
        RAW,
        as_of=datetime(2024, 1, 15, 10, 0, tzinfo=SHANGHAI),
        volume=1000.0,
        turnover=9350.0,
        change=0.1,
        change_pct=1.0753,
    )


def test_naive_times_are_in_the_sources_zone_and_all_become_shanghai():
    expected = datetime(2024, 1, 15, 18, 0, tzinfo=SHANGHAI)
    for changes in ({"timezone": "UTC"}, {"as_of": datetime(2024, 1, 15, 10, tzinfo=UTC)}):
        found = read(**changes).as_of
        assert found == expected
        assert found.tzinfo is SHANGHAI
    assert read(as_of=None).as_of is None


def test_what_the_vendor_computed_is_kept_and_rounded():
    found = read(change=0.1000000001, change_pct=1.07526881)
    assert (found.change, found.change_pct) == (0.1, 1.0753)
    only_change = read(change=0.2)
    assert only_change.change_pct == round(0.2 / 9.3 * 100, 4)


@pytest.mark.parametrize(
    "missing", [None, 0.0, -1.0, math.nan, math.inf, -math.inf, 1.7976931348623157e308]
)
def test_a_price_that_is_none_stays_none(missing):
    names = ("price", "prev_close", "open", "high", "low")
    for known in ("price", "prev_close"):
        found = read(**{**dict.fromkeys(names, missing), known: 9.3}, volume=0.0)
        assert [getattr(found, n) for n in names if n != known] == [None] * 4
        assert getattr(found, known) == 9.3
        assert (found.change, found.change_pct) == (None, None)
    assert read(**dict.fromkeys(names, missing), volume=0.0) is None


@pytest.mark.parametrize("kind", [Kind.STOCK, Kind.INDEX, Kind.FUTURE, Kind.UNKNOWN])
@pytest.mark.parametrize("missing", [None, 0.0, math.nan])
def test_a_price_that_is_missing_where_there_was_trading_cannot_be_true(missing, kind):
    nothing = dict.fromkeys(("price", "open", "high", "low", "volume", "turnover"), missing)
    for name, value in (("open", 9.3), ("high", 9.5), ("low", 9.2), ("volume", 10.0)):
        fault = read(kind=lambda _: kind, **{**nothing, name: value})
        assert "price is missing although" in fault
    untraded = read(kind=lambda _: kind, **nothing)
    assert (untraded.price, untraded.prev_close) == (None, 9.3)


@pytest.mark.parametrize("kind", [Kind.STOCK, Kind.INDEX, Kind.FUTURE, Kind.UNKNOWN])
def test_a_price_lies_within_the_days_range(kind):
    for price in (9.19, 9.51, 1000.0):
        assert "outside the day's range [9.2, 9.5]" in read(price=price, kind=lambda _: kind)
    for price in (9.2, 9.5, 9.196, 9.504):
        assert isinstance(read(price=price, kind=lambda _: kind), Quote)
    assert "outside" in read(price=9.1, high=None, kind=lambda _: kind)
    assert "outside" in read(price=9.6, low=0.0, kind=lambda _: kind)


@pytest.mark.parametrize("missing", [None, 0.0])
def test_the_price_of_the_opening_auction_has_no_range_yet(missing):
    nothing = dict.fromkeys(("open", "high", "low", "volume", "turnover"), missing)
    assert read(price=9.9, **nothing).price == 9.9


def test_a_quote_of_price_and_volume_alone_is_an_answer():
    found = normalise_quote(Quote(symbol=RAW.symbol, price=10.0, volume=3.0), Units())
    assert (found.price, found.volume) == (10.0, 3.0)
    index = Quote(symbol=Symbol("000300.SH"), price=3500.0, high=3510.0, low=3490.0, open=3500.0)
    assert normalise_quote(index, Units()).volume is None


@pytest.mark.parametrize("missing", [math.nan, math.inf, 2147483647, 1.7976931348623157e308])
def test_counts_that_are_sentinels_become_none(missing):
    found = read(volume=missing, turnover=missing, change=math.nan, change_pct=math.inf)
    assert (found.volume, found.turnover) == (None, None)
    assert (found.change, found.change_pct) == (0.1, 1.0753)


def test_no_trade_yet_is_a_true_quote():
    found = read(price=None, open=None, high=None, low=None, volume=0.0, turnover=0.0)
    assert (found.volume, found.turnover) == (0.0, 0.0)


@pytest.mark.parametrize("changes", [{"volume": 1000.0}, {"turnover": 9350.0}, {"volume": 0.09}])
def test_units_that_flip_are_a_fault(changes):
    fault = read(Units(volume=100, turnover=1000, volume_step=1, turnover_step=1), **changes)
    assert isinstance(fault, str)
    assert "disproves its units" in fault
    assert "[9.2, 9.5]" in fault


def test_a_little_off_is_served_and_other_kinds_prove_nothing():
    assert isinstance(read(turnover=9.35 * 1.9), Quote)
    assert isinstance(read(volume=1000.0, kind=lambda _: Kind.INDEX), Quote)
    assert isinstance(read(volume=1000.0, kind=lambda _: Kind.FUTURE), Quote)
    assert isinstance(read(volume=1000.0, low=None), Quote)
    assert isinstance(read(volume=-10.0), str)
    repo = replace(RAW, symbol=Symbol("204001.SH"), volume=1000.0)
    assert isinstance(normalise_quote(repo, LOTS, kind=lambda _: Kind.BOND), Quote)


def test_steps_explain_small_counts():
    small = {"volume": 1.0, "turnover": 199 * 9.4 / 1000}
    assert isinstance(read(Units(volume=100, turnover=1000, volume_step=100), **small), Quote)


def test_the_kind_comes_from_the_symbol():
    assert isinstance(normalise_quote(replace(RAW, volume=1000.0), LOTS), str)


def test_a_book_has_only_levels_that_exist():
    when = datetime(2024, 1, 15, 10, 0, 1)
    depth = Depth(
        quote=RAW,
        bids=(Level(9.39, 12.0), Level(0.0, 5.0), Level(9.37, 0.0)),
        asks=(Level(9.41, 1.0), Level(math.nan, 5.0), Level(9.43, 2147483647)),
        trades=(
            Trade(price=9.4, volume=3.0, time=when, direction="buy"),
            Trade(price=0.0, volume=3.0, time=when),
            Trade(price=9.4, volume=0.0, time=when),
        ),
    )
    found = book(depth)
    assert found.quote == read()
    assert found.bids == (Level(9.39, 1200.0),)
    assert found.asks == (Level(9.41, 100.0),)
    (trade,) = found.trades
    assert trade == Trade(
        price=9.4, volume=300.0, time=when.replace(tzinfo=SHANGHAI), direction="buy"
    )
    assert book(replace(depth, trades=None)).trades is None
    assert "disproves its units" in book(replace(depth, quote=replace(RAW, volume=1000.0)))


def book(depth, levels=5, now=NOON):
    return normalise_depth(depth, LOTS, levels=levels, now=now, kind=stock)


def side(*prices):
    return tuple(Level(price, 1.0) for price in prices)


def prices_of(levels):
    return [level.price for level in levels]


def test_a_book_is_sorted_best_first_and_cut_to_what_was_asked():
    bids, asks = side(9.1, 9.3, 0.0, 9.2), side(9.6, 9.4, 9.5)
    found = book(Depth(quote=RAW, bids=bids, asks=asks), levels=2)
    assert (prices_of(found.bids), prices_of(found.asks)) == ([9.3, 9.2], [9.4, 9.5])
    found = book(Depth(quote=RAW, bids=bids, asks=asks), levels=10)
    assert (prices_of(found.bids), prices_of(found.asks)) == ([9.3, 9.2, 9.1], [9.4, 9.5, 9.6])


@pytest.mark.parametrize("bid", [9.4, 9.41])
def test_a_crossed_book_cannot_be_true_outside_auctions(bid):
    crossed = Depth(quote=RAW, bids=side(9.3, bid), asks=side(9.5, 9.4))
    assert "book is crossed" in book(crossed)
    assert "book is crossed" in book(crossed, levels=1)
    opening = replace(RAW, open=0.0, high=0.0, low=0.0, volume=0.0, turnover=0.0)
    assert isinstance(book(replace(crossed, quote=opening)), Depth)
    for one_sided in (replace(crossed, bids=()), replace(crossed, asks=side(0.0))):
        assert isinstance(book(one_sided), Depth)


def test_the_closing_auction_of_the_stock_exchanges_shows_one_price_on_both_sides():
    def at(clock, symbol="600000.SH"):
        quote = replace(RAW, symbol=Symbol(symbol), as_of=datetime(2024, 1, 15, *clock))
        return book(Depth(quote=quote, bids=side(9.4), asks=side(9.4)))

    assert isinstance(at((14, 57)), Depth)
    assert isinstance(at((15, 0, 3)), Depth)
    assert isinstance(at((14, 56, 59)), str)
    assert isinstance(at((15, 1)), str)
    assert isinstance(at((14, 58), "rb2410.SHFE"), str)
    undated = Depth(quote=replace(RAW, as_of=None), bids=side(9.4), asks=side(9.4))
    assert isinstance(book(undated), str)
    assert isinstance(book(undated, now=datetime(2024, 1, 15, 6, 58, tzinfo=UTC)), Depth)


def test_a_book_without_a_quote_answers_and_nothing_at_all_does_not():
    bare = Quote(symbol=RAW.symbol)
    assert book(Depth(quote=bare, bids=side(9.4))).bids == (Level(9.4, 100.0),)
    assert book(Depth(quote=bare, bids=side(0.0))) is None
    assert isinstance(book(Depth(quote=replace(bare, prev_close=9.3))), Depth)


@settings(deadline=None, max_examples=60)
@given(
    bids=st.lists(st.floats(1, 9.3), max_size=8),
    asks=st.lists(st.floats(9.4, 99), max_size=8),
    levels=st.integers(1, 10),
)
def test_every_book_begins_with_its_best_levels(bids, asks, levels):
    found = book(Depth(quote=RAW, bids=side(*bids), asks=side(*asks)), levels)
    assert prices_of(found.bids) == sorted(bids, reverse=True)[:levels]
    assert prices_of(found.asks) == sorted(asks)[:levels]


@settings(deadline=None, max_examples=60)
@given(
    numbers=st.lists(st.one_of(st.none(), st.floats()), min_size=6, max_size=6),
    factor=st.sampled_from([1.0, 100.0]),
)
def test_no_nan_ever_comes_out_and_reading_twice_changes_nothing(numbers, factor):
    names = ("price", "open", "high", "low", "prev_close", "change")
    given = dict(zip(names, numbers, strict=True))
    found = read(Units(volume=factor), **given, volume=None, turnover=None)
    if isinstance(found, str):
        assert any(given[name] is not None and given[name] > 0 for name in names[1:4])
        return
    if found is None:
        assert not any(given[n] and 0 < given[n] < 1e308 for n in ("price", "prev_close"))
        return
    for name in names:
        value = getattr(found, name)
        assert value is None or math.isfinite(value)
    assert normalise_quote(found, Units(), kind=stock) == found


def test_recorded_ticks_count_lots_and_yuan(market_data):
    text = (market_data / "xtquant" / "recorded_full_ticks.json").read_text(encoding="utf-8")
    stocks = [r for r in json.loads(text) if r["code"] in ("000001.SZ", "600000.SH")]
    assert len(stocks) >= 3
    for record in stocks:
        tick = record["tick"]
        quote = Quote(
            symbol=Symbol(record["code"]),
            price=tick["lastPrice"],
            high=tick["high"],
            low=tick["low"],
            prev_close=tick["lastClose"],
            volume=tick["volume"],
            turnover=tick["amount"],
        )
        found = normalise_quote(quote, Units(volume=100, volume_step=100, turnover_step=100))
        # A recorded "amount" of a hundred times too much is the vendor's, and is caught
        true = tick["amount"] < 2 * tick["volume"] * 100 * tick["high"]
        assert isinstance(found, Quote if true else str), record["src"]
        assert isinstance(normalise_quote(quote, Units()), str)

"""Units that nobody documents: told from turnover, named as inferred, null where nothing tells."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.sources import symbols

from argus_core import (
    SHANGHAI,
    BarsQuery,
    Depth,
    DepthQuery,
    Kind,
    Level,
    Period,
    Quote,
    QuotesQuery,
    Source,
    Symbol,
    TicksQuery,
    Units,
)
from argus_core.market.inference import FACTORS
from argus_core.market.normalise import normalise
from argus_core.market.units import resolution, rule_for

STAR, INDEX, OPTION = symbols("688293.SH", "000300.SH", "10006000.SH")
DAYS = [date(2024, 3, day) for day in (11, 12, 13, 14, 15)]
NOW = datetime(2024, 3, 18, 16, tzinfo=SHANGHAI)
UNKNOWN = Units(volume=None, turnover_step=1.0)


def source(*units):
    made = Source("vendor", None, TestClock())
    made.units = units
    return made


def bars(symbol, counts, unit, price=10.0):
    return [
        {"symbol": symbol, "time": day, "open": price, "high": price * 1.01, "low": price * 0.99}
        | {"close": price, "volume": count, "turnover": count * unit * price}
        for day, count in zip(DAYS, counts, strict=False)
    ]


def read_bars(rows, symbol=STAR, units=(UNKNOWN,)):
    query = BarsQuery(
        symbols=(symbol,), period=Period.D1, start=DAYS[0], end=DAYS[-1], since=NOW, until=NOW
    )
    return normalise(query, rows, source(*units), NOW)


@given(
    unit=st.sampled_from(FACTORS),
    counts=st.lists(st.integers(5, 10**6), min_size=1, max_size=5),
    price=st.floats(0.5, 5000),
)
def test_volumes_come_out_in_shares_whatever_the_vendor_counts(unit, counts, price):
    read = read_bars(bars(STAR, counts, unit, price))
    assert not read.faults
    expected = [count * unit for count in counts]
    assert read.values[STAR]["volume"].to_list() == pytest.approx(expected)
    assert any(
        step.startswith("inferred from turnover: volume of 688293.SH") for step in read.steps
    )


def test_a_unit_that_changes_in_the_middle_is_disproved_not_inferred_away():
    rows = bars(STAR, [1000, 2000, 1500, 1800], 100)
    rows[3]["volume"] *= 100
    read = read_bars(rows)
    assert read.disproved == {STAR}
    assert "2024-03-14" in read.faults[STAR]


@pytest.mark.parametrize("turnover", [None, 0.0])
def test_without_turnover_the_volume_is_null_and_the_reason_told(turnover):
    rows = [row | {"turnover": turnover} for row in bars(STAR, [1000, 2000], 100)]
    read = read_bars(rows)
    assert read.values[STAR]["volume"].to_list() == [None, None]
    assert read.values[STAR]["close"].to_list() == [10.0, 10.0]
    assert "left the volume of 688293.SH out: its unit is not known" in read.steps


def test_a_ratio_near_no_unit_is_never_rounded_to_one():
    read = read_bars(bars(STAR, [1000], 33))
    assert read.values[STAR]["volume"].to_list() == [None]


@pytest.mark.parametrize("symbol", [INDEX, OPTION])
def test_what_has_no_price_per_share_cannot_be_inferred(symbol):
    read = read_bars(bars(symbol, [1000], 100), symbol)
    assert read.values[symbol]["volume"].to_list() == [None]


def quote(symbol=STAR, **changes):
    facts = {"price": 10.0, "open": 10.0, "high": 10.1, "low": 9.9, "volume": 5000.0}
    return Quote(symbol=symbol, **facts | {"turnover": 5000.0 * 100 * 10} | changes)


def test_quotes_and_books_take_the_unit_of_their_own_day():
    query = DepthQuery(symbols=(STAR,))
    book = Depth(quote=quote(), bids=(Level(9.99, 3.0),), asks=(Level(10.01, 4.0),))
    read = normalise(query, [book], source(UNKNOWN), NOW)
    found = read.values[STAR]
    assert found.quote.volume == 500_000
    assert (found.bids[0].volume, found.asks[0].volume) == (300, 400)
    assert read.steps == ("inferred from turnover: volume of 688293.SH × 100",)
    assert read.resolution == {STAR: {"volume": 100.0, "turnover": 1.0}}


@pytest.mark.parametrize("changes", [{"turnover": None}, {"turnover": float("nan")}])
def test_a_quote_that_shows_no_unit_has_no_volume(changes):
    read = normalise(QuotesQuery(symbols=(STAR,)), [quote(**changes)], source(UNKNOWN), NOW)
    assert read.values[STAR].volume is None
    assert read.values[STAR].price == 10.0


@pytest.mark.parametrize(("turnover", "volume"), [(100.0, None), (200.0, 300.0)])
def test_money_of_one_rounding_step_tells_the_step_and_no_unit(turnover, volume):
    # A share for a yuan, recorded to a hundred yuan, looks like a lot of a hundred
    coarse = (Units(volume=None, turnover_step=100.0),)
    counted = 1.0 if volume is None else 3.0
    rows = [bars(STAR, [counted], 1, price=1.0)[0] | {"turnover": turnover}]
    assert read_bars(rows, units=coarse).values[STAR]["volume"].to_list() == [volume]
    told = Quote(symbol=STAR, price=1.0, volume=counted, turnover=turnover)
    read = normalise(QuotesQuery(symbols=(STAR,)), [told], source(*coarse), NOW)
    assert read.values[STAR].volume == volume


def test_before_the_first_trade_nothing_is_nothing_in_any_unit():
    silent = Quote(symbol=STAR, prev_close=10.0, volume=0.0, turnover=0.0)
    read = normalise(QuotesQuery(symbols=(STAR,)), [silent], source(UNKNOWN), NOW)
    assert read.values[STAR].volume == 0


def test_a_rule_may_speak_of_exchanges_and_of_codes():
    rules = (Units(volume=None, codes=("688", "689")), Units(volume=100.0))
    assert rule_for(rules, "bars", STAR, Kind.STOCK, None).volume is None
    assert rule_for(rules, "bars", Symbol("600519.SH"), Kind.STOCK, None).volume == 100
    assert rule_for((), "bars", STAR, Kind.STOCK, None) == Units()


def test_only_what_is_coarser_than_a_share_and_a_cent_is_stated():
    assert resolution(Units()) == {}
    assert resolution(Units(volume_step=100, turnover_step=1)) == {"volume": 100, "turnover": 1}


def tick(second, volume, **changes):
    row = {"symbol": STAR, "time": f"2024-03-11 10:00:{second:02}", "price": 10.0}
    row |= {"open": 10.0, "high": 10.1, "low": 9.9, "prev_close": 10.0, "volume": volume}
    row |= {"turnover": volume * 1000.0, "bid_price1": 9.99, "bid_volume1": 3.0}
    return row | {"ask_price1": 0.0, "ask_volume1": 0.0} | changes


def read_ticks(rows, *units, timezone="Asia/Shanghai"):
    query = TicksQuery(symbols=(STAR,), start=DAYS[0], end=DAYS[0], since=NOW, until=NOW)
    vendor = source(*(units or (Units(volume=100.0, volume_step=100.0),)))
    vendor.timezone = timezone
    return normalise(query, rows, vendor, NOW)


def test_snapshots_are_scaled_sorted_dated_and_without_false_zeros():
    read = read_ticks([tick(6, 20.0), tick(3, 10.0), tick(3, 10.0)])
    frame = read.values[STAR]
    assert frame["volume"].to_list() == [1000, 2000]
    assert frame["bid_volume1"].to_list() == [300, 300]
    assert frame["ask_price1"].to_list() == [None, None]
    assert frame["ask_volume1"].to_list() == [None, None]
    assert frame["time"][0] == datetime(2024, 3, 11, 2, 0, 3, tzinfo=UTC)
    assert frame["date"].to_list() == [DAYS[0]] * 2
    assert read.resolution == {STAR: {"volume": 100.0}}


def test_snapshots_of_another_day_are_dropped():
    other = tick(3, 10.0, time="2024-03-12 10:00:03")
    assert read_ticks([other]).values == {}
    assert read_ticks([tick(3, 10.0), other]).values[STAR].height == 1


def test_snapshots_in_another_zone_are_moved():
    rows = [tick(3, 10.0, time="2024-03-11 02:00:03")]
    frame = read_ticks(rows, timezone="UTC").values[STAR]
    assert frame["time"][0] == datetime(2024, 3, 11, 10, 0, 3, tzinfo=SHANGHAI)


def test_a_day_s_volume_that_falls_is_disproved():
    read = read_ticks([tick(3, 20.0), tick(6, 10.0)])
    assert read.disproved == {STAR}


def test_a_flip_by_a_hundred_is_disproved():
    rows = [tick(3, 10.0), tick(6, 20.0), tick(9, 3000.0, turnover=30_000.0)]
    assert read_ticks(rows).disproved == {STAR}


def test_snapshots_infer_an_unknown_unit():
    read = read_ticks([tick(3, 10.0), tick(6, 20.0)], UNKNOWN)
    assert read.values[STAR]["volume"].to_list() == [1000, 2000]
    assert read.steps[0].startswith("inferred from turnover")


def test_no_snapshots_are_no_answer_about_anybody():
    assert read_ticks([]).values == {}


def test_a_level_of_a_few_shares_stays_where_the_vendor_counts_lots():
    lots, shares = Units(volume=100.0, volume_step=100.0), Units()
    book = Depth(quote=quote(), bids=(Level(9.99, 0.0), Level(9.98, 3.0)), asks=())
    for rule, expected in ((lots, [9.99, 9.98]), (shares, [9.98])):
        vendor = source(rule)
        plain = Depth(quote=Quote(symbol=STAR, price=10.0), bids=book.bids)
        found = normalise(DepthQuery(symbols=(STAR,)), [plain], vendor, NOW).values[STAR]
        assert [level.price for level in found.bids] == expected


def test_snapshots_keep_such_levels_too():
    rows = [tick(3, 10.0, ask_price1=10.01, ask_volume1=0.0)]
    assert read_ticks(rows).values[STAR]["ask_price1"].to_list() == [10.01]
    assert read_ticks(rows).values[STAR]["ask_volume1"].to_list() == [0.0]
    exact = [tick(3, 1000.0, turnover=10_000.0, ask_price1=10.01, ask_volume1=0.0)]
    assert read_ticks(exact, Units()).values[STAR]["ask_price1"].to_list() == [None]


def test_a_bar_of_a_few_shares_is_a_bar():
    rule = Units(volume=100.0, volume_step=100.0, turnover_step=1.0)
    rows = bars(STAR, [1000, 0], 100)
    rows[1]["turnover"] = 300.0
    assert read_bars(rows, units=(rule,)).values[STAR]["volume"].to_list() == [100_000, 0]
    assert read_bars(rows, units=(Units(volume=100.0),)).values[STAR].height == 1


def test_snapshots_dated_to_the_second_say_so():
    rule = Units(time_step=1.0)
    whole = quote(volume=500_000.0)
    read = normalise(QuotesQuery(symbols=(STAR,)), [whole], source(rule), NOW)
    assert read.resolution == {STAR: {"timestamp": 1.0}}

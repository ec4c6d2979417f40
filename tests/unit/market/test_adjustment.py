from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import Adjust, BadData
from argus_core.market.adjustment import adjust, factors_from_prev_close

PRICES = ["open", "high", "low", "close"]
FIRST = date(2024, 1, 15)


def days(closes, prev_closes=None):
    """Consecutive days; the open is a tenth below, high and low a fifth around the close."""
    closes = list(closes)
    return pl.DataFrame(
        {
            "date": [FIRST + timedelta(days=n) for n in range(len(closes))],
            "open": [c - 0.1 for c in closes],
            "high": [c + 0.2 for c in closes],
            "low": [c - 0.2 for c in closes],
            "close": closes,
            "volume": [1000.0] * len(closes),
            "turnover": [c * 1000 for c in closes],
            "prev_close": prev_closes or [closes[0], *closes[:-1]],
        }
    )


def factors(**by_day):
    table = {FIRST + timedelta(days=int(day[1:])): factor for day, factor in by_day.items()}
    return pl.DataFrame({"date": list(table), "factor": list(table.values())})


RAW = days([10.0, 10.0, 5.0, 5.5], [9.8, 10.0, 5.0, 5.0])
SPLIT = factors(d0=3.0, d2=6.0)


def test_pre_keeps_the_newest_price():
    frame, base = adjust(RAW, SPLIT, Adjust.PRE)
    assert base == FIRST + timedelta(days=2)
    assert frame["close"].to_list() == [5.0, 5.0, 5.0, 5.5]
    assert frame["high"].to_list() == [5.1, 5.1, 5.2, 5.7]
    assert frame["prev_close"].to_list() == [4.9, 5.0, 5.0, 5.0]
    assert frame.columns == RAW.columns


def test_post_keeps_the_oldest_price():
    frame, base = adjust(RAW, SPLIT, Adjust.POST)
    assert base == FIRST
    assert frame["close"].to_list() == [10.0, 10.0, 10.0, 11.0]
    assert frame["prev_close"].to_list() == [9.8, 10.0, 10.0, 10.0]


def test_volume_and_turnover_are_never_adjusted():
    for how in (Adjust.PRE, Adjust.POST):
        frame, _ = adjust(RAW, SPLIT, how)
        assert frame.select("date", "volume", "turnover").equals(
            RAW.select("date", "volume", "turnover")
        )


@pytest.mark.parametrize("how", [Adjust.PRE, Adjust.POST])
def test_a_base_pins_the_date_that_stays_as_traded(how):
    for offset, expected in ((0, [10.0, 10.0, 10.0, 11.0]), (3, [5.0, 5.0, 5.0, 5.5])):
        base = FIRST + timedelta(days=offset)
        frame, found = adjust(RAW, SPLIT, how, base)
        assert (found, frame["close"].to_list()) == (base, expected)


def test_no_adjustment_is_the_series_itself():
    assert adjust(RAW, SPLIT, Adjust.NONE) == (RAW, None)
    assert adjust(RAW.clear(), SPLIT, Adjust.PRE)[0].is_empty()


def test_a_bar_older_than_every_factor_is_refused_unless_the_scale_starts_with_one():
    late = factors(d1=3.0, d2=6.0)
    with pytest.raises(BadData, match="2024-01-16"):
        adjust(RAW, late, Adjust.PRE)
    from_one = factors(d1=1.0, d2=2.0)
    frame, _ = adjust(RAW, from_one, Adjust.PRE)
    assert frame["close"].to_list() == [5.0, 5.0, 5.0, 5.5]


def test_a_base_older_than_every_factor_is_refused_unless_the_scale_starts_with_one():
    before = FIRST - timedelta(days=9)
    with pytest.raises(BadData, match=str(before)):
        adjust(RAW, SPLIT, Adjust.PRE, before)
    frame, base = adjust(RAW, factors(d0=1.0, d2=2.0), Adjust.PRE, before)
    assert base == before
    assert frame["close"].to_list() == [10.0, 10.0, 10.0, 11.0]


@pytest.mark.parametrize(
    "table",
    [factors(d0=1.0)[:0], factors(d0=0.0), factors(d0=-1.0), factors(d0=1.0, d2=None)],
)
def test_factors_that_cannot_be_true_are_refused(table):
    with pytest.raises(BadData):
        adjust(RAW, table, Adjust.PRE)


def test_factors_may_come_in_any_order_and_twice_but_not_contradict():
    shuffled = pl.concat([SPLIT.reverse(), SPLIT])
    assert adjust(RAW, shuffled, Adjust.PRE)[0].equals(adjust(RAW, SPLIT, Adjust.PRE)[0])
    with pytest.raises(BadData, match="same date"):
        adjust(RAW, pl.concat([SPLIT, factors(d2=7.0)]), Adjust.PRE)


def test_factors_follow_the_exchanges_previous_close():
    table = factors_from_prev_close(RAW.reverse())
    assert table["date"].to_list() == RAW["date"].to_list()
    assert table["factor"].to_list() == [1.0, 1.0, 2.0, 2.0]


def test_half_a_cent_is_rounding_and_more_is_an_event():
    table = factors_from_prev_close(days([10.0, 10.0, 10.0], [10.0, 9.995, 9.99]))
    assert table["factor"].to_list() == [1.0, 1.0, 10.0 / 9.99]
    fine = factors_from_prev_close(days([1.0, 1.0], [1.0, 0.996]), tick=0.001)
    assert fine["factor"].to_list() == [1.0, 1.0 / 0.996]


def test_a_missing_previous_close_is_no_guess():
    with pytest.raises(BadData, match="previous close"):
        factors_from_prev_close(days([10.0, 10.0], [9.0, None]))
    assert factors_from_prev_close(days([10.0, 10.0], [None, 10.0]))["factor"].to_list() == [1, 1]


STEPS = st.lists(st.floats(0.5, 3.0), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(
    steps=STEPS,
    closes=st.lists(st.floats(1, 3000), min_size=20, max_size=20),
    how=st.sampled_from([Adjust.PRE, Adjust.POST]),
    scale=st.floats(0.01, 200),
)
def test_dividing_by_the_factors_gives_the_raw_prices_back(steps, closes, how, scale):
    raw = days(closes[: len(steps)])
    cumulative = pl.Series("factor", steps).cum_prod()
    table = pl.DataFrame({"date": raw["date"], "factor": cumulative})
    frame, base = adjust(raw, table, how)
    at = table.filter(pl.col("date") == base)["factor"][0]
    for name in PRICES:
        back = frame[name] / (cumulative / at)
        assert back.to_list() == pytest.approx(raw[name].to_list(), rel=1e-12)
    stays = frame.filter(pl.col("date") == base).select(PRICES)
    assert stays.equals(raw.filter(pl.col("date") == base).select(PRICES))
    # Only ratios count: a vendor whose scale starts elsewhere gives the same prices
    other = table.with_columns(pl.col("factor") * scale)
    again, _ = adjust(raw, other, how)
    assert again["close"].to_list() == pytest.approx(frame["close"].to_list(), rel=1e-9)


def recorded(path):
    raw = pl.read_csv(path)
    return raw.select(
        pl.col("trade_date").cast(pl.String).str.to_date("%Y%m%d").alias("date"),
        *PRICES,
        prev_close="pre_close",
        volume="vol",
        turnover="amount",
    ).sort("date")


def deviations(market_data, symbol, years, base=None):
    """How far our prices, from raw closes and previous closes, lie from the vendor's, by date."""
    folder = market_data / "tushare"
    raw = recorded(folder / f"daily_raw_{symbol}_{years}.csv")
    vendor = recorded(folder / f"pro_bar_qfq_{symbol}_2010-2020.csv").select("date", *PRICES)
    base = base or raw["date"][-1]
    frame, found = adjust(raw, factors_from_prev_close(raw), Adjust.PRE, base)
    assert found == base
    both = frame.select("date", *PRICES).join(vendor, on="date", suffix="_vendor")
    assert both.height == raw.height
    here = both.filter(pl.col("date") == base).row(0, named=True)
    # Bring the vendor's to our base; the mean of four prices, because it rounds each of them
    scale = sum(here[n] for n in PRICES) / sum(here[f"{n}_vendor"] for n in PRICES)
    yuan = [(pl.col(n) - pl.col(f"{n}_vendor") * scale).abs() for n in PRICES]
    relative = [gap / pl.col(n) for gap, n in zip(yuan, PRICES, strict=True)]
    return both.select("date", yuan=pl.max_horizontal(yuan), relative=pl.max_horizontal(relative))


@pytest.mark.parametrize("base", [date(2019, 3, 1), date(2019, 6, 26), None])
def test_recorded_adjusted_prices_of_a_bank_are_met(market_data, base):
    found = deviations(market_data, "000001.SZ", "2019-2020", base)
    assert found["yuan"].max() <= 0.001


def test_recorded_adjusted_prices_of_a_distiller_are_met(market_data):
    found = deviations(market_data, "600519.SH", "2010-2020")
    recent = found.filter(pl.col("date") >= date(2017, 7, 7))
    assert recent["relative"].max() <= 5e-5
    # The vendor's own factors of 2011-07-01 and 2013-06-07 imply previous closes two cents away
    # from the exchange's (191.186 for 191.21, 195.259 for 195.24), so older prices lie further off
    assert found["relative"].max() <= 1.3e-4
